/* A token that is read wrongly sends its secret to the wrong manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/join_token.h"

#define FINGERPRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void print(const struct join_token *token, char ret[JOIN_TOKEN_TEXT_BYTES_MAX])
{
	struct buf out;
	buf_init_fixed(&out, ret, JOIN_TOKEN_TEXT_BYTES_MAX);
	join_token_print(token, &out);
	assert_int_equal(buf_finish(&out), ERR_OK);
	(void)buf_text(&out);
}

static void round_trip(void **state)
{
	struct join_token token;
	struct join_token again;
	struct join_token other;
	char text[JOIN_TOKEN_TEXT_BYTES_MAX];
	(void)state;
	join_token_make(FINGERPRINT, &token);
	join_token_make(FINGERPRINT, &other);
	assert_string_not_equal(token.secret, other.secret);
	assert_string_not_equal(token.id, other.id);
	print(&token, text);
	assert_int_equal(join_token_parse(str_of(text), &again, NULL), ERR_OK);
	assert_memory_equal(&token, &again, sizeof(token));
	size_t whole = strlen(text);
	text[whole] = '\n'; /* as a file has it */
	assert_int_equal(join_token_parse((struct str){ text, whole + 1 }, &again, NULL), ERR_OK);
}

static void whatever_is_missing_is_refused(void **state)
{
	struct join_token token;
	struct join_token again;
	char text[JOIN_TOKEN_TEXT_BYTES_MAX];
	(void)state;
	join_token_make(FINGERPRINT, &token);
	print(&token, text);
	size_t whole = strlen(text);
	for (size_t bytes = 0; bytes < whole; bytes++) {
		assert_int_equal(join_token_parse((struct str){ text, bytes }, &again, NULL),
				 ERR_PARSE);
	}
	for (size_t i = 0; i < whole; i++) {
		char kept = text[i];
		text[i] = 'g'; /* neither digit nor separator */
		assert_int_equal(join_token_parse(str_of(text), &again, NULL), ERR_PARSE);
		text[i] = kept;
	}
}

static void hash_is_sha256(void **state)
{
	char hash[NODE_FINGERPRINT_BYTES_MAX];
	(void)state;
	join_token_hash("abc", hash);
	assert_string_equal(hash,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(whatever_is_missing_is_refused),
		cmocka_unit_test(hash_is_sha256),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
