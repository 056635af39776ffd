/* A password or key in memory: no log or JSON writer takes this type. */
#pragma once

#include <string.h>

#include "base/str.h"

enum { SECRET_BYTES_MAX = 256 };

struct secret {
	char text[SECRET_BYTES_MAX]; /* NUL-terminated */
};

/* Overwrites it in a way that the compiler keeps. */
static inline void secret_wipe(struct secret *secret)
{
	explicit_bzero(secret->text, sizeof(secret->text));
}

/* ERR_LIMIT when it is too long. */
MUST_CHECK static inline enum err secret_set(struct secret *secret, struct str text)
{
	return str_copy(text, secret->text, sizeof(secret->text));
}
