#include "db/copy/reclone.h"

#include "base/mem.h"
#include "db/copy/reclone_internal.h"
#include "db/server/server_internal.h"

enum { CONNECT_TIMEOUT_MS = 5000, VERSION_SERIES = 100 };

enum err reclone_connect(const struct reclone_options *options, bool donor, struct conn **ret,
			 struct err_ctx *err)
{
	const struct conn_options *to = donor ? options->donor : options->server;
	uint64_t deadline_us =
		clock_monotonic_us(to->clock) + (uint64_t)CONNECT_TIMEOUT_MS * US_PER_MS;
	return conn_open(to, deadline_us, ret, NULL, err);
}

uint64_t reclone_deadline_us(const struct reclone_options *options)
{
	return clock_monotonic_us(options->server->clock) + options->wait_us;
}

enum err reclone_check_cancelled(const struct reclone_options *options, struct err_ctx *err)
{
	return options->is_cancelled(options->ctx) ? err_set(err, ERR_AGAIN, "broken off") : ERR_OK;
}

static enum err check_versions(struct conn *server, struct conn *donor, struct err_ctx *err)
{
	if (dialect_server_number(server) / VERSION_SERIES !=
	    dialect_server_number(donor) / VERSION_SERIES) {
		return err_set(err, ERR_REFUSED,
			       "'%s' runs %s and the donor '%s' runs %s: a copy needs one series",
			       conn_target(server), conn_server_version(server), conn_target(donor),
			       conn_server_version(donor));
	}
	return ERR_OK;
}

enum err reclone_run(const struct reclone_options *options, struct err_ctx *err)
{
	CLEANUP(conn_closep) struct conn *server = NULL;
	CLEANUP(conn_closep) struct conn *donor = NULL;
	const struct dialect *dialect = NULL;
	enum err rc = reclone_connect(options, false, &server, err);
	rc = rc ? rc : reclone_connect(options, true, &donor, err);
	rc = rc ? rc : server_dialect(server, &dialect, err);
	rc = rc ? rc : check_versions(server, donor, err);
	return rc ? rc : dialect->reclone(options, server, donor, err);
}
