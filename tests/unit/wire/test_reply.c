/* A status flag or a session state that is read wrongly sends a write to the wrong server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "wire/reply.h"

enum { CAPS_TRACK = 1, CAPS_PLAIN = 0 };

static capabilities caps_of(int track)
{
	return CAP_PROTOCOL_41 | (track ? CAP_SESSION_TRACK : 0);
}

/* OK payloads as sent by MariaDB 10.11, 11.8 and MySQL 9.7; states as "kind name=value;". */
static const struct {
	int track;
	const char *hex;
	uint64_t affected_rows;
	uint64_t insert_id;
	uint16_t status;
	const char *info;
	const char *states;
} oks[] = {
	{ CAPS_TRACK, "00000002000000", 0, 0, 0x0002, "", "" },
	{ CAPS_PLAIN, "00000002000000", 0, 0, 0x0002, "", "" },
	{ CAPS_TRACK, "00010902000000", 1, 9, 0x0002, "", "" },
	{ CAPS_TRACK, "fe000042000000", 0, 0, 0x0042, "", "" },
	{ CAPS_TRACK, "0000000240000000 07 01020174 020131", 0, 0, 0x4002, "", "1 =t;2 =1;" },
	{ CAPS_TRACK,
	  "0000000340000000 20 05 09 08 545f5f5f5f5f5f5f 04 13 12 5354415254205452414e534143"
	  "54494f4e3b",
	  0, 0, 0x4003, "", "5 =T_______;4 =START TRANSACTION;;" },
	{ CAPS_TRACK,
	  "00011302400000002b0329002765316435643433362d653535372d313166312d393339302d30"
	  "32666330303030303030313a3137",
	  1, 19, 0x4002, "", "3 =e1d5d436-e557-11f1-9390-02fc00000001:17;" },
	{ CAPS_TRACK, "0001130240000000140012096c6173745f6774696407302d31302d3139", 1, 19, 0x4002,
	  "", "0 last_gtid=0-10-19;" },
	{ CAPS_TRACK, "000000004000000011000f0a6175746f636f6d6d6974034f4646", 0, 0, 0x4000, "",
	  "0 autocommit=OFF;" },
	{ CAPS_TRACK,
	  "00fd60e31600220000002c5265636f7264733a203135303030303020204475706c6963617465733a"
	  "203020205761726e696e67733a2030",
	  1500000, 0, 0x0022, "Records: 1500000  Duplicates: 0  Warnings: 0", "" },
	{ CAPS_PLAIN, "00020002000000 5265636f726473", 2, 0, 0x0002, "Records", "" },
	{ CAPS_TRACK,
	  "00000002400000410136453644363743373841414235453942443930354430444445424530303637"
	  "34314246443833423043423036393333363546393935364141353837434631464695000e0a617574"
	  "6f636f6d6d6974024f4e00110974696d655f7a6f6e650653595354454d001d146368617261637465"
	  "725f7365745f636c69656e7407757466386d62340021186368617261637465725f7365745f636f6e"
	  "6e656374696f6e07757466386d6234001e156368617261637465725f7365745f726573756c747307"
	  "757466386d6234000e0c72656469726563745f75726c00",
	  0, 0, 0x4002, NULL,
	  "0 autocommit=ON;0 time_zone=SYSTEM;0 character_set_client=utf8mb4;"
	  "0 character_set_connection=utf8mb4;0 character_set_results=utf8mb4;0 redirect_url=;" },
};

static void print_states(const struct reply_ok *ok, struct buf *out)
{
	struct reply_states states = reply_states_of(ok);
	struct reply_state entry;
	enum err rc;
	while ((rc = reply_state_next(&states, &entry, NULL)) == ERR_OK) {
		buf_printf(out, "%u %.*s=%.*s;", (unsigned)entry.kind, STR_ARG(entry.name),
			   STR_ARG(entry.value));
	}
	assert_int_equal(rc, ERR_NOT_FOUND);
}

static void test_ok_as_real(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(oks) / sizeof(oks[0]); i++) {
		struct str sample = sample_of(oks[i].hex);
		struct reply_ok ok;
		struct buf text;
		struct buf again;
		struct err_ctx err = { 0 };
		buf_init(&text, 4096);
		buf_init(&again, 4096);
		assert_int_equal(reply_ok_decode(sample, caps_of(oks[i].track), &ok, &err), ERR_OK);
		assert_true(ok.affected_rows == oks[i].affected_rows);
		assert_true(ok.insert_id == oks[i].insert_id);
		assert_int_equal(ok.status, oks[i].status);
		assert_int_equal(ok.ends_rows, sample.ptr[0] != 0);
		if (oks[i].info) {
			assert_true(str_equal(ok.info, str_of(oks[i].info)));
		}
		print_states(&ok, &text);
		assert_string_equal(buf_text(&text), oks[i].states);
		reply_ok_encode(&again, &ok, caps_of(oks[i].track));
		assert_true(str_equal(buf_str(&again), sample));
		for (size_t count = 0; count < sample.len; count++) {
			struct str prefix = sample_prefix(sample, count);
			enum err rc = reply_ok_decode(prefix, caps_of(oks[i].track), &ok, &err);
			assert_int_equal(rc, count < 7 ? ERR_PROTOCOL : rc);
			sample_free(prefix);
		}
		buf_fini(&text);
		buf_fini(&again);
		sample_free(sample);
	}
}

/* All kinds go out and come back; a truncated state ends in an error, not in a wrong entry. */
static void test_states_round_trip(void **state)
{
	(void)state;
	static const struct reply_state entries[] = {
		{ .kind = REPLY_STATE_VARIABLE, .name = { "sql_mode", 8 }, .value = { "", 0 } },
		{ .kind = REPLY_STATE_SCHEMA, .type = 1, .value = { "s", 1 } },
		{ .kind = REPLY_STATE_CHANGED, .type = 2, .value = { "1", 1 } },
		{ .kind = REPLY_STATE_GTIDS, .type = 3, .value = { "u:1", 3 } },
		{ .kind = REPLY_STATE_CHARACTERISTICS, .type = 4, .value = { "BEGIN;", 6 } },
		{ .kind = REPLY_STATE_TRANSACTION, .type = 5, .value = { "T_______", 8 } },
		{ .kind = REPLY_STATE_UNKNOWN, .type = 9, .value = { "??", 2 } },
	};
	enum { COUNT = sizeof(entries) / sizeof(entries[0]) };
	struct buf out;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT; i++) {
		reply_state_add(&out, &entries[i]);
	}
	for (size_t cut = 0; cut <= out.len; cut++) {
		struct str bytes = sample_prefix(buf_str(&out), cut);
		struct reply_ok ok = { .session_state = bytes };
		struct reply_states states = reply_states_of(&ok);
		struct reply_state entry;
		size_t count = 0;
		enum err rc;
		while ((rc = reply_state_next(&states, &entry, NULL)) == ERR_OK) {
			assert_int_equal(entry.kind, entries[count].kind);
			assert_int_equal(entry.type, entries[count].type);
			assert_true(str_equal(entry.name, entries[count].name));
			assert_true(str_equal(entry.value, entries[count].value));
			count++;
		}
		assert_true(rc == ERR_NOT_FOUND || (rc == ERR_PROTOCOL && cut < out.len));
		assert_true(cut < out.len || count == COUNT);
		sample_free(bytes);
	}
	buf_fini(&out);
}

static void test_several_variables_in_one_block(void **state)
{
	(void)state;
	struct str block = sample_of("00 08 01 61 01 62 01 63 01 64 02 01 31");
	struct reply_ok ok = { .session_state = block };
	struct buf text;
	buf_init(&text, 100);
	print_states(&ok, &text);
	assert_string_equal(buf_text(&text), "0 a=b;0 c=d;2 =1;");
	buf_fini(&text);
	sample_free(block);
}

static void test_state_flag_follows_content(void **state)
{
	(void)state;
	struct reply_ok ok = { .status = STATUS_SESSION_STATE_CHANGED | STATUS_AUTOCOMMIT };
	struct buf out;
	buf_init(&out, 100);
	reply_ok_encode(&out, &ok, CAP_SESSION_TRACK);
	assert_true(str_equal(buf_str(&out), STR("\0\0\0\x02\0\0\0")));
	buf_clear(&out);
	ok.session_state = STR("\x02\x01"
			       "1");
	reply_ok_encode(&out, &ok, 0);
	assert_true(str_equal(buf_str(&out), STR("\0\0\0\x02\0\0\0")));
	buf_fini(&out);
}

static void test_eof(void **state)
{
	(void)state;
	struct str sample = sample_of("fe00002200");
	struct reply_eof eof;
	struct buf again;
	buf_init(&again, 100);
	assert_int_equal(reply_eof_decode(sample, &eof, NULL), ERR_OK);
	assert_int_equal(eof.status, 0x22);
	reply_eof_encode(&again, &eof);
	assert_true(str_equal(buf_str(&again), sample));
	for (size_t count = 0; count < sample.len; count++) {
		struct str prefix = sample_prefix(sample, count);
		assert_int_equal(reply_eof_decode(prefix, &eof, NULL), ERR_PROTOCOL);
		sample_free(prefix);
	}
	/* nine bytes with 0xfe are a row, whose first value is longer than 16 MB */
	assert_int_equal(reply_eof_decode(STR("\xfe\0\0\0\0\0\0\0\0"), &eof, NULL), ERR_PROTOCOL);
	sample_free(sample);
	buf_clear(&again);
	reply_end_encode(&again, 2, 1, CAP_DEPRECATE_EOF);
	assert_true(str_equal(buf_str(&again), STR("\xfe\0\0\x02\0\x01\0")));
	buf_clear(&again);
	reply_end_encode(&again, 2, 1, 0);
	assert_true(str_equal(buf_str(&again), STR("\xfe\x01\0\x02\0")));
	buf_fini(&again);
}

static const struct {
	const char *hex;
	uint16_t server_errno;
	const char *sqlstate;
	const char *message;
	bool with_state;
} errs[] = {
	{ "ff16042333443030304e6f2064617461626173652073656c6563746564", 1046, "3D000",
	  "No database selected", true },
	{ "ff1004546f6f206d616e7920636f6e6e656374696f6e73", 1040, "HY000", "Too many connections",
	  false },
	{ "ff100423", 1040, "HY000", "#", false },
	{ "ff1004", 1040, "HY000", "", false },
};

static void test_err(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		struct str sample = sample_of(errs[i].hex);
		struct reply_err error;
		struct buf again;
		buf_init(&again, 100);
		assert_int_equal(reply_err_decode(sample, &error, NULL), ERR_OK);
		assert_int_equal(error.server_errno, errs[i].server_errno);
		assert_memory_equal(error.sqlstate, errs[i].sqlstate, 5);
		assert_true(str_equal(error.message, str_of(errs[i].message)));
		reply_err_encode(&again, &error, errs[i].with_state);
		assert_true(str_equal(buf_str(&again), sample));
		for (size_t count = 0; count < sample.len; count++) {
			struct str prefix = sample_prefix(sample, count);
			enum err rc = reply_err_decode(prefix, &error, NULL);
			assert_int_equal(rc, count < 3 ? ERR_PROTOCOL : ERR_OK);
			sample_free(prefix);
		}
		buf_fini(&again);
		sample_free(sample);
	}
	struct buf out;
	buf_init(&out, 100);
	reply_err_add(&out, 1046, "3D000", STR("No database selected"));
	struct str want = sample_of(errs[0].hex);
	assert_true(str_equal(buf_str(&out), want));
	sample_free(want);
	buf_fini(&out);
}

/* As sent by MariaDB 10.11 during ALTER TABLE. Taken for an error it would end the statement. */
static void test_progress(void **state)
{
	(void)state;
	struct str sample = sample_of("ffffff010102a5020011636f707920746f20746d70207461626c65");
	struct reply_progress progress;
	struct reply_err error;
	struct buf again;
	buf_init(&again, 100);
	assert_true(reply_is_progress(sample));
	assert_int_equal(reply_err_decode(sample, &error, NULL), ERR_PROTOCOL);
	assert_int_equal(reply_progress_decode(sample, &progress, NULL), ERR_OK);
	assert_int_equal(progress.stage, 1);
	assert_int_equal(progress.stages, 2);
	assert_int_equal(progress.progress, 677);
	assert_true(str_equal(progress.text, STR("copy to tmp table")));
	reply_progress_encode(&again, &progress);
	assert_true(str_equal(buf_str(&again), sample));
	for (size_t count = 0; count < sample.len; count++) {
		struct str prefix = sample_prefix(sample, count);
		assert_int_equal(reply_progress_decode(prefix, &progress, NULL), ERR_PROTOCOL);
		assert_int_equal(reply_is_progress(prefix), count >= 3);
		sample_free(prefix);
	}
	buf_fini(&again);
	sample_free(sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok_as_real),
		cmocka_unit_test(test_states_round_trip),
		cmocka_unit_test(test_several_variables_in_one_block),
		cmocka_unit_test(test_state_flag_follows_content),
		cmocka_unit_test(test_eof),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_progress),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
