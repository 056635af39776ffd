/* The thread. A turn: first what must go, then what was heard, then all the rest, and only then anybody is told. */
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/floating_internal.h"
#include "base/clock.h"
#include "os/clock_system.h"
#include "os/random.h"

enum { STOP_US = US_PER_S, POLLED_OWN = 3 };

static uint64_t now(void)
{
	return clock_monotonic_us(&clock_system);
}

/* Takes over what was asked; returns how many slots there are. */
static size_t adopt(struct floating *floating, bool *ret_stopping)
{
	(void)pthread_mutex_lock(&floating->mutex);
	size_t count = floating->slot_count;
	*ret_stopping = floating->stopping;
	for (size_t i = 0; i < count; i++) {
		struct floating_slot *slot = &floating->slots[i];
		if (!slot->used) {
			uint64_t seed;
			random_bytes(&seed, sizeof(seed));
			holding_init(&slot->holding, floating->native, floating->check,
				     floating->program[0] != 0, seed);
			slot->packet_fd = -1;
			slot->used = true;
		}
		if (slot->wish_changed) {
			slot->address = slot->named;
			holding_want(&slot->holding, slot->wish_until_us, slot->wish_lapsed, now());
			if (slot->wish_announce) {
				holding_announce(&slot->holding, now());
			}
			slot->wish_lapsed = false;
			slot->wish_announce = false;
			slot->wish_changed = false;
			slot->seen_number = slot->wish_number;
		}
		if (floating->stopping) {
			holding_want(&slot->holding, 0, false, now());
		}
	}
	(void)pthread_mutex_unlock(&floating->mutex);
	return count;
}

struct turn {
	struct floating *floating;
	size_t count;
};

static void take_event(void *ctx, const struct netlink_event *event)
{
	const struct turn *turn = ctx;
	for (size_t i = 0; i < turn->count; i++) {
		floating_act_event(turn->floating, &turn->floating->slots[i], event);
	}
}

static void log_view(const struct floating *floating, const struct floating_view *view)
{
	static const struct {
		enum log_level level;
		const char *evt;
		const char *message;
	} lines[HOLDING_STATE_COUNT_] = {
		[HOLDING_UNKNOWN] = { LOG_DEBUG, "floating.unknown", "not looked for yet" },
		[HOLDING_ABSENT] = { LOG_INFO, "floating.absent", "address is not on this host" },
		[HOLDING_PROBING] = { LOG_DEBUG, "floating.probing", "address is asked for" },
		[HOLDING_CONFLICT] = { LOG_WARN, "floating.conflict",
				       "somebody else has the address: not taken, trying again" },
		[HOLDING_HELD] = { LOG_INFO, "floating.held", "address is held" },
		[HOLDING_RELEASING] = { LOG_DEBUG, "floating.releasing", "address is let go" },
		[HOLDING_FAILED] = { LOG_WARN, "floating.failed", "trying again" },
	};
	bool contested = view->state == HOLDING_HELD && view->contested;
	log_event(floating->log, contested ? LOG_WARN : lines[view->state].level,
		  contested ? "floating.contested" : lines[view->state].evt,
		  contested ? "somebody else has the address, too: announced again"
			    : lines[view->state].message,
		  LOG_TEXT("address", view->address), LOG_TEXT("interface", view->interface),
		  LOG_TEXT("rival", view->rival), LOG_TEXT("why", view->words));
}

static void tell(struct floating *floating, struct floating_slot *slot)
{
	const struct holding *holding = &slot->holding;
	struct floating_view view = { .state = holding->state,
				      .until_us = holding->until_us,
				      .since_us = slot->view.since_us };
	address_print(&slot->address, view.address);
	memcpy(view.interface, slot->interface.name, sizeof(view.interface));
	memcpy(view.words, holding->words, sizeof(view.words));
	view.contested = holding->state == HOLDING_HELD && holding->watch.contested;
	if (view.contested || holding->state == HOLDING_CONFLICT) {
		frame_print_mac(&holding->watch.rival, view.rival);
	}
	/* Only this thread writes the view, so reading it needs no lock. */
	const struct floating_view *old = &slot->view;
	bool changed = view.state != old->state || view.contested != old->contested ||
		       strcmp(view.words, old->words) != 0 || strcmp(view.rival, old->rival) != 0;
	if (view.state != old->state) {
		view.since_us = now();
	}
	(void)pthread_mutex_lock(&floating->mutex);
	slot->view = view;
	slot->told_number = slot->seen_number;
	(void)pthread_mutex_unlock(&floating->mutex);
	if (changed) {
		log_view(floating, &view);
		if (floating->changed) {
			floating->changed(floating->ctx, &view);
		}
	}
}

static void set_timer(struct floating *floating, uint64_t wake_us)
{
	struct itimerspec when = { 0 };
	if (wake_us != UINT64_MAX) {
		/* All zeros would be never. */
		when.it_value.tv_sec = (time_t)(wake_us / US_PER_S);
		when.it_value.tv_nsec = (long)(wake_us % US_PER_S * 1000) + 1;
	}
	(void)timerfd_settime(floating->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Until somebody asks something, something is heard, or something is due. */
static void wait_for(struct floating *floating, size_t count, uint64_t stop_us)
{
	struct pollfd polled[POLLED_OWN + FLOATING_ADDRESSES_MAX];
	uint64_t wake_us = stop_us;
	uint64_t drained;
	polled[0] = (struct pollfd){ .fd = floating->wake_fd, .events = POLLIN };
	polled[1] = (struct pollfd){ .fd = floating->timer_fd, .events = POLLIN };
	polled[2] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (floating->netlink) {
		polled[2].fd = netlink_watch_fd(floating->netlink);
	}
	for (size_t i = 0; i < count; i++) {
		const struct floating_slot *slot = &floating->slots[i];
		wake_us = slot->wake_us < wake_us ? slot->wake_us : wake_us;
		polled[POLLED_OWN + i] = (struct pollfd){ .fd = slot->packet_fd, .events = POLLIN };
	}
	set_timer(floating, wake_us);
	(void)poll(polled, POLLED_OWN + count, -1);
	/* Both are non-blocking; that they are empty is no error. */
	(void)!read(floating->wake_fd, &drained, sizeof(drained));
	(void)!read(floating->timer_fd, &drained, sizeof(drained));
}

static bool all_absent(const struct floating *floating, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (floating->slots[i].holding.state != HOLDING_ABSENT) {
			return false;
		}
	}
	return true;
}

/* Returns how many slots there are. */
static size_t take_turn(struct floating *floating, bool *ret_stopping)
{
	struct turn turn = { floating, adopt(floating, ret_stopping) };
	for (size_t i = 0; i < turn.count; i++) {
		if (holding_is_leaving(&floating->slots[i].holding, now())) {
			floating_act(floating, &floating->slots[i]);
		}
	}
	if (floating->netlink) {
		netlink_watch_read(floating->netlink, take_event, &turn);
	}
	for (size_t i = 0; i < turn.count; i++) {
		floating_act_hear(floating, &floating->slots[i]);
		floating_act(floating, &floating->slots[i]);
	}
	for (size_t i = 0; i < turn.count; i++) {
		tell(floating, &floating->slots[i]);
	}
	return turn.count;
}

void floating_turn_run(void *ctx)
{
	struct floating *floating = ctx;
	uint64_t stop_us = UINT64_MAX;
	bool stopping = false;
	for (;;) {
		size_t count = take_turn(floating, &stopping);
		if (stopping && stop_us == UINT64_MAX) {
			stop_us = now() + STOP_US +
				  (floating->program[0] ? floating->program_limit_us : 0);
		}
		if (stopping && (all_absent(floating, count) || now() >= stop_us)) {
			return;
		}
		wait_for(floating, count, stop_us);
	}
}
