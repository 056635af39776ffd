/* What would break for the user: a BEGIN that isn't seen splits a transaction over two servers, and
 * state that isn't seen is lost when the session moves to another connection. */
#include "sql/sql_classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define F(name) SQL_FLAG_##name

static const struct sql_mode plain = { 0 };

static const struct {
	const char *text;
	enum sql_transaction transaction;
	uint32_t flags;
} transactions[] = {
	{ "BEGIN", SQL_TRANSACTION_BEGIN, 0 },
	{ "begin work;", SQL_TRANSACTION_BEGIN, 0 },
	{ "/* x */ BEGIN -- y", SQL_TRANSACTION_BEGIN, 0 },
	{ "START TRANSACTION", SQL_TRANSACTION_BEGIN, 0 },
	{ "START TRANSACTION READ WRITE", SQL_TRANSACTION_BEGIN, 0 },
	{ "START TRANSACTION READ ONLY", SQL_TRANSACTION_BEGIN, F(EXPLICIT_READ_ONLY) },
	{ "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", SQL_TRANSACTION_BEGIN,
	  F(EXPLICIT_READ_ONLY) },
	{ "COMMIT", SQL_TRANSACTION_COMMIT, 0 },
	{ "COMMIT WORK", SQL_TRANSACTION_COMMIT, 0 },
	{ "COMMIT AND NO CHAIN NO RELEASE", SQL_TRANSACTION_COMMIT, 0 },
	{ "COMMIT AND CHAIN", SQL_TRANSACTION_COMMIT_CHAIN, 0 },
	{ "COMMIT WORK AND CHAIN NO RELEASE", SQL_TRANSACTION_COMMIT_CHAIN, 0 },
	{ "COMMIT RELEASE", SQL_TRANSACTION_COMMIT_RELEASE, 0 },
	{ "COMMIT AND NO CHAIN RELEASE", SQL_TRANSACTION_COMMIT_RELEASE, 0 },
	{ "ROLLBACK", SQL_TRANSACTION_ROLLBACK, 0 },
	{ "ROLLBACK AND CHAIN", SQL_TRANSACTION_ROLLBACK_CHAIN, 0 },
	{ "ROLLBACK WORK RELEASE", SQL_TRANSACTION_ROLLBACK_RELEASE, 0 },
	{ "ROLLBACK TO a", SQL_TRANSACTION_ROLLBACK_TO, 0 },
	{ "ROLLBACK WORK TO SAVEPOINT `a b`", SQL_TRANSACTION_ROLLBACK_TO, 0 },
	{ "ROLLBACK TO savepoint", SQL_TRANSACTION_ROLLBACK_TO, 0 },
	{ "SAVEPOINT a", SQL_TRANSACTION_SAVEPOINT, 0 },
	{ "RELEASE SAVEPOINT a", SQL_TRANSACTION_RELEASE_SAVEPOINT, 0 },
	{ "SET autocommit=0", SQL_TRANSACTION_AUTOCOMMIT_OFF, 0 },
	{ "SET autocommit = OFF", SQL_TRANSACTION_AUTOCOMMIT_OFF, 0 },
	{ "set @@autocommit := false", SQL_TRANSACTION_AUTOCOMMIT_OFF, 0 },
	{ "SET SESSION autocommit='off'", SQL_TRANSACTION_AUTOCOMMIT_OFF, 0 },
	{ "SET @@session.autocommit=1", SQL_TRANSACTION_AUTOCOMMIT_ON, 0 },
	{ "SET LOCAL `autocommit` = ON", SQL_TRANSACTION_AUTOCOMMIT_ON, 0 },
	{ "SET sql_mode='x', autocommit=1", SQL_TRANSACTION_AUTOCOMMIT_ON, F(SET_SYSTEM) },
	{ "SET autocommit=0, @a=1", SQL_TRANSACTION_AUTOCOMMIT_OFF, F(USER_VARIABLE_SET) },
	{ "XA START 'a'", SQL_TRANSACTION_XA_START, 0 },
	{ "XA BEGIN 'a','b',1 JOIN", SQL_TRANSACTION_XA_START, 0 },
	{ "XA END X'41' SUSPEND FOR MIGRATE", SQL_TRANSACTION_XA_END, 0 },
	{ "XA PREPARE 'a'", SQL_TRANSACTION_XA_PREPARE, 0 },
	{ "XA COMMIT 'a' ONE PHASE", SQL_TRANSACTION_XA_COMMIT, 0 },
	{ "XA ROLLBACK 0x41", SQL_TRANSACTION_XA_ROLLBACK, 0 },
};

static void test_transactions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(transactions) / sizeof(transactions[0]); i++) {
		struct sql_info info = sql_classify(str_of(transactions[i].text), plain);
		if (info.class != SQL_TRANSACTION ||
		    info.transaction != transactions[i].transaction) {
			print_error("'%s': %s '%s'\n", transactions[i].text,
				    sql_classify_class_name(info.class),
				    sql_classify_transaction_name(info.transaction));
		}
		assert_int_equal(info.class, SQL_TRANSACTION);
		assert_int_equal(info.transaction, transactions[i].transaction);
		assert_int_equal(info.flags, transactions[i].flags);
		assert_int_equal(info.statements, 1);
	}
}

/* What looks like transaction control but isn't exactly that may do anything. */
static const char *const doubtful[] = {
	"BEGIN NOT ATOMIC",
	"BEGIN DELETE FROM t",
	"COMMIT 1",
	"COMMIT AND",
	"COMMIT NO",
	"START TRANSACTION READ",
	"START TRANSACTION WITH SNAPSHOT",
	"ROLLBACK TO",
	"SAVEPOINT",
	"SAVEPOINT 'a'",
	"RELEASE a",
	"XA RECOVER",
	"XA START",
	"XA START f(1)",
	"SET autocommit=@a",
	"SET autocommit=DEFAULT",
	"SET autocommit=1+0",
	"SET autocommit",
	"SET",
	"SET @a",
	"SET @@",
	"SET x",
	"SET 1=2",
	"SET a=1,",
	"SET a=(1",
	"SET SESSION AUTHORIZATION x",
	"/*!50000 COMMIT */",
	"/*!50000 BEGIN */",
	"BEGIN; SELECT 1; COMMIT",
	"COMMIT; COMMIT",
	"/*!1*/ /*!2*/ SET NAMES utf8",
	"CREATE PROCEDURE p() BEGIN SELECT 1; END; COMMIT",
};

static void test_doubtful(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++) {
		struct sql_info info = sql_classify(str_of(doubtful[i]), plain);
		if (info.class != SQL_UNCERTAIN || !(info.flags & F(OPAQUE))) {
			print_error("'%s': %s, flags %x\n", doubtful[i],
				    sql_classify_class_name(info.class), info.flags);
		}
		assert_int_equal(info.class, SQL_UNCERTAIN);
		assert_int_equal(info.transaction, SQL_TRANSACTION_NONE);
		assert_true(info.flags & F(OPAQUE));
	}
}

static const struct {
	const char *text;
	enum sql_class class;
	uint32_t flags;
} states[] = {
	{ "USE db", SQL_SESSION, 0 },
	{ "SET NAMES utf8mb4", SQL_SESSION, F(SET_SYSTEM) },
	{ "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'", SQL_SESSION, F(SET_SYSTEM) },
	{ "SET CHARACTER SET utf8, @a = 1", SQL_SESSION, F(SET_SYSTEM) | F(USER_VARIABLE_SET) },
	{ "SET CHARSET DEFAULT", SQL_SESSION, F(SET_SYSTEM) },
	{ "SET sql_mode = ''", SQL_SESSION, F(SET_SYSTEM) },
	{ "SET SESSION a=1, b=2", SQL_SESSION, F(SET_SYSTEM) },
	{ "SET @@local.sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')", SQL_SESSION,
	  F(SET_SYSTEM) | F(SYSTEM_READ) },
	{ "SET @a = 1", SQL_SESSION, F(USER_VARIABLE_SET) },
	{ "SET @a := 1, @`b` = 'x', @'c' = NULL", SQL_SESSION, F(USER_VARIABLE_SET) },
	{ "SET @a = @b + 1", SQL_SESSION, F(USER_VARIABLE_SET) | F(USER_VARIABLE_READ) },
	{ "SET @a = (SELECT max(b) FROM t)", SQL_SESSION, F(USER_VARIABLE_SET) },
	{ "SET @a = GET_LOCK('a', 1)", SQL_SESSION, F(USER_VARIABLE_SET) | F(LOCK) | F(USER_LOCK) },
	{ "SET @a = f(1)", SQL_UNCERTAIN, F(USER_VARIABLE_SET) | F(OPAQUE) },
	{ "SET @a = (SELECT 1 FROM t FOR UPDATE)", SQL_UNCERTAIN,
	  F(USER_VARIABLE_SET) | F(ROW_LOCK) },
	{ "SET @a = NEXT VALUE FOR s", SQL_UNCERTAIN, F(USER_VARIABLE_SET) },
	{ "SET GLOBAL x = 1", SQL_UNCERTAIN, F(SET_GLOBAL) },
	{ "SET PERSIST x = 1", SQL_UNCERTAIN, F(SET_GLOBAL) },
	{ "SET @@global.x = 1", SQL_UNCERTAIN, F(SET_GLOBAL) },
	{ "SET @@persist_only.x = 1", SQL_UNCERTAIN, F(SET_GLOBAL) },
	{ "SET GLOBAL autocommit = 0", SQL_UNCERTAIN, F(SET_GLOBAL) },
	{ "SET GLOBAL k.key_buffer_size = 1", SQL_UNCERTAIN, F(SET_GLOBAL) },
	{ "SET GLOBAL x = 1, y = 2", SQL_UNCERTAIN, F(SET_GLOBAL) | F(SET_SYSTEM) },
	{ "SET x = 1, GLOBAL y = 2", SQL_UNCERTAIN, F(SET_GLOBAL) | F(SET_SYSTEM) },
	{ "SET ROLE a", SQL_SESSION, F(SET_SYSTEM) | F(ROLE) },
	{ "SET ROLE NONE", SQL_SESSION, F(SET_SYSTEM) | F(ROLE) },
	{ "SET TRANSACTION READ ONLY", SQL_SESSION,
	  F(SET_SYSTEM) | F(NEXT_TRANSACTION) | F(EXPLICIT_READ_ONLY) },
	{ "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", SQL_SESSION,
	  F(SET_SYSTEM) | F(NEXT_TRANSACTION) },
	{ "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", SQL_SESSION, F(SET_SYSTEM) },
	{ "SET GLOBAL TRANSACTION READ ONLY", SQL_UNCERTAIN,
	  F(SET_GLOBAL) | F(EXPLICIT_READ_ONLY) },
	{ "SET PASSWORD = 'x'", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "SET PASSWORD FOR a@b = PASSWORD('x')", SQL_WRITE,
	  F(IMPLICIT_COMMIT) | F(OPAQUE) | F(USER_VARIABLE_READ) },
	{ "SET DEFAULT ROLE a TO b", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "/*!40101 SET NAMES utf8 */", SQL_SESSION, F(SET_SYSTEM) | F(CONDITIONAL) },
	{ "/*!40101 SET @OLD=@@CHARACTER_SET_CLIENT */;", SQL_SESSION,
	  F(USER_VARIABLE_SET) | F(SYSTEM_READ) | F(CONDITIONAL) },
	{ "PREPARE s FROM 'SELECT 1'", SQL_SESSION, F(TEXT_PREPARE) },
	{ "PREPARE s FROM @a", SQL_SESSION, F(TEXT_PREPARE) | F(USER_VARIABLE_READ) },
	{ "DEALLOCATE PREPARE s", SQL_SESSION, F(TEXT_PREPARE) },
	{ "DROP PREPARE s", SQL_SESSION, F(TEXT_PREPARE) },
	{ "CREATE TEMPORARY TABLE t (a INT, b VARCHAR(5) DEFAULT (uuid()))", SQL_SESSION,
	  F(TEMP_TABLE) },
	{ "CREATE OR REPLACE TEMPORARY TABLE t LIKE u", SQL_SESSION, F(TEMP_TABLE) },
	{ "CREATE/**/TEMPORARY  TABLE IF NOT EXISTS t (SELECT a FROM u)", SQL_SESSION,
	  F(TEMP_TABLE) },
	{ "CREATE TEMPORARY TABLE t SELECT f(a) FROM u", SQL_UNCERTAIN, F(TEMP_TABLE) | F(OPAQUE) },
	{ "CREATE TEMPORARY TABLE t SELECT * FROM u FOR UPDATE", SQL_UNCERTAIN,
	  F(TEMP_TABLE) | F(ROW_LOCK) },
	{ "DROP TEMPORARY TABLE t", SQL_SESSION, F(TEMP_TABLE) },
	{ "LOCK TABLES t READ, u AS v WRITE", SQL_SESSION, F(LOCK) | F(IMPLICIT_COMMIT) },
	{ "UNLOCK TABLES", SQL_SESSION, F(UNLOCK) | F(IMPLICIT_COMMIT) },
	{ "LOCK INSTANCE FOR BACKUP", SQL_SESSION, F(LOCK) },
	{ "FLUSH TABLES WITH READ LOCK", SQL_SESSION, F(LOCK) | F(IMPLICIT_COMMIT) },
	{ "FLUSH TABLES t, u FOR EXPORT", SQL_SESSION, F(LOCK) | F(IMPLICIT_COMMIT) },
	{ "BACKUP STAGE START", SQL_SESSION, F(LOCK) | F(IMPLICIT_COMMIT) },
	{ "BACKUP STAGE END", SQL_SESSION, F(UNLOCK) | F(IMPLICIT_COMMIT) },
	{ "BACKUP LOCK t", SQL_SESSION, F(LOCK) | F(IMPLICIT_COMMIT) },
	{ "SET @a=1; SET @b=2", SQL_SESSION, F(USER_VARIABLE_SET) | F(MULTI) },
	{ "INSERT INTO t VALUES (1)", SQL_WRITE, 0 },
	{ "INSERT INTO t (a, b) VALUES (1, now())", SQL_WRITE, 0 },
	{ "INSERT db.t (a) VALUES (f(1))", SQL_WRITE, F(OPAQUE) },
	{ "INSERT INTO t (a) SELECT f(1)", SQL_WRITE, F(OPAQUE) },
	{ "INSERT INTO t SET a = LAST_INSERT_ID()", SQL_WRITE, F(LAST_RESULT) },
	{ "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)", SQL_WRITE, 0 },
	{ "INSERT INTO t (a) VALUES (1) AS n (b) ON DUPLICATE KEY UPDATE a = n.b", SQL_WRITE, 0 },
	{ "INSERT INTO t VALUES (@a := 1)", SQL_WRITE, F(USER_VARIABLE_SET) },
	{ "INSERT INTO t VALUES (1) RETURNING id", SQL_WRITE, 0 },
	{ "REPLACE INTO t VALUES (1)", SQL_WRITE, 0 },
	{ "replace t (a) values (1)", SQL_WRITE, 0 },
	{ "UPDATE t SET a = 1 WHERE b IN (SELECT c FROM u)", SQL_WRITE, 0 },
	{ "UPDATE t SET a = LAST_INSERT_ID(a + 1)", SQL_WRITE, F(LAST_RESULT) },
	{ "DELETE FROM t WHERE a = @a", SQL_WRITE, F(USER_VARIABLE_READ) },
	{ "WITH a AS (SELECT 1) DELETE FROM t", SQL_WRITE, 0 },
	{ "WITH a AS (SELECT 1), b (c) AS (SELECT 2) UPDATE t SET x = 1", SQL_WRITE, F(OPAQUE) },
	{ "EXPLAIN ANALYZE UPDATE t SET a = 1", SQL_WRITE, 0 },
	{ "ANALYZE DELETE FROM t", SQL_WRITE, 0 },
	{ "ANALYZE FORMAT=JSON UPDATE t SET a = 1", SQL_WRITE, 0 },
	{ "SET STATEMENT a=1 FOR INSERT INTO t VALUES (1)", SQL_WRITE, 0 },
	{ "/*! INSERT */ INTO t VALUES (1)", SQL_UNCERTAIN, F(CONDITIONAL) | F(OPAQUE) },
	{ "INSERT /*! IGNORE */ INTO t VALUES (1)", SQL_WRITE, F(CONDITIONAL) },
	{ "INSERT INTO t VALUES (1); DELETE FROM t", SQL_WRITE, F(MULTI) },
	{ "LOAD DATA INFILE 'x' INTO TABLE t", SQL_WRITE, 0 },
	{ "LOAD DATA LOW_PRIORITY LOCAL INFILE 'x' INTO TABLE t (a, b)", SQL_WRITE, F(LOAD_LOCAL) },
	{ "LOAD DATA LOCAL INFILE 'x' INTO TABLE t CHARACTER SET utf8 (a, @b) SET c = f(@b)",
	  SQL_WRITE, F(LOAD_LOCAL) | F(USER_VARIABLE_SET) | F(USER_VARIABLE_READ) | F(OPAQUE) },
	{ "LOAD XML LOCAL INFILE 'x' INTO TABLE t", SQL_WRITE, F(LOAD_LOCAL) },
	{ "CREATE TABLE t (a INT DEFAULT f(1), KEY k (a))", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "CREATE TABLE t AS (SELECT f(1))", SQL_WRITE, F(IMPLICIT_COMMIT) | F(OPAQUE) },
	{ "CREATE TABLE t (a INT) /*!40100 DEFAULT CHARSET=utf8 */", SQL_WRITE,
	  F(IMPLICIT_COMMIT) | F(CONDITIONAL) },
	{ "CREATE PROCEDURE p() SELECT 1", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "CREATE DEFINER=`a`@`b` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1", SQL_WRITE,
	  F(IMPLICIT_COMMIT) },
	{ "CREATE USER a@b IDENTIFIED BY 'x'", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "ALTER TABLE t ADD COLUMN (b INT)", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "DROP TABLE t", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "TRUNCATE t", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "RENAME TABLE a TO b", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "GRANT SELECT (a), UPDATE (b) ON t TO c@d", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "REVOKE ALL ON *.* FROM a", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "ANALYZE TABLE t", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "ANALYZE LOCAL TABLE t", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "OPTIMIZE TABLE t", SQL_WRITE, F(IMPLICIT_COMMIT) },
	{ "INSERT INTO t VALUES (1) /* muster: replica */", SQL_WRITE, F(HINT_REPLICA) },
	{ "/*muster:Primary*/INSERT INTO t VALUES (1) /* muster: replica */", SQL_WRITE,
	  F(HINT_PRIMARY) },
	{ "/* muster: elsewhere */ USE a", SQL_SESSION, 0 },
};

static void test_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct sql_info info = sql_classify(str_of(states[i].text), plain);
		if (info.class != states[i].class || info.flags != states[i].flags) {
			print_error("'%s': %s, flags %x instead of %x\n", states[i].text,
				    sql_classify_class_name(info.class), info.flags,
				    states[i].flags);
		}
		assert_int_equal(info.class, states[i].class);
		assert_int_equal(info.flags, states[i].flags);
	}
}

static void test_counts(void **state)
{
	(void)state;
	assert_int_equal(sql_classify(STR(""), plain).statements, 0);
	assert_int_equal(sql_classify(STR(";;"), plain).statements, 0);
	assert_int_equal(sql_classify(STR("SELECT 1;"), plain).statements, 1);
	assert_int_equal(sql_classify(STR("SELECT ';'; SELECT 2;;SELECT 3"), plain).statements, 3);
	assert_int_equal(sql_classify(STR("/*! SELECT 1 */"), plain).statements, 1);
	assert_int_equal(sql_classify((struct str){ "SELECT 1\0", 9 }, plain).class, SQL_UNCERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_doubtful),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
