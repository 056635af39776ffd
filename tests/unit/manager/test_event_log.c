/* Without these two managers would tell two stories of one group, or a follower none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "manager/records/event_log.h"
#include "os/clock_system.h"
#include "store/store_sqlite.h"

static const struct log silent = { .level = LOG_ERROR };
static char folder[64];
static struct store *store;

static int open_store(void **state)
{
	(void)state;
	char path[128];
	(void)snprintf(folder, sizeof(folder), "/tmp/muster-events-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	return store_open_sqlite(path, &store, NULL) == ERR_OK ? 0 : -1;
}

static int remove_store(void **state)
{
	(void)state;
	static const char *const names[] = { "s", "s-wal", "s.lock" };
	store = store_close(store);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static void add(struct event_log *events, const char *message)
{
	const struct event event = { .level = LOG_INFO, .evt = "test", .message = message };
	event_log_add(events, &event);
}

static void flush(struct event_log *events)
{
	struct store_change changes[STORE_CHANGES_MAX];
	size_t count = event_log_flush(events, changes, STORE_CHANGES_MAX);
	assert_int_equal(store_commit(store, changes, count, NULL), ERR_OK);
	event_log_flushed(events);
}

/* "1 first, 2 second, " */
static void assert_story(struct event_log *events, const char *expected)
{
	char text[256] = "";
	size_t used = 0;
	size_t index;
	json_t *event;
	json_t *list = event_log_read(events, NULL, 0, 100);
	json_array_foreach(list, index, event)
	{
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%d %s, ",
					 (int)json_integer_value(json_object_get(event, "id")),
					 json_string_value(json_object_get(event, "message")));
	}
	json_decref(list);
	assert_string_equal(text, expected);
}

static void load(struct event_log *events)
{
	assert_int_equal(event_log_load(events, store, NULL), ERR_OK);
}

/* The leader tells; who follows reads it, adds nothing, and goes on with the next id when it leads. */
static void test_the_leader_tells_the_story(void **state)
{
	(void)state;
	struct event_log *one = event_log_new(&clock_system, &silent);
	struct event_log *two = event_log_new(&clock_system, &silent);
	load(one);
	event_log_lead(one, true);
	add(one, "first");
	add(one, "second");
	flush(one);
	add(two, "not told");
	load(two);
	assert_story(two, "1 first, 2 second, ");
	add(one, "lost with its leader");
	event_log_lead(two, true);
	add(two, "third");
	flush(two);
	/* Who leads no longer forgets what it could not store, and reads what came instead. */
	event_log_lead(one, false);
	assert_story(one, "1 first, 2 second, ");
	load(one);
	add(one, "not told");
	assert_story(one, "1 first, 2 second, 3 third, ");
	load(one);
	assert_story(one, "1 first, 2 second, 3 third, ");
	event_log_lead(one, true);
	add(one, "fourth");
	assert_story(one, "1 first, 2 second, 3 third, 4 fourth, ");
	(void)event_log_free(one);
	(void)event_log_free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_leader_tells_the_story, open_store,
						remove_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
