/* muster status. */
#include "base/check.h"
#include "cli/command.h"
#include "cli/output/view.h"
#include "cli/request.h"

static enum err one_group(struct request *request, json_t **ret)
{
	return request_group_call(request, "GET", "/status", NULL, ret);
}

/* Every group, in the order of the list. */
static enum err all_groups(struct request *request, json_t *statuses)
{
	json_t *list = NULL;
	size_t index;
	json_t *group;
	enum err rc = request_call(request, "GET", "/groups", NULL, &list);
	if (rc != ERR_OK) {
		return rc;
	}
	json_array_foreach(json_object_get(list, "groups"), index, group)
	{
		json_t *status = NULL;
		rc = request_group(request, request_text(group, "group"));
		if (rc == ERR_OK) {
			rc = one_group(request, &status);
		}
		if (rc != ERR_OK) {
			break;
		}
		check(json_array_append_new(statuses, status) == 0);
	}
	json_decref(list);
	return rc;
}

/* What is balanced besides; an empty list where nobody tells, as on a manager that follows. */
static json_t *all_services(struct request *request)
{
	json_t *answer = NULL;
	enum err rc = request_call(request, "GET", "/services", NULL, &answer);
	json_t *list = rc == ERR_OK ? json_incref(json_object_get(answer, "services")) : NULL;
	request->cli->err = (struct err_ctx){ 0 };
	json_decref(answer);
	return list ? list : json_array();
}

static void print_services(struct cli *cli, const json_t *services)
{
	size_t index;
	const json_t *one;
	json_array_foreach(services, index, one)
	{
		buf_printf(&cli->out,
			   "%sservice %s: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
			   " back ends in the balance, %" JSON_INTEGER_FORMAT " connections\n",
			   index ? "" : "\n", request_text(one, "service"),
			   json_integer_value(json_object_get(one, "in_balance")),
			   json_integer_value(json_object_get(one, "count")),
			   json_integer_value(json_object_get(one, "connections")));
	}
}

static void print_all(struct cli *cli, const json_t *statuses)
{
	size_t index;
	const json_t *status;
	if (json_array_size(statuses) == 0) {
		buf_add_text(&cli->out, "no groups: see muster group create, muster group adopt\n");
	}
	json_array_foreach(statuses, index, status)
	{
		if (index) {
			buf_add_char(&cli->out, '\n');
		}
		view_status(cli, status);
	}
}

enum err cmd_status(struct cli *cli, const struct args *args)
{
	struct request request;
	const char *word = args_word(args, 0);
	json_t *status = NULL;
	enum err rc = request_open(cli, args, &request);
	if (rc != ERR_OK) {
		return rc;
	}
	if (word) {
		rc = request_group(&request, word);
		if (rc == ERR_OK) {
			rc = one_group(&request, &status);
		}
		if (rc == ERR_OK && cli->json) {
			cli_print_json(cli, status);
		} else if (rc == ERR_OK) {
			view_status(cli, status);
		}
		json_decref(status);
		return rc;
	}
	json_t *statuses = json_array();
	rc = all_groups(&request, statuses);
	json_t *services = rc == ERR_OK ? all_services(&request) : NULL;
	if (rc == ERR_OK && cli->json) {
		json_t *all = json_pack("{s:O, s:O}", "groups", statuses, "services", services);
		cli_print_json(cli, all);
		json_decref(all);
	} else if (rc == ERR_OK) {
		print_all(cli, statuses);
		print_services(cli, services);
	}
	json_decref(services);
	json_decref(statuses);
	return rc;
}
