/* Lets a test call the functions of db/ on a real server: one command a line, one JSON answer a line.
 *
 * Usage: db_driver HOST PORT USER PASSWORD. A line is words separated by tabs; the first is a row of
 * `commands`. Every answer has "rc" (error name), "text", "errno", "reach" and "ms"; the rest is what
 * the command found. "deadline MS" counts for each command from then on.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "db/conn.h"
#include "db/health/heartbeat.h"
#include "db/health/write_diagnose.h"
#include "db/log/rewind.h"
#include "db/log/tail.h"
#include "db/server/server.h"
#include "os/clock_system.h"

enum { WORDS_MAX = 12, LINE_BYTES_MAX = 1024 * 1024, DEADLINE_MS = 10000 };

struct driver {
	struct conn_options options;
	struct secret password;
	struct conn *conn;
	enum reach reach;
	uint64_t deadline_ms;
	char *words[WORDS_MAX]; /* of the line; missing ones are "" */
	json_t *answer;
	struct err_ctx err;
};

static uint64_t deadline(const struct driver *d)
{
	return clock_monotonic_us(&clock_system) + d->deadline_ms * US_PER_MS;
}

static uint32_t number(const char *word)
{
	uint32_t value = 0;
	return str_parse_u32(str_of(word), 0, UINT32_MAX, &value) == ERR_OK ? value : 0;
}

static void put(struct driver *d, const char *key, json_t *value)
{
	(void)json_object_set_new(d->answer, key, value);
}

static void put_gtids(struct driver *d, const char *key, const struct gtid_set *set)
{
	struct buf text;
	buf_init(&text, GTID_TEXT_BYTES_MAX);
	gtid_set_print(set, &text);
	put(d, key, json_string(buf_text(&text)));
	buf_fini(&text);
}

static enum err do_open(struct driver *d)
{
	d->conn = conn_close(d->conn);
	return conn_open(&d->options, deadline(d), &d->conn, &d->reach, &d->err);
}

static enum err do_close(struct driver *d)
{
	d->conn = conn_close(d->conn);
	return ERR_OK;
}

static enum err do_deadline(struct driver *d)
{
	d->deadline_ms = number(d->words[1]);
	return ERR_OK;
}

static enum err do_usable(struct driver *d)
{
	put(d, "usable", json_boolean(conn_is_usable(d->conn)));
	put(d, "fd", json_integer(conn_fd(d->conn)));
	put(d, "thread", json_integer((json_int_t)conn_thread_id(d->conn)));
	return ERR_OK;
}

static enum err do_query(struct driver *d)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(d->conn, str_of(d->words[1]), deadline(d), &rows, &d->err);
	json_t *list = json_array();
	while (rc == ERR_OK && rows_next(rows)) {
		json_t *row = json_array();
		for (size_t i = 0; i < rows_columns(rows); i++) {
			struct str text;
			bool there = rows_at(rows, (int)i, &text);
			(void)json_array_append_new(row, there ? json_stringn(text.ptr, text.len)
							       : json_null());
		}
		(void)json_array_append_new(list, row);
	}
	put(d, "rows", list);
	return rc;
}

static enum err do_heartbeat_create(struct driver *d)
{
	return heartbeat_create(d->conn, d->words[1], number(d->words[2]), deadline(d), &d->err);
}

/* GROUP EPOCH: sends the write, and waits for its end as long as the deadline is. */
static enum err do_heartbeat_write(struct driver *d)
{
	static const char *const ends[] = { [HEARTBEAT_WRITTEN] = "written",
					    [HEARTBEAT_READ_ONLY] = "read-only",
					    [HEARTBEAT_OUTDATED] = "outdated",
					    [HEARTBEAT_MISSING] = "missing" };
	enum heartbeat_end end = HEARTBEAT_MISSING;
	struct heartbeat row = { .found = false };
	bool done = false;
	uint32_t epoch = number(d->words[2]);
	enum err rc = heartbeat_prepare(d->conn, deadline(d), &d->err);
	rc = rc ? rc : heartbeat_begin(d->conn, d->words[1], epoch, &d->err);
	rc = rc ? rc : conn_wait(d->conn, deadline(d), &done, &d->err);
	if (rc == ERR_OK && !done) {
		conn_give_up(d->conn);
		return err_set(&d->err, ERR_DEADLINE, "not written in time");
	}
	if (rc != ERR_OK && heartbeat_is_missing(d->err.server_errno)) {
		put(d, "end", json_string("missing"));
		return ERR_OK;
	}
	rc = rc ? rc
		: heartbeat_finish(d->conn, d->words[1], epoch, deadline(d), &end, &row, &d->err);
	put(d, "end", json_string(ends[end]));
	put(d, "written_us", json_integer((json_int_t)row.written_us));
	return rc;
}

static enum err do_heartbeat_read(struct driver *d)
{
	struct heartbeat row = { .found = false };
	enum err rc = heartbeat_read(d->conn, d->words[1], deadline(d), &row, &d->err);
	put(d, "found", json_boolean(row.found));
	put(d, "epoch", json_integer((json_int_t)row.epoch));
	put(d, "written_us", json_integer((json_int_t)row.written_us));
	return rc;
}

/* THREAD: why its statement is not through. */
static enum err do_diagnose(struct driver *d)
{
	struct write_diagnosis found = { .trouble = WRITE_THROUGH };
	enum err rc = write_diagnose(d->conn, number(d->words[1]), deadline(d), &found, &d->err);
	put(d, "trouble", json_integer(found.trouble));
	put(d, "words", json_string(found.words));
	return rc;
}

static enum err do_side_door(struct driver *d)
{
	struct server_side_door door = { .port = 0 };
	enum err rc = server_find_side_door(d->conn, deadline(d), &door, &d->err);
	put(d, "host", json_string(door.host));
	put(d, "port", json_integer(door.port));
	return rc;
}

static void put_replica(struct driver *d, const struct replica_status *replica)
{
	put(d, "configured", json_boolean(replica->configured));
	put(d, "source_host", json_string(replica->source_host));
	put(d, "source_port", json_integer(replica->source_port));
	put(d, "io", json_integer(replica->io));
	put(d, "sql_running", json_boolean(replica->sql_running));
	put(d, "gtid_position", json_boolean(replica->gtid_position));
	put(d, "filtered", json_boolean(replica->filtered));
	put(d, "delay_s", json_integer(replica->delay_s));
	put(d, "lag_known", json_boolean(replica->lag_known));
	put(d, "lag_s", json_integer(replica->lag_s));
	put(d, "io_errno", json_integer(replica->io_errno));
	put(d, "io_error", json_string(replica->io_error));
	put(d, "sql_errno", json_integer(replica->sql_errno));
	put(d, "sql_error", json_string(replica->sql_error));
	put(d, "ticks", json_integer((json_int_t)replica->received_ticks));
}

static void put_semisync(struct driver *d, const struct semisync_status *semisync)
{
	put(d, "ss_available", json_boolean(semisync->available));
	put(d, "ss_source", json_boolean(semisync->source_enabled));
	put(d, "ss_active", json_boolean(semisync->source_active));
	put(d, "ss_timeout_ms", json_integer((json_int_t)semisync->source_timeout_ms));
	put(d, "ss_clients", json_integer(semisync->source_clients));
	put(d, "ss_wait_count", json_integer(semisync->source_wait_count));
	put(d, "ss_after_sync", json_boolean(semisync->source_after_sync));
	put(d, "ss_waiting", json_integer(semisync->source_wait_sessions));
	put(d, "ss_replica", json_boolean(semisync->replica_enabled));
	put(d, "ss_replica_active", json_boolean(semisync->replica_active));
}

static enum err do_status(struct driver *d)
{
	struct server_status status;
	server_status_init(&status);
	enum err rc = server_read_status(d->conn, deadline(d), &status, &d->err);
	if (rc == ERR_OK) {
		put(d, "flavor", json_integer(status.flavor));
		put(d, "version", json_string(status.version));
		put(d, "version_number", json_integer(status.version_number));
		put(d, "server_id", json_integer(status.server_id));
		put(d, "server_uuid", json_string(status.server_uuid));
		put(d, "read_only", json_boolean(status.read_only));
		put(d, "log_bin", json_boolean(status.log_bin));
		put(d, "log_replica_updates", json_boolean(status.log_replica_updates));
		put(d, "gtid_on", json_boolean(status.gtid_on));
		put(d, "gtid_strict", json_boolean(status.gtid_strict));
		put(d, "uptime_s", json_integer((json_int_t)status.uptime_s));
		put(d, "sessions", json_integer(status.sessions));
		put_gtids(d, "executed", &status.executed);
		put_gtids(d, "received", &status.received);
		put_replica(d, &status.replica);
		put_semisync(d, &status.semisync);
	}
	server_status_fini(&status);
	return rc;
}

static enum err do_probe(struct driver *d)
{
	bool read_only = false;
	enum err rc = server_probe(d->conn, deadline(d), &read_only, &d->err);
	put(d, "read_only", json_boolean(read_only));
	return rc;
}

static enum err do_read_only(struct driver *d)
{
	return server_set_read_only(d->conn, number(d->words[1]) != 0, deadline(d), &d->err);
}

static enum err do_fence(struct driver *d)
{
	CLEANUP(conn_closep) struct conn *second = NULL;
	enum err rc = conn_open(&d->options, deadline(d), &second, &d->reach, &d->err);
	return rc == ERR_OK ? server_fence(d->conn, second, deadline(d), &d->err) : rc;
}

static enum err do_kill_sessions(struct driver *d)
{
	uint32_t count = 0;
	enum err rc = server_kill_sessions(d->conn, deadline(d), &count, &d->err);
	put(d, "count", json_integer(count));
	return rc;
}

static struct semisync_wanted wanted_of(const struct driver *d)
{
	return (struct semisync_wanted){ .source = number(d->words[1]) != 0,
					 .replica = number(d->words[2]) != 0,
					 .wait_count = number(d->words[3]) };
}

static enum err do_semisync(struct driver *d)
{
	struct semisync_wanted wanted = wanted_of(d);
	return server_set_semisync(d->conn, &wanted, deadline(d), &d->err);
}

static enum err do_promote(struct driver *d)
{
	struct semisync_wanted wanted = wanted_of(d);
	return server_promote(d->conn, &wanted, number(d->words[4]) != 0, deadline(d), &d->err);
}

static enum err do_open_writes(struct driver *d)
{
	return server_open(d->conn, deadline(d), &d->err);
}

static enum err do_stop_receiver(struct driver *d)
{
	return server_stop_receiver(d->conn, deadline(d), &d->err);
}

static enum err do_start_receiver(struct driver *d)
{
	return server_start_receiver(d->conn, deadline(d), &d->err);
}

static enum err do_stop(struct driver *d)
{
	return server_stop_replication(d->conn, deadline(d), &d->err);
}

static enum err do_start(struct driver *d)
{
	return server_start_replication(d->conn, deadline(d), &d->err);
}

static enum err do_forget(struct driver *d)
{
	return server_forget_source(d->conn, deadline(d), &d->err);
}

/* repoint HOST PORT USER PASSWORD WAS_PRIMARY SEMISYNC HEARTBEAT_MS NET_TIMEOUT_S */
static enum err do_repoint(struct driver *d)
{
	struct secret password;
	enum err rc = secret_set(&password, str_of(d->words[4]));
	if (rc != ERR_OK) {
		return rc;
	}
	struct repoint_options options = {
		.host = d->words[1],
		.port = (uint16_t)number(d->words[2]),
		.user = d->words[3],
		.password = &password,
		.was_primary = number(d->words[5]) != 0,
		.semisync = number(d->words[6]) != 0,
		.heartbeat_ms = number(d->words[7]),
		.net_timeout_s = number(d->words[8]),
	};
	return server_repoint(d->conn, &options, deadline(d), &d->err);
}

static enum err do_wait_applied(struct driver *d)
{
	struct gtid_set set;
	gtid_set_init(&set);
	enum err rc = gtid_set_parse(str_of(d->words[1]), GTID_NONE, &set, &d->err);
	if (rc == ERR_OK) {
		rc = server_wait_applied(d->conn, &set, deadline(d), &d->err);
	}
	gtid_set_fini(&set);
	return rc;
}

static enum err do_wait_drained(struct driver *d)
{
	return server_wait_drained(d->conn, deadline(d), &d->err);
}

/* accounts MANAGER PASSWORD REPLICATION PASSWORD BINLOG */
static enum err do_accounts(struct driver *d)
{
	struct secret manager;
	struct secret replication;
	if (secret_set(&manager, str_of(d->words[2])) != ERR_OK ||
	    secret_set(&replication, str_of(d->words[4])) != ERR_OK) {
		return ERR_LIMIT;
	}
	struct setup_accounts accounts = {
		.manager_user = d->words[1],
		.manager_password = &manager,
		.manager_host = "%",
		.replication_user = d->words[3],
		.replication_password = &replication,
		.replication_host = "%",
		.binlog = number(d->words[5]) != 0,
	};
	return server_setup_accounts(d->conn, &accounts, deadline(d), &d->err);
}

static void put_findings(struct driver *d, const struct server_findings *findings)
{
	json_t *list = json_array();
	for (size_t i = 0; i < findings->count; i++) {
		const struct server_finding *finding = &findings->list[i];
		(void)json_array_append_new(
			list, json_pack("{s:s, s:b, s:s, s:s}", "id", finding->id, "blocking",
					finding->severity == FINDING_BLOCKING, "text",
					finding->text, "remedy", finding->remedy));
	}
	put(d, "findings", list);
}

static enum err do_audit(struct driver *d)
{
	struct server_findings findings = { .count = 0 };
	enum err rc = server_audit(d->conn, deadline(d), &findings, &d->err);
	put_findings(d, &findings);
	return rc;
}

static enum err do_privileges(struct driver *d)
{
	struct server_findings findings = { .count = 0 };
	enum err rc = server_check_privileges(d->conn, deadline(d), &findings, &d->err);
	put_findings(d, &findings);
	return rc;
}

static enum err account_add(void *ctx, const struct server_account *account, struct err_ctx *err)
{
	(void)err;
	json_t *row = json_object();
	(void)json_object_set_new(row, "user", json_stringn(account->user.ptr, account->user.len));
	(void)json_object_set_new(row, "host", json_stringn(account->host.ptr, account->host.len));
	(void)json_object_set_new(row, "plugin",
				  json_stringn_nocheck(account->plugin.ptr, account->plugin.len));
	(void)json_object_set_new(row, "auth_bytes", json_integer((json_int_t)account->auth.len));
	(void)json_object_set_new(row, "locked", json_boolean(account->locked));
	(void)json_array_append_new(ctx, row);
	return ERR_OK;
}

static enum err do_read_accounts(struct driver *d)
{
	json_t *list = json_array();
	enum err rc = server_read_accounts(d->conn, deadline(d), account_add, list, &d->err);
	put(d, "accounts", list);
	return rc;
}

static enum err do_discover(struct driver *d)
{
	struct server_neighbours neighbours = { .count = 0 };
	enum err rc = server_discover(d->conn, deadline(d), &neighbours, &d->err);
	json_t *list = json_array();
	for (size_t i = 0; i < neighbours.count; i++) {
		const struct server_neighbour *one = &neighbours.list[i];
		(void)json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:b}", "host",
							    one->host, "port", (int)one->port,
							    "server_id", (int)one->server_id,
							    "is_source", one->is_source));
	}
	put(d, "neighbours", list);
	return rc;
}

static enum err do_greeting(struct driver *d)
{
	struct conn_greeting greeting;
	conn_get_greeting(d->conn, &greeting);
	put(d, "version", json_string(greeting.version));
	put(d, "capabilities", json_integer(greeting.capabilities));
	put(d, "charset", json_integer(greeting.charset));
	put(d, "plugin", json_string(server_default_plugin(d->conn)));
	return ERR_OK;
}

/* rewind INDEX DATADIR KEPT TAIL DRY_RUN */
static enum err do_rewind(struct driver *d)
{
	struct gtid_set kept;
	struct rewind_result result = { .needed = false };
	gtid_set_init(&kept);
	gtid_set_init(&result.removed);
	enum err rc = gtid_set_parse(str_of(d->words[3]), GTID_MYSQL, &kept, &d->err);
	struct rewind_options options = {
		.index_path = d->words[1],
		.datadir = d->words[2],
		.kept = &kept,
		.tail_path = d->words[4],
		.dry_run = number(d->words[5]) != 0,
	};
	if (rc == ERR_OK) {
		rc = rewind_binlog(&options, &result, &d->err);
	}
	if (rc == ERR_OK) {
		put(d, "needed", json_boolean(result.needed));
		put(d, "file", json_string(result.file));
		put(d, "cut_offset", json_integer((json_int_t)result.cut_offset));
		put(d, "cut_bytes", json_integer((json_int_t)result.cut_bytes));
		put(d, "transactions", json_integer(result.transactions));
		put_gtids(d, "removed", &result.removed);
	}
	gtid_set_fini(&kept);
	gtid_set_fini(&result.removed);
	return rc;
}

/* tail SET FOLDER STEM USER PASSWORD */
static enum err do_tail(struct driver *d)
{
	struct secret password = { .text = "" };
	struct conn_options options = d->options;
	struct gtid_set wanted = { 0 };
	struct tail_result result = { .transactions = 0 };
	struct conn *dump = NULL;
	options.user = d->words[4];
	options.password = &password;
	enum err rc = str_copy(str_of(d->words[5]), password.text, sizeof(password.text));
	rc = rc ? rc : gtid_set_parse(str_of(d->words[1]), GTID_NONE, &wanted, &d->err);
	rc = rc ? rc : conn_open(&options, deadline(d), &dump, NULL, &d->err);
	if (rc == ERR_OK) {
		const struct tail_options tail = {
			.conn = d->conn,
			.dump = dump,
			.wanted = &wanted,
			.folder = d->words[2],
			.stem = d->words[3],
			.head = STR("# a test\n"),
			.wait_us = d->deadline_ms * US_PER_MS,
		};
		rc = tail_save(&tail, &result, &d->err);
	}
	if (rc == ERR_OK) {
		put(d, "log", json_string(result.log_path));
		put(d, "story", json_string(result.text_path));
		put(d, "bytes", json_integer((json_int_t)result.bytes));
		put(d, "transactions", json_integer(result.transactions));
		put_gtids(d, "missing", &result.missing);
	}
	dump = conn_close(dump);
	tail_fini(&result);
	gtid_set_fini(&wanted);
	return rc;
}

static enum err do_held(struct driver *d)
{
	struct gtid_set purged = { 0 };
	struct server_size size = { 0 };
	enum err rc = server_read_purged(d->conn, deadline(d), &purged, &d->err);
	rc = rc ? rc : server_read_size(d->conn, deadline(d), &size, &d->err);
	if (rc == ERR_OK) {
		put_gtids(d, "purged", &purged);
		put(d, "bytes", json_integer((json_int_t)size.bytes));
		put(d, "tables", json_integer(size.tables));
	}
	gtid_set_fini(&purged);
	return rc;
}

static const struct {
	const char *name;
	enum err (*run)(struct driver *d);
	bool needs_conn;
} commands[] = {
	{ "open", do_open, false },
	{ "close", do_close, false },
	{ "deadline", do_deadline, false },
	{ "rewind", do_rewind, false },
	{ "usable", do_usable, true },
	{ "query", do_query, true },
	{ "status", do_status, true },
	{ "probe", do_probe, true },
	{ "read_only", do_read_only, true },
	{ "heartbeat_create", do_heartbeat_create, true },
	{ "heartbeat_write", do_heartbeat_write, true },
	{ "heartbeat_read", do_heartbeat_read, true },
	{ "diagnose", do_diagnose, true },
	{ "side_door", do_side_door, true },
	{ "fence", do_fence, true },
	{ "kill_sessions", do_kill_sessions, true },
	{ "semisync", do_semisync, true },
	{ "promote", do_promote, true },
	{ "open_writes", do_open_writes, true },
	{ "stop_receiver", do_stop_receiver, true },
	{ "start_receiver", do_start_receiver, true },
	{ "stop", do_stop, true },
	{ "start", do_start, true },
	{ "forget", do_forget, true },
	{ "repoint", do_repoint, true },
	{ "wait_applied", do_wait_applied, true },
	{ "wait_drained", do_wait_drained, true },
	{ "accounts", do_accounts, true },
	{ "audit", do_audit, true },
	{ "privileges", do_privileges, true },
	{ "read_accounts", do_read_accounts, true },
	{ "discover", do_discover, true },
	{ "greeting", do_greeting, true },
	{ "tail", do_tail, true },
	{ "held", do_held, true },
};

static enum err run_command(struct driver *d)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, d->words[0]) != 0) {
			continue;
		}
		if (commands[i].needs_conn && !d->conn) {
			return err_set(&d->err, ERR_USAGE, "not connected");
		}
		return commands[i].run(d);
	}
	return err_set(&d->err, ERR_USAGE, "no command '%s'", d->words[0]);
}

static void run_line(struct driver *d, char *line)
{
	static char empty[] = "";
	size_t count = 0;
	for (char *word = strsep(&line, "\t"); word && count < WORDS_MAX;
	     word = strsep(&line, "\t")) {
		d->words[count++] = word;
	}
	while (count < WORDS_MAX) {
		d->words[count++] = empty;
	}
	d->answer = json_object();
	d->err = (struct err_ctx){ .code = ERR_OK };
	uint64_t from_us = clock_monotonic_us(&clock_system);
	enum err rc = run_command(d);
	uint64_t took_us = clock_monotonic_us(&clock_system) - from_us;
	enum reach reach = d->conn ? conn_reach(d->conn) : d->reach;
	put(d, "rc", json_string(err_name(rc)));
	put(d, "text", json_string(rc == ERR_OK ? "" : err_text(rc, &d->err)));
	put(d, "errno", json_integer(rc == ERR_OK ? 0 : d->err.server_errno));
	put(d, "reach", json_string(evidence_reach_name(reach)));
	put(d, "ms", json_real((double)took_us / US_PER_MS));
	(void)json_dumpf(d->answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
	json_decref(d->answer);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		(void)fprintf(stderr, "usage: db_driver HOST PORT USER PASSWORD\n");
		return 2;
	}
	struct driver driver = { .deadline_ms = DEADLINE_MS };
	if (secret_set(&driver.password, str_of(argv[4])) != ERR_OK) {
		return 2;
	}
	driver.options = (struct conn_options){ .host = argv[1],
						.port = (uint16_t)number(argv[2]),
						.user = argv[3],
						.password = &driver.password,
						.clock = &clock_system };
	char *line = mem_need(LINE_BYTES_MAX);
	while (fgets(line, LINE_BYTES_MAX, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		run_line(&driver, line);
	}
	driver.conn = conn_close(driver.conn);
	(void)mem_free(line);
	return 0;
}
