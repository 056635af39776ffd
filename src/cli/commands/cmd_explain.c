/* muster explain. */
#include "cli/command.h"
#include "cli/output/table.h"
#include "cli/output/view.h"
#include "cli/output/view_course.h"
#include "cli/request.h"

static void add_texts(struct buf *out, const json_t *facts)
{
	size_t index;
	const json_t *fact;
	json_array_foreach(facts, index, fact)
	{
		buf_printf(out, "%s%s (%s)", index ? "; " : "", request_text(fact, "text"),
			   request_text(fact, "fact"));
	}
}

static void add_head(struct cli *cli, const json_t *all)
{
	struct buf *out = &cli->out;
	const char *primary = request_text(all, "primary");
	const char *missing = request_text(all, "missing");
	buf_printf(out,
		   "group %s: %s, primary %s, epoch %" JSON_INTEGER_FORMAT ", policy %s\n"
		   "rule %" JSON_INTEGER_FORMAT ": %s%s%s\n",
		   request_text(all, "group"), request_text(all, "state"),
		   primary[0] ? primary : "none", json_integer_value(json_object_get(all, "epoch")),
		   request_text(all, "policy"), json_integer_value(json_object_get(all, "rule")),
		   request_text(all, "why"), missing[0] ? "; " : "", missing);
}

static void add_waits(struct cli *cli, const json_t *waits)
{
	size_t index;
	const json_t *wait;
	json_array_foreach(waits, index, wait)
	{
		const json_t *left = json_object_get(wait, "left_ms");
		buf_printf(&cli->out, "waiting: %s: %s", request_text(wait, "what"),
			   request_text(wait, "text"));
		if (json_is_integer(left)) {
			buf_printf(&cli->out, ", %.1f s left",
				   (double)json_integer_value(left) / 1000.0);
		}
		buf_add_char(&cli->out, '\n');
	}
}

/* The rows that would come first if more were proven. */
static void add_rules(struct cli *cli, const json_t *rules)
{
	struct buf *out = &cli->out;
	size_t index;
	const json_t *rule;
	buf_add_text(out, "what else could match in this state:\n");
	json_array_foreach(rules, index, rule)
	{
		if (json_array_size(json_object_get(rule, "lack")) == 0) {
			continue;
		}
		buf_printf(out, "  rule %" JSON_INTEGER_FORMAT " (to %s): %s\n    missing: ",
			   json_integer_value(json_object_get(rule, "rule")),
			   request_text(rule, "to"), request_text(rule, "why"));
		add_texts(out, json_object_get(rule, "lack"));
		buf_add_char(out, '\n');
	}
}

static void add_server(struct cli *cli, const json_t *server)
{
	struct buf *out = &cli->out;
	const char *step = request_text(server, "step");
	const char *problem = request_text(server, "problem");
	const char *unfit = request_text(server, "unfit");
	buf_printf(out, "  %s: ", request_text(server, "name"));
	if (json_is_true(json_object_get(server, "primary"))) {
		buf_add_text(out, "the primary");
	} else if (json_is_integer(json_object_get(server, "rule"))) {
		buf_printf(out, "rule %" JSON_INTEGER_FORMAT ": %s",
			   json_integer_value(json_object_get(server, "rule")),
			   request_text(server, "why"));
	} else {
		buf_add_text(out, "no row: there is no primary");
	}
	if (step[0]) {
		buf_printf(out, "; now %s: %s", step, request_text(server, "step_why"));
	}
	buf_printf(out, "%s%s%s%s\n", problem[0] ? "; problem: " : "", problem,
		   unfit[0] ? "; not to be promoted: " : "", unfit);
	if (json_array_size(json_object_get(server, "facts"))) {
		buf_add_text(out, "    proven: ");
		add_texts(out, json_object_get(server, "facts"));
		buf_add_char(out, '\n');
	}
}

static void add_servers(struct cli *cli, const json_t *servers)
{
	size_t index;
	const json_t *server;
	buf_add_text(&cli->out, "servers:\n");
	json_array_foreach(servers, index, server)
	{
		add_server(cli, server);
	}
}

static void add_next(struct cli *cli, const json_t *next)
{
	const char *refusal = request_text(next, "refusal");
	if (refusal[0]) {
		buf_printf(&cli->out, "if nothing else happens: %s\n", refusal);
	} else if (json_array_size(json_object_get(next, "states")) > 1) {
		buf_add_text(&cli->out, "if nothing else happens:\n");
	} else {
		buf_add_text(&cli->out, "if nothing else happens: it stays as it is\n");
	}
	view_course(cli, next);
}

static void add_death(struct cli *cli, const json_t *death)
{
	const char *winner = request_text(death, "winner");
	const char *blocked = request_text(death, "blocked_by");
	if (!json_is_object(death)) {
		return;
	}
	buf_add_text(&cli->out, "if the primary died now: ");
	if (winner[0]) {
		buf_printf(&cli->out, "%s would take over; lost: %s; %s\n", winner,
			   request_text(death, "loss"), request_text(death, "duration"));
	} else {
		buf_add_text(&cli->out, "nobody would take over\n");
	}
	if (blocked[0]) {
		buf_printf(&cli->out, "  in the way: %s\n", blocked);
	}
	view_course(cli, json_object_get(death, "course"));
}

enum err cmd_explain(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *all = NULL;
	enum err rc = request_open(cli, args, &request);
	rc = rc ? rc : request_group(&request, args_word(args, 0));
	rc = rc ? rc : request_group_call(&request, "GET", "/explain", NULL, &all);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, all);
	} else {
		add_head(cli, all);
		view_pair(cli, json_object_get(all, "pair"));
		add_waits(cli, json_object_get(all, "waits"));
		add_rules(cli, json_object_get(all, "rules"));
		add_servers(cli, json_object_get(all, "servers"));
		add_next(cli, json_object_get(all, "next"));
		add_death(cli, json_object_get(all, "if_the_primary_died"));
	}
	json_decref(all);
	return ERR_OK;
}
