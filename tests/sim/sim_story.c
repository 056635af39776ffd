#include "sim_story.h"

#include <stdarg.h>

const char *sim_story_host(uint32_t host)
{
	static const char *const names[SIM_HOSTS] = { "s0",    "s1",	   "s2",       "s3",
						      "s4",    "manager0", "manager1", "manager2",
						      "node0", "node1",	   "store" };
	return host < SIM_HOSTS ? names[host] : "-";
}

void sim_story_tell(struct sim_world *world, uint32_t who, const char *format, ...)
{
	if (!world->story) {
		return;
	}
	(void)fprintf(world->story, "%9.3f ms  %-9s ", (double)world->now_us / SIM_MS,
		      sim_story_host(who));
	va_list arguments;
	va_start(arguments, format);
	(void)vfprintf(world->story, format, arguments);
	va_end(arguments);
	(void)fputc('\n', world->story);
}

void sim_story_fail(struct sim_world *world, const char *format, ...)
{
	if (world->failed) {
		return;
	}
	world->failed = true;
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(world->failure, sizeof(world->failure), format, arguments);
	va_end(arguments);
	sim_story_tell(world, SIM_NOBODY, "VIOLATION: %s", world->failure);
}
