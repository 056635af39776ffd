/* What happened, in order: for the log, the event stream, and whoever asks later. Thread-safe.
 *
 * The newest EVENTS_KEPT are held in memory and in the store; ids grow over restarts.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"

struct event_log;

enum { EVENTS_KEPT = 2000, EVENT_FLUSH_MAX = 20 };

/* One event. Texts may be NULL where there is nothing to say. */
struct event {
	enum log_level level;
	const char *evt; /* stable name: "group.state", "step.done" */
	const char *group;
	const char *server;
	uint64_t epoch;
	uint32_t rule;	      /* 0: none */
	uint64_t duration_us; /* 0: none */
	const char *message;
};

/* Empty, and following. */
struct event_log *event_log_new(const struct clock *clock, const struct log *log);
struct event_log *event_log_free(struct event_log *events); /* takes NULL, returns NULL */

/* Reads from the store those that are newer than what is held and stored. Owner's thread only. */
MUST_CHECK enum err event_log_load(struct event_log *events, struct store *store,
				   struct err_ctx *err);

/* leads: events are kept and stored from now on. Otherwise they are only logged, what isn't stored is forgotten, and what
 * there is comes from the store: the leader of it tells the story. Owner's thread only. */
void event_log_lead(struct event_log *events, bool leads);

/* Copies the event, gives it an id and a time, wakes who waits, and logs it. Any thread. */
void event_log_add(struct event_log *events, const struct event *event);

/* Fills at most EVENT_FLUSH_MAX changes (additions, and removals of what is too old) that the owner of the store
 * commits; event_log_flushed() follows when that succeeded. Views are valid until then. Owner's thread only. */
size_t event_log_flush(struct event_log *events, struct store_change *changes, size_t max);
void event_log_flushed(struct event_log *events);

/* See manager_events() and manager_events_wait(). Any thread. */
json_t *event_log_read(struct event_log *events, const char *group, uint64_t after_id,
		       uint32_t limit);
bool event_log_wait(struct event_log *events, uint64_t after_id, uint64_t timeout_us);

/* From which event on this manager tells the story itself: all after *ret_after_id. false while it follows; then the
 * newest event is *ret_after_id. Any thread. */
bool event_log_leads(struct event_log *events, uint64_t *ret_after_id);

/* No waiter waits any longer. */
void event_log_close(struct event_log *events);
