#include "wire/auth_ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "wire/ed25519.h"

void auth_ed25519_public(struct str password, uint8_t ret[AUTH_ED25519_KEY_BYTES])
{
	ed25519_public(password, ret);
}

void auth_ed25519_sign(struct str password, const uint8_t nonce[AUTH_ED25519_NONCE_BYTES],
		       uint8_t ret[AUTH_ED25519_SIGNATURE_BYTES])
{
	ed25519_sign(password, (struct str){ (const char *)nonce, AUTH_ED25519_NONCE_BYTES }, ret);
}

bool auth_ed25519_verify(struct str signature, const uint8_t nonce[AUTH_ED25519_NONCE_BYTES],
			 const uint8_t public_key[AUTH_ED25519_KEY_BYTES])
{
	if (signature.len != AUTH_ED25519_SIGNATURE_BYTES) {
		return false;
	}
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key,
						    AUTH_ED25519_KEY_BYTES);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool right = key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		     EVP_DigestVerify(ctx, (const uint8_t *)signature.ptr, signature.len, nonce,
				      AUTH_ED25519_NONCE_BYTES) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return right;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

enum err auth_ed25519_key_parse(struct str text, uint8_t ret[AUTH_ED25519_KEY_BYTES],
				struct err_ctx *err)
{
	uint8_t key[AUTH_ED25519_KEY_BYTES];
	uint32_t bits = 0;
	unsigned bit_count = 0;
	size_t at = 0;
	if (text.len != AUTH_ED25519_KEY_CHARS) {
		return err_set(err, ERR_PARSE, "not a stored ed25519 password");
	}
	for (size_t i = 0; i < text.len; i++) {
		int digit = base64_digit(text.ptr[i]);
		if (digit < 0) {
			return err_set(err, ERR_PARSE, "not a stored ed25519 password");
		}
		bits = bits << 6 | (uint32_t)digit;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			key[at++] = (uint8_t)(bits >> bit_count);
		}
	}
	memcpy(ret, key, sizeof(key));
	return ERR_OK;
}
