#include "wire/binlog.h"

#include <string.h>

enum {
	FLAG_IN_USE = 0x0001, /* set in the format description of a log that was not closed */
	END_POSITION_OFFSET = 13,
	FLAGS_OFFSET = 17,
	VERSION_4 = 4,
	FORMAT_FIXED_BYTES = 2 + 50 + 4 + 1, /* version, server version, created, header length */
	TAG_FORMAT = 1,			     /* of a set with tags, in the top byte of the count */
};

enum err binlog_start(struct binlog_reader *reader, struct str bytes, struct err_ctx *err)
{
	if (bytes.len < BINLOG_MAGIC_BYTES) {
		return err_set(err, ERR_AGAIN, "file has not even the magic number");
	}
	if (memcmp(bytes.ptr,
		   "\xfd"
		   "bin",
		   BINLOG_MAGIC_BYTES) == 0) {
		return err_set(err, ERR_PROTOCOL, "binary log is encrypted");
	}
	if (memcmp(bytes.ptr,
		   "\xfe"
		   "bin",
		   BINLOG_MAGIC_BYTES) != 0) {
		return err_set(err, ERR_PROTOCOL, "not a binary log");
	}
	*reader = (struct binlog_reader){ .offset = BINLOG_MAGIC_BYTES };
	return ERR_OK;
}

/* CRC-32 as in zlib, four bits at a time. */
static uint32_t crc32_add(uint32_t crc, const uint8_t *bytes, size_t count)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

/* The checksum covers header and body; the format description's as if the log were closed.
 * Source: Log_event_footer::event_checksum_test(). */
static bool checksum_fits(const uint8_t *event, uint32_t event_bytes, uint8_t type)
{
	uint8_t header[BINLOG_HEADER_BYTES];
	memcpy(header, event, sizeof(header));
	if (type == BINLOG_FORMAT_DESCRIPTION) {
		header[FLAGS_OFFSET] &= (uint8_t)~FLAG_IN_USE;
	}
	uint32_t covered = event_bytes - BINLOG_CHECKSUM_BYTES;
	uint32_t crc = crc32_add(UINT32_MAX, header, sizeof(header));
	crc = ~crc32_add(crc, event + sizeof(header), covered - sizeof(header));
	struct cursor cur = cursor_of(event + covered, BINLOG_CHECKSUM_BYTES);
	uint32_t stored = 0;
	return cursor_u32(&cur, &stored) == ERR_OK && stored == crc;
}

static enum err read_header(struct str bytes, struct binlog_event *ret)
{
	struct cursor cur = cursor_of_str(bytes);
	if (cursor_u32(&cur, &ret->timestamp) != ERR_OK || cursor_u8(&cur, &ret->type) != ERR_OK ||
	    cursor_u32(&cur, &ret->server_id) != ERR_OK ||
	    cursor_u32(&cur, &ret->bytes) != ERR_OK ||
	    cursor_u32(&cur, &ret->end_position) != ERR_OK ||
	    cursor_u16(&cur, &ret->flags) != ERR_OK) {
		return ERR_AGAIN;
	}
	return ERR_OK;
}

/* The format description names the algorithm of all events behind it, and itself always has room for
 * a checksum behind the algorithm's byte (servers from 5.6 on). */
static enum err read_format(const struct binlog_event *event, enum binlog_checksum *ret,
			    struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(event->body);
	uint16_t version;
	if (event->body.len < FORMAT_FIXED_BYTES + 1 + BINLOG_CHECKSUM_BYTES ||
	    cursor_u16(&cur, &version) != ERR_OK || version != VERSION_4) {
		return err_set(err, ERR_PROTOCOL, "binary log is not of version 4");
	}
	uint8_t algorithm = (uint8_t)event->body.ptr[event->body.len - BINLOG_CHECKSUM_BYTES - 1];
	if (algorithm > 1) {
		return err_set(err, ERR_PROTOCOL, "binary log with unknown checksum algorithm %u",
			       algorithm);
	}
	*ret = algorithm ? BINLOG_CHECKSUM_CRC32 : BINLOG_CHECKSUM_NONE;
	return ERR_OK;
}

/* The variable-length integers of mysql_serialization: as many one bits at the low end of the first
 * byte as there are further bytes, then the number. Source: libs/mysql/serialization/
 * variable_length_integers.h. */
static enum err read_varlen(struct cursor *cur, uint64_t *ret)
{
	struct cursor at = *cur;
	uint8_t first;
	uint8_t more;
	if (cursor_u8(&at, &first) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	unsigned more_count = 0;
	while (more_count < 8 && (first >> more_count & 1)) {
		more_count++;
	}
	/* With 8 further bytes nothing of the first is left, nor of its place. */
	unsigned first_bits = more_count < 8 ? 7 - more_count : 0;
	uint64_t value = first_bits ? (uint64_t)first >> (more_count + 1) : 0;
	for (unsigned i = 0; i < more_count; i++) {
		if (cursor_u8(&at, &more) != ERR_OK) {
			return ERR_PROTOCOL;
		}
		value |= (uint64_t)more << (first_bits + 8 * i);
	}
	*cur = at;
	*ret = value;
	return ERR_OK;
}

/* A tag: length and characters. Only letters, digits and underscores are tags. */
static enum err read_tag(struct cursor *cur, char ret[BINLOG_TAG_BYTES_MAX + 1])
{
	uint64_t count;
	struct str text;
	if (read_varlen(cur, &count) != ERR_OK || count > BINLOG_TAG_BYTES_MAX ||
	    cursor_bytes(cur, (size_t)count, &text) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9'))) {
			return ERR_PROTOCOL;
		}
	}
	return str_copy(text, ret, BINLOG_TAG_BYTES_MAX + 1);
}

static enum err read_gtid(struct binlog_event *event)
{
	struct cursor cur = cursor_of_str(event->body);
	struct str uuid;
	if (cursor_skip(&cur, 1) != ERR_OK ||
	    cursor_bytes(&cur, BINLOG_UUID_BYTES, &uuid) != ERR_OK ||
	    cursor_u64(&cur, &event->gno) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	memcpy(event->uuid, uuid.ptr, BINLOG_UUID_BYTES);
	event->has_gtid = true;
	return ERR_OK;
}

/* One field of a tagged GTID event; *ret_more becomes false behind the last that matters. */
static enum err read_tagged_field(struct cursor *cur, uint64_t id, struct binlog_event *event,
				  bool *ret_more)
{
	enum { FIELD_FLAGS = 0, FIELD_UUID = 1, FIELD_GNO = 2, FIELD_TAG = 3 };
	uint64_t number;
	switch (id) {
	case FIELD_FLAGS:
		return read_varlen(cur, &number);
	case FIELD_UUID:
		for (size_t i = 0; i < BINLOG_UUID_BYTES; i++) {
			if (read_varlen(cur, &number) != ERR_OK || number > UINT8_MAX) {
				return ERR_PROTOCOL;
			}
			event->uuid[i] = (uint8_t)number;
		}
		return ERR_OK;
	case FIELD_GNO: /* signed: the sign is bit 0 */
		if (read_varlen(cur, &number) != ERR_OK || number & 1) {
			return ERR_PROTOCOL;
		}
		event->gno = number >> 1;
		return ERR_OK;
	case FIELD_TAG:
		*ret_more = false;
		return read_tag(cur, event->tag);
	default:
		*ret_more = false;
		return ERR_OK;
	}
}

/* A message of mysql_serialization: version, size, last field that may not be ignored, then fields in
 * the order of their ids, each behind its id; those with their default value may be absent.
 * Source: libs/mysql/serialization/readme.md; Gtid_event::define_fields(). */
static enum err read_gtid_tagged(struct binlog_event *event)
{
	struct cursor cur = cursor_of_str(event->body);
	uint64_t version;
	uint64_t bytes;
	uint64_t last;
	uint64_t id;
	uint64_t seen = 0;
	bool more = true;
	if (read_varlen(&cur, &version) != ERR_OK || version != 1 ||
	    read_varlen(&cur, &bytes) != ERR_OK || bytes > event->body.len ||
	    read_varlen(&cur, &last) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	while (more && cursor_left(&cur) > 0) {
		if (read_varlen(&cur, &id) != ERR_OK || id > 63 || seen >> id != 0 ||
		    read_tagged_field(&cur, id, event, &more) != ERR_OK) {
			return ERR_PROTOCOL;
		}
		seen |= UINT64_C(1) << id;
	}
	event->has_gtid = seen & 2 && event->gno > 0;
	return event->has_gtid ? ERR_OK : ERR_PROTOCOL;
}

/* What this type of event says. */
static enum err read_body(struct binlog_reader *reader, struct binlog_event *event,
			  struct err_ctx *err)
{
	enum err rc = ERR_OK;
	switch (event->type) {
	case BINLOG_FORMAT_DESCRIPTION:
		return read_format(event, &reader->checksum, err);
	case BINLOG_GTID:
		rc = read_gtid(event);
		break;
	case BINLOG_GTID_TAGGED:
		rc = read_gtid_tagged(event);
		break;
	default:
		break;
	}
	if (rc != ERR_OK) {
		return err_set(err, rc, "broken GTID event at %llu",
			       (unsigned long long)event->offset);
	}
	return ERR_OK;
}

enum err binlog_next(struct binlog_reader *reader, struct str bytes, struct binlog_event *ret,
		     size_t *ret_need_bytes, struct err_ctx *err)
{
	struct binlog_event event = { .offset = reader->offset };
	unsigned long long offset = reader->offset;
	if (bytes.len == 0) {
		return err_set(err, ERR_NOT_FOUND, "no event behind %llu", offset);
	}
	size_t need = BINLOG_HEADER_BYTES;
	if (read_header(bytes, &event) == ERR_OK) {
		if (event.bytes < BINLOG_HEADER_BYTES) {
			return err_set(err, ERR_PROTOCOL, "no event at %llu: length %u", offset,
				       event.bytes);
		}
		need = event.bytes;
	}
	if (bytes.len < need) {
		if (ret_need_bytes) {
			*ret_need_bytes = need;
		}
		return err_set(err, ERR_AGAIN, "event at %llu is torn: %zu of %zu bytes", offset,
			       bytes.len, need);
	}
	struct binlog_reader after = *reader;
	if (after.checksum == BINLOG_CHECKSUM_UNKNOWN && event.type != BINLOG_FORMAT_DESCRIPTION) {
		return err_set(err, ERR_PROTOCOL, "binary log doesn't start with its format");
	}
	after.offset += event.bytes;
	event.body = str_slice(bytes, BINLOG_HEADER_BYTES, event.bytes);
	enum err rc = read_body(&after, &event, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (after.checksum == BINLOG_CHECKSUM_CRC32) {
		if (event.body.len < BINLOG_CHECKSUM_BYTES ||
		    !checksum_fits((const uint8_t *)bytes.ptr, event.bytes, event.type)) {
			return err_set(err, ERR_PROTOCOL, "event at %llu has a wrong checksum",
				       offset);
		}
	}
	if (event.type == BINLOG_FORMAT_DESCRIPTION || after.checksum == BINLOG_CHECKSUM_CRC32) {
		event.body.len -= BINLOG_CHECKSUM_BYTES;
	}
	*reader = after;
	*ret = event;
	return ERR_OK;
}

enum err binlog_mariadb_gtid(const struct binlog_event *event, struct binlog_mariadb_gtid *ret,
			     struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(event->body);
	struct binlog_mariadb_gtid gtid;
	if (event->type != BINLOG_MARIADB_GTID || cursor_u64(&cur, &gtid.number) != ERR_OK ||
	    cursor_u32(&cur, &gtid.domain) != ERR_OK || gtid.number == 0) {
		return err_set(err, ERR_PROTOCOL, "broken GTID event at %llu",
			       (unsigned long long)event->offset);
	}
	*ret = gtid;
	return ERR_OK;
}

static void store_u32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++) {
		to[i] = (uint8_t)(value >> (8 * i));
	}
}

void binlog_move(const struct binlog_event *event, struct str bytes, enum binlog_checksum checksum,
		 uint64_t position, struct buf *out)
{
	uint8_t *to = buf_reserve(out, event->bytes);
	if (!to) {
		return;
	}
	memcpy(to, bytes.ptr, event->bytes);
	/* The field has 32 bits whatever the file's size. */
	store_u32(to + END_POSITION_OFFSET, (uint32_t)(position + event->bytes));
	if (event->type == BINLOG_FORMAT_DESCRIPTION) {
		to[FLAGS_OFFSET] &= (uint8_t)~FLAG_IN_USE;
	}
	if (checksum == BINLOG_CHECKSUM_CRC32) {
		uint32_t covered = event->bytes - BINLOG_CHECKSUM_BYTES;
		store_u32(to + covered, ~crc32_add(UINT32_MAX, to, covered));
	}
	buf_commit(out, event->bytes);
}

/* The count of sources; in the form with tags it stands in bits 8 to 55, between two format bytes.
 * Source: sql/rpl_gtid_set.cc, decode_nsids_format(). */
enum err binlog_intervals_start(struct binlog_intervals *walk, struct str body, struct err_ctx *err)
{
	struct binlog_intervals start = { .cur = cursor_of_str(body) };
	uint64_t count;
	if (cursor_u64(&start.cur, &count) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "set of previous GTIDs is cut short");
	}
	uint64_t format = count >> 56;
	if (format > TAG_FORMAT) {
		return err_set(err, ERR_PROTOCOL, "set of previous GTIDs in unknown format %u",
			       (unsigned)format);
	}
	start.tagged = format == TAG_FORMAT;
	start.sids_left = start.tagged ? count << 8 >> 16 : count;
	*walk = start;
	return ERR_OK;
}

static enum err next_source(struct binlog_intervals *walk)
{
	struct str uuid;
	memset(walk->current.tag, 0, sizeof(walk->current.tag));
	if (cursor_bytes(&walk->cur, BINLOG_UUID_BYTES, &uuid) != ERR_OK ||
	    (walk->tagged && read_tag(&walk->cur, walk->current.tag) != ERR_OK) ||
	    cursor_u64(&walk->cur, &walk->intervals_left) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	memcpy(walk->current.uuid, uuid.ptr, BINLOG_UUID_BYTES);
	walk->sids_left--;
	return ERR_OK;
}

enum err binlog_intervals_next(struct binlog_intervals *walk, struct binlog_interval *ret,
			       struct err_ctx *err)
{
	uint64_t first;
	uint64_t end;
	while (walk->intervals_left == 0) {
		if (walk->sids_left == 0) {
			return err_set(err, ERR_NOT_FOUND, "no more previous GTIDs");
		}
		if (next_source(walk) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL, "set of previous GTIDs is cut short");
		}
	}
	if (cursor_u64(&walk->cur, &first) != ERR_OK || cursor_u64(&walk->cur, &end) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "set of previous GTIDs is cut short");
	}
	if (first == 0 || end <= first || end > INT64_MAX) {
		return err_set(err, ERR_PROTOCOL, "set of previous GTIDs with a broken interval");
	}
	walk->intervals_left--;
	walk->current.first = first;
	walk->current.last = end - 1;
	*ret = walk->current;
	return ERR_OK;
}
