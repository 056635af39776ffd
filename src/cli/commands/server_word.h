/* Servers as people write them: NAME=HOST:PORT, HOST:PORT, [ADDRESS]:PORT. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* Reads one word; the port is 3306 when it is left out.
 *
 * named: NAME= stands in front.
 * ret:   {"name": ..., "host": ..., "port": ...}, without the name when not `named`; a new reference.
 * Errors: ERR_USAGE, with the word and the form that is wanted.
 */
MUST_CHECK enum err server_word_parse(const char *word, bool named, json_t **ret,
				      struct err_ctx *err);
