#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
	(void)fprintf(stderr, "muster: bug: %s:%d: check(%s) failed\n", file, line, expression);
	abort();
}
