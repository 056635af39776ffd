#include "sim_server.h"

#include <string.h>

#include "base/check.h"
#include "sim_check.h"
#include "sim_gtid.h"
#include "sim_net.h"
#include "sim_story.h"
#include "sim_stream.h"
#include "sim_task.h"
#include "sim_watch.h"

enum {
	STATEMENT_MIN_US = 300,
	STATEMENT_MAX_US = 6 * 1000,
	STATEMENT_LONG_US = 700 * 1000,
	STALL_LOOK_US = 40 * 1000,
	SECOND_US = 400 * 1000, /* as all times here: shorter than real ones */
	START_OF_TIME_S = 1000,
	UNDURABLE_MAX =
		3, /* newest commits that the engine may forget in a crash; the log has them */
};

void sim_server_begin(struct sim_world *world, uint32_t at)
{
	struct sim_server *server = &world->servers[at];
	struct gtid_set executed = server->executed;
	struct gtid_set received = server->received;
	memset(server, 0, sizeof(*server));
	server->executed = executed;
	server->received = received;
	gtid_set_clear(&server->executed);
	gtid_set_clear(&server->received);
	server->server_id = (uint16_t)++world->server_ids;
	server->read_only = true;
	/* One that comes too late to save what a person has destroyed: never the first of the group. */
	server->delayed = at > 1 && sim_random_chance(&world->random, 60);
	/* MariaDB with autostart is known to go wrong: docs/simulator.md. */
	server->autostart =
		world->setup.flavor == GTID_MYSQL && sim_random_chance(&world->random, 150);
	world->processes[at].up = true;
	world->processes[at].life = 1;
}

void sim_server_fini(struct sim_server *server)
{
	gtid_set_fini(&server->executed);
	gtid_set_fini(&server->received);
}

/* ---------------------------------------------------------------- the log */

static bool mariadb(const struct sim_world *world)
{
	return world->setup.flavor == GTID_MARIADB;
}

static void append(struct sim_world *world, struct sim_server *server, uint16_t txn)
{
	server->log[server->log_count++] = txn;
	server->has[txn / 64] |= (uint64_t)1 << (txn % 64);
	/* gtid_binlog_state runs ahead of the engine's commit, gtid_executed doesn't. */
	if (mariadb(world)) {
		const struct sim_txn *one = &world->txns[txn];
		sim_gtid_add(world, &server->executed, one->origin, one->seq);
		sim_gtid_add(world, &server->received, one->origin, one->seq);
	}
}

/* The number that the next transaction of its own gets. */
static uint32_t next_seq(const struct sim_world *world, const struct sim_server *server)
{
	if (!mariadb(world)) {
		uint32_t last = sim_gtid_last(&server->executed, server->server_id);
		for (uint32_t i = server->engine_count; i < server->log_count; i++) {
			const struct sim_txn *txn = &world->txns[server->log[i]];
			last = txn->origin == server->server_id && txn->seq > last ? txn->seq
										   : last;
		}
		return last + 1;
	}
	uint32_t last = server->slave_seq;
	if (server->log_count > 0) {
		uint32_t seq = world->txns[server->log[server->log_count - 1]].seq;
		last = seq > last ? seq : last;
	}
	return last + 1;
}

static void answer(struct sim_world *world, uint32_t op, enum sim_op_state state)
{
	struct sim_op *one = &world->ops[op];
	uint32_t server = one->server;
	if (!one->killed && one->server_life == world->processes[server].life) {
		(void)sim_net_send(world, server, (uint32_t)SIM_HOST_NODE + one->node, EV_OP_ANSWER,
				   op, (uint32_t)state, 0);
	}
}

static void commit_in_engine(struct sim_world *world, uint32_t at, uint32_t until)
{
	struct sim_server *server = &world->servers[at];
	while (server->engine_count < until) {
		uint16_t txn = server->log[server->engine_count++];
		const struct sim_txn *one = &world->txns[txn];
		if (!mariadb(world)) {
			sim_gtid_add(world, &server->executed, one->origin, one->seq);
			sim_gtid_add(world, &server->received, one->origin, one->seq);
		}
		if (one->op != SIM_OP_NONE && world->ops[one->op].server == at &&
		    world->ops[one->op].txn == txn && one->origin == server->server_id) {
			answer(world, one->op, OP_ACKED);
		}
	}
	uint32_t lag = sim_random_below(&world->random, UNDURABLE_MAX + 1);
	uint32_t durable = server->engine_count > lag ? server->engine_count - lag : 0;
	server->durable_count = durable > server->durable_count ? durable : server->durable_count;
}

/* How much of the log is acknowledged by as many replicas as a commit needs: one. */
static uint32_t acknowledged(const struct sim_world *world, const struct sim_server *server)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		most = server->dumps[i].acked > most ? server->dumps[i].acked : most;
	}
	return most;
}

bool sim_server_has_waiting(const struct sim_server *server)
{
	return server->engine_count < server->log_count;
}

void sim_server_release(struct sim_world *world, uint32_t at)
{
	struct sim_server *server = &world->servers[at];
	bool waited = sim_server_has_waiting(server);
	uint32_t until = server->log_count;
	if (server->waits_for_acks) {
		uint32_t acked = acknowledged(world, server);
		until = acked < until ? acked : until;
	}
	if (until > server->engine_count) {
		commit_in_engine(world, at, until);
	}
	if (waited && server->stream.sql) {
		sim_stream_apply_soon(world, at);
	}
}

void sim_server_end_sessions(struct sim_world *world, uint32_t at, bool waiting)
{
	struct sim_server *server = &world->servers[at];
	for (uint32_t i = 0; i < world->op_count; i++) {
		struct sim_op *op = &world->ops[i];
		if (op->server == at && op->state == OP_SENT &&
		    op->server_life == world->processes[at].life) {
			op->killed = true;
			if (sim_net_open(world, at, (uint32_t)SIM_HOST_NODE + op->node)) {
				(void)sim_net_send(world, at, (uint32_t)SIM_HOST_NODE + op->node,
						   EV_OP_ANSWER, i, OP_UNKNOWN, 0);
			}
		}
	}
	if (waiting) {
		commit_in_engine(world, at, server->log_count);
		server->durable_count = server->engine_count;
	}
}

void sim_server_give_past(struct sim_world *world, uint32_t count)
{
	uint32_t writer = sim_random_below(&world->random, world->setup.servers);
	for (uint32_t i = 0; i < count; i++) {
		world->txns[world->txn_count++] = (struct sim_txn){
			.origin = world->servers[writer].server_id, .op = SIM_OP_NONE, .seq = i + 1
		};
		sim_check_given(world, (uint16_t)i);
	}
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		struct sim_server *server = &world->servers[i];
		uint32_t has = i == writer ? count : sim_random_below(&world->random, count + 1);
		for (uint32_t k = 0; k < has; k++) {
			append(world, server, (uint16_t)k);
		}
		commit_in_engine(world, i, has);
		server->durable_count = has;
	}
}

/* ---------------------------------------------------------------- clients' writes */

static void refuse(struct sim_world *world, uint32_t op)
{
	answer(world, op, OP_REFUSED);
	world->ops[op].killed = true;
}

void sim_server_op_arrive(struct sim_world *world, uint32_t op)
{
	struct sim_op *one = &world->ops[op];
	struct sim_server *server = &world->servers[one->server];
	one->server_life = world->processes[one->server].life;
	if (server->read_only || server->read_only_asked) {
		refuse(world, op);
		return;
	}
	uint64_t takes_us = sim_random_between(&world->random, STATEMENT_MIN_US, STATEMENT_MAX_US);
	if (sim_random_chance(&world->random, 20)) {
		takes_us = sim_random_below(&world->random, STATEMENT_LONG_US);
	}
	sim_world_later(world, takes_us, one->server, EV_OP_COMMIT, op, 0, 0);
}

void sim_server_op_commit(struct sim_world *world, uint32_t op)
{
	struct sim_op *one = &world->ops[op];
	struct sim_server *server = &world->servers[one->server];
	if (one->killed || one->server_life != world->processes[one->server].life) {
		return;
	}
	if (server->stalled) {
		sim_world_later(world, STALL_LOOK_US, one->server, EV_OP_COMMIT, op, 0, 0);
		return;
	}
	if (server->read_only || server->read_only_asked || world->txn_count == SIM_TXNS_MAX) {
		refuse(world, op);
		return;
	}
	uint16_t txn = (uint16_t)world->txn_count++;
	world->txns[txn] = (struct sim_txn){ .origin = server->server_id,
					     .op = (uint16_t)op,
					     .seq = next_seq(world, server) };
	one->txn = txn;
	append(world, server, txn);
	sim_check_written(world, one->server, txn);
	sim_stream_pump_all(world, one->server);
	if (!server->waits_for_acks) {
		sim_server_release(world, one->server);
	}
}

bool sim_server_apply(struct sim_world *world, uint32_t at, uint16_t txn)
{
	struct sim_server *server = &world->servers[at];
	const struct sim_txn *one = &world->txns[txn];
	if (mariadb(world)) {
		/* gtid_strict_mode: numbers of a domain ascend in the log. */
		if (one->seq < next_seq(world, server)) {
			return false;
		}
		server->slave_origin = one->origin;
		server->slave_seq = one->seq;
	} else if (sim_gtid_has(&server->executed, one->origin, one->seq)) {
		return true; /* executed already: skipped without a word */
	}
	append(world, server, txn);
	sim_stream_pump_all(world, at);
	if (!server->waits_for_acks) {
		sim_server_release(world, at);
	}
	return true;
}

/* ---------------------------------------------------------------- the process */

void sim_server_kill(struct sim_world *world, uint32_t at)
{
	struct sim_process *process = &world->processes[at];
	if (!process->up) {
		return;
	}
	sim_story_tell(world, at, "its process ends (%u commits wait)",
		       world->servers[at].log_count - world->servers[at].engine_count);
	for (uint32_t i = 0; i < world->op_count; i++) {
		struct sim_op *op = &world->ops[i];
		if (op->server == at && op->state == OP_SENT) {
			(void)sim_net_send(world, at, (uint32_t)SIM_HOST_NODE + op->node,
					   EV_OP_ANSWER, i, OP_UNKNOWN, 0);
		}
	}
	process->up = false;
	process->life++;
	process->paused_until_us = 0;
	sim_stream_server_ended(world, at);
	sim_watch_server_ended(world, at);
	sim_task_server_ended(world, at, process->life - 1);
}

void sim_server_drop_relay(struct sim_world *world, uint32_t at)
{
	struct sim_server *server = &world->servers[at];
	server->relay_first = 0;
	server->relay_count = 0;
	gtid_set_copy(&server->received, &server->executed);
	server->io_origin = server->slave_origin;
	server->io_seq = server->slave_seq;
}

static void find_executed(struct sim_world *world, struct sim_server *server)
{
	gtid_set_clear(&server->executed);
	memset(server->has, 0, sizeof(server->has));
	for (uint32_t i = 0; i < server->log_count; i++) {
		uint16_t txn = server->log[i];
		server->has[txn / 64] |= (uint64_t)1 << (txn % 64);
		sim_gtid_add(world, &server->executed, world->txns[txn].origin,
			     world->txns[txn].seq);
	}
	if (mariadb(world) && server->slave_seq > 0) {
		sim_gtid_add(world, &server->executed, server->slave_origin, server->slave_seq);
	}
}

static void take_position_from_log(const struct sim_world *world, struct sim_server *server)
{
	if (server->log_count > 0) {
		const struct sim_txn *last = &world->txns[server->log[server->log_count - 1]];
		if (last->seq >= server->slave_seq) {
			server->slave_origin = last->origin;
			server->slave_seq = last->seq;
		}
	}
}

/* MariaDB, started as a replica: what the engine had not committed is taken out of the log. */
static void truncate_mariadb(struct sim_world *world, struct sim_server *server)
{
	server->log_count = server->durable_count > server->file_first ? server->durable_count
								       : server->file_first;
	uint32_t last =
		server->log_count > 0 ? world->txns[server->log[server->log_count - 1]].seq : 0;
	bool renumber = sim_random_chance(&world->random, 500);
	if (renumber) {
		server->server_id = (uint16_t)++world->server_ids;
	}
	/* gtid_slave_pos is rolled back with the transactions that set it. */
	if (renumber || server->slave_seq > last) {
		server->slave_seq = 0;
		take_position_from_log(world, server);
	}
}

/* MySQL: db/rewind cuts off what the present primary lacks, where the newest file of the log allows it. */
static void rewind_mysql(struct sim_world *world, struct sim_server *server,
			 const struct gtid_set *kept)
{
	uint32_t cut = 0;
	while (cut < server->log_count && sim_gtid_has(kept, world->txns[server->log[cut]].origin,
						       world->txns[server->log[cut]].seq)) {
		cut++;
	}
	for (uint32_t i = cut; i < server->log_count; i++) {
		const struct sim_txn *txn = &world->txns[server->log[i]];
		if (i < server->file_first || sim_gtid_has(kept, txn->origin, txn->seq)) {
			return;
		}
	}
	/* What its engine had committed all the same stays. */
	cut = cut > server->durable_count ? cut : server->durable_count;
	if (cut < server->log_count) {
		server->log_count = cut;
		/* Under its old server_uuid it would give the numbers of the tail again. */
		server->server_id = (uint16_t)++world->server_ids;
	}
}

/* Whether a manager says, to whoever starts the server, that the tail of its log may be taken back. */
static const struct sim_manager *find_adviser(const struct sim_world *world, uint32_t at)
{
	for (uint32_t i = 0; i < world->setup.managers; i++) {
		const struct sim_manager *manager = &world->managers[i];
		uint32_t host = SIM_HOST_MANAGER + i;
		if (sim_world_answers(world, host) && manager->has_record &&
		    leadership_leads(&manager->leadership, sim_world_clock(world, host)) &&
		    !manager->unstored && sim_net_open(world, at, host) &&
		    sim_net_open(world, host, at) && record_may_rewind(&manager->record, at)) {
			return manager;
		}
	}
	return NULL;
}

static void recover(struct sim_world *world, uint32_t at, const struct sim_manager *adviser)
{
	struct sim_server *server = &world->servers[at];
	uint32_t before = server->log_count;
	if (adviser && mariadb(world)) {
		truncate_mariadb(world, server);
	} else if (adviser) {
		rewind_mysql(world, server,
			     &adviser->seen.servers[adviser->record.primary].status.executed);
	}
	server->engine_count = server->log_count;
	server->durable_count = server->log_count;
	server->file_first = server->log_count;
	find_executed(world, server);
	/* MariaDB is started with the replica's flag on for that. */
	server->acknowledges = adviser && mariadb(world);
	sim_story_tell(world, at, "starts%s: %u of %u transactions of its log stay",
		       adviser ? " as a replica whose tail may be taken back" : "",
		       server->log_count, before);
}

void sim_server_restart(struct sim_world *world, uint32_t at, uint64_t wait_until_us)
{
	struct sim_server *server = &world->servers[at];
	struct sim_process *process = &world->processes[at];
	if (process->up) {
		return;
	}
	const struct sim_manager *adviser = NULL;
	if (wait_until_us > 0) {
		adviser = find_adviser(world, at);
		if (!adviser && world->now_us < wait_until_us) {
			sim_world_later(world, (uint64_t)100 * SIM_MS, SIM_NOBODY, EV_RESTART, at,
					(uint32_t)(wait_until_us / SIM_MS), 0);
			return;
		}
	}
	process->up = true;
	recover(world, at, adviser);
	server->started_us = world->now_us;
	server->read_only = true;
	server->read_only_asked = false;
	server->waits_for_acks = false;
	sim_server_drop_relay(world, at);
	sim_stream_server_started(world, at);
}

void sim_server_rebuild(struct sim_world *world, uint32_t at, uint32_t from)
{
	struct sim_server *server = &world->servers[at];
	const struct sim_server *source = &world->servers[from];
	sim_story_tell(world, at, "a person rebuilds it as a copy of %s", sim_story_host(from));
	if (world->processes[at].up) {
		sim_server_kill(world, at);
	}
	server->log_count = source->engine_count;
	memcpy(server->log, source->log, sizeof(server->log));
	server->durable_count = server->log_count;
	server->server_id = (uint16_t)++world->server_ids;
	server->slave_seq = 0;
	take_position_from_log(world, server);
	server->stream.configured = false;
	server->stream.io_errno = 0;
	server->stream.sql_errno = 0;
	world->repaired++;
	sim_world_later(world, (uint64_t)50 * SIM_MS, SIM_NOBODY, EV_RESTART, at, 0, 0);
}

/* ---------------------------------------------------------------- status */

static uint32_t acknowledging_streams(const struct sim_world *world,
				      const struct sim_server *server)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		count += server->dumps[i].alive && server->dumps[i].acks ? 1 : 0;
	}
	return count;
}

/* Written member by member: the texts of errors, which nobody here has, are not cleared each time. */
static void replica_status(const struct sim_server *server, struct replica_status *ret)
{
	const struct sim_stream *stream = &server->stream;
	if (!stream->configured) {
		memset(ret, 0, sizeof(*ret));
		return;
	}
	ret->configured = true;
	memcpy(ret->source_host, sim_story_host(stream->source), 3);
	ret->source_port = 3306;
	ret->io = stream->io;
	ret->sql_running = stream->sql;
	ret->gtid_position = stream->gtid_position;
	ret->delay_s = server->delayed ? 1 : 0;
	ret->io_errno = stream->io_errno;
	ret->sql_errno = stream->sql_errno;
	ret->received_ticks = stream->ticks;
}

static void write_uuid(uint16_t server_id, char *text)
{
	static const char digits[] = "0123456789abcdef";
	static const char shape[] = "00000000-0000-0000-0000-000000000000";
	memcpy(text, shape, sizeof(shape));
	for (uint32_t i = 0; i < 4; i++) {
		text[i] = digits[server_id >> (12 - 4 * i) & 0xf];
	}
}

uint64_t sim_server_started_s(const struct sim_server *server)
{
	return START_OF_TIME_S + server->started_us / SECOND_US;
}

void sim_server_status(const struct sim_world *world, uint32_t at, struct server_status *ret)
{
	const struct sim_server *server = &world->servers[at];
	ret->flavor = world->setup.flavor;
	ret->server_id = server->server_id;
	ret->server_uuid[0] = 0;
	if (ret->flavor == GTID_MYSQL) {
		write_uuid(server->server_id, ret->server_uuid);
	}
	ret->read_only = server->read_only;
	ret->log_bin = true;
	ret->log_replica_updates = true;
	ret->gtid_on = true;
	ret->gtid_strict = true;
	ret->started_s = sim_server_started_s(server);
	ret->uptime_s = START_OF_TIME_S + world->now_us / SECOND_US - ret->started_s;
	gtid_set_copy(&ret->executed, &server->executed);
	gtid_set_copy(&ret->received, &server->received);
	replica_status(server, &ret->replica);
	ret->semisync = (struct semisync_status){
		.available = true,
		.source_enabled = server->waits_for_acks,
		.source_active = server->waits_for_acks,
		.source_clients = acknowledging_streams(world, server),
		.source_wait_count = 1,
		.source_after_sync = true,
		.source_wait_sessions = server->log_count - server->engine_count,
		.replica_enabled = server->acknowledges,
		.replica_active = server->stream.io == IO_YES && server->stream.acks,
	};
}
