/* Who replicates from this server, and from whom it replicates. */
#include "db/server/server.h"

#include "base/check.h"
#include "base/mem.h"
#include "db/server/server_internal.h"

static struct server_neighbour *add(struct server_neighbours *neighbours, struct str host,
				    uint16_t port)
{
	for (size_t i = 0; i < neighbours->count; i++) {
		struct server_neighbour *known = &neighbours->list[i];
		if (known->port == port && str_equal_nocase(str_of(known->host), host)) {
			return known;
		}
	}
	if (neighbours->count >= SERVER_NEIGHBOURS_MAX || host.len >= HOST_BYTES_MAX) {
		return NULL;
	}
	struct server_neighbour *neighbour = &neighbours->list[neighbours->count++];
	*neighbour = (struct server_neighbour){ .port = port };
	check(str_copy(host, neighbour->host, sizeof(neighbour->host)) == ERR_OK);
	return neighbour;
}

/* The host of a session as the process list shows it: "10.0.0.2:51234", without the port. */
static struct str host_of(struct str text)
{
	for (size_t i = text.len; i > 0; i--) {
		if (text.ptr[i - 1] == ':') {
			return str_slice(text, 0, i - 1);
		}
	}
	return text;
}

/* Adds a replica that reports no host of its own: it is on one of the hosts that dump threads serve. */
static void add_unnamed(struct server_neighbours *ret, struct rows *sessions, uint16_t port,
			uint32_t server_id)
{
	static const char dump[] = "Binlog Dump";
	while (rows_next(sessions)) {
		struct str command;
		struct str host;
		if (!rows_get(sessions, "Command", &command) ||
		    !str_starts_with(command, str_of(dump)) || !rows_get(sessions, "Host", &host)) {
			continue;
		}
		struct server_neighbour *neighbour = add(ret, host_of(host), port);
		if (neighbour) {
			neighbour->server_id = server_id;
		}
	}
}

static enum err add_replicas(struct conn *conn, const struct dialect *dialect, uint64_t deadline_us,
			     struct server_neighbours *ret, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *replicas = NULL;
	enum err rc = conn_query(conn, str_of(dialect->replicas_sql), deadline_us, &replicas, err);
	while (rc == ERR_OK && rows_next(replicas)) {
		struct str host;
		uint16_t port = (uint16_t)rows_get_u64(replicas, "Port", 0);
		uint32_t server_id = (uint32_t)rows_get_u64(replicas, "Server_id", 0);
		if (rows_get(replicas, "Host", &host) && host.len > 0) {
			struct server_neighbour *neighbour = add(ret, host, port);
			if (neighbour) {
				neighbour->server_id = server_id;
			}
			continue;
		}
		CLEANUP(rows_freep) struct rows *sessions = NULL;
		rc = conn_query(conn, STR("SHOW PROCESSLIST"), deadline_us, &sessions, err);
		if (rc == ERR_OK) {
			add_unnamed(ret, sessions, port, server_id);
		}
	}
	return rc;
}

enum err server_discover(struct conn *conn, uint64_t deadline_us, struct server_neighbours *ret,
			 struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	struct server_neighbours neighbours = { .count = 0 };
	struct server_status status;
	server_status_init(&status);
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = server_read_status(conn, deadline_us, &status, err);
	}
	if (rc == ERR_OK && status.replica.configured) {
		struct server_neighbour *source =
			add(&neighbours, str_of(status.replica.source_host),
			    status.replica.source_port);
		if (source) {
			source->is_source = true;
		}
	}
	server_status_fini(&status);
	if (rc == ERR_OK) {
		rc = add_replicas(conn, dialect, deadline_us, &neighbours, err);
	}
	if (rc == ERR_OK) {
		*ret = neighbours;
	}
	return rc;
}

/* An address of MySQL's that stands for all of its host's addresses. */
static bool is_any_address(struct str host)
{
	return host.len == 0 || str_equal(host, STR("*")) || str_equal(host, STR("0.0.0.0")) ||
	       str_equal(host, STR("::"));
}

enum err server_find_side_door(struct conn *conn, uint64_t deadline_us,
			       struct server_side_door *ret, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = conn_query(conn, str_of(dialect->side_door_sql), deadline_us, &rows, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct str host;
	*ret = (struct server_side_door){ .port = 0 };
	if (!rows_next(rows)) {
		return ERR_OK;
	}
	(void)rows_get(rows, "host", &host);
	if (!is_any_address(host) && str_copy(host, ret->host, sizeof(ret->host)) != ERR_OK) {
		return ERR_OK;
	}
	uint64_t port = rows_get_u64(rows, "port", 0);
	ret->port = port <= UINT16_MAX ? (uint16_t)port : 0;
	return ERR_OK;
}
