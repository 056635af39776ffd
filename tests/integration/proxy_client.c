/* A client of the binary protocol for the proxy's tests: prepared statements through libmariadb.
 *
 * usage: proxy_client PORT USER PASSWORD. Each line on standard input is one step; it prints one line.
 *   prepare SQL | bind N... (integers) | execute | again (execute without binding types anew) | reset
 *   long TEXT (sends parameter 0 in pieces) | cursor | close | change USER PASSWORD | resetconn | quit
 */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { LINE_BYTES_MAX = 65536, PARAMS_MAX = 8, VALUE_BYTES_MAX = 65536 };

struct client {
	MYSQL *mysql;
	MYSQL_STMT *stmt;
	MYSQL_BIND params[PARAMS_MAX];
	long long values[PARAMS_MAX];
	unsigned param_count;
};

static void say_error(unsigned number, const char *text)
{
	(void)printf("error %u %s\n", number, text);
}

/* Prints all rows of the statement's result in one line. */
static void print_rows(struct client *client)
{
	static char value[VALUE_BYTES_MAX];
	unsigned long length = 0;
	my_bool is_null = 0;
	MYSQL_BIND column = { .buffer_type = MYSQL_TYPE_STRING,
			      .buffer = value,
			      .buffer_length = sizeof(value) - 1,
			      .length = &length,
			      .is_null = &is_null };
	(void)printf("ok");
	if (mysql_stmt_field_count(client->stmt) == 1) {
		if (mysql_stmt_bind_result(client->stmt, &column)) {
			(void)printf(" unbound");
		}
		while (mysql_stmt_fetch(client->stmt) == 0) {
			(void)printf(" %.*s", (int)length, is_null ? "NULL" : value);
		}
		if (mysql_stmt_errno(client->stmt)) {
			(void)printf(" error %u", mysql_stmt_errno(client->stmt));
		}
	}
	(void)printf("\n");
	(void)mysql_stmt_free_result(client->stmt);
}

static void execute(struct client *client)
{
	if (mysql_stmt_execute(client->stmt)) {
		say_error(mysql_stmt_errno(client->stmt), mysql_stmt_error(client->stmt));
		return;
	}
	print_rows(client);
}

static void prepare(struct client *client, const char *sql)
{
	client->stmt = mysql_stmt_init(client->mysql);
	if (mysql_stmt_prepare(client->stmt, sql, strlen(sql))) {
		say_error(mysql_stmt_errno(client->stmt), mysql_stmt_error(client->stmt));
		return;
	}
	(void)printf("ok %lu\n", mysql_stmt_param_count(client->stmt));
}

/* Takes the numbers of a line, up to `max` of them; returns how many there were. */
static unsigned take_values(struct client *client, const char *text, unsigned max)
{
	struct str rest = str_of(text);
	struct str word;
	unsigned count = 0;
	while (count < max && str_next(&rest, ' ', &word)) {
		uint64_t value = 0;
		if (str_parse_u64(word, 0, INT64_MAX, &value) == ERR_OK) {
			client->values[count++] = (long long)value;
		}
	}
	return count;
}

static void bind(struct client *client, const char *text)
{
	memset(client->params, 0, sizeof(client->params));
	client->param_count = take_values(client, text, PARAMS_MAX);
	for (unsigned i = 0; i < client->param_count; i++) {
		client->params[i].buffer_type = MYSQL_TYPE_LONGLONG;
		client->params[i].buffer = &client->values[i];
	}
	if (mysql_stmt_bind_param(client->stmt, client->params)) {
		say_error(mysql_stmt_errno(client->stmt), mysql_stmt_error(client->stmt));
		return;
	}
	execute(client);
}

/* The same parameters with other values: the library doesn't send their types again. */
static void again(struct client *client, const char *text)
{
	(void)take_values(client, text, client->param_count);
	execute(client);
}

static void send_long(struct client *client, const char *text)
{
	memset(client->params, 0, sizeof(client->params));
	client->params[0].buffer_type = MYSQL_TYPE_LONG_BLOB;
	size_t half = strlen(text) / 2;
	if (mysql_stmt_bind_param(client->stmt, client->params) ||
	    mysql_stmt_send_long_data(client->stmt, 0, text, half) ||
	    mysql_stmt_send_long_data(client->stmt, 0, text + half, strlen(text) - half)) {
		say_error(mysql_stmt_errno(client->stmt), mysql_stmt_error(client->stmt));
		return;
	}
	(void)printf("ok\n");
}

static void open_cursor(struct client *client)
{
	unsigned long type = CURSOR_TYPE_READ_ONLY;
	unsigned long rows = 2;
	(void)mysql_stmt_attr_set(client->stmt, STMT_ATTR_CURSOR_TYPE, &type);
	(void)mysql_stmt_attr_set(client->stmt, STMT_ATTR_PREFETCH_ROWS, &rows);
	execute(client);
}

static void change(struct client *client, char *words)
{
	char *password = strchr(words, ' ');
	*password++ = '\0';
	if (mysql_change_user(client->mysql, words, password, "app")) {
		say_error(mysql_errno(client->mysql), mysql_error(client->mysql));
		return;
	}
	(void)printf("ok\n");
}

static int obey(struct client *client, char *line)
{
	char *argument = strchr(line, ' ');
	if (argument) {
		*argument++ = '\0';
	} else {
		argument = line + strlen(line);
	}
	if (strcmp(line, "prepare") == 0) {
		prepare(client, argument);
	} else if (strcmp(line, "bind") == 0) {
		bind(client, argument);
	} else if (strcmp(line, "again") == 0) {
		again(client, argument);
	} else if (strcmp(line, "execute") == 0) {
		execute(client);
	} else if (strcmp(line, "long") == 0) {
		send_long(client, argument);
	} else if (strcmp(line, "cursor") == 0) {
		open_cursor(client);
	} else if (strcmp(line, "reset") == 0) {
		(void)printf(mysql_stmt_reset(client->stmt) ? "error\n" : "ok\n");
	} else if (strcmp(line, "close") == 0) {
		(void)printf(mysql_stmt_close(client->stmt) ? "error\n" : "ok\n");
	} else if (strcmp(line, "change") == 0) {
		change(client, argument);
	} else if (strcmp(line, "resetconn") == 0) {
		(void)printf(mysql_reset_connection(client->mysql) ? "error\n" : "ok\n");
	} else {
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES_MAX];
	struct client client = { .mysql = mysql_init(NULL) };
	if (argc != 4 || !client.mysql) {
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	uint32_t port = 0;
	if (str_parse_u32(str_of(argv[1]), 1, UINT16_MAX, &port) != ERR_OK) {
		return 2;
	}
	if (!mysql_real_connect(client.mysql, "127.0.0.1", argv[2], argv[3], "app", port, NULL,
				0)) {
		say_error(mysql_errno(client.mysql), mysql_error(client.mysql));
		return 1;
	}
	(void)printf("ok\n");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!obey(&client, line)) {
			break;
		}
	}
	mysql_close(client.mysql);
	return 0;
}
