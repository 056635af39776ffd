/* GTID sets as text: gtid_set_parse() and gtid_set_print(). */
#include "gtid/gtid_set.h"

#include <inttypes.h>
#include <string.h>

#include "gtid/gtid_builder.h"

enum { UUID_TEXT_BYTES = 36, NUMBER_DIGITS_MAX = 20 };

/* The highest number that MySQL gives out. Source: MySQL 8.0, sql/rpl_gtid.h, GNO_END. */
static const uint64_t mysql_number_max = INT64_MAX - 1;

struct reader {
	struct str text;
	size_t at;
	bool in_order; /* so far, so that the usual text needs no sort */
	struct gtid_set set;
	struct err_ctx *err;
};

static enum err fail(const struct reader *rd, const char *expected)
{
	return err_set(rd->err, ERR_PARSE, "GTID set: offset %zu: %s", rd->at, expected);
}

/* NUL stands for the end; a NUL in the text matches nothing either. */
static char peek(const struct reader *rd)
{
	return rd->at < rd->text.len ? rd->text.ptr[rd->at] : '\0';
}

static bool accept(struct reader *rd, char c)
{
	if (rd->at == rd->text.len || rd->text.ptr[rd->at] != c) {
		return false;
	}
	rd->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip_blanks(struct reader *rd)
{
	while (peek(rd) == ' ' || peek(rd) == '\t' || peek(rd) == '\n' || peek(rd) == '\r') {
		rd->at++;
	}
}

static enum err read_number(struct reader *rd, uint64_t min, uint64_t max, uint64_t *ret)
{
	size_t end = rd->at;
	while (end < rd->text.len && end - rd->at <= NUMBER_DIGITS_MAX &&
	       is_digit(rd->text.ptr[end])) {
		end++;
	}
	if (end == rd->at) {
		return fail(rd, "no number");
	}
	if (str_parse_u64(str_slice(rd->text, rd->at, end), min, max, ret) != ERR_OK) {
		return fail(rd, "number out of range");
	}
	rd->at = end;
	return ERR_OK;
}

static enum err begin_item(struct reader *rd, const struct gtid_key *key)
{
	struct gtid_set *set = &rd->set;

	if (set->item_count > 0) {
		int order = gtid_builder_compare(&set->items[set->item_count - 1].key, key);
		if (order == 0) {
			return ERR_OK;
		}
		rd->in_order = rd->in_order && order < 0;
	}
	if (set->item_count == GTID_ITEMS_MAX) {
		return err_set(rd->err, ERR_LIMIT, "GTID set: offset %zu: more than %d entries",
			       rd->at, GTID_ITEMS_MAX);
	}
	gtid_builder_item(set, key);
	return ERR_OK;
}

static enum err append_interval(struct reader *rd, struct gtid_interval interval)
{
	struct gtid_set *set = &rd->set;

	if (set->interval_count == GTID_INTERVALS_MAX) {
		return err_set(rd->err, ERR_LIMIT, "GTID set: offset %zu: more than %d intervals",
			       rd->at, GTID_INTERVALS_MAX);
	}
	if (set->items[set->item_count - 1].count > 0 &&
	    interval.from < set->intervals[set->interval_count - 1].from) {
		rd->in_order = false;
	}
	gtid_builder_interval(set, interval);
	return ERR_OK;
}

static int hex_value(char c)
{
	if (is_digit(c)) {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

static bool is_dash_place(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

static enum err read_uuid(struct reader *rd, uint8_t uuid[GTID_UUID_BYTES])
{
	size_t nibbles = 0;

	for (size_t i = 0; i < UUID_TEXT_BYTES; i++) {
		if (is_dash_place(i)) {
			if (!accept(rd, '-')) {
				return fail(rd, "no '-' of a UUID");
			}
			continue;
		}
		int value = hex_value(peek(rd));
		if (value < 0) {
			return fail(rd, "no hexadecimal digit of a UUID");
		}
		unsigned byte = (unsigned)uuid[nibbles / 2] << 4 | (unsigned)value;
		uuid[nibbles / 2] = (uint8_t)byte;
		nibbles++;
		rd->at++;
	}
	return ERR_OK;
}

static bool begins_tag(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static enum err read_tag(struct reader *rd, char tag[GTID_TAG_BYTES_MAX])
{
	size_t len = 0;

	memset(tag, 0, GTID_TAG_BYTES_MAX);
	while (begins_tag(peek(rd)) || is_digit(peek(rd))) {
		char c = peek(rd);
		if (len == GTID_TAG_BYTES_MAX - 1) {
			return fail(rd, "tag too long");
		}
		tag[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
		rd->at++;
	}
	return ERR_OK;
}

static enum err read_mysql_interval(struct reader *rd)
{
	struct gtid_interval interval;

	enum err rc = read_number(rd, 1, mysql_number_max, &interval.from);
	if (rc) {
		return rc;
	}
	interval.to = interval.from;
	if (accept(rd, '-')) {
		rc = read_number(rd, interval.from, mysql_number_max, &interval.to);
		if (rc) {
			return rc;
		}
	}
	return append_interval(rd, interval);
}

/* UUID[:TAG]:FROM[-TO]..., where a tag holds up to the next one. */
static enum err read_mysql_entry(struct reader *rd)
{
	struct gtid_key key = { .flavor = GTID_MYSQL };
	bool begun = false;

	enum err rc = read_uuid(rd, key.uuid);
	if (rc) {
		return rc;
	}
	if (peek(rd) != ':') {
		return fail(rd, "no ':' behind a UUID");
	}
	while (accept(rd, ':')) {
		if (begins_tag(peek(rd))) {
			rc = read_tag(rd, key.tag);
			if (rc) {
				return rc;
			}
			begun = false;
			if (!accept(rd, ':')) {
				return fail(rd, "no ':' behind a tag");
			}
		}
		if (!begun) {
			rc = begin_item(rd, &key);
			if (rc) {
				return rc;
			}
			begun = true;
		}
		rc = read_mysql_interval(rd);
		if (rc) {
			return rc;
		}
	}
	return ERR_OK;
}

/* DOMAIN-SERVER-LAST or DOMAIN-SERVER-FROM..TO */
static enum err read_mariadb_entry(struct reader *rd)
{
	uint64_t domain;
	uint64_t server;
	struct gtid_interval interval = { .from = 1 };

	enum err rc = read_number(rd, 0, UINT32_MAX, &domain);
	if (rc) {
		return rc;
	}
	if (!accept(rd, '-')) {
		return fail(rd, "no '-' behind the domain");
	}
	rc = read_number(rd, 0, UINT32_MAX, &server);
	if (rc) {
		return rc;
	}
	if (!accept(rd, '-')) {
		return fail(rd, "no '-' behind the server");
	}
	rc = read_number(rd, 0, UINT64_MAX, &interval.to);
	if (rc) {
		return rc;
	}
	if (peek(rd) == '.') {
		interval.from = interval.to;
		if (interval.from == 0) {
			return fail(rd, "a range from 0");
		}
		if (!accept(rd, '.') || !accept(rd, '.')) {
			return fail(rd, "no '..'");
		}
		rc = read_number(rd, interval.from, UINT64_MAX, &interval.to);
		if (rc) {
			return rc;
		}
	}
	if (interval.to == 0) {
		return ERR_OK;
	}
	rc = begin_item(rd, &(struct gtid_key){ .flavor = GTID_MARIADB,
						.domain = (uint32_t)domain,
						.server = (uint32_t)server });
	return rc ? rc : append_interval(rd, interval);
}

static enum err read_entry(struct reader *rd, enum gtid_flavor flavor)
{
	size_t colon = rd->at + UUID_TEXT_BYTES;

	switch (flavor) {
	case GTID_MYSQL:
		return read_mysql_entry(rd);
	case GTID_MARIADB:
		return read_mariadb_entry(rd);
	case GTID_NONE:
		break;
	}
	/* Only MySQL's has a colon, and always there. */
	return colon < rd->text.len && rd->text.ptr[colon] == ':' ? read_mysql_entry(rd)
								  : read_mariadb_entry(rd);
}

static enum err read_entries(struct reader *rd, enum gtid_flavor flavor)
{
	skip_blanks(rd);
	if (rd->at == rd->text.len) {
		return ERR_OK;
	}
	do {
		skip_blanks(rd);
		enum err rc = read_entry(rd, flavor);
		if (rc) {
			return rc;
		}
		skip_blanks(rd);
	} while (accept(rd, ','));
	return rd->at == rd->text.len ? ERR_OK : fail(rd, "no ',' between entries");
}

enum err gtid_set_parse(struct str text, enum gtid_flavor flavor, struct gtid_set *ret,
			struct err_ctx *err)
{
	struct reader rd = { .text = text, .in_order = true, .err = err };

	if (text.len > GTID_TEXT_BYTES_MAX) {
		return err_set(err, ERR_LIMIT, "GTID set: more than %d bytes", GTID_TEXT_BYTES_MAX);
	}
	enum err rc = read_entries(&rd, flavor);
	if (rc) {
		gtid_set_fini(&rd.set);
		return rc;
	}
	if (!rd.in_order) {
		gtid_builder_sort(&rd.set);
	}
	gtid_set_fini(ret);
	*ret = rd.set;
	return ERR_OK;
}

static void print_uuid(const uint8_t uuid[GTID_UUID_BYTES], struct buf *out)
{
	static const char digits[] = "0123456789abcdef";
	char text[UUID_TEXT_BYTES];
	size_t nibbles = 0;

	for (size_t i = 0; i < UUID_TEXT_BYTES; i++) {
		if (is_dash_place(i)) {
			text[i] = '-';
			continue;
		}
		unsigned byte = uuid[nibbles / 2];
		text[i] = digits[nibbles % 2 ? byte & 0xfu : byte >> 4];
		nibbles++;
	}
	buf_add(out, text, sizeof(text));
}

/* `before` is the key of the item printed before: what the two share is not said again. */
static void print_mysql(const struct gtid_set *set, const struct gtid_item *item,
			const struct gtid_key *before, struct buf *out)
{
	bool same_uuid = before && before->flavor == GTID_MYSQL &&
			 memcmp(before->uuid, item->key.uuid, sizeof(before->uuid)) == 0;

	if (!same_uuid) {
		buf_add_text(out, before ? "," : "");
		print_uuid(item->key.uuid, out);
	}
	if (item->key.tag[0]) {
		buf_add_char(out, ':');
		buf_add_text(out, item->key.tag);
	}
	for (size_t i = 0; i < item->count; i++) {
		struct gtid_interval one = set->intervals[item->first + i];
		buf_printf(out, ":%" PRIu64, one.from);
		if (one.to > one.from) {
			buf_printf(out, "-%" PRIu64, one.to);
		}
	}
}

static void print_mariadb(const struct gtid_set *set, const struct gtid_item *item,
			  const struct gtid_key *before, struct buf *out)
{
	for (size_t i = 0; i < item->count; i++) {
		struct gtid_interval one = set->intervals[item->first + i];
		buf_printf(out, "%s%" PRIu32 "-%" PRIu32 "-", before || i > 0 ? "," : "",
			   item->key.domain, item->key.server);
		if (one.from > 1) {
			buf_printf(out, "%" PRIu64 "..", one.from);
		}
		buf_printf(out, "%" PRIu64, one.to);
	}
}

void gtid_set_print(const struct gtid_set *set, struct buf *out)
{
	const struct gtid_key *before = NULL;

	for (size_t i = 0; i < set->item_count; i++) {
		const struct gtid_item *item = &set->items[i];
		if (item->key.flavor == GTID_MYSQL) {
			print_mysql(set, item, before, out);
		} else {
			print_mariadb(set, item, before, out);
		}
		before = &item->key;
	}
}
