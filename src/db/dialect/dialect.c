#include "db/dialect/dialect.h"

struct row {
	const struct dialect *dialect;
	const char *name;
	const char *mark;
	uint32_t oldest;
};

static const struct row rows[] = {
#define X(symbol, name, mark, oldest) { &(symbol), name, mark, oldest },
#include "db/dialect/dialects.def"
#undef X
};

static const size_t row_count = sizeof(rows) / sizeof(rows[0]);

/* Takes a number of at most 3 digits off the front; false when there is none. */
static bool take_number(struct str *text, uint32_t *ret)
{
	size_t digits = 0;
	while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9') {
		digits++;
	}
	if (str_parse_u32(str_slice(*text, 0, digits), 0, 999, ret) != ERR_OK) {
		return false;
	}
	*text = str_slice(*text, digits, text->len);
	return true;
}

enum err dialect_parse_version(struct str version, uint32_t *ret)
{
	struct str replication_prefix = STR("5.5.5-"); /* MariaDB 10's greeting */
	if (str_starts_with(version, replication_prefix) && str_contains(version, STR("MariaDB"))) {
		version = str_slice(version, replication_prefix.len, version.len);
	}
	uint32_t part[3] = { 0, 0, 0 };
	for (size_t i = 0; i < 3; i++) {
		if (i > 0) {
			if (!str_starts_with(version, STR("."))) {
				return ERR_PARSE;
			}
			version = str_slice(version, 1, version.len);
		}
		if (!take_number(&version, &part[i])) {
			return ERR_PARSE;
		}
	}
	if (part[1] > 99 || part[2] > 99) {
		return ERR_PARSE;
	}
	*ret = part[0] * 10000 + part[1] * 100 + part[2];
	return ERR_OK;
}

enum err dialect_choose(struct str version, const struct dialect **ret, struct err_ctx *err)
{
	uint32_t number = 0;
	if (dialect_parse_version(version, &number) != ERR_OK) {
		return err_set(err, ERR_PARSE, "server version '%.*s' is not understood",
			       STR_ARG(version));
	}
	for (size_t i = 0; i < row_count; i++) {
		if (!str_contains(version, str_of(rows[i].mark))) {
			continue;
		}
		if (number < rows[i].oldest) {
			return err_set(
				err, ERR_REFUSED,
				"server version '%.*s' is too old: %s is spoken from %u.%u.%u on",
				STR_ARG(version), rows[i].name, rows[i].oldest / 10000,
				rows[i].oldest / 100 % 100, rows[i].oldest % 100);
		}
		*ret = rows[i].dialect;
		return ERR_OK;
	}
	return err_set(err, ERR_PARSE, "server version '%.*s' is of no known dialect",
		       STR_ARG(version));
}

const char *dialect_name(const struct dialect *dialect)
{
	for (size_t i = 0; i < row_count; i++) {
		if (rows[i].dialect == dialect) {
			return rows[i].name;
		}
	}
	return "?";
}

uint32_t dialect_server_number(const struct conn *conn)
{
	uint32_t number = 0;
	return dialect_parse_version(str_of(conn_server_version(conn)), &number) == ERR_OK ? number
											   : 0;
}
