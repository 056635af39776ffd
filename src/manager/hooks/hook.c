#include "manager/hooks/hook.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "manager/records/text_json.h"
#include "manager/records/wall_time.h"
#include "os/clock_system.h"
#include "os/program.h"
#include "os/thread.h"

enum { WORDS_MAX = 32, VARIABLES_MAX = 10, VARIABLE_BYTES_MAX = 128 };

struct hook_run {
	struct thread thread;
	const struct hook_door *door;
	uint64_t serial;
	int stop_fd; /* readable: the program is killed */
	struct hook_order order;
	struct hook_result result;
};

const char *hook_name(enum hook_kind kind)
{
	static const char *const names[HOOK_KIND_COUNT_] = { "veto", "before", "after" };
	return names[kind];
}

enum err hook_check(const struct hook_options *options, struct err_ctx *err)
{
	for (enum hook_kind kind = 0; kind < HOOK_KIND_COUNT_; kind++) {
		char line[HOOK_LINE_BYTES_MAX];
		const char *words[WORDS_MAX];
		if (!hook_is_set(options, kind)) {
			continue;
		}
		memcpy(line, options->lines[kind], sizeof(line));
		if (program_split(line, words, WORDS_MAX) != ERR_OK) {
			return err_set(err, ERR_CONFIG, "[hooks] %s: more than %d words",
				       hook_name(kind), WORDS_MAX - 1);
		}
		if (!words[0] || words[0][0] != '/') {
			return err_set(err, ERR_CONFIG,
				       "[hooks] %s: '%s' is no absolute path of a program",
				       hook_name(kind), words[0] ? words[0] : "");
		}
		if (access(words[0], X_OK) != 0) {
			return err_set(err, ERR_CONFIG, "[hooks] %s: '%s' can't be started: %s",
				       hook_name(kind), words[0], strerrordesc_np(errno));
		}
	}
	return ERR_OK;
}

/* What a small script wants to know without reading JSON; and our secrets are not its business. */
struct environment {
	char texts[VARIABLES_MAX][VARIABLE_BYTES_MAX];
	const char *list[VARIABLES_MAX + 1];
	size_t count;
};

static void add_variable(struct environment *to, const char *name, const char *value)
{
	char *text = to->texts[to->count];
	(void)snprintf(text, VARIABLE_BYTES_MAX, "%s%s%s", name, value ? "=" : "",
		       value ? value : "");
	to->list[to->count++] = text;
	to->list[to->count] = NULL;
}

static void fill_environment(const struct hook_order *order, struct environment *to)
{
	char epoch[24];
	(void)snprintf(epoch, sizeof(epoch), "%" PRIu64, order->epoch);
	add_variable(to, "MUSTER_HOOK", hook_name(order->kind));
	add_variable(to, "MUSTER_KIND", order->planned ? "switchover" : "failover");
	add_variable(to, "MUSTER_GROUP", order->group);
	add_variable(to, "MUSTER_EPOCH", epoch);
	add_variable(to, "MUSTER_FROM", order->from);
	add_variable(to, "MUSTER_TO", order->to);
	add_variable(to, "MUSTER_MANAGER_PASSWORD", NULL);
	add_variable(to, "MUSTER_REPLICATION_PASSWORD", NULL);
}

static struct str first_line(const struct buf *text)
{
	struct str rest = buf_str(text);
	struct str line = { 0 };
	while (str_next(&rest, '\n', &line) && str_trim(line).len == 0) {
	}
	return str_trim(line);
}

static void describe(const struct hook_run *run, const struct program_result *program,
		     struct hook_result *ret)
{
	uint32_t limit_ms = run->door->options->timeout_ms[run->order.kind];
	struct str line = first_line(&program->output);
	line = line.len ? line : first_line(&program->error);
	char *words = ret->words;
	size_t bytes = sizeof(ret->words);
	switch (program->end) {
	case PROGRAM_EXITED:
		ret->answered = true;
		ret->go = program->number == 0;
		if (line.len) {
			(void)snprintf(words, bytes, "%.*s", STR_ARG(line));
		} else {
			(void)snprintf(words, bytes, "exit status %d", program->number);
		}
		break;
	case PROGRAM_SIGNALED:
		(void)snprintf(words, bytes, "ended by signal %d", program->number);
		break;
	case PROGRAM_LATE:
		(void)snprintf(words, bytes, "no answer within %u ms: killed", limit_ms);
		break;
	case PROGRAM_STOPPED:
		(void)snprintf(words, bytes, "killed since muster ended");
		break;
	}
}

static json_t *to_json(const struct hook_run *run, const struct program_result *program)
{
	const struct hook_result *result = &run->result;
	const struct hook_order *order = &run->order;
	bool exited = result->answered;
	uint64_t hundredths = result->took_us / 10;
	return json_pack("{s:s, s:s, s:I, s:o, s:o, s:b, s:f, s:o, s:o, s:o, s:b}", "hook",
			 hook_name(order->kind), "program", run->door->options->lines[order->kind],
			 "epoch", (json_int_t)order->epoch, "time",
			 wall_time_to_json(clock_wall_us(&clock_system)), "status",
			 exited ? json_integer(program->number) : json_null(), "go",
			 (int)result->go, "ms", (double)hundredths / 100.0, "words",
			 text_to_json(str_of(result->words)), "output",
			 text_to_json(buf_str(&program->output)), "error",
			 text_to_json(buf_str(&program->error)), "cut", (int)program->cut);
}

static void run_program(void *ctx)
{
	struct hook_run *run = ctx;
	const struct hook_options *options = run->door->options;
	struct environment environment = { 0 };
	char line[HOOK_LINE_BYTES_MAX];
	const char *words[WORDS_MAX];
	uint64_t begun_us = clock_monotonic_us(&clock_system);
	char *input = json_dumps(run->order.input, JSON_INDENT(2));
	memcpy(line, options->lines[run->order.kind], sizeof(line));
	fill_environment(&run->order, &environment);
	struct err_ctx err = { 0 };
	struct program_result program = { 0 };
	enum err rc = program_split(line, words, WORDS_MAX);
	const struct program_options asked = {
		.argv = words,
		.env = environment.list,
		.input = str_of(input),
		.output_bytes_max = HOOK_OUTPUT_BYTES_MAX,
		.deadline_us =
			begun_us + (uint64_t)options->timeout_ms[run->order.kind] * US_PER_MS,
		.stop_fd = run->stop_fd,
	};
	rc = rc ? rc : program_run(&asked, &program, &err);
	run->result.took_us = clock_monotonic_us(&clock_system) - begun_us;
	if (rc == ERR_OK) {
		describe(run, &program, &run->result);
	} else {
		(void)snprintf(run->result.words, sizeof(run->result.words), "%s",
			       err_text(rc, &err));
	}
	run->result.json = to_json(run, &program);
	program_result_fini(&program);
	mem_free(input);
	run->door->on_end(run->door->ctx, run->serial);
}

enum err hook_start(const struct hook_door *door, const struct hook_order *order,
		    struct hook_run **ret, struct err_ctx *err)
{
	struct hook_run *run = mem_need(sizeof(*run));
	run->door = door;
	run->order = *order;
	run->serial = ++*door->serials;
	run->stop_fd = eventfd(0, EFD_CLOEXEC);
	enum err rc = thread_start(&run->thread, "hook", run_program, run, err);
	if (rc != ERR_OK) {
		(void)hook_free(run);
		return rc;
	}
	*ret = run;
	return ERR_OK;
}

const struct hook_order *hook_order_of(const struct hook_run *run)
{
	return &run->order;
}

uint64_t hook_serial_of(const struct hook_run *run)
{
	return run ? run->serial : 0;
}

const struct hook_result *hook_result_of(const struct hook_run *run)
{
	return &run->result;
}

struct hook_run *hook_free(struct hook_run *run)
{
	if (run) {
		if (run->stop_fd >= 0) {
			(void)eventfd_write(run->stop_fd, 1);
		}
		thread_join(&run->thread);
		if (run->stop_fd >= 0) {
			(void)close(run->stop_fd);
		}
		json_decref(run->order.input);
		json_decref(run->result.json);
	}
	return mem_free(run);
}
