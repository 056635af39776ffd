#include "wire/auth_sha2_rsa.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/mem.h"

enum { KEY_BITS = 2048, KEY_BYTES_MAX = 1024 };

struct auth_sha2_rsa {
	EVP_PKEY *key;
};

static enum err take_key(EVP_PKEY *pkey, struct auth_sha2_rsa **ret)
{
	struct auth_sha2_rsa *key = mem_need(sizeof(*key));
	key->key = pkey;
	*ret = key;
	return ERR_OK;
}

enum err auth_sha2_rsa_read(struct str pem, struct auth_sha2_rsa **ret, struct err_ctx *err)
{
	EVP_PKEY *pkey = NULL;
	char pass_phrase[] = ""; /* so that an encrypted key is refused, not asked for */
	if (pem.len > 0 && pem.len <= INT_MAX) {
		BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
		if (bio) {
			pkey = str_contains(pem, STR("PRIVATE KEY"))
				       ? PEM_read_bio_PrivateKey(bio, NULL, NULL, pass_phrase)
				       : PEM_read_bio_PUBKEY(bio, NULL, NULL, pass_phrase);
			(void)BIO_free(bio);
		}
	}
	ERR_clear_error();
	if (!pkey || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA ||
	    EVP_PKEY_get_size(pkey) > KEY_BYTES_MAX) {
		EVP_PKEY_free(pkey);
		return err_set(err, ERR_PARSE, "not an RSA key in PEM form");
	}
	return take_key(pkey, ret);
}

enum err auth_sha2_rsa_generate(struct auth_sha2_rsa **ret, struct err_ctx *err)
{
	EVP_PKEY *pkey = EVP_RSA_gen((unsigned)KEY_BITS);
	ERR_clear_error();
	if (!pkey) {
		return err_set(err, ERR_FAILED, "libcrypto made no RSA key");
	}
	return take_key(pkey, ret);
}

struct auth_sha2_rsa *auth_sha2_rsa_free(struct auth_sha2_rsa *key)
{
	if (key) {
		EVP_PKEY_free(key->key);
	}
	return mem_free(key);
}

enum err auth_sha2_rsa_public_pem(const struct auth_sha2_rsa *key, struct buf *out,
				  struct err_ctx *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long bytes = 0;
	if (bio && PEM_write_bio_PUBKEY(bio, key->key) == 1) {
		bytes = BIO_get_mem_data(bio, &text);
	}
	if (bytes > 0) {
		buf_add(out, text, (size_t)bytes);
	}
	(void)BIO_free(bio);
	ERR_clear_error();
	if (bytes <= 0) {
		return err_set(err, ERR_FAILED, "public key can't be written");
	}
	return buf_finish(out);
}

/* (password NUL) xor the nonce, which is repeated as often as needed; the same way back. */
static void mask(uint8_t *bytes, size_t count, const uint8_t nonce[AUTH_SHA2_NONCE_BYTES])
{
	for (size_t i = 0; i < count; i++) {
		bytes[i] ^= nonce[i % AUTH_SHA2_NONCE_BYTES];
	}
}

/* A context with the padding of the protocol, or NULL. */
static EVP_PKEY_CTX *open_context(const struct auth_sha2_rsa *key, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->key, NULL);
	if (ctx && init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1) {
		return ctx;
	}
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

enum err auth_sha2_rsa_encrypt(const struct auth_sha2_rsa *key, struct str password,
			       const uint8_t nonce[AUTH_SHA2_NONCE_BYTES], struct buf *out,
			       struct err_ctx *err)
{
	uint8_t clear[AUTH_SHA2_PASSWORD_BYTES_MAX + 1] = { 0 };
	uint8_t cipher[KEY_BYTES_MAX];
	size_t cipher_bytes = sizeof(cipher);
	const size_t padding_bytes = 42; /* OAEP with SHA1: 2 * 20 + 2 */
	struct buf message;

	if (password.len > AUTH_SHA2_PASSWORD_BYTES_MAX ||
	    password.len + 1 + padding_bytes > (size_t)EVP_PKEY_get_size(key->key)) {
		return err_set(err, ERR_LIMIT, "password is too long for the server's RSA key");
	}
	buf_init_fixed(&message, clear, sizeof(clear));
	buf_add_str(&message, password);
	buf_add_u8(&message, 0);
	mask(clear, message.len, nonce);
	EVP_PKEY_CTX *ctx = open_context(key, EVP_PKEY_encrypt_init);
	int done = ctx ? EVP_PKEY_encrypt(ctx, cipher, &cipher_bytes, clear, message.len) : 0;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	OPENSSL_cleanse(clear, sizeof(clear));
	if (done != 1) {
		return err_set(err, ERR_FAILED, "password can't be encrypted with the RSA key");
	}
	buf_add(out, cipher, cipher_bytes);
	return buf_finish(out);
}

enum err auth_sha2_rsa_decrypt(const struct auth_sha2_rsa *key, struct str cipher,
			       const uint8_t nonce[AUTH_SHA2_NONCE_BYTES], struct buf *out,
			       struct err_ctx *err)
{
	uint8_t clear[KEY_BYTES_MAX];
	size_t clear_bytes = sizeof(clear);
	EVP_PKEY_CTX *ctx = open_context(key, EVP_PKEY_decrypt_init);
	int done = 0;
	if (ctx && cipher.len == (size_t)EVP_PKEY_get_size(key->key)) {
		done = EVP_PKEY_decrypt(ctx, clear, &clear_bytes, (const uint8_t *)cipher.ptr,
					cipher.len);
	}
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	struct str password = { NULL, 0 };
	enum err rc = ERR_PROTOCOL;
	if (done == 1) {
		mask(clear, clear_bytes, nonce);
		rc = auth_sha2_clear_decode((struct str){ (const char *)clear, clear_bytes },
					    &password, NULL);
	}
	if (rc == ERR_OK) {
		buf_add_str(out, password);
		rc = buf_finish(out);
	}
	OPENSSL_cleanse(clear, sizeof(clear));
	if (rc != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "encrypted password can't be read");
	}
	return ERR_OK;
}
