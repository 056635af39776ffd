#include "db/dialect/status_read.h"

#include "base/check.h"

void status_read_text(const struct rows *rows, const char *column, char *to, size_t to_bytes)
{
	struct str text;
	if (!rows_get(rows, column, &text)) {
		to[0] = '\0';
		return;
	}
	text = str_slice(text, 0, to_bytes - 1);
	check(str_copy(text, to, to_bytes) == ERR_OK);
}

void status_read_version(const struct rows *rows, struct server_status *ret)
{
	struct str text;
	(void)rows_get(rows, "@@version", &text);
	size_t digits = 0;
	while (digits < text.len &&
	       (text.ptr[digits] == '.' || (text.ptr[digits] >= '0' && text.ptr[digits] <= '9'))) {
		digits++;
	}
	struct str mark = STR("-MariaDB");
	if (str_starts_with(str_slice(text, digits, text.len), mark)) {
		digits += mark.len;
	}
	digits = digits < sizeof(ret->version) ? digits : sizeof(ret->version) - 1;
	check(str_copy(str_slice(text, 0, digits), ret->version, sizeof(ret->version)) == ERR_OK);
	if (dialect_parse_version(text, &ret->version_number) != ERR_OK) {
		ret->version_number = 0;
	}
}

enum err status_read_gtids(const struct rows *rows, int column, enum gtid_flavor flavor,
			   struct gtid_set *set, struct err_ctx *err)
{
	struct str text;
	if (!rows_at(rows, column, &text) || text.len == 0) {
		return ERR_OK;
	}
	struct gtid_set parsed;
	gtid_set_init(&parsed);
	enum err rc = gtid_set_parse(text, flavor, &parsed, err);
	if (rc == ERR_OK) {
		gtid_set_add(set, &parsed);
	}
	gtid_set_fini(&parsed);
	return rc;
}

static enum io_state io_state_of(struct str text)
{
	if (str_equal_nocase(text, STR("Yes"))) {
		return IO_YES;
	}
	/* "Connecting", and MariaDB's "Preparing". */
	return str_equal_nocase(text, STR("No")) ? IO_NO : IO_CONNECTING;
}

static bool any_filter(const struct rows *rows)
{
	static const char *const columns[] = {
		"Replicate_Do_DB",	   "Replicate_Ignore_DB",
		"Replicate_Do_Table",	   "Replicate_Ignore_Table",
		"Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table",
		"Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids",
	};
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		struct str text;
		if (rows_get(rows, columns[i], &text) && str_trim(text).len > 0) {
			return true;
		}
	}
	return false;
}

/* The number at the end of a binary log file's name: "binlog.000012". */
static uint64_t file_number(const struct rows *rows, const char *column)
{
	struct str name;
	if (!rows_get(rows, column, &name)) {
		return 0;
	}
	struct str part = { NULL, 0 };
	while (str_next(&name, '.', &part)) {
	}
	uint64_t number = 0;
	return str_parse_u64(part, 0, UINT32_MAX, &number) == ERR_OK ? number : 0;
}

/* One number that changes with every event: the position, with the file above it. */
static uint64_t ticks_of_position(const struct rows *rows, const struct dialect_columns *columns)
{
	enum { FILE_SHIFT = 40 };
	return (file_number(rows, columns->source_file) << FILE_SHIFT) +
	       rows_get_u64(rows, columns->source_position, 0);
}

static void read_errors(const struct rows *rows, const struct dialect_columns *columns,
			struct replica_status *ret)
{
	ret->io_errno = (uint32_t)rows_get_u64(rows, columns->io_errno, 0);
	ret->sql_errno = (uint32_t)rows_get_u64(rows, columns->sql_errno, 0);
	status_read_text(rows, columns->io_error, ret->io_error, sizeof(ret->io_error));
	status_read_text(rows, columns->sql_error, ret->sql_error, sizeof(ret->sql_error));
}

enum err status_read_replica(struct rows *rows, const struct dialect *dialect,
			     struct replica_status *ret, struct gtid_set *received,
			     struct err_ctx *err)
{
	*ret = (struct replica_status){ .configured = false };
	const struct dialect_columns *columns = dialect->columns;
	if (!rows_next(rows)) {
		return ERR_OK;
	}
	status_read_text(rows, columns->source_host, ret->source_host, sizeof(ret->source_host));
	if (ret->source_host[0] == '\0') {
		return ERR_OK; /* MySQL keeps an empty row after RESET REPLICA ALL of a channel */
	}
	ret->configured = true;
	ret->source_port = (uint16_t)rows_get_u64(rows, columns->source_port, 0);
	struct str text;
	(void)rows_get(rows, columns->io_running, &text);
	ret->io = io_state_of(text);
	ret->sql_running = rows_get_bool(rows, columns->sql_running);
	ret->filtered = any_filter(rows);
	ret->delay_s = (uint32_t)rows_get_u64(rows, "SQL_Delay", 0);
	ret->lag_known = rows_get(rows, columns->lag, &text);
	ret->lag_s = (uint32_t)rows_get_u64(rows, columns->lag, 0);
	ret->received_ticks = ticks_of_position(rows, columns);
	read_errors(rows, columns, ret);
	if (rows_get(rows, "Using_Gtid", &text)) {
		ret->gtid_position = !str_equal_nocase(text, STR("No"));
	} else {
		ret->gtid_position = rows_get_bool(rows, "Auto_Position");
	}
	return status_read_gtids(rows, rows_column(rows, columns->received), dialect->flavor,
				 received, err);
}

void status_read_values(struct rows *rows, struct status_value *values, size_t count)
{
	while (rows_next(rows)) {
		struct str name;
		if (!rows_at(rows, 0, &name)) {
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			if (str_equal_nocase(name, str_of(values[i].name))) {
				values[i].found = true;
				values[i].number =
					rows_at_bool(rows, 1) ? 1 : rows_at_u64(rows, 1, 0);
				values[i].asked_s = rows_at_u64(rows, 2, 0);
			}
		}
	}
}
