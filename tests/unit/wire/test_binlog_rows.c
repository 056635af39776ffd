/* Somebody decides by these counts whether a lost tail matters: a wrong one is worse than none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "real_binlog.h"
#include "sample.h"
#include "wire/binlog_rows.h"
#include "wire/binlog_story.h"

enum { ROWS_WRITE = 30, ROWS_UPDATE = 31, ROWS_UPDATE_PARTIAL = 39, ROWS_COMPRESSED = 169 };

/* Table map: id, flags, "d", "t", columns, types, metadata, no NULL bits (they are not read). */
#define MAP(count, types, metadata_bytes, metadata) \
	"060000000000" \
	"0100" \
	"016400" \
	"017400" count types metadata_bytes metadata
/* Rows event of version 2: id, flags, no extra data, columns. */
#define ROWS(count) \
	"060000000000" \
	"0100" \
	"0200" count

struct row {
	uint8_t type;
	const char *map;
	const char *rows;
	enum err rc;
	uint64_t count;
};

static const struct row table[] = {
	/* INT, twice. */
	{ ROWS_WRITE, MAP("01", "03", "00", ""),
	  ROWS("01") "01"
		     "00"
		     "01000000"
		     "00"
		     "02000000",
	  ERR_OK, 2 },
	/* A NULL takes no bytes. */
	{ ROWS_WRITE, MAP("01", "03", "00", ""),
	  ROWS("01") "01"
		     "01"
		     "00"
		     "02000000",
	  ERR_OK, 2 },
	/* A column that isn't in the image. */
	{ ROWS_WRITE, MAP("02", "0303", "00", ""),
	  ROWS("02") "01"
		     "00"
		     "02000000",
	  ERR_OK, 1 },
	/* An update is two images, one row. */
	{ ROWS_UPDATE, MAP("01", "01", "00", ""),
	  ROWS("01") "0101"
		     "0001"
		     "0002"
		     "0003"
		     "0004",
	  ERR_OK, 2 },
	{ ROWS_UPDATE, MAP("01", "01", "00", ""),
	  ROWS("01") "0101"
		     "0001"
		     "0002"
		     "0003",
	  ERR_PROTOCOL, 0 },
	/* VARCHAR(80): one byte of length; VARCHAR(300): two. */
	{ ROWS_WRITE, MAP("01", "0f", "02", "5000"),
	  ROWS("01") "01"
		     "00"
		     "026162",
	  ERR_OK, 1 },
	{ ROWS_WRITE, MAP("01", "0f", "02", "2c01"),
	  ROWS("01") "01"
		     "00"
		     "02006162",
	  ERR_OK, 1 },
	/* CHAR(10), CHAR of 400 bytes, ENUM of one byte, SET of two. */
	{ ROWS_WRITE, MAP("01", "fe", "02", "fe0a"),
	  ROWS("01") "01"
		     "00"
		     "026162",
	  ERR_OK, 1 },
	{ ROWS_WRITE, MAP("01", "fe", "02", "ee90"),
	  ROWS("01") "01"
		     "00"
		     "02006162",
	  ERR_OK, 1 },
	{ ROWS_WRITE, MAP("01", "fe", "02", "f701"),
	  ROWS("01") "01"
		     "00"
		     "02",
	  ERR_OK, 1 },
	{ ROWS_WRITE, MAP("01", "fe", "02", "f802"),
	  ROWS("01") "01"
		     "00"
		     "0200",
	  ERR_OK, 1 },
	/* DECIMAL(20,7): 13 digits in 6 bytes, 7 in 4; BIT(11); BLOB with two bytes of length. */
	{ ROWS_WRITE, MAP("01", "f6", "02", "1407"),
	  ROWS("01") "01"
		     "00"
		     "80000000000000000000",
	  ERR_OK, 1 },
	{ ROWS_WRITE, MAP("01", "10", "02", "0301"),
	  ROWS("01") "01"
		     "00"
		     "0596",
	  ERR_OK, 1 },
	{ ROWS_WRITE, MAP("01", "fc", "01", "02"),
	  ROWS("01") "01"
		     "00"
		     "010041",
	  ERR_OK, 1 },
	/* DATETIME(3), TIMESTAMP(6), TIME(0). */
	{ ROWS_WRITE, MAP("03", "121113", "03", "030600"),
	  ROWS("03") "07"
		     "00"
		     "99b8c2314402a6"
		     "69573340000001"
		     "812345",
	  ERR_OK, 1 },
	/* What is broken or not known. */
	{ ROWS_WRITE, MAP("01", "03", "00", ""),
	  ROWS("01") "01"
		     "00"
		     "010000",
	  ERR_PROTOCOL, 0 },
	{ ROWS_WRITE, MAP("01", "03", "00", ""),
	  ROWS("02") "01"
		     "00"
		     "01000000",
	  ERR_PROTOCOL, 0 },
	{ ROWS_WRITE, MAP("01", "fc", "00", ""),
	  ROWS("01") "01"
		     "00"
		     "010041",
	  ERR_PROTOCOL, 0 },
	{ ROWS_WRITE, MAP("01", "fc", "01", "09"),
	  ROWS("01") "01"
		     "00"
		     "010041",
	  ERR_PROTOCOL, 0 },
	{ ROWS_WRITE, MAP("01", "fc", "01", "04"),
	  ROWS("01") "01"
		     "00"
		     "ffffffff",
	  ERR_PROTOCOL, 0 },
	{ ROWS_WRITE, MAP("01", "7f", "00", ""),
	  ROWS("01") "01"
		     "00"
		     "01",
	  ERR_NOT_FOUND, 0 },
	{ ROWS_WRITE, MAP("00", "", "00", ""), ROWS("00"), ERR_OK, 0 },
	{ ROWS_UPDATE_PARTIAL, MAP("01", "f5", "01", "04"), ROWS("01") "0101", ERR_NOT_FOUND, 0 },
	{ ROWS_COMPRESSED, MAP("01", "03", "00", ""),
	  ROWS("01") "01"
		     "00"
		     "01000000",
	  ERR_NOT_FOUND, 0 },
};

static void test_rows_are_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct binlog_table map;
		uint64_t count = 0;
		struct str body = sample_of(table[i].map);
		struct str rows = sample_of(table[i].rows);
		assert_int_equal(binlog_rows_read_table(body, &map, NULL), ERR_OK);
		enum err rc = binlog_rows_count(table[i].type, rows, &map, &count, NULL);
		if (rc != table[i].rc || count != table[i].count) {
			fail_msg("row %zu: %s, %u rows", i, err_name(rc), (unsigned)count);
		}
		/* Cut anywhere it is an error, or fewer rows. */
		for (size_t cut = 0; cut < rows.len; cut++) {
			uint64_t fewer = 0;
			rc = binlog_rows_count(table[i].type, str_slice(rows, 0, cut), &map, &fewer,
					       NULL);
			assert_true(rc != ERR_OK || table[i].rc != ERR_OK || fewer <= count);
		}
		for (size_t cut = 0; cut < body.len; cut++) {
			assert_int_not_equal(
				binlog_rows_read_table(str_slice(body, 0, cut), &map, NULL),
				ERR_OK);
		}
		sample_free(body);
		sample_free(rows);
	}
}

static void test_a_real_log_is_told(void **state)
{
	(void)state;
	struct str file = sample_of(real_binlog);
	struct binlog_reader reader;
	struct binlog_event event;
	struct binlog_story *story = binlog_story_new();
	struct buf text;
	struct buf moved;
	buf_init(&text, 65536);
	buf_init(&moved, 65536);
	assert_int_equal(binlog_start(&reader, file, NULL), ERR_OK);
	while (binlog_next(&reader, str_slice(file, (size_t)reader.offset, file.len), &event, NULL,
			   NULL) == ERR_OK) {
		if (event.has_gtid && event.gno == 16) {
			binlog_story_begin(story, STR("u:16"), event.timestamp);
		} else if (event.has_gtid) {
			binlog_story_begin(story, STR("u:tagged:3"), event.timestamp);
		}
		binlog_story_add(story, &event);
		if (event.type == BINLOG_XID) {
			binlog_story_end(story, &text);
		}
		/* Moved to where it stands already it is the same, checksum and all. */
		buf_clear(&moved);
		struct str whole = str_slice(file, (size_t)event.offset, (size_t)reader.offset);
		binlog_move(&event, whole, BINLOG_CHECKSUM_CRC32, event.offset, &moved);
		if (event.type != BINLOG_FORMAT_DESCRIPTION) {
			assert_true(str_equal(buf_str(&moved), whole));
		}
		struct binlog_reader other = { .checksum = BINLOG_CHECKSUM_CRC32 };
		buf_clear(&moved);
		binlog_move(&event, whole, BINLOG_CHECKSUM_CRC32, 1000, &moved);
		assert_int_equal(binlog_next(&other, buf_str(&moved), &event, NULL, NULL), ERR_OK);
		assert_int_equal(event.end_position, 1000 + event.bytes);
	}
	assert_string_equal(buf_text(&text), "u:tagged:3  2026-11-21 03:06:17 UTC\n"
					     "  t.t: 1 deleted\n"
					     "u:16  2026-11-21 03:06:17 UTC\n"
					     "  t.t: 1 deleted\n");
	buf_fini(&text);
	buf_fini(&moved);
	sample_free(file);
	story = binlog_story_free(story);
}

static void test_times(void **state)
{
	(void)state;
	static const struct {
		uint32_t timestamp;
		const char *text;
	} times[] = {
		{ 0, "g  1970-01-01 00:00:00 UTC\n" },
		{ 951782399, "g  2000-02-28 23:59:59 UTC\n" },
		{ 951782400, "g  2000-02-29 00:00:00 UTC\n" },
		{ 1709251200, "g  2024-03-01 00:00:00 UTC\n" },
		{ 1767225599, "g  2025-12-31 23:59:59 UTC\n" },
		{ 4107542400, "g  2100-03-01 00:00:00 UTC\n" },
		{ UINT32_MAX, "g  2106-02-07 06:28:15 UTC\n" },
	};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct binlog_story *story = binlog_story_new();
		struct buf text;
		buf_init(&text, 1000);
		binlog_story_begin(story, STR("g"), times[i].timestamp);
		binlog_story_end(story, &text);
		assert_string_equal(buf_text(&text), times[i].text);
		buf_fini(&text);
		story = binlog_story_free(story);
	}
}

static void test_mariadb_gtid(void **state)
{
	(void)state;
	struct binlog_mariadb_gtid gtid;
	struct binlog_event event = { .type = BINLOG_MARIADB_GTID, .server_id = 7 };
	event.body = sample_of("0500000000000000"
			       "02000000"
			       "0c"
			       "000000000000");
	assert_int_equal(binlog_mariadb_gtid(&event, &gtid, NULL), ERR_OK);
	assert_int_equal(gtid.number, 5);
	assert_int_equal(gtid.domain, 2);
	struct str whole = event.body;
	event.body = str_slice(whole, 0, 11);
	assert_int_equal(binlog_mariadb_gtid(&event, &gtid, NULL), ERR_PROTOCOL);
	sample_free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_counted),
		cmocka_unit_test(test_a_real_log_is_told),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_mariadb_gtid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
