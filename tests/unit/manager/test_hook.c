/* One run of a hook: what the program is given, and what is made of how it ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "manager/hooks/hook.h"
#include "os/mailbox.h"

static void on_end(void *ctx, uint64_t serial)
{
	assert_int_equal(mailbox_post(ctx, &serial), ERR_OK);
}

/* A script in a file of its own, since there is no shell in between. */
struct script {
	char path[64];
	struct hook_options options;
};

static void write_script(struct script *script, const char *text)
{
	memset(script, 0, sizeof(*script));
	memcpy(script->path, "/tmp/test_hook.XXXXXX", sizeof("/tmp/test_hook.XXXXXX"));
	int fd = mkstemp(script->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, 0700), 0);
	(void)close(fd);
	for (enum hook_kind kind = 0; kind < HOOK_KIND_COUNT_; kind++) {
		(void)snprintf(script->options.lines[kind], HOOK_LINE_BYTES_MAX, "%s word two",
			       script->path);
		script->options.timeout_ms[kind] = 20000;
	}
}

static struct hook_run *start(const struct hook_options *options, struct mailbox *mail,
			      enum hook_kind kind)
{
	static struct hook_door door;
	static uint64_t serials;
	struct hook_run *started = NULL;
	struct hook_order order = {
		.kind = kind, .epoch = 7, .group = "shop", .from = "db1", .planned = true
	};
	door = (struct hook_door){
		.options = options, .serials = &serials, .on_end = on_end, .ctx = mail
	};
	order.input = json_pack("{s:s}", "group", "shop");
	assert_int_equal(hook_start(&door, &order, &started, NULL), ERR_OK);
	return started;
}

static struct hook_run *run(const struct hook_options *options, enum hook_kind kind)
{
	struct mailbox *mail = NULL;
	uint64_t serial = 0;
	assert_int_equal(mailbox_new(sizeof(serial), 4, &mail, NULL), ERR_OK);
	struct hook_run *started = start(options, mail, kind);
	assert_true(mailbox_wait(mail, UINT64_MAX, &serial));
	assert_int_equal(hook_serial_of(started), serial);
	mailbox_free(mail);
	return started;
}

static void test_a_program_is_given_all_and_answers(void **state)
{
	(void)state;
	struct script script;
	write_script(
		&script,
		"#!/bin/sh\nread line\nread more\necho\necho \"$1 $2 $MUSTER_HOOK $MUSTER_KIND "
		"$MUSTER_GROUP $MUSTER_EPOCH $MUSTER_FROM ${MUSTER_TO:-nobody}\"\n"
		"echo \"$more ${MUSTER_MANAGER_PASSWORD:-none}\" >&2\nexit 0\n");
	(void)setenv("MUSTER_MANAGER_PASSWORD", "secret", 1);
	assert_int_equal(hook_check(&script.options, NULL), ERR_OK);
	struct hook_run *one = run(&script.options, HOOK_VETO_KIND);
	const struct hook_result *result = hook_result_of(one);
	assert_true(result->answered && result->go);
	assert_string_equal(result->words, "word two veto switchover shop 7 db1 nobody");
	const char *error = json_string_value(json_object_get(result->json, "error"));
	assert_non_null(strstr(error, "\"group\": \"shop\" none"));
	(void)hook_free(one);
	(void)unlink(script.path);
}

static void test_every_end_has_words(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool answered;
		const char *words;
	} rows[] = {
		{ "#!/bin/sh\nexit 9\n", true, "exit status 9" },
		{ "#!/bin/sh\necho why >&2\nexit 1\n", true, "why" },
		{ "#!/bin/sh\nkill -9 $$\n", false, "signal 9" },
		{ "#!/bin/sh\nexec sleep 60\n", false, "no answer within 200 ms" },
		{ "#!/no/such/shell\n", false, "program" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct script script;
		write_script(&script, rows[i].text);
		script.options.timeout_ms[HOOK_AFTER_KIND] =
			strstr(rows[i].text, "sleep") ? 200 : 20000;
		struct hook_run *one = run(&script.options, HOOK_AFTER_KIND);
		const struct hook_result *result = hook_result_of(one);
		assert_int_equal(result->answered, rows[i].answered);
		assert_false(result->go);
		assert_non_null(strstr(result->words, rows[i].words));
		(void)hook_free(one);
		(void)unlink(script.path);
	}
}

static void test_one_that_is_freed_is_killed(void **state)
{
	(void)state;
	struct script script;
	struct mailbox *mail = NULL;
	uint64_t serial = 0;
	write_script(&script, "#!/bin/sh\nexec sleep 60\n");
	assert_int_equal(mailbox_new(sizeof(serial), 4, &mail, NULL), ERR_OK);
	struct hook_run *one = start(&script.options, mail, HOOK_BEFORE_KIND);
	uint64_t expected = hook_serial_of(one);
	(void)hook_free(one);
	assert_true(mailbox_receive(mail, &serial));
	assert_int_equal(serial, expected);
	mailbox_free(mail);
	(void)unlink(script.path);
}

static void test_what_cannot_be_started_is_found_at_once(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *words;
	} rows[] = {
		{ "relative/path", "no absolute path" },
		{ " ", "no absolute path" },
		{ "/no/such/program -x", "can't be started" },
		{ "/etc/passwd", "can't be started" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hook_options options = { 0 };
		struct err_ctx err = { 0 };
		(void)snprintf(options.lines[HOOK_BEFORE_KIND], HOOK_LINE_BYTES_MAX, "%s",
			       rows[i].line);
		assert_int_equal(hook_check(&options, &err), ERR_CONFIG);
		assert_non_null(strstr(err.text, rows[i].words));
		assert_non_null(strstr(err.text, "before"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_is_given_all_and_answers),
		cmocka_unit_test(test_every_end_has_words),
		cmocka_unit_test(test_one_that_is_freed_is_killed),
		cmocka_unit_test(test_what_cannot_be_started_is_found_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
