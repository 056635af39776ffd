#include "cli/output/view_course.h"

#include "cli/request.h"

static void add_state(struct cli *cli, const json_t *state)
{
	struct buf *out = &cli->out;
	const char *primary = request_text(state, "primary");
	size_t index;
	const json_t *step;
	buf_printf(out, "  %-9s epoch %" JSON_INTEGER_FORMAT "%s%s: %s\n",
		   request_text(state, "state"),
		   json_integer_value(json_object_get(state, "epoch")),
		   primary[0] ? ", primary " : "", primary, request_text(state, "why"));
	json_array_foreach(json_object_get(state, "steps"), index, step)
	{
		buf_printf(out, "    %s: %s: %s\n", request_text(step, "server"),
			   request_text(step, "step"), request_text(step, "text"));
	}
}

void view_course(struct cli *cli, const json_t *course)
{
	size_t index;
	const json_t *state;
	json_array_foreach(json_object_get(course, "states"), index, state)
	{
		/* The present state is only of interest for what is done in it. */
		if (index > 0 || json_array_size(json_object_get(state, "steps")) > 0) {
			add_state(cli, state);
		}
	}
}

static void add_successor(struct cli *cli, const json_t *death)
{
	const char *winner = request_text(death, "winner");
	if (json_is_object(death)) {
		buf_printf(&cli->out, "if the primary died then: %s would take over%s%s\n",
			   winner[0] ? winner : "nobody", winner[0] ? "" : ": ",
			   winner[0] ? "" : request_text(death, "blocked_by"));
	}
}

enum err view_dry_run(struct cli *cli, const json_t *result)
{
	bool would = json_is_true(json_object_get(result, "would"));
	const json_t *course = json_object_get(result, "course");
	const char *text = request_text(result, "text");
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		buf_printf(&cli->out, "%s: %s\n", request_text(result, "group"),
			   !would    ? "it would be refused"
			   : text[0] ? text
				     : "this would be done:");
		view_course(cli, course);
		add_successor(cli, json_object_get(result, "if_the_primary_died"));
	}
	return would ? ERR_OK
		     : err_set(&cli->err, ERR_REFUSED, "%s", request_text(result, "reason"));
}
