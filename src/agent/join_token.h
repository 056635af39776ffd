/* A join token: what a new node shows to the managers, and by what it knows that they are the right ones.
 *
 * Text: ID.SECRET.FINGERPRINT, all hexadecimal digits. The managers keep the hash of the secret only; the
 * fingerprint is that of their authority's certificate.
 */
#pragma once

#include "agent/identity.h"

enum {
	JOIN_TOKEN_ID_BYTES_MAX = 17,	  /* 16 digits and the NUL */
	JOIN_TOKEN_SECRET_BYTES_MAX = 49, /* 48 digits and the NUL */
	JOIN_TOKEN_TEXT_BYTES_MAX = 160,
};

struct join_token {
	char id[JOIN_TOKEN_ID_BYTES_MAX];
	char secret[JOIN_TOKEN_SECRET_BYTES_MAX];
	char fingerprint[NODE_FINGERPRINT_BYTES_MAX];
};

/* Draws id and secret. */
void join_token_make(const char *fingerprint, struct join_token *ret);

/* Appends the text. */
void join_token_print(const struct join_token *token, struct buf *out);

/* Blanks and newlines around it are fine. Errors: ERR_PARSE. */
MUST_CHECK enum err join_token_parse(struct str text, struct join_token *ret, struct err_ctx *err);

/* Of the secret, as it is stored: hexadecimal digits. */
void join_token_hash(const char *secret, char ret[NODE_FINGERPRINT_BYTES_MAX]);

/* Draws a node's id (identity.h). */
void join_token_node_id(char ret[NODE_ID_BYTES_MAX]);
