/* What the proxy answers by itself must look to clients as if a server had said it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "wire/packet.h"
#include "wire/reply_walk.h"
#include "wire/resultset.h"

/* As sent by MariaDB 10.11 for `select 1, null, 'x'`. */
static const char definition[] = "036465660000000131000c3f000100000003810000 0000";
static const char row[] = "0131fb0178";

static void test_definition_as_real(void **state)
{
	(void)state;
	struct str sample = sample_of(definition);
	struct resultset_column column;
	struct buf again;
	buf_init(&again, 256);
	assert_int_equal(resultset_column_decode(sample, 0, &column, NULL), ERR_OK);
	assert_true(str_equal(column.catalog, STR("def")));
	assert_true(str_equal(column.name, STR("1")));
	assert_int_equal(column.collation, COLLATION_BINARY);
	assert_int_equal(column.type, FIELD_LONG);
	assert_int_equal(column.flags, FIELD_FLAG_NOT_NULL | FIELD_FLAG_BINARY);
	resultset_column_encode(&again, &column, 0);
	assert_true(str_equal(buf_str(&again), sample));
	for (size_t count = 0; count < sample.len; count++) {
		struct str prefix = sample_prefix(sample, count);
		assert_int_equal(resultset_column_decode(prefix, 0, &column, NULL), ERR_PROTOCOL);
		sample_free(prefix);
	}
	buf_fini(&again);
	sample_free(sample);
}

static void test_extended_metadata(void **state)
{
	(void)state;
	struct resultset_column column = resultset_text_column(STR("j"));
	struct resultset_column again;
	struct buf out;
	column.extended = STR("\x01\x04json");
	buf_init(&out, 256);
	resultset_column_encode(&out, &column, CAP_MARIADB_EXTENDED_METADATA);
	assert_int_equal(
		resultset_column_decode(buf_str(&out), CAP_MARIADB_EXTENDED_METADATA, &again, NULL),
		ERR_OK);
	assert_true(str_equal(again.extended, column.extended));
	assert_int_equal(again.length_max, column.length_max);
	buf_fini(&out);
}

static void test_row_as_real(void **state)
{
	(void)state;
	struct str sample = sample_of(row);
	const struct str values[] = { STR("1"), { NULL, 0 }, STR("x") };
	struct cursor cur = cursor_of_str(sample);
	struct str value;
	struct buf again;
	buf_init(&again, 256);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(resultset_value_next(&cur, &value), ERR_OK);
		assert_true(str_equal(value, values[i]));
		assert_int_equal(value.ptr == NULL, values[i].ptr == NULL);
	}
	assert_int_equal(resultset_value_next(&cur, &value), ERR_NOT_FOUND);
	resultset_row_encode(&again, values, 3);
	assert_true(str_equal(buf_str(&again), sample));
	cur = cursor_of("\x05x", 2);
	assert_int_equal(resultset_value_next(&cur, &value), ERR_PROTOCOL);
	buf_fini(&again);
	sample_free(sample);
}

/* A whole result set in each framing: the walk must find its end, and empty text is not NULL. */
static void test_whole_sets(void **state)
{
	(void)state;
	static const capabilities framings[] = {
		0,
		CAP_DEPRECATE_EOF,
		CAP_DEPRECATE_EOF | CAP_SESSION_TRACK,
		CAP_MARIADB_CACHE_METADATA | CAP_MARIADB_EXTENDED_METADATA,
		CAP_OPTIONAL_METADATA | CAP_DEPRECATE_EOF,
	};
	for (size_t i = 0; i < sizeof(framings) / sizeof(framings[0]); i++) {
		const struct resultset_column columns[] = { resultset_text_column(STR("a")),
							    resultset_text_column(STR("b")) };
		const struct str values[] = { STR(""), { NULL, 0 } };
		struct buf out;
		struct reply_walk walk;
		struct reply_walk_step step = { .next = REPLY_WALK_AGAIN };
		uint8_t sequence = 1;
		size_t at = 0;
		buf_init(&out, 4096);
		resultset_start(&out, &sequence, columns, 2, framings[i], STATUS_AUTOCOMMIT);
		resultset_add_row(&out, &sequence, values, 2);
		resultset_end(&out, &sequence, framings[i], STATUS_AUTOCOMMIT, 3);
		assert_int_equal(buf_finish(&out), ERR_OK);
		(void)reply_walk_start(&walk, COMMAND_QUERY, framings[i]);
		while (step.next == REPLY_WALK_AGAIN) {
			assert_int_equal(
				reply_walk_bytes(&walk, out.ptr + at, out.len - at, &step, NULL),
				ERR_OK);
			at += step.used_bytes;
		}
		assert_int_equal(step.next, REPLY_WALK_DONE);
		assert_int_equal(at, out.len);
		assert_int_equal(walk.scan.rows, 1);
		assert_int_equal(walk.sequence_next, sequence);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_definition_as_real),
		cmocka_unit_test(test_extended_metadata),
		cmocka_unit_test(test_row_as_real),
		cmocka_unit_test(test_whole_sets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
