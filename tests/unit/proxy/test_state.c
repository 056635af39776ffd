/* State that is restored wrongly changes results silently; state shown too much confuses drivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/session/state.h"
#include "proxy/session/stmts.h"

static void set_statements(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		const char *sql;
	} rows[] = {
		{ "time_zone", "+03:00", "SET SESSION `time_zone`='+03:00'" },
		{ "autocommit", "OFF", "SET SESSION `autocommit`='OFF'" },
		{ "wait_timeout", "28800", "SET SESSION `wait_timeout`=28800" },
		{ "x", "-1.5", "SET SESSION `x`=-1.5" },
		{ "x", "1.2.3", "SET SESSION `x`='1.2.3'" },
		{ "x", "it's", "SET SESSION `x`=0x69742773" },
		{ "x", "a\\b", "SET SESSION `x`=0x615c62" },
		{ "sql_mode", "", "SET SESSION `sql_mode`=''" },
		{ "character_set_results", "", "SET SESSION `character_set_results`=NULL" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct state session = { 0 };
		struct buf sql;
		buf_init(&sql, 4096);
		state_init(&session);
		assert_false(
			state_set_variable(&session, str_of(rows[i].name), str_of(rows[i].value)));
		state_write_set(&session, 0, &sql);
		assert_string_equal(buf_text(&sql), rows[i].sql);
		buf_fini(&sql);
		state_fini(&session);
	}
}

static void last_value_counts(void **state)
{
	struct state session = { 0 };
	(void)state;
	state_init(&session);
	(void)state_set_variable(&session, STR("a"), STR("1"));
	(void)state_set_variable(&session, STR("b"), STR("2"));
	(void)state_set_variable(&session, STR("A"), STR("3"));
	(void)state_set_variable(&session, STR("last_gtid"), STR("0-1-2"));
	assert_int_equal(session.variable_count, 2);
	assert_string_equal(session.variables[0].value, "3");
	state_set_schema(&session, STR("app"));
	state_reset(&session);
	assert_int_equal(session.variable_count, 0);
	assert_string_equal(session.schema, "app");
	state_fini(&session);
}

/* Two states are taken for alike though a session would find another's, or for different though nothing is. */
static void alike(void **state)
{
	struct state a;
	struct state b;
	(void)state;
	state_init(&a);
	state_init(&b);
	assert_int_equal(a.hash, b.hash);
	(void)state_set_variable(&a, STR("time_zone"), STR("+01:00"));
	assert_int_not_equal(a.hash, b.hash);
	(void)state_set_variable(&a, STR("@x"), STR("5"));
	(void)state_set_variable(&b, STR("@x"), STR("5"));
	(void)state_set_variable(&b, STR("time_zone"), STR("+02:00"));
	assert_int_not_equal(a.hash, b.hash);
	(void)state_set_variable(&b, STR("time_zone"), STR("+01:00"));
	assert_int_equal(a.hash, b.hash); /* in whatever order */
	state_set_schema(&a, STR("app"));
	assert_int_not_equal(a.hash, b.hash);
	state_set_schema(&b, STR("app"));
	assert_int_equal(a.hash, b.hash);
	(void)state_set_variable(&a, STR("a"), STR("bc"));
	(void)state_set_variable(&b, STR("ab"), STR("c"));
	assert_int_not_equal(a.hash, b.hash);
	state_reset(&a);
	state_reset(&b);
	assert_int_equal(a.hash, b.hash);
	state_fini(&a);
	state_fini(&b);
}

static void limits(void **state)
{
	struct state session = { 0 };
	char name[32];
	(void)state;
	state_init(&session);
	for (unsigned i = 0; i <= STATE_VARIABLES_MAX; i++) {
		assert_int_equal(session.losses, 0);
		(void)snprintf(name, sizeof(name), "v%u", i);
		(void)state_set_variable(&session, str_of(name), STR("1"));
	}
	assert_int_equal(session.losses, STATE_OVER_LIMIT);
	state_fini(&session);
}

/* What a client is told follows its own wishes, not the proxy's. */
static void filter(void **state)
{
	struct state session = { 0 };
	struct buf all;
	struct buf kept;
	struct reply_state rows[] = {
		{ .kind = REPLY_STATE_VARIABLE, .name = STR("time_zone"), .value = STR("UTC") },
		{ .kind = REPLY_STATE_VARIABLE, .name = STR("wait_timeout"), .value = STR("5") },
		{ .kind = REPLY_STATE_VARIABLE, .name = STR("redirect_url"), .value = STR("x") },
		{ .kind = REPLY_STATE_SCHEMA, .type = 1, .value = STR("app") },
		{ .kind = REPLY_STATE_CHANGED, .type = 2, .value = STR("1") },
	};
	(void)state;
	state_init(&session);
	buf_init(&all, 4096);
	buf_init(&kept, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply_state_add(&all, &rows[i]);
	}
	struct reply_ok ok = { .session_state = buf_str(&all) };
	assert_false(state_take_ok(&session, &ok));
	assert_string_equal(session.schema, "app");
	assert_int_equal(session.variable_count, 2);
	state_filter(&session, &ok, &kept);
	assert_true(str_contains(buf_str(&kept), STR("time_zone")));
	assert_false(str_contains(buf_str(&kept), STR("wait_timeout")));
	assert_false(str_contains(buf_str(&kept), STR("redirect_url")));
	assert_true(str_contains(buf_str(&kept), STR("app")));
	/* the client's own choice undoes the proxy's, which says so */
	assert_true(state_set_variable(&session, STR("session_track_system_variables"),
				       STR("wait_timeout")));
	buf_clear(&kept);
	state_filter(&session, &ok, &kept);
	assert_false(str_contains(buf_str(&kept), STR("time_zone")));
	assert_true(str_contains(buf_str(&kept), STR("wait_timeout")));
	buf_fini(&all);
	buf_fini(&kept);
	state_fini(&session);
}

static void statement_ids(void **state)
{
	struct stmts stmts = { 0 };
	(void)state;
	for (unsigned i = 1; i <= 100; i++) {
		assert_int_equal(stmts_add(&stmts, STR("SELECT 1"))->id, i);
	}
	for (unsigned i = 1; i <= 99; i += 2) {
		stmts_remove(&stmts, stmts_find(&stmts, i));
	}
	assert_int_equal(stmts.count, 50);
	assert_null(stmts_find(&stmts, 51));
	assert_int_equal(stmts_find(&stmts, 52)->id, 52);
	assert_int_equal(stmts_find(&stmts, STMTS_LAST_ID)->id, 100);
	assert_int_equal(stmts.text_bytes, 50 * 8);
	stmts_fini(&stmts);
	assert_int_equal(stmts_add(&stmts, STR(""))->id, 101); /* ids are never used twice */
	stmts_fini(&stmts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_statements), cmocka_unit_test(last_value_counts),
		cmocka_unit_test(alike),	  cmocka_unit_test(limits),
		cmocka_unit_test(filter),	  cmocka_unit_test(statement_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
