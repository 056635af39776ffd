#include "proxy/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "os/net.h"

struct tls {
	pthread_mutex_t
		mutex; /* guards the contexts: taken when a connection begins TLS, and by a reload */
	SSL_CTX *clients; /* NULL: none */
	SSL_CTX *servers;
	enum tls_verify verify;
	char *cert_file;
	char *key_file;
	char *client_ca_file;
	char *server_ca_file;
};

static char *copy(const char *text)
{
	return text && text[0] ? mem_dup_text(text, strlen(text)) : NULL;
}

static enum err fail(const char *what, const char *path, struct err_ctx *err)
{
	char words[256] = "no reason given";
	unsigned long code = ERR_get_error();
	if (code) {
		ERR_error_string_n(code, words, sizeof(words));
	}
	ERR_clear_error();
	return err_set(err, ERR_CONFIG, "TLS: %s '%s' can't be used: %s", what, path, words);
}

/* An idle connection keeps no buffers; a write that was cut may go on from other memory. */
static SSL_CTX *new_context(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);
	check(context);
	(void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
						   SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
						SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return context;
}

static enum err make_clients(const struct tls *tls, SSL_CTX **ret, struct err_ctx *err)
{
	enum err rc = ERR_OK;
	if (!tls->cert_file) {
		return ERR_OK;
	}
	const char *key_file = tls->key_file ? tls->key_file : tls->cert_file;
	SSL_CTX *context = new_context(TLS_server_method());
	/* What a client needs to resume a session is with the client alone. One ticket, not none: it takes the
	 * acknowledgement along that a client waits for before it sends its log-in (40 ms otherwise). */
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_num_tickets(context, 1);
	if (SSL_CTX_use_certificate_chain_file(context, tls->cert_file) != 1) {
		rc = fail("certificate", tls->cert_file, err);
	} else if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1) {
		rc = fail("key", key_file, err);
	} else if (tls->client_ca_file) {
		if (SSL_CTX_load_verify_locations(context, tls->client_ca_file, NULL) != 1) {
			rc = fail("certificates of authorities", tls->client_ca_file, err);
		}
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
	}
	if (rc) {
		SSL_CTX_free(context);
		return rc;
	}
	*ret = context;
	return ERR_OK;
}

static enum err make_servers(const struct tls *tls, SSL_CTX **ret, struct err_ctx *err)
{
	if (tls->verify == TLS_OFF) {
		return ERR_OK;
	}
	SSL_CTX *context = new_context(TLS_client_method());
	bool read = tls->server_ca_file
			    ? SSL_CTX_load_verify_locations(context, tls->server_ca_file, NULL) == 1
			    : SSL_CTX_set_default_verify_paths(context) == 1;
	if (!read) {
		SSL_CTX_free(context);
		return fail("certificates of authorities",
			    tls->server_ca_file ? tls->server_ca_file : "of the system", err);
	}
	SSL_CTX_set_verify(context, tls->verify == TLS_ENCRYPT ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
			   NULL);
	*ret = context;
	return ERR_OK;
}

enum err tls_reload(struct tls *tls, struct err_ctx *err)
{
	SSL_CTX *clients = NULL;
	SSL_CTX *servers = NULL;
	enum err rc = make_clients(tls, &clients, err);
	rc = rc ? rc : make_servers(tls, &servers, err);
	if (rc) {
		SSL_CTX_free(clients);
		return rc;
	}
	(void)pthread_mutex_lock(&tls->mutex);
	SSL_CTX *old_clients = tls->clients;
	SSL_CTX *old_servers = tls->servers;
	tls->clients = clients;
	tls->servers = servers;
	(void)pthread_mutex_unlock(&tls->mutex);
	SSL_CTX_free(old_clients); /* connections hold references of their own */
	SSL_CTX_free(old_servers);
	return ERR_OK;
}

enum err tls_new(const struct tls_options *options, struct tls **ret, struct err_ctx *err)
{
	struct tls *tls = mem_need(sizeof(*tls));
	*tls = (struct tls){
		.verify = options->server,
		.cert_file = copy(options->cert_file),
		.key_file = copy(options->key_file),
		.client_ca_file = copy(options->client_ca_file),
		.server_ca_file = copy(options->server_ca_file),
	};
	check(pthread_mutex_init(&tls->mutex, NULL) == 0);
	enum err rc = tls_reload(tls, err);
	if (rc) {
		(void)tls_free(tls);
		return rc;
	}
	*ret = tls;
	return ERR_OK;
}

struct tls *tls_free(struct tls *tls)
{
	if (!tls) {
		return NULL;
	}
	SSL_CTX_free(tls->clients);
	SSL_CTX_free(tls->servers);
	(void)mem_free(tls->cert_file);
	(void)mem_free(tls->key_file);
	(void)mem_free(tls->client_ca_file);
	(void)mem_free(tls->server_ca_file);
	(void)pthread_mutex_destroy(&tls->mutex);
	return mem_free(tls);
}

bool tls_has_clients(const struct tls *tls)
{
	return tls && tls->cert_file;
}

bool tls_has_servers(const struct tls *tls)
{
	return tls && tls->verify != TLS_OFF;
}

static enum transport_result result_of(struct transport *transport, int rc, size_t count,
				       size_t *ret_count)
{
	if (rc == 1) {
		*ret_count = count;
		return TRANSPORT_OK;
	}
	switch (SSL_get_error(transport->tls, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TRANSPORT_BLOCKED;
	case SSL_ERROR_ZERO_RETURN:
		return TRANSPORT_CLOSED;
	default:
		transport->broken = true;
		return TRANSPORT_CLOSED;
	}
}

static enum transport_result tls_read(struct transport *transport, void *bytes, size_t count,
				      size_t *ret_count)
{
	size_t got = 0;
	ERR_clear_error();
	int rc = SSL_read_ex(transport->tls, bytes, count, &got);
	return result_of(transport, rc, got, ret_count);
}

static enum transport_result tls_write(struct transport *transport, const void *bytes, size_t count,
				       size_t *ret_count)
{
	size_t put = 0;
	ERR_clear_error();
	int rc = SSL_write_ex(transport->tls, bytes, count, &put);
	return result_of(transport, rc, put, ret_count);
}

static void tls_shut(struct transport *transport)
{
	(void)SSL_shutdown(transport->tls);
	(void)shutdown(transport->fd, SHUT_WR);
}

static void tls_close(struct transport *transport, bool reset)
{
	ERR_clear_error();
	if (!reset && !transport->broken && SSL_is_init_finished(transport->tls)) {
		(void)SSL_shutdown(transport->tls);
	}
	SSL_free(transport->tls);
	transport->tls = NULL;
	transport_close_socket(transport, reset);
}

static const struct transport_ops tls_ops = { tls_read, tls_write, tls_shut, tls_close, false };

static enum err begin(struct tls *tls, SSL_CTX **context, struct transport *transport)
{
	(void)pthread_mutex_lock(&tls->mutex);
	SSL *ssl = *context ? SSL_new(*context) : NULL;
	(void)pthread_mutex_unlock(&tls->mutex);
	if (!ssl || SSL_set_fd(ssl, transport->fd) != 1) {
		SSL_free(ssl);
		return ERR_NOMEM;
	}
	transport->tls = ssl;
	transport->ops = &tls_ops;
	/* What the poller said is of the socket: an attempt finds out. */
	transport->readable = true;
	transport->writable = true;
	return ERR_OK;
}

enum err tls_begin_client(struct tls *tls, struct transport *transport)
{
	enum err rc = begin(tls, &tls->clients, transport);
	if (!rc) {
		SSL_set_accept_state(transport->tls);
	}
	return rc;
}

/* Whose certificate it has to be: an address is not sent as a name (RFC 6066, section 3). */
static bool expect_name(SSL *ssl, const char *host, bool verify)
{
	enum { NAME_BYTES = 256 };
	struct in6_addr address;
	char name[NAME_BYTES]; /* not const: what OpenSSL's macro takes */
	bool is_address =
		inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
	if (!is_address && (str_copy(str_of(host), name, sizeof(name)) != ERR_OK ||
			    SSL_set_tlsext_host_name(ssl, name) != 1)) {
		return false;
	}
	if (!verify) {
		return true;
	}
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	return is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
			  : X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

enum err tls_begin_server(struct tls *tls, struct transport *transport, const char *host)
{
	enum err rc = begin(tls, &tls->servers, transport);
	if (rc) {
		return rc;
	}
	SSL_set_connect_state(transport->tls);
	return expect_name(transport->tls, host, tls->verify == TLS_VERIFY_NAME) ? ERR_OK
										 : ERR_NOMEM;
}

const char *tls_why(const struct transport *transport)
{
	if (!transport->tls || !transport->broken || SSL_is_init_finished(transport->tls)) {
		return "";
	}
	long verified = SSL_get_verify_result(transport->tls);
	return verified != X509_V_OK ? X509_verify_cert_error_string(verified)
				     : "the TLS handshake failed";
}
