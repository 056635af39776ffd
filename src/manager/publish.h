/* The route table that follows from the record and from what is seen. Pure. */
#pragma once

#include "decide/observation.h"
#include "decide/record.h"
#include "proxy/routing/route.h"

struct publish_options {
	uint32_t lag_limit_s; /* a replica behind by more serves no reads */
};

/* Leaves ret->revision 0: who publishes counts. */
void publish_route(const struct record *record, const struct observation *seen,
		   const struct publish_options *options, struct route *ret);

/* Whether `b` says anything else than `a` to a proxy, revisions aside. */
bool publish_differs(const struct route *a, const struct route *b);
