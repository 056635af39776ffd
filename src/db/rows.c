#include "db/rows.h"

#include <mysql.h>

#include "base/mem.h"

struct rows {
	MYSQL_RES *result;
	MYSQL_FIELD *fields; /* [columns], owned by result */
	unsigned columns;
	MYSQL_ROW row; /* NULL before the first and after the last */
	unsigned long *lengths;
};

struct rows *rows_take(struct st_mysql_res **result)
{
	struct rows *rows = mem_need(sizeof(*rows));
	rows->result = TAKE(*result);
	rows->fields = mysql_fetch_fields(rows->result);
	rows->columns = mysql_num_fields(rows->result);
	return rows;
}

struct rows *rows_free(struct rows *rows)
{
	if (rows) {
		mysql_free_result(rows->result);
	}
	return mem_free(rows);
}

void rows_freep(struct rows **rows)
{
	*rows = rows_free(*rows);
}

size_t rows_count(const struct rows *rows)
{
	return (size_t)mysql_num_rows(rows->result);
}

size_t rows_columns(const struct rows *rows)
{
	return rows->columns;
}

void rows_rewind(struct rows *rows)
{
	mysql_data_seek(rows->result, 0);
	rows->row = NULL;
	rows->lengths = NULL;
}

bool rows_next(struct rows *rows)
{
	if (!rows) {
		return false;
	}
	rows->row = mysql_fetch_row(rows->result);
	rows->lengths = rows->row ? mysql_fetch_lengths(rows->result) : NULL;
	return rows->row != NULL;
}

int rows_column(const struct rows *rows, const char *name)
{
	for (unsigned i = 0; i < rows->columns; i++) {
		if (str_equal_nocase(str_of(rows->fields[i].name), str_of(name))) {
			return (int)i;
		}
	}
	return -1;
}

bool rows_at(const struct rows *rows, int column, struct str *ret)
{
	*ret = (struct str){ NULL, 0 };
	if (column < 0 || (unsigned)column >= rows->columns || !rows->row || !rows->row[column]) {
		return false;
	}
	*ret = (struct str){ rows->row[column], rows->lengths[column] };
	return true;
}

bool rows_get(const struct rows *rows, const char *name, struct str *ret)
{
	return rows_at(rows, rows_column(rows, name), ret);
}

uint64_t rows_at_u64(const struct rows *rows, int column, uint64_t otherwise)
{
	struct str text;
	if (!rows_at(rows, column, &text)) {
		return otherwise;
	}
	struct str whole;
	uint64_t number = 0;
	if (!str_next(&text, '.', &whole) ||
	    str_parse_u64(whole, 0, UINT64_MAX, &number) != ERR_OK) {
		return otherwise;
	}
	return number;
}

uint64_t rows_get_u64(const struct rows *rows, const char *name, uint64_t otherwise)
{
	return rows_at_u64(rows, rows_column(rows, name), otherwise);
}

bool rows_at_bool(const struct rows *rows, int column)
{
	struct str text;
	if (!rows_at(rows, column, &text)) {
		return false;
	}
	return str_equal(text, STR("1")) || str_equal_nocase(text, STR("ON")) ||
	       str_equal_nocase(text, STR("YES")) || str_equal_nocase(text, STR("TRUE"));
}

bool rows_get_bool(const struct rows *rows, const char *name)
{
	return rows_at_bool(rows, rows_column(rows, name));
}
