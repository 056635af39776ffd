/* A session's prepared statements, by ids of the proxy's own, so that they outlive a connection.
 *
 * Each keeps the text it was prepared from and the parameter types that the client bound last. Which
 * id it has at a server is known for one connection at a time, told apart by its serial number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "proxy/session/statement.h"

enum {
	STMTS_MAX = 16384,		  /* of one session */
	STMTS_TEXT_BYTES_MAX = 16u << 20, /* of one session, all texts together */
};

#define STMTS_LAST_ID UINT32_C(0xffffffff) /* MariaDB: the one prepared last */

struct stmt {
	uint32_t id;	    /* the client's */
	uint32_t server_id; /* valid on the connection `serial` */
	uint64_t serial;    /* 0: on none */
	char *sql;	    /* [sql_bytes], owned; NULL: not kept, can't be prepared again */
	size_t sql_bytes;
	uint8_t *types; /* [2 * params], owned; NULL: never bound */
	uint16_t params;
	bool types_bound; /* the server has the types, on the connection `serial` */
	bool long_data;	  /* a parameter was sent in pieces and not executed yet */
	bool cursor;	  /* a cursor may be open */
	struct statement judged;
};

struct stmts {
	struct stmt **items; /* [count] by ascending id; owned */
	size_t count;
	size_t cap;
	size_t text_bytes;
	uint32_t id_last; /* 0: none yet */
};

void stmts_fini(struct stmts *stmts); /* leaves an empty set; takes {0} */

/* A new one with the next id. NULL at STMTS_MAX or without memory. The text is left out where the
 * limits are passed. */
struct stmt *stmts_add(struct stmts *stmts, struct str sql);

/* By the client's id, STMTS_LAST_ID included; NULL when there is none. */
struct stmt *stmts_find(const struct stmts *stmts, uint32_t id);

void stmts_remove(struct stmts *stmts, struct stmt *stmt); /* frees it */

/* Remembers types; count is 2 * params bytes. */
void stmt_bind_types(struct stmt *stmt, const uint8_t *types);
