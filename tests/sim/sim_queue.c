#include "sim_queue.h"

#include "base/check.h"
#include "base/mem.h"

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

void sim_queue_put(struct sim_queue *queue, struct sim_event event)
{
	event.order = queue->order++;
	sim_queue_put_back(queue, event);
}

void sim_queue_put_back(struct sim_queue *queue, struct sim_event event)
{
	if (queue->count == queue->cap) {
		queue->cap = queue->cap ? queue->cap * 2 : 256;
		queue->heap = mem_resize(queue->heap, queue->cap * sizeof(*queue->heap));
		check(queue->heap != NULL);
	}
	size_t at = queue->count++;
	while (at > 0) {
		size_t parent = (at - 1) / 2;
		if (!is_before(&event, &queue->heap[parent])) {
			break;
		}
		queue->heap[at] = queue->heap[parent];
		at = parent;
	}
	queue->heap[at] = event;
}

bool sim_queue_take(struct sim_queue *queue, struct sim_event *ret)
{
	if (queue->count == 0) {
		return false;
	}
	*ret = queue->heap[0];
	struct sim_event last = queue->heap[--queue->count];
	size_t at = 0;
	for (;;) {
		size_t child = at * 2 + 1;
		if (child >= queue->count) {
			break;
		}
		if (child + 1 < queue->count &&
		    is_before(&queue->heap[child + 1], &queue->heap[child])) {
			child++;
		}
		if (!is_before(&queue->heap[child], &last)) {
			break;
		}
		queue->heap[at] = queue->heap[child];
		at = child;
	}
	queue->heap[at] = last;
	return true;
}

void sim_queue_fini(struct sim_queue *queue)
{
	queue->heap = mem_free(queue->heap);
	*queue = (struct sim_queue){ 0 };
}
