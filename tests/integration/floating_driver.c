/* Lets a test hold floating addresses: one command a line on standard input, JSON lines on standard output.
 *
 * Usage: floating_driver [native=off] [check=off] [limit_ms=N] [program=COMMAND]. A line is words separated
 * by tabs: hold ADDRESS MS, release ADDRESS, announce ADDRESS, look ADDRESS, list, check ADDRESS. Each is answered by
 * {"rc":..,"text":..}; between the answers each change comes as {"changed":{..}}. The end of the input stops it.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "agent/floating.h"
#include "base/clock.h"
#include "os/clock_system.h"

enum { LINE_BYTES_MAX = 1024, WORDS_MAX = 4, LIMIT_MS = 2000 };

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void print(json_t *object)
{
	(void)pthread_mutex_lock(&output);
	(void)json_dumpf(object, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
	(void)pthread_mutex_unlock(&output);
	json_decref(object);
}

static json_t *view_json(const struct floating_view *view)
{
	uint64_t now_us = clock_monotonic_us(&clock_system);
	return json_pack("{s:s,s:s,s:s,s:b,s:s,s:s,s:I,s:I}", "address", view->address, "interface",
			 view->interface, "state", holding_state_name(view->state), "contested",
			 view->contested, "rival", view->rival, "words", view->words, "age_ms",
			 (json_int_t)((now_us - view->since_us) / US_PER_MS), "at_us",
			 (json_int_t)now_us);
}

static void changed(void *ctx, const struct floating_view *view)
{
	(void)ctx;
	print(json_pack("{s:o}", "changed", view_json(view)));
}

static void write_log(void *ctx, const struct log_line *line)
{
	struct buf text;
	(void)ctx;
	buf_init(&text, LINE_BYTES_MAX);
	log_format(line, &text);
	(void)fprintf(stderr, "%s\n", buf_text(&text));
	buf_fini(&text);
}

static uint32_t number(const char *word)
{
	uint32_t value = 0;
	return str_parse_u32(str_of(word), 0, UINT32_MAX, &value) == ERR_OK ? value : 0;
}

static void list(struct floating *floating, json_t *answer)
{
	struct floating_view views[FLOATING_ADDRESSES_MAX];
	json_t *rows = json_array();
	size_t count = floating_list(floating, views);
	for (size_t i = 0; i < count; i++) {
		(void)json_array_append_new(rows, view_json(&views[i]));
	}
	(void)json_object_set_new(answer, "views", rows);
}

static void obey(struct floating *floating, const struct floating_options *options, char *line)
{
	const char *words[WORDS_MAX] = { "", "", "", "" };
	struct err_ctx err = { 0 };
	struct floating_view view;
	enum err rc = ERR_USAGE;
	json_t *answer = json_object();
	for (size_t i = 0; i < WORDS_MAX && line; i++) {
		words[i] = strsep(&line, "\t\n");
	}
	if (strcmp(words[0], "hold") == 0) {
		uint64_t until_us =
			clock_monotonic_us(&clock_system) + (uint64_t)number(words[2]) * US_PER_MS;
		rc = floating_hold(floating, words[1], until_us, &err);
	} else if (strcmp(words[0], "release") == 0) {
		rc = floating_release(floating, words[1], &err);
	} else if (strcmp(words[0], "announce") == 0) {
		rc = floating_announce(floating, words[1], &err);
	} else if (strcmp(words[0], "check") == 0) {
		rc = floating_check(options, words[1], &err);
	} else if (strcmp(words[0], "look") == 0) {
		rc = floating_look(floating, words[1], &view, &err);
		if (!rc) {
			(void)json_object_set_new(answer, "view", view_json(&view));
		}
	} else if (strcmp(words[0], "list") == 0) {
		list(floating, answer);
		rc = ERR_OK;
	}
	(void)json_object_set_new(answer, "rc", json_string(err_name(rc)));
	(void)json_object_set_new(answer, "text", json_string(rc ? err_text(rc, &err) : ""));
	print(answer);
}

static bool read_option(const char *word, struct floating_options *options)
{
	struct str rest = str_of(word);
	struct str name;
	if (!str_next(&rest, '=', &name)) {
		return false;
	}
	if (str_equal(name, STR("native"))) {
		options->native = !str_equal(rest, STR("off"));
	} else if (str_equal(name, STR("check"))) {
		options->check = !str_equal(rest, STR("off"));
	} else if (str_equal(name, STR("program"))) {
		options->program = word + strlen("program=");
	} else if (str_equal(name, STR("limit_ms"))) {
		options->program_limit_us = (uint64_t)number(rest.ptr) * US_PER_MS;
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct log log = { .level = LOG_INFO, .write = write_log };
	struct floating_options options = { .native = true,
					    .check = true,
					    .program_limit_us = (uint64_t)LIMIT_MS * US_PER_MS,
					    .log = &log,
					    .changed = changed };
	struct floating *floating = NULL;
	struct err_ctx err = { 0 };
	char line[LINE_BYTES_MAX];
	for (int i = 1; i < argc; i++) {
		if (!read_option(argv[i], &options)) {
			(void)fprintf(stderr, "what is '%s'?\n", argv[i]);
			return 2;
		}
	}
	enum err rc = floating_start(&options, &floating, &err);
	print(json_pack("{s:s,s:s}", "rc", err_name(rc), "text", rc ? err_text(rc, &err) : ""));
	while (!rc && fgets(line, sizeof(line), stdin)) {
		obey(floating, &options, line);
	}
	floating = floating_stop(floating);
	return err_exit_status(rc);
}
