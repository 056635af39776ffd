#include "wire/auth_native.h"

#include <string.h>

#include "wire/digest.h"

void auth_native_stage1(struct str password, uint8_t ret[AUTH_NATIVE_BYTES])
{
	digest_sha1(&password, 1, ret);
}

void auth_native_stage2(const uint8_t stage1[AUTH_NATIVE_BYTES], uint8_t ret[AUTH_NATIVE_BYTES])
{
	struct str part = digest_part(stage1, AUTH_NATIVE_BYTES);
	digest_sha1(&part, 1, ret);
}

/* SHA1(scramble + stage2): what stage1 is hidden under. */
static void make_pad(const uint8_t scramble[AUTH_NATIVE_SCRAMBLE_BYTES],
		     const uint8_t stage2[AUTH_NATIVE_BYTES], uint8_t ret[AUTH_NATIVE_BYTES])
{
	struct str parts[] = { digest_part(scramble, AUTH_NATIVE_SCRAMBLE_BYTES),
			       digest_part(stage2, AUTH_NATIVE_BYTES) };
	digest_sha1(parts, 2, ret);
}

void auth_native_token(const uint8_t stage1[AUTH_NATIVE_BYTES],
		       const uint8_t scramble[AUTH_NATIVE_SCRAMBLE_BYTES],
		       uint8_t ret[AUTH_NATIVE_BYTES])
{
	uint8_t stage2[AUTH_NATIVE_BYTES];
	uint8_t pad[AUTH_NATIVE_BYTES];
	auth_native_stage2(stage1, stage2);
	make_pad(scramble, stage2, pad);
	digest_xor(stage1, pad, AUTH_NATIVE_BYTES, ret);
}

bool auth_native_verify(struct str token, const uint8_t scramble[AUTH_NATIVE_SCRAMBLE_BYTES],
			const uint8_t stage2[AUTH_NATIVE_BYTES],
			uint8_t ret_stage1[AUTH_NATIVE_BYTES])
{
	uint8_t pad[AUTH_NATIVE_BYTES];
	uint8_t stage1[AUTH_NATIVE_BYTES];
	uint8_t again[AUTH_NATIVE_BYTES];
	if (token.len != AUTH_NATIVE_BYTES) {
		return false;
	}
	make_pad(scramble, stage2, pad);
	digest_xor((const uint8_t *)token.ptr, pad, AUTH_NATIVE_BYTES, stage1);
	auth_native_stage2(stage1, again);
	if (!digest_equal(again, stage2, AUTH_NATIVE_BYTES)) {
		return false;
	}
	memcpy(ret_stage1, stage1, AUTH_NATIVE_BYTES);
	return true;
}
