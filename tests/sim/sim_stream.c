#include "sim_stream.h"

#include "base/check.h"
#include "sim_gtid.h"
#include "sim_net.h"
#include "sim_server.h"
#include "sim_story.h"

enum {
	PUMP_RETRY_US = 100 * 1000,
	APPLY_MIN_US = 200,
	APPLY_MAX_US = 2500,
	APPLY_SLOW_US = 250 * 1000,
	DELAY_US = 400 * 1000, /* a second, as all times here */
	ERRNO_DIAL = 2003,
	ERRNO_POSITION = 1236,
	ERRNO_ORDER = 1950,
};

static bool mariadb(const struct sim_world *world)
{
	return world->setup.flavor == GTID_MARIADB;
}

/* ---------------------------------------------------------------- the source's side */

static bool is_current(const struct sim_dump *dump, uint32_t number)
{
	return dump->alive && dump->number == number;
}

void sim_stream_pump(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number)
{
	struct sim_server *server = &world->servers[source];
	struct sim_dump *dump = &server->dumps[replica];
	if (!is_current(dump, number)) {
		return;
	}
	dump->pumping = false;
	if (!sim_net_open(world, source, replica)) {
		dump->pumping = true;
		sim_world_later(world, PUMP_RETRY_US, source, EV_STREAM_PUMP, replica, number, 0);
		return;
	}
	const struct sim_server *to = &world->servers[replica];
	for (; dump->next < server->log_count; dump->next++) {
		uint16_t txn = server->log[dump->next];
		const struct sim_txn *one = &world->txns[txn];
		/* MySQL sends what the replica doesn't have; MariaDB everything after its position. */
		if (!mariadb(world) && sim_gtid_has(&to->received, one->origin, one->seq)) {
			continue;
		}
		uint64_t at_us = world->now_us + sim_net_delay(world, source, replica);
		dump->last_us = at_us > dump->last_us ? at_us : dump->last_us;
		sim_world_later(world, dump->last_us - world->now_us, replica, EV_STREAM_DATA,
				replica, number, txn | (dump->next + 1) << 16);
	}
}

void sim_stream_pump_all(struct sim_world *world, uint32_t source)
{
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		const struct sim_dump *dump = &world->servers[source].dumps[i];
		if (dump->alive && !dump->pumping) {
			sim_stream_pump(world, source, i, dump->number);
		}
	}
}

void sim_stream_ack(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number,
		    uint32_t position)
{
	struct sim_dump *dump = &world->servers[source].dumps[replica];
	if (is_current(dump, number) && !sim_net_open(world, replica, source)) {
		/* Sent again until it gets through. */
		sim_world_later(world, PUMP_RETRY_US, source, EV_STREAM_ACK, replica, number,
				position);
		return;
	}
	if (is_current(dump, number) && position > dump->acked) {
		dump->acked = position;
		sim_server_release(world, source);
	}
}

void sim_stream_closed(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number)
{
	struct sim_dump *dump = &world->servers[source].dumps[replica];
	if (is_current(dump, number)) {
		dump->alive = false;
	}
}

void sim_stream_beat(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number)
{
	const struct sim_dump *dump = &world->servers[source].dumps[replica];
	if (!is_current(dump, number)) {
		return;
	}
	struct sim_stream *stream = &world->servers[replica].stream;
	if (sim_net_open(world, source, replica) && sim_world_answers(world, replica) &&
	    stream->number == number && stream->io == IO_YES) {
		stream->ticks++;
		stream->heard_us = world->now_us;
	}
	sim_world_later(world, world->setup.heartbeat_us, source, EV_STREAM_BEAT, replica, number,
			0);
}

/* ---------------------------------------------------------------- the replica's side */

/* Closes the connection; the source hears of it where the network lets it. */
static void hang_up(struct sim_world *world, uint32_t replica)
{
	struct sim_stream *stream = &world->servers[replica].stream;
	if (stream->io == IO_YES && !sim_net_send(world, replica, stream->source, EV_STREAM_CLOSED,
						  replica, stream->number, 0)) {
		sim_story_tell(world, replica, "%s doesn't hear that its stream is closed",
			       sim_story_host(stream->source));
	}
	stream->number++;
	stream->acks = false;
}

static void dial_again(struct sim_world *world, uint32_t replica, uint64_t after_us)
{
	struct sim_stream *stream = &world->servers[replica].stream;
	stream->io = IO_CONNECTING;
	sim_world_later(world, after_us, replica, EV_STREAM_DIAL, replica, stream->number, 0);
}

/* MariaDB: the position must be in the source's log. */
static bool find_position(const struct sim_world *world, const struct sim_server *replica,
			  const struct sim_server *source, uint32_t *ret)
{
	*ret = 0;
	if (!mariadb(world) || replica->io_seq == 0) {
		return true;
	}
	for (uint32_t i = source->log_count; i > 0; i--) {
		const struct sim_txn *txn = &world->txns[source->log[i - 1]];
		if (txn->seq == replica->io_seq && txn->origin == replica->io_origin) {
			*ret = i;
			return true;
		}
	}
	/* A source whose own position is the same has it as history; nothing to send then. */
	if (source->log_count == 0 && source->slave_seq == replica->io_seq &&
	    source->slave_origin == replica->io_origin) {
		return true;
	}
	return false;
}

/* MySQL: a replica that has more of the source's own transactions than the source itself is refused. */
static bool is_ahead_of_source(const struct sim_world *world, const struct sim_server *replica,
			       const struct sim_server *source)
{
	if (mariadb(world)) {
		return false;
	}
	uint32_t origin = source->server_id;
	uint32_t last = sim_gtid_last(&source->executed, origin);
	for (uint32_t i = source->engine_count; i < source->log_count; i++) {
		const struct sim_txn *txn = &world->txns[source->log[i]];
		last = txn->origin == origin && txn->seq > last ? txn->seq : last;
	}
	return sim_gtid_last(&replica->received, origin) > last;
}

static void connect(struct sim_world *world, uint32_t at)
{
	struct sim_server *replica = &world->servers[at];
	struct sim_stream *stream = &replica->stream;
	struct sim_server *source = &world->servers[stream->source];
	uint32_t next = 0;
	if (stream->source == at || is_ahead_of_source(world, replica, source) ||
	    !find_position(world, replica, source, &next)) {
		stream->io = IO_NO;
		stream->io_errno = ERRNO_POSITION;
		sim_story_tell(world, at, "its receiver ends: %s does not have its position",
			       sim_story_host(stream->source));
		return;
	}
	stream->io = IO_YES;
	stream->io_errno = 0;
	stream->acks = replica->acknowledges;
	stream->heard_us = world->now_us;
	stream->ticks++;
	/* A new connection of the same replica ends the one before. */
	source->dumps[at] = (struct sim_dump){
		.alive = true, .acks = stream->acks, .number = stream->number, .next = next
	};
	sim_story_tell(world, at, "receives from %s%s", sim_story_host(stream->source),
		       stream->acks ? ", acknowledges" : "");
	sim_world_later(world, world->setup.heartbeat_us, stream->source, EV_STREAM_BEAT, at,
			stream->number, 0);
	sim_world_later(world, world->setup.net_timeout_us, at, EV_STREAM_PATIENCE, at,
			stream->number, 0);
	sim_stream_pump(world, stream->source, at, stream->number);
}

void sim_stream_dial(struct sim_world *world, uint32_t replica, uint32_t number)
{
	struct sim_stream *stream = &world->servers[replica].stream;
	if (stream->number != number || stream->io != IO_CONNECTING) {
		return;
	}
	uint32_t source = stream->source;
	if (sim_world_answers(world, source) && sim_net_open(world, replica, source) &&
	    sim_net_open(world, source, replica)) {
		connect(world, replica);
		return;
	}
	stream->io_errno = ERRNO_DIAL;
	dial_again(world, replica, world->setup.dial_us);
}

void sim_stream_broken(struct sim_world *world, uint32_t replica, uint32_t number)
{
	struct sim_stream *stream = &world->servers[replica].stream;
	if (stream->number != number || stream->io != IO_YES) {
		return;
	}
	stream->number++;
	stream->acks = false;
	dial_again(world, replica, SIM_MS);
}

void sim_stream_patience(struct sim_world *world, uint32_t replica, uint32_t number)
{
	struct sim_stream *stream = &world->servers[replica].stream;
	if (stream->number != number || stream->io != IO_YES) {
		return;
	}
	uint64_t due_us = stream->heard_us + world->setup.net_timeout_us;
	if (due_us > world->now_us) {
		sim_world_later(world, due_us - world->now_us, replica, EV_STREAM_PATIENCE, replica,
				number, 0);
		return;
	}
	hang_up(world, replica);
	dial_again(world, replica, SIM_MS);
}

/* MariaDB skips its own transactions without a word, unless it acknowledges. */
static bool skips(const struct sim_world *world, const struct sim_server *replica,
		  const struct sim_txn *txn)
{
	return mariadb(world) && txn->origin == replica->server_id && !replica->acknowledges;
}

void sim_stream_data(struct sim_world *world, uint32_t replica, uint32_t number, uint32_t packed)
{
	struct sim_server *server = &world->servers[replica];
	struct sim_stream *stream = &server->stream;
	if (stream->number != number || stream->io != IO_YES) {
		return;
	}
	uint16_t txn = (uint16_t)(packed & 0xffff);
	const struct sim_txn *one = &world->txns[txn];
	stream->heard_us = world->now_us;
	stream->ticks++;
	server->io_origin = one->origin;
	server->io_seq = one->seq;
	sim_gtid_add(world, &server->received, one->origin, one->seq);
	if (skips(world, server, one)) {
		server->slave_origin = one->origin;
		server->slave_seq = one->seq;
		sim_gtid_add(world, &server->executed, one->origin, one->seq);
	} else {
		check(server->relay_count < SIM_TXNS_MAX * 2);
		server->relay_us[server->relay_count] = world->now_us;
		server->relay[server->relay_count++] = txn;
		if (stream->sql) {
			sim_stream_apply_soon(world, replica);
		}
	}
	if (stream->acks) {
		sim_world_later(world, sim_net_delay(world, replica, stream->source),
				stream->source, EV_STREAM_ACK, replica, number, packed >> 16);
	}
}

/* ---------------------------------------------------------------- applying */

void sim_stream_apply_soon(struct sim_world *world, uint32_t replica)
{
	struct sim_server *server = &world->servers[replica];
	if (server->stream.applying || server->relay_first == server->relay_count) {
		return;
	}
	server->stream.applying = true;
	uint64_t takes_us = sim_random_between(&world->random, APPLY_MIN_US, APPLY_MAX_US);
	if (server->slow) {
		takes_us += sim_random_below(&world->random, APPLY_SLOW_US);
	}
	uint64_t due_us = server->relay_us[server->relay_first] + DELAY_US;
	if (server->delayed && due_us > world->now_us) {
		takes_us += due_us - world->now_us;
	}
	sim_world_later(world, takes_us, replica, EV_APPLY, replica, server->stream.apply_number,
			0);
}

void sim_stream_apply(struct sim_world *world, uint32_t replica, uint32_t number)
{
	struct sim_server *server = &world->servers[replica];
	struct sim_stream *stream = &server->stream;
	if (stream->apply_number != number || !stream->sql) {
		return;
	}
	stream->applying = false;
	if (server->relay_first == server->relay_count) {
		return;
	}
	/* A commit of the applier waits for its acknowledgement as any other. */
	if (sim_server_has_waiting(server) || server->stalled) {
		if (server->stalled) {
			sim_stream_apply_soon(world, replica);
		}
		return;
	}
	uint16_t txn = server->relay[server->relay_first];
	if (!sim_server_apply(world, replica, txn)) {
		stream->sql = false;
		stream->sql_errno = ERRNO_ORDER;
		sim_story_tell(world, replica, "its applier ends: a transaction is out of order");
		return;
	}
	server->relay_first++;
	if (server->relay_first == server->relay_count) {
		server->relay_first = 0;
		server->relay_count = 0;
	}
	sim_stream_apply_soon(world, replica);
}

/* ---------------------------------------------------------------- threads */

void sim_stream_stop(struct sim_world *world, uint32_t replica, bool io, bool sql)
{
	struct sim_stream *stream = &world->servers[replica].stream;
	if (io && stream->io != IO_NO) {
		hang_up(world, replica);
		stream->io = IO_NO;
	}
	if (sql && stream->sql) {
		stream->sql = false;
		stream->applying = false;
		stream->apply_number++;
	}
}

void sim_stream_start(struct sim_world *world, uint32_t replica, bool io, bool sql)
{
	struct sim_server *server = &world->servers[replica];
	struct sim_stream *stream = &server->stream;
	if (!stream->configured) {
		return;
	}
	bool stood = stream->io == IO_NO && !stream->sql;
	if (stood && mariadb(world) && io) {
		sim_server_drop_relay(world, replica);
	}
	if (sql && !stream->sql) {
		stream->sql = true;
		stream->sql_errno = 0;
		sim_stream_apply_soon(world, replica);
	}
	if (io && stream->io == IO_NO) {
		stream->io_errno = 0;
		stream->number++;
		dial_again(world, replica, SIM_MS);
	}
}

void sim_stream_server_ended(struct sim_world *world, uint32_t at)
{
	struct sim_stream *stream = &world->servers[at].stream;
	hang_up(world, at);
	stream->io = IO_NO;
	stream->sql = false;
	stream->applying = false;
	stream->apply_number++;
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		struct sim_dump *dump = &world->servers[at].dumps[i];
		if (dump->alive) {
			(void)sim_net_send(world, at, i, EV_STREAM_BROKEN, i, dump->number, 0);
		}
		*dump = (struct sim_dump){ .alive = false };
	}
}

void sim_stream_server_started(struct sim_world *world, uint32_t at)
{
	const struct sim_server *server = &world->servers[at];
	if (server->stream.configured && server->autostart) {
		sim_stream_start(world, at, true, true);
	}
}
