#include "sandbox/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/str.h"
#include "os/file.h"

enum { VALID_S = 10 * 365 * 24 * 3600 };

static enum err write_bio(BIO *bio, const char *path, mode_t mode, struct err_ctx *err)
{
	char *bytes = NULL;
	long count = BIO_get_mem_data(bio, &bytes);
	return file_write(path, mode, (struct str){ bytes, count > 0 ? (size_t)count : 0 }, err);
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)"muster sandbox", -1, -1,
					  0) == 1 &&
	       X509_set_issuer_name(certificate, name) == 1 &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

enum err certificate_make(const char *key_path, const char *certificate_path, struct err_ctx *err)
{
	enum err rc = ERR_FAILED;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	BIO *key_pem = BIO_new(BIO_s_mem());
	BIO *certificate_pem = BIO_new(BIO_s_mem());
	if (key && certificate && key_pem && certificate_pem && fill(certificate, key) &&
	    PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_bio_X509(certificate_pem, certificate) == 1) {
		rc = write_bio(key_pem, key_path, 0600, err);
		rc = rc ? rc : write_bio(certificate_pem, certificate_path, 0644, err);
	} else {
		rc = err_set(err, ERR_FAILED, "the crypto library can't make a TLS key");
	}
	(void)BIO_free(certificate_pem);
	(void)BIO_free(key_pem);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return rc;
}
