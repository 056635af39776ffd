#include "decide/tree.h"

#include "decide/pair.h"

enum { LEFT_DOUBLINGS_MAX = 6 };

uint32_t tree_source(const struct record *record, uint32_t server)
{
	/* As it is set, until somebody decides. */
	uint32_t source = record->source[server] != 0 ? record->source[server]
						      : record->servers[server].below;
	return source != 0 && source - 1 != server && record->primary != SERVER_NONE
		       ? source - 1
		       : record->primary;
}

bool tree_may_acknowledge(const struct record *record, const struct observation *seen,
			  uint32_t server)
{
	return tree_source(record, server) == record->primary &&
	       !(record->leaving & (1u << server)) && !pair_is_out(record, server) &&
	       seen->servers[server].status.replica.delay_s == 0;
}

bool tree_makes_circle(const struct record *record, uint32_t server, uint32_t parent)
{
	uint32_t at = parent;
	for (uint32_t hops = 0; hops <= record->server_count && at != SERVER_NONE; hops++) {
		if (at == server) {
			return true;
		}
		at = record_parent(record, at);
	}
	return at != SERVER_NONE;
}

/* Others could replicate from it, apart from how its own replication does. */
static bool is_able(const struct record *record, const struct observation *seen, uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	return observation_answers(seen, server) && !record->servers[server].diverged &&
	       !record->servers[server].recloning && status->log_bin &&
	       status->log_replica_updates && status->gtid_on && !status->replica.filtered;
}

static bool is_sound(const struct record *record, const struct observation *seen, uint32_t server)
{
	const struct replica_status *replica = &seen->servers[server].status.replica;
	return is_able(record, seen, server) && replica->configured && replica->io != IO_NO &&
	       replica->sql_running;
}

/* Its receiver gets nothing from its source, and says why. */
static bool is_cut(const struct record *record, const struct observation *seen, uint32_t server)
{
	const struct replica_status *replica = &seen->servers[server].status.replica;
	return observation_answers(seen, server) && replica->io != IO_YES &&
	       replica->io_errno != 0 &&
	       record_follows(record, seen, server, tree_source(record, server));
}

static void note_since(bool is_so, uint64_t now_us, uint64_t *since_us)
{
	if (!is_so) {
		*since_us = 0;
	} else if (*since_us == 0) {
		*since_us = now_us;
	}
}

/* Only while the group is steady: a failover stops replication everywhere, and that says nothing of anybody. */
static void note_soundness(struct record *record, const struct observation *seen, uint64_t now_us)
{
	bool steady = record->state == GROUP_STEADY;
	for (uint32_t i = 0; i < record->server_count; i++) {
		bool sound = is_sound(record, seen, i);
		if (steady) {
			note_since(sound, now_us, &record->sound_since_us[i]);
		}
		note_since(steady && !sound, now_us, &record->unsound_since_us[i]);
		note_since(steady && is_cut(record, seen, i), now_us, &record->cut_since_us[i]);
	}
}

static bool is_above(const struct record *record, uint32_t server, uint32_t above)
{
	uint32_t at = record_parent(record, server);
	for (uint32_t hops = 0; hops < record->server_count && at != SERVER_NONE; hops++) {
		if (at == above) {
			return true;
		}
		at = record_parent(record, at);
	}
	return false;
}

/* Where it is now, of the places where it may be; SERVER_NONE: elsewhere. */
static uint32_t present_source(const struct record *record, const struct observation *seen,
			       uint32_t server)
{
	uint32_t chosen = record->source[server];
	if (chosen != 0 &&
	    (chosen - 1 == record->primary || is_above(record, server, chosen - 1))) {
		return chosen - 1;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != server && record_follows(record, seen, server, i) &&
		    (i == record->primary || is_above(record, server, i))) {
			return i;
		}
	}
	return SERVER_NONE;
}

/* It left a parent that sent it nothing: the way back becomes longer each time. */
static bool is_wary(const struct record *record, const struct decide_options *options,
		    uint32_t server, uint64_t now_us)
{
	uint32_t count = record->left_count[server];
	uint32_t doublings = count < LEFT_DOUBLINGS_MAX ? count : LEFT_DOUBLINGS_MAX;
	return count > 0 && now_us - record->left_us[server] < options->parent_us << doublings;
}

/* Whether `above` may be the source of `server`, whose present one is `present`. */
static bool may_follow(const struct record *record, const struct observation *seen,
		       const struct decide_options *options, uint32_t server, uint32_t above,
		       uint32_t present, uint64_t now_us)
{
	if (record->state != GROUP_STEADY) {
		return is_able(record, seen, above);
	}
	const struct observation_server *one = &seen->servers[above];
	bool gone = one->reach == REACH_NOBODY_LISTENS && one->misses >= 2;
	if (above == present) {
		bool cut = record->cut_since_us[server] != 0 &&
			   now_us - record->cut_since_us[server] >= options->silence_us;
		bool failed = record->unsound_since_us[above] != 0 &&
			      now_us - record->unsound_since_us[above] >= options->silence_us;
		return !gone && !cut && !failed;
	}
	return record->sound_since_us[above] != 0 && !is_wary(record, options, server, now_us) &&
	       (present == SERVER_NONE ||
		now_us - record->sound_since_us[above] >= options->parent_us);
}

/* Who takes over soon; SERVER_NONE: nobody, or commits wait for no replica. */
static uint32_t heir_of(const struct record *record)
{
	bool soon = record->ask == ASK_SWITCHOVER && record->allowed_since_us != 0 &&
		    record->ask_server != record->primary;
	return soon && record->acks > 0 && !record->pair.set ? record->ask_server : SERVER_NONE;
}

static bool goes_below_heir(const struct record *record, const struct observation *seen,
			    uint32_t server, uint32_t heir)
{
	const struct record_server *one = &record->servers[server];
	const struct server_status *status = &seen->servers[server].status;
	return heir != SERVER_NONE && server != heir && server != record->primary &&
	       observation_answers(seen, server) && one->below == 0 && !one->diverged &&
	       !one->recloning && !record_in_downtime(record, server) &&
	       status->semisync.available && status->replica.sql_errno == 0 &&
	       status->replica.delay_s == 0;
}

bool tree_is_gathered(const struct record *record, const struct observation *seen)
{
	uint32_t heir = heir_of(record);
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (goes_below_heir(record, seen, i, heir) &&
		    (!record_follows(record, seen, i, heir) ||
		     seen->servers[i].status.replica.io != IO_YES)) {
			return false;
		}
	}
	return true;
}

/* Where it belongs now: below its nearest sound parent, below who takes over soon, or below the primary. */
static uint32_t find_place(const struct record *record, const struct observation *seen,
			   const struct decide_options *options, uint32_t server, uint32_t present,
			   uint64_t now_us)
{
	uint32_t at = record_parent(record, server);
	/* What it has of a change only its parent has too, and it goes there before there is any. */
	bool bound = pair_is_bound(record, seen, server);
	for (uint32_t hops = 0; hops < record->server_count && at != SERVER_NONE &&
				at != record->primary && at != server;
	     hops++) {
		if (bound || may_follow(record, seen, options, server, at, present, now_us)) {
			return at;
		}
		at = record_parent(record, at);
	}
	uint32_t heir = heir_of(record);
	return goes_below_heir(record, seen, server, heir) ? heir : record->primary;
}

/* It stays a direct replica as long as it is counted on to acknowledge: what it acknowledged and did not apply would be
 * forgotten by a change of source. */
static uint32_t find_source(struct record *record, const struct observation *seen,
			    const struct decide_options *options, uint32_t server, uint64_t now_us)
{
	uint32_t present = present_source(record, seen, server);
	uint32_t place = find_place(record, seen, options, server, present, now_us);
	if (place != record->primary && present == record->primary &&
	    record_is_member(record, server)) {
		record->leaving |= 1u << server;
		return record->primary;
	}
	return place;
}

void tree_update(struct record *record, const struct observation *seen,
		 const struct decide_options *options, uint64_t now_us)
{
	if (record->primary == SERVER_NONE) {
		return;
	}
	note_soundness(record, seen, now_us);
	record->leaving = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i == record->primary) {
			record->source[i] = 0;
			continue;
		}
		bool was_cut = record->cut_since_us[i] != 0;
		uint32_t before = record->source[i];
		record->source[i] = find_source(record, seen, options, i, now_us) + 1;
		if (was_cut && before != 0 && before != record->source[i] &&
		    before - 1 != record->primary) {
			record->left_us[i] = now_us;
			record->left_count[i]++;
		}
		if (before != record->source[i]) {
			record->cut_since_us[i] = 0;
		}
	}
}
