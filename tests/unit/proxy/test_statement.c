/* A statement judged too harmless is sent twice; one judged too harmful breaks sessions needlessly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proxy/session/state.h"
#include "proxy/session/statement.h"

static const struct sql_mode mode = { .dialect = SQL_DIALECT_MARIADB };

static void kinds(void **state)
{
	static const struct {
		const char *sql;
		enum outcome_kind kind;
	} rows[] = {
		{ "SELECT 1", OUTCOME_READ },
		{ "SELECT a FROM t WHERE b = 'x'", OUTCOME_READ },
		{ "SELECT a FROM t FOR UPDATE", OUTCOME_WRITE },
		{ "SELECT f(1)", OUTCOME_WRITE },
		{ "INSERT INTO t VALUES (1)", OUTCOME_WRITE },
		{ "UPDATE t SET a=1", OUTCOME_WRITE },
		{ "BEGIN", OUTCOME_BEGIN },
		{ "START TRANSACTION READ ONLY", OUTCOME_BEGIN },
		{ "SET autocommit=1", OUTCOME_BEGIN },
		{ "SET autocommit=0", OUTCOME_SESSION },
		{ "COMMIT", OUTCOME_COMMIT },
		{ "COMMIT AND CHAIN", OUTCOME_COMMIT },
		{ "ROLLBACK", OUTCOME_ROLLBACK },
		{ "ROLLBACK TO s", OUTCOME_SESSION },
		{ "ROLLBACK AND CHAIN", OUTCOME_SESSION },
		{ "SAVEPOINT s", OUTCOME_SESSION },
		{ "SET NAMES utf8mb4", OUTCOME_SESSION },
		{ "CREATE TABLE t (a INT)", OUTCOME_MAY_COMMIT },
		{ "CALL p()", OUTCOME_MAY_COMMIT },
		{ "INSERT INTO t VALUES (1); COMMIT", OUTCOME_MAY_COMMIT },
		{ "SELECT 1; INSERT INTO t VALUES (1)", OUTCOME_MAY_COMMIT },
		{ "/*!50000 COMMIT */", OUTCOME_MAY_COMMIT },
		{ "SET GLOBAL x=1", OUTCOME_MAY_COMMIT },
		{ "XA COMMIT 'x'", OUTCOME_MAY_COMMIT },
		{ "no sql at all", OUTCOME_MAY_COMMIT },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct statement judged;
		statement_judge(str_of(rows[i].sql), true, mode, &judged);
		if (judged.kind != rows[i].kind) {
			fail_msg("%s: %d", rows[i].sql, judged.kind);
		}
		statement_judge(str_of(rows[i].sql), false, mode, &judged);
		assert_int_equal(judged.kind, OUTCOME_MAY_COMMIT); /* the rest may say anything */
		assert_false(judged.single);
	}
}

static void replicas(void **state)
{
	static const struct {
		const char *sql;
		bool replica;
	} rows[] = {
		{ "SELECT a FROM t", true },
		{ "(SELECT a FROM t) UNION (SELECT 1)", true },
		{ "SHOW TABLES", true },
		{ "START TRANSACTION READ ONLY", true },
		{ "BEGIN", false },
		{ "SELECT a FROM t FOR UPDATE", false },
		{ "SELECT f(a) FROM t", false },
		{ "SELECT f(a) FROM t /* muster: replica */", true },
		{ "SELECT a FROM t /* muster: primary */", false },
		{ "INSERT INTO t VALUES (1) /* muster: replica */", false },
		{ "SELECT LAST_INSERT_ID()", false },
		{ "SELECT SQL_CALC_FOUND_ROWS a FROM t", false },
		{ "SELECT @@server_id", false },
		{ "SELECT GET_LOCK('a', 1)", false },
		{ "SELECT 1; SELECT 2", false },
		{ "SHOW WARNINGS", false },
		{ "CALL p()", false },
		{ "SET @a=1", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct statement judged;
		statement_judge(str_of(rows[i].sql), true, mode, &judged);
		if (judged.replica != rows[i].replica) {
			fail_msg("%s: %d", rows[i].sql, judged.replica);
		}
		statement_judge(str_of(rows[i].sql), false, mode, &judged);
		assert_false(judged.replica);
	}
}

static void losses(void **state)
{
	static const struct {
		const char *sql;
		uint32_t losses;
	} rows[] = {
		{ "SELECT 1", 0 },
		{ "CREATE TEMPORARY TABLE t (a INT)", STATE_TEMPORARY_TABLE },
		{ "SET @a = 1", 0 },
		{ "SET @a = b + 1", STATE_USER_VARIABLE },
		{ "SET @a = -1.5, time_zone = '+00:00', @b := 'x''y';", 0 },
		{ "SET time_zone = (@x := '+00:00')", STATE_USER_VARIABLE },
		{ "SELECT 1 INTO @a", STATE_USER_VARIABLE },
		{ "SELECT GET_LOCK('a', 1)", STATE_USER_LOCK },
		{ "LOCK TABLES t WRITE", STATE_TABLE_LOCK },
		{ "PREPARE s FROM 'SELECT 1'", STATE_TEXT_PREPARED },
		{ "HANDLER t OPEN", STATE_HANDLER },
		{ "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", STATE_NEXT_TRANSACTION },
		{ "SET ROLE r", STATE_ROLE },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct statement judged;
		statement_judge(str_of(rows[i].sql), true, mode, &judged);
		if (judged.losses != rows[i].losses) {
			fail_msg("%s: %x", rows[i].sql, judged.losses);
		}
	}
}

static void literals_are_kept(void **state)
{
	struct state session = { 0 };
	struct buf sql;
	(void)state;
	state_init(&session);
	buf_init(&sql, 4096);
	statement_keep_literals(STR("SET @a = -1, @`b` := 'x''y', time_zone='+00:00'"), mode,
				&session);
	assert_int_equal(session.variable_count, 2);
	state_write_set(&session, 0, &sql);
	assert_string_equal(buf_text(&sql), "SET @a=-1");
	buf_clear(&sql);
	state_write_set(&session, 1, &sql);
	assert_string_equal(buf_text(&sql), "SET @`b`='x''y'");
	buf_fini(&sql);
	state_fini(&session);
}

static void modes(void **state)
{
	struct state session = { 0 };
	(void)state;
	state_init(&session);
	assert_false(statement_mode(&session, 45, 0, true).odd_charset);
	assert_true(statement_mode(&session, 28, 0, true).odd_charset); /* gbk */
	(void)state_set_variable(&session, STR("sql_mode"), STR("ANSI_QUOTES"));
	(void)state_set_variable(&session, STR("character_set_client"), STR("sjis"));
	assert_true(statement_mode(&session, 45, 0, false).ansi_quotes);
	assert_true(statement_mode(&session, 45, 0, false).odd_charset);
	state_fini(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),  cmocka_unit_test(replicas),
		cmocka_unit_test(losses), cmocka_unit_test(literals_are_kept),
		cmocka_unit_test(modes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
