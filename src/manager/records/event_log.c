#include "manager/records/event_log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "manager/records/wall_time.h"
#include "os/thread.h"

enum { EVENT_KEY_BYTES = 32, EVENT_TEXT_BYTES_MAX = 8192 };

struct kept {
	uint64_t id;
	char group[64];
	char key[EVENT_KEY_BYTES];
	char *text; /* JSON */
};

struct event_log {
	const struct clock *clock;
	const struct log *log;
	pthread_mutex_t mutex; /* guards all that follows */
	pthread_cond_t grown;
	struct kept ring[EVENTS_KEPT];
	uint64_t last_id;
	uint64_t stored_id;   /* all up to it are in the store */
	uint64_t flushing_id; /* all up to it are in the commit that is under way */
	char removed_keys[EVENT_FLUSH_MAX][EVENT_KEY_BYTES];
	bool leads;
	uint64_t led_after_id; /* the newest when it began to lead */
	bool closed;
};

static void key_of(uint64_t id, char *key)
{
	(void)snprintf(key, EVENT_KEY_BYTES, "event/%020" PRIu64, id);
}

static struct kept *slot_of(struct event_log *events, uint64_t id)
{
	return &events->ring[id % EVENTS_KEPT];
}

static void keep(struct event_log *events, uint64_t id, const char *group, char *text)
{
	struct kept *slot = slot_of(events, id);
	mem_free(slot->text);
	slot->id = id;
	slot->text = text;
	key_of(id, slot->key);
	if (str_copy(str_of(group ? group : ""), slot->group, sizeof(slot->group)) != ERR_OK) {
		slot->group[0] = 0;
	}
	events->last_id = id;
}

static bool load_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	(void)version;
	struct event_log *events = ctx;
	uint64_t id;
	struct str digits = str_slice(key, sizeof("event/") - 1, key.len);
	if (str_parse_u64(digits, 1, UINT64_MAX, &id) != ERR_OK) {
		return true;
	}
	json_t *json = json_loadb(value.ptr, value.len, 0, NULL);
	const char *group = json_string_value(json_object_get(json, "group"));
	(void)pthread_mutex_lock(&events->mutex);
	keep(events, id, group, mem_dup_text(value.ptr, value.len));
	events->stored_id = id;
	(void)pthread_cond_broadcast(&events->grown);
	(void)pthread_mutex_unlock(&events->mutex);
	json_decref(json);
	return true;
}

struct event_log *event_log_new(const struct clock *clock, const struct log *log)
{
	struct event_log *events = mem_need(sizeof(*events));
	events->clock = clock;
	events->log = log;
	thread_condition_init(&events->mutex, &events->grown);
	return events;
}

enum err event_log_load(struct event_log *events, struct store *store, struct err_ctx *err)
{
	char after[EVENT_KEY_BYTES];
	key_of(events->stored_id, after);
	return store_list_after(store, STR("event/"), str_of(after), load_row, events, err);
}

void event_log_lead(struct event_log *events, bool leads)
{
	(void)pthread_mutex_lock(&events->mutex);
	if (leads && !events->leads) {
		events->led_after_id = events->last_id;
	}
	events->leads = leads;
	for (; !leads && events->last_id > events->stored_id; events->last_id--) {
		struct kept *slot = slot_of(events, events->last_id);
		slot->text = mem_free(slot->text);
		slot->id = 0;
	}
	(void)pthread_mutex_unlock(&events->mutex);
}

struct event_log *event_log_free(struct event_log *events)
{
	if (events) {
		for (size_t i = 0; i < EVENTS_KEPT; i++) {
			mem_free(events->ring[i].text);
		}
		(void)pthread_mutex_destroy(&events->mutex);
		(void)pthread_cond_destroy(&events->grown);
	}
	return mem_free(events);
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static char *event_text(const struct event *event, uint64_t id, uint64_t wall_us)
{
	json_t *json = json_pack("{s:I, s:o, s:o, s:o, s:s, s:s, s:I, s:I, s:f, s:s}", "id",
				 (json_int_t)id, "time", wall_time_to_json(wall_us), "group",
				 text_or_null(event->group), "server", text_or_null(event->server),
				 "evt", event->evt, "level", log_level_name(event->level), "epoch",
				 (json_int_t)event->epoch, "rule", (json_int_t)event->rule,
				 "duration_ms", (double)event->duration_us / (double)US_PER_MS,
				 "message", event->message);
	char *dumped = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	json_decref(json);
	/* jansson's allocator and ours are both malloc; a text that isn't UTF-8 can't be packed. */
	return dumped ? dumped : mem_dup_text("{}", 2);
}

static void write_log_line(const struct event_log *events, const struct event *event)
{
	if (!log_wants(events->log, event->level)) {
		return;
	}
	struct log_field fields[5];
	size_t count = 0;
	if (event->group) {
		fields[count++] = LOG_TEXT("group", event->group);
	}
	if (event->server) {
		fields[count++] = LOG_TEXT("server", event->server);
	}
	fields[count++] = LOG_U64("epoch", event->epoch);
	if (event->rule) {
		fields[count++] = LOG_U64("rule", event->rule);
	}
	if (event->duration_us) {
		fields[count++] = LOG_U64("duration_us", event->duration_us);
	}
	log_emit(events->log, event->level, event->evt, event->message, fields, count);
}

void event_log_add(struct event_log *events, const struct event *event)
{
	write_log_line(events, event);
	if (event->level == LOG_DEBUG) {
		return;
	}
	uint64_t wall_us = clock_wall_us(events->clock);
	(void)pthread_mutex_lock(&events->mutex);
	if (events->leads) {
		uint64_t id = events->last_id + 1;
		keep(events, id, event->group, event_text(event, id, wall_us));
		(void)pthread_cond_broadcast(&events->grown);
	}
	(void)pthread_mutex_unlock(&events->mutex);
}

size_t event_log_flush(struct event_log *events, struct store_change *changes, size_t max)
{
	size_t count = 0;
	size_t removed = 0;
	(void)pthread_mutex_lock(&events->mutex);
	if (events->last_id > events->stored_id + EVENTS_KEPT / 2) {
		events->stored_id = events->last_id - EVENTS_KEPT / 2;
	}
	uint64_t id = events->stored_id;
	while (id < events->last_id && count + 2 <= max && removed < EVENT_FLUSH_MAX) {
		id++;
		const struct kept *slot = slot_of(events, id);
		changes[count++] = (struct store_change){ .key = str_of(slot->key),
							  .value = str_of(slot->text) };
		if (id > EVENTS_KEPT) {
			key_of(id - EVENTS_KEPT, events->removed_keys[removed]);
			changes[count++] = (struct store_change){
				.key = str_of(events->removed_keys[removed++]), .remove = true
			};
		}
	}
	events->flushing_id = id;
	(void)pthread_mutex_unlock(&events->mutex);
	return count;
}

void event_log_flushed(struct event_log *events)
{
	(void)pthread_mutex_lock(&events->mutex);
	events->stored_id = events->flushing_id;
	(void)pthread_mutex_unlock(&events->mutex);
}

json_t *event_log_read(struct event_log *events, const char *group, uint64_t after_id,
		       uint32_t limit)
{
	json_t *list = json_array();
	(void)pthread_mutex_lock(&events->mutex);
	uint64_t oldest = events->last_id >= EVENTS_KEPT ? events->last_id - EVENTS_KEPT + 1 : 1;
	uint64_t id = after_id + 1 > oldest ? after_id + 1 : oldest;
	for (; id <= events->last_id && json_array_size(list) < limit; id++) {
		const struct kept *slot = slot_of(events, id);
		if (slot->id == id && slot->text && (!group || strcmp(group, slot->group) == 0)) {
			json_t *json = json_loads(slot->text, 0, NULL);
			if (json) {
				(void)json_array_append_new(list, json);
			}
		}
	}
	(void)pthread_mutex_unlock(&events->mutex);
	return list;
}

bool event_log_leads(struct event_log *events, uint64_t *ret_after_id)
{
	(void)pthread_mutex_lock(&events->mutex);
	bool leads = events->leads;
	*ret_after_id = leads ? events->led_after_id : events->last_id;
	(void)pthread_mutex_unlock(&events->mutex);
	return leads;
}

bool event_log_wait(struct event_log *events, uint64_t after_id, uint64_t timeout_us)
{
	const struct timespec until = thread_moment(timeout_us);
	(void)pthread_mutex_lock(&events->mutex);
	int rc = 0;
	while (events->last_id <= after_id && !events->closed && rc == 0) {
		rc = pthread_cond_timedwait(&events->grown, &events->mutex, &until);
	}
	bool grown = events->last_id > after_id && !events->closed;
	(void)pthread_mutex_unlock(&events->mutex);
	return grown;
}

void event_log_close(struct event_log *events)
{
	(void)pthread_mutex_lock(&events->mutex);
	events->closed = true;
	(void)pthread_cond_broadcast(&events->grown);
	(void)pthread_mutex_unlock(&events->mutex);
}
