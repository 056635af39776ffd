#include "api/json_text.h"

/* jansson's sink; an overflow is kept in the buffer, so there is nothing to tell here. */
static int add(const char *text, size_t bytes, void *ctx)
{
	buf_add(ctx, text, bytes);
	return 0;
}

void json_text_add(struct buf *out, const json_t *value, size_t flags)
{
	if (json_dump_callback(value, add, out, flags) != 0) {
		out->overflow = true; /* no memory */
	}
}
