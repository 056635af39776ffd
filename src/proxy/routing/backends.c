#include "proxy/routing/backends.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { NUMBER_BITS = 16 };

struct backend_slot *backend_slot_ref(struct backend_slot *slot)
{
	(void)atomic_fetch_add(&slot->references, 1);
	return slot;
}

struct backend_slot *backend_slot_unref(struct backend_slot *slot)
{
	if (slot && atomic_fetch_sub(&slot->references, 1) == 1) {
		(void)mem_free(slot);
	}
	return NULL;
}

static struct backend_slot *slot_new(const char *service, const struct service_backend *backend)
{
	struct backend_slot *slot = mem_need(sizeof(*slot));
	atomic_init(&slot->references, 1);
	memcpy(slot->service, service, strnlen(service, sizeof(slot->service) - 1));
	memcpy(slot->host, backend->host, sizeof(slot->host));
	slot->port = backend->port;
	atomic_init(&slot->why, backend_why_make(BACKEND_UNCHECKED, 0));
	return slot;
}

static const struct backend *find_old(const struct backends *old, const char *service,
				      const struct service_backend *backend)
{
	uint32_t index = backends_find(old, service);
	for (uint32_t i = 0; index != BALANCE_NONE && i < old->services[index].count; i++) {
		const struct backend *row = &old->services[index].rows[i];
		if (row->slot->port == backend->port &&
		    strcmp(row->slot->host, backend->host) == 0) {
			return row;
		}
	}
	return NULL;
}

static void fill(struct backend *row, const char *service, const struct service_backend *backend,
		 const struct backends *old)
{
	const struct backend *known = find_old(old, service, backend);
	*row = (struct backend){ .weight = backend->weight,
				 .open = backend->open,
				 .check = backend->check };
	if (known) {
		row->slot = backend_slot_ref(known->slot);
		row->address = known->address;
		row->resolved = known->resolved;
	} else {
		row->slot = slot_new(service, backend);
	}
}

struct backends *backends_new(const struct service_table *table, const struct backends *old,
			      uint64_t revision)
{
	struct backends *backends = mem_need(sizeof(*backends));
	atomic_init(&backends->references, 1);
	backends->revision = revision;
	backends->service_count = table->service_count;
	for (uint32_t i = 0; i < table->service_count; i++) {
		const struct service *service = &table->services[i];
		struct backends_service *to = &backends->services[i];
		memcpy(to->name, service->name, sizeof(to->name));
		to->count = service->backend_count;
		for (uint32_t k = 0; k < service->backend_count; k++) {
			fill(&to->rows[k], service->name, &service->backends[k], old);
		}
	}
	return backends;
}

struct backends *backends_copy(const struct backends *from)
{
	struct backends *backends = mem_need(sizeof(*backends));
	atomic_init(&backends->references, 1);
	backends->revision = from->revision;
	backends->service_count = from->service_count;
	memcpy(backends->services, from->services, sizeof(backends->services));
	for (uint32_t i = 0; i < backends->service_count; i++) {
		for (uint32_t k = 0; k < backends->services[i].count; k++) {
			(void)backend_slot_ref(backends->services[i].rows[k].slot);
		}
	}
	return backends;
}

struct backends *backends_ref(struct backends *backends)
{
	if (backends) {
		(void)atomic_fetch_add(&backends->references, 1);
	}
	return backends;
}

struct backends *backends_unref(struct backends *backends)
{
	if (!backends || atomic_fetch_sub(&backends->references, 1) != 1) {
		return NULL;
	}
	for (uint32_t i = 0; i < backends->service_count; i++) {
		for (uint32_t k = 0; k < backends->services[i].count; k++) {
			(void)backend_slot_unref(backends->services[i].rows[k].slot);
		}
	}
	return mem_free(backends);
}

bool backends_resolve(struct backends *backends, bool numeric_only)
{
	bool complete = true;
	for (uint32_t i = 0; i < backends->service_count; i++) {
		for (uint32_t k = 0; k < backends->services[i].count; k++) {
			struct backend *row = &backends->services[i].rows[k];
			if (!row->resolved &&
			    net_resolve(row->slot->host, row->slot->port, numeric_only,
					&row->address, NULL) == ERR_OK) {
				row->resolved = true;
			}
			if (!row->resolved && !numeric_only) {
				atomic_store(&row->slot->why,
					     backend_why_make(BACKEND_NAMELESS, 0));
			}
			complete = complete && row->resolved;
		}
	}
	return complete;
}

uint32_t backends_find(const struct backends *backends, const char *service)
{
	for (uint32_t i = 0; backends && i < backends->service_count; i++) {
		if (strcmp(backends->services[i].name, service) == 0) {
			return i;
		}
	}
	return BALANCE_NONE;
}

uint32_t backend_why_make(enum backend_why why, uint32_t number)
{
	return (uint32_t)why << NUMBER_BITS | (number & UINT16_MAX);
}

void backend_why_print(uint32_t why, struct buf *out)
{
	uint32_t number = why & UINT16_MAX;
	const char *words = NULL;
	switch ((enum backend_why)(why >> NUMBER_BITS)) {
	case BACKEND_FINE:
	case BACKEND_WHY_COUNT_:
		break;
	case BACKEND_UNCHECKED:
		buf_add_text(out, "not checked yet");
		break;
	case BACKEND_RISING:
		buf_add_text(out, "answers again, not often enough in a row yet");
		break;
	case BACKEND_NAMELESS:
		buf_add_text(out, "no name service knows its name");
		break;
	case BACKEND_ERRNO:
		words = number ? strerrordesc_np((int)number) : NULL;
		buf_add_text(out, words ? words : "the connection failed");
		break;
	case BACKEND_LATE:
		buf_add_text(out, "no answer in time");
		break;
	case BACKEND_NO_STATUS:
		buf_add_text(out, "closed without an HTTP status");
		break;
	case BACKEND_BAD_STATUS:
		buf_printf(out, "HTTP status %u", number);
		break;
	}
}
