#include "fake_manager.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct fake_manager fake_manager;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *params_text;

void fake_manager_reset(void)
{
	json_decref(fake_manager.last_params);
	free(params_text);
	params_text = NULL;
	memset(&fake_manager, 0, sizeof(fake_manager));
}

struct manager *fake_manager_handle(void)
{
	return (struct manager *)(void *)&fake_manager;
}

const char *fake_manager_params(void)
{
	free(params_text);
	params_text = json_dumps(fake_manager.last_params, JSON_COMPACT | JSON_SORT_KEYS);
	return params_text;
}

enum err manager_call(struct manager *manager, const char *method, json_t *params,
		      uint64_t deadline_us, json_t **ret, struct err_ctx *err)
{
	(void)manager;
	enum err rc = ERR_USAGE;
	const char *text = "the fake knows no such method";
	(void)pthread_mutex_lock(&lock);
	fake_manager.calls++;
	(void)snprintf(fake_manager.last_method, sizeof(fake_manager.last_method), "%s", method);
	json_decref(fake_manager.last_params);
	fake_manager.last_params = json_deep_copy(params);
	fake_manager.last_deadline_us = deadline_us;
	for (size_t i = 0; i < FAKE_ANSWERS_MAX && fake_manager.answers[i].method; i++) {
		if (strcmp(fake_manager.answers[i].method, method) == 0) {
			rc = fake_manager.answers[i].rc;
			text = fake_manager.answers[i].text;
			break;
		}
	}
	(void)pthread_mutex_unlock(&lock);
	if (rc != ERR_OK) {
		return err_set(err, rc, "%s", text);
	}
	json_error_t where;
	*ret = json_loads(text, 0, &where);
	if (!*ret) {
		return err_set(err, ERR_FAILED, "the test's own JSON is wrong: %s", where.text);
	}
	return ERR_OK;
}

json_t *manager_events(struct manager *manager, const char *group, uint64_t after_id,
		       uint32_t limit)
{
	(void)manager;
	json_error_t where;
	json_t *found = json_array();
	json_t *all = json_loads(fake_manager.events ? fake_manager.events : "[]", 0, &where);
	size_t index;
	json_t *event;
	json_array_foreach(all, index, event)
	{
		const char *of = json_string_value(json_object_get(event, "group"));
		if ((uint64_t)json_integer_value(json_object_get(event, "id")) > after_id &&
		    (!group || (of && strcmp(of, group) == 0)) && json_array_size(found) < limit) {
			(void)json_array_append(found, event);
		}
	}
	json_decref(all);
	return found;
}

bool manager_events_wait(struct manager *manager, uint64_t after_id, uint64_t timeout_us)
{
	(void)manager;
	(void)after_id;
	const struct timespec pause = { 0, (long)(timeout_us > 10000 ? 10000 : timeout_us) * 1000 };
	(void)nanosleep(&pause, NULL);
	return false;
}

enum err manager_start(const struct manager_options *options, struct manager **ret,
		       struct err_ctx *err)
{
	(void)options;
	(void)err;
	*ret = fake_manager_handle();
	return ERR_OK;
}

struct manager *manager_stop(struct manager *manager)
{
	(void)manager;
	return NULL;
}

void manager_on_proxy_changed(void *door)
{
	(void)door;
}

void manager_on_proxy_trouble(void *door, const char *host, uint16_t port)
{
	(void)door;
	(void)host;
	(void)port;
}

void manager_on_door_open(struct manager *manager)
{
	(void)manager;
}

enum err manager_report(struct manager *manager, json_t *params, uint64_t deadline_us, json_t **ret,
			struct err_ctx *err)
{
	return manager_call(manager, "node.report", params, deadline_us, ret, err);
}

enum err manager_consent(struct manager *manager, const json_t *params, json_t **ret,
			 struct err_ctx *err)
{
	(void)manager;
	(void)params;
	(void)ret;
	return err_set(err, ERR_REFUSED, "the fake takes no nodes");
}
