/* What would break for the user: a text taken for a read goes to a replica, where a write is refused or,
 * worse, is carried out. Each row that isn't a read is a way to be fooled. */
#include "sql/sql_classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

static const struct sql_mode plain = { 0 };
static const struct sql_mode mariadb = { .dialect = SQL_DIALECT_MARIADB };
static const struct sql_mode mysql = { .dialect = SQL_DIALECT_MYSQL };

static const char *const reads[] = {
	"SELECT 1",
	"select 1;",
	"  \n\tSELECT 1 ; ",
	"select/**/1",
	"select/* FOR UPDATE */1",
	"/* INSERT */ SELECT 1",
	"-- DROP TABLE t\nSELECT 1",
	"# DROP TABLE t\nSELECT 1",
	"--\nSELECT 1",
	"SELECT 1 --",
	"SELECT 1 -- INTO OUTFILE 'x'",
	"SELECT 1--1",
	"SELECT 1 # FOR UPDATE",
	"SELECT 1 /**/",
	"SELECT 'FOR UPDATE'",
	"SELECT '/*! INTO */'",
	"SELECT '/*', 1, '*/'",
	"SELECT 'it''s FOR UPDATE'",
	"SELECT 'it\\'s FOR UPDATE -- '",
	"SELECT \"a \\\" INTO OUTFILE\"",
	"SELECT `INTO`, `FOR``UPDATE` FROM `UPDATE`",
	"SELECT N'FOR UPDATE', x'4142', X'41', b'01', 0x41, 0b01, _utf8mb4'x', \\N",
	"SELECT 1.5, .5, 1e5, 1E-5, 1.e3, 1a, 1.5a FROM t",
	"SELECT * FROM t WHERE id = ?",
	"SELECT a.b.c, t.* FROM a.t AS t",
	"SELECT t.for, t.into, t.lock, t.update FROM t",
	"SELECT a FROM t WHERE b IN (1, 2) AND c BETWEEN (1) AND (2) OR NOT (d)",
	"SELECT DISTINCT (a) FROM t WHERE EXISTS (SELECT 1 FROM u) AND a = ALL (SELECT b FROM u)",
	"SELECT count(*), COUNT(DISTINCT a), sum(b), Max(c) FROM t GROUP BY d HAVING (count(*) > "
	"1)",
	"SELECT count( * ) FROM t",
	"SELECT concat (a, 'b'), ifnull(c, 1), IF (a, b, c), left(a, 2), replace(a, 'x', 'y') FROM "
	"t",
	"SELECT INSERT('Quadratic', 3, 4, 'What'), TRUNCATE(1.5, 0), CHAR(65), MOD (5, 3)",
	"SELECT substring(a FROM 1 FOR 2), trim(BOTH ' ' FROM b), extract(DAY FROM c) FROM t",
	"SELECT cast(a AS CHAR(10)), convert(b, DECIMAL(10,2)), convert(c USING utf8mb4) FROM t",
	"SELECT now(), now(6), CURRENT_TIMESTAMP, CURRENT_TIMESTAMP(6), UNIX_TIMESTAMP(), "
	"sysdate()",
	"SELECT SLEEP(1)",
	"SELECT RAND(), UUID(), VERSION(), DATABASE(), SCHEMA(), USER(), CURRENT_USER",
	"SELECT a, INTERVAL (1) DAY FROM t",
	"SELECT CASE (a) WHEN (1) THEN (2) ELSE (3) END FROM t",
	"SELECT * FROM t USE INDEX (i) WHERE a = 1",
	"SELECT * FROM t USE INDEX FOR JOIN (i) IGNORE INDEX FOR ORDER BY (j)",
	"SELECT * FROM t FORCE INDEX FOR GROUP BY (k), u FORCE KEY (l)",
	"SELECT * FROM t PARTITION (p0, p1)",
	"SELECT * FROM a JOIN b USING (c) LEFT JOIN (d, e) ON (d.x = e.x)",
	"SELECT * FROM (SELECT 1 AS a UNION SELECT 2) AS dt (x)",
	"SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01 00:00:00'",
	"SELECT a FROM t UNION ALL (SELECT b FROM u) EXCEPT (SELECT 3) INTERSECT (SELECT 4)",
	"SELECT row_number() OVER (PARTITION BY a ORDER BY b), lag(c) OVER w FROM t WINDOW w AS "
	"(ORDER BY d)",
	"SELECT group_concat(a ORDER BY b SEPARATOR ',') FROM t",
	"SELECT MATCH (a) AGAINST ('x' IN BOOLEAN MODE) FROM t",
	"SELECT json_extract(a, '$.b'), a->'$.c', a->>'$.d', JSON_VALUE(a, '$.e') FROM t",
	"SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) AS jt",
	"SELECT ST_AsText(g), st_distance(g, POINT(1, 2)) FROM t",
	"SELECT SQL_NO_CACHE HIGH_PRIORITY a FROM t LIMIT 10 OFFSET 5",
	"SELECT a FROM t LIMIT 1, 2",
	"SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1",
	"SELECT /*+ SET_VAR(sort_buffer_size = 16M) */ a FROM t",
	"(SELECT 1)",
	"((SELECT 1) UNION (SELECT 2)) ORDER BY 1",
	"( ( SELECT 1 ) )",
	"/* a */ ( /* b */ SELECT 1 /* c */ )",
	"WITH a AS (SELECT 1) SELECT * FROM a",
	"WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 5) SELECT n "
	"FROM a",
	"(WITH a AS (SELECT 1) SELECT * FROM a)",
	"WITH a AS (SELECT 1), b AS (SELECT 2) TABLE a",
	"VALUES ROW(1, 2), ROW(3, 4)",
	"VALUES (1, 2), (3, 4)",
	"TABLE t",
	"TABLE t ORDER BY a LIMIT 3",
	"SHOW TABLES",
	"SHOW FULL TABLES FROM db LIKE 'a%'",
	"SHOW EXTENDED FULL COLUMNS FROM t",
	"SHOW DATABASES",
	"SHOW CREATE TABLE t",
	"SHOW CREATE PROCEDURE p",
	"SHOW TABLE STATUS WHERE name = 'x'",
	"SHOW PROCEDURE STATUS",
	"SHOW INDEX FROM t",
	"SHOW STORAGE ENGINES",
	"SHOW CHARACTER SET",
	"SHOW COLLATION",
	"DESCRIBE t",
	"DESC t a",
	"DESC `db`.`t`",
	"EXPLAIN t",
	"EXPLAIN SELECT * FROM t",
	"EXPLAIN EXTENDED SELECT 1",
	"EXPLAIN FORMAT=JSON SELECT * FROM t",
	"EXPLAIN FORMAT = 'TREE' SELECT 1",
	"EXPLAIN ANALYZE SELECT * FROM t",
	"EXPLAIN (SELECT 1)",
	"EXPLAIN WITH a AS (SELECT 1) SELECT * FROM a",
	"ANALYZE SELECT 1",
	"ANALYZE FORMAT=JSON SELECT * FROM t",
	"SET STATEMENT max_statement_time=1 FOR SELECT 1",
	"SET STATEMENT a=1, b=2 FOR (SELECT 1)",
	"HELP 'SELECT'",
	"CHECKSUM TABLE t",
	"SELECT 1; SELECT 2",
	"SELECT 1;; SELECT 2;",
	"SELECT @a",
	"SELECT @a, @`b c`, @'d', @e.f FROM t WHERE x = @g",
	"SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1",
	"/* muster: replica */ SELECT 1",
	"SELECT {fn now()}, {d '2020-01-01'}",
	"SELECT caf\xc3\xa9 FROM t WHERE a = '\xc3\xa0'",
	"SELECT 1 /* unusual: /* not nested */",
	"SELECT 1 /*/ FOR UPDATE */",
};

static void test_reads(void **state)
{
	(void)state;
	uint32_t allowed = SQL_FLAG_MULTI | SQL_FLAG_USER_VARIABLE_READ | SQL_FLAG_CALC_FOUND_ROWS |
			   SQL_FLAG_HINT_REPLICA;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		struct sql_info info = sql_classify(str_of(reads[i]), plain);
		if (info.class != SQL_READ || (info.flags & ~allowed)) {
			print_error("'%s': %s, flags %x\n", reads[i],
				    sql_classify_class_name(info.class), info.flags);
		}
		assert_int_equal(info.class, SQL_READ);
		assert_int_equal(info.flags & ~allowed, 0);
		assert_int_equal(info.transaction, SQL_TRANSACTION_NONE);
	}
}

/* Flags exactly; the class is SQL_UNCERTAIN. */
static const struct {
	const char *text;
	uint32_t flags;
} others[] = {
	{ "", 0 },
	{ " ; -- nothing", 0 },
	{ "/* nothing */", 0 },
	{ "SELECT * FROM t FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SELECT * FROM t FOR/**/UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SELECT * FROM t for\nupdate of t SKIP LOCKED", SQL_FLAG_ROW_LOCK },
	{ "SELECT * FROM t FOR SHARE", SQL_FLAG_ROW_LOCK },
	{ "SELECT * FROM t LOCK IN SHARE MODE", SQL_FLAG_ROW_LOCK },
	{ "SELECT * FROM (SELECT * FROM t FOR UPDATE) AS a", SQL_FLAG_ROW_LOCK },
	{ "(SELECT * FROM t) FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "WITH a AS (SELECT * FROM t LOCK IN SHARE MODE) SELECT * FROM a", SQL_FLAG_ROW_LOCK },
	{ "WITH a AS (SELECT 1) SELECT * FROM a FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "TABLE t FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "EXPLAIN ANALYZE SELECT * FROM t FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "ANALYZE SELECT * FROM t FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SET STATEMENT a=1 FOR SELECT * FROM t FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SELECT 1.FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SELECT 1e5FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SELECT 'a'FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SELECT a FROM t WHERE b = 'x\\\\' FOR UPDATE -- '", SQL_FLAG_ROW_LOCK },
	{ "SELECT a FROM t --FOR SHARE\n FOR UPDATE", SQL_FLAG_ROW_LOCK },
	{ "SELECT a FROM t FOR x", SQL_FLAG_OPAQUE },
	{ "SELECT 1 INTO OUTFILE '/tmp/x'", 0 },
	{ "SELECT a INTO DUMPFILE '/tmp/x' FROM t", 0 },
	{ "SELECT a INTO @a FROM t", SQL_FLAG_USER_VARIABLE_SET | SQL_FLAG_USER_VARIABLE_READ },
	{ "(SELECT 1) INTO @a", SQL_FLAG_USER_VARIABLE_SET | SQL_FLAG_USER_VARIABLE_READ },
	{ "TABLE t INTO OUTFILE 'x'", 0 },
	{ "VALUES (1) INTO OUTFILE 'x'", 0 },
	{ "SELECT @a := 1", SQL_FLAG_USER_VARIABLE_SET },
	{ "SELECT @a:=@a+1 FROM t", SQL_FLAG_USER_VARIABLE_SET | SQL_FLAG_USER_VARIABLE_READ },
	{ "SELECT GET_LOCK('a', 1)", SQL_FLAG_LOCK | SQL_FLAG_USER_LOCK },
	{ "SELECT GET_LOCK /* */ ('a', 1)", SQL_FLAG_LOCK | SQL_FLAG_USER_LOCK },
	{ "SELECT 1 FROM t WHERE RELEASE_LOCK('a')", SQL_FLAG_UNLOCK | SQL_FLAG_USER_LOCK },
	{ "SELECT RELEASE_ALL_LOCKS()", SQL_FLAG_UNLOCK | SQL_FLAG_USER_LOCK },
	{ "SELECT IS_FREE_LOCK('a')", SQL_FLAG_SYSTEM_READ },
	{ "SELECT CONNECTION_ID()", SQL_FLAG_SYSTEM_READ },
	{ "SELECT LOAD_FILE('x')", SQL_FLAG_SYSTEM_READ },
	{ "SELECT LAST_INSERT_ID()", SQL_FLAG_LAST_RESULT },
	{ "SELECT FOUND_ROWS()", SQL_FLAG_LAST_RESULT },
	{ "SELECT ROW_COUNT()", SQL_FLAG_LAST_RESULT },
	{ "SELECT @@identity", SQL_FLAG_SYSTEM_READ | SQL_FLAG_LAST_RESULT },
	{ "SELECT @@session.last_insert_id", SQL_FLAG_SYSTEM_READ | SQL_FLAG_LAST_RESULT },
	{ "SELECT @@`warning_count`", SQL_FLAG_SYSTEM_READ | SQL_FLAG_LAST_RESULT },
	{ "SELECT @@version_comment LIMIT 1", SQL_FLAG_SYSTEM_READ },
	{ "SELECT @@global.read_only, @@session.autocommit", SQL_FLAG_SYSTEM_READ },
	{ "SELECT * FROM information_schema.processlist", SQL_FLAG_SYSTEM_READ },
	{ "SELECT * FROM `performance_schema`.threads", SQL_FLAG_SYSTEM_READ },
	{ "SELECT my_function(1)", SQL_FLAG_OPAQUE },
	{ "SELECT db.count(1)", SQL_FLAG_OPAQUE },
	{ "SELECT db . abs(1)", SQL_FLAG_OPAQUE },
	{ "SELECT `abs`(1)", SQL_FLAG_OPAQUE },
	{ "SELECT count (*) FROM t", SQL_FLAG_OPAQUE }, /* a stored function named count */
	{ "SELECT now/**/()", SQL_FLAG_OPAQUE },
	{ "SELECT 1 FROM t ORDER BY f(a)", SQL_FLAG_OPAQUE },
	{ "SELECT abs(f(1))", SQL_FLAG_OPAQUE },
	{ "WITH a AS (SELECT f(1)) SELECT * FROM a", SQL_FLAG_OPAQUE },
	{ "SHOW TABLES WHERE f(1)", SQL_FLAG_OPAQUE },
	{ "EXPLAIN SELECT f(1)", SQL_FLAG_OPAQUE },
	{ "SELECT PREVIOUS VALUE FOR s", SQL_FLAG_LAST_RESULT },
	{ "SELECT s.currval", 0 },
	{ "SELECT a FROM t PROCEDURE ANALYSE()", SQL_FLAG_OPAQUE },
	{ "SELECT 1 UNION DELETE FROM t", SQL_FLAG_OPAQUE },
	{ "(DELETE FROM t)", SQL_FLAG_OPAQUE },
	{ "SELECT x'4G'", SQL_FLAG_OPAQUE },
	{ "SELECT \x01", SQL_FLAG_OPAQUE },
	{ "SELECT a FROM t FOR\xa0UPDATE", SQL_FLAG_OPAQUE | SQL_FLAG_ROW_LOCK },
	{ "SELECT $$a$$", SQL_FLAG_OPAQUE },
	{ "SELECT /*+ QB_NAME(`a*/b`) */ 1", SQL_FLAG_OPAQUE },
	{ "SELECT 1 /*! FOR UPDATE */", SQL_FLAG_CONDITIONAL | SQL_FLAG_ROW_LOCK },
	{ "SELECT 1 /*!50110 FOR UPDATE */", SQL_FLAG_CONDITIONAL | SQL_FLAG_ROW_LOCK },
	{ "SELECT 1 /*M!100100 FOR UPDATE */", SQL_FLAG_CONDITIONAL | SQL_FLAG_ROW_LOCK },
	{ "SELECT 1 FOR /*!99999 x */ UPDATE",
	  SQL_FLAG_CONDITIONAL | SQL_FLAG_ROW_LOCK | SQL_FLAG_OPAQUE },
	{ "SELECT /*!40001 SQL_NO_CACHE */ * FROM t", SQL_FLAG_CONDITIONAL },
	{ "SELECT 1 /*!50000 '*/ FOR UPDATE -- ' */", SQL_FLAG_CONDITIONAL | SQL_FLAG_ROW_LOCK },
	{ "SELECT 1 /*! + /* */ 1 */", SQL_FLAG_CONDITIONAL | SQL_FLAG_OPAQUE },
	{ "SELECT 1 /*! + 1", SQL_FLAG_CONDITIONAL | SQL_FLAG_OPAQUE },
	{ "/*! SELECT 1 */", SQL_FLAG_CONDITIONAL },
	{ "/*!50000 DELETE FROM t; */ SELECT 1", SQL_FLAG_CONDITIONAL | SQL_FLAG_MULTI },
	{ "EXPLAIN UPDATE t SET a = 1", 0 },
	{ "EXPLAIN FORMAT=JSON INTO @a SELECT 1",
	  SQL_FLAG_USER_VARIABLE_SET | SQL_FLAG_USER_VARIABLE_READ },
	{ "EXPLAIN FOR CONNECTION 5", SQL_FLAG_OPAQUE },
	{ "EXPLAIN COMMIT", SQL_FLAG_OPAQUE },
	{ "SHOW WARNINGS", SQL_FLAG_LAST_RESULT },
	{ "SHOW ERRORS LIMIT 1", SQL_FLAG_LAST_RESULT },
	{ "SHOW COUNT(*) WARNINGS", SQL_FLAG_LAST_RESULT },
	{ "SHOW VARIABLES LIKE 'a%'", SQL_FLAG_SYSTEM_READ },
	{ "SHOW GLOBAL STATUS", SQL_FLAG_SYSTEM_READ },
	{ "SHOW FULL PROCESSLIST", SQL_FLAG_SYSTEM_READ },
	{ "SHOW MASTER STATUS", SQL_FLAG_SYSTEM_READ },
	{ "SHOW BINARY LOG STATUS", SQL_FLAG_SYSTEM_READ },
	{ "SHOW REPLICA STATUS FOR CHANNEL 'x'", SQL_FLAG_SYSTEM_READ },
	{ "SHOW ENGINE INNODB STATUS", SQL_FLAG_SYSTEM_READ },
	{ "CALL p()", SQL_FLAG_CALL | SQL_FLAG_OPAQUE | SQL_FLAG_IMPLICIT_COMMIT },
	{ "DO SLEEP(1)", 0 },
	{ "DO RELEASE_LOCK('a')", SQL_FLAG_UNLOCK | SQL_FLAG_USER_LOCK },
	{ "DO f(1)", SQL_FLAG_OPAQUE },
	{ "DO @a := 1", SQL_FLAG_USER_VARIABLE_SET },
	{ "HANDLER t OPEN", SQL_FLAG_HANDLER },
	{ "HANDLER t READ i = (1)", SQL_FLAG_HANDLER },
	{ "KILL 5", SQL_FLAG_KILL },
	{ "KILL QUERY ID 5", SQL_FLAG_KILL },
	{ "GET DIAGNOSTICS @a = NUMBER",
	  SQL_FLAG_LAST_RESULT | SQL_FLAG_USER_VARIABLE_SET | SQL_FLAG_USER_VARIABLE_READ },
	{ "FLUSH PRIVILEGES", SQL_FLAG_IMPLICIT_COMMIT },
	{ "RESET MASTER", SQL_FLAG_IMPLICIT_COMMIT },
	{ "START SLAVE", SQL_FLAG_IMPLICIT_COMMIT },
	{ "START GROUP_REPLICATION", SQL_FLAG_IMPLICIT_COMMIT },
	{ "STOP REPLICA", SQL_FLAG_IMPLICIT_COMMIT },
	{ "CHANGE MASTER TO MASTER_HOST='x', IGNORE_SERVER_IDS = (1, 2)",
	  SQL_FLAG_IMPLICIT_COMMIT },
	{ "PURGE BINARY LOGS TO 'x'", 0 },
	{ "SHUTDOWN", 0 },
	{ "EXECUTE s", SQL_FLAG_TEXT_PREPARE | SQL_FLAG_OPAQUE | SQL_FLAG_IMPLICIT_COMMIT },
	{ "EXECUTE IMMEDIATE 'SELECT 1'",
	  SQL_FLAG_TEXT_PREPARE | SQL_FLAG_OPAQUE | SQL_FLAG_IMPLICIT_COMMIT },
	{ "BEGIN NOT ATOMIC SELECT 1; COMMIT; END", SQL_FLAG_OPAQUE | SQL_FLAG_MULTI },
	{ "IF 1 THEN DELETE FROM t; END IF", SQL_FLAG_OPAQUE | SQL_FLAG_MULTI },
	{ "l: LOOP SELECT 1; END LOOP", SQL_FLAG_OPAQUE | SQL_FLAG_MULTI },
	{ "BINLOG 'abc'", SQL_FLAG_OPAQUE },
	{ "FROBNICATE t", SQL_FLAG_OPAQUE },
	{ "1", SQL_FLAG_OPAQUE },
	{ "'SELECT 1'", SQL_FLAG_OPAQUE },
	{ "`SELECT` 1", SQL_FLAG_OPAQUE },
	{ "SELECT 1; DELETE FROM t", SQL_FLAG_MULTI },
	{ "SELECT 1; COMMIT", SQL_FLAG_MULTI | SQL_FLAG_OPAQUE },
	{ "BEGIN; COMMIT", SQL_FLAG_MULTI | SQL_FLAG_OPAQUE },
	{ "SELECT 1; CALL p()",
	  SQL_FLAG_MULTI | SQL_FLAG_CALL | SQL_FLAG_OPAQUE | SQL_FLAG_IMPLICIT_COMMIT },
	{ "SET STATEMENT a=1 FOR COMMIT", SQL_FLAG_OPAQUE },
	{ "SET STATEMENT a=f(1) FOR SELECT 1", SQL_FLAG_OPAQUE },
	{ "SELECT 1 /* muster: primary */ FOR UPDATE", SQL_FLAG_ROW_LOCK | SQL_FLAG_HINT_PRIMARY },
	{ "SELECT UUID_TO_BIN(UUID())", SQL_FLAG_OPAQUE },
	{ "SELECT NVL(a, 1) FROM t", SQL_FLAG_OPAQUE },
};

static void test_not_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct sql_info info = sql_classify(str_of(others[i].text), plain);
		if (info.class != SQL_UNCERTAIN || info.flags != others[i].flags) {
			print_error("'%s': %s, flags %x instead of %x\n", others[i].text,
				    sql_classify_class_name(info.class), info.flags,
				    others[i].flags);
		}
		assert_int_equal(info.class, SQL_UNCERTAIN);
		assert_int_equal(info.flags, others[i].flags);
		assert_int_equal(info.transaction, SQL_TRANSACTION_NONE);
	}
}

/* Not whole: what follows could complete them. */
static const char *const broken[] = {
	"(SELECT 1", "SELECT 1)", "SELECT 'a", "SELECT `a", "SELECT 1 /* open",
};

static void test_broken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct sql_info info = sql_classify(str_of(broken[i]), plain);
		assert_int_equal(info.class, SQL_UNCERTAIN);
		assert_int_equal(info.flags, SQL_FLAG_OPAQUE);
	}
}

/* The same bytes under another sql_mode, character set or dialect. */
static const struct {
	const char *text;
	struct sql_mode mode;
	enum sql_class class;
} modes[] = {
	{ "SELECT \"a\" FROM t", { .ansi_quotes = true }, SQL_READ },
	{ "SELECT \"count\"(1)", { .ansi_quotes = true }, SQL_UNCERTAIN },
	{ "SELECT \"a\\\" FOR UPDATE -- \"", { 0 }, SQL_READ },
	{ "SELECT \"a\\\" FOR UPDATE -- \"", { .ansi_quotes = true }, SQL_UNCERTAIN },
	{ "SELECT 'a\\' FOR UPDATE -- '", { 0 }, SQL_READ },
	{ "SELECT 'a\\' FOR UPDATE -- '", { .no_backslash_escapes = true }, SQL_UNCERTAIN },
	{ "SELECT 'a\\'", { .no_backslash_escapes = true }, SQL_READ },
	{ "SELECT '\x95\x5c' FOR UPDATE -- '", { .odd_charset = true }, SQL_UNCERTAIN },
	{ "SELECT 'a'", { .odd_charset = true }, SQL_READ },
	{ "SELECT '\x95'", { .odd_charset = true }, SQL_UNCERTAIN },
	{ "BEGIN", { .oracle = true }, SQL_UNCERTAIN },
	{ "SELECT UUID_TO_BIN(UUID())", { .dialect = SQL_DIALECT_MYSQL }, SQL_READ },
	{ "SELECT UUID_TO_BIN(UUID())", { .dialect = SQL_DIALECT_MARIADB }, SQL_UNCERTAIN },
	{ "SELECT NVL(a, 1) FROM t", { .dialect = SQL_DIALECT_MARIADB }, SQL_READ },
	{ "SELECT * FROM t, LATERAL (SELECT 1) AS a", { .dialect = SQL_DIALECT_MYSQL }, SQL_READ },
	{ "SELECT a MEMBER OF ('[1]') FROM t", { .dialect = SQL_DIALECT_MYSQL }, SQL_READ },
};

static void test_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct sql_info info = sql_classify(str_of(modes[i].text), modes[i].mode);
		if (info.class != modes[i].class) {
			print_error("row %zu '%s'\n", i, modes[i].text);
		}
		assert_int_equal(info.class, modes[i].class);
	}
}

/* A sequence that moves is a write; which functions are the server's own depends on the dialect. */
static void test_sequences(void **state)
{
	(void)state;
	static const char *const texts[] = { "SELECT NEXT VALUE FOR s", "SELECT NEXTVAL(s)",
					     "SELECT SETVAL(s, 5)", "SELECT s.nextval",
					     "(SELECT NEXT/**/VALUE/**/FOR s)" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(sql_classify(str_of(texts[i]), mariadb).class, SQL_WRITE);
	}
	assert_int_equal(sql_classify(STR("SELECT NEXTVAL(s)"), mysql).class, SQL_UNCERTAIN);
	struct sql_info info = sql_classify(STR("SELECT LASTVAL(s)"), mariadb);
	assert_int_equal(info.class, SQL_UNCERTAIN);
	assert_int_equal(info.flags, SQL_FLAG_LAST_RESULT);
}

/* No statement becomes a read by what stands around it. */
static void test_wrapped(void **state)
{
	(void)state;
	static const char *const before[] = { "",
					      "/**/",
					      "-- x\n",
					      "#\n",
					      "(",
					      "EXPLAIN ANALYZE ",
					      "SET STATEMENT a=1 FOR ",
					      "SELECT 1; ",
					      "/*!" };
	static const char *const after[] = { "", ";", " -- x", "; SELECT 1", ")", "*/" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct sql_info bare = sql_classify(str_of(others[i].text), plain);
		if (bare.statements == 0) {
			continue;
		}
		for (size_t b = 0; b < sizeof(before) / sizeof(before[0]); b++) {
			for (size_t a = 0; a < sizeof(after) / sizeof(after[0]); a++) {
				char memory[512];
				struct buf text;
				buf_init_fixed(&text, memory, sizeof(memory));
				buf_printf(&text, "%s%s\n%s", before[b], others[i].text, after[a]);
				assert_int_equal(buf_finish(&text), ERR_OK);
				struct sql_info info = sql_classify(buf_str(&text), plain);
				if (info.class == SQL_READ) {
					print_error("'%.*s'\n", STR_ARG(buf_str(&text)));
				}
				assert_int_not_equal(info.class, SQL_READ);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),	  cmocka_unit_test(test_not_reads),
		cmocka_unit_test(test_broken),	  cmocka_unit_test(test_modes),
		cmocka_unit_test(test_sequences), cmocka_unit_test(test_wrapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
