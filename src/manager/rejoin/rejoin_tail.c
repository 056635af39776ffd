#include "manager/rejoin/rejoin_tail.h"

#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "db/log/tail.h"
#include "manager/records/record_json.h"

enum {
	TRIES_MAX = 100, /* names for the files of one second */
	WAIT_S = 30,	 /* the server may be slow with reading its old logs */
	HEAD_BYTES_MAX = 2 * 1024 * 1024,
	STEM_BYTES = NAME_BYTES_MAX + 32,
};

static bool is_cancelled(void *ctx)
{
	const struct rejoin *job = ctx;
	return atomic_load(&job->cancelled);
}

static struct tm time_now(const struct rejoin *job)
{
	time_t seconds = (time_t)(clock_wall_us(job->options->clock) / US_PER_S);
	struct tm parts = { .tm_mday = 1 };
	(void)gmtime_r(&seconds, &parts);
	return parts;
}

/* SERVER-20261121T061500Z, and with a number behind it from the second on. */
static void make_stem(const struct rejoin *job, unsigned number, char to[STEM_BYTES])
{
	char when[24];
	char name[NAME_BYTES_MAX];
	const struct tm now = time_now(job);
	(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &now);
	(void)snprintf(name, sizeof(name), "%s", job->order.server.name);
	for (size_t i = 0; name[i]; i++) {
		if (name[i] == '/' || (i == 0 && name[i] == '.')) {
			name[i] = '_';
		}
	}
	if (number == 1) {
		(void)snprintf(to, STEM_BYTES, "%s-%s", name, when);
	} else {
		(void)snprintf(to, STEM_BYTES, "%s-%s-%u", name, when, number);
	}
}

static void make_head(const struct rejoin *job, const struct rejoin_look *look, const char *stem,
		      struct buf *head)
{
	const struct rejoin_order *order = &job->order;
	char when[32];
	const struct tm now = time_now(job);
	(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &now);
	buf_printf(head,
		   "# Transactions that server %s (%s:%u, %s) of group %s has\n"
		   "# and that its primary %s lacks. Saved %s by muster %s.\n"
		   "# The transactions themselves: %s.binlog, for mysqlbinlog or mariadb-binlog.\n"
		   "# ",
		   order->server.name, order->server.host, (unsigned)order->server.port,
		   look->status.version, order->group, order->primary.name, when, MUSTER_VERSION,
		   stem);
	gtid_set_print(&look->extra, head);
	buf_add_text(head, "\n\n");
}

/* The stream of binary logs belongs to the replication account; some set-ups allow it from replicas' hosts only. */
static enum err connect_dump(const struct rejoin *job, struct conn **ret, struct err_ctx *err)
{
	enum err rc = rejoin_connect(job, &job->order.server, true, ret, err);
	if (rc != ERR_OK && rejoin_connect(job, &job->order.server, false, ret, NULL) == ERR_OK) {
		rc = ERR_OK;
	}
	return rc;
}

static enum err try_save(const struct rejoin *job, const struct rejoin_look *look, const char *stem,
			 struct tail_result *ret, struct err_ctx *err)
{
	CLEANUP(conn_closep) struct conn *dump = NULL;
	enum err rc = connect_dump(job, &dump, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct buf head;
	buf_init(&head, HEAD_BYTES_MAX);
	make_head(job, look, stem, &head);
	const struct tail_options options = {
		.conn = look->server,
		.dump = dump,
		.wanted = &look->extra,
		.folder = job->order.folder,
		.stem = stem,
		.head = buf_str(&head),
		.wait_us = (uint64_t)WAIT_S * US_PER_S,
		.is_cancelled = is_cancelled,
		.ctx = (void *)(uintptr_t)job,
	};
	rc = tail_save(&options, ret, err);
	buf_fini(&head);
	return rc;
}

enum err rejoin_tail_save(const struct rejoin *job, const struct rejoin_look *look, json_t **ret,
			  struct err_ctx *err)
{
	enum err rc = ERR_EXISTS;
	struct tail_result result = { .transactions = 0 };
	for (unsigned i = 1; i <= TRIES_MAX && rc == ERR_EXISTS; i++) {
		char stem[STEM_BYTES];
		make_stem(job, i, stem);
		rc = try_save(job, look, stem, &result, err);
	}
	if (rc == ERR_OK) {
		*ret = json_pack("{s:s, s:s, s:i, s:I, s:o}", "binlog", result.log_path, "story",
				 result.text_path, "transactions", (int)result.transactions,
				 "bytes", (json_int_t)result.bytes, "missing",
				 gtid_to_json(&result.missing));
	}
	tail_fini(&result);
	return rc;
}
