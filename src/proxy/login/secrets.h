/* What the workers have learnt of passwords: in locked memory, kept out of core dumps, wiped.
 *
 * Clients prove a password to the proxy; what a proof reveals is what logs in to the servers. The
 * clear text is kept only where a plugin's exchange reveals it, because a server with a cold cache
 * (caching_sha2_password) or with client_ed25519 needs it. The one lock here is taken at log-in and
 * at the end of a session, never for a statement.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "proxy/login/accounts.h"
#include "wire/auth.h"

/* What logs in to a server as one account. */
struct credential {
	bool empty; /* no password */
	bool has_stage1;
	bool has_s1;
	bool has_clear;
	uint8_t stage1[AUTH_NATIVE_BYTES]; /* mysql_native_password */
	uint8_t s1[AUTH_SHA2_BYTES];	   /* caching_sha2_password */
	struct secret clear;
};

struct secrets;

enum { SECRETS_MAX = 4096 };

struct secrets *secrets_new(void);		       /* never NULL */
struct secrets *secrets_free(struct secrets *secrets); /* wipes; takes NULL, returns NULL */

/* What is known for this account with this stored password, or NULL. A reference: give it back with
 * secrets_release(). Thread-safe, as the two below. */
const struct credential *secrets_find(struct secrets *secrets, const struct account *account);

/* Remembers it for this account and returns a reference, NULL when SECRETS_MAX are in use. */
const struct credential *secrets_learn(struct secrets *secrets, const struct account *account,
				       const struct credential *credential);

/* Another reference to one that is held; returns its argument. */
const struct credential *secrets_ref(struct secrets *secrets, const struct credential *credential);

void secrets_release(struct secrets *secrets, const struct credential *credential); /* takes NULL */

/* Fills what follows from the clear text. */
void credential_complete(struct credential *credential);
