/* Points at which a test may kill this process, to prove that any moment is survivable.
 *
 * The environment variable MUSTER_FAULT names one point; reaching it is SIGKILL. Unset: nothing happens.
 */
#pragma once

/* name: "step.promote.started", "record.opening.stored". */
void fault_point(const char *name);
