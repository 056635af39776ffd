/* Base64 with padding. Source: RFC 4648, section 4. */
#pragma once

#include "base/buf.h"

/* Appends the text of `bytes`. */
void base64_add(struct buf *out, struct str bytes);

/* Appends the bytes that `text` stands for; nothing when it is no base64. Errors: ERR_PARSE. */
MUST_CHECK enum err base64_decode(struct str text, struct buf *out, struct err_ctx *err);
