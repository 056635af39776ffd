/* The table behind KILL: small rows, walked. */
#include "proxy/names.h"

#include "base/check.h"
#include "base/mem.h"

void names_init(struct names *names)
{
	*names = (struct names){ 0 };
	check(pthread_mutex_init(&names->mutex, NULL) == 0);
}

void names_fini(struct names *names)
{
	(void)pthread_mutex_destroy(&names->mutex);
	names->items = mem_free(names->items);
}

static struct name *find(struct names *names, uint32_t session_id)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->items[i].session_id == session_id) {
			return &names->items[i];
		}
	}
	return NULL;
}

static struct name *add(struct names *names, uint32_t session_id)
{
	if (names->count == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		struct name *items = mem_resize(names->items, cap * sizeof(*items));
		if (!items) {
			return NULL;
		}
		names->items = items;
		names->cap = cap;
	}
	names->items[names->count] = (struct name){ .session_id = session_id };
	return &names->items[names->count++];
}

void names_set(struct names *names, uint32_t session_id, uint32_t thread_id)
{
	(void)pthread_mutex_lock(&names->mutex);
	struct name *name = find(names, session_id);
	if (!name) {
		name = add(names, session_id);
	}
	if (name) {
		name->thread_id = thread_id;
	}
	(void)pthread_mutex_unlock(&names->mutex);
}

void names_remove(struct names *names, uint32_t session_id)
{
	(void)pthread_mutex_lock(&names->mutex);
	struct name *name = find(names, session_id);
	if (name) {
		*name = names->items[--names->count];
	}
	(void)pthread_mutex_unlock(&names->mutex);
}

uint32_t names_find(struct names *names, uint32_t session_id, bool mark)
{
	(void)pthread_mutex_lock(&names->mutex);
	struct name *name = find(names, session_id);
	uint32_t thread_id = name ? name->thread_id : 0;
	if (name && mark) {
		name->killed = thread_id;
	}
	(void)pthread_mutex_unlock(&names->mutex);
	return thread_id;
}

void names_unmark(struct names *names, uint32_t session_id)
{
	(void)pthread_mutex_lock(&names->mutex);
	struct name *name = find(names, session_id);
	if (name) {
		name->killed = 0;
	}
	(void)pthread_mutex_unlock(&names->mutex);
}

bool names_is_killed(struct names *names, uint32_t session_id, uint32_t thread_id)
{
	(void)pthread_mutex_lock(&names->mutex);
	const struct name *name = find(names, session_id);
	bool killed = name && thread_id && name->killed == thread_id;
	(void)pthread_mutex_unlock(&names->mutex);
	return killed;
}
