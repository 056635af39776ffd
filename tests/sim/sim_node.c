#include "sim_node.h"

#include <string.h>

#include "sim_check.h"
#include "sim_manager.h"
#include "sim_net.h"
#include "sim_story.h"

enum {
	WRITE_GAP_MIN_US = 30 * 1000,
	WRITE_GAP_MAX_US = 400 * 1000,
	BURST_GAP_US = 4 * 1000,
	BURST_MAX = 5,
	OPS_PER_NODE_MAX = SIM_OPS_MAX / 2 - 60,
	REPORT_PATIENCE_US = 200 * 1000,
	ROUND_PATIENCE_US = 200 * 1000,
};

static uint32_t host_of(uint32_t node)
{
	return SIM_HOST_NODE + node;
}

static uint64_t clock_of(const struct sim_world *world, uint32_t node)
{
	return sim_world_clock(world, host_of(node));
}

static bool carries(const struct sim_world *world, uint32_t node)
{
	return lease_holds(&world->nodes[node].lease, clock_of(world, node));
}

void sim_node_check_closed(struct sim_world *world, uint32_t node, uint32_t manager)
{
	if (world->processes[host_of(node)].up && carries(world, node)) {
		sim_story_fail(world, "manager%u takes the lease of node%u for over, which holds",
			       manager, node);
	}
}

static void report_soon(struct sim_world *world, uint32_t node, uint64_t delay_us)
{
	sim_world_later(world, delay_us, host_of(node), EV_REPORT, node,
			++world->nodes[node].report_timer, 0);
}

static void report(struct sim_world *world, uint32_t node)
{
	struct sim_node *one = &world->nodes[node];
	one->report++;
	one->report_us = clock_of(world, node);
	one->report_answered = false;
	for (uint32_t i = 0; i < world->setup.managers; i++) {
		(void)sim_net_send(world, host_of(node), SIM_HOST_MANAGER + i, EV_REPORT_ARRIVE,
				   node, one->report, 0);
	}
	sim_world_later(world, REPORT_PATIENCE_US, host_of(node), EV_REPORT_LATE, node, one->report,
			0);
	report_soon(world, node, world->setup.lease.renew_us);
}

void sim_node_start(struct sim_world *world, uint32_t node)
{
	struct sim_node *one = &world->nodes[node];
	struct sim_process *process = &world->processes[host_of(node)];
	if (process->up) {
		return;
	}
	process->up = true;
	uint32_t number = one->report;
	uint32_t round = one->round;
	uint32_t timer = one->report_timer;
	memset(one, 0, sizeof(*one));
	one->report = number;
	one->round = round;
	one->report_timer = timer;
	one->route.primary = SERVER_NONE;
	report_soon(world, node, SIM_MS);
	sim_world_later(world, sim_random_below(&world->random, WRITE_GAP_MAX_US), host_of(node),
			EV_CLIENT, node, 0, 0);
}

/* ---------------------------------------------------------------- clients' writes */

static void end_op(struct sim_world *world, uint32_t op, enum sim_op_state state)
{
	world->ops[op].state = state;
	world->ops[op].dropped = true;
}

/* Connections that lead to a server: what runs there ends with an unknown outcome. */
static void drop_connections(struct sim_world *world, uint32_t node)
{
	for (uint32_t i = 0; i < world->op_count; i++) {
		struct sim_op *op = &world->ops[i];
		if (op->node == node && op->state == OP_SENT) {
			end_op(world, i, OP_UNKNOWN);
		}
	}
}

void sim_node_kill(struct sim_world *world, uint32_t node)
{
	struct sim_process *process = &world->processes[host_of(node)];
	if (!process->up) {
		return;
	}
	sim_story_tell(world, host_of(node), "its process ends");
	drop_connections(world, node);
	for (uint32_t i = 0; i < world->op_count; i++) {
		if (world->ops[i].node == node && world->ops[i].state == OP_HELD) {
			end_op(world, i, OP_REFUSED);
		}
	}
	process->up = false;
	process->life++;
	process->paused_until_us = 0;
}

static uint32_t open_ops(const struct sim_world *world, uint32_t node)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->op_count; i++) {
		count += world->ops[i].node == node && world->ops[i].state == OP_SENT ? 1 : 0;
	}
	return count;
}

static void send_op(struct sim_world *world, uint32_t node, uint32_t op)
{
	struct sim_op *one = &world->ops[op];
	const struct sim_route *route = &world->nodes[node].route;
	one->state = OP_SENT;
	one->server = (uint8_t)route->primary;
	one->epoch = route->epoch;
	one->server_life = 0;
	uint32_t to = route->primary;
	if (!world->processes[to].up) {
		sim_world_later(world, SIM_MS, host_of(node), EV_OP_ANSWER, op, OP_REFUSED, 0);
		return;
	}
	(void)sim_net_send(world, host_of(node), to, EV_OP_ARRIVE, op, 0, 0);
}

static void try_op(struct sim_world *world, uint32_t node, uint32_t op)
{
	const struct sim_route *route = &world->nodes[node].route;
	if (route->open && route->primary < world->setup.servers && carries(world, node)) {
		send_op(world, node, op);
	}
}

void sim_node_client(struct sim_world *world, uint32_t node)
{
	struct sim_node *one = &world->nodes[node];
	if (world->stopped || world->op_count == SIM_OPS_MAX) {
		return;
	}
	uint32_t op = world->op_count++;
	world->ops[op] = (struct sim_op){
		.state = OP_HELD, .node = (uint8_t)node, .server = SIM_NOBODY, .txn = SIM_TXNS_MAX
	};
	try_op(world, node, op);
	sim_world_later(world, world->setup.hold_us, host_of(node), EV_OP_PATIENCE, op, 0, 0);
	if (one->burst == 0 && sim_random_chance(&world->random, 200)) {
		one->burst = 1 + sim_random_below(&world->random, BURST_MAX);
	} else if (one->burst > 0) {
		one->burst--;
	}
	uint64_t gap_us = one->burst > 0 ? sim_random_below(&world->random, BURST_GAP_US)
					 : sim_random_between(&world->random, WRITE_GAP_MIN_US,
							      WRITE_GAP_MAX_US);
	/* What is left is kept for the end, when progress is asked for. */
	if (!world->calm && world->op_count > OPS_PER_NODE_MAX) {
		gap_us = world->setup.calm_us - world->now_us;
	}
	sim_world_later(world, gap_us, host_of(node), EV_CLIENT, node, 0, 0);
}

static void tell_drained(struct sim_world *world, uint32_t node)
{
	const struct sim_route *route = &world->nodes[node].route;
	if (!route->open && route->epoch > 0 && open_ops(world, node) == 0) {
		report(world, node);
	}
}

void sim_node_op_answer(struct sim_world *world, uint32_t op, enum sim_op_state state)
{
	struct sim_op *one = &world->ops[op];
	uint32_t node = one->node;
	if (one->state != OP_SENT || one->dropped) {
		return;
	}
	/* The lease is looked at before an answer is passed on. */
	if (!carries(world, node)) {
		drop_connections(world, node);
		return;
	}
	end_op(world, op, state);
	if (state == OP_ACKED) {
		sim_check_acked(world, op);
	}
	tell_drained(world, node);
}

void sim_node_op_patience(struct sim_world *world, uint32_t op)
{
	struct sim_op *one = &world->ops[op];
	uint32_t node = one->node;
	if (one->state == OP_HELD) {
		end_op(world, op, OP_REFUSED);
	} else if (one->state == OP_SENT && !one->dropped) {
		end_op(world, op, OP_UNKNOWN);
		tell_drained(world, node);
	}
}

/* ---------------------------------------------------------------- routes */

static bool is_newer(const struct sim_route *a, const struct sim_route *b)
{
	return a->epoch > b->epoch || (a->epoch == b->epoch && a->revision > b->revision);
}

static void put_in_force(struct sim_world *world, uint32_t node, const struct sim_route *route)
{
	struct sim_node *one = &world->nodes[node];
	if (!is_newer(route, &one->route)) {
		return;
	}
	bool drop = (!route->open && !route->drains) || route->primary != one->route.primary;
	bool reopens = route->open;
	one->route = *route;
	if (drop) {
		drop_connections(world, node);
	}
	for (uint32_t i = 0; reopens && i < world->op_count; i++) {
		if (world->ops[i].node == node && world->ops[i].state == OP_HELD) {
			try_op(world, node, i);
		}
	}
	report(world, node);
}

static void make_route(const struct record *record, struct sim_route *ret)
{
	*ret = (struct sim_route){ .epoch = record->epoch, .primary = record->primary };
	switch (record->state) {
	case GROUP_STEADY:
		ret->open = true;
		break;
	case GROUP_DRAINING:
	case GROUP_FREEZING:
	case GROUP_UNDOING:
		ret->drains = true;
		break;
	case GROUP_FORMING:
	case GROUP_REVOKING:
	case GROUP_REFUSED:
	case GROUP_OPENING:
	case GROUP_STATE_COUNT_:
		break;
	}
}

void sim_node_publish(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_route route;
	make_route(&one->record, &route);
	if (one->route_version == one->record.version) {
		return;
	}
	one->route_count = 0;
	route.revision = one->record.version << 16 | one->route_count;
	one->route = route;
	one->route_version = one->record.version;
	for (uint32_t i = 0; i < world->setup.nodes; i++) {
		(void)sim_net_send(world, SIM_HOST_MANAGER + manager, host_of(i), EV_ROUTE, manager,
				   0, 0);
	}
}

void sim_node_route(struct sim_world *world, uint32_t node, uint32_t manager)
{
	/* The message carries the route as it was; a newer one of the same manager is as good. */
	put_in_force(world, node, &world->managers[manager].route);
}

/* ---------------------------------------------------------------- reports */

void sim_node_report_due(struct sim_world *world, uint32_t node, uint32_t timer)
{
	if (world->nodes[node].report_timer == timer) {
		report(world, node);
	}
}

void sim_node_report_arrive(struct sim_world *world, uint32_t manager, uint32_t node,
			    uint32_t number)
{
	struct sim_manager *one = &world->managers[manager];
	const struct sim_node *from = &world->nodes[node];
	bool leads = sim_manager_leads(world, manager);
	uint32_t host = SIM_HOST_MANAGER + manager;
	uint64_t good_us = 0;
	if (leads && from->report == number) {
		uint64_t received_us = sim_world_clock(world, host);
		bool alone = world->setup.managers == 1;
		good_us = lease_grant(&world->setup.lease, received_us,
				      alone ? received_us : one->leadership.begun_us);
		one->nodes[node] = (struct lease_node){
			.carries = true,
			.until_us = received_us + good_us,
			.epoch = from->route.epoch,
			.revision = from->route.revision,
			.held = !from->route.open,
			.transactions_open = open_ops(world, node),
		};
		sim_manager_turn(world, manager);
		leads = sim_manager_leads(world, manager);
	} else {
		leads = false;
	}
	(void)sim_net_send(world, host, host_of(node), EV_REPORT_ANSWER, manager, number,
			   leads ? (uint32_t)good_us : 0);
}

void sim_node_report_answer(struct sim_world *world, uint32_t node, uint32_t manager,
			    uint32_t number, uint64_t good_us)
{
	struct sim_node *one = &world->nodes[node];
	if (one->report != number || good_us == 0) {
		return;
	}
	bool held = carries(world, node);
	lease_renewed(&one->lease, good_us, one->report_us);
	one->report_answered = true;
	if (!held && carries(world, node)) {
		sim_story_tell(world, host_of(node), "has a lease again");
	}
	sim_world_later(world, sim_world_until(world, host_of(node), one->lease.until_us) + SIM_MS,
			host_of(node), EV_LEASE_END, node, ++one->lease_timer, 0);
	put_in_force(world, node, &world->managers[manager].route);
}

void sim_node_lease_end(struct sim_world *world, uint32_t node, uint32_t timer)
{
	if (world->nodes[node].lease_timer == timer && !carries(world, node)) {
		sim_story_tell(world, host_of(node), "its lease is over: it carries nothing");
		drop_connections(world, node);
	}
}

/* ---------------------------------------------------------------- when nobody leads */

static bool in_circle(const struct sim_world *world, uint32_t host, uint32_t node)
{
	bool manager = host >= SIM_HOST_MANAGER && host < SIM_HOST_MANAGER + world->setup.managers;
	bool other = host >= SIM_HOST_NODE && host < SIM_HOST_NODE + world->setup.nodes &&
		     host != host_of(node);
	return manager || other;
}

void sim_node_report_late(struct sim_world *world, uint32_t node, uint32_t number)
{
	struct sim_node *one = &world->nodes[node];
	if (one->report != number || one->report_answered || one->route.epoch == 0) {
		return;
	}
	one->round++;
	one->round_us = clock_of(world, node);
	memset(one->answers, 0, sizeof(one->answers));
	for (uint32_t host = SIM_HOST_MANAGER; host < SIM_HOST_STORE; host++) {
		if (!in_circle(world, host, node)) {
			continue;
		}
		bool sent =
			sim_net_send(world, host_of(node), host, EV_ASK, node, one->round, host);
		/* A host that lives answers that nobody listens there. */
		if (sent && !world->processes[host].up &&
		    sim_net_open(world, host, host_of(node))) {
			sim_world_later(world, 2 * sim_net_delay(world, host, host_of(node)),
					host_of(node), EV_CONSENT, node, one->round,
					host | LEASE_GONE << 8);
		}
	}
	sim_world_later(world, ROUND_PATIENCE_US, host_of(node), EV_ROUND_LATE, node, one->round,
			0);
}

void sim_node_ask(struct sim_world *world, uint32_t host, uint32_t node, uint32_t round)
{
	const struct sim_route *asked = &world->nodes[node].route;
	struct sim_manager *manager = NULL;
	bool leads = false;
	uint64_t epoch = 0;
	uint64_t revision = 0;
	if (host >= SIM_HOST_NODE) {
		epoch = world->nodes[host - SIM_HOST_NODE].route.epoch;
		revision = world->nodes[host - SIM_HOST_NODE].route.revision;
	} else {
		manager = &world->managers[host - SIM_HOST_MANAGER];
		leads = leadership_leads(&manager->leadership, sim_world_clock(world, host));
		epoch = manager->route.epoch;
		revision = manager->route.revision;
	}
	enum lease_answer answer =
		lease_consent(leads, epoch, revision, asked->epoch, asked->revision);
	if (manager && answer == LEASE_AGREES) {
		lease_remember(&manager->agreed, &world->setup.lease,
			       str_of(sim_story_host(host_of(node))), sim_world_clock(world, host));
	}
	(void)sim_net_send(world, host, host_of(node), EV_CONSENT, node, round,
			   host | (uint32_t)answer << 8);
}

void sim_node_consent(struct sim_world *world, uint32_t node, uint32_t round, uint32_t who,
		      enum lease_answer answer)
{
	struct sim_node *one = &world->nodes[node];
	if (one->round != round) {
		return;
	}
	one->answers[who - SIM_HOST_MANAGER] = answer;
	enum lease_answer answers[SIM_MANAGERS_MAX + SIM_NODES_MAX];
	uint32_t count = 0;
	for (uint32_t host = SIM_HOST_MANAGER; host < SIM_HOST_STORE; host++) {
		if (in_circle(world, host, node)) {
			answers[count++] = one->answers[host - SIM_HOST_MANAGER];
		}
	}
	if (lease_round_agrees(answers, count) &&
	    lease_go_on(&one->lease, &world->setup.lease, one->round_us, clock_of(world, node))) {
		one->round++;
		sim_world_later(world,
				sim_world_until(world, host_of(node), one->lease.until_us) + SIM_MS,
				host_of(node), EV_LEASE_END, node, ++one->lease_timer, 0);
	}
}

void sim_node_round_late(struct sim_world *world, uint32_t node, uint32_t round)
{
	struct sim_node *one = &world->nodes[node];
	if (one->round == round) {
		one->round++;
	}
}
