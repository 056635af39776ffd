/* muster group set. */
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/commands/group_option.h"
#include "cli/output/view.h"
#include "cli/output/view_course.h"
#include "cli/request.h"

const struct option_row options_group_set[] = {
	OPTION_DRY_RUN,
	{ .name = "policy",
	  .kind = OPTION_TEXT,
	  .value = "POLICY",
	  .help = "lossless, bounded or async." },
	GROUP_OPTION_MAX_LOSS,
	{ .name = "weight",
	  .kind = OPTION_TEXT,
	  .value = "SERVER=N",
	  .help = "Share of the readers that a server gets; 0: none.",
	  .repeats = true },
	{ .name = "never-promote",
	  .kind = OPTION_TEXT,
	  .value = "SERVER",
	  .help = "Never make this server the primary.",
	  .repeats = true },
	{ .name = "may-promote",
	  .kind = OPTION_TEXT,
	  .value = "SERVER",
	  .help = "Allow this server to become the primary again.",
	  .repeats = true },
	{ .name = "stay-in-dc",
	  .kind = OPTION_TEXT,
	  .value = "YES|NO",
	  .help = "No automatic failover to another data centre than the primary's." },
	{ .name = "server",
	  .kind = OPTION_TEXT,
	  .value = "SERVER",
	  .help = "The server that --below, --dc and --downtime are about." },
	{ .name = "below",
	  .kind = OPTION_TEXT,
	  .value = "PARENT",
	  .help = "The server replicates from PARENT; 'primary': from the primary, whoever that "
		  "is." },
	{ .name = "dc",
	  .kind = OPTION_TEXT,
	  .value = "NAME",
	  .help = "The server's data centre; the primary's is preferred. '' forgets it." },
	{ .name = "downtime",
	  .kind = OPTION_TEXT,
	  .value = "TIME",
	  .help = "Somebody works on the server for so long (30m, 2h, 1d): never elected, not "
		  "mended, "
		  "no alarm. 0 ends it." },
	{ 0 },
};

enum { WEIGHT_MAX = 1000, DOWNTIME_S_MAX = 30 * 86400 };

static enum err add_weight(struct cli *cli, const char *word, json_t *servers)
{
	struct str rest = str_of(word);
	struct str name = STR("");
	uint32_t weight = 0;
	if (!str_next(&rest, '=', &name) || name.len == 0 ||
	    str_parse_u32(rest, 0, WEIGHT_MAX, &weight) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE,
			       "--weight: '%s' is no SERVER=N, N from 0 to %d", word,
			       (int)WEIGHT_MAX);
	}
	json_t *server =
		json_pack("{s:s%, s:i}", "name", name.ptr, name.len, "weight", (int)weight);
	return server && json_array_append_new(servers, server) == 0
		       ? ERR_OK
		       : err_set(&cli->err, ERR_USAGE, "--weight: the name is no valid UTF-8");
}

static enum err add_promotable(struct cli *cli, const struct args *args, const char *option,
			       bool never, json_t *servers)
{
	const char *name;
	for (size_t i = 0; (name = args_nth(args, option, i)) != NULL; i++) {
		json_t *server =
			json_pack("{s:s, s:b}", "name", name, "never_promote", never ? 1 : 0);
		if (!server || json_array_append_new(servers, server) != 0) {
			return err_set(&cli->err, ERR_USAGE, "--%s: the name is no valid UTF-8",
				       option);
		}
	}
	return ERR_OK;
}

/* "30m", "2h", "1d", "90s" or "90". */
static enum err parse_time(struct cli *cli, const char *word, uint32_t *ret_s)
{
	struct str text = str_of(word);
	uint32_t unit_s = 1;
	uint32_t count = 0;
	if (text.len > 1) {
		char last = text.ptr[text.len - 1];
		unit_s = last == 'm' ? 60 : last == 'h' ? 3600 : last == 'd' ? 86400 : 1;
		text.len -= last == 's' || unit_s > 1 ? 1 : 0;
	}
	if (str_parse_u32(text, 0, DOWNTIME_S_MAX / unit_s, &count) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE,
			       "--downtime: '%s' is no time up to 30 days, as 90s, 30m, 2h, 1d",
			       word);
	}
	*ret_s = count * unit_s;
	return ERR_OK;
}

/* What is set of the one that --server names. */
static enum err add_server(struct cli *cli, const struct args *args, json_t *servers)
{
	const char *name = args_text(args, "server");
	const char *dc = args_text(args, "dc");
	const char *downtime = args_text(args, "downtime");
	const char *below = args_text(args, "below");
	const char *why = args_word(args, 1);
	uint32_t downtime_s = 0;
	if ((name != NULL) != (below || dc || downtime)) {
		return err_set(&cli->err, ERR_USAGE,
			       name ? "--server: with --below, --dc or --downtime"
				    : "--below, --dc and --downtime need --server SERVER");
	}
	if (why && !downtime) {
		return err_set(&cli->err, ERR_USAGE, "'%s': a reason goes with --downtime", why);
	}
	if (!name) {
		return ERR_OK;
	}
	enum err rc = downtime ? parse_time(cli, downtime, &downtime_s) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *server =
		json_pack("{s:s, s:s*, s:s*}", "name", name, "dc", dc, "downtime_why", why);
	if (!server || json_array_append_new(servers, server) != 0) {
		return err_set(&cli->err, ERR_USAGE, "--server: no valid UTF-8");
	}
	if (below) {
		bool primary = strcmp(below, "primary") == 0;
		json_t *parent = primary ? json_null() : json_string(below);
		if (json_object_set_new(server, "below", parent) != 0) {
			return err_set(&cli->err, ERR_USAGE, "--below: no valid UTF-8");
		}
	}
	if (downtime) {
		check(json_object_set_new(server, "downtime_s", json_integer(downtime_s)) == 0);
	}
	return ERR_OK;
}

static enum err add_stay(struct cli *cli, const struct args *args, json_t *body)
{
	const char *stay = args_text(args, "stay-in-dc");
	if (stay && strcmp(stay, "yes") != 0 && strcmp(stay, "no") != 0) {
		return err_set(&cli->err, ERR_USAGE, "--stay-in-dc: '%s' is none of yes, no", stay);
	}
	if (stay) {
		check(json_object_set_new(body, "stay_in_dc",
					  json_boolean(strcmp(stay, "yes") == 0)) == 0);
	}
	return ERR_OK;
}

/* What is to be set, as the body of the call; a new reference. */
static enum err settings_of(struct cli *cli, const struct args *args, json_t **ret)
{
	const char *weight;
	if (args->value_count == 0) {
		return err_set(&cli->err, ERR_USAGE, "group set: nothing to set: see --help");
	}
	json_t *body = json_object();
	json_t *servers = json_array();
	enum err rc = group_option_policy(cli, args, body);
	for (size_t i = 0; rc == ERR_OK && (weight = args_nth(args, "weight", i)) != NULL; i++) {
		rc = add_weight(cli, weight, servers);
	}
	if (rc == ERR_OK) {
		rc = add_promotable(cli, args, "never-promote", true, servers);
	}
	if (rc == ERR_OK) {
		rc = add_promotable(cli, args, "may-promote", false, servers);
	}
	rc = rc ? rc : add_server(cli, args, servers);
	rc = rc ? rc : add_stay(cli, args, body);
	if (json_array_size(servers)) {
		check(json_object_set(body, "servers", servers) == 0);
	}
	if (rc == ERR_OK && json_object_size(body) == 0) {
		rc = err_set(&cli->err, ERR_USAGE, "group set: nothing to set: see --help");
	}
	json_decref(servers);
	if (rc != ERR_OK) {
		json_decref(body);
		return rc;
	}
	*ret = body;
	return ERR_OK;
}

enum err cmd_group_set(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *body = NULL;
	json_t *result = NULL;
	enum err rc = settings_of(cli, args, &body);
	if (rc == ERR_OK && args_has(args, "dry-run")) {
		check(json_object_set_new(body, "dry_run", json_true()) == 0);
	}
	if (rc == ERR_OK) {
		rc = request_open(cli, args, &request);
	}
	if (rc == ERR_OK) {
		rc = request_group(&request, args_word(args, 0));
	}
	if (rc == ERR_OK) {
		rc = request_group_call(&request, "PATCH", "", body, &result);
	}
	json_decref(body);
	if (rc == ERR_OK && args_has(args, "dry-run")) {
		rc = view_dry_run(cli, result);
		json_decref(result);
	} else if (rc == ERR_OK) {
		view_done(cli, result, "is changed", request.group);
	}
	return rc;
}
