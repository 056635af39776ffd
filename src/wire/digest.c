#include "wire/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/check.h"
#include "base/mem.h"

static void hash(const EVP_MD *kind, const struct str *parts, size_t count, uint8_t *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	check(ctx && EVP_DigestInit_ex(ctx, kind, NULL) == 1);
	for (size_t i = 0; i < count; i++) {
		check(EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) == 1);
	}
	check(EVP_DigestFinal_ex(ctx, ret, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

void digest_sha1(const struct str *parts, size_t count, uint8_t ret[DIGEST_SHA1_BYTES])
{
	hash(EVP_sha1(), parts, count, ret);
}

void digest_sha256(const struct str *parts, size_t count, uint8_t ret[DIGEST_SHA256_BYTES])
{
	hash(EVP_sha256(), parts, count, ret);
}

void digest_sha512(const struct str *parts, size_t count, uint8_t ret[DIGEST_SHA512_BYTES])
{
	hash(EVP_sha512(), parts, count, ret);
}

struct digest_run {
	EVP_MD *kind;
	EVP_MD_CTX *ctx;
};

struct digest_run *digest_run_new(void)
{
	struct digest_run *run = mem_need(sizeof(*run));
	run->kind = EVP_MD_fetch(NULL, "SHA256", NULL);
	run->ctx = EVP_MD_CTX_new();
	check(run->kind && run->ctx);
	return run;
}

void digest_run_sha256(struct digest_run *run, const struct str *parts, size_t count,
		       uint8_t ret[DIGEST_SHA256_BYTES])
{
	check(EVP_DigestInit_ex2(run->ctx, run->kind, NULL) == 1);
	for (size_t i = 0; i < count; i++) {
		check(EVP_DigestUpdate(run->ctx, parts[i].ptr, parts[i].len) == 1);
	}
	check(EVP_DigestFinal_ex(run->ctx, ret, NULL) == 1);
}

struct digest_run *digest_run_free(struct digest_run *run)
{
	if (run) {
		EVP_MD_CTX_free(run->ctx);
		EVP_MD_free(run->kind);
	}
	return mem_free(run);
}

void digest_xor(const uint8_t *a, const uint8_t *b, size_t count, uint8_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		ret[i] = a[i] ^ b[i];
	}
}

bool digest_equal(const uint8_t *a, const uint8_t *b, size_t count)
{
	return CRYPTO_memcmp(a, b, count) == 0;
}

struct str digest_part(const uint8_t *bytes, size_t count)
{
	return (struct str){ (const char *)bytes, count };
}
