#include "wire/resultset.h"

#include "wire/packet.h"
#include "wire/reply.h"

enum {
	NULL_VALUE = 0xfb,
	FIXED_BYTES = 0x0c, /* of a definition's fixed part, written in front of it */
	TEXT_LENGTH_MAX = 1024,
};

struct resultset_column resultset_text_column(struct str name)
{
	return (struct resultset_column){
		.catalog = STR("def"),
		.name = name,
		.collation = COLLATION_UTF8MB4_GENERAL_CI,
		.length_max = TEXT_LENGTH_MAX,
		.type = FIELD_VAR_STRING,
		.decimals = 31, /* "not fixed", as the servers have it for text */
	};
}

void resultset_column_encode(struct buf *out, const struct resultset_column *column,
			     capabilities caps)
{
	buf_add_lenenc_str(out, column->catalog);
	buf_add_lenenc_str(out, column->schema);
	buf_add_lenenc_str(out, column->table);
	buf_add_lenenc_str(out, column->table_origin);
	buf_add_lenenc_str(out, column->name);
	buf_add_lenenc_str(out, column->name_origin);
	if (caps & CAP_MARIADB_EXTENDED_METADATA) {
		buf_add_lenenc_str(out, column->extended);
	}
	buf_add_lenenc(out, FIXED_BYTES);
	buf_add_u16(out, column->collation);
	buf_add_u32(out, column->length_max);
	buf_add_u8(out, column->type);
	buf_add_u16(out, column->flags);
	buf_add_u8(out, column->decimals);
	buf_add_zeros(out, 2);
}

enum err resultset_column_decode(struct str payload, capabilities caps,
				 struct resultset_column *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct resultset_column column = { 0 };
	uint64_t fixed_bytes;
	if (cursor_lenenc_str(&cur, &column.catalog) != ERR_OK ||
	    cursor_lenenc_str(&cur, &column.schema) != ERR_OK ||
	    cursor_lenenc_str(&cur, &column.table) != ERR_OK ||
	    cursor_lenenc_str(&cur, &column.table_origin) != ERR_OK ||
	    cursor_lenenc_str(&cur, &column.name) != ERR_OK ||
	    cursor_lenenc_str(&cur, &column.name_origin) != ERR_OK ||
	    (caps & CAP_MARIADB_EXTENDED_METADATA &&
	     cursor_lenenc_str(&cur, &column.extended) != ERR_OK) ||
	    cursor_lenenc(&cur, &fixed_bytes) != ERR_OK || fixed_bytes < FIXED_BYTES ||
	    cursor_u16(&cur, &column.collation) != ERR_OK ||
	    cursor_u32(&cur, &column.length_max) != ERR_OK ||
	    cursor_u8(&cur, &column.type) != ERR_OK || cursor_u16(&cur, &column.flags) != ERR_OK ||
	    cursor_u8(&cur, &column.decimals) != ERR_OK || cursor_skip(&cur, 2) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "broken column definition");
	}
	*ret = column;
	return ERR_OK;
}

void resultset_row_encode(struct buf *out, const struct str *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (values[i].ptr) {
			buf_add_lenenc_str(out, values[i]);
		} else {
			buf_add_u8(out, NULL_VALUE);
		}
	}
}

enum err resultset_value_next(struct cursor *row, struct str *ret)
{
	if (cursor_left(row) == 0) {
		return ERR_NOT_FOUND;
	}
	if (*row->at == NULL_VALUE) {
		row->at++;
		*ret = (struct str){ NULL, 0 };
		return ERR_OK;
	}
	return cursor_lenenc_str(row, ret);
}

void resultset_start(struct buf *out, uint8_t *sequence, const struct resultset_column *columns,
		     size_t count, capabilities caps, uint16_t status)
{
	size_t mark = packet_begin(out);
	buf_add_lenenc(out, count);
	if (caps & (CAP_OPTIONAL_METADATA | CAP_MARIADB_CACHE_METADATA)) {
		buf_add_u8(out, 1);
	}
	packet_end(out, mark, sequence);
	for (size_t i = 0; i < count; i++) {
		mark = packet_begin(out);
		resultset_column_encode(out, &columns[i], caps);
		packet_end(out, mark, sequence);
	}
	if (!(caps & CAP_DEPRECATE_EOF)) {
		struct reply_eof eof = { .status = status };
		mark = packet_begin(out);
		reply_eof_encode(out, &eof);
		packet_end(out, mark, sequence);
	}
}

void resultset_add_row(struct buf *out, uint8_t *sequence, const struct str *values, size_t count)
{
	size_t mark = packet_begin(out);
	resultset_row_encode(out, values, count);
	packet_end(out, mark, sequence);
}

void resultset_end(struct buf *out, uint8_t *sequence, capabilities caps, uint16_t status,
		   uint16_t warnings)
{
	size_t mark = packet_begin(out);
	reply_end_encode(out, status, warnings, caps);
	packet_end(out, mark, sequence);
}
