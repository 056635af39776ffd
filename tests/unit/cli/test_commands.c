/* Without these the commands could ask for something else than was typed, or show it wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "cli/cli.h"
#include "fake_manager.h"
#include "os/clock_system.h"

enum { OUTPUT_BYTES_MAX = 65536, WORDS_MAX = 16 };

static char folder[64];
static char path[128];
static struct api *api;
static char out[OUTPUT_BYTES_MAX];
static char notes[OUTPUT_BYTES_MAX];

static int start(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/muster-cli-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/s.sock", folder);
	const struct api_options options = { .socket_path = path,
					     .manager = fake_manager_handle(),
					     .clock = &clock_system };
	fake_manager_reset();
	/* No thread is there yet. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	return setenv("MUSTER_SOCKET", path, 1) == 0 && api_start(&options, &api, NULL) == ERR_OK
		       ? 0
		       : -1;
}

static int stop(void **state)
{
	(void)state;
	api = api_stop(api);
	fake_manager_reset();
	return rmdir(folder);
}

static int redirect(int fd, const char *name)
{
	int kept = dup(fd);
	int file = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(kept >= 0 && file >= 0);
	assert_int_equal(dup2(file, fd), fd);
	assert_int_equal(close(file), 0);
	return kept;
}

static void restore(int fd, int kept, const char *name, char *text)
{
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	ssize_t got = read(fd, text, OUTPUT_BYTES_MAX - 1);
	assert_true(got >= 0);
	text[got] = 0;
	assert_int_equal(dup2(kept, fd), fd);
	assert_int_equal(close(kept), 0);
	assert_int_equal(unlink(name), 0);
}

/* Runs one command line in this process; returns the exit status, fills `out` and `notes`. */
static int muster(const char *line)
{
	char text[1024];
	char out_path[160];
	char notes_path[160];
	char *words[WORDS_MAX] = { NULL };
	int count = 0;
	(void)snprintf(text, sizeof(text), "muster %s", line);
	(void)snprintf(out_path, sizeof(out_path), "%s/out", folder);
	(void)snprintf(notes_path, sizeof(notes_path), "%s/notes", folder);
	struct str rest = str_of(text);
	struct str word;
	while (str_next(&rest, ' ', &word)) {
		assert_true(count < WORDS_MAX - 1);
		words[count] = text + (word.ptr - text);
		words[count++][word.len] = 0;
	}
	(void)fflush(stdout);
	(void)fflush(stderr);
	int kept_in = redirect(STDIN_FILENO, out_path);
	int kept_out = redirect(STDOUT_FILENO, out_path);
	int kept_notes = redirect(STDERR_FILENO, notes_path);
	int status = cli_main(count, words);
	(void)fflush(stderr);
	restore(STDERR_FILENO, kept_notes, notes_path, notes);
	restore(STDOUT_FILENO, kept_out, out_path, out);
	assert_int_equal(dup2(kept_in, STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(close(kept_in), 0);
	return status;
}

static void answer(size_t index, const char *method, enum err rc, const char *text)
{
	fake_manager.answers[index] = (struct fake_answer){ method, rc, text };
}

#define ONE_GROUP \
	"{\"groups\":[{\"group\":\"a\",\"primary\":\"s1\",\"policy\":\"lossless\",\"epoch\":3}]}"

/* Each command line becomes this call; nothing is called where it is wrong. */
static void test_calls(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *method;
		const char *params;
	} cases[] = {
		{ "group create g s1=db1:3307 s2=[::1]:3308 s3=db3", "group.create",
		  "{\"group\":\"g\",\"policy\":\"lossless\",\"servers\":["
		  "{\"host\":\"db1\",\"name\":\"s1\",\"port\":3307},"
		  "{\"host\":\"::1\",\"name\":\"s2\",\"port\":3308},"
		  "{\"host\":\"db3\",\"name\":\"s3\",\"port\":3306}]}" },
		{ "group create g s1=h:1 --policy async", "group.create",
		  "{\"group\":\"g\",\"policy\":\"async\",\"servers\":["
		  "{\"host\":\"h\",\"name\":\"s1\",\"port\":1}]}" },
		{ "group adopt g db1:3306 --dry-run --policy async", "group.adopt",
		  "{\"dry_run\":true,\"group\":\"g\",\"host\":\"db1\",\"policy\":\"async\","
		  "\"port\":3306}" },
		{ "group adopt g db1 --yes", "group.adopt",
		  "{\"dry_run\":false,\"group\":\"g\",\"host\":\"db1\",\"port\":3306}" },
		{ "group add s4=h:2", "group.add",
		  "{\"dry_run\":false,\"group\":\"a\",\"servers\":[{\"host\":\"h\",\"name\":\"s4\","
		  "\"port\":2}]}" },
		{ "group add b s4=h:2", "group.add",
		  "{\"dry_run\":false,\"group\":\"b\",\"servers\":[{\"host\":\"h\",\"name\":\"s4\","
		  "\"port\":2}]}" },
		{ "group remove s4", "group.remove",
		  "{\"dry_run\":false,\"group\":\"a\",\"server\":\"s4\"}" },
		{ "group remove b s/4", "group.remove", NULL },
		{ "group set b --policy async --weight s1=0 --never-promote s2 --may-promote s3",
		  "group.set",
		  "{\"group\":\"b\",\"policy\":\"async\",\"servers\":[{\"name\":\"s1\",\"weight\":"
		  "0},"
		  "{\"name\":\"s2\",\"never_promote\":true},{\"name\":\"s3\",\"never_promote\":"
		  "false}]}" },
		{ "group set b --policy bounded --max-loss-s 30 --stay-in-dc yes", "group.set",
		  "{\"group\":\"b\",\"max_loss_s\":30,\"policy\":\"bounded\",\"stay_in_dc\":"
		  "true}" },
		{ "group set b --server s1 --dc west --downtime 30m disk", "group.set",
		  "{\"group\":\"b\",\"servers\":[{\"dc\":\"west\",\"downtime_s\":1800,"
		  "\"downtime_why\":\"disk\",\"name\":\"s1\"}]}" },
		{ "group set b --server s1 --below primary", "group.set",
		  "{\"group\":\"b\",\"servers\":[{\"below\":null,\"name\":\"s1\"}]}" },
		{ "group add b s4=h:2 --dc east --below s2", "group.add",
		  "{\"dry_run\":false,\"group\":\"b\",\"servers\":[{\"below\":\"s2\",\"dc\":"
		  "\"east\",\"host\":\"h\","
		  "\"name\":\"s4\","
		  "\"port\":2}]}" },
		{ "group show", "group.show", "{\"group\":\"a\"}" },
		{ "group list", "group.list", "{}" },
		{ "switchover --to s2", "group.switchover",
		  "{\"dry_run\":false,\"group\":\"a\",\"to\":\"s2\"}" },
		{ "switchover a --dry-run", "group.switchover",
		  "{\"dry_run\":true,\"group\":\"a\"}" },
		{ "switchover b", "group.switchover", "{\"dry_run\":false,\"group\":\"b\"}" },
		{ "failover b --yes --accept-loss --to s3", "group.failover",
		  "{\"accept_loss\":true,\"dry_run\":false,\"group\":\"b\",\"to\":\"s3\"}" },
		{ "failover --yes", "group.failover",
		  "{\"accept_loss\":false,\"dry_run\":false,\"group\":\"a\"}" },
		{ "pause", "group.pause", "{\"group\":\"a\"}" },
		{ "resume b", "group.resume", "{\"group\":\"b\"}" },
		{ "status b", "group.status", "{\"group\":\"b\"}" },
		{ "wait healthy", "group.status", "{\"group\":\"a\"}" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const char *const methods[] = {
			"group.create", "group.adopt",	"group.add",	    "group.remove",
			"group.set",	"group.show",	"group.switchover", "group.failover",
			"group.pause",	"group.resume", "group.status"
		};
		fake_manager_reset();
		for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
			answer(m, methods[m], ERR_OK, "{\"healthy\":true}");
		}
		answer(11, "group.list", ERR_OK, ONE_GROUP);
		int status = muster(cases[i].line);
		if (!cases[i].params) {
			assert_int_not_equal(status, 0);
			continue;
		}
		if (status != 0) {
			fail_msg("%s: %s", cases[i].line, notes);
		}
		assert_string_equal(fake_manager.last_method, cases[i].method);
		assert_string_equal(fake_manager_params(), cases[i].params);
	}
}

/* What is typed wrongly is one line on standard error, exit status 2, and reaches nobody. */
static void test_usage(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *notes;
	} cases[] = {
		{ "stauts", "muster: no command 'stauts': did you mean 'status'?\n" },
		{ "status --jsn", "muster: status: no option '--jsn': did you mean '--json'?\n" },
		{ "status a b",
		  "muster: status: 'b' is one argument too many: muster status [GROUP]\n" },
		{ "group create",
		  "muster: group create: too few arguments: muster group create NAME"
		  " SERVER=HOST:PORT...\n" },
		{ "group create g db1:3306", "muster: 'db1:3306' is no SERVER=HOST:PORT\n" },
		{ "group create g s1=h:0",
		  "muster: 's1=h:0' is no SERVER=HOST:PORT with a port from 1 to 65535\n" },
		{ "group create g s1=h:65536",
		  "muster: 's1=h:65536' is no SERVER=HOST:PORT with a port from 1 to 65535\n" },
		{ "group create g s1=:3306",
		  "muster: 's1=:3306' is no SERVER=HOST:PORT with a port from 1 to 65535\n" },
		{ "group create g s1=[::1:3306",
		  "muster: 's1=[::1:3306' is no SERVER=HOST:PORT with a port from 1 to 65535\n" },
		{ "group create g s1=h --policy safe",
		  "muster: --policy: 'safe' is none of lossless, bounded, async\n" },
		{ "group adopt g :1",
		  "muster: ':1' is no HOST:PORT with a port from 1 to 65535\n" },
		{ "group add a", "muster: 'a' is no SERVER=HOST:PORT\n" },
		{ "group set", "muster: group set: nothing to set: see --help\n" },
		{ "group set --json", "muster: group set: nothing to set: see --help\n" },
		{ "group set a why --policy async",
		  "muster: 'why': a reason goes with --downtime\n" },
		{ "group set --server s1", "muster: --server: with --below, --dc or --downtime\n" },
		{ "group set --dc west",
		  "muster: --below, --dc and --downtime need --server SERVER\n" },
		{ "group set --server s1 --downtime 31d",
		  "muster: --downtime: '31d' is no time up to 30 days, as 90s, 30m, 2h, 1d\n" },
		{ "group set --max-loss-s 0",
		  "muster: --max-loss-s: '0' is no number from 1 to 86400\n" },
		{ "group set --stay-in-dc maybe",
		  "muster: --stay-in-dc: 'maybe' is none of yes, no\n" },
		{ "group set --weight s1=-1",
		  "muster: --weight: 's1=-1' is no SERVER=N, N from 0 to 1000\n" },
		{ "group",
		  "muster: 'group' needs one of: add, adopt, create, list, remove, set, show\n" },
		{ "wait a sick", "muster: wait for what? 'sick' is not 'healthy'\n" },
		{ "status --color=pink",
		  "muster: --color: 'pink' is none of auto, always, never\n" },
		{ "--json status",
		  "muster: '--json': options stand behind the command, as in: muster status"
		  " --json\n" },
		{ "internal dump-docs x",
		  "muster: no page 'x': there are api, cli, config, exit-status\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(muster(cases[i].line), 2);
		assert_string_equal(notes, cases[i].notes);
		assert_string_equal(out, "");
	}
	assert_int_equal(fake_manager.calls, 0);
}

/* The exit status is that of err.def, the words are those of `muster run`. */
static void test_errors(void **state)
{
	(void)state;
	for (enum err code = ERR_FAILED; code < ERR_COUNT_; code++) {
		fake_manager_reset();
		answer(0, "group.pause", code, "the words");
		assert_int_equal(muster("pause a"), err_exit_status(code));
		assert_string_equal(notes, "muster: the words\n");
		assert_string_equal(out, "");
	}
	assert_int_equal(muster("status --socket /tmp/muster-none.sock"), 3);
	assert_non_null(strstr(notes, "is `muster run` running?"));
}

/* Which group, when none is named. */
static void test_group_left_out(void **state)
{
	(void)state;
	answer(0, "group.list", ERR_OK, "{\"groups\":[]}");
	assert_int_equal(muster("switchover"), 1);
	assert_string_equal(
		notes, "muster: there is no group: see muster group create, muster group adopt\n");
	answer(0, "group.list", ERR_OK, "{\"groups\":[{\"group\":\"a\"},{\"group\":\"b\"}]}");
	assert_int_equal(muster("switchover"), 2);
	assert_string_equal(notes, "muster: which group? There are: a, b\n");
	assert_string_equal(fake_manager.last_method, "group.list");
}

/* A failover and an adoption are not done without a yes. */
static void test_confirmation(void **state)
{
	(void)state;
	answer(0, "group.status", ERR_OK,
	       "{\"primary\":\"s1\",\"readiness\":{\"text\":\"s2 would win, nothing would be "
	       "lost\"}}");
	answer(1, "group.adopt", ERR_OK,
	       "{\"servers\":[{\"name\":\"s1\",\"host\":\"h\",\"port\":1,\"role\":\"primary\"}],"
	       "\"changes\":[\"s2: SET GLOBAL read_only = 1\"]}");
	assert_int_equal(muster("failover a"), 4);
	assert_string_equal(
		notes, "group a: primary s1, new primary: the best one; s2 would win, nothing would"
		       " be lost\nmuster: Fail over? Nothing is changed without --yes.\n");
	assert_string_equal(fake_manager.last_method, "group.status");
	assert_int_equal(muster("group adopt g h:1"), 4);
	assert_string_equal(fake_manager_params(),
			    "{\"dry_run\":true,\"group\":\"g\",\"host\":\"h\",\"port\":1}");
	assert_string_equal(out, "SERVER  HOST  PORT  ROLE     BELOW  VERSION  PROBLEM\n"
				 "s1      h        1  primary  -      -        -\n"
				 "would change: s2: SET GLOBAL read_only = 1\n");
}

#define REPORT \
	"{\"kind\":\"failover\",\"from\":\"s1\",\"to\":\"s2\",\"epoch\":4,\"cause\":\"refused " \
	"twice\"," \
	"\"ended_because\":\"\",\"phases_ms\":{\"detected\":1.2,\"decided\":3,\"fenced\":null}," \
	"\"total_ms\":4.2," \
	"\"loss\":{\"possible\":false,\"gtid\":\"\",\"text\":\"\"}}"

#define STATUS \
	"{\"group\":\"a\",\"policy\":\"lossless\",\"epoch\":4,\"state\":\"steady\",\"state_" \
	"text\":\"steady\"," \
	"\"primary\":\"s2\",\"paused\":true,\"healthy\":false,\"why_not_healthy\":[\"s1 does not " \
	"answer\"]," \
	"\"sync_set\":[\"s2\",\"s3\"],\"acks\":1,\"servers\":[" \
	"{\"name\":\"s1\",\"host\":\"::1\",\"port\":3306,\"role\":\"none\",\"state\":\"down\"," \
	"\"lag_s\":null," \
	"\"gtid\":\"\",\"behind\":null,\"health\":\"bad\",\"problem\":\"connection " \
	"refused\",\"version\":\"\"," \
	"\"weight\":1}," \
	"{\"name\":\"s2\",\"host\":\"db2\",\"port\":3306,\"role\":\"primary\",\"state\":" \
	"\"primary\",\"lag_s\":0," \
	"\"gtid\":\"0-1-7\",\"behind\":0,\"health\":\"ok\",\"problem\":\"\",\"version\":\"10.11." \
	"6\",\"acknowledges\":true,\"weight\":1}]," \
	"\"readiness\":{\"winner\":\"s3\",\"loss\":\"nothing\",\"blocked_by\":[],\"text\":\"s3 " \
	"would win\"}," \
	"\"last_failover\":" REPORT \
	",\"proxy\":{\"write_port\":6446,\"read_port\":6447,\"sessions\":8}}"

static void test_status(void **state)
{
	(void)state;
	answer(0, "group.list", ERR_OK, ONE_GROUP);
	answer(1, "group.status", ERR_OK, STATUS);
	assert_int_equal(muster("status"), 0);
	assert_string_equal(
		out, "group a: not healthy, steady, primary s2, epoch 4\n"
		     "policy lossless, 1 acknowledgement(s) among s2, s3, automatic "
		     "failover off (paused)\n"
		     "missing: s1 does not answer\n"
		     "SERVER  ADDRESS     ROLE     STATE    LAG S  BEHIND  ACKS  WEIGHT  VERSION  "
		     "GTID   HEALTH  PROBLEM\n"
		     "s1      [::1]:3306  none     down         -       -  -          1  -        "
		     "-      bad     connection"
		     " refused\n"
		     "s2      db2:3306    primary  primary      0       0  yes        1  10.11.6  "
		     "0-1-7  ok      -\n"
		     "if the primary died now: s3 would win\n"
		     "proxy: writes on port 6446, reads on port 6447, 8 sessions\n"
		     "last change: failover from s1 to s2, epoch 4, 4.2 ms: refused twice\n"
		     "  phases in ms: detected 1.2, decided 3.0\n"
		     "  lost: nothing\n");
	assert_int_equal(muster("status a --json"), 0);
	json_error_t where;
	json_t *shown = json_loads(out, 0, &where);
	json_t *asked = json_loads(STATUS, 0, &where);
	assert_true(json_equal(shown, asked));
	json_decref(shown);
	json_decref(asked);
	answer(0, "group.list", ERR_OK, "{\"groups\":[]}");
	assert_int_equal(muster("status"), 0);
	assert_string_equal(out, "no groups: see muster group create, muster group adopt\n");
}

static void test_switchover_report(void **state)
{
	(void)state;
	answer(0, "group.switchover", ERR_OK, REPORT);
	assert_int_equal(muster("switchover a"), 0);
	assert_string_equal(out, "failover from s1 to s2, epoch 4, 4.2 ms: refused twice\n"
				 "  phases in ms: detected 1.2, decided 3.0\n"
				 "  lost: nothing\n");
}

/* Not healthy in time is exit status 5, with what is missing. */
static void test_wait(void **state)
{
	(void)state;
	answer(0, "group.status", ERR_OK, STATUS);
	assert_int_equal(muster("wait a healthy --timeout 1"), 5);
	assert_string_equal(notes, "muster: 'a' is not healthy after 1 s: s1 does not answer\n");
	answer(0, "group.status", ERR_NOT_FOUND, "no group 'a'");
	assert_int_equal(muster("wait a healthy"), 1);
	answer(0, "group.status", ERR_OK, "{\"healthy\":true}");
	assert_int_equal(muster("wait a healthy"), 0);
	assert_string_equal(out, "");
}

static void test_events(void **state)
{
	(void)state;
	fake_manager.events = "[{\"id\":7,\"time\":\"2026-01-02T03:04:05.678Z\",\"group\":\"a\","
			      "\"server\":\"s1\","
			      "\"evt\":\"server.dead\",\"level\":\"warn\",\"duration_ms\":12,"
			      "\"message\":\"refused\"}]";
	assert_int_equal(muster("events a --after 6"), 0);
	assert_string_equal(
		out,
		"ID  TIME                      LEVEL  GROUP  SERVER  EVENT        MS  MESSAGE\n"
		" 7  2026-01-02T03:04:05.678Z  warn   a      s1      server.dead  12  refused\n");
	assert_int_equal(muster("events --json --no-header"), 0);
	assert_non_null(strstr(out, "\"server.dead\""));
	assert_int_equal(muster("events a --after 7 --no-header"), 0);
	assert_string_equal(out, "");
}

static void test_version_and_help(void **state)
{
	(void)state;
	answer(0, "version", ERR_OK, "{\"version\":\"9.9.9\"}");
	assert_int_equal(muster("version"), 0);
	assert_string_equal(out, "muster " MUSTER_VERSION "\nrunning: 9.9.9\n");
	assert_int_equal(muster("version --socket /tmp/muster-none.sock"), 0);
	assert_string_equal(out, "muster " MUSTER_VERSION
				 "\nrunning: none at '/tmp/muster-none.sock'\n");
	assert_int_equal(muster(""), 0);
	assert_non_null(strstr(out, "\n  switchover [GROUP] "));
	assert_null(strstr(out, "dump-docs"));
	assert_int_equal(muster("failover --help"), 0);
	assert_non_null(strstr(out, "usage: muster failover [GROUP] [OPTIONS]\n"));
	assert_non_null(strstr(out, "      --accept-loss         Go on although"));
	assert_non_null(strstr(out, "  -y, --yes                 Do it without asking.\n"));
	assert_int_equal(muster("group --help"), 0);
	assert_non_null(strstr(out, "group adopt NAME HOST:PORT"));
	assert_int_equal(muster("help group"), 0);
	assert_int_equal(muster("help wait"), 0);
	assert_int_equal(muster("help wiat"), 2);
	assert_string_equal(notes, "muster: no command 'wiat': did you mean 'wait'?\n");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_calls),
		CASE(test_usage),
		CASE(test_errors),
		CASE(test_group_left_out),
		CASE(test_confirmation),
		CASE(test_status),
		CASE(test_switchover_report),
		CASE(test_wait),
		CASE(test_events),
		CASE(test_version_and_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
