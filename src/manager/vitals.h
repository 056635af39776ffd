/* The vital signs of a group's servers: heartbeat, lag from end to end, and the verdict. Manager thread only. */
#pragma once

#include "manager/group.h"

/* Says to each server's pulse what it is now: the primary of a steady group that is seen writable is written to. */
void vitals_set_roles(struct group *group);

/* Leaves the servers alone: another manager looks after them. */
void vitals_rest(struct group *group);

/* Takes in what a pulse found. */
void vitals_take_pulse(struct group *group, uint32_t server, const struct pulse_report *report);

/* Tells of verdicts that changed, once they have lasted for a moment. */
void vitals_tell(struct group *group, const struct turn_context *context);
