/* The managers' own certificate authority: says which node is which. ECDSA P-256, kept in the store.
 *
 * Who may get a certificate is decided by who calls; here it is only made.
 */
#pragma once

#include "agent/identity.h"

struct authority {
	char key[IDENTITY_PEM_BYTES_MAX]; /* PEM */
	char certificate[IDENTITY_PEM_BYTES_MAX];
};

/* What a certificate is to say. */
struct authority_subject {
	const char *name;
	const char *id;
	bool manager;
	uint32_t days;	  /* it is good for so long */
	uint64_t wall_us; /* now */
};

/* Makes a key and its certificate. Errors: ERR_FAILED. */
MUST_CHECK enum err authority_make(uint64_t wall_us, struct authority *ret, struct err_ctx *err);

/* Certifies the public key of a request (PEM), of which nothing else is taken over; ret is cleared first.
 * Errors: ERR_USAGE (no request, a bad signature, no P-256 key), ERR_FAILED. */
MUST_CHECK enum err authority_sign(const struct authority *authority, struct str request,
				   const struct authority_subject *subject,
				   char ret[IDENTITY_PEM_BYTES_MAX], struct err_ctx *err);

/* A whole identity with a key of its own: of a process that holds the authority itself. */
MUST_CHECK enum err authority_issue(const struct authority *authority,
				    const struct authority_subject *subject, struct identity *ret,
				    struct err_ctx *err);
