#include "os/env.h"

#include <stdlib.h>

const char *env_get(const char *name)
{
	const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
	return value && value[0] ? value : NULL;
}
