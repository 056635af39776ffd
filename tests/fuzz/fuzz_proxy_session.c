/* What a client sends into a session: log-in when the first byte is even, commands when it is odd; its second bit chooses
 * between a session with a server connection of its own and one that shares them.
 *
 * There is no server: a command that would go to one is given up at once, and the next one follows.
 * A prepared statement is there, so that its commands find one.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t no_time(void *ctx)
{
	(void)ctx;
	return 1;
}

static struct accounts *make_accounts(void)
{
	struct accounts_facts facts = { .server_version = "8.4.0",
					.default_plugin = "caching_sha2_password",
					.capabilities = UINT32_MAX };
	struct account rows[] = {
		{ .user = STR("a"), .host = STR("%"), .plugin = STR("caching_sha2_password") },
		{ .user = STR("n"),
		  .host = STR("%"),
		  .plugin = STR("mysql_native_password"),
		  .auth = STR("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19") },
	};
	struct accounts *accounts = accounts_new(&facts);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(accounts_add(accounts, &rows[i], NULL) == ERR_OK);
	}
	accounts_seal(accounts);
	return accounts;
}

static void run_input(struct worker *worker, const uint8_t *data, size_t size)
{
	int ends[2];
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	session_accept(worker, ends[0], data[0] & 2 ? PROXY_SPLIT : PROXY_WRITES, "127.0.0.1");
	struct session *session = LIST_ENTRY(worker->sessions.next, struct session, link);
	if (data[0] & 1) {
		session->phase = SESSION_IDLE;
		list_remove(&session->login_link);
		struct stmt *stmt = stmts_add(&session->stmts, STR("SELECT ?"));
		stmt->params = 1;
	}
	for (size_t at = 1; at < size && session->phase != SESSION_DEAD;) {
		ssize_t put = write(ends[1], data + at, size - at);
		if (put > 0) {
			at += (size_t)put;
		}
		session->io.readable = true;
		session->io.writable = true;
		session_run(session);
		uint8_t sink[4096];
		while (read(ends[1], sink, sizeof(sink)) > 0) {
		}
	}
	session_close(session);
	(void)close(ends[1]);
	for (struct list *link = list_pop(&worker->dying); link; link = list_pop(&worker->dying)) {
		struct dying *object = LIST_ENTRY(link, struct dying, link);
		object->free(object);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct clock clock = { .monotonic_us = no_time };
	static struct worker worker;
	static struct worker_shared shared;
	if (!shared.secrets) {
		shared.options.clock = &clock;
		shared.worker_count = 1;
		shared.workers = &worker;
		shared.secrets = secrets_new();
		check(auth_sha2_rsa_generate(&shared.key, NULL) == ERR_OK);
		check(worker_init(&worker, &shared, 0, NULL) == ERR_OK);
		worker.accounts = make_accounts();
	}
	worker.session_serial = 0;
	if (size > 1) {
		run_input(&worker, data, size);
	}
	return 0;
}
