#include "sim_group.h"

#include "decide/tree.h"
#include "sim_story.h"

enum { TREES = 400, CENTRES = 250 }; /* per mille of the runs */

static void add_server(struct sim_world *world, struct record *record, uint32_t i)
{
	struct record_server *server = &record->servers[i];
	(void)snprintf(server->name, sizeof(server->name), "%s", sim_story_host(i));
	(void)snprintf(server->host, sizeof(server->host), "%s", sim_story_host(i));
	server->port = 3306;
	server->weight = sim_random_chance(&world->random, 200) ? 200 : 100;
	server->never_promote = i > 0 && sim_random_chance(&world->random, 40);
}

/* Some replicas below others. Who is set below the primary, or below one that becomes it, replicates from it directly. */
static void plant(struct sim_world *world, struct record *record)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		uint32_t parent = sim_random_below(&world->random, record->server_count);
		/* Nobody could acknowledge who gets everything from one that comes late. */
		if (sim_random_chance(&world->random, 500) && !world->servers[parent].delayed &&
		    !tree_makes_circle(record, i, parent)) {
			record->servers[i].below = parent + 1;
		}
	}
}

static void place(struct sim_world *world, struct record *record)
{
	record->stay_in_dc = sim_random_chance(&world->random, 500);
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct record_server *server = &record->servers[i];
		bool west = sim_random_chance(&world->random, 500);
		(void)snprintf(server->dc, sizeof(server->dc), "%s", west ? "west" : "east");
	}
}

void sim_group_form(struct sim_world *world)
{
	struct record *record = &world->store.record;
	record_fini(record);
	(void)snprintf(record->group, sizeof(record->group), "g");
	record->policy = world->setup.policy;
	record->max_loss_s = record->policy == POLICY_BOUNDED ? 1 : 0;
	record->epoch = 1;
	record->version = 1;
	record->ask_server = 0;
	record->server_count = world->setup.servers;
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		add_server(world, record, i);
	}
	if (sim_random_chance(&world->random, TREES)) {
		plant(world, record);
	}
	if (sim_random_chance(&world->random, CENTRES)) {
		place(world, record);
	}
}

bool sim_group_in_place(const struct sim_world *world)
{
	const struct record *record = &world->store.record;
	for (uint32_t i = 0; i < record->server_count; i++) {
		uint32_t parent = record_parent(record, i);
		uint32_t source = parent == SERVER_NONE ? record->primary : parent;
		if (i != record->primary && (!world->servers[i].stream.configured ||
					     world->servers[i].stream.source != source)) {
			return false;
		}
	}
	return true;
}
