#include "wire/binlog_rows.h"

#include "base/cursor.h"

enum {
	ROWS_WRITE_V1 = 23,
	ROWS_UPDATE_V1 = 24,
	ROWS_DELETE_V1 = 25,
	ROWS_WRITE = 30,
	ROWS_UPDATE = 31,
	ROWS_DELETE = 32,
	ROWS_UPDATE_PARTIAL = 39, /* MySQL: JSON differences */
	/* MariaDB, with log_bin_compress */
	ROWS_WRITE_COMPRESSED_V1 = 166,
	ROWS_UPDATE_COMPRESSED_V1 = 167,
	ROWS_DELETE_COMPRESSED_V1 = 168,
	ROWS_WRITE_COMPRESSED = 169,
	ROWS_UPDATE_COMPRESSED = 170,
	ROWS_DELETE_COMPRESSED = 171,
};

/* Column types as they stand in a table map. */
enum {
	TYPE_TINY = 1,
	TYPE_SHORT = 2,
	TYPE_LONG = 3,
	TYPE_FLOAT = 4,
	TYPE_DOUBLE = 5,
	TYPE_NULL = 6,
	TYPE_TIMESTAMP = 7,
	TYPE_LONGLONG = 8,
	TYPE_INT24 = 9,
	TYPE_DATE = 10,
	TYPE_TIME = 11,
	TYPE_DATETIME = 12,
	TYPE_YEAR = 13,
	TYPE_NEWDATE = 14,
	TYPE_VARCHAR = 15,
	TYPE_BIT = 16,
	TYPE_TIMESTAMP2 = 17,
	TYPE_DATETIME2 = 18,
	TYPE_TIME2 = 19,
	TYPE_BLOB_COMPRESSED = 140,
	TYPE_VARCHAR_COMPRESSED = 141,
	TYPE_VECTOR = 242,
	TYPE_JSON = 245,
	TYPE_NEWDECIMAL = 246,
	TYPE_ENUM = 247,
	TYPE_SET = 248,
	TYPE_TINY_BLOB = 249,
	TYPE_MEDIUM_BLOB = 250,
	TYPE_LONG_BLOB = 251,
	TYPE_BLOB = 252,
	TYPE_VAR_STRING = 253,
	TYPE_STRING = 254,
	TYPE_GEOMETRY = 255,
};

enum binlog_change binlog_rows_change(uint8_t type)
{
	switch (type) {
	case ROWS_WRITE_V1:
	case ROWS_WRITE:
	case ROWS_WRITE_COMPRESSED_V1:
	case ROWS_WRITE_COMPRESSED:
		return BINLOG_INSERTED;
	case ROWS_UPDATE_V1:
	case ROWS_UPDATE:
	case ROWS_UPDATE_PARTIAL:
	case ROWS_UPDATE_COMPRESSED_V1:
	case ROWS_UPDATE_COMPRESSED:
		return BINLOG_UPDATED;
	case ROWS_DELETE_V1:
	case ROWS_DELETE:
	case ROWS_DELETE_COMPRESSED_V1:
	case ROWS_DELETE_COMPRESSED:
		return BINLOG_DELETED;
	default:
		return BINLOG_NO_CHANGE;
	}
}

static enum err read_id(struct cursor *cur, uint64_t *ret)
{
	uint32_t low;
	uint16_t high;
	if (cursor_u32(cur, &low) != ERR_OK || cursor_u16(cur, &high) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	*ret = low | (uint64_t)high << 32;
	return ERR_OK;
}

/* Length in one byte, the name, and a NUL. */
static enum err read_name(struct cursor *cur, struct str *ret)
{
	uint8_t count;
	if (cursor_u8(cur, &count) != ERR_OK || cursor_bytes(cur, count, ret) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	return cursor_skip(cur, 1);
}

enum err binlog_rows_read_table(struct str body, struct binlog_table *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(body);
	struct binlog_table table = { .id = 0 };
	uint64_t columns;
	if (read_id(&cur, &table.id) != ERR_OK || cursor_skip(&cur, 2) != ERR_OK ||
	    read_name(&cur, &table.schema) != ERR_OK || read_name(&cur, &table.name) != ERR_OK ||
	    cursor_lenenc(&cur, &columns) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "table map event is cut short");
	}
	if (columns > BINLOG_COLUMNS_MAX) {
		return err_set(err, ERR_LIMIT, "table map event with %llu columns",
			       (unsigned long long)columns);
	}
	table.columns = (uint32_t)columns;
	if (cursor_bytes(&cur, (size_t)columns, &table.types) != ERR_OK ||
	    cursor_lenenc_str(&cur, &table.metadata) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "table map event is cut short");
	}
	*ret = table;
	return ERR_OK;
}

enum err binlog_rows_table_id(struct str body, uint64_t *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(body);
	return read_id(&cur, ret) == ERR_OK ? ERR_OK
					    : err_set(err, ERR_PROTOCOL, "row event is cut short");
}

/* How many bytes of metadata a column of that type has; false: the type is not known. */
static bool metadata_bytes(uint8_t type, size_t *ret)
{
	switch (type) {
	case TYPE_TINY:
	case TYPE_SHORT:
	case TYPE_LONG:
	case TYPE_NULL:
	case TYPE_TIMESTAMP:
	case TYPE_LONGLONG:
	case TYPE_INT24:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_DATETIME:
	case TYPE_YEAR:
	case TYPE_NEWDATE:
		*ret = 0;
		return true;
	case TYPE_FLOAT:
	case TYPE_DOUBLE:
	case TYPE_TIMESTAMP2:
	case TYPE_DATETIME2:
	case TYPE_TIME2:
	case TYPE_BLOB_COMPRESSED:
	case TYPE_VECTOR:
	case TYPE_JSON:
	case TYPE_TINY_BLOB:
	case TYPE_MEDIUM_BLOB:
	case TYPE_LONG_BLOB:
	case TYPE_BLOB:
	case TYPE_GEOMETRY:
		*ret = 1;
		return true;
	case TYPE_VARCHAR:
	case TYPE_VARCHAR_COMPRESSED:
	case TYPE_BIT:
	case TYPE_NEWDECIMAL:
	case TYPE_ENUM:
	case TYPE_SET:
	case TYPE_VAR_STRING:
	case TYPE_STRING:
		*ret = 2;
		return true;
	default:
		return false;
	}
}

static size_t decimal_bytes(uint8_t precision, uint8_t scale)
{
	static const uint8_t of_digits[] = { 0, 1, 1, 2, 2, 3, 3, 4, 4 };
	unsigned whole = precision > scale ? (unsigned)precision - scale : 0;
	return whole / 9 * 4 + of_digits[whole % 9] + scale / 9u * 4 + of_digits[scale % 9];
}

/* Skips a value that stands behind its length of `count` bytes. */
static enum err skip_counted(struct cursor *cur, unsigned count)
{
	uint64_t bytes = 0;
	for (unsigned i = 0; i < count; i++) {
		uint8_t byte;
		if (cursor_u8(cur, &byte) != ERR_OK) {
			return ERR_PROTOCOL;
		}
		bytes |= (uint64_t)byte << (8 * i);
	}
	return bytes <= cursor_left(cur) ? cursor_skip(cur, (size_t)bytes) : ERR_PROTOCOL;
}

/* CHAR, ENUM and SET: the first byte of metadata holds the real type, and for CHAR two more bits of the length. */
static enum err skip_string(struct cursor *cur, uint8_t first, uint8_t second)
{
	unsigned length = second;
	uint8_t real = first;
	if ((first & 0x30) != 0x30) {
		length |= (unsigned)((first & 0x30) ^ 0x30) << 4;
		real = first | 0x30;
	}
	if (real == TYPE_ENUM || real == TYPE_SET) {
		return cursor_skip(cur, second);
	}
	return skip_counted(cur, length > UINT8_MAX ? 2 : 1);
}

static enum err skip_fraction(struct cursor *cur, size_t whole_bytes, uint8_t digits)
{
	return cursor_skip(cur, whole_bytes + (digits + 1u) / 2);
}

/* Skips one value that is not NULL. ERR_NOT_FOUND: the type can't be measured. */
static enum err skip_value(struct cursor *cur, uint8_t type, const uint8_t *metadata)
{
	switch (type) {
	case TYPE_NULL:
		return ERR_OK;
	case TYPE_TINY:
	case TYPE_YEAR:
		return cursor_skip(cur, 1);
	case TYPE_SHORT:
		return cursor_skip(cur, 2);
	case TYPE_INT24:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_NEWDATE:
		return cursor_skip(cur, 3);
	case TYPE_LONG:
	case TYPE_FLOAT:
	case TYPE_TIMESTAMP:
		return cursor_skip(cur, 4);
	case TYPE_DOUBLE:
	case TYPE_LONGLONG:
	case TYPE_DATETIME:
		return cursor_skip(cur, 8);
	case TYPE_TIMESTAMP2:
		return skip_fraction(cur, 4, metadata[0]);
	case TYPE_DATETIME2:
		return skip_fraction(cur, 5, metadata[0]);
	case TYPE_TIME2:
		return skip_fraction(cur, 3, metadata[0]);
	case TYPE_NEWDECIMAL:
		return cursor_skip(cur, decimal_bytes(metadata[0], metadata[1]));
	case TYPE_BIT: /* bits behind whole bytes, whole bytes */
		return cursor_skip(cur, (metadata[1] * 8u + metadata[0] + 7u) / 8);
	case TYPE_ENUM:
	case TYPE_SET:
		return cursor_skip(cur, metadata[1]);
	case TYPE_VARCHAR:
	case TYPE_VAR_STRING:
	case TYPE_VARCHAR_COMPRESSED:
		return skip_counted(cur, metadata[1] ? 2 : 1); /* by the longest: 256 and more */
	case TYPE_STRING:
		return skip_string(cur, metadata[0], metadata[1]);
	case TYPE_BLOB_COMPRESSED:
	case TYPE_VECTOR:
	case TYPE_JSON:
	case TYPE_TINY_BLOB:
	case TYPE_MEDIUM_BLOB:
	case TYPE_LONG_BLOB:
	case TYPE_BLOB:
	case TYPE_GEOMETRY:
		return metadata[0] <= 8 ? skip_counted(cur, metadata[0]) : ERR_PROTOCOL;
	default:
		return ERR_NOT_FOUND;
	}
}

static bool bit(struct str bits, size_t index)
{
	return ((uint8_t)bits.ptr[index / 8] >> (index % 8) & 1) != 0;
}

/* One image of a row: which of the present columns are NULL, then the others' values. */
static enum err skip_image(struct cursor *cur, const struct binlog_table *table, struct str present)
{
	size_t present_count = 0;
	for (uint32_t i = 0; i < table->columns; i++) {
		present_count += bit(present, i);
	}
	struct str nulls;
	if (cursor_bytes(cur, (present_count + 7) / 8, &nulls) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	size_t at = 0;
	size_t metadata_at = 0;
	for (uint32_t i = 0; i < table->columns; i++) {
		uint8_t type = (uint8_t)table->types.ptr[i];
		uint8_t metadata[2] = { 0, 0 };
		size_t bytes;
		if (!metadata_bytes(type, &bytes)) {
			return ERR_NOT_FOUND;
		}
		if (metadata_at + bytes > table->metadata.len) {
			return ERR_PROTOCOL;
		}
		for (size_t j = 0; j < bytes; j++) {
			metadata[j] = (uint8_t)table->metadata.ptr[metadata_at + j];
		}
		metadata_at += bytes;
		if (!bit(present, i)) {
			continue;
		}
		enum err rc = bit(nulls, at++) ? ERR_OK : skip_value(cur, type, metadata);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static bool is_version_2(uint8_t type)
{
	return type == ROWS_WRITE || type == ROWS_UPDATE || type == ROWS_DELETE;
}

/* All images up to the event's end. An image takes bytes, or a table without columns would never end. */
static enum err count_images(struct cursor *cur, const struct binlog_table *table,
			     const struct str *present, size_t images, uint64_t *ret)
{
	uint64_t count = 0;
	while (cursor_left(cur) > 0) {
		size_t before = cursor_left(cur);
		for (size_t i = 0; i < images; i++) {
			enum err rc = skip_image(cur, table, present[i]);
			if (rc != ERR_OK) {
				return rc;
			}
		}
		if (cursor_left(cur) == before) {
			return ERR_PROTOCOL;
		}
		count++;
	}
	*ret = count;
	return ERR_OK;
}

enum err binlog_rows_count(uint8_t type, struct str body, const struct binlog_table *table,
			   uint64_t *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(body);
	struct str present[2];
	uint64_t columns;
	uint16_t extra;
	bool version_1 = type >= ROWS_WRITE_V1 && type <= ROWS_DELETE_V1;
	if (!version_1 && !is_version_2(type)) {
		return err_set(err, ERR_NOT_FOUND, "rows of events of type %u can't be counted",
			       type);
	}
	enum err rc = cursor_skip(&cur, 8); /* table and flags */
	if (rc == ERR_OK && !version_1) {
		rc = cursor_u16(&cur, &extra);
		rc = rc == ERR_OK && extra >= 2 ? cursor_skip(&cur, extra - 2u) : ERR_PROTOCOL;
	}
	if (rc != ERR_OK || cursor_lenenc(&cur, &columns) != ERR_OK || columns != table->columns) {
		return err_set(err, ERR_PROTOCOL, "row event doesn't fit its table map");
	}
	size_t images = binlog_rows_change(type) == BINLOG_UPDATED ? 2 : 1;
	for (size_t i = 0; i < images; i++) {
		if (cursor_bytes(&cur, ((size_t)columns + 7) / 8, &present[i]) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL, "row event is cut short");
		}
	}
	rc = count_images(&cur, table, present, images, ret);
	if (rc == ERR_NOT_FOUND) {
		return err_set(err, rc, "a column's type is not known");
	}
	return rc == ERR_OK ? rc : err_set(err, rc, "row event doesn't fit its table map");
}
