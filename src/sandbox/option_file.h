/* The option files that are written into a sandbox: one per server, and muster's own. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "sandbox/sandbox_state.h"

/* Appends the option file of one server.
 *
 * It starts read-only and replicates nothing until told so; nothing acknowledged is lost by a crash; its
 * port is on 127.0.0.1 only.
 */
MUST_CHECK enum err option_file_server(const struct sandbox *sandbox,
				       const struct sandbox_server *server, struct buf *text,
				       struct err_ctx *err);

/* Appends the configuration of `muster run`. */
MUST_CHECK enum err option_file_muster(const struct sandbox *sandbox, struct buf *text,
				       struct err_ctx *err);
