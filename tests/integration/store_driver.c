/* Lets a test use the store in a real etcd: one command a line, one JSON answer a line.
 *
 * Usage: store_driver WRITER ENDPOINTS PREFIX TIMEOUT_MS CA CERT KEY USER PASSWORD ("" where there is none).
 * A line is words separated by tabs; the first is a row of `commands`. Every answer has "rc", "text" and "ms".
 * A tenth argument: runs the cases that every kind of store keeps to instead, with the prefix for itself.
 */
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "os/clock_system.h"
#include "store/store_etcd.h"
#include "store/store_watch.h"
#include "store_cases.h"

enum { WORDS_MAX = 200, LINE_BYTES_MAX = 1024 * 1024 };

struct driver {
	struct store *store;
	struct store_watch *watch;
	atomic_uint woken;
	char *words[WORDS_MAX];
	size_t count;
	json_t *answer;
	struct err_ctx err;
};

static struct store_etcd_options options;
static struct secret password;

static struct store *open_again(void)
{
	struct store *store = NULL;
	struct err_ctx err = { 0 };
	if (store_open_etcd(&options, "cases", &store, &err) != ERR_OK) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return store;
}

struct keys {
	char names[1000][32];
	size_t count;
};

static bool take_name(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct keys *keys = ctx;
	(void)value;
	(void)version;
	return str_copy(key, keys->names[keys->count++], sizeof(keys->names[0])) == ERR_OK;
}

static struct store *open_empty(void)
{
	static struct keys keys;
	keys.count = 0;
	struct store *store = open_again();
	check(store_list(store, STR(""), take_name, &keys, NULL) == ERR_OK);
	for (size_t i = 0; i < keys.count; i++) {
		const struct store_change change = { .key = str_of(keys.names[i]), .remove = true };
		if (!str_starts_with(change.key, STR("writer/"))) {
			check(store_commit(store, &change, 1, NULL) == ERR_OK);
		}
	}
	return store;
}

static uint64_t number(const char *word)
{
	uint64_t value = 0;
	return str_parse_u64(str_of(word), 0, UINT64_MAX, &value) == ERR_OK ? value : 0;
}

static enum err run_get(struct driver *d)
{
	struct buf value;
	uint64_t version = 0;
	buf_init(&value, STORE_VALUE_BYTES_MAX);
	enum err rc = store_get(d->store, str_of(d->words[1]), &value, &version, &d->err);
	if (rc == ERR_OK) {
		(void)json_object_set_new(d->answer, "value", json_string(buf_text(&value)));
		(void)json_object_set_new(d->answer, "version", json_integer((json_int_t)version));
	}
	buf_fini(&value);
	return rc;
}

static bool take_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	CLEANUP(mem_freep) char *name = mem_dup_text(key.ptr, key.len);
	(void)json_object_set_new(
		ctx, name,
		json_pack("[s%, I]", value.ptr ? value.ptr : "", value.len, (json_int_t)version));
	return true;
}

static enum err run_list(struct driver *d)
{
	json_t *rows = json_object();
	enum err rc = store_list_after(d->store, str_of(d->words[1]), str_of(d->words[2]), take_row,
				       rows, &d->err);
	(void)json_object_set_new(d->answer, "rows", rows);
	return rc;
}

/* Triples of key, value and version; "-": not checked. */
static enum err run_commit(struct driver *d)
{
	struct store_change changes[STORE_CHANGES_MAX];
	size_t count = 0;
	for (size_t i = 1; i + 2 < d->count && count < STORE_CHANGES_MAX; i += 3) {
		changes[count++] = (struct store_change){
			.key = str_of(d->words[i]),
			.value = str_of(d->words[i + 1]),
			.check_version = strcmp(d->words[i + 2], "-") != 0,
			.version = number(d->words[i + 2]),
		};
	}
	return store_commit(d->store, changes, count, &d->err);
}

static enum err run_fence(struct driver *d)
{
	store_fence(d->store, str_of(d->words[1]), number(d->words[2]));
	return ERR_OK;
}

static void on_change(void *ctx, struct str key)
{
	struct driver *d = ctx;
	(void)key;
	atomic_fetch_add(&d->woken, 1);
}

static enum err run_watch(struct driver *d)
{
	return store_watch_start(&options, on_change, d, &d->watch, &d->err);
}

static enum err run_woken(struct driver *d)
{
	(void)json_object_set_new(d->answer, "woken", json_integer(atomic_load(&d->woken)));
	return ERR_OK;
}

static enum err run_look(struct driver *d)
{
	static struct store_etcd_member members[STORE_ETCD_ENDPOINTS_MAX];
	size_t count = 0;
	enum err rc = store_etcd_look(&options, members, &count, &d->err);
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		(void)json_array_append_new(
			list, json_pack("{s:s, s:b, s:b, s:b, s:s}", "url", members[i].url,
					"answers", (int)members[i].answers, "has_leader",
					(int)members[i].has_leader, "is_leader",
					(int)members[i].is_leader, "words", members[i].words));
	}
	(void)json_object_set_new(d->answer, "members", list);
	return rc;
}

static const struct {
	const char *name;
	enum err (*run)(struct driver *d);
} commands[] = {
	{ "get", run_get },	{ "list", run_list },	{ "commit", run_commit },
	{ "fence", run_fence }, { "watch", run_watch }, { "woken", run_woken },
	{ "look", run_look },
};

static void run_line(struct driver *d, char *line)
{
	enum err rc = ERR_USAGE;
	uint64_t from_us = clock_monotonic_us(&clock_system);
	d->count = 0;
	memset(d->words, 0, sizeof(d->words));
	for (char *word = strsep(&line, "\t"); word && d->count < WORDS_MAX;
	     word = strsep(&line, "\t")) {
		d->words[d->count++] = word;
	}
	d->answer = json_object();
	d->err = (struct err_ctx){ 0 };
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, d->words[0]) == 0) {
			rc = commands[i].run(d);
		}
	}
	(void)json_object_set_new(d->answer, "rc", json_string(err_name(rc)));
	(void)json_object_set_new(d->answer, "text", json_string(d->err.text));
	(void)json_object_set_new(
		d->answer, "ms",
		json_integer(
			(json_int_t)((clock_monotonic_us(&clock_system) - from_us) / US_PER_MS)));
	(void)json_dumpf(d->answer, stdout, JSON_COMPACT);
	(void)printf("\n");
	(void)fflush(stdout);
	json_decref(d->answer);
}

int main(int argc, char **argv)
{
	struct driver d = { 0 };
	static char line[LINE_BYTES_MAX];
	if (argc < 10 || secret_set(&password, str_of(argv[9])) != ERR_OK) {
		(void)fprintf(stderr, "usage: see store_driver.c\n");
		return 2;
	}
	options = (struct store_etcd_options){ .endpoints = argv[2],
					       .prefix = argv[3],
					       .timeout_ms = (uint32_t)number(argv[4]),
					       .ca_file = argv[5],
					       .cert_file = argv[6],
					       .key_file = argv[7],
					       .user = argv[8],
					       .password = &password,
					       .clock = &clock_system };
	if (argc > 10) {
		return store_cases_run(open_empty, open_again);
	}
	if (store_open_etcd(&options, argv[1], &d.store, &d.err) != ERR_OK) {
		(void)fprintf(stderr, "%s\n", d.err.text);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		run_line(&d, line);
	}
	(void)store_watch_stop(d.watch);
	(void)store_close(d.store);
	return 0;
}
