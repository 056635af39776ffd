/* Prints one number for each table of rules: which row matches, on every set of facts that can be (lemmas.h). Two tables with
 * the same number decide the same. For tests/sim/mutate.py. */
#include <inttypes.h>
#include <stdio.h>

#include "decide/rules.h"
#include "lemmas.h"

static uint64_t mix(uint64_t digest, uint64_t value)
{
	digest = (digest ^ value) * 0x9e3779b97f4a7c15u;
	return digest ^ digest >> 29;
}

int main(void)
{
	uint64_t group = 1;
	uint64_t server = 1;
	for (uint32_t facts = 0; facts < 1u << FACT_COUNT_; facts++) {
		if (lemmas_broken(group_lemmas, GROUP_LEMMAS, facts)) {
			continue;
		}
		for (enum group_state state = 0; state < GROUP_STATE_COUNT_; state++) {
			group = mix(group, rules_match(state, facts)->id);
		}
	}
	for (uint32_t facts = 0; facts < 1u << SERVER_FACT_COUNT_; facts++) {
		if (!lemmas_broken(server_lemmas, SERVER_LEMMAS, facts)) {
			server = mix(server, server_rules_match(facts)->id);
		}
	}
	printf("%016" PRIx64 " %016" PRIx64 "\n", group, server);
	return 0;
}
