/* The story of a decision: what events and the report say of it. */
#pragma once

#include "manager/group.h"

/* Which phase of a failover or switchover begins or ends by this decision. group->record is still the old one. */
void story_tell_report(struct group *group, const struct turn_context *context,
		       const struct record *next, const struct decision *decision);

/* The row that matched, as an event. */
void story_tell_move(struct group *group, const struct turn_context *context,
		     const struct decision *decision);

/* What changed in sync set and acknowledgements, and servers that were found to have diverged. old: the record before. */
void story_tell_promise(struct group *group, const struct turn_context *context,
			const struct record *old, const struct decision *decision);

/* How far a change of a pair's passive side has got. */
void story_tell_pair(struct group *group, const struct turn_context *context,
		     const struct record *old, const struct decision *decision);
