/* Prepared statements of one session: a sorted array; new ids only ever go to its end. */
#include "proxy/session/stmts.h"

#include <string.h>

#include "base/mem.h"

static struct stmt *free_stmt(struct stmt *stmt)
{
	(void)mem_free(stmt->sql);
	(void)mem_free(stmt->types);
	return mem_free(stmt);
}

void stmts_fini(struct stmts *stmts)
{
	for (size_t i = 0; i < stmts->count; i++) {
		(void)free_stmt(stmts->items[i]);
	}
	(void)mem_free(stmts->items);
	*stmts = (struct stmts){ .id_last = stmts->id_last };
}

struct stmt *stmts_add(struct stmts *stmts, struct str sql)
{
	if (stmts->count >= STMTS_MAX) {
		return NULL;
	}
	if (stmts->count == stmts->cap) {
		size_t cap = stmts->cap ? stmts->cap * 2 : 8;
		struct stmt **items = mem_resize(stmts->items, cap * sizeof(struct stmt *));
		if (!items) {
			return NULL;
		}
		stmts->items = items;
		stmts->cap = cap;
	}
	struct stmt *stmt = mem_try(sizeof(*stmt));
	if (!stmt) {
		return NULL;
	}
	stmt->id = ++stmts->id_last;
	if (sql.ptr && sql.len <= STMTS_TEXT_BYTES_MAX - stmts->text_bytes) {
		stmt->sql = mem_try(sql.len + 1);
		if (stmt->sql) {
			memcpy(stmt->sql, sql.ptr, sql.len);
			stmt->sql_bytes = sql.len;
			stmts->text_bytes += sql.len;
		}
	}
	stmts->items[stmts->count++] = stmt;
	return stmt;
}

/* The place of the first id that isn't smaller. */
static size_t lower_bound(const struct stmts *stmts, uint32_t id)
{
	size_t low = 0;
	size_t high = stmts->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (stmts->items[middle]->id < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

struct stmt *stmts_find(const struct stmts *stmts, uint32_t id)
{
	uint32_t wanted = id == STMTS_LAST_ID ? stmts->id_last : id;
	size_t at = lower_bound(stmts, wanted);
	return at < stmts->count && stmts->items[at]->id == wanted ? stmts->items[at] : NULL;
}

void stmts_remove(struct stmts *stmts, struct stmt *stmt)
{
	size_t at = lower_bound(stmts, stmt->id);
	stmts->text_bytes -= stmt->sql_bytes;
	(void)free_stmt(stmt);
	stmts->count--;
	memmove(&stmts->items[at], &stmts->items[at + 1],
		(stmts->count - at) * sizeof(struct stmt *));
}

void stmt_bind_types(struct stmt *stmt, const uint8_t *types)
{
	size_t bytes = (size_t)stmt->params * 2;
	if (!stmt->types) {
		stmt->types = mem_try(bytes);
	}
	if (stmt->types) {
		memcpy(stmt->types, types, bytes);
	}
}
