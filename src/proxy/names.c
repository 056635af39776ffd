/* The table behind KILL: small rows, walked. */
#include "proxy/names.h"

#include <string.h>

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

/* The place of the first id that isn't smaller. */
static size_t lower_bound(const struct names *names, uint32_t session_id)
{
	size_t low = 0;
	size_t high = names->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (names->items[middle].session_id < session_id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static struct name *find(struct names *names, uint32_t session_id)
{
	size_t at = lower_bound(names, session_id);
	return at < names->count && names->items[at].session_id == session_id ? &names->items[at]
									      : NULL;
}

static struct name *add(struct names *names, uint32_t session_id)
{
	size_t at = lower_bound(names, session_id);
	if (names->count == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		struct name *items = mem_resize(names->items, cap * sizeof(*items));
		if (!items) {
			return NULL;
		}
		names->items = items;
		names->cap = cap;
	}
	memmove(&names->items[at + 1], &names->items[at],
		(names->count - at) * sizeof(struct name));
	names->items[at] = (struct name){ .session_id = session_id };
	names->count++;
	return &names->items[at];
}

void names_set(struct names *names, uint32_t session_id, uint32_t thread_id, const void *account)
{
	(void)pthread_mutex_lock(&names->mutex);
	struct name *name = find(names, session_id);
	if (!name) {
		name = add(names, session_id);
	}
	if (name) {
		name->thread_id = thread_id;
		name->account = account;
	}
	(void)pthread_mutex_unlock(&names->mutex);
}

void names_remove(struct names *names, uint32_t session_id)
{
	(void)pthread_mutex_lock(&names->mutex);
	struct name *name = find(names, session_id);
	if (name) {
		size_t behind = names->count - 1 - (size_t)(name - names->items);
		memmove(name, name + 1, behind * sizeof(*name));
		names->count--;
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

bool names_end(struct names *names, uint32_t session_id, const void *account)
{
	(void)pthread_mutex_lock(&names->mutex);
	struct name *name = find(names, session_id);
	bool ends = name && name->thread_id == 0 && name->account == account;
	if (ends) {
		name->ends = true;
		atomic_store(&names->ends, true);
	}
	(void)pthread_mutex_unlock(&names->mutex);
	return ends;
}

bool names_is_ended(struct names *names, uint32_t session_id)
{
	(void)pthread_mutex_lock(&names->mutex);
	const struct name *name = find(names, session_id);
	bool ends = name && name->ends;
	(void)pthread_mutex_unlock(&names->mutex);
	return ends;
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
