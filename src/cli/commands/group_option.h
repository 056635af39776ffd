/* Options that several commands of a group share. */
#pragma once

#include <jansson.h>

#include "cli/args.h"
#include "cli/cli.h"

#define GROUP_OPTION_MAX_LOSS \
	{ \
		.name = "max-loss-s", .kind = OPTION_TEXT, .value = "N", \
		.help = "bounded: a failover may lose the commits of the last N seconds." \
	}

/* Puts policy and max_loss_s into the body of a call, as far as they are given. ERR_USAGE. */
MUST_CHECK enum err group_option_policy(struct cli *cli, const struct args *args, json_t *body);
