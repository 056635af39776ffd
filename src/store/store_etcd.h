/* The store in etcd 3.4 or newer, over its JSON gateway: shared by several processes, each with handles of its own.
 *
 * Keys of the interface get a prefix in etcd. What etcd calls a key's version is the interface's version.
 */
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "store/store.h"

enum { STORE_ETCD_ENDPOINTS_MAX = 9, STORE_ETCD_PREFIX_BYTES_MAX = 256 };

/* Texts are copied. NULL or "" where there is none. */
struct store_etcd_options {
	const char *
		endpoints; /* "http://10.0.0.1:2379,https://10.0.0.2:2379", at most _ENDPOINTS_MAX */
	const char *prefix; /* "/muster/main/" */
	const char
		*ca_file; /* who is trusted to speak for an https endpoint; "": the system's list */
	const char *cert_file; /* the certificate that is shown, and its key */
	const char *key_file;
	const char *user; /* "": no log-in */
	const struct secret *password;
	uint32_t timeout_ms; /* one operation, over all endpoints; a log-in may take longer */
	const struct clock *clock;
};

/* A handle for reading and writing; says nothing to etcd yet.
 *
 * writer: who writes through this handle; two handles that write at a time have different ones. Kept in etcd under
 * `writer/`, so there are few of them.
 * Errors of this: ERR_CONFIG (endpoints or prefix).
 * Errors of all operations on it: ERR_UNREACHABLE (each endpoint with its own words: refused, no leader, TLS, ...),
 * ERR_PRIVILEGE, ERR_IO (its space quota is used up), ERR_PROTOCOL.
 */
MUST_CHECK enum err store_open_etcd(const struct store_etcd_options *options, const char *writer,
				    struct store **ret, struct err_ctx *err);

/* One endpoint, asked by itself. */
struct store_etcd_member {
	char url[STORE_TEXT_BYTES_MAX];
	bool answers;
	bool has_leader;
	bool is_leader;
	uint64_t bytes; /* of its database */
	uint64_t revision;
	char version[32];
	char words[ERR_TEXT_BYTES_MAX]; /* why it doesn't answer */
};

/* Asks each endpoint, one after the other. ret: [STORE_ETCD_ENDPOINTS_MAX]. */
MUST_CHECK enum err store_etcd_look(const struct store_etcd_options *options,
				    struct store_etcd_member *ret, size_t *ret_count,
				    struct err_ctx *err);
