#include "sim_world.h"

#include <string.h>

#include "sim_check.h"
#include "sim_fault.h"
#include "sim_group.h"
#include "sim_lead.h"
#include "sim_manager.h"
#include "sim_node.h"
#include "sim_server.h"
#include "sim_store.h"
#include "sim_story.h"
#include "sim_stream.h"
#include "sim_task.h"
#include "sim_watch.h"

enum { EVENTS_MAX = 400000 };

/* ---------------------------------------------------------------- clocks */

/* The speed is within a few per cent; times are below an hour: no overflow. */
uint64_t sim_world_clock(const struct sim_world *world, uint32_t host)
{
	const struct sim_process *process = &world->processes[host];
	int64_t drift_us = (int64_t)world->now_us * process->speed_ppm / 1000000;
	return process->offset_us + world->now_us + (uint64_t)drift_us;
}

uint64_t sim_world_until(const struct sim_world *world, uint32_t host, uint64_t clock_us)
{
	uint64_t now_us = sim_world_clock(world, host);
	if (clock_us <= now_us) {
		return 0;
	}
	uint64_t left_us = clock_us - now_us;
	int64_t drift_us = (int64_t)left_us * world->processes[host].speed_ppm / 1000000;
	return left_us - (uint64_t)drift_us;
}

/* ---------------------------------------------------------------- time */

void sim_world_later(struct sim_world *world, uint64_t delay_us, uint32_t host,
		     enum sim_event_kind kind, uint32_t a, uint32_t b, uint32_t c)
{
	struct sim_event event = { .kind = (uint8_t)kind,
				   .host = (uint8_t)host,
				   .a = (uint16_t)a,
				   .b = b,
				   .c = c,
				   .life = host < SIM_HOSTS ? world->processes[host].life : 0 };
	sim_queue_put(&world->queue, event, world->now_us + delay_us);
}

/* All that was broken works again; a person starts what is down. */
static void begin_calm(struct sim_world *world)
{
	world->calm = true;
	sim_story_tell(world, SIM_NOBODY, "calm: nothing is broken any more");
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		if (!world->processes[i].up) {
			sim_world_later(world, sim_random_below(&world->random, 300 * SIM_MS),
					SIM_NOBODY, EV_RESTART, i, 0, 0);
		}
	}
	sim_world_later(world, (uint64_t)500 * SIM_MS, SIM_NOBODY, EV_JUDGE, 0, 0, 0);
}

/* Who handles what: one small function per kind of event. */
#define ON(name, call) \
	static void name(struct sim_world *world, const struct sim_event *e, uint32_t me) \
	{ \
		(void)e; \
		(void)me; \
		call; \
	}

ON(on_fault, sim_fault_start(world, e->a))
ON(on_fault_end, sim_fault_end(world, e->a))
ON(on_kill, sim_fault_kill(world, e->a))
ON(on_calm, begin_calm(world))
ON(on_judge, sim_check_judge(world))
ON(on_final, sim_check_final(world))
ON(on_restart, sim_server_restart(world, e->a, (uint64_t)e->b *SIM_MS))
ON(on_manager_start, sim_manager_start(world, e->a))
ON(on_node_start, sim_node_start(world, e->a))
ON(on_client, sim_node_client(world, me))
ON(on_op_arrive, sim_server_op_arrive(world, e->a))
ON(on_op_commit, sim_server_op_commit(world, e->a))
ON(on_op_answer, sim_node_op_answer(world, e->a, (enum sim_op_state)e->b))
ON(on_op_patience, sim_node_op_patience(world, e->a))
ON(on_stream_dial, sim_stream_dial(world, e->a, e->b))
ON(on_stream_data, sim_stream_data(world, e->a, e->b, e->c))
ON(on_stream_ack, sim_stream_ack(world, me, e->a, e->b, e->c))
ON(on_stream_closed, sim_stream_closed(world, me, e->a, e->b))
ON(on_stream_broken, sim_stream_broken(world, e->a, e->b))
ON(on_stream_beat, sim_stream_beat(world, me, e->a, e->b))
ON(on_stream_patience, sim_stream_patience(world, e->a, e->b))
ON(on_stream_pump, sim_stream_pump(world, me, e->a, e->b))
ON(on_apply, sim_stream_apply(world, e->a, e->b))
ON(on_contact, sim_watch_contact_due(world, me, e->a, e->b))
ON(on_contact_arrive, sim_watch_arrive(world, me, e->a, e->b))
ON(on_sighting, sim_watch_sighting(world, me, e->a, e->b, (enum reach)e->c))
ON(on_contact_late, sim_watch_late(world, me, e->a, e->b))
ON(on_step_send, sim_task_deliver(world, e->a))
ON(on_step_phase, sim_task_phase(world, e->a))
ON(on_step_answer, sim_manager_step_ended(world, me, e->a, false))
ON(on_step_late, sim_manager_step_ended(world, me, e->a, true))
ON(on_turn, sim_manager_turn_due(world, me, e->b))
ON(on_lead, sim_lead_due(world, me, e->b))
ON(on_store_arrive, sim_store_arrive(world, e->a, e->b))
ON(on_store_answer, sim_store_answer(world, e->a, e->b))
ON(on_store_late, sim_store_late(world, e->a, e->b))
ON(on_report, sim_node_report_due(world, me, e->b))
ON(on_report_arrive, sim_node_report_arrive(world, me, e->a, e->b))
ON(on_report_answer, sim_node_report_answer(world, me, e->a, e->b, e->c))
ON(on_report_late, sim_node_report_late(world, me, e->b))
ON(on_route, sim_node_route(world, me, e->a))
ON(on_ask, sim_node_ask(world, e->host, e->a, e->b))
ON(on_consent, sim_node_consent(world, me, e->b, e->c & 0xff, (enum lease_answer)(e->c >> 8)))
ON(on_round_late, sim_node_round_late(world, me, e->b))
ON(on_lease_end, sim_node_lease_end(world, me, e->b))

typedef void handler(struct sim_world *world, const struct sim_event *e, uint32_t me);

static handler *const handlers[EV_COUNT_] = {
	[EV_FAULT] = on_fault,
	[EV_FAULT_END] = on_fault_end,
	[EV_KILL] = on_kill,
	[EV_CALM] = on_calm,
	[EV_JUDGE] = on_judge,
	[EV_FINAL] = on_final,
	[EV_RESTART] = on_restart,
	[EV_MANAGER_START] = on_manager_start,
	[EV_NODE_START] = on_node_start,
	[EV_CLIENT] = on_client,
	[EV_OP_ARRIVE] = on_op_arrive,
	[EV_OP_COMMIT] = on_op_commit,
	[EV_OP_ANSWER] = on_op_answer,
	[EV_OP_PATIENCE] = on_op_patience,
	[EV_STREAM_DIAL] = on_stream_dial,
	[EV_STREAM_DATA] = on_stream_data,
	[EV_STREAM_ACK] = on_stream_ack,
	[EV_STREAM_CLOSED] = on_stream_closed,
	[EV_STREAM_BROKEN] = on_stream_broken,
	[EV_STREAM_BEAT] = on_stream_beat,
	[EV_STREAM_PATIENCE] = on_stream_patience,
	[EV_STREAM_PUMP] = on_stream_pump,
	[EV_APPLY] = on_apply,
	[EV_CONTACT] = on_contact,
	[EV_CONTACT_ARRIVE] = on_contact_arrive,
	[EV_SIGHTING] = on_sighting,
	[EV_CONTACT_LATE] = on_contact_late,
	[EV_STEP_SEND] = on_step_send,
	[EV_STEP_PHASE] = on_step_phase,
	[EV_STEP_ANSWER] = on_step_answer,
	[EV_STEP_LATE] = on_step_late,
	[EV_TURN] = on_turn,
	[EV_LEAD] = on_lead,
	[EV_STORE_ARRIVE] = on_store_arrive,
	[EV_STORE_ANSWER] = on_store_answer,
	[EV_STORE_LATE] = on_store_late,
	[EV_REPORT] = on_report,
	[EV_REPORT_ARRIVE] = on_report_arrive,
	[EV_REPORT_ANSWER] = on_report_answer,
	[EV_REPORT_LATE] = on_report_late,
	[EV_ROUTE] = on_route,
	[EV_ASK] = on_ask,
	[EV_CONSENT] = on_consent,
	[EV_ROUND_LATE] = on_round_late,
	[EV_LEASE_END] = on_lease_end,
};

/* The number of a host among those of its kind. */
static uint32_t number_of(uint32_t host)
{
	if (host < SIM_HOST_MANAGER || host >= SIM_HOST_STORE) {
		return host;
	}
	return host - (host < SIM_HOST_NODE ? (uint32_t)SIM_HOST_MANAGER : (uint32_t)SIM_HOST_NODE);
}

static void handle(struct sim_world *world, const struct sim_event *event)
{
	uint32_t host = event->host;
	if (host < SIM_HOSTS) {
		const struct sim_process *process = &world->processes[host];
		if (!process->up || process->life != event->life) {
			return;
		}
		if (process->paused_until_us > world->now_us) {
			/* What came over a node's many connections comes to light in any order. */
			uint64_t late_us = host >= SIM_HOST_NODE && host < SIM_HOST_STORE
						   ? sim_random_below(&world->random, SIM_MS)
						   : 0;
			sim_queue_put_back(&world->queue, *event,
					   process->paused_until_us + late_us);
			return;
		}
	}
	handlers[event->kind](world, event, number_of(host));
}

void sim_world_run(struct sim_world *world)
{
	struct sim_event event;
	while (!world->over && !world->failed && sim_queue_take(&world->queue, &event)) {
		world->now_us = sim_event_at_us(&event);
		if (++world->events > EVENTS_MAX) {
			sim_story_fail(world, "no end: %d events", EVENTS_MAX);
		}
		handle(world, &event);
	}
	world->over_us = world->now_us;
}

/* ---------------------------------------------------------------- the beginning */

static enum policy choose_policy(struct sim_random *random)
{
	uint32_t at = sim_random_below(random, 1000);
	return at < 130 ? POLICY_ASYNC : at < 230 ? POLICY_BOUNDED : POLICY_LOSSLESS;
}

static void choose_setup(struct sim_world *world)
{
	struct sim_random *random = &world->random;
	uint64_t ms = SIM_MS;
	static const uint32_t server_counts[] = { 2, 2, 3, 3, 3, 3, 3, 4, 5 };
	struct sim_setup *setup = &world->setup;
	*setup = (struct sim_setup){
		.servers = server_counts[sim_random_below(random, 9)],
		.managers = sim_random_chance(random, 450) ? 3 : 1,
		.nodes = 1 + sim_random_below(random, SIM_NODES_MAX),
		.flavor = sim_random_chance(random, 500) ? GTID_MARIADB : GTID_MYSQL,
		.policy = choose_policy(random),
		.options = { .silence_us = 800 * ms,
			     .slow_us = 200 * ms,
			     .write_stall_us = sim_random_chance(random, 500) ? 600 * ms : 0,
			     .feed_us = 1500 * ms,
			     .stream_silence_us = 500 * ms,
			     .revoke_us = 3000 * ms,
			     .open_us = 3000 * ms,
			     .drain_us = 1000 * ms,
			     .freeze_us = 800 * ms,
			     .press_us = 400 * ms,
			     .moment_us = 300 * ms,
			     .undo_us = 3000 * ms,
			     .parent_us = 400 * ms,
			     .base_us = 500 * ms,
			     .alone_us = 1600 * ms,
			     .extra_us = 400 * ms,
			     .cooldown_us = 3000 * ms },
		.lease = { .duration_us = 1200 * ms, .renew_us = 200 * ms, .margin_us = 200 * ms },
		.leadership = { .duration_us = 1200 * ms,
				.renew_us = 300 * ms,
				.margin_us = 200 * ms },
		.probe_timeout_us = 400 * ms,
		.probe_interval_us = 200 * ms,
		.heartbeat_us = 200 * ms,
		.net_timeout_us = 1600 * ms,
		.dial_us = 250 * ms,
		.step_timeout_us = 3000 * ms,
		.hold_us = 2000 * ms,
		.calm_us = sim_random_between(random, 2500, 6000) * ms,
		.late_per_mille = 0,
	};
	setup->end_us = setup->calm_us + 30000 * ms;
	/* As long as a node's lease, or shorter, as the defaults are. */
	if (sim_random_chance(random, 500)) {
		setup->leadership.duration_us = 900 * ms;
	}
}

static void choose_clocks(struct sim_world *world)
{
	for (uint32_t i = 0; i < SIM_HOSTS; i++) {
		world->processes[i] = (struct sim_process){
			.life = 1,
			.offset_us = sim_random_between(&world->random, 1000000, 3600000000u),
			.speed_ppm = (int32_t)sim_random_below(&world->random, 20000) - 10000,
		};
	}
}

static void clear(struct sim_world *world)
{
	world->now_us = 0;
	sim_queue_clear(&world->queue);
	memset(world->cuts, 0, sizeof(world->cuts));
	memset(world->delays, 0, sizeof(world->delays));
	memset(world->losses, 0, sizeof(world->losses));
	memset(world->nodes, 0, sizeof(world->nodes));
	memset(&world->ledger, 0, sizeof(world->ledger));
	for (uint32_t i = 0; i < SIM_EPOCHS_MAX; i++) {
		world->ledger.primary_of[i] = SERVER_NONE;
	}
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++) {
		world->tasks[i].used = false;
	}
	world->txn_count = 0;
	world->op_count = 0;
	world->server_ids = 0;
	world->calm = false;
	world->stopped = false;
	world->over = false;
	world->failed = false;
	world->failure[0] = 0;
	world->events = 0;
	world->repaired = 0;
}

void sim_world_begin(struct sim_world *world, uint64_t seed, uint32_t left_out)
{
	clear(world);
	world->seed = seed;
	world->random.state = seed * 0x2545f4914f6cdd1du + 1;
	choose_setup(world);
	choose_clocks(world);
	sim_store_begin(world);
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		sim_server_begin(world, i);
	}
	sim_group_form(world);
	if (sim_random_chance(&world->random, 250)) {
		sim_server_give_past(world, 1 + sim_random_below(&world->random, 5));
	}
	sim_fault_plan(world, left_out);
	for (uint32_t i = 0; i < world->setup.managers; i++) {
		sim_world_later(world, i * 5 * SIM_MS, SIM_NOBODY, EV_MANAGER_START, i, 0, 0);
	}
	for (uint32_t i = 0; i < world->setup.nodes; i++) {
		sim_world_later(world, SIM_MS, SIM_NOBODY, EV_NODE_START, i, 0, 0);
	}
	sim_world_later(world, world->setup.calm_us, SIM_NOBODY, EV_CALM, 0, 0, 0);
}

void sim_world_fini(struct sim_world *world)
{
	sim_queue_fini(&world->queue);
	sim_store_fini(world);
	for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) {
		sim_server_fini(&world->servers[i]);
	}
	for (uint32_t i = 0; i < SIM_MANAGERS_MAX; i++) {
		sim_manager_fini(&world->managers[i]);
	}
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++) {
		gtid_set_fini(&world->tasks[i].set);
		gtid_set_fini(&world->tasks[i].status.executed);
		gtid_set_fini(&world->tasks[i].status.received);
	}
}
