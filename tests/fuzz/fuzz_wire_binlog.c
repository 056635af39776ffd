/* A crashed server's binary log can hold anything: reading it must end, in order, inside the file.
 * Byte 0: bit 0 begins behind the first event of a log without checksums, so that bodies are reached. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "wire/binlog.h"
#include "wire/binlog_story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_intervals(struct str body)
{
	struct binlog_intervals walk;
	struct binlog_interval interval;
	size_t count = 0;
	enum err rc = binlog_intervals_start(&walk, body, NULL);
	while (rc == ERR_OK && (rc = binlog_intervals_next(&walk, &interval, NULL)) == ERR_OK) {
		check(interval.first > 0 && interval.first <= interval.last);
		check(strlen(interval.tag) <= BINLOG_TAG_BYTES_MAX);
		count++;
	}
	check(count <= body.len / 16);
	check(rc == ERR_NOT_FOUND || rc == ERR_PROTOCOL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct binlog_reader reader = { .checksum = BINLOG_CHECKSUM_NONE };
	struct binlog_event event;
	size_t need = 0;
	if (size < 1) {
		return 0;
	}
	struct buf text;
	struct binlog_story *story = binlog_story_new();
	buf_init(&text, 1 << 20);
	binlog_story_begin(story, STR("0-1-1"), 0);
	struct str file = { (const char *)data + 1, size - 1 };
	enum err rc = data[0] & 1 ? ERR_OK : binlog_start(&reader, file, NULL);
	while (rc == ERR_OK) {
		uint64_t offset = reader.offset;
		rc = binlog_next(&reader, str_slice(file, (size_t)offset, file.len), &event, &need,
				 NULL);
		if (rc == ERR_OK) {
			check(event.offset == offset && reader.offset == offset + event.bytes);
			check(reader.offset <= file.len && event.body.len < event.bytes);
			check(strlen(event.tag) <= BINLOG_TAG_BYTES_MAX);
			walk_intervals(event.body);
			binlog_story_add(story, &event);
		} else {
			check(reader.offset == offset);
			check(rc != ERR_AGAIN || need > file.len - offset);
		}
	}
	binlog_story_end(story, &text);
	/* Whatever a server sends, people see lines of text. */
	for (size_t i = 0; i < text.len; i++) {
		check(text.ptr[i] >= 0x20 || text.ptr[i] == '\n');
	}
	buf_fini(&text);
	story = binlog_story_free(story);
	return 0;
}
