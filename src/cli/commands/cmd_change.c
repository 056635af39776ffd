/* muster switchover, failover, pause, resume. */
#include "base/check.h"
#include "cli/command.h"
#include "cli/output/view.h"
#include "cli/output/view_course.h"
#include "cli/request.h"

#define OPTION_TO \
	{ \
		.name = "to", .kind = OPTION_TEXT, .value = "SERVER", \
		.help = "The new primary. Default: the best one." \
	}

const struct option_row options_switchover[] = { OPTION_DRY_RUN, OPTION_TO, { 0 } };

const struct option_row options_failover[] = {
	OPTION_DRY_RUN,
	OPTION_TO,
	{ .name = "accept-loss",
	  .kind = OPTION_FLAG,
	  .help = "Go on although acknowledged commits may be lost." },
	{ 0 },
};

static enum err open_for_group(struct cli *cli, const struct args *args, struct request *ret)
{
	enum err rc = request_open(cli, args, ret);
	return rc == ERR_OK ? request_group(ret, args_word(args, 0)) : rc;
}

static enum err add_target(struct cli *cli, const struct args *args, json_t *body)
{
	const char *to = args_text(args, "to");
	if (to && json_object_set_new(body, "to", json_string(to)) != 0) {
		return err_set(&cli->err, ERR_USAGE, "--to: the name is no valid UTF-8");
	}
	return ERR_OK;
}

/* The report may be the result itself or stand in it. */
static void print_change(struct cli *cli, const json_t *result)
{
	const json_t *report = json_object_get(result, "report");
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		view_change(cli, json_is_object(report) ? report : result);
	}
}

static enum err change(struct request *request, const char *rest, const json_t *body)
{
	json_t *result = NULL;
	enum err rc = request_group_call(request, "POST", rest, body, &result);
	if (rc == ERR_OK && json_is_true(json_object_get(result, "dry_run"))) {
		rc = view_dry_run(request->cli, result);
	} else if (rc == ERR_OK) {
		print_change(request->cli, result);
	}
	json_decref(result);
	return rc;
}

enum err cmd_switchover(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *body = json_pack("{s:b}", "dry_run", args_has(args, "dry-run") ? 1 : 0);
	check(body);
	enum err rc = add_target(cli, args, body);
	if (rc == ERR_OK) {
		rc = open_for_group(cli, args, &request);
	}
	if (rc == ERR_OK) {
		rc = change(&request, "/switchover", body);
	}
	json_decref(body);
	return rc;
}

/* Shows what would happen, on standard error since it is no result, and asks. */
static enum err agree(struct request *request, const struct args *args)
{
	json_t *status = NULL;
	enum err rc = request_group_call(request, "GET", "/status", NULL, &status);
	if (rc != ERR_OK) {
		return rc;
	}
	const char *primary = request_text(status, "primary");
	const char *to = args_text(args, "to");
	const char *plan = request_text(json_object_get(status, "readiness"), "text");
	cli_note(request->cli, "group %s: primary %s, new primary: %s; %s", request->group,
		 primary[0] ? primary : "none", to ? to : "the best one", plan);
	if (args_has(args, "accept-loss")) {
		cli_note(request->cli, "acknowledged commits may be lost: --accept-loss");
	}
	rc = cli_confirm(request->cli, args, "Fail over?");
	json_decref(status);
	return rc;
}

enum err cmd_failover(struct cli *cli, const struct args *args)
{
	struct request request;
	bool dry_run = args_has(args, "dry-run");
	json_t *body = json_pack("{s:b, s:b}", "accept_loss", args_has(args, "accept-loss") ? 1 : 0,
				 "dry_run", dry_run ? 1 : 0);
	check(body);
	enum err rc = add_target(cli, args, body);
	if (rc == ERR_OK) {
		rc = open_for_group(cli, args, &request);
	}
	if (rc == ERR_OK && !dry_run) {
		rc = agree(&request, args);
	}
	if (rc == ERR_OK) {
		rc = change(&request, "/failover", body);
	}
	json_decref(body);
	return rc;
}

static enum err pause_or_resume(struct cli *cli, const struct args *args, const char *rest,
				const char *state)
{
	struct request request;
	json_t *result = NULL;
	enum err rc = open_for_group(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_group_call(&request, "POST", rest, NULL, &result);
	}
	if (rc == ERR_OK && cli->json) {
		cli_print_json(cli, result);
	} else if (rc == ERR_OK) {
		buf_printf(&cli->out, "%s: automatic failover is %s\n", request.group, state);
	}
	json_decref(result);
	return rc;
}

enum err cmd_pause(struct cli *cli, const struct args *args)
{
	return pause_or_resume(cli, args, "/pause", "off");
}

enum err cmd_resume(struct cli *cli, const struct args *args)
{
	return pause_or_resume(cli, args, "/resume", "on");
}
