#include "db/server/server_pair.h"

#include "db/server/server_internal.h"

enum err server_admit_change(struct conn *conn, uint32_t domain, uint64_t deadline_us,
			     struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	return rc ? rc : dialect->admit_change(conn, domain, deadline_us, err);
}

enum err server_end_change(struct conn *conn, uint32_t domain, uint64_t deadline_us,
			   struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	return rc ? rc : dialect->end_change(conn, domain, deadline_us, err);
}

enum err server_set_parallel_mode(struct conn *conn, const char *mode, uint64_t deadline_us,
				  struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc != ERR_OK || !dialect->set_parallel_mode) {
		return rc;
	}
	return dialect->set_parallel_mode(conn, mode, deadline_us, err);
}
