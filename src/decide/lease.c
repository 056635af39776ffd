#include "decide/lease.h"

#include "base/check.h"

/* ---------------------------------------------------------------- what was agreed to */

static struct lease_agreed *find_agreed(struct lease_memory *memory, struct str node)
{
	for (uint32_t i = 0; i < memory->count; i++) {
		if (str_equal(str_of(memory->agreed[i].node), node)) {
			return &memory->agreed[i];
		}
	}
	return NULL;
}

static void note_others(struct lease_memory *memory, uint64_t until_us)
{
	if (until_us > memory->others_until_us) {
		memory->others_until_us = until_us;
	}
}

/* A place for one more; where there is none the oldest is counted among the others. */
static struct lease_agreed *make_room(struct lease_memory *memory)
{
	if (memory->count < LEASE_NODES_MAX) {
		return &memory->agreed[memory->count++];
	}
	struct lease_agreed *oldest = &memory->agreed[0];
	for (uint32_t i = 1; i < memory->count; i++) {
		if (memory->agreed[i].until_us < oldest->until_us) {
			oldest = &memory->agreed[i];
		}
	}
	note_others(memory, oldest->until_us);
	return oldest;
}

void lease_remember(struct lease_memory *memory, const struct lease_terms *terms, struct str node,
		    uint64_t now_us)
{
	uint64_t until_us = now_us + terms->duration_us;
	struct lease_agreed *agreed = find_agreed(memory, node);
	if (!agreed && node.len < NAME_BYTES_MAX) {
		agreed = make_room(memory);
		*agreed = (struct lease_agreed){ 0 };
		check(str_copy(node, agreed->node, sizeof(agreed->node)) == ERR_OK);
	}
	if (agreed) {
		agreed->until_us = until_us;
	} else {
		note_others(memory, until_us);
	}
}

uint64_t lease_remembered(const struct lease_memory *memory, struct str node)
{
	uint64_t until_us = memory->others_until_us;
	for (uint32_t i = 0; i < memory->count; i++) {
		const struct lease_agreed *agreed = &memory->agreed[i];
		if (agreed->until_us > until_us && str_equal(str_of(agreed->node), node)) {
			until_us = agreed->until_us;
		}
	}
	return until_us;
}

/* ---------------------------------------------------------------- the manager's side */

uint64_t lease_grant(const struct lease_terms *terms, uint64_t received_us, uint64_t beat_us)
{
	uint64_t end_us = beat_us + terms->duration_us;
	uint64_t left_us = end_us > received_us ? end_us - received_us : 0;
	return left_us < terms->duration_us ? left_us : terms->duration_us;
}

uint64_t lease_unknown_until(const struct lease_terms *terms, uint64_t former_us,
			     uint64_t answering_us)
{
	if (answering_us == 0) {
		return UINT64_MAX;
	}
	return (former_us > answering_us ? former_us : answering_us) + terms->duration_us;
}

bool lease_may_hold(const struct lease_node *node, const struct lease_terms *terms,
		    uint64_t unknown_until_us, uint64_t now_us)
{
	uint64_t until_us = node->until_us > unknown_until_us ? node->until_us : unknown_until_us;
	return now_us < until_us || now_us - until_us < terms->margin_us;
}

static bool is_older(const struct lease_node *node, const struct observation_routes *routes)
{
	return node->epoch < routes->epoch ||
	       (node->epoch == routes->epoch && node->revision < routes->revision);
}

void lease_routes(const struct lease_node *nodes, uint32_t count, const struct lease_terms *terms,
		  uint64_t unknown_until_us, uint64_t epoch, uint64_t now_us,
		  struct observation_routes *ret)
{
	*ret = (struct observation_routes){ .epoch = epoch, .revision = UINT64_MAX, .held = true };
	for (uint32_t i = 0; i < count; i++) {
		const struct lease_node *node = &nodes[i];
		if (!node->carries || !lease_may_hold(node, terms, unknown_until_us, now_us)) {
			continue;
		}
		if (is_older(node, ret)) {
			ret->epoch = node->epoch;
			ret->revision = node->revision;
		}
		ret->held = ret->held && node->held;
		ret->transactions_open += node->transactions_open;
	}
}

/* ---------------------------------------------------------------- the node's side */

void lease_renewed(struct lease_holder *holder, uint64_t good_us, uint64_t begun_us)
{
	uint64_t until_us = begun_us + good_us;
	holder->until_us = until_us > holder->until_us ? until_us : holder->until_us;
}

bool lease_holds(const struct lease_holder *holder, uint64_t now_us)
{
	return now_us < holder->until_us;
}

bool lease_go_on(struct lease_holder *holder, const struct lease_terms *terms, uint64_t begun_us,
		 uint64_t now_us)
{
	if (!lease_holds(holder, now_us)) {
		return false;
	}
	lease_renewed(holder, terms->duration_us, begun_us);
	return true;
}

bool lease_round_agrees(const enum lease_answer *answers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (answers[i] != LEASE_AGREES && answers[i] != LEASE_GONE) {
			return false;
		}
	}
	return true;
}

enum lease_answer lease_consent(bool leads, uint64_t epoch, uint64_t revision, uint64_t asked_epoch,
				uint64_t asked_revision)
{
	bool newer = epoch > asked_epoch || (epoch == asked_epoch && revision > asked_revision);
	return leads || newer ? LEASE_REFUSES : LEASE_AGREES;
}
