#include "db/conn.h"

#include <errno.h>
#include <linux/tcp.h>
#include <mysql.h>
#include <errmsg.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/conn_text.h"
#include "db/resolve.h"

/* Which of libmariadb's calls is under way. */
enum call { CALL_NONE, CALL_CONNECT, CALL_QUERY, CALL_STORE, CALL_NEXT, CALL_ROW };

enum {
	/* Resumptions after which an abandoned call is taken to be over: each one sees an end of file. */
	ABANDON_STEPS_MAX = 1000,
	TARGET_BYTES_MAX = HOST_BYTES_MAX + 16,
	WAIT_SLICE_US = 500 * 1000,
};

struct conn {
	MYSQL mysql;
	const struct clock *clock;
	enum call call;	   /* CALL_NONE between calls */
	int wait_status;   /* of the call: MYSQL_WAIT_* it waits for */
	int call_result;   /* of the call: 0 or what it returned; for CALL_NEXT -1: no more */
	MYSQL_RES *result; /* of CALL_STORE and CALL_ROW */
	MYSQL_ROW row;	   /* of CALL_ROW; NULL at the end */
	bool connected;	   /* the greeting and log-in are done */
	bool usable;
	int fd; /* once connected */
	enum contact_phase phase;
	enum reach reach;
	struct buf sql; /* of conn_begin() */
	uint32_t user_timeout_ms;
	const struct conn_permit *permit; /* NULL: everything is allowed */
	uint32_t notes;			  /* of db/server */
	char target[TARGET_BYTES_MAX];	  /* "db1:3306" */
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_start(void)
{
	(void)mysql_server_init(0, NULL, NULL);
}

/* Resumes the call under way; its result is in conn->call_result once wait_status is 0. */
static void call_resume(struct conn *conn, int events)
{
	MYSQL *connected = NULL;
	int result = 0;
	switch (conn->call) {
	case CALL_CONNECT:
		conn->wait_status = mysql_real_connect_cont(&connected, &conn->mysql, events);
		result = connected ? 0 : 1;
		break;
	case CALL_QUERY:
		conn->wait_status = mysql_real_query_cont(&result, &conn->mysql, events);
		break;
	case CALL_STORE:
		conn->wait_status = mysql_store_result_cont(&conn->result, &conn->mysql, events);
		break;
	case CALL_NEXT:
		conn->wait_status = mysql_next_result_cont(&result, &conn->mysql, events);
		break;
	case CALL_ROW:
		conn->wait_status = mysql_fetch_row_cont(&conn->row, conn->result, events);
		break;
	case CALL_NONE:
		check(conn->call != CALL_NONE);
		break;
	}
	conn->call_result = result;
}

/* Ends the call under way by force: the socket is shut, so each further step fails at once. */
static void call_abandon(struct conn *conn)
{
	conn->usable = false;
	my_socket fd = mysql_get_socket(&conn->mysql);
	if (fd >= 0) {
		(void)shutdown(fd, SHUT_RDWR);
	}
	for (int i = 0; i < ABANDON_STEPS_MAX && conn->wait_status != 0; i++) {
		call_resume(conn, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE | MYSQL_WAIT_TIMEOUT);
	}
	if (conn->result) {
		mysql_free_result(TAKE(conn->result));
	}
	conn->call = CALL_NONE;
}

/* Waits for what the call waits for. false: the time came first. */
static bool wait_ready(struct conn *conn, uint64_t until_us, int *ret_events)
{
	struct pollfd pfd = { .fd = mysql_get_socket(&conn->mysql) };
	int wanted = conn->wait_status;
	pfd.events = (short)(((wanted & MYSQL_WAIT_READ) ? POLLIN : 0) |
			     ((wanted & MYSQL_WAIT_WRITE) ? POLLOUT : 0) |
			     ((wanted & MYSQL_WAIT_EXCEPT) ? POLLPRI : 0));
	for (;;) {
		uint64_t at_us = clock_monotonic_us(conn->clock);
		uint64_t left_us = until_us > at_us ? until_us - at_us : 0;
		/* In slices: the clock of one that is to be broken off jumps ahead. */
		uint64_t slice_us = left_us < WAIT_SLICE_US ? left_us : WAIT_SLICE_US;
		struct timespec timeout = { .tv_sec = 0, .tv_nsec = (long)slice_us * 1000 };
		int n = ppoll(&pfd, 1, &timeout, NULL);
		if (n > 0) {
			break;
		}
		if (n == 0 && left_us == 0) {
			return false;
		}
		if (n < 0 && errno != EINTR) {
			return false;
		}
	}
	*ret_events = wanted & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE | MYSQL_WAIT_EXCEPT);
	return true;
}

/* How far the log-in is, from what libmariadb waits for: a connect waits for the socket to become
 * writable, the greeting for the first bytes. */
static void phase_note(struct conn *conn)
{
	if (conn->connected) {
		return;
	}
	if (conn->mysql.server_version || conn->phase == CONTACT_LOGIN) {
		conn->phase = CONTACT_LOGIN;
	} else if (conn->wait_status & MYSQL_WAIT_READ) {
		conn->phase = CONTACT_GREETING;
	}
}

/* Drives the call under way to its end. false: the deadline came first, the call still waits. */
static bool call_run(struct conn *conn, uint64_t until_us)
{
	while (conn->wait_status != 0) {
		phase_note(conn);
		int events = 0;
		if (!wait_ready(conn, until_us, &events)) {
			return false;
		}
		call_resume(conn, events);
	}
	phase_note(conn);
	conn->call = CALL_NONE;
	return true;
}

static enum err fail_deadline(struct conn *conn, struct err_ctx *err)
{
	struct contact_end end = { .phase = conn->phase, .deadline = true };
	conn->reach = evidence_reach(&end);
	return err_set(err, ERR_DEADLINE, "server '%s': deadline passed while %s", conn->target,
		       evidence_phase_name(conn->phase));
}

static enum err fail_unusable(const struct conn *conn, struct err_ctx *err)
{
	return err_set(
		err, ERR_UNREACHABLE,
		"server '%s': this connection is over (it was lost, or a deadline passed on it)",
		conn->target);
}

/* Whether a statement may be sent. */
static enum err check_ready(const struct conn *conn, struct err_ctx *err)
{
	if (!conn->usable) {
		return fail_unusable(conn, err);
	}
	if (conn->permit && !conn->permit->holds(conn->permit->ctx)) {
		return err_set(err, ERR_REFUSED,
			       "server '%s': nothing more is sent: another manager may lead by now",
			       conn->target);
	}
	return ERR_OK;
}

/* Turns libmariadb's newest error into ours. */
static enum err fail_mysql(struct conn *conn, struct err_ctx *err)
{
	unsigned number = mysql_errno(&conn->mysql);
	const char *text = mysql_error(&conn->mysql);
	struct contact_end end = {
		.phase = conn->phase,
		.server_errno = number,
		.os_errno = conn_text_os_errno(str_of(text)),
	};
	bool packet =
		number != 0 && (number < CR_MIN_ERROR || number > CR_MAX_ERROR) && number < 5000;
	conn->reach = evidence_reach(&end);
	if (!packet || !conn->connected) {
		conn->usable = false;
	}
	enum err code = ERR_UNREACHABLE;
	if (evidence_is_privilege(number)) {
		code = ERR_PRIVILEGE;
	} else if (packet || evidence_is_refusal(number)) {
		code = ERR_SERVER;
	}
	err_set(err, code, "server '%s': %s (%u, while %s)", conn->target, text, number,
		evidence_phase_name(conn->phase));
	if (err) {
		err->server_errno = number;
	}
	return code;
}

static void socket_tune(struct conn *conn)
{
	conn->fd = mysql_get_socket(&conn->mysql);
	int on = 1;
	/* Both fail harmlessly on a Unix socket. */
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &conn->user_timeout_ms,
			 sizeof(conn->user_timeout_ms));
}

static void library_options(MYSQL *mysql, const struct conn_options *options)
{
	unsigned protocol = options->socket_path ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
	unsigned off_number = 0;
	my_bool off = 0;
	(void)mysql_options(mysql, MYSQL_OPT_NONBLOCK, NULL);
	(void)mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	(void)mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off_number);
	(void)mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &off);
	(void)mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
	(void)mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* Without NO_BACKSLASH_ESCAPES, which conn_quote() relies on. */
	(void)mysql_options(mysql, MYSQL_INIT_COMMAND, "SET SESSION sql_mode=''");
}

/* One attempt at one address. On failure conn->mysql is closed again. */
static enum err attempt(struct conn *conn, const struct conn_options *options, const char *address,
			uint64_t deadline_us, struct err_ctx *err)
{
	check(mysql_init(&conn->mysql) != NULL);
	library_options(&conn->mysql, options);
	conn->usable = true;
	conn->call = CALL_CONNECT;
	conn->phase = CONTACT_CONNECTING;
	MYSQL *connected = NULL;
	conn->wait_status = mysql_real_connect_start(
		&connected, &conn->mysql, address, options->user,
		options->password ? options->password->text : "", NULL, options->port,
		options->socket_path, CLIENT_MULTI_STATEMENTS | CLIENT_REMEMBER_OPTIONS);
	conn->call_result = connected ? 0 : 1;
	enum err rc = ERR_OK;
	if (!call_run(conn, deadline_us)) {
		call_abandon(conn);
		rc = fail_deadline(conn, err);
	} else if (conn->call_result != 0) {
		rc = fail_mysql(conn, err);
	}
	if (rc != ERR_OK) {
		conn->usable = false;
		mysql_close(&conn->mysql);
		return rc;
	}
	conn->connected = true;
	conn->phase = CONTACT_QUERY;
	conn->reach = REACH_ANSWERS;
	socket_tune(conn);
	return ERR_OK;
}

/* Tries the addresses in turn; each gets its share of what time is left. */
static enum err attempt_all(struct conn *conn, const struct conn_options *options,
			    const struct resolve_addresses *addresses, uint64_t deadline_us,
			    struct err_ctx *err)
{
	enum err rc = ERR_UNREACHABLE;
	for (size_t i = 0; i < addresses->count; i++) {
		uint64_t at_us = clock_monotonic_us(options->clock);
		uint64_t left_us = deadline_us > at_us ? deadline_us - at_us : 0;
		uint64_t until_us = at_us + left_us / (addresses->count - i);
		rc = attempt(conn, options, addresses->list[i], until_us, err);
		if (rc == ERR_OK || conn->reach == REACH_REFUSES_US) {
			return rc;
		}
	}
	return rc;
}

static void target_set(struct conn *conn, const struct conn_options *options)
{
	int n = options->socket_path
			? snprintf(conn->target, sizeof(conn->target), "%s", options->socket_path)
			: snprintf(conn->target, sizeof(conn->target), "%s:%u", options->host,
				   (unsigned)options->port);
	(void)n; /* cut when too long: for messages only */
}

enum err conn_open(const struct conn_options *options, uint64_t deadline_us, struct conn **ret,
		   enum reach *ret_reach, struct err_ctx *err)
{
	(void)pthread_once(&library_once, library_start);
	struct conn *conn = mem_need(sizeof(*conn));
	conn->clock = options->clock;
	conn->user_timeout_ms =
		options->user_timeout_ms ? options->user_timeout_ms : CONN_USER_TIMEOUT_MS;
	buf_init(&conn->sql, CONN_SQL_BYTES_MAX);
	target_set(conn, options);
	enum err rc;
	if (options->socket_path) {
		rc = attempt(conn, options, NULL, deadline_us, err);
	} else {
		struct resolve_addresses addresses = { .count = 0 };
		rc = resolve_name(options->host, options->clock, deadline_us, &addresses, err);
		if (rc == ERR_OK) {
			rc = attempt_all(conn, options, &addresses, deadline_us, err);
		} else {
			conn->reach = rc == ERR_LIMIT ? REACH_UNKNOWN : REACH_NAME;
		}
	}
	if (ret_reach) {
		*ret_reach = conn->reach;
	}
	if (rc != ERR_OK) {
		buf_fini(&conn->sql);
		(void)mem_free(conn);
		return rc;
	}
	*ret = conn;
	return ERR_OK;
}

struct conn *conn_close(struct conn *conn)
{
	if (!conn) {
		return NULL;
	}
	if (conn->call != CALL_NONE) {
		call_abandon(conn);
	}
	if (!conn->usable) {
		my_socket fd = mysql_get_socket(&conn->mysql);
		if (fd >= 0) {
			/* What has not arrived yet is not sent again: a statement that was given
			 * up must not be carried out long after. */
			const struct linger drop = { .l_onoff = 1, .l_linger = 0 };
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
			(void)shutdown(fd, SHUT_RDWR);
		}
		mysql_close(&conn->mysql);
	} else {
		/* The goodbye fits into the socket's buffer; where it doesn't, it is not sent. */
		int status = mysql_close_start(&conn->mysql);
		if (status != 0) {
			(void)shutdown(mysql_get_socket(&conn->mysql), SHUT_RDWR);
		}
		for (int i = 0; i < ABANDON_STEPS_MAX && status != 0; i++) {
			status = mysql_close_cont(&conn->mysql,
						  MYSQL_WAIT_WRITE | MYSQL_WAIT_TIMEOUT);
		}
	}
	buf_fini(&conn->sql);
	return mem_free(conn);
}

void conn_closep(struct conn **conn)
{
	*conn = conn_close(*conn);
}

/* Runs the call that was just started; abandons it at the deadline. */
static enum err finish_call(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	if (!call_run(conn, deadline_us)) {
		call_abandon(conn);
		return fail_deadline(conn, err);
	}
	return ERR_OK;
}

/* Reads the results of the statements that were sent. */
static enum err read_sets(struct conn *conn, uint64_t deadline_us, struct rows **sets, size_t count,
			  struct err_ctx *err)
{
	for (size_t i = 0;; i++) {
		conn->call = CALL_STORE;
		conn->result = NULL;
		conn->wait_status = mysql_store_result_start(&conn->result, &conn->mysql);
		enum err rc = finish_call(conn, deadline_us, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (conn->result) {
			struct rows *rows = rows_take(&conn->result);
			if (i < count) {
				sets[i] = rows;
			} else {
				(void)rows_free(rows);
			}
		} else if (mysql_errno(&conn->mysql) != 0) {
			return fail_mysql(conn, err);
		}
		if (!mysql_more_results(&conn->mysql)) {
			return ERR_OK;
		}
		conn->call = CALL_NEXT;
		int result = 0;
		conn->wait_status = mysql_next_result_start(&result, &conn->mysql);
		conn->call_result = result;
		rc = finish_call(conn, deadline_us, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (conn->call_result > 0) {
			return fail_mysql(conn, err);
		}
	}
}

static void sets_free(struct rows **sets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sets[i] = rows_free(sets[i]);
	}
}

static void query_start(struct conn *conn, struct str sql)
{
	int result = 0;
	conn->call = CALL_QUERY;
	conn->wait_status =
		mysql_real_query_start(&result, &conn->mysql, sql.ptr, (unsigned long)sql.len);
	conn->call_result = result;
}

/* What follows when the answer's first packet is there. */
static enum err query_finish(struct conn *conn, uint64_t deadline_us, struct rows **sets,
			     size_t count, struct err_ctx *err)
{
	enum err rc = conn->call_result != 0 ? fail_mysql(conn, err)
					     : read_sets(conn, deadline_us, sets, count, err);
	if (rc == ERR_OK) {
		conn->reach = REACH_ANSWERS;
	}
	return rc;
}

enum err conn_query_sets(struct conn *conn, struct str sql, uint64_t deadline_us,
			 struct rows **ret_sets, size_t count, struct err_ctx *err)
{
	check(conn->call == CALL_NONE);
	enum { SETS_MAX = 16 };
	struct rows *sets[SETS_MAX] = { NULL };
	check(count <= SETS_MAX);
	enum err rc = check_ready(conn, err);
	if (rc != ERR_OK) {
		return rc;
	}
	query_start(conn, sql);
	rc = finish_call(conn, deadline_us, err);
	if (rc == ERR_OK) {
		rc = query_finish(conn, deadline_us, sets, count, err);
	}
	if (rc != ERR_OK) {
		sets_free(sets, count);
		return rc;
	}
	for (size_t i = 0; i < count; i++) {
		ret_sets[i] = sets[i];
	}
	return ERR_OK;
}

enum err conn_query(struct conn *conn, struct str sql, uint64_t deadline_us, struct rows **ret,
		    struct err_ctx *err)
{
	enum { FIRST_SETS = 8 };
	struct rows *sets[FIRST_SETS] = { NULL };
	enum err rc = conn_query_sets(conn, sql, deadline_us, sets, FIRST_SETS, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct rows *found = NULL;
	for (size_t i = 0; i < FIRST_SETS && !found; i++) {
		found = TAKE(sets[i]);
	}
	sets_free(sets, FIRST_SETS);
	if (ret) {
		*ret = found;
	} else {
		(void)rows_free(found);
	}
	return ERR_OK;
}

/* The next row of the stream; *ret_end when there is none. */
static enum err stream_row(struct conn *conn, uint64_t wait_us, bool *ret_end, struct err_ctx *err)
{
	conn->call = CALL_ROW;
	conn->row = NULL;
	conn->wait_status = mysql_fetch_row_start(&conn->row, conn->result);
	enum err rc = finish_call(conn, clock_monotonic_us(conn->clock) + wait_us, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret_end = conn->row == NULL;
	return *ret_end && mysql_errno(&conn->mysql) != 0 ? fail_mysql(conn, err) : ERR_OK;
}

static enum err stream_rows(struct conn *conn, uint64_t wait_us, conn_row_fn *each, void *ctx,
			    struct err_ctx *err)
{
	size_t count = mysql_num_fields(conn->result);
	struct str *values = mem_need(sizeof(*values) * (count ? count : 1));
	bool end = false;
	enum err rc = ERR_OK;
	for (;;) {
		rc = stream_row(conn, wait_us, &end, err);
		if (rc != ERR_OK || end) {
			break;
		}
		const unsigned long *lengths = mysql_fetch_lengths(conn->result);
		for (size_t i = 0; i < count; i++) {
			values[i] = (struct str){ conn->row[i], conn->row[i] ? lengths[i] : 0 };
		}
		rc = each(ctx, values, count, err);
		if (rc != ERR_OK) {
			/* The rest of the rows is on its way: nothing else can be asked here. */
			conn->usable = false;
			(void)shutdown(conn->fd, SHUT_RDWR);
			break;
		}
	}
	mem_free(values);
	return rc;
}

enum err conn_stream(struct conn *conn, struct str sql, uint64_t wait_us, conn_row_fn *each,
		     void *ctx, struct err_ctx *err)
{
	check(conn->call == CALL_NONE);
	if (!conn->usable) {
		return fail_unusable(conn, err);
	}
	query_start(conn, sql);
	enum err rc = finish_call(conn, clock_monotonic_us(conn->clock) + wait_us, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (conn->call_result != 0) {
		return fail_mysql(conn, err);
	}
	conn->result = mysql_use_result(&conn->mysql);
	if (!conn->result) {
		return mysql_errno(&conn->mysql) != 0
			       ? fail_mysql(conn, err)
			       : err_set(err, ERR_PROTOCOL, "the statement gives no rows");
	}
	rc = stream_rows(conn, wait_us, each, ctx, err);
	/* A deadline has released it already. */
	if (conn->result) {
		mysql_free_result(TAKE(conn->result));
	}
	return rc;
}

enum err conn_exec(struct conn *conn, uint64_t deadline_us, struct err_ctx *err, const char *format,
		   ...)
{
	va_list args;
	va_start(args, format);
	char *text = NULL;
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		return err_set(err, ERR_NOMEM, "statement cannot be built");
	}
	enum err rc = conn_query(conn, (struct str){ text, (size_t)n }, deadline_us, NULL, err);
	explicit_bzero(text, (size_t)n); /* it may hold a password */
	(void)mem_free(text);
	return rc;
}

enum err conn_begin(struct conn *conn, struct str sql, struct err_ctx *err)
{
	check(conn->call == CALL_NONE);
	enum err rc = check_ready(conn, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_clear(&conn->sql);
	buf_add_str(&conn->sql, sql);
	if (buf_finish(&conn->sql) != ERR_OK) {
		return err_set(err, ERR_LIMIT, "statement of %zu bytes is too long", sql.len);
	}
	query_start(conn, buf_str(&conn->sql));
	return ERR_OK;
}

enum err conn_wait(struct conn *conn, uint64_t until_us, bool *ret_done, struct err_ctx *err)
{
	if (!conn->usable) {
		return fail_unusable(conn, err);
	}
	check(conn->call == CALL_QUERY);
	if (!call_run(conn, until_us)) {
		*ret_done = false;
		return ERR_OK;
	}
	*ret_done = true;
	/* The rest of an answer is on its way with its first packet. */
	return query_finish(conn, clock_monotonic_us(conn->clock) + US_PER_S, NULL, 0, err);
}

void conn_give_up(struct conn *conn)
{
	if (conn->call != CALL_NONE) {
		call_abandon(conn);
	}
}

int conn_fd(const struct conn *conn)
{
	return conn->usable ? conn->fd : -1;
}

enum err conn_take_over(struct conn *conn, int *ret_fd, struct err_ctx *err)
{
	check(conn->call == CALL_NONE);
	if (!conn->usable) {
		return fail_unusable(conn, err);
	}
	if (mysql_get_ssl_cipher(&conn->mysql)) {
		return err_set(err, ERR_REFUSED,
			       "server '%s': binary logs are read over plain connections only",
			       conn->target);
	}
	conn->usable = false;
	*ret_fd = conn->fd;
	return ERR_OK;
}

const char *conn_target(const struct conn *conn)
{
	return conn->target;
}

bool conn_is_usable(const struct conn *conn)
{
	return conn->usable;
}

uint64_t conn_thread_id(const struct conn *conn)
{
	return conn->mysql.thread_id;
}

const char *conn_server_version(const struct conn *conn)
{
	return conn->mysql.server_version ? conn->mysql.server_version : "";
}

uint32_t *conn_notes(struct conn *conn)
{
	return &conn->notes;
}

uint64_t conn_now_us(const struct conn *conn)
{
	return clock_monotonic_us(conn->clock);
}

enum reach conn_reach(const struct conn *conn)
{
	return conn->reach;
}

void conn_get_greeting(const struct conn *conn, struct conn_greeting *ret)
{
	*ret = (struct conn_greeting){
		.capabilities = (uint32_t)conn->mysql.server_capabilities,
		.charset = (uint8_t)conn->mysql.server_language,
	};
	struct str version = str_of(conn_server_version(conn));
	version = str_slice(version, 0, sizeof(ret->version) - 1);
	check(str_copy(version, ret->version, sizeof(ret->version)) == ERR_OK);
}

void conn_set_permit(struct conn *conn, const struct conn_permit *permit)
{
	conn->permit = permit;
}
