#include "sim_queue.h"

#include "base/check.h"
#include "base/mem.h"

enum { CAP_FIRST = 32 };

static void insert(struct sim_queue *queue, const struct sim_event *event)
{
	uint64_t differs = event->key ^ queue->newest;
	uint32_t at = differs ? 64 - (uint32_t)__builtin_clzll(differs) : 0;
	struct sim_queue_bucket *bucket = &queue->buckets[at];
	if (bucket->count == bucket->cap) {
		bucket->cap = bucket->cap ? bucket->cap * 2 : CAP_FIRST;
		bucket->events = mem_resize(bucket->events, bucket->cap * sizeof(*bucket->events));
		check(bucket->events != NULL);
	}
	bucket->events[bucket->count++] = *event;
	queue->filled |= at > 0 ? (uint64_t)1 << (at - 1) : 0;
}

void sim_queue_put(struct sim_queue *queue, struct sim_event event, uint64_t at_us)
{
	check(at_us < (uint64_t)1 << (64 - SIM_ORDER_BITS));
	check(queue->order < (uint32_t)1 << SIM_ORDER_BITS);
	event.key = at_us << SIM_ORDER_BITS | ++queue->order;
	insert(queue, &event);
}

void sim_queue_put_back(struct sim_queue *queue, struct sim_event event, uint64_t at_us)
{
	uint64_t order = event.key & (((uint64_t)1 << SIM_ORDER_BITS) - 1);
	event.key = at_us << SIM_ORDER_BITS | order;
	insert(queue, &event);
}

/* Its lowest becomes the newest that came out, and the others go where they belong then: all of them further down. */
static void spread(struct sim_queue *queue, struct sim_queue_bucket *bucket, struct sim_event *ret)
{
	uint32_t lowest = 0;
	for (uint32_t i = 1; i < bucket->count; i++) {
		lowest = bucket->events[i].key < bucket->events[lowest].key ? i : lowest;
	}
	*ret = bucket->events[lowest];
	queue->newest = ret->key;
	for (uint32_t i = 0; i < bucket->count; i++) {
		if (i != lowest) {
			insert(queue, &bucket->events[i]);
		}
	}
	bucket->count = 0;
}

bool sim_queue_take(struct sim_queue *queue, struct sim_event *ret)
{
	/* No two keys are the same: bucket 0 is always empty. */
	if (queue->filled == 0) {
		return false;
	}
	uint32_t at = (uint32_t)__builtin_ctzll(queue->filled);
	queue->filled &= queue->filled - 1;
	spread(queue, &queue->buckets[at + 1], ret);
	return true;
}

void sim_queue_clear(struct sim_queue *queue)
{
	for (uint32_t i = 0; i < SIM_QUEUE_BUCKETS; i++) {
		queue->buckets[i].count = 0;
	}
	queue->filled = 0;
	queue->newest = 0;
	queue->order = 0;
}

void sim_queue_fini(struct sim_queue *queue)
{
	for (uint32_t i = 0; i < SIM_QUEUE_BUCKETS; i++) {
		queue->buckets[i].events = mem_free(queue->buckets[i].events);
	}
	*queue = (struct sim_queue){ 0 };
}
