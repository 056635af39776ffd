#include "writers.h"

#include <arpa/inet.h>
#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ledger.h"

enum {
	QUERY_BYTES_MAX = 256,
	ID_CLIENT_SHIFT = 40,
	ERRNOS_MAX = 32,	   /* different error numbers that are counted apart */
	RECONNECT_PAUSE_US = 1000, /* after a refused connection */
	STOP_POLL_NS = 20000000,
};

struct errno_count {
	unsigned number;
	uint64_t count;
};

/* What all clients share; the mutex guards everything below it. */
struct totals {
	const struct options *options;
	int ledger_fd;
	atomic_bool stop;
	pthread_mutex_t mutex;
	uint64_t counts[LEDGER_OUTCOME_COUNT_];
	uint64_t reconnects;
	uint64_t refused_connections;
	struct errno_count errnos[ERRNOS_MAX];
	uint64_t started_us;
	uint64_t last_acknowledged_us;
	uint64_t silence_us; /* the longest between two acknowledged writes, all clients together */
	uint64_t silence_at_us;
	uint64_t pause_us; /* the longest between two acknowledged writes of one client */
	uint64_t write_us; /* the longest acknowledged write */
	bool ledger_failed;
};

struct client {
	struct totals *totals;
	uint32_t number; /* from 0 */
	pthread_t thread;
	uint64_t last_acknowledged_us;
};

/* The clock that Python's time.monotonic() reads too. */
static uint64_t now_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

MYSQL *writers_connect(const struct options *options, const char *database, struct err_ctx *err)
{
	MYSQL *conn = mysql_init(NULL);
	if (!conn) {
		(void)err_set(err, ERR_NOMEM, "no memory for a connection");
		return NULL;
	}
	unsigned timeout_s = options->timeout_s;
	(void)mysql_optionsv(conn, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
	(void)mysql_optionsv(conn, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
	(void)mysql_optionsv(conn, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
	if (mysql_real_connect(conn, options->host, options->user, options->password, database,
			       options->port, NULL, 0)) {
		return conn;
	}
	(void)err_set(err, ERR_UNREACHABLE, "%s:%u: %s", options->host, options->port,
		      mysql_error(conn));
	if (err) {
		err->server_errno = mysql_errno(conn);
	}
	mysql_close(conn);
	return NULL;
}

enum err writers_prepare(const struct options *options, struct err_ctx *err)
{
	static const struct {
		const char *head;
		const char *tail;
	} statements[] = {
		{ "CREATE DATABASE IF NOT EXISTS `", "`" },
		{ "DROP TABLE IF EXISTS `", "`.ledger" },
		{ "CREATE TABLE `",
		  "`.ledger (row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
		  " id BIGINT UNSIGNED NOT NULL, client INT UNSIGNED NOT NULL,"
		  " n BIGINT UNSIGNED NOT NULL, KEY (id)) ENGINE=InnoDB" },
	};
	MYSQL *conn = writers_connect(options, NULL, err);
	if (!conn) {
		return ERR_UNREACHABLE;
	}
	enum err rc = ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < sizeof(statements) / sizeof(statements[0]); i++) {
		struct buf text;
		char memory[QUERY_BYTES_MAX * 2];
		buf_init_fixed(&text, memory, sizeof(memory));
		buf_add_text(&text, statements[i].head);
		buf_add_text(&text, options->database);
		buf_add_text(&text, statements[i].tail);
		if (buf_finish(&text) != ERR_OK) {
			rc = err_set(err, ERR_LIMIT, "the database's name is too long");
		} else if (mysql_real_query(conn, memory, text.len) != 0) {
			rc = err_set(err, ERR_SERVER, "%s", mysql_error(conn));
		}
	}
	mysql_close(conn);
	return rc;
}

/* What an error of an autocommit INSERT says about the row. Every number of the client library, every
 * state of a broken connection (class 08) and what a dying server sends leave it open. */
static enum ledger_outcome outcome_of(unsigned server_errno, const char *sqlstate)
{
	if (server_errno == 0) {
		return LEDGER_ACKNOWLEDGED;
	}
	bool lost = (server_errno >= CR_MIN_ERROR && server_errno <= CR_MAX_ERROR) ||
		    str_starts_with(str_of(sqlstate), STR("08")) ||
		    server_errno == ER_SERVER_SHUTDOWN || server_errno == ER_CONNECTION_KILLED;
	return lost ? LEDGER_UNKNOWN : LEDGER_REFUSED;
}

/* The words of the first error of each number go to standard error. */
static void count_errno(struct totals *totals, unsigned number, const char *words)
{
	for (size_t i = 0; number && i < ERRNOS_MAX; i++) {
		struct errno_count *row = &totals->errnos[i];
		if (row->number == 0) {
			row->number = number;
			(void)fprintf(stderr, "bench_load: first error %u: %s\n", number, words);
		}
		if (row->number == number) {
			row->count++;
			return;
		}
	}
}

static void note(struct client *client, const struct ledger_line *line, const char *words)
{
	struct totals *totals = client->totals;
	bool written = ledger_append(totals->ledger_fd, line) == ERR_OK;
	(void)pthread_mutex_lock(&totals->mutex);
	totals->ledger_failed = totals->ledger_failed || !written;
	totals->counts[line->outcome]++;
	count_errno(totals, line->server_errno, words);
	if (line->outcome == LEDGER_ACKNOWLEDGED) {
		uint64_t last = totals->last_acknowledged_us;
		if (last && line->ended_us > last && line->ended_us - last > totals->silence_us) {
			totals->silence_us = line->ended_us - last;
			totals->silence_at_us = last;
		}
		if (line->ended_us > last) {
			totals->last_acknowledged_us = line->ended_us;
		}
		uint64_t own = client->last_acknowledged_us;
		if (own && line->ended_us - own > totals->pause_us) {
			totals->pause_us = line->ended_us - own;
		}
		client->last_acknowledged_us = line->ended_us;
		if (line->ended_us - line->started_us > totals->write_us) {
			totals->write_us = line->ended_us - line->started_us;
		}
	}
	(void)pthread_mutex_unlock(&totals->mutex);
}

static void sleep_us(uint64_t pause_us)
{
	struct timespec pause = { (time_t)(pause_us / US_PER_S),
				  (long)(pause_us % US_PER_S) * 1000 };
	(void)nanosleep(&pause, NULL);
}

/* One try to reach the port, for as long as a knock takes: TCP itself would try again only after a second. Where that can't
 * be found out the connection itself will tell. */
static bool knock(const struct options *options)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)options->port) };
	if (options->knock_ms == 0 || inet_pton(AF_INET, options->host, &to.sin_addr) != 1) {
		return true;
	}
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };
	if (fd < 0) {
		return true;
	}
	int error = 0;
	socklen_t bytes = sizeof(error);
	bool open = connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
	if (!open && errno == EINPROGRESS && poll(&wanted, 1, (int)options->knock_ms) == 1) {
		open = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0;
	}
	(void)close(fd);
	return open;
}

/* A connection, sooner or later; NULL when it is time to stop. */
static MYSQL *connect_again(struct client *client)
{
	struct totals *totals = client->totals;
	struct err_ctx err = { 0 };
	MYSQL *conn = NULL;
	while (!conn && !atomic_load(&totals->stop)) {
		if (!knock(totals->options)) {
			sleep_us(RECONNECT_PAUSE_US);
			continue;
		}
		conn = writers_connect(totals->options, totals->options->database, &err);
		(void)pthread_mutex_lock(&totals->mutex);
		if (conn) {
			totals->reconnects++;
		} else {
			totals->refused_connections++;
			count_errno(totals, err.server_errno, err.text);
		}
		(void)pthread_mutex_unlock(&totals->mutex);
		if (!conn) {
			sleep_us(RECONNECT_PAUSE_US);
		}
	}
	return conn;
}

static struct ledger_line write_row(const struct client *client, MYSQL *conn, uint64_t n)
{
	char query[QUERY_BYTES_MAX];
	struct ledger_line line = { .id = (uint64_t)client->number << ID_CLIENT_SHIFT | n };
	int bytes = snprintf(query, sizeof(query),
			     "INSERT INTO ledger (id, client, n) VALUES (%llu, %u, %llu)",
			     (unsigned long long)line.id, client->number, (unsigned long long)n);
	line.started_us = now_us();
	if (mysql_real_query(conn, query, (unsigned long)bytes) != 0) {
		line.server_errno = mysql_errno(conn);
	}
	line.ended_us = now_us();
	line.outcome = outcome_of(line.server_errno, mysql_sqlstate(conn));
	return line;
}

static void *client_main(void *ctx)
{
	struct client *client = ctx;
	struct totals *totals = client->totals;
	(void)mysql_thread_init();
	MYSQL *conn = NULL;
	for (uint64_t n = 1; !atomic_load(&totals->stop); n++) {
		if (!conn) {
			conn = connect_again(client);
		}
		if (!conn) {
			break;
		}
		struct ledger_line line = write_row(client, conn, n);
		note(client, &line, mysql_error(conn));
		/* An error packet leaves the session alive; a broken connection has no transport. */
		if (line.outcome == LEDGER_UNKNOWN && !conn->net.pvio) {
			mysql_close(conn);
			conn = NULL;
		}
		if (totals->options->pause_us) {
			sleep_us(totals->options->pause_us);
		}
	}
	if (conn) {
		mysql_close(conn);
	}
	mysql_thread_end();
	return NULL;
}

/* Waits for the time to be over or for one of the (blocked) signals. */
static void wait_for_end(const struct options *options, const sigset_t *signals)
{
	uint64_t end_us = now_us() + (uint64_t)options->seconds * US_PER_S;
	while (options->seconds == 0 || now_us() < end_us) {
		struct timespec pause = { 0, STOP_POLL_NS };
		if (sigtimedwait(signals, NULL, &pause) > 0) {
			return;
		}
	}
}

static double ms(uint64_t us)
{
	return (double)us / US_PER_MS;
}

static void print_totals(const struct totals *totals, uint32_t clients)
{
	(void)printf(
		"{\"clients\": %u, \"seconds\": %.3f, \"acknowledged\": %llu, "
		"\"refused\": %llu, \"unknown\": %llu, \"reconnects\": %llu, "
		"\"refused_connections\": %llu, \"silence_ms\": %.3f, \"silence_at_us\": %llu, "
		"\"client_pause_ms\": %.3f, \"write_ms\": %.3f, \"errors\": {",
		clients, ms(now_us() - totals->started_us) / 1000,
		(unsigned long long)totals->counts[LEDGER_ACKNOWLEDGED],
		(unsigned long long)totals->counts[LEDGER_REFUSED],
		(unsigned long long)totals->counts[LEDGER_UNKNOWN],
		(unsigned long long)(totals->reconnects - clients),
		(unsigned long long)totals->refused_connections, ms(totals->silence_us),
		(unsigned long long)totals->silence_at_us, ms(totals->pause_us),
		ms(totals->write_us));
	for (size_t i = 0; i < ERRNOS_MAX && totals->errnos[i].number; i++) {
		(void)printf("%s\"%u\": %llu", i ? ", " : "", totals->errnos[i].number,
			     (unsigned long long)totals->errnos[i].count);
	}
	(void)printf("}}\n");
}

enum err writers_run(const struct options *options, struct err_ctx *err)
{
	sigset_t signals;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	struct totals totals = {
		.options = options,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.started_us = now_us(),
		.ledger_fd = open(options->ledger_path,
				  O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644),
	};
	if (totals.ledger_fd < 0) {
		return err_set(err, ERR_IO, "ledger '%s': %s", options->ledger_path,
			       strerrordesc_np(errno));
	}
	uint32_t started = 0;
	CLEANUP(mem_freep) struct client *clients = mem_need(options->clients * sizeof(*clients));
	for (; started < options->clients; started++) {
		struct client *client = &clients[started];
		*client = (struct client){ .totals = &totals, .number = started };
		if (pthread_create(&client->thread, NULL, client_main, client) != 0) {
			break;
		}
	}
	if (started == options->clients) {
		wait_for_end(options, &signals);
	}
	atomic_store(&totals.stop, true);
	for (uint32_t i = 0; i < started; i++) {
		(void)pthread_join(clients[i].thread, NULL);
	}
	(void)close(totals.ledger_fd);
	if (started < options->clients) {
		return err_set(err, ERR_LIMIT, "only %u threads could be started", started);
	}
	print_totals(&totals, options->clients);
	if (totals.ledger_failed) {
		return err_set(err, ERR_IO, "ledger '%s' could not be written",
			       options->ledger_path);
	}
	return ERR_OK;
}
