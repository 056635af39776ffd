/* What a hook reads on its standard input. docs/hooks.md has its fields. */
#pragma once

#include "manager/hooks/hook.h"

struct group;

/* Fills group, epoch, from, to and input of an order whose kind and planned are set. why: the cause in words. */
void hook_input_fill(const struct group *group, const char *why, uint64_t wall_us,
		     struct hook_order *order);
