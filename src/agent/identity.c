#include "agent/identity.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "os/file.h"

enum { FOLDER_MODE = 0700, FILE_MODE = 0600 };

/* ---------------------------------------------------------------- names */

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

enum err identity_check_name(struct str name, struct err_ctx *err)
{
	bool good = name.len > 0 && name.len < NODE_NAME_BYTES_MAX && name.ptr[0] != '.' &&
		    name.ptr[0] != '-' && name.ptr[name.len - 1] != '.';
	for (size_t i = 0; good && i < name.len; i++) {
		good = is_name_byte(name.ptr[i]);
	}
	struct str shown = str_slice(name, 0, 100);
	return good ? ERR_OK
		    : err_set(err, ERR_USAGE,
			      "'%.*s' is no node's name: letters, digits, '-', '_' and '.', at "
			      "most %d",
			      STR_ARG(shown), (int)NODE_NAME_BYTES_MAX - 1);
}

/* ---------------------------------------------------------------- PEM */

static enum err take_bio(BIO *bio, char ret[IDENTITY_PEM_BYTES_MAX], struct err_ctx *err)
{
	char *bytes = NULL;
	long count = BIO_get_mem_data(bio, &bytes);
	struct str text = { bytes, count > 0 ? (size_t)count : 0 };
	return str_copy(text, ret, IDENTITY_PEM_BYTES_MAX) == ERR_OK
		       ? ERR_OK
		       : err_set(err, ERR_LIMIT, "a key is longer than %d bytes",
				 (int)IDENTITY_PEM_BYTES_MAX - 1);
}

enum err identity_make_key(char ret_key[IDENTITY_PEM_BYTES_MAX], struct err_ctx *err)
{
	enum err rc = ERR_FAILED;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_secmem());
	if (key && bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		rc = take_bio(bio, ret_key, err);
	} else {
		rc = err_set(err, ERR_FAILED, "the crypto library can't make a key");
	}
	(void)BIO_free(bio);
	EVP_PKEY_free(key);
	return rc;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	(void)BIO_free(bio);
	return key;
}

static X509 *read_certificate(struct str pem)
{
	BIO *bio = pem.len < IDENTITY_PEM_BYTES_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	(void)BIO_free(bio);
	return certificate;
}

enum err identity_request(const char *key_pem, struct buf *ret, struct err_ctx *err)
{
	EVP_PKEY *key = read_key(key_pem);
	X509_REQ *request = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;
	bool made = key && request && bio &&
		    X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
		    X509_REQ_set_pubkey(request, key) == 1 &&
		    X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
		    PEM_write_bio_X509_REQ(bio, request) == 1;
	if (made) {
		long count = BIO_get_mem_data(bio, &bytes);
		buf_add(ret, bytes, count > 0 ? (size_t)count : 0);
	}
	(void)BIO_free(bio);
	X509_REQ_free(request);
	EVP_PKEY_free(key);
	return made ? ERR_OK : err_set(err, ERR_FAILED, "no certificate can be asked for");
}

/* ---------------------------------------------------------------- what a certificate says */

static bool read_field(const X509 *certificate, int nid, char *to, size_t bytes)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, nid, -1);
	const ASN1_STRING *value =
		at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	if (!value || ASN1_STRING_length(value) <= 0) {
		return false;
	}
	struct str text = { (const char *)ASN1_STRING_get0_data(value),
			    (size_t)ASN1_STRING_length(value) };
	return identity_check_name(text, NULL) == ERR_OK && str_copy(text, to, bytes) == ERR_OK;
}

static bool read_time(const ASN1_TIME *time, uint64_t *ret)
{
	struct tm parts;
	if (ASN1_TIME_to_tm(time, &parts) != 1) {
		return false;
	}
	time_t seconds = timegm(&parts);
	*ret = seconds > 0 ? (uint64_t)seconds : 0;
	return true;
}

static enum err read_facts(X509 *certificate, struct identity_facts *ret, struct err_ctx *err)
{
	struct identity_facts facts = { 0 };
	bool known =
		certificate &&
		read_field(certificate, NID_commonName, facts.name, sizeof(facts.name)) &&
		read_field(certificate, NID_organizationalUnitName, facts.id, sizeof(facts.id)) &&
		read_time(X509_get0_notBefore(certificate), &facts.begins_s) &&
		read_time(X509_get0_notAfter(certificate), &facts.ends_s);
	X509_free(certificate);
	if (!known) {
		return err_set(err, ERR_PARSE, "this is no certificate of a node");
	}
	*ret = facts;
	return ERR_OK;
}

enum err identity_read_pem(struct str pem, struct identity_facts *ret, struct err_ctx *err)
{
	return read_facts(read_certificate(pem), ret, err);
}

enum err identity_read_der(struct str der, struct identity_facts *ret, struct err_ctx *err)
{
	const unsigned char *at = (const unsigned char *)der.ptr;
	X509 *certificate =
		der.len < IDENTITY_PEM_BYTES_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
	return read_facts(certificate, ret, err);
}

enum err identity_fingerprint(struct str pem, char ret[NODE_FINGERPRINT_BYTES_MAX],
			      struct err_ctx *err)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned count = 0;
	X509 *certificate = read_certificate(pem);
	bool done = certificate && X509_digest(certificate, EVP_sha256(), hash, &count) == 1 &&
		    count * 2 < NODE_FINGERPRINT_BYTES_MAX;
	X509_free(certificate);
	if (!done) {
		return err_set(err, ERR_PARSE, "this is no certificate");
	}
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(ret + (size_t)i * 2, 3, "%02x", hash[i]);
	}
	return ERR_OK;
}

bool identity_is_due(const struct identity_facts *facts, uint64_t wall_s)
{
	uint64_t whole_s = facts->ends_s - facts->begins_s;
	return wall_s >= facts->ends_s - whole_s / 3;
}

/* ---------------------------------------------------------------- files */

static enum err read_file(const char *folder, const char *name, char ret[IDENTITY_PEM_BYTES_MAX],
			  struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	struct buf text;
	buf_init(&text, IDENTITY_PEM_BYTES_MAX - 1);
	enum err rc = file_path(path, err, "%s/%s", folder, name);
	rc = rc ? rc : file_read(path, &text, err);
	rc = rc ? rc : str_copy(buf_str(&text), ret, IDENTITY_PEM_BYTES_MAX);
	if (text.len) {
		explicit_bzero(text.ptr, text.len);
	}
	buf_fini(&text);
	return rc;
}

static enum err write_file(const char *folder, const char *name, const char *text,
			   struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(path, err, "%s/%s", folder, name);
	return rc ? rc : file_write(path, FILE_MODE, str_of(text), err);
}

enum err identity_load(const char *folder, struct identity *ret, struct err_ctx *err)
{
	enum err rc = read_file(folder, "key.pem", ret->key, err);
	rc = rc ? rc : read_file(folder, "certificate.pem", ret->certificate, err);
	rc = rc ? rc : read_file(folder, "authority.pem", ret->authority, err);
	rc = rc ? rc : identity_read_pem(str_of(ret->certificate), &ret->facts, err);
	if (rc == ERR_NOT_FOUND) {
		return err_set(err, rc,
			       "this node has not joined: '%s' has no certificate; run `muster "
			       "node join`",
			       folder);
	}
	return rc;
}

enum err identity_store(const char *folder, const struct identity *identity, struct err_ctx *err)
{
	enum err rc = file_make_folders(folder, FOLDER_MODE, err);
	rc = rc ? rc : write_file(folder, "authority.pem", identity->authority, err);
	/* A new key never stands beside the certificate of an old one for longer than this. */
	rc = rc ? rc : write_file(folder, "key.pem", identity->key, err);
	return rc ? rc : write_file(folder, "certificate.pem", identity->certificate, err);
}

void identity_wipe(struct identity *identity)
{
	explicit_bzero(identity->key, sizeof(identity->key));
}
