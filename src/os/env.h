/* The environment that the process was started with. */
#pragma once

/* The value of a variable, or NULL; empty counts as NULL. Nobody changes the environment after the
 * start, so any thread may ask; the text lives as long as the process. */
const char *env_get(const char *name);
