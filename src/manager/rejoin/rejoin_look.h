/* Looks at a server that comes back and at the primary, and says how the one stands to the other. For a job's thread. */
#pragma once

#include "db/server/server.h"
#include "manager/rejoin/rejoin.h"

struct rejoin_look {
	enum rejoin_class class;
	struct conn *server;		     /* NULL: it doesn't answer */
	struct conn *primary;		     /* NULL as well */
	struct server_status status;	     /* of the server */
	struct server_status primary_status; /* read after it */
	struct server_size size;	     /* of the server */
	struct server_size donor_size;	     /* of the primary: what a copy would have */
	struct gtid_set purged;
	struct gtid_set extra; /* that the server has and the primary lacks */
	bool purged_known;
	bool stranger; /* another server than the one that was here before */
	bool id_taken; /* another server of the group has its server_id or server_uuid */
};

/* ret: zeroed; rejoin_look_fini() in any case. Errors: ERR_UNREACHABLE and the like, when one of both can't be read. */
MUST_CHECK enum err rejoin_look_at(const struct rejoin *job, struct rejoin_look *ret,
				   struct err_ctx *err);
void rejoin_look_fini(struct rejoin_look *look);

/* All that was found, as JSON; a new reference. */
json_t *rejoin_look_json(const struct rejoin *job, const struct rejoin_look *look);

/* Opens a connection to one of the job's servers, as the manager's account or as the replication account. */
MUST_CHECK enum err rejoin_connect(const struct rejoin *job, const struct rejoin_place *place,
				   bool replication, struct conn **ret, struct err_ctx *err);
