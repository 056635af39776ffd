/* A GTID that is forgotten, or mixed up with another, lets a session not see what it wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "proxy/session/causal.h"

#define UUID_A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define UUID_B "3e11fa47-71ca-11e1-9e33-c80aa9429563"

static void take(struct causal *causal, const char *gtids)
{
	causal->waited = 7;
	causal_take(causal, str_of(gtids));
}

static void the_newest_of_each(void **state)
{
	struct causal causal = { 0 };
	(void)state;
	take(&causal, "0-1-5");
	assert_string_equal(causal.gtids, "0-1-5");
	assert_int_equal(causal.waited, 0);
	take(&causal, "0-2-6"); /* the same domain, another server */
	assert_string_equal(causal.gtids, "0-2-6");
	take(&causal, "10-1-1");
	take(&causal, "1-1-1");
	assert_string_equal(causal.gtids, "0-2-6,10-1-1,1-1-1");
	take(&causal, "10-1-2");
	assert_string_equal(causal.gtids, "0-2-6,1-1-1,10-1-2");
	causal_fini(&causal);
	take(&causal, UUID_A ":5");
	take(&causal, UUID_A ":6-7");
	take(&causal, UUID_B ":1");
	take(&causal, UUID_A ":tag:3");
	assert_string_equal(causal.gtids, UUID_A ":6-7," UUID_B ":1," UUID_A ":tag:3");
	causal_fini(&causal);
}

static void the_oldest_are_forgotten(void **state)
{
	struct causal causal = { 0 };
	char gtid[CAUSAL_BYTES_MAX];
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(gtid, sizeof(gtid), "%u-1-1", i);
		take(&causal, gtid);
		assert_true(strlen(causal.gtids) <= CAUSAL_BYTES_MAX);
	}
	assert_non_null(strstr(causal.gtids, "198-1-1,199-1-1"));
	assert_null(strstr(causal.gtids, ",10-1-1"));
	memset(gtid, '1', sizeof(gtid));
	causal_take(&causal, (struct str){ "", 0 });
	assert_non_null(strstr(causal.gtids, "199-1-1"));
	causal_fini(&causal);
}

static void the_wait(void **state)
{
	char memory[256];
	struct causal causal = { 0 };
	struct buf sql;
	(void)state;
	take(&causal, "0-1-5");
	buf_init_fixed(&sql, memory, sizeof(memory));
	causal_write_wait(&causal, true, 1500, &sql);
	assert_string_equal(buf_text(&sql),
			    "SELECT 1 FROM DUAL WHERE MASTER_GTID_WAIT('0-1-5',1.500)=0");
	buf_clear(&sql);
	causal_write_wait(&causal, false, 20, &sql);
	assert_string_equal(buf_text(&sql),
			    "SELECT 1 FROM DUAL WHERE WAIT_FOR_EXECUTED_GTID_SET('0-1-5',0.020)=0");
	causal_fini(&causal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_of_each),
		cmocka_unit_test(the_oldest_are_forgotten),
		cmocka_unit_test(the_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
