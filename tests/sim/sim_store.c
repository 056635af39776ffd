#include "sim_store.h"

#include <string.h>

#include "sim_check.h"
#include "sim_lead.h"
#include "sim_manager.h"
#include "sim_net.h"
#include "sim_story.h"

enum {
	WORK_MIN_US = 500,
	WORK_MAX_US = 4 * 1000,
	SLOW_US = 500 * 1000,
	PATIENCE_US = 400 * 1000,
};

void sim_store_begin(struct sim_world *world)
{
	struct record record = world->store.record;
	memset(&world->store, 0, sizeof(world->store));
	world->store.record = record;
	world->store.record_version = ++world->store.versions;
	world->processes[SIM_HOST_STORE].up = true;
	for (uint32_t i = 0; i < SIM_REQUESTS_MAX; i++) {
		world->requests[i].travels = false;
		world->requests[i].awaited = false;
	}
}

void sim_store_fini(struct sim_world *world)
{
	record_fini(&world->store.record);
	for (uint32_t i = 0; i < SIM_REQUESTS_MAX; i++) {
		record_fini(&world->requests[i].record);
	}
}

static uint32_t host_of(uint32_t manager)
{
	return SIM_HOST_MANAGER + manager;
}

static bool is_orphan(const struct sim_world *world, const struct sim_request *request)
{
	return world->processes[host_of(request->manager)].life != request->manager_life;
}

/* ---------------------------------------------------------------- the store itself */

/* Times that outlive a manager are stored as time of day. */
static void shift_times(struct record *record, int64_t by_us)
{
	for (uint32_t i = 0; i < record->failover_count; i++) {
		record->failovers_us[i] += by_us;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		int64_t *until_us = &record->servers[i].downtime_until_us;
		*until_us += *until_us != 0 ? by_us : 0;
	}
}

void sim_store_read(const struct sim_world *world, uint32_t manager, struct record *ret)
{
	record_copy(ret, &world->store.record);
	/* What stands behind the servers is not stored. */
	char *unstored = (char *)&ret->servers[SERVERS_MAX];
	memset(unstored, 0, sizeof(*ret) - (size_t)(unstored - (char *)ret));
	shift_times(ret,
		    (int64_t)sim_world_clock(world, host_of(manager)) - (int64_t)world->now_us);
}

static void write_record(struct sim_world *world, struct sim_request *request,
			 const struct record *record)
{
	struct sim_store *store = &world->store;
	if (request->dirty) {
		sim_check_stored(world, request->manager, record);
		record_copy(&store->record, record);
		shift_times(&store->record,
			    (int64_t)world->now_us -
				    (int64_t)sim_world_clock(world, host_of(request->manager)));
		store->record_version = ++store->versions;
		store->writes++;
		request->record_version = store->record_version;
	}
	memcpy(store->journal, request->journal, sizeof(store->journal));
}

static void carry_out(struct sim_world *world, struct sim_request *request)
{
	struct sim_store *store = &world->store;
	bool term_holds = request->term_version == store->term_version;
	/* What was given up by its writer is carried out before its next write, or never. */
	bool stale = request->serial < store->newest[request->manager];
	if (request->kind == REQUEST_COMMIT || request->kind == REQUEST_RENEW ||
	    request->kind == REQUEST_CLAIM) {
		store->newest[request->manager] =
			stale ? store->newest[request->manager] : request->serial;
		term_holds = term_holds && !stale;
	}
	switch (request->kind) {
	case REQUEST_READ:
	case REQUEST_LOAD:
		request->done = true;
		break;
	case REQUEST_CLAIM:
		request->done = term_holds && request->beat_version == store->beat_version;
		if (request->done) {
			store->term_version = ++store->versions;
			store->beat_version = store->term_version;
			store->term_manager = request->manager;
			store->term_life = request->manager_life;
		}
		break;
	case REQUEST_RENEW:
		request->done = term_holds;
		if (request->done) {
			store->beat_version = ++store->versions;
		}
		break;
	case REQUEST_COMMIT:
		request->done = term_holds;
		if (request->done) {
			write_record(world, request, &request->record);
		}
		break;
	}
	request->term_version = store->term_version;
	request->beat_version = store->beat_version;
	request->mine = store->term_manager == request->manager &&
			store->term_life == request->manager_life && store->term_version != 0;
	if (request->kind == REQUEST_LOAD) {
		sim_store_read(world, request->manager, &request->record);
	}
}

/* ---------------------------------------------------------------- requests */

static struct sim_request *new_request(struct sim_world *world, uint32_t manager,
				       enum sim_request_kind kind)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_request *request = NULL;
	for (uint32_t i = 0; i < SIM_REQUESTS_MAX && !request; i++) {
		bool used = world->requests[i].travels ||
			    (world->requests[i].awaited && !is_orphan(world, &world->requests[i]));
		request = used ? NULL : &world->requests[i];
	}
	if (!request) {
		return NULL;
	}
	request->serial = ++world->request_serials;
	request->travels = false;
	request->awaited = true;
	request->kind = kind;
	request->manager = (uint8_t)manager;
	request->manager_life = world->processes[host_of(manager)].life;
	request->begun_us = sim_world_clock(world, host_of(manager));
	request->term_version = one->leadership.term_version;
	request->beat_version = one->leadership.beat_version;
	request->done = false;
	request->mine = false;
	return request;
}

static uint32_t index_of(const struct sim_world *world, const struct sim_request *request)
{
	return (uint32_t)(request - world->requests);
}

static void send(struct sim_world *world, struct sim_request *request)
{
	uint32_t host = host_of(request->manager);
	uint64_t work_us = sim_random_between(&world->random, WORK_MIN_US, WORK_MAX_US);
	if (world->store.slow) {
		work_us += sim_random_below(&world->random, SLOW_US);
	}
	if (sim_net_open(world, host, SIM_HOST_STORE)) {
		request->travels = true;
		sim_world_later(world, sim_net_delay(world, host, SIM_HOST_STORE) + work_us,
				SIM_HOST_STORE, EV_STORE_ARRIVE, index_of(world, request),
				request->serial, 0);
	}
	sim_world_later(world, PATIENCE_US, host, EV_STORE_LATE, index_of(world, request),
			request->serial, 0);
}

void sim_store_arrive(struct sim_world *world, uint32_t at, uint32_t serial)
{
	struct sim_request *request = &world->requests[at];
	uint32_t host = host_of(request->manager);
	if (request->serial != serial) {
		return;
	}
	request->travels = false;
	if (world->store.down) {
		return;
	}
	carry_out(world, request);
	if (sim_net_open(world, SIM_HOST_STORE, host) && !is_orphan(world, request) &&
	    !sim_random_chance(&world->random, world->store.lose_answers)) {
		sim_world_later(world, sim_net_delay(world, SIM_HOST_STORE, host), host,
				EV_STORE_ANSWER, at, serial, 0);
	}
}

static void tell(struct sim_world *world, struct sim_request *request, bool late)
{
	request->awaited = false;
	if (request->kind == REQUEST_COMMIT && (late || request->done)) {
		sim_manager_stored(world, request->manager, request->serial, !late);
	} else {
		sim_lead_answered(world, request->manager, request, late);
	}
}

void sim_store_answer(struct sim_world *world, uint32_t at, uint32_t serial)
{
	struct sim_request *request = &world->requests[at];
	if (request->serial == serial && request->awaited) {
		tell(world, request, false);
	}
}

void sim_store_late(struct sim_world *world, uint32_t at, uint32_t serial)
{
	struct sim_request *request = &world->requests[at];
	if (request->serial == serial && request->awaited) {
		tell(world, request, true);
	}
}

void sim_store_ask(struct sim_world *world, uint32_t manager, enum sim_request_kind kind)
{
	struct sim_request *request = new_request(world, manager, kind);
	if (!request) {
		return;
	}
	world->managers[manager].asking_store = true;
	send(world, request);
}

void sim_store_commit(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_request *request = new_request(world, manager, REQUEST_COMMIT);
	if (!request) {
		one->commit.open = false;
		one->unstored = true;
		return;
	}
	request->dirty = one->commit.dirty;
	for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) {
		request->journal[i] = one->members[i].journaled | one->commit.starting[i];
	}
	one->commit.request = request->serial;
	if (world->setup.managers > 1) {
		/* As it is now: it is not written at once. */
		if (request->dirty) {
			record_copy(&request->record, &one->record);
		}
		send(world, request);
		return;
	}
	request->awaited = false;
	request->done = !world->store.down;
	if (request->done) {
		write_record(world, request, &one->record);
	}
	sim_manager_stored(world, manager, request->serial, request->done);
}
