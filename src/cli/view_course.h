/* How a forecast (of explain and of a dry run) looks for people. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"

/* The states with their steps, one a line, indented; nothing when the group stays as it is. */
void view_course(struct cli *cli, const json_t *course);
