/* The pair of a group and the change of its passive side, as the API tells of it. */
#pragma once

#include <jansson.h>

#include "manager/group.h"

/* A new reference; null when the group has no pair. */
json_t *pair_to_json(const struct group *group, uint64_t now_us);

/* The one of the two that is not the primary; SERVER_NONE unless the primary is one of them. */
uint32_t pair_passive(const struct record *record);
