/* Who a node is: a key, a certificate that the managers signed, and the certificate of who signed it.
 *
 * A certificate carries the node's name (CN), a number that is drawn anew with each joining (OU), and as DNS names
 * NAME.node.muster and, of a manager, manager.muster: TLS checks by these names whom it speaks to, wherever that one
 * listens. The three files stand in one folder, mode 0600.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
	NODE_NAME_BYTES_MAX = 64, /* with the NUL */
	NODE_ID_BYTES_MAX = 33,	  /* 32 hexadecimal digits and the NUL */
	NODE_FINGERPRINT_BYTES_MAX = 65,
	IDENTITY_PEM_BYTES_MAX = 4096,
};

#define IDENTITY_MANAGER_NAME "manager.muster"

/* What a certificate says. */
struct identity_facts {
	char name[NODE_NAME_BYTES_MAX];
	char id[NODE_ID_BYTES_MAX];
	uint64_t begins_s; /* since 1970 */
	uint64_t ends_s;
};

struct identity {
	struct identity_facts facts;
	char key[IDENTITY_PEM_BYTES_MAX]; /* PEM, as the next two; NUL-terminated */
	char certificate[IDENTITY_PEM_BYTES_MAX];
	char authority[IDENTITY_PEM_BYTES_MAX];
};

/* Letters, digits, '-', '_' and '.', at most 63, none of the two last at the beginning.
 * Errors: ERR_USAGE, words included. */
MUST_CHECK enum err identity_check_name(struct str name, struct err_ctx *err);

/* A fresh ECDSA P-256 key as PEM. Errors: ERR_FAILED. */
MUST_CHECK enum err identity_make_key(char ret_key[IDENTITY_PEM_BYTES_MAX], struct err_ctx *err);

/* A request (PKCS #10, PEM) to certify the key. Errors: ERR_FAILED. */
MUST_CHECK enum err identity_request(const char *key, struct buf *ret, struct err_ctx *err);

/* What a certificate says, from PEM or from DER. Errors: ERR_PARSE. */
MUST_CHECK enum err identity_read_pem(struct str pem, struct identity_facts *ret,
				      struct err_ctx *err);
MUST_CHECK enum err identity_read_der(struct str der, struct identity_facts *ret,
				      struct err_ctx *err);

/* SHA-256 of a certificate, in hexadecimal digits. Errors: ERR_PARSE. */
MUST_CHECK enum err identity_fingerprint(struct str pem, char ret[NODE_FINGERPRINT_BYTES_MAX],
					 struct err_ctx *err);

/* Reads the folder's files. Errors: ERR_NOT_FOUND (this node has not joined), ERR_PARSE, ERR_IO. */
MUST_CHECK enum err identity_load(const char *folder, struct identity *ret, struct err_ctx *err);

/* Writes them; the folder is made when it is missing. Errors: ERR_IO. */
MUST_CHECK enum err identity_store(const char *folder, const struct identity *identity,
				   struct err_ctx *err);

/* Whether two thirds of the certificate's time are over. */
bool identity_is_due(const struct identity_facts *facts, uint64_t wall_s);

void identity_wipe(struct identity *identity); /* the key */
