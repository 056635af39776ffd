/* TLS towards clients and servers: what a connection needs to begin it, and TLS as a transport.
 *
 * TLS 1.2 and 1.3. The certificates are read again on demand: connections that are open keep what they began with.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "proxy/transport.h"

enum tls_verify {
	TLS_OFF,	 /* towards servers: no TLS */
	TLS_ENCRYPT,	 /* encrypted, nobody's certificate is looked at */
	TLS_VERIFY_CA,	 /* it has to be signed by one of the ca_file */
	TLS_VERIFY_NAME, /* and be made out for the host name or address that was connected to */
};

/* Paths; empty or NULL: none. Copied. */
struct tls_options {
	const char *
		cert_file; /* PEM, with the chain: what clients are shown; without it they get no TLS */
	const char *key_file;
	const char *
		client_ca_file; /* clients have to show a certificate that one of these has signed */
	enum tls_verify server;
	const char *server_ca_file; /* empty: those of the system */
};

struct tls;

/* Reads all files. Errors: ERR_CONFIG (which file, and why). */
MUST_CHECK enum err tls_new(const struct tls_options *options, struct tls **ret,
			    struct err_ctx *err);
struct tls *tls_free(struct tls *tls); /* takes NULL, returns NULL */

/* Reads the files again; on failure what was in force stays. Thread-safe. */
MUST_CHECK enum err tls_reload(struct tls *tls, struct err_ctx *err);

bool tls_has_clients(const struct tls *tls); /* takes NULL */
bool tls_has_servers(const struct tls *tls); /* takes NULL */

/* From here on the transport speaks TLS; its handshake is part of reading and writing. host: what the
 * server was connected by. Thread-safe. Errors: ERR_NOMEM; the transport is as it was. */
MUST_CHECK enum err tls_begin_client(struct tls *tls, struct transport *transport);
MUST_CHECK enum err tls_begin_server(struct tls *tls, struct transport *transport,
				     const char *host);

/* Why a handshake failed, for people; "" when none did. Valid until the transport is closed. */
const char *tls_why(const struct transport *transport);
