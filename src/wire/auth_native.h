/* mysql_native_password.
 *
 *   stage1 = SHA1(password), stage2 = SHA1(stage1) = what the server stores
 *   token  = stage1 xor SHA1(scramble + stage2)
 *
 * Who knows stage2 gets stage1 from any valid token, and stage1 is all that is needed to log in
 * elsewhere: so a proxy needs no password in clear text.
 * Source: MySQL source documentation, "Native Authentication".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { AUTH_NATIVE_BYTES = 20, AUTH_NATIVE_SCRAMBLE_BYTES = 20 };

/* An empty password has no token: the client's answer is empty. The functions below are for others. */

/* SHA1(password). */
void auth_native_stage1(struct str password, uint8_t ret[AUTH_NATIVE_BYTES]);

/* SHA1(stage1): what the server stores. */
void auth_native_stage2(const uint8_t stage1[AUTH_NATIVE_BYTES], uint8_t ret[AUTH_NATIVE_BYTES]);

/* The client's answer to a scramble. */
void auth_native_token(const uint8_t stage1[AUTH_NATIVE_BYTES],
		       const uint8_t scramble[AUTH_NATIVE_SCRAMBLE_BYTES],
		       uint8_t ret[AUTH_NATIVE_BYTES]);

/* Is `token` (any length) right? Then ret_stage1 is what logs in to a server with the same account. */
bool auth_native_verify(struct str token, const uint8_t scramble[AUTH_NATIVE_SCRAMBLE_BYTES],
			const uint8_t stage2[AUTH_NATIVE_BYTES],
			uint8_t ret_stage1[AUTH_NATIVE_BYTES]);
