#include "sql/sql_ddl.h"

/* DDL calls nothing when it is carried out, unless it fills a table from a query. */
static void read_definition(struct sql_scan *scan)
{
	while (!sql_scan_is_at_end(scan) && !sql_scan_is(scan, STR("SELECT"))) {
		sql_scan_pass(scan);
	}
	sql_scan_rest(scan);
}

/* Of what only the session sees: neither commits nor changes data, unless its query does. */
static enum sql_class classify_session(struct sql_scan *scan, uint32_t flags)
{
	scan->flags &= ~(uint32_t)SQL_FLAG_IMPLICIT_COMMIT;
	scan->flags |= flags;
	scan->kind = SQL_SCAN_READ;
	while (!sql_scan_is_at_end(scan) && !sql_scan_is(scan, STR("SELECT")) &&
	       !sql_scan_is(scan, STR("VALUES"))) {
		sql_scan_pass(scan);
	}
	sql_scan_rest(scan);
	return scan->pure ? SQL_SESSION : SQL_UNCERTAIN;
}

/* A stored program: its body holds semicolons, so what stands behind one may be part of it or not. */
static enum sql_class classify_program(struct sql_scan *scan)
{
	while (!sql_scan_is_at_end(scan)) {
		sql_scan_pass(scan);
	}
	if (scan->token.kind == SQL_TOKEN_SEMICOLON && scan->after.kind != SQL_TOKEN_END) {
		sql_scan_doubt(scan);
	}
	return scan->flags & SQL_FLAG_OPAQUE ? SQL_UNCERTAIN : SQL_WRITE;
}

static bool is_program(const struct sql_scan *scan)
{
	return sql_scan_is(scan, STR("PROCEDURE")) || sql_scan_is(scan, STR("FUNCTION")) ||
	       sql_scan_is(scan, STR("TRIGGER")) || sql_scan_is(scan, STR("EVENT")) ||
	       sql_scan_is(scan, STR("PACKAGE"));
}

static bool is_other_object(const struct sql_scan *scan)
{
	return sql_scan_is(scan, STR("TABLE")) || sql_scan_is(scan, STR("VIEW")) ||
	       sql_scan_is(scan, STR("INDEX")) || sql_scan_is(scan, STR("DATABASE")) ||
	       sql_scan_is(scan, STR("SCHEMA")) || sql_scan_is(scan, STR("USER"));
}

/* Between CREATE and the kind of object stand OR REPLACE, DEFINER = and the like. */
static enum sql_class classify_create(struct sql_scan *scan)
{
	if (sql_scan_accept(scan, STR("OR"))) {
		(void)sql_scan_accept(scan, STR("REPLACE"));
	}
	if (sql_scan_is(scan, STR("TEMPORARY"))) {
		return classify_session(scan, SQL_FLAG_TEMP_TABLE);
	}
	while (!sql_scan_is_at_end(scan) && !is_other_object(scan)) {
		if (is_program(scan)) {
			return classify_program(scan);
		}
		sql_scan_pass(scan);
	}
	read_definition(scan);
	return SQL_WRITE;
}

enum sql_class sql_ddl_classify(struct sql_scan *scan)
{
	if (sql_scan_accept(scan, STR("CREATE"))) {
		return classify_create(scan);
	}
	if (sql_scan_accept(scan, STR("DROP"))) {
		if (sql_scan_is(scan, STR("TEMPORARY"))) {
			return classify_session(scan, SQL_FLAG_TEMP_TABLE);
		}
		if (sql_scan_is(scan, STR("PREPARE"))) {
			return classify_session(scan, SQL_FLAG_TEXT_PREPARE);
		}
	}
	if (sql_scan_accept(scan, STR("ALTER")) && sql_scan_is(scan, STR("EVENT"))) {
		return classify_program(scan);
	}
	read_definition(scan);
	return SQL_WRITE;
}
