/* muster service: drain, list, remove, set, show; muster register and deregister with --service. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "agent/caller.h"
#include "base/check.h"
#include "cli/command.h"
#include "cli/output/table.h"
#include "cli/output/view.h"
#include "cli/request.h"
#include "cli/service.h"
#include "os/clock_system.h"
#include "proxy/service/service.h"

const struct option_row options_service_drain[] = {
	{ .name = "undo", .kind = OPTION_FLAG, .help = "Let the back end take part again." },
	{ 0 },
};

const struct option_row options_service_set[] = {
	{ .name = "weight",
	  .kind = OPTION_NUMBER,
	  .value = "N",
	  .help = "Share of the connections, from 1 to 1000.",
	  .min = 1,
	  .max = SERVICE_WEIGHT_MAX },
	{ .name = "check",
	  .kind = OPTION_TEXT,
	  .value = "CHECK",
	  .help = "How the proxies check it: tcp, or http:/path." },
	{ 0 },
};

enum { WAIT_S = 30, INTERVAL_MS = 50, PATH_BYTES_MAX = 512 };

/* One call about a service; `rest` stands behind /v1/services/SERVICE. */
static enum err call(struct cli *cli, const struct args *args, const char *service,
		     const char *http_method, const char *rest, const json_t *body, json_t **ret)
{
	struct request request;
	char text[PATH_BYTES_MAX];
	struct buf path;
	if (service && !service_is_name(str_of(service))) {
		return err_set(&cli->err, ERR_USAGE,
			       "'%.100s' is no service's name: letters, digits, '-', '_' and '.'",
			       service);
	}
	buf_init_fixed(&path, text, sizeof(text));
	buf_printf(&path, "/services%s%s%s", service ? "/" : "", service ? service : "", rest);
	check(buf_finish(&path) == ERR_OK);
	enum err rc = request_open(cli, args, &request);
	return rc ? rc : request_call(&request, http_method, buf_text(&path), body, ret);
}

/* The body that names a back end, with the settings that were given. */
static enum err make_body(struct cli *cli, const struct args *args, const char *word, json_t **ret)
{
	struct caller_address address;
	struct service_check check_word;
	const char *check_text = args_text(args, "check");
	if (caller_parse_address(str_of(word), &address, &cli->err) != ERR_OK) {
		return ERR_USAGE;
	}
	if (check_text) {
		enum err rc = service_check_parse(str_of(check_text), &check_word, &cli->err);
		if (rc != ERR_OK) {
			return err_wrap(&cli->err, rc, "--check");
		}
	}
	json_t *body = json_pack("{s:s, s:i}", "host", address.host, "port", (int)address.port);
	if (!body) {
		return err_set(&cli->err, ERR_USAGE, "'%.100s' is no valid UTF-8", word);
	}
	if (args_has(args, "weight")) {
		json_int_t weight = (json_int_t)args_number(args, "weight", 0);
		check(json_object_set_new(body, "weight", json_integer(weight)) == 0);
	}
	if (check_text) {
		check(json_object_set_new(body, "check", json_string(check_text)) == 0);
	}
	*ret = body;
	return ERR_OK;
}

static void print_change(struct cli *cli, json_t *result)
{
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		buf_printf(&cli->out, "%s of %s: %s\n", request_text(result, "address"),
			   request_text(result, "service"), request_text(result, "text"));
	}
	json_decref(result);
}

/* ---------------------------------------------------------------- register, deregister */

/* What of the other kind's options makes no sense here. */
static enum err check_options(struct cli *cli, const struct args *args)
{
	static const char *const foreign[] = { "server", "group", "name" };
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (args_has(args, foreign[i])) {
			return err_set(&cli->err, ERR_USAGE, "--%s is for databases, not --service",
				       foreign[i]);
		}
	}
	return args_text(args, "address")
		       ? ERR_OK
		       : err_set(&cli->err, ERR_USAGE, "--address HOST:PORT is needed");
}

/* What this host says of itself: where it is a node, its node registers. */
static enum err make_own_body(struct cli *cli, const struct args *args, json_t **ret)
{
	enum err rc = check_options(cli, args);
	rc = rc ? rc : make_body(cli, args, args_text(args, "address"), ret);
	if (rc == ERR_OK) {
		check(json_object_set_new(*ret, "own", json_true()) == 0);
	}
	return rc;
}

enum err service_register(struct cli *cli, const struct args *args)
{
	json_t *body = NULL;
	json_t *result = NULL;
	enum err rc = make_own_body(cli, args, &body);
	rc = rc ? rc
		: call(cli, args, args_text(args, "service"), "POST", "/register", body, &result);
	json_decref(body);
	if (rc == ERR_OK) {
		print_change(cli, result);
	}
	return rc;
}

/* The back end as the manager sees it, a new reference; NULL: it isn't on the record any more. */
static enum err see(struct cli *cli, const struct args *args, const char *service,
		    const char *address, json_t **ret)
{
	json_t *shown = NULL;
	size_t i;
	json_t *backend;
	*ret = NULL;
	enum err rc = call(cli, args, service, "GET", "", NULL, &shown);
	if (rc == ERR_NOT_FOUND) {
		cli->err = (struct err_ctx){ 0 };
		return ERR_OK; /* it was the last one */
	}
	json_array_foreach(json_object_get(shown, "backends"), i, backend)
	{
		if (strcmp(request_text(backend, "address"), address) == 0 &&
		    strcmp(request_text(backend, "state"), "leaving") == 0) {
			*ret = json_incref(backend);
		}
	}
	json_decref(shown);
	return rc;
}

static enum err tell_late(struct cli *cli, const json_t *backend, uint64_t wait_s)
{
	const char *unknown = request_text(backend, "unknown");
	json_int_t connections = json_integer_value(json_object_get(backend, "connections"));
	if (unknown[0]) {
		return err_set(&cli->err, ERR_DEADLINE,
			       "after %" PRIu64 " s the proxy of %s had not told that it sends "
			       "nobody there: `muster node remove` what is gone for good",
			       wait_s, unknown);
	}
	return err_set(&cli->err, ERR_DEADLINE,
		       "%lld connections still ran to %s after %" PRIu64 " s",
		       (long long)connections, request_text(backend, "address"), wait_s);
}

/* The manager takes it off the record when every proxy has the new table in force and no connection is left. */
static enum err wait_for_end(struct cli *cli, const struct args *args, const char *service,
			     const char *address)
{
	uint64_t wait_s = args_number(args, "wait", WAIT_S);
	uint64_t end_us = clock_monotonic_us(&clock_system) + wait_s * US_PER_S;
	const struct timespec interval = { 0, INTERVAL_MS * 1000000L };
	for (;;) {
		json_t *backend = NULL;
		(void)nanosleep(&interval, NULL);
		enum err rc = see(cli, args, service, address, &backend);
		if (rc != ERR_OK || !backend) {
			return rc;
		}
		if (clock_monotonic_us(&clock_system) >= end_us) {
			rc = tell_late(cli, backend, wait_s);
		}
		json_decref(backend);
		if (rc != ERR_OK) {
			return rc;
		}
	}
}

enum err service_deregister(struct cli *cli, const struct args *args)
{
	const char *service = args_text(args, "service");
	json_t *body = NULL;
	json_t *result = NULL;
	enum err rc = make_own_body(cli, args, &body);
	rc = rc ? rc : call(cli, args, service, "POST", "/deregister", body, &result);
	json_decref(body);
	rc = rc ? rc : wait_for_end(cli, args, service, request_text(result, "address"));
	if (rc != ERR_OK) {
		json_decref(result);
		return rc;
	}
	check(json_object_set_new(result, "text", json_string("has left the balance")) == 0);
	print_change(cli, result);
	return ERR_OK;
}

/* ---------------------------------------------------------------- list, show */

enum err cmd_service_list(struct cli *cli, const struct args *args)
{
	static const struct table_column columns[] = {
		{ "service", "SERVICE", TABLE_TEXT, 0 },
		{ "count", "BACK ENDS", TABLE_NUMBER, 0 },
		{ "in_balance", "IN BALANCE", TABLE_NUMBER, 0 },
		{ "connections", "CONNECTIONS", TABLE_NUMBER, 1 },
	};
	json_t *list = NULL;
	enum err rc = call(cli, args, NULL, "GET", "", NULL, &list);
	if (rc != ERR_OK) {
		return rc;
	}
	view_list(cli, list, "services", columns, sizeof(columns) / sizeof(columns[0]));
	json_decref(list);
	return ERR_OK;
}

enum err cmd_service_show(struct cli *cli, const struct args *args)
{
	static const struct table_column columns[] = {
		{ "address", "BACK END", TABLE_TEXT, 0 },
		{ "state", "STATE", TABLE_TEXT, 0 },
		{ "weight", "WEIGHT", TABLE_NUMBER, 0 },
		{ "connections", "CONNECTIONS", TABLE_NUMBER, 0 },
		{ "node", "NODE", TABLE_TEXT, 1 },
		{ "check", "CHECK", TABLE_TEXT, 2 },
		{ "why", "WHY", TABLE_TEXT, 1 },
	};
	json_t *service = NULL;
	enum err rc = call(cli, args, args_word(args, 0), "GET", "", NULL, &service);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, service);
	} else {
		const struct table_style style = { cli->term, cli->no_header, cli->wide };
		table_print(&style, columns, sizeof(columns) / sizeof(columns[0]),
			    json_object_get(service, "backends"), &cli->out);
	}
	json_decref(service);
	return ERR_OK;
}

/* ---------------------------------------------------------------- set, drain, remove */

/* About the back end that the words name. Takes `extra`, which may be NULL. */
static enum err change(struct cli *cli, const struct args *args, const char *http_method,
		       const char *rest, json_t *extra)
{
	json_t *body = NULL;
	json_t *result = NULL;
	enum err rc = make_body(cli, args, args_word(args, 1), &body);
	if (rc == ERR_OK && extra) {
		check(json_object_update(body, extra) == 0);
	}
	rc = rc ? rc : call(cli, args, args_word(args, 0), http_method, rest, body, &result);
	json_decref(extra);
	json_decref(body);
	if (rc == ERR_OK) {
		print_change(cli, result);
	}
	return rc;
}

enum err cmd_service_set(struct cli *cli, const struct args *args)
{
	if (!args_has(args, "weight") && !args_has(args, "check")) {
		return err_set(&cli->err, ERR_USAGE, "nothing to set: --weight or --check");
	}
	return change(cli, args, "PATCH", "", NULL);
}

enum err cmd_service_drain(struct cli *cli, const struct args *args)
{
	return change(cli, args, "PATCH", "",
		      json_pack("{s:b}", "drain", args_has(args, "undo") ? 0 : 1));
}

enum err cmd_service_remove(struct cli *cli, const struct args *args)
{
	return change(cli, args, "POST", "/deregister", NULL);
}
