#include "manager/nodes/consent.h"

#include <pthread.h>

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"

struct known_epoch {
	struct list list;
	char group[NAME_BYTES_MAX];
	uint64_t epoch;
};

struct consent {
	struct lease_terms terms;
	pthread_mutex_t mutex; /* guards what follows */
	struct lease_memory memory;
	uint64_t answering_us;
	struct list epochs; /* of struct known_epoch; as many as there were groups */
};

struct consent *consent_new(const struct lease_terms *terms)
{
	struct consent *consent = mem_need(sizeof(*consent));
	consent->terms = *terms;
	list_init(&consent->epochs);
	check(pthread_mutex_init(&consent->mutex, NULL) == 0);
	return consent;
}

struct consent *consent_free(struct consent *consent)
{
	if (!consent) {
		return NULL;
	}
	LIST_EACH (&consent->epochs, at) {
		struct known_epoch *known = LIST_ENTRY(at, struct known_epoch, list);
		list_remove(&known->list);
		mem_free(known);
	}
	(void)pthread_mutex_destroy(&consent->mutex);
	return mem_free(consent);
}

void consent_open(struct consent *consent, uint64_t now_us)
{
	(void)pthread_mutex_lock(&consent->mutex);
	consent->answering_us = now_us;
	(void)pthread_mutex_unlock(&consent->mutex);
}

uint64_t consent_answering_us(struct consent *consent)
{
	(void)pthread_mutex_lock(&consent->mutex);
	uint64_t answering_us = consent->answering_us;
	(void)pthread_mutex_unlock(&consent->mutex);
	return answering_us;
}

static struct known_epoch *find(struct consent *consent, struct str group)
{
	LIST_EACH (&consent->epochs, at) {
		struct known_epoch *known = LIST_ENTRY(at, struct known_epoch, list);
		if (str_equal(str_of(known->group), group)) {
			return known;
		}
	}
	return NULL;
}

void consent_set_epoch(struct consent *consent, struct str group, uint64_t epoch)
{
	(void)pthread_mutex_lock(&consent->mutex);
	struct known_epoch *known = find(consent, group);
	if (!known) {
		known = mem_need(sizeof(*known));
		check(str_copy(group, known->group, sizeof(known->group)) == ERR_OK);
		list_add_tail(&consent->epochs, &known->list);
	}
	known->epoch = epoch;
	(void)pthread_mutex_unlock(&consent->mutex);
}

enum lease_answer consent_ask(struct consent *consent, struct str node, struct str group,
			      uint64_t epoch, bool (*leads)(void *ctx, uint64_t *ret_now_us),
			      void *ctx)
{
	uint64_t now_us = 0;
	(void)pthread_mutex_lock(&consent->mutex);
	const struct known_epoch *known = find(consent, group);
	enum lease_answer answer =
		lease_consent(leads(ctx, &now_us), known ? known->epoch : 0, 0, epoch, 0);
	if (answer == LEASE_AGREES) {
		lease_remember(&consent->memory, &consent->terms, node, now_us);
	}
	(void)pthread_mutex_unlock(&consent->mutex);
	return answer;
}

uint64_t consent_until_us(struct consent *consent, struct str node)
{
	(void)pthread_mutex_lock(&consent->mutex);
	uint64_t until_us = lease_remembered(&consent->memory, node);
	(void)pthread_mutex_unlock(&consent->mutex);
	return until_us;
}
