#include "sim_lead.h"

#include "sim_manager.h"
#include "sim_store.h"
#include "sim_story.h"

enum { FOLLOW_US = 150 * 1000, ASK_AGAIN_US = 100 * 1000 };

static uint32_t host_of(uint32_t manager)
{
	return SIM_HOST_MANAGER + manager;
}

static void later(struct sim_world *world, uint32_t manager, uint64_t delay_us)
{
	struct sim_manager *one = &world->managers[manager];
	sim_world_later(world, delay_us, host_of(manager), EV_LEAD, manager, ++one->lead_number, 0);
}

void sim_lead_begin(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	if (world->setup.managers > 1) {
		later(world, manager, SIM_MS);
		return;
	}
	/* Alone with its own store: it leads as long as it lives. */
	one->leadership.leads = true;
	one->leadership.since_us = sim_world_clock(world, host_of(manager));
	one->leadership.former_us = one->leadership.since_us;
	one->leadership.until_us = UINT64_MAX;
	struct record record;
	record_init(&record);
	sim_store_read(world, manager, &record);
	sim_manager_take_group(world, manager, &record);
	record_fini(&record);
}

static void step_down(struct sim_world *world, uint32_t manager)
{
	leadership_stepped_down(&world->managers[manager].leadership);
	sim_manager_leave_group(world, manager);
}

void sim_lead_due(struct sim_world *world, uint32_t manager, uint32_t timer)
{
	struct sim_manager *one = &world->managers[manager];
	if (one->lead_number != timer) {
		return;
	}
	if (one->asking_store) {
		/* A request is open; meanwhile only the time can run out. */
		uint64_t until_us = one->leadership.until_us;
		if (one->leadership.leads && sim_world_clock(world, host_of(manager)) >= until_us) {
			step_down(world, manager);
		}
		later(world, manager, ASK_AGAIN_US);
		return;
	}
	uint64_t now_us = sim_world_clock(world, host_of(manager));
	uint64_t due_us = now_us;
	switch (leadership_next(&one->leadership, &world->setup.leadership, now_us, &due_us)) {
	case LEADERSHIP_WAIT: {
		uint64_t wait_us = sim_world_until(world, host_of(manager), due_us) + 1;
		/* A follower looks whether the leader goes on. */
		if (!one->leadership.leads && wait_us > FOLLOW_US) {
			wait_us = FOLLOW_US;
			one->leadership.known = false;
		}
		later(world, manager, wait_us);
		return;
	}
	case LEADERSHIP_READ:
		sim_store_ask(world, manager, REQUEST_READ);
		break;
	case LEADERSHIP_CLAIM:
		sim_store_ask(world, manager, REQUEST_CLAIM);
		break;
	case LEADERSHIP_RENEW:
		sim_store_ask(world, manager, REQUEST_RENEW);
		break;
	case LEADERSHIP_STEP_DOWN:
		step_down(world, manager);
		later(world, manager, SIM_MS);
		return;
	case LEADERSHIP_ACT_COUNT_:
		return;
	}
	later(world, manager, ASK_AGAIN_US);
}

void sim_lead_answered(struct sim_world *world, uint32_t manager, const struct sim_request *request,
		       bool late)
{
	struct sim_manager *one = &world->managers[manager];
	struct leadership *leadership = &one->leadership;
	uint64_t now_us = sim_world_clock(world, host_of(manager));
	bool led = leadership->leads;
	one->asking_store = request->kind == REQUEST_COMMIT ? one->asking_store : false;
	switch (request->kind) {
	case REQUEST_READ:
		if (!late) {
			leadership_saw(leadership, request->term_version, request->beat_version,
				       request->mine, now_us);
		}
		break;
	case REQUEST_CLAIM:
	case REQUEST_RENEW:
		if (late) {
			leadership_doubts(leadership);
		} else if (request->done) {
			leadership_wrote(leadership, &world->setup.leadership,
					 request->term_version, request->beat_version,
					 request->begun_us, now_us);
		} else {
			leadership_lost(leadership);
		}
		break;
	case REQUEST_COMMIT:
		leadership_lost(leadership);
		break;
	case REQUEST_LOAD:
		if (!late && leadership_leads(leadership, now_us)) {
			sim_manager_take_group(world, manager, &request->record);
		}
		break;
	}
	if (led && !leadership->leads) {
		sim_manager_leave_group(world, manager);
	}
	if (leadership_leads(leadership, now_us) && !one->has_record && !one->asking_store) {
		sim_store_ask(world, manager, REQUEST_LOAD);
	}
	later(world, manager, SIM_MS);
}
