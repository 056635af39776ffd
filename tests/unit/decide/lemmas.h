/* What follows from what among the facts: by how they are found, never by chance.
 *
 * A row that needs both of such a pair says the same as one that needs the stronger one alone; it names both because
 * people read it. test_lemmas.c proves the pairs; tests/sim holds them against every decision of a run, and
 * tests/sim/mutate.py takes a mutant for none when it decides the same on every set of facts in which they hold.
 */
#pragma once

#include "decide/facts.h"
#include "decide/server_rules.h"

struct lemma {
	uint32_t given;	  /* where one of these facts is proven */
	uint32_t follows; /* all of these are */
	uint32_t never;	  /* and none of these */
};

static const struct lemma group_lemmas[] = {
	{ FACT_APPLIED | FACT_APPLYING, FACT_SAFE, 0 },
	{ FACT_APPLIED, 0, FACT_APPLYING },
	{ FACT_SAFE, FACT_COMPLETE, FACT_FEEDING },
	{ FACT_FEEDING, FACT_COMPLETE, 0 },
	{ FACT_DRAINED, FACT_PATHS_CLOSED, 0 },
	{ FACT_FIT | FACT_SOON | FACT_FROZEN, FACT_ASKED, 0 },
	{ FACT_CAUGHT_UP, FACT_FROZEN, 0 },
	{ FACT_ORDERED, FACT_MAY_FAIL_OVER, FACT_ASKED },
	{ FACT_SHUT, 0, FACT_WRITABLE },
};

static const struct lemma server_lemmas[] = {
	{ SERVER_WRITABLE | SERVER_SUBSET | SERVER_EXTRA | SERVER_STRAY | SERVER_STOPPED |
		  SERVER_RUNNING | SERVER_CAUGHT_UP | SERVER_ACKS | SERVER_SILENT_ACKS |
		  SERVER_WAITS | SERVER_REPLICATING | SERVER_SETTLED | SERVER_MAY_ACK |
		  SERVER_LEAVES,
	  SERVER_ANSWERS, SERVER_DEAD },
	{ SERVER_ACKS | SERVER_SILENT_ACKS, SERVER_RUNNING, 0 },
	{ SERVER_ACKS, 0, SERVER_SILENT_ACKS },
	{ SERVER_RUNNING, SERVER_REPLICATING, SERVER_STRAY | SERVER_STOPPED },
	{ SERVER_STRAY, 0, SERVER_STOPPED },
	{ SERVER_SUBSET, 0, SERVER_EXTRA },
	{ SERVER_MAY_ACK | SERVER_LEAVES, 0, SERVER_DIVERGED | SERVER_RECLONING },
	{ SERVER_MAY_ACK, 0, SERVER_LEAVES },
	{ GROUP_PROMISED, 0, GROUP_ALONE | GROUP_IS_ASYNC },
	{ GROUP_ALONE, 0, GROUP_IS_ASYNC },
};

enum {
	GROUP_LEMMAS = sizeof(group_lemmas) / sizeof(group_lemmas[0]),
	SERVER_LEMMAS = sizeof(server_lemmas) / sizeof(server_lemmas[0]),
};

static inline bool lemma_holds(const struct lemma *lemma, uint32_t facts)
{
	return !(facts & lemma->given) ||
	       ((facts & lemma->follows) == lemma->follows && !(facts & lemma->never));
}

/* The first that the facts contradict; NULL: none. */
static inline const struct lemma *lemmas_broken(const struct lemma *lemmas, uint32_t count,
						uint32_t facts)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!lemma_holds(&lemmas[i], facts)) {
			return &lemmas[i];
		}
	}
	return NULL;
}
