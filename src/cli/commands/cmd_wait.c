/* muster wait. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/request.h"
#include "os/clock_system.h"

enum { WAIT_TIMEOUT_S = 60, WAIT_INTERVAL_MS = 100, WHY_BYTES_MAX = 768 };

/* ERR_OK when it is healthy, ERR_AGAIN with what is missing, or another error. */
static enum err look(struct request *request, const char *group)
{
	json_t *status = NULL;
	enum err rc = request_group(request, group);
	if (rc == ERR_OK) {
		rc = request_group_call(request, "GET", "/status", NULL, &status);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (!json_is_true(json_object_get(status, "healthy"))) {
		char text[WHY_BYTES_MAX];
		struct buf why;
		size_t index;
		const json_t *reason;
		buf_init_fixed(&why, text, sizeof(text));
		json_array_foreach(json_object_get(status, "why_not_healthy"), index, reason)
		{
			buf_printf(&why, "%s%s", index ? "; " : "",
				   json_string_value(reason) ? json_string_value(reason) : "?");
		}
		rc = err_set(&request->cli->err, ERR_AGAIN, "%s",
			     why.len ? buf_text(&why) : request_text(status, "state_text"));
	}
	json_decref(status);
	return rc;
}

enum err cmd_wait(struct cli *cli, const struct args *args)
{
	struct request request;
	const char *group = args->word_count == 2 ? args_word(args, 0) : NULL;
	const char *what = args_word(args, args->word_count - 1);
	uint64_t timeout_s = args_number(args, "timeout", WAIT_TIMEOUT_S);
	uint64_t end_us = clock_monotonic_us(&clock_system) + timeout_s * US_PER_S;
	const struct timespec interval = { 0, WAIT_INTERVAL_MS * 1000000L };
	if (strcmp(what, "healthy") != 0) {
		return err_set(&cli->err, ERR_USAGE, "wait for what? '%s' is not 'healthy'", what);
	}
	enum err rc = request_open(cli, args, &request);
	if (rc != ERR_OK) {
		return rc;
	}
	for (;;) {
		rc = look(&request, group);
		/* A `muster run` that is just starting is worth waiting for, too. */
		if (rc != ERR_AGAIN && rc != ERR_UNREACHABLE) {
			return rc;
		}
		if (clock_monotonic_us(&clock_system) >= end_us) {
			break;
		}
		(void)nanosleep(&interval, NULL);
	}
	if (rc == ERR_UNREACHABLE) {
		return rc;
	}
	return err_wrap(&cli->err, ERR_DEADLINE, "'%s' is not healthy after %llu s", request.group,
			(unsigned long long)timeout_s);
}
