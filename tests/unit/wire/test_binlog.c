/* A misread binary log would hide, or invent, transactions that only a dead primary has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "real_binlog.h"
#include "sample.h"
#include "wire/binlog.h"

static const char uuid_hex[] = "e1d5d436e55711f1939002fc00000001";

/* As mysqlbinlog lists them. */
static const struct {
	uint64_t offset;
	uint8_t type;
	uint64_t gno;
	const char *tag;
} events[] = {
	{ 4, BINLOG_FORMAT_DESCRIPTION, 0, "" },
	{ 127, BINLOG_PREVIOUS_GTIDS, 0, "" },
	{ 246, BINLOG_GTID_TAGGED, 3, "tagged" },
	{ 329, BINLOG_QUERY, 0, "" },
	{ 401, 19, 0, "" },
	{ 453, 32, 0, "" },
	{ 495, BINLOG_XID, 0, "" },
	{ 526, BINLOG_GTID, 16, "" },
	{ 605, BINLOG_QUERY, 0, "" },
	{ 677, 19, 0, "" },
	{ 729, 32, 0, "" },
	{ 769, BINLOG_XID, 0, "" },
	{ 800, BINLOG_ROTATE, 0, "" },
};
enum { EVENTS = sizeof(events) / sizeof(events[0]) };

static enum err next(struct binlog_reader *reader, struct str file, struct binlog_event *ret,
		     size_t *ret_need)
{
	return binlog_next(reader, str_slice(file, (size_t)reader->offset, file.len), ret, ret_need,
			   NULL);
}

static void test_real_log(void **state)
{
	(void)state;
	struct str file = sample_of(real_binlog);
	struct str uuid = sample_of(uuid_hex);
	struct binlog_reader reader;
	struct binlog_event event;
	assert_int_equal(binlog_start(&reader, file, NULL), ERR_OK);
	for (size_t i = 0; i < EVENTS; i++) {
		assert_int_equal(next(&reader, file, &event, NULL), ERR_OK);
		assert_int_equal(event.offset, events[i].offset);
		assert_int_equal(event.type, events[i].type);
		assert_int_equal(event.server_id, 97);
		assert_int_equal(event.end_position, reader.offset);
		assert_int_equal(event.has_gtid, events[i].gno != 0);
		assert_int_equal(event.gno, events[i].gno);
		assert_string_equal(event.tag, events[i].tag);
		if (event.has_gtid) {
			assert_memory_equal(event.uuid, uuid.ptr, BINLOG_UUID_BYTES);
		}
	}
	assert_int_equal(next(&reader, file, &event, NULL), ERR_NOT_FOUND);
	assert_int_equal(reader.offset, file.len);
	sample_free(file);
	sample_free(uuid);
}

/* Wherever a crash cuts the file, exactly the events in front of the cut are read. */
static void test_torn_anywhere(void **state)
{
	(void)state;
	struct str file = sample_of(real_binlog);
	for (size_t cut = 0; cut < file.len; cut++) {
		struct str torn = sample_prefix(file, cut);
		struct binlog_reader reader;
		struct binlog_event event;
		size_t need = 0;
		size_t count = 0;
		enum err rc = binlog_start(&reader, torn, NULL);
		assert_int_equal(rc, cut < BINLOG_MAGIC_BYTES ? ERR_AGAIN : ERR_OK);
		while (rc == ERR_OK && (rc = next(&reader, torn, &event, &need)) == ERR_OK) {
			count++;
		}
		if (cut >= BINLOG_MAGIC_BYTES) {
			bool between = reader.offset == cut;
			assert_int_equal(rc, between ? ERR_NOT_FOUND : ERR_AGAIN);
			assert_true(between || reader.offset + need > cut);
			assert_true(count == EVENTS || events[count].offset == reader.offset);
		}
		sample_free(torn);
	}
	sample_free(file);
}

/* One changed bit anywhere behind the magic number is noticed. */
static void test_checksums(void **state)
{
	(void)state;
	struct str file = sample_of(real_binlog);
	uint8_t *bytes = (uint8_t *)(uintptr_t)file.ptr;
	size_t skipped = 0;
	for (size_t at = BINLOG_MAGIC_BYTES; at < file.len; at++) {
		struct binlog_reader reader;
		struct binlog_event event;
		bytes[at] ^= 0x40;
		assert_int_equal(binlog_start(&reader, file, NULL), ERR_OK);
		enum err rc;
		while ((rc = next(&reader, file, &event, NULL)) == ERR_OK) {
		}
		skipped += rc == ERR_NOT_FOUND;
		bytes[at] ^= 0x40;
	}
	assert_int_equal(skipped, 0);
	sample_free(file);
}

/* A log that was not closed carries the flag "in use", which its checksum doesn't know. */
static void test_log_in_use(void **state)
{
	(void)state;
	struct str file = sample_of(real_binlog);
	struct binlog_reader reader;
	struct binlog_event event;
	((uint8_t *)(uintptr_t)file.ptr)[BINLOG_MAGIC_BYTES + 17] |= 1;
	assert_int_equal(binlog_start(&reader, file, NULL), ERR_OK);
	assert_int_equal(next(&reader, file, &event, NULL), ERR_OK);
	assert_int_equal(event.flags, 1);
	assert_int_equal(reader.checksum, BINLOG_CHECKSUM_CRC32);
	sample_free(file);
}

static void test_previous_gtids(void **state)
{
	(void)state;
	static const struct {
		const char *tag;
		uint64_t first;
		uint64_t last;
	} wanted[] = { { "", 1, 15 }, { "tagged", 1, 2 } };
	struct str file = sample_of(real_binlog);
	struct str uuid = sample_of(uuid_hex);
	struct binlog_reader reader;
	struct binlog_event event;
	struct binlog_intervals walk;
	struct binlog_interval interval;
	assert_int_equal(binlog_start(&reader, file, NULL), ERR_OK);
	assert_int_equal(next(&reader, file, &event, NULL), ERR_OK);
	assert_int_equal(next(&reader, file, &event, NULL), ERR_OK);
	assert_int_equal(binlog_intervals_start(&walk, event.body, NULL), ERR_OK);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(binlog_intervals_next(&walk, &interval, NULL), ERR_OK);
		assert_memory_equal(interval.uuid, uuid.ptr, BINLOG_UUID_BYTES);
		assert_string_equal(interval.tag, wanted[i].tag);
		assert_int_equal(interval.first, wanted[i].first);
		assert_int_equal(interval.last, wanted[i].last);
	}
	assert_int_equal(binlog_intervals_next(&walk, &interval, NULL), ERR_NOT_FOUND);
	for (size_t cut = 0; cut < event.body.len; cut++) {
		struct str body = sample_prefix(event.body, cut);
		enum err rc = binlog_intervals_start(&walk, body, NULL);
		while (rc == ERR_OK) {
			rc = binlog_intervals_next(&walk, &interval, NULL);
		}
		assert_int_equal(rc, ERR_PROTOCOL);
		sample_free(body);
	}
	sample_free(file);
	sample_free(uuid);
}

/* The form of servers before 8.3: a bare count, no tags. */
static void test_previous_gtids_without_tags(void **state)
{
	(void)state;
	struct str body = sample_of("0100000000000000"
				    "e1d5d436e55711f1939002fc00000001"
				    "0200000000000000"
				    "01000000000000000400000000000000"
				    "06000000000000000700000000000000");
	struct binlog_intervals walk;
	struct binlog_interval interval;
	assert_int_equal(binlog_intervals_start(&walk, body, NULL), ERR_OK);
	assert_int_equal(binlog_intervals_next(&walk, &interval, NULL), ERR_OK);
	assert_true(interval.first == 1 && interval.last == 3);
	assert_int_equal(binlog_intervals_next(&walk, &interval, NULL), ERR_OK);
	assert_true(interval.first == 6 && interval.last == 6);
	assert_int_equal(binlog_intervals_next(&walk, &interval, NULL), ERR_NOT_FOUND);
	sample_free(body);
}

/* An event in a log without checksums: Percona Server 8.4's 77d1902c-...:test_tag:1. */
static const char tagged_body[] =
	"027c00000202ee450341025802690322c50369028241023502dcbedc3502040406107465"
	"73745f746167 08000a04 0c7f003e8900fa5b06 10450512dbd009";

static void read_plain(uint8_t type, struct str body, enum err want, struct binlog_event *ret)
{
	struct binlog_reader reader = { .checksum = BINLOG_CHECKSUM_NONE, .offset = 4 };
	struct buf event;
	buf_init(&event, 4096);
	buf_add_u32(&event, 0);
	buf_add_u8(&event, type);
	buf_add_u32(&event, 1);
	buf_add_u32(&event, (uint32_t)(BINLOG_HEADER_BYTES + body.len));
	buf_add_u32(&event, 0);
	buf_add_u16(&event, 0);
	buf_add_str(&event, body);
	assert_int_equal(binlog_next(&reader, buf_str(&event), ret, NULL, NULL), want);
	buf_fini(&event);
}

static void test_tagged_gtid(void **state)
{
	(void)state;
	struct str body = sample_of(tagged_body);
	struct str uuid = sample_of("77d1902c01da11f19a41908d6e5f6e8d");
	struct binlog_event event;
	read_plain(BINLOG_GTID_TAGGED, body, ERR_OK, &event);
	assert_true(event.has_gtid);
	assert_memory_equal(event.uuid, uuid.ptr, BINLOG_UUID_BYTES);
	assert_int_equal(event.gno, 1);
	assert_string_equal(event.tag, "test_tag");
	for (size_t cut = 0; cut < 43; cut++) {
		struct str prefix = sample_prefix(body, cut);
		read_plain(BINLOG_GTID_TAGGED, prefix, ERR_PROTOCOL, &event);
		sample_free(prefix);
	}
	sample_free(body);
	sample_free(uuid);
}

static void test_not_a_log(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		const char *words;
	} rows[] = {
		{ "fd62696e01", "binary log is encrypted" },
		{ "00000000", "not a binary log" },
		{ "fe6269", "file has not even the magic number" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str file = sample_of(rows[i].hex);
		struct binlog_reader reader;
		struct err_ctx err = { 0 };
		assert_int_not_equal(binlog_start(&reader, file, &err), ERR_OK);
		assert_string_equal(err.text, rows[i].words);
		sample_free(file);
	}
	/* zeros behind the last event, as a file system may leave them after a power loss */
	struct binlog_reader reader = { .offset = 4 };
	struct binlog_event event;
	assert_int_equal(binlog_next(&reader, STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
				     &event, NULL, NULL),
			 ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_log),
		cmocka_unit_test(test_torn_anywhere),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_log_in_use),
		cmocka_unit_test(test_previous_gtids),
		cmocka_unit_test(test_previous_gtids_without_tags),
		cmocka_unit_test(test_tagged_gtid),
		cmocka_unit_test(test_not_a_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
