/* muster register, muster deregister. */
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "cli/command.h"
#include "cli/commands/server_word.h"
#include "cli/request.h"
#include "cli/service.h"
#include "os/clock_system.h"

const struct option_row options_register[] = {
	{ .name = "server",
	  .kind = OPTION_TEXT,
	  .value = "HOST:PORT",
	  .help = "The server, by the address at which the managers and proxies reach it." },
	{ .name = "group", .kind = OPTION_TEXT, .value = "GROUP", .help = "Its group." },
	{ .name = "service",
	  .kind = OPTION_TEXT,
	  .value = "SERVICE",
	  .help = "No database, but a back end of this service: with --address." },
	{ .name = "address",
	  .kind = OPTION_TEXT,
	  .value = "HOST:PORT",
	  .help = "The back end, by the address at which the proxies reach it." },
	{ .name = "check",
	  .kind = OPTION_TEXT,
	  .value = "CHECK",
	  .help = "How the proxies check the back end: tcp, or http:/path. Default: tcp." },
	{ .name = "name",
	  .kind = OPTION_TEXT,
	  .value = "NAME",
	  .help = "What it is called in the group. Default: its address." },
	{ .name = "weight",
	  .kind = OPTION_NUMBER,
	  .value = "N",
	  .help = "Share of the readers or connections, from 1 to 1000. Default: 100.",
	  .min = 1,
	  .max = 1000 },
	{ 0 },
};

const struct option_row options_deregister[] = {
	{ .name = "server",
	  .kind = OPTION_TEXT,
	  .value = "HOST:PORT",
	  .help = "The server, by its address." },
	{ .name = "group", .kind = OPTION_TEXT, .value = "GROUP", .help = "Its group." },
	{ .name = "service",
	  .kind = OPTION_TEXT,
	  .value = "SERVICE",
	  .help = "No database, but a back end of this service: with --address." },
	{ .name = "address",
	  .kind = OPTION_TEXT,
	  .value = "HOST:PORT",
	  .help = "The back end, by its address." },
	{ .name = "wait",
	  .kind = OPTION_NUMBER,
	  .value = "SECONDS",
	  .help = "Wait so long at most until nobody reads from it, or is connected. Default: 30.",
	  .max = 3600 },
	{ 0 },
};

enum { WAIT_S = 30, INTERVAL_MS = 50, WORD_BYTES_MAX = 256 };

static enum err parse_server(struct cli *cli, const struct args *args, json_t **ret)
{
	const char *word = args_text(args, "server");
	if (!word) {
		return err_set(&cli->err, ERR_USAGE,
			       "--server HOST:PORT is needed, or --service with --address");
	}
	if (args_has(args, "address") || args_has(args, "check")) {
		return err_set(&cli->err, ERR_USAGE,
			       "--address and --check are for --service: a database has --server");
	}
	return server_word_parse(word, false, ret, &cli->err);
}

static void set_text(json_t *json, const char *key, const char *text)
{
	json_t *value = json_string(text);
	check(json_object_set_new(json, key, value ? value : json_string("?")) == 0);
}

static void print(struct cli *cli, json_t *result)
{
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		buf_printf(&cli->out, "%s: %s\n", request_text(result, "server"),
			   request_text(result, "text"));
	}
	json_decref(result);
}

enum err cmd_register(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *server = NULL;
	json_t *result = NULL;
	const char *name = args_text(args, "name");
	if (args_has(args, "service")) {
		return service_register(cli, args);
	}
	enum err rc = parse_server(cli, args, &server);
	rc = rc ? rc : request_open(cli, args, &request);
	rc = rc ? rc : request_group(&request, args_text(args, "group"));
	if (rc != ERR_OK) {
		json_decref(server);
		return rc;
	}
	set_text(server, "name", name ? name : args_text(args, "server"));
	json_t *body = json_pack("{s:[o]}", "servers", server);
	check(body);
	if (args_has(args, "weight")) {
		uint64_t weight = args_number(args, "weight", 0);
		check(json_object_set_new(body, "weight", json_integer((json_int_t)weight)) == 0);
	}
	rc = request_group_call(&request, "POST", "/register", body, &result);
	json_decref(body);
	if (rc == ERR_OK) {
		print(cli, result);
	}
	return rc;
}

/* How many sessions read from it; all proxies together. */
static enum err count_readers(struct request *request, const char *name, uint64_t *ret)
{
	json_t *status = NULL;
	size_t i;
	const json_t *server;
	enum err rc = request_group_call(request, "GET", "/status", NULL, &status);
	*ret = 0;
	json_array_foreach(json_object_get(status, "servers"), i, server)
	{
		if (strcmp(request_text(server, "name"), name) == 0) {
			*ret = (uint64_t)json_integer_value(json_object_get(server, "readers"));
		}
	}
	json_decref(status);
	return rc;
}

static enum err wait_for_readers(struct request *request, const char *name, uint64_t wait_s)
{
	uint64_t end_us = clock_monotonic_us(&clock_system) + wait_s * US_PER_S;
	const struct timespec interval = { 0, INTERVAL_MS * 1000000L };
	for (;;) {
		uint64_t readers = 0;
		/* Every proxy has reported since the change, and says that nobody reads. */
		(void)nanosleep(&interval, NULL);
		enum err rc = count_readers(request, name, &readers);
		if (rc != ERR_OK || readers == 0) {
			return rc;
		}
		if (clock_monotonic_us(&clock_system) >= end_us) {
			return err_set(&request->cli->err, ERR_DEADLINE,
				       "%llu sessions still read from '%s' after %llu s",
				       (unsigned long long)readers, name,
				       (unsigned long long)wait_s);
		}
	}
}

enum err cmd_deregister(struct cli *cli, const struct args *args)
{
	struct request request;
	char name[WORD_BYTES_MAX];
	json_t *server = NULL;
	json_t *result = NULL;
	if (args_has(args, "service")) {
		return service_deregister(cli, args);
	}
	enum err rc = parse_server(cli, args, &server);
	rc = rc ? rc : request_open(cli, args, &request);
	rc = rc ? rc : request_group(&request, args_text(args, "group"));
	rc = rc ? rc : request_group_call(&request, "POST", "/deregister", server, &result);
	json_decref(server);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = str_copy(str_of(request_text(result, "server")), name, sizeof(name));
	rc = rc ? rc : wait_for_readers(&request, name, args_number(args, "wait", WAIT_S));
	if (rc == ERR_OK) {
		print(cli, result);
	} else {
		json_decref(result);
	}
	return rc;
}
