#include "decide/bound.h"

#include <stdio.h>

uint64_t bound_lost_us(const struct observation *seen, uint32_t primary)
{
	const struct observation_server *one = &seen->servers[primary];
	if (one->reach == REACH_NOBODY_LISTENS && one->refused_since_us != 0) {
		return one->refused_since_us;
	}
	return one->misses > 0 ? one->contact_us : one->answered_us;
}

static void keep_newest(const struct observation *seen, uint32_t server, uint64_t begun_us,
			const struct gtid_set *executed, uint64_t *newest_us)
{
	if (begun_us > *newest_us &&
	    gtid_set_contains(&seen->servers[server].status.received, executed)) {
		*newest_us = begun_us;
	}
}

/* The newest moment of which it is certain that all commits before it are on `server`; 0: none is known. */
static uint64_t complete_until_us(const struct observation *seen, uint32_t primary, uint32_t server)
{
	const struct observation_server *source = &seen->servers[primary];
	uint64_t newest_us = 0;
	keep_newest(seen, server, source->status_us, &source->status.executed, &newest_us);
	keep_newest(seen, server, source->older.begun_us, &source->older.executed, &newest_us);
	for (uint32_t i = 0; seen->marks_of == primary && i < seen->mark_count; i++) {
		keep_newest(seen, server, seen->marks[i].begun_us, &seen->marks[i].executed,
			    &newest_us);
	}
	return newest_us;
}

bool bound_holds(const struct record *record, const struct observation *seen, uint32_t primary,
		 uint32_t server, uint64_t until_us, char *text, size_t text_bytes)
{
	const char *name = record->servers[server].name;
	uint64_t complete_us = complete_until_us(seen, primary, server);
	if (until_us == 0 || complete_us == 0) {
		(void)snprintf(text, text_bytes,
			       "how much %.63s lacks is not known, and max-loss-s is %u: 'muster "
			       "failover %.63s --accept-loss' goes on",
			       name, record->max_loss_s, record->group);
		return false;
	}
	uint64_t lag_us = until_us > complete_us ? until_us - complete_us : 0;
	if (lag_us <= (uint64_t)record->max_loss_s * 1000000) {
		return true;
	}
	(void)snprintf(
		text, text_bytes,
		"%.63s may lack what was committed in the last %llu ms, and max-loss-s is %u: "
		"'muster failover %.63s --accept-loss' goes on",
		name, (unsigned long long)(lag_us / 1000), record->max_loss_s, record->group);
	return false;
}
