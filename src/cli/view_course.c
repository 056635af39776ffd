#include "cli/view_course.h"

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
