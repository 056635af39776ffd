#include "cli/output/view.h"

#include <string.h>

#include <string.h>

#include "cli/output/table.h"
#include "cli/request.h"

static const struct table_column server_columns[] = {
	/* clang-format off */
	{ "name", "SERVER", TABLE_TEXT, 0 },
	{ "address", "ADDRESS", TABLE_TEXT, 4 },
	{ "role", "ROLE", TABLE_TEXT, 0 },
	{ "state", "STATE", TABLE_TEXT, 1 },
	{ "parent", "PARENT", TABLE_TEXT, 3 },
	{ "lag_s", "LAG S", TABLE_NUMBER, 2 },
	{ "behind", "BEHIND", TABLE_NUMBER, 3 },
	{ "acknowledges", "ACKS", TABLE_TEXT, 4 },
	{ "weight", "WEIGHT", TABLE_NUMBER, 6 },
	{ "version", "VERSION", TABLE_TEXT, 7 },
	{ "gtid", "GTID", TABLE_LONG, 5 },
	{ "health", "HEALTH", TABLE_HEALTH, 0 },
	{ "problem", "PROBLEM", TABLE_TEXT, 0 },
	/* clang-format on */
};

static bool is_true(const json_t *object, const char *field)
{
	return json_is_true(json_object_get(object, field));
}

static void add_words(struct buf *out, const json_t *words, const char *separator)
{
	size_t index;
	const json_t *word;
	json_array_foreach(words, index, word)
	{
		const char *text = json_string_value(word);
		buf_printf(out, "%s%s", index ? separator : "", text ? text : "?");
	}
}

static void add_group_line(struct cli *cli, const json_t *status)
{
	struct buf *out = &cli->out;
	const char *primary = request_text(status, "primary");
	const char *state = request_text(status, "state_text");
	bool healthy = is_true(status, "healthy");
	buf_printf(out, "group %s: ", request_text(status, "group"));
	table_add_health(&cli->term, healthy ? "ok" : "bad", healthy ? "healthy" : "not healthy",
			 out);
	buf_printf(out, ", %s, primary %s, epoch %" JSON_INTEGER_FORMAT "\n",
		   state[0] ? state : request_text(status, "state"), primary[0] ? primary : "none",
		   json_integer_value(json_object_get(status, "epoch")));
	buf_printf(out, "policy %s", request_text(status, "policy"));
	const json_t *sync_set = json_object_get(status, "sync_set");
	if (json_array_size(sync_set)) {
		buf_printf(out, ", %" JSON_INTEGER_FORMAT " acknowledgement(s) among ",
			   json_integer_value(json_object_get(status, "acks")));
		add_words(out, sync_set, ", ");
	}
	buf_printf(out, ", automatic failover %s\n",
		   is_true(status, "paused") ? "off (paused)" : "on");
	size_t index;
	const json_t *why;
	json_array_foreach(json_object_get(status, "why_not_healthy"), index, why)
	{
		buf_printf(out, "missing: %s\n",
			   json_string_value(why) ? json_string_value(why) : "?");
	}
}

/* Of servers that something is the matter with: what, why as far as known, and what a person can do. */
static void add_verdicts(struct buf *out, const json_t *servers)
{
	size_t index;
	const json_t *server;
	json_array_foreach(servers, index, server)
	{
		const json_t *verdict = json_object_get(server, "verdict");
		const char *treatment = request_text(verdict, "treatment");
		const char *detail = request_text(verdict, "detail");
		const char *remedy = request_text(verdict, "remedy");
		if (!treatment[0] || strcmp(treatment, "nothing") == 0) {
			continue;
		}
		buf_printf(out, "%s is %s: %s%s%s%s\n", request_text(server, "name"),
			   request_text(verdict, "name"), request_text(verdict, "text"),
			   detail[0] ? " (" : "", detail, detail[0] ? ")" : "");
		if (remedy[0]) {
			buf_printf(out, "  remedy: %s\n", remedy);
		}
	}
}

/* host and port as one cell; a copy, since the rows are the caller's. */
static json_t *rows_with_addresses(const json_t *servers)
{
	json_t *rows = json_array();
	size_t index;
	json_t *server;
	json_array_foreach(servers, index, server)
	{
		json_t *row = json_copy(server);
		const char *host = request_text(server, "host");
		bool colons = str_contains(str_of(host), STR(":"));
		(void)json_object_set_new(
			row, "address",
			json_sprintf("%s%s%s:%" JSON_INTEGER_FORMAT, colons ? "[" : "", host,
				     colons ? "]" : "",
				     json_integer_value(json_object_get(server, "port"))));
		(void)json_array_append_new(rows, row);
	}
	return rows;
}

/* What diverged servers have that the primary lacks: it has to be named, it may be somebody's data. And how a server
 * that doesn't come back by itself can be brought back. */
static void add_extra(struct cli *cli, const json_t *servers)
{
	size_t index;
	const json_t *server;
	json_array_foreach(servers, index, server)
	{
		const char *extra = request_text(server, "extra");
		if (extra[0]) {
			buf_printf(&cli->out, "%s has transactions that the primary lacks: %s\n",
				   request_text(server, "name"), extra);
		}
		const char *next = request_text(server, "next");
		if (next[0]) {
			buf_printf(&cli->out, "how %s can come back: %s\n",
				   request_text(server, "name"), next);
		}
	}
}

void view_pair(struct cli *cli, const json_t *pair)
{
	struct buf *out = &cli->out;
	const char *passive = request_text(pair, "passive");
	const char *state = request_text(pair, "state");
	const char *missing = request_text(pair, "missing");
	const char *what = request_text(pair, "what");
	size_t index;
	const json_t *side;
	if (!json_is_object(pair)) {
		return;
	}
	buf_add_text(out, "pair: ");
	json_array_foreach(json_object_get(pair, "sides"), index, side)
	{
		buf_printf(out, "%s%s%s", index ? ", " : "", request_text(side, "master"),
			   is_true(side, "active") ? " active"
			   : passive[0]		   ? " passive"
						   : "");
	}
	if (strcmp(state, "none") != 0) {
		buf_printf(out, "; %s: %s%s%s%s%s%s", state, request_text(pair, "text"),
			   missing[0] ? ": " : "", missing, what[0] ? " (" : "", what,
			   what[0] ? ")" : "");
	}
	buf_add_char(out, '\n');
}

static void add_readiness(struct cli *cli, const json_t *readiness)
{
	const char *text = request_text(readiness, "text");
	const json_t *blocked_by = json_object_get(readiness, "blocked_by");
	if (text[0]) {
		buf_printf(&cli->out, "if the primary died now: %s\n", text);
	}
	if (json_array_size(blocked_by) && !text[0]) {
		buf_add_text(&cli->out, "if the primary died now: blocked by ");
		add_words(&cli->out, blocked_by, "; ");
		buf_add_char(&cli->out, '\n');
	}
}

static void add_proxy(struct cli *cli, const json_t *proxy)
{
	json_int_t write_port = json_integer_value(json_object_get(proxy, "write_port"));
	json_int_t split_port = json_integer_value(json_object_get(proxy, "split_port"));
	if (!write_port) {
		return;
	}
	buf_printf(&cli->out,
		   "proxy: writes on port %" JSON_INTEGER_FORMAT
		   ", reads on port %" JSON_INTEGER_FORMAT,
		   write_port, json_integer_value(json_object_get(proxy, "read_port")));
	if (split_port) {
		buf_printf(&cli->out, ", both on port %" JSON_INTEGER_FORMAT, split_port);
	}
	buf_printf(&cli->out, ", %" JSON_INTEGER_FORMAT " sessions\n",
		   json_integer_value(json_object_get(proxy, "sessions")));
}

void view_address(struct cli *cli, const json_t *address)
{
	struct buf *out = &cli->out;
	const char *holder = request_text(address, "holder");
	const char *interface = request_text(address, "interface");
	const char *rival = request_text(address, "rival");
	const char *state = request_text(address, "state");
	const char *why = request_text(address, "why");
	bool held = strcmp(state, "held") == 0;
	buf_printf(out, "address %s, at the %s: ", request_text(address, "address"),
		   request_text(address, "at"));
	if (held) {
		buf_printf(out, "held by %s%s%s", holder, interface[0] ? " on " : "", interface);
	} else if (strcmp(state, "given") == 0) {
		buf_printf(out, "given to %s", holder);
	} else if (holder[0]) {
		buf_printf(out, "%s, given to %s", state, holder);
	} else {
		buf_add_text(out, "held by nobody");
	}
	if (rival[0]) {
		buf_printf(out, ", and %s has it%s", rival, held ? ", too" : "");
	}
	buf_printf(out, "%s%s\n", !held && why[0] ? ": " : "", held ? "" : why);
}

static void add_addresses(struct cli *cli, const json_t *addresses)
{
	size_t index;
	const json_t *address;
	json_array_foreach(addresses, index, address)
	{
		view_address(cli, address);
	}
}

/* On a store of its own nobody else can lead, and there is nothing to say. */
static void add_manager(struct cli *cli, const json_t *manager)
{
	struct buf *out = &cli->out;
	const char *leader = request_text(manager, "leader");
	const char *trouble = request_text(manager, "trouble");
	const char *moved_to = request_text(manager, "moved_to");
	if (!str_starts_with(str_of(request_text(manager, "store")), STR("etcd:"))) {
		return;
	}
	if (is_true(manager, "leads")) {
		buf_printf(out, "manager: %s leads, and answers here\n", leader);
	} else {
		buf_printf(out,
			   "manager: %s%s, %s follows and answers here; record read %.1f s ago\n",
			   leader[0] ? leader : "nobody", trouble[0] ? " led last" : " leads",
			   request_text(manager, "node"),
			   json_number_value(json_object_get(manager, "record_age_s")));
	}
	if (trouble[0]) {
		buf_printf(out, "store: %s\n", trouble);
	}
	if (moved_to[0]) {
		buf_printf(out, "store: the record has moved to %s: configure [store] there\n",
			   moved_to);
	}
}

enum { SERVER_COLUMNS = sizeof(server_columns) / sizeof(server_columns[0]) };

/* Where every replica follows the primary itself, a column that says so is in the way. */
static size_t choose_columns(const json_t *status, struct table_column *ret)
{
	const char *primary = request_text(status, "primary");
	bool flat = true;
	size_t index;
	json_t *server;
	json_array_foreach(json_object_get(status, "servers"), index, server)
	{
		const char *parent = request_text(server, "parent");
		flat = flat && (!parent[0] || strcmp(parent, primary) == 0);
	}
	size_t count = 0;
	for (size_t i = 0; i < SERVER_COLUMNS; i++) {
		if (!flat || strcmp(server_columns[i].field, "parent") != 0) {
			ret[count++] = server_columns[i];
		}
	}
	return count;
}

void view_list(struct cli *cli, const json_t *list, const char *key,
	       const struct table_column *columns, size_t count)
{
	const struct table_style style = { cli->term, cli->no_header, cli->wide };
	if (cli->json) {
		cli_print_json(cli, list);
	} else {
		table_print(&style, columns, count, json_object_get(list, key), &cli->out);
	}
}

void view_status(struct cli *cli, const json_t *status)
{
	struct table_column columns[SERVER_COLUMNS];
	size_t column_count = choose_columns(status, columns);
	const struct table_style style = { cli->term, cli->no_header, cli->wide };
	json_t *rows = rows_with_addresses(json_object_get(status, "servers"));
	const json_t *last = json_object_get(status, "last_failover");
	add_group_line(cli, status);
	add_verdicts(&cli->out, json_object_get(status, "servers"));
	table_print(&style, columns, column_count, rows, &cli->out);
	json_decref(rows);
	add_extra(cli, json_object_get(status, "servers"));
	view_pair(cli, json_object_get(status, "pair"));
	add_readiness(cli, json_object_get(status, "readiness"));
	add_proxy(cli, json_object_get(status, "proxy"));
	add_addresses(cli, json_object_get(status, "addresses"));
	add_manager(cli, json_object_get(status, "manager"));
	if (json_is_object(last) && json_object_size(last)) {
		buf_add_text(&cli->out, "last change: ");
		view_change(cli, last);
	}
}

/* The phases that were reached; jansson keeps the order in which they stand. */
static void add_phases(struct buf *out, json_t *phases)
{
	const char *name;
	json_t *value;
	bool first = true;
	json_object_foreach(phases, name, value)
	{
		if (json_is_number(value)) {
			buf_printf(out, "%s%s %.1f", first ? "  phases in ms: " : ", ", name,
				   json_number_value(value));
			first = false;
		}
	}
	if (!first) {
		buf_add_char(out, '\n');
	}
}

static void add_loss(struct buf *out, const json_t *loss)
{
	const char *gtid = request_text(loss, "gtid");
	const char *note = request_text(loss, "text");
	if (!json_is_object(loss)) {
		return;
	}
	if (gtid[0]) {
		buf_printf(out, "  lost: %s%s%s\n", gtid, note[0] ? "; " : "", note);
	} else {
		buf_printf(out, "  lost: %s\n", note[0] ? note : "nothing");
	}
}

static void add_hooks(struct buf *out, const json_t *hooks)
{
	size_t index;
	const json_t *hook;
	json_array_foreach(hooks, index, hook)
	{
		bool answered = json_is_integer(json_object_get(hook, "status"));
		buf_printf(out, "  hook %s, %.1f ms: %s%s\n", request_text(hook, "hook"),
			   json_number_value(json_object_get(hook, "ms")),
			   is_true(hook, "go") ? ""
			   : answered	       ? "no: "
					       : "no answer: ",
			   request_text(hook, "words"));
	}
}

void view_change(struct cli *cli, const json_t *report)
{
	struct buf *out = &cli->out;
	const char *from = request_text(report, "from");
	const char *to = request_text(report, "to");
	const char *cause = request_text(report, "cause");
	const char *end = request_text(report, "ended_because");
	buf_printf(out, "%s from %s to %s, epoch %" JSON_INTEGER_FORMAT ", %.1f ms%s%s\n",
		   request_text(report, "kind"), from[0] ? from : "none", to[0] ? to : "none",
		   json_integer_value(json_object_get(report, "epoch")),
		   json_number_value(json_object_get(report, "total_ms")), cause[0] ? ": " : "",
		   cause);
	if (end[0]) {
		buf_printf(out, "  ended: %s\n", end);
	}
	add_phases(out, json_object_get(report, "phases_ms"));
	add_loss(out, json_object_get(report, "loss"));
	add_hooks(out, json_object_get(report, "hooks"));
}

void view_warnings(struct cli *cli, const json_t *result)
{
	size_t index;
	const json_t *warning;
	json_array_foreach(json_object_get(result, "warnings"), index, warning)
	{
		cli_note(cli, "warning: %s",
			 json_string_value(warning) ? json_string_value(warning) : "?");
	}
}

void view_done(struct cli *cli, json_t *result, const char *verb, const char *what)
{
	const char *text = request_text(result, "text");
	view_warnings(cli, result);
	if (cli->json) {
		cli_print_json(cli, result);
	} else if (text[0]) {
		buf_printf(&cli->out, "%s: %s\n", what, text);
	} else {
		buf_printf(&cli->out, "%s %s\n", what, verb);
	}
	json_decref(result);
}
