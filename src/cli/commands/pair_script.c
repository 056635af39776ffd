#include "cli/commands/pair_script.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "db/server/server.h"
#include "os/clock_system.h"
#include "os/file.h"
#include "sql/sql_lexer.h"

enum {
	POLL_MS = 200,
	PATIENCE_S = 60, /* with a manager or server that is away */
	LOGIN_S = 5,
	LOCK_WAIT_S = 1,
	TELL_EVERY_S = 10,
};

static void pause_ms(long ms)
{
	const struct timespec interval = { ms / 1000, ms % 1000 * 1000000L };
	(void)nanosleep(&interval, NULL);
}

static uint64_t now_us(void)
{
	return clock_monotonic_us(&clock_system);
}

/* ---------------------------------------------------------------- the text */

static enum err read_input(struct buf *text, struct err_ctx *err)
{
	char block[4096];
	ssize_t got;
	while ((got = read(STDIN_FILENO, block, sizeof(block))) > 0) {
		buf_add(text, block, (size_t)got);
	}
	return got < 0 ? err_set(err, ERR_IO, "standard input can't be read") : buf_finish(text);
}

/* FNV-1a: names a text, hides nothing. Source: Fowler, Noll, Vo. */
static void name_text(struct pair_script *script)
{
	uint64_t hash = 0xcbf29ce484222325u;
	struct str text = buf_str(&script->text);
	for (size_t i = 0; i < text.len; i++) {
		hash = (hash ^ (uint8_t)text.ptr[i]) * 0x100000001b3u;
	}
	(void)snprintf(script->id, sizeof(script->id), "%016" PRIx64 "-%zu", hash, text.len);
}

static enum err add_statement(struct pair_script *script, size_t from, size_t to, bool seen,
			      struct err_ctx *err)
{
	if (!seen) {
		return ERR_OK;
	}
	if (script->count == PAIR_SCRIPT_STATEMENTS_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d statements",
			       (int)PAIR_SCRIPT_STATEMENTS_MAX);
	}
	struct str text = buf_str(&script->text);
	script->statements[script->count++] = str_trim((struct str){ text.ptr + from, to - from });
	return ERR_OK;
}

static enum err take_apart(struct pair_script *script, struct err_ctx *err)
{
	struct sql_lexer lexer;
	const struct sql_mode mode = { 0 };
	size_t from = 0;
	bool seen = false;
	enum err rc = ERR_OK;
	sql_lexer_init(&lexer, buf_str(&script->text), mode, false);
	for (;;) {
		struct sql_token token = sql_lexer_next(&lexer);
		bool end = token.kind == SQL_TOKEN_END;
		if (token.kind == SQL_TOKEN_INVALID ||
		    sql_lexer_is_word(&token, STR("DELIMITER"))) {
			return err_set(err, ERR_USAGE,
				       "byte %zu: this can't be taken apart into statements: make "
				       "the change with a client of the server, then --done",
				       token.from);
		}
		if (!end && token.kind != SQL_TOKEN_SEMICOLON) {
			seen = true;
			continue;
		}
		rc = add_statement(script, from, end ? script->text.len : token.from, seen, err);
		if (rc != ERR_OK || end) {
			break;
		}
		from = token.to;
		seen = false;
	}
	if (rc == ERR_OK && script->count == 0) {
		rc = err_set(err, ERR_USAGE, "there is no statement in it");
	}
	return rc;
}

enum err pair_script_read(const char *path, const char *statement, struct pair_script *ret,
			  struct err_ctx *err)
{
	enum err rc = ERR_OK;
	buf_init(&ret->text, PAIR_SCRIPT_TEXT_BYTES_MAX);
	if (statement) {
		buf_add_text(&ret->text, statement);
		rc = buf_finish(&ret->text);
	} else if (strcmp(path, "-") == 0) {
		rc = read_input(&ret->text, err);
	} else {
		rc = file_read(path, &ret->text, err);
	}
	if (rc == ERR_OK) {
		name_text(ret);
		rc = take_apart(ret, err);
	}
	return rc && !statement ? err_wrap(err, rc, "%s", path) : rc;
}

void pair_script_fini(struct pair_script *script)
{
	buf_fini(&script->text);
	secret_wipe(&script->password);
}

/* ---------------------------------------------------------------- the manager */

static void tell(struct cli *cli, const json_t *pair, char *last, size_t last_bytes)
{
	char line[640];
	const char *missing = request_text(pair, "missing");
	(void)snprintf(line, sizeof(line), "%s: %s%s%s", request_text(pair, "state"),
		       request_text(pair, "text"), missing[0] ? ": " : "", missing);
	if (strcmp(line, last) != 0) {
		cli_note(cli, "%s", line);
		(void)snprintf(last, last_bytes, "%s", line);
	}
}

/* One call, again while `muster run` is away. */
static enum err call_patiently(struct request *request, const char *http_method, const char *rest,
			       const json_t *body, json_t **ret)
{
	uint64_t end_us = now_us() + (uint64_t)PATIENCE_S * US_PER_S;
	bool told = false;
	for (;;) {
		enum err rc = request_group_call(request, http_method, rest, body, ret);
		if ((rc != ERR_UNREACHABLE && rc != ERR_DEADLINE) || now_us() >= end_us) {
			return rc;
		}
		if (!told) {
			cli_note(request->cli, "muster run does not answer: waiting for it");
			told = true;
		}
		pause_ms(POLL_MS);
	}
}

enum err pair_script_wait(struct request *request, pair_script_until done, json_t **ret)
{
	char last[640] = "";
	for (;;) {
		json_t *result = NULL;
		enum err rc = call_patiently(request, "GET", "/pair", NULL, &result);
		if (rc != ERR_OK) {
			return rc;
		}
		const json_t *pair = json_object_get(result, "pair");
		if (done(pair)) {
			*ret = result;
			return ERR_OK;
		}
		tell(request->cli, pair, last, sizeof(last));
		json_decref(result);
		pause_ms(POLL_MS);
	}
}

static bool is_open(const json_t *pair)
{
	const char *state = request_text(pair, "state");
	bool coming = strcmp(state, "out") == 0 || strcmp(state, "changing") == 0;
	return !coming || json_is_true(json_object_get(pair, "open"));
}

static enum err note_progress(struct request *request, const struct pair_script *script,
			      size_t done, uint64_t mark)
{
	json_t *result = NULL;
	json_t *body = json_pack("{s:s, s:s, s:I, s:I}", "action", "progress", "script", script->id,
				 "done", (json_int_t)done, "mark", (json_int_t)mark);
	enum err rc = call_patiently(request, "POST", "/pair/maintain", body, &result);
	json_decref(body);
	json_decref(result);
	return rc;
}

/* ---------------------------------------------------------------- the server */

/* One run of a script. */
struct run {
	struct request *request;
	const struct pair_script *script;
	struct gtid_set allowed; /* what the server numbers itself meanwhile */
	char host[HOST_BYTES_MAX];
	uint16_t port;
	struct conn *conn; /* NULL: not connected */
	size_t at;	   /* the statement that is next */
	uint64_t mark;	   /* what the server had numbered before it */
};

/* How much of `allowed` the server has: a count for MySQL, the last number for MariaDB. It grows with each statement that
 * changed something. */
static enum err read_mark(struct run *run, uint64_t *ret)
{
	struct server_status status;
	struct gtid_set own;
	const struct gtid_set none = { 0 };
	server_status_init(&status);
	gtid_set_init(&own);
	enum err rc = server_read_status(run->conn, now_us() + (uint64_t)LOGIN_S * US_PER_S,
					 &status, &run->request->cli->err);
	if (rc == ERR_OK) {
		gtid_set_subtract(&status.executed, &run->allowed, &own);
		gtid_set_subtract(&status.executed, &own, &own);
		*ret = gtid_set_distance(&own, &none);
	}
	gtid_set_fini(&own);
	server_status_fini(&status);
	return rc;
}

/* A statement of a run that was broken off may be at work still: its session holds the lock. */
static enum err take_lock(struct run *run)
{
	bool told = false;
	for (;;) {
		CLEANUP(rows_freep) struct rows *rows = NULL;
		enum err rc = conn_query(run->conn, STR("SELECT GET_LOCK('muster.pair', 1)"),
					 now_us() + (uint64_t)(LOGIN_S + LOCK_WAIT_S) * US_PER_S,
					 &rows, &run->request->cli->err);
		if (rc != ERR_OK || (rows_next(rows) && rows_at_u64(rows, 0, 0) == 1)) {
			return rc;
		}
		if (!told) {
			cli_note(run->request->cli,
				 "the statement of a run before is at work still: waiting for it");
			told = true;
		}
	}
}

static enum err log_in(struct run *run)
{
	const struct conn_options options = {
		.host = run->host,
		.port = run->port,
		.socket_path = run->script->socket_path,
		.user = run->script->user,
		.password = &run->script->password,
		.clock = &clock_system,
	};
	enum err rc = conn_open(&options, now_us() + (uint64_t)LOGIN_S * US_PER_S, &run->conn, NULL,
				&run->request->cli->err);
	return rc ? rc : take_lock(run);
}

/* Connected, and it is known which statement is next. */
static enum err connect_and_look(struct run *run)
{
	uint64_t mark = 0;
	uint64_t end_us = now_us() + (uint64_t)PATIENCE_S * US_PER_S;
	for (;;) {
		json_t *show = NULL;
		enum err rc = pair_script_wait(run->request, is_open, &show);
		bool open = rc == ERR_OK &&
			    json_is_true(json_object_get(json_object_get(show, "pair"), "open"));
		json_decref(show);
		if (rc == ERR_OK && !open) {
			return err_set(&run->request->cli->err, ERR_CONFLICT,
				       "the passive side is not being changed any more");
		}
		rc = rc ? rc : log_in(run);
		rc = rc ? rc : read_mark(run, &mark);
		if (rc == ERR_OK) {
			break;
		}
		run->conn = conn_close(run->conn);
		if ((rc != ERR_UNREACHABLE && rc != ERR_DEADLINE && rc != ERR_SERVER) ||
		    now_us() >= end_us) {
			return rc;
		}
		pause_ms(POLL_MS);
	}
	if (mark > run->mark && run->at < run->script->count) {
		cli_note(run->request->cli, "statement %zu was through already", run->at + 1);
		run->at++;
	}
	return ERR_OK;
}

static enum err run_statement(struct run *run)
{
	struct err_ctx *err = &run->request->cli->err;
	struct str statement = run->script->statements[run->at];
	uint64_t begun_us = now_us();
	uint64_t told_us = begun_us;
	bool done = false;
	cli_note(run->request->cli, "statement %zu of %zu: %.*s%s", run->at + 1, run->script->count,
		 (int)(statement.len < 100 ? statement.len : 100), statement.ptr,
		 statement.len < 100 ? "" : "...");
	enum err rc = conn_begin(run->conn, statement, err);
	while (rc == ERR_OK && !done) {
		rc = conn_wait(run->conn, now_us() + US_PER_S, &done, err);
		if (!done && now_us() - told_us >= (uint64_t)TELL_EVERY_S * US_PER_S) {
			told_us = now_us();
			cli_note(run->request->cli, "at work for %" PRIu64 " s",
				 (told_us - begun_us) / US_PER_S);
		}
	}
	if (rc == ERR_OK) {
		cli_note(run->request->cli, "done after %.1f s",
			 (double)(now_us() - begun_us) / US_PER_S);
	}
	return rc;
}

static enum err run_next(struct run *run)
{
	struct err_ctx *err = &run->request->cli->err;
	enum err rc = run->conn ? ERR_OK : connect_and_look(run);
	if (rc != ERR_OK || run->at == run->script->count) {
		return rc;
	}
	rc = read_mark(run, &run->mark);
	rc = rc ? rc : note_progress(run->request, run->script, run->at, run->mark);
	rc = rc ? rc : run_statement(run);
	if (rc == ERR_OK) {
		run->at++;
		return ERR_OK;
	}
	if (run->conn && conn_is_usable(run->conn)) {
		return err_wrap(err, rc,
				"statement %zu of %zu, those before it are done (mend it and run "
				"the same command again, or end with --done or --abort)",
				run->at + 1, run->script->count);
	}
	cli_note(run->request->cli, "the connection was lost (%s): looking for what became of it",
		 err->text);
	run->conn = conn_close(run->conn);
	return ERR_OK;
}

static enum err begin(struct run *run, const json_t *show)
{
	struct err_ctx *err = &run->request->cli->err;
	const char *other = request_text(show, "script");
	const char *allowed = request_text(show, "allowed");
	if (other[0] && strcmp(other, run->script->id) != 0) {
		return err_set(err, ERR_CONFLICT,
			       "other statements were begun here, %" JSON_INTEGER_FORMAT
			       " of them are through: go on with those, or end with --done or "
			       "--abort",
			       json_integer_value(json_object_get(show, "script_done")));
	}
	if (other[0]) {
		run->at = (size_t)json_integer_value(json_object_get(show, "script_done"));
		run->mark = (uint64_t)json_integer_value(json_object_get(show, "script_mark"));
	} else {
		run->mark = UINT64_MAX; /* nothing was begun: nothing can be through */
	}
	run->port = (uint16_t)json_integer_value(json_object_get(show, "port"));
	enum err rc = str_copy(str_of(request_text(show, "host")), run->host, sizeof(run->host));
	return rc ? rc : gtid_set_parse(str_of(allowed), GTID_NONE, &run->allowed, err);
}

enum err pair_script_run(struct request *request, const struct pair_script *script,
			 const json_t *show)
{
	struct run run = { .request = request, .script = script };
	gtid_set_init(&run.allowed);
	enum err rc = begin(&run, show);
	while (rc == ERR_OK && run.at < script->count) {
		rc = run_next(&run);
	}
	if (rc == ERR_OK) {
		rc = note_progress(request, script, script->count, UINT64_MAX >> 1);
	}
	run.conn = conn_close(run.conn);
	gtid_set_fini(&run.allowed);
	return rc;
}
