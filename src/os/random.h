/* Random bytes from the kernel, for keys, passwords and scrambles. */
#pragma once

#include <stddef.h>

#include "base/secret.h"

/* Fills `bytes` bytes. The kernel's generator doesn't fail once it is seeded; if it does, the program
 * stops: there is no safe way to go on without it. */
void random_bytes(void *to, size_t bytes);

/* A password of `letters` (less than SECRET_BYTES_MAX) letters and digits, each equally likely. */
void random_password(struct secret *ret, size_t letters);
