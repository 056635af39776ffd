#include "decide/lease.h"

bool lease_may_hold(const struct lease_node *node, const struct lease_terms *terms,
		    uint64_t leading_since_us, uint64_t now_us)
{
	uint64_t granted_us =
		node->answered_us > leading_since_us ? node->answered_us : leading_since_us;
	return now_us < granted_us + terms->duration_us + terms->margin_us;
}

static bool is_older(const struct lease_node *node, const struct observation_routes *routes)
{
	return node->epoch < routes->epoch ||
	       (node->epoch == routes->epoch && node->revision < routes->revision);
}

void lease_routes(const struct lease_node *nodes, uint32_t count, const struct lease_terms *terms,
		  uint64_t leading_since_us, uint64_t epoch, uint64_t now_us,
		  struct observation_routes *ret)
{
	*ret = (struct observation_routes){ .epoch = epoch, .revision = UINT64_MAX, .held = true };
	for (uint32_t i = 0; i < count; i++) {
		const struct lease_node *node = &nodes[i];
		if (!node->carries || !lease_may_hold(node, terms, leading_since_us, now_us)) {
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

void lease_renewed(struct lease_holder *holder, const struct lease_terms *terms, uint64_t begun_us)
{
	uint64_t until_us = begun_us + terms->duration_us;
	holder->until_us = until_us > holder->until_us ? until_us : holder->until_us;
}

bool lease_holds(const struct lease_holder *holder, uint64_t now_us)
{
	return now_us < holder->until_us;
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
