/* The rows of one answer, held in memory: by column name or index, NULL aware.
 *
 * Read one by one, then freed. Views live until rows_free().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct rows;
struct st_mysql_res;

/* Takes over a result of libmariadb's mysql_store_result(). For conn.c. */
struct rows *rows_take(struct st_mysql_res **result);

struct rows *rows_free(struct rows *rows); /* takes NULL, returns NULL */
void rows_freep(struct rows **rows);	   /* for CLEANUP */
size_t rows_count(const struct rows *rows);
size_t rows_columns(const struct rows *rows);
/* Steps to the first or next row; false at the end. Takes NULL. */
bool rows_next(struct rows *rows);
void rows_rewind(struct rows *rows); /* to before the first row */

/* Index of the column of that name (ASCII case does not count), or -1. */
int rows_column(const struct rows *rows, const char *name);

/* false when it is NULL, or when there is no such column (index -1); *ret is then empty. */
bool rows_at(const struct rows *rows, int column, struct str *ret);
bool rows_get(const struct rows *rows, const char *name, struct str *ret);

/* 0 / `otherwise` when it is NULL, not there or not a number. Decimals are cut. */
uint64_t rows_get_u64(const struct rows *rows, const char *name, uint64_t otherwise);
uint64_t rows_at_u64(const struct rows *rows, int column, uint64_t otherwise);

/* ON, YES, 1, TRUE. */
bool rows_at_bool(const struct rows *rows, int column);
bool rows_get_bool(const struct rows *rows, const char *name);
