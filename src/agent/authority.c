#include "agent/authority.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "os/random.h"

enum {
	AUTHORITY_DAYS = 20 * 365,
	EARLIER_S = 24 * 3600, /* other machines' clocks may be behind */
	DAY_S = 24 * 3600,
	SERIAL_BYTES = 16,
	ALTERNATIVES_BYTES_MAX = 256,
};

static bool set_times(X509 *certificate, uint64_t wall_us, uint32_t days)
{
	time_t now = (time_t)(wall_us / US_PER_S);
	time_t from = now - EARLIER_S;
	time_t to = now + (time_t)days * DAY_S;
	return ASN1_TIME_set(X509_getm_notBefore(certificate), from) &&
	       ASN1_TIME_set(X509_getm_notAfter(certificate), to);
}

static bool set_serial(X509 *certificate)
{
	unsigned char bytes[SERIAL_BYTES];
	random_bytes(bytes, sizeof(bytes));
	bytes[0] &= 0x7f; /* positive */
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return set;
}

static bool add_name(X509_NAME *name, const char *field, const char *text)
{
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)text,
					  -1, -1, 0) == 1;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

static enum err print_certificate(X509 *certificate, char ret[IDENTITY_PEM_BYTES_MAX],
				  struct err_ctx *err)
{
	char *bytes = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	long count = bio && PEM_write_bio_X509(bio, certificate) == 1
			     ? BIO_get_mem_data(bio, &bytes)
			     : 0;
	struct str text = { bytes, count > 0 ? (size_t)count : 0 };
	enum err rc = text.len && str_copy(text, ret, IDENTITY_PEM_BYTES_MAX) == ERR_OK
			      ? ERR_OK
			      : err_set(err, ERR_FAILED, "the certificate can't be written");
	(void)BIO_free(bio);
	return rc;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	(void)BIO_free(bio);
	return key;
}

static X509 *read_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	(void)BIO_free(bio);
	return certificate;
}

enum err authority_make(uint64_t wall_us, struct authority *ret, struct err_ctx *err)
{
	enum err rc = identity_make_key(ret->key, err);
	if (rc != ERR_OK) {
		return rc;
	}
	EVP_PKEY *key = read_key(ret->key);
	X509 *certificate = X509_new();
	X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
	bool made = key && certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
		    set_serial(certificate) && set_times(certificate, wall_us, AUTHORITY_DAYS) &&
		    X509_set_pubkey(certificate, key) == 1 && add_name(name, "CN", "muster") &&
		    X509_set_issuer_name(certificate, name) == 1 &&
		    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
		    add_extension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		    X509_sign(certificate, key, EVP_sha256()) > 0;
	rc = made ? print_certificate(certificate, ret->certificate, err)
		  : err_set(err, ERR_FAILED, "the crypto library can't make an authority");
	X509_free(certificate);
	EVP_PKEY_free(key);
	return rc;
}

/* The key that a request proves to have; NULL when there is none. */
static EVP_PKEY *key_of_request(struct str pem)
{
	BIO *bio = pem.len < IDENTITY_PEM_BYTES_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = request ? X509_REQ_get_pubkey(request) : NULL;
	char curve[32] = "";
	size_t bytes = 0;
	bool good = key && EVP_PKEY_is_a(key, "EC") == 1 &&
		    EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve,
						   sizeof(curve), &bytes) == 1 &&
		    str_equal(str_of(curve), STR("prime256v1")) &&
		    X509_REQ_verify(request, key) == 1;
	X509_REQ_free(request);
	(void)BIO_free(bio);
	if (!good) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

static bool fill(X509 *certificate, X509 *signer, EVP_PKEY *key,
		 const struct authority_subject *subject)
{
	char alternatives[ALTERNATIVES_BYTES_MAX];
	(void)snprintf(alternatives, sizeof(alternatives), "DNS:%s.node.muster%s", subject->name,
		       subject->manager ? ",DNS:" IDENTITY_MANAGER_NAME : "");
	X509_NAME *name = X509_get_subject_name(certificate);
	return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
	       set_times(certificate, subject->wall_us, subject->days) &&
	       X509_set_pubkey(certificate, key) == 1 && add_name(name, "CN", subject->name) &&
	       add_name(name, "OU", subject->id) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1 &&
	       add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
	       add_extension(certificate, NID_subject_alt_name, alternatives);
}

enum err authority_sign(const struct authority *authority, struct str request,
			const struct authority_subject *subject, char ret[IDENTITY_PEM_BYTES_MAX],
			struct err_ctx *err)
{
	enum err rc = identity_check_name(str_of(subject->name), err);
	if (rc != ERR_OK) {
		return rc;
	}
	EVP_PKEY *key = key_of_request(request);
	if (!key) {
		return err_set(err, ERR_USAGE, "this is no request for a certificate");
	}
	EVP_PKEY *signing = read_key(authority->key);
	X509 *signer = read_certificate(authority->certificate);
	X509 *certificate = X509_new();
	bool made = signing && signer && certificate && fill(certificate, signer, key, subject) &&
		    X509_sign(certificate, signing, EVP_sha256()) > 0;
	rc = made ? print_certificate(certificate, ret, err)
		  : err_set(err, ERR_FAILED, "the crypto library can't make a certificate");
	X509_free(certificate);
	X509_free(signer);
	EVP_PKEY_free(signing);
	EVP_PKEY_free(key);
	return rc;
}

enum err authority_issue(const struct authority *authority, const struct authority_subject *subject,
			 struct identity *ret, struct err_ctx *err)
{
	struct buf request;
	buf_init(&request, IDENTITY_PEM_BYTES_MAX);
	enum err rc = identity_make_key(ret->key, err);
	rc = rc ? rc : identity_request(ret->key, &request, err);
	rc = rc ? rc : authority_sign(authority, buf_str(&request), subject, ret->certificate, err);
	rc = rc ? rc
		: str_copy(str_of(authority->certificate), ret->authority, sizeof(ret->authority));
	rc = rc ? rc : identity_read_pem(str_of(ret->certificate), &ret->facts, err);
	buf_fini(&request);
	return rc;
}
