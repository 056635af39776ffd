#include "decide/cooldown.h"

#include <stdio.h>

/* For how long from now on `since_us` is not `span_us` ago yet; 0: it is. */
static uint64_t left_us(int64_t since_us, uint64_t span_us, uint64_t now_us)
{
	int64_t left = since_us + (int64_t)span_us - (int64_t)now_us;
	return left > 0 ? (uint64_t)left : 0;
}

static uint32_t round_up_s(uint64_t us)
{
	return (uint32_t)((us + 999999) / 1000000);
}

bool cooldown_is_over(const struct record *record, const struct decide_options *options,
		      uint64_t now_us, char *text, size_t text_bytes)
{
	if (record->paused) {
		(void)snprintf(text, text_bytes,
			       "automatic failover is paused: 'muster resume %.63s' switches it on",
			       record->group);
		return false;
	}
	uint64_t cooling_us =
		record->cooling && record->failover_count > 0
			? left_us(record->failovers_us[0], options->cooldown_us, now_us)
			: 0;
	if (cooling_us > 0) {
		(void)snprintf(text, text_bytes,
			       "cooling down for %u s more, since the group has not been healthy "
			       "after the last failover: 'muster resume %.63s' ends that",
			       round_up_s(cooling_us), record->group);
		return false;
	}
	uint32_t max = options->failovers_max;
	if (max == 0 || record->failover_count < max) {
		return true;
	}
	uint64_t full_us =
		left_us(record->failovers_us[max - 1], options->failover_window_us, now_us);
	(void)snprintf(text, text_bytes,
		       "%u automatic failovers within %u s are the most, for %u s more: "
		       "'muster resume %.63s' lets it go on",
		       max, round_up_s(options->failover_window_us), round_up_s(full_us),
		       record->group);
	return full_us == 0;
}
