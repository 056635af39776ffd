#include "sim_watch.h"

#include <string.h>

#include "sim_manager.h"
#include "sim_net.h"
#include "sim_server.h"

enum {
	RETRY_FIRST_US = 1 * 1000,
	RETRY_NEXT_US = 40 * 1000,
};

static uint32_t host_of(uint32_t manager)
{
	return SIM_HOST_MANAGER + manager;
}

void sim_watch_begin(struct sim_world *world, uint32_t manager)
{
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		sim_watch_poke(world, manager, i);
	}
}

void sim_watch_poke(struct sim_world *world, uint32_t manager, uint32_t server)
{
	struct sim_member *member = &world->managers[manager].members[server];
	uint32_t host = host_of(manager);
	member->contact++;
	member->begun_us = sim_world_clock(world, host);
	bool sent = sim_net_send(world, host, server, EV_CONTACT_ARRIVE, manager, member->contact,
				 server);
	if (sent && !world->processes[server].up) {
		/* The host answers that nobody listens. */
		if (sim_net_open(world, server, host)) {
			sim_world_later(world,
					sim_net_delay(world, host, server) +
						sim_net_delay(world, server, host),
					host, EV_SIGHTING, server, member->contact,
					REACH_NOBODY_LISTENS);
		}
	}
	sim_world_later(world, world->setup.probe_timeout_us, host, EV_CONTACT_LATE, server,
			member->contact, 0);
}

void sim_watch_contact_due(struct sim_world *world, uint32_t manager, uint32_t server,
			   uint32_t contact)
{
	if (world->managers[manager].members[server].contact == contact) {
		sim_watch_poke(world, manager, server);
	}
}

void sim_watch_arrive(struct sim_world *world, uint32_t server, uint32_t manager, uint32_t contact)
{
	struct sim_member *member = &world->managers[manager].members[server];
	if (member->contact != contact) {
		return;
	}
	sim_server_status(world, server, &member->status);
	member->stalled = world->servers[server].stalled;
	(void)sim_net_send(world, server, host_of(manager), EV_SIGHTING, server, contact,
			   REACH_ANSWERS);
}

static void again(struct sim_world *world, uint32_t manager, uint32_t server)
{
	const struct sim_member *member = &world->managers[manager].members[server];
	uint64_t wait_us = world->managers[manager].interval_us;
	if (member->misses > 0 && member->misses <= 20) {
		wait_us = member->misses <= 2 ? RETRY_FIRST_US : RETRY_NEXT_US;
	}
	sim_world_later(world, wait_us, host_of(manager), EV_CONTACT, server, member->contact, 0);
}

static void note_stream(struct sim_member *member, const struct replica_status *replica,
			uint64_t at_us)
{
	if (!replica->configured) {
		member->ticks_known = false;
		return;
	}
	if (!member->ticks_known || member->ticks != replica->received_ticks) {
		member->stream_us = at_us;
	}
	member->ticks = replica->received_ticks;
	member->ticks_known = true;
}

void sim_watch_take_status(struct observation_server *seen, struct server_status *status,
			   uint64_t begun_us, uint64_t ended_us)
{
	if (begun_us <= seen->status_us) {
		return;
	}
	/* What was executed becomes older, and the memory of what goes is used for the next reading. */
	struct gtid_set older = seen->older.executed;
	struct gtid_set received = seen->status.received;
	seen->older.executed = seen->status.executed;
	seen->older.begun_us = seen->status_us;
	seen->older.ended_us = seen->status_end_us;
	seen->older.read_only = seen->status.read_only;
	seen->status = *status;
	seen->status_us = begun_us;
	seen->status_end_us = ended_us;
	status->executed = older;
	status->received = received;
}

/* The write probe: a row of the server's own table, committed like any client's. */
static void note_write(const struct sim_member *member, struct observation_server *seen,
		       uint64_t at_us)
{
	struct observation_write *write = &seen->write;
	write->seen_us = at_us;
	if (!member->stalled) {
		write->trouble = WRITE_THROUGH;
		write->since_us = 0;
		write->late_us = 0;
		return;
	}
	if (write->since_us == 0) {
		write->since_us = at_us;
		write->late_us = at_us;
	}
	write->trouble = WRITE_DISK_STALLED;
}

static void take_sighting(struct sim_world *world, uint32_t manager, uint32_t server,
			  enum reach reach, uint64_t contact_us)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_member *member = &one->members[server];
	struct observation_server *seen = &one->seen.servers[server];
	if (contact_us >= seen->contact_us) {
		if (reach != REACH_NOBODY_LISTENS) {
			seen->refused_since_us = 0;
		} else if (seen->refused_since_us == 0) {
			seen->refused_since_us = contact_us;
		}
		seen->reach = reach;
		seen->misses = member->misses;
		seen->contact_us = contact_us;
	}
	if (member->answered_us > seen->answered_us) {
		seen->answered_us = member->answered_us;
	}
	seen->stream_us = member->stream_us;
	if (reach == REACH_ANSWERS) {
		note_write(member, seen, contact_us);
		sim_watch_take_status(seen, &member->status, contact_us, member->answered_us);
		if (server == one->record.primary && one->record.policy == POLICY_BOUNDED) {
			observation_mark(&one->seen, server,
					 (uint64_t)one->record.max_loss_s * 1000000 /
						 OBSERVATION_MARKS_MAX);
		}
	}
	sim_manager_saw(world, manager, server);
}

void sim_watch_sighting(struct sim_world *world, uint32_t manager, uint32_t server,
			uint32_t contact, enum reach reach)
{
	struct sim_member *member = &world->managers[manager].members[server];
	if (member->contact != contact) {
		return;
	}
	uint64_t begun_us = member->begun_us;
	member->contact++;
	if (reach == REACH_ANSWERS) {
		member->misses = 0;
		member->connected = true;
		member->answered_us = sim_world_clock(world, host_of(manager));
		note_stream(member, &member->status.replica, begun_us);
	} else {
		member->misses++;
		member->connected = false;
	}
	again(world, manager, server);
	take_sighting(world, manager, server, reach, begun_us);
}

void sim_watch_late(struct sim_world *world, uint32_t manager, uint32_t server, uint32_t contact)
{
	const struct sim_member *member = &world->managers[manager].members[server];
	uint32_t host = host_of(manager);
	bool connects = member->connected ||
			(sim_net_open(world, host, server) && sim_net_open(world, server, host));
	sim_watch_sighting(world, manager, server, contact, connects ? REACH_HUNG : REACH_SILENT);
}

void sim_watch_server_ended(struct sim_world *world, uint32_t server)
{
	for (uint32_t i = 0; i < world->setup.managers; i++) {
		struct sim_member *member = &world->managers[i].members[server];
		if (!sim_world_runs(world, host_of(i)) || !member->connected ||
		    !sim_net_open(world, server, host_of(i))) {
			continue;
		}
		member->contact++;
		member->begun_us = sim_world_clock(world, host_of(i));
		sim_world_later(world, sim_net_delay(world, server, host_of(i)), host_of(i),
				EV_SIGHTING, server, member->contact, REACH_UNKNOWN);
		/* What tells of the end may be lost and come seconds later: nobody waits longer for it than for an answer. */
		sim_world_later(world, world->setup.probe_timeout_us, host_of(i), EV_CONTACT_LATE,
				server, member->contact, 0);
	}
}
