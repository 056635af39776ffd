/* How a forecast (of explain and of a dry run) looks for people. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"

/* The row of a command's options that it goes with. */
#define OPTION_DRY_RUN \
	{ \
		.name = "dry-run", .kind = OPTION_FLAG, \
		.help = "Only tell what would be done, or why it would be refused." \
	}

/* The states with their steps, one a line, indented; nothing when the group stays as it is. */
void view_course(struct cli *cli, const json_t *course);

/* The answer of a dry run. ERR_REFUSED with the reason when it would be refused. */
MUST_CHECK enum err view_dry_run(struct cli *cli, const json_t *result);
