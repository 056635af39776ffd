#include "db/conn_text.h"

#include <stddef.h>

void conn_text_quote(struct buf *sql, struct str text)
{
	buf_add_char(sql, '\'');
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		switch (c) {
		case '\0':
			buf_add_text(sql, "\\0");
			break;
		case '\n':
			buf_add_text(sql, "\\n");
			break;
		case '\r':
			buf_add_text(sql, "\\r");
			break;
		case '\x1a':
			buf_add_text(sql, "\\Z");
			break;
		case '\'':
		case '\\':
			buf_add_char(sql, '\\');
			buf_add_char(sql, c);
			break;
		default:
			buf_add_char(sql, c);
		}
	}
	buf_add_char(sql, '\'');
}

/* The decimal digits at the end of `text`, 0 when there are none or too many. */
static int number_at_end(struct str text)
{
	size_t from = text.len;
	while (from > 0 && text.ptr[from - 1] >= '0' && text.ptr[from - 1] <= '9') {
		from--;
	}
	uint32_t number = 0;
	if (str_parse_u32(str_slice(text, from, text.len), 0, 4095, &number) != ERR_OK) {
		return 0;
	}
	return (int)number;
}

int conn_text_os_errno(struct str message)
{
	struct str text = str_trim(message);
	if (str_ends_with(text, STR(")"))) {
		return number_at_end(str_slice(text, 0, text.len - 1));
	}
	return str_contains(text, STR("system error: ")) ? number_at_end(text) : 0;
}
