/* A self-signed key pair for servers that would make an RSA one at each start: elliptic curves cost
 * milliseconds where RSA costs seconds. */
#pragma once

#include "base/err.h"

/* Writes a P-256 private key (mode 0600) and a certificate for it that is valid for ten years, both PEM.
 * Errors: ERR_FAILED from the crypto library, ERR_IO. */
MUST_CHECK enum err certificate_make(const char *key_path, const char *certificate_path,
				     struct err_ctx *err);
