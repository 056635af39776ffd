/* The commands that the doors can send. Each is a row of calls.def. */
#pragma once

#include <pthread.h>

#include "manager/addresses/addresses.h"
#include "manager/group.h"
#include "manager/nodes/nodes.h"
#include "manager/role.h"
#include "manager/services/services.h"

/* Inside of the manager, as the commands see it. */
struct manager_core {
	struct manager_options options;
	struct event_log *events;
	struct role role;
	struct list groups;
	struct peer_options on; /* for new peers; host and port are filled in */
	struct hook_door hooks;
	struct nodes *nodes; /* NULL: this manager takes none */
	struct addresses *addresses;
	struct services *services;
	void (*look_now)(struct manager_core *core, const char *host,
			 uint16_t port); /* a server had trouble */
};

/* One command under way. Held by the caller and by the manager; who lets go last frees it. */
struct call {
	const json_t *
		params; /* the caller's, valid until `done` or abandoned: read in prepare and run only */
	struct record plan; /* made by prepare: a group's record, or only its new servers */
	json_t *notes;	    /* made by prepare: goes into the answer; may be NULL */
	uint64_t deadline_us;
	/* NULL, or asked now and then while the caller waits: true: nobody will answer, and it waits no longer. */
	bool (*pointless)(void *ctx);
	void *pointless_ctx;
	struct waiter waiter; /* while it waits for a report */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t answered;
	bool taken;  /* the manager's thread has begun with it */
	bool parked; /* it was run and waits for a report: params are needed no more */
	bool done;
	bool abandoned;
	enum err rc;
	struct err_ctx err;
	json_t *result;
};

/* ERR_AGAIN from a run: it is answered later, when a report ends. */
typedef enum err (*call_prepare_fn)(const struct manager_core *core, struct call *call,
				    struct err_ctx *err);
typedef enum err (*call_run_fn)(struct manager_core *core, struct call *call, json_t **ret,
				struct err_ctx *err);

struct call_row {
	const char *method;
	bool changes; /* taken by the leader only */
	call_prepare_fn prepare;
	call_run_fn run;
};

/* NULL when there is none. */
const struct call_row *call_find(const char *method);

/* The group that the parameters name, or the only one. ERR_NOT_FOUND, ERR_USAGE. */
MUST_CHECK enum err call_group(struct manager_core *core, const json_t *params, struct group **ret,
			       struct err_ctx *err);

/* Whether the caller only wants to be told what would be done. */
bool call_is_dry(const struct call *call);

/* Context for group_* functions, at this moment. */
struct turn_context call_context(const struct manager_core *core);

/* Answers the waiters of a group whose operation has ended. Manager thread. */
void call_answer_waiters(struct manager_core *core, struct group *group);

/* Puts the planned group on the record and starts to watch it. ERR_EXISTS, or what the store says. */
MUST_CHECK enum err call_begin_group(struct manager_core *core, struct call *call,
				     struct err_ctx *err);

/* Gives the answer and wakes the caller; takes over `result`. */
void call_answer(struct call *call, enum err rc, const struct err_ctx *err, json_t *result);

/* Blocks until the answer is there or the deadline has passed; then the call is no longer the caller's. */
MUST_CHECK enum err call_wait(struct call *call, const struct clock *clock, json_t **ret,
			      struct err_ctx *err);

/* The manager's thread is through with the parameters; the answer comes later. */
void call_park(struct call *call);

/* A call that waits for its answer; the parameters are borrowed until it is answered or parked. The
 * caller frees it when it can't be sent; else call_wait() does, or call_answer() when nobody waits any
 * longer. */
struct call *call_new(const json_t *params, uint64_t deadline_us);
void call_free(struct call *call);

#define X(method, access, prepare, run) \
	enum err run(struct manager_core *core, struct call *call, json_t **ret, \
		     struct err_ctx *err);
#include "manager/calls/calls.def"
#undef X
/* What blocks (looking at servers) is done in the caller's thread, before the manager sees the call. */
enum err call_add_prepare(const struct manager_core *core, struct call *call, struct err_ctx *err);
enum err call_adopt_prepare(const struct manager_core *core, struct call *call,
			    struct err_ctx *err);
enum err call_store_show_prepare(const struct manager_core *core, struct call *call,
				 struct err_ctx *err);
enum err call_create_prepare(const struct manager_core *core, struct call *call,
			     struct err_ctx *err);
