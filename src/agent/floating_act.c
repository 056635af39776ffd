#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/ether.h"
#include "agent/floating_internal.h"
#include "base/clock.h"
#include "os/clock_system.h"

enum { ACTIONS_MAX = 16, FRAMES_MAX = 64 };

static uint64_t now(void)
{
	return clock_monotonic_us(&clock_system);
}

static void close_packet(struct floating_slot *slot)
{
	if (slot->packet_fd >= 0) {
		(void)close(slot->packet_fd);
		slot->packet_fd = -1;
	}
}

enum err floating_act_look_here(struct netlink *netlink, const struct address *address,
				struct err_ctx *err)
{
	struct netlink_found found;
	enum err rc = netlink_find(netlink, address, &found, err);
	if (rc == ERR_NOT_FOUND || (!rc && found.ours)) {
		return ERR_OK;
	}
	if (!rc) {
		char text[ADDRESS_IP_BYTES_MAX];
		address_print_ip(address, text);
		rc = err_set(err, ERR_EXISTS,
			     "%s is on '%s' already, and muster did not put it there: take it away "
			     "('ip address del %s/%u dev %s') and out of the network configuration",
			     text, found.interface, text, found.prefix_bits, found.interface);
	}
	return rc;
}

static enum err look(struct floating *floating, struct floating_slot *slot, struct err_ctx *err)
{
	close_packet(slot);
	if (!floating->native) {
		(void)snprintf(slot->interface.name, sizeof(slot->interface.name), "%s",
			       slot->address.interface);
		return ERR_OK;
	}
	enum err rc = floating_act_look_here(floating->netlink, &slot->address, err);
	rc = rc ? rc : netlink_interface(floating->netlink, &slot->address, &slot->interface, err);
	if (!rc && !slot->interface.up) {
		rc = err_set(err, ERR_UNREACHABLE, "interface '%s' is down or has no carrier",
			     slot->interface.name);
	}
	if (!rc && slot->interface.speaks) {
		rc = ether_open(&slot->interface, &slot->address, &slot->packet_fd, err);
	}
	return rc;
}

static void probe(struct floating_slot *slot)
{
	struct frame frame;
	struct err_ctx err = { 0 };
	frame_probe(&slot->address, &slot->interface.mac, &frame);
	enum err rc = ether_send(slot->packet_fd, &frame, &err);
	if (rc) {
		holding_probe_failed(&slot->holding, err_text(rc, &err), now());
	}
}

/* Frames that can't be sent are not made up for: the schedule has more. */
static void announce(struct floating_slot *slot)
{
	struct frame frame;
	for (uint32_t i = 0; i < slot->holding.announcements && slot->packet_fd >= 0; i++) {
		frame_announce(&slot->address, &slot->interface.mac, &frame);
		(void)!ether_send(slot->packet_fd, &frame, NULL);
		if (!slot->address.v6) {
			frame_announce_reply(&slot->address, &slot->interface.mac, &frame);
			(void)!ether_send(slot->packet_fd, &frame, NULL);
		}
	}
}

static void start_program(struct floating *floating, struct floating_slot *slot, bool hold)
{
	struct err_ctx err = { 0 };
	const char *interface =
		slot->interface.name[0] ? slot->interface.name : slot->address.interface;
	const struct errand_options options = {
		.command = floating->program,
		.hold = hold,
		.address = slot->address,
		.interface = interface[0] ? interface : "-",
		.limit_us = floating->program_limit_us,
		.done_fd = floating->wake_fd,
	};
	enum err rc = errand_start(&options, &slot->errand, &err);
	if (rc) {
		slot->errand = NULL;
		holding_program_ended(&slot->holding, rc, err_text(rc, &err), now());
	}
}

static void remove_it(struct floating *floating, struct floating_slot *slot)
{
	struct err_ctx err = { 0 };
	enum err rc = ERR_OK;
	if (floating->native) {
		rc = netlink_remove(floating->netlink, &slot->address, &err);
	}
	holding_removed(&slot->holding, rc, err_text(rc, &err), now());
	if (!rc) {
		close_packet(slot);
	}
}

static void put(struct floating *floating, struct floating_slot *slot)
{
	struct err_ctx err = { 0 };
	enum err rc = netlink_put(floating->netlink, &slot->address, &slot->interface,
				  slot->holding.lifetime_s, &err);
	holding_put(&slot->holding, rc, err_text(rc, &err), now());
}

static void act(struct floating *floating, struct floating_slot *slot, enum holding_action action)
{
	struct err_ctx err = { 0 };
	enum err rc;
	switch (action) {
	case HOLDING_WAIT:
		break;
	case HOLDING_LOOK:
		rc = look(floating, slot, &err);
		holding_looked(&slot->holding, rc, slot->packet_fd >= 0, err_text(rc, &err), now());
		break;
	case HOLDING_PROBE:
		probe(slot);
		break;
	case HOLDING_PROGRAM_HOLD:
	case HOLDING_PROGRAM_RELEASE:
		start_program(floating, slot, action == HOLDING_PROGRAM_HOLD);
		break;
	case HOLDING_PROGRAM_STOP:
		if (slot->errand) {
			errand_stop(slot->errand);
		}
		break;
	case HOLDING_PUT:
		put(floating, slot);
		break;
	case HOLDING_REMOVE:
		remove_it(floating, slot);
		break;
	case HOLDING_ANNOUNCE:
		announce(slot);
		break;
	}
}

void floating_act(struct floating *floating, struct floating_slot *slot)
{
	for (int i = 0; i < ACTIONS_MAX; i++) {
		enum holding_action action = holding_next(&slot->holding, now(), &slot->wake_us);
		if (action == HOLDING_WAIT) {
			return;
		}
		act(floating, slot, action);
	}
	slot->wake_us = 0;
}

static bool is_same_mac(const struct mac *a, const struct mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* The kernel is asked only about a MAC that isn't known yet: strangers may send many frames. */
static bool is_own(struct floating *floating, const struct floating_slot *slot,
		   const struct mac *from)
{
	const struct conflict_watch *watch = &slot->holding.watch;
	if (is_same_mac(from, &slot->interface.mac)) {
		return true;
	}
	return !(watch->contested && is_same_mac(from, &watch->rival)) &&
	       netlink_is_own_mac(floating->netlink, from);
}

void floating_act_hear(struct floating *floating, struct floating_slot *slot)
{
	struct frame frame;
	enum err rc = ERR_OK;
	char words[ERRAND_WORDS_BYTES_MAX];
	for (int i = 0; slot->packet_fd >= 0 && i < FRAMES_MAX; i++) {
		struct mac from;
		if (!ether_receive(slot->packet_fd, &frame)) {
			break;
		}
		enum frame_word word = frame_read(frame.bytes, frame.count, &slot->address, &from);
		if (word != FRAME_NOTHING && !is_own(floating, slot, &from)) {
			holding_heard(&slot->holding, word, &from, now());
		}
	}
	if (slot->errand && errand_ended(slot->errand, &rc, words)) {
		slot->errand = errand_free(slot->errand);
		holding_program_ended(&slot->holding, rc, words, now());
	}
}

void floating_act_event(struct floating *floating, struct floating_slot *slot,
			const struct netlink_event *event)
{
	struct netlink_found found;
	switch (event->change) {
	case NETLINK_ADDRESS_GONE:
		if (event->interface_index == slot->interface.index &&
		    address_is_same_ip(&event->address, &slot->address)) {
			holding_lost(&slot->holding, now());
		}
		break;
	case NETLINK_LINK:
		if (event->interface_index == slot->interface.index) {
			if (event->up && !slot->interface.up) {
				holding_carrier(&slot->holding, now());
			}
			slot->interface.up = event->up;
		}
		break;
	case NETLINK_UNKNOWN:
		if (netlink_find(floating->netlink, &slot->address, &found, NULL) ==
		    ERR_NOT_FOUND) {
			holding_lost(&slot->holding, now());
		}
		break;
	}
}

void floating_act_fini(struct floating_slot *slot)
{
	slot->errand = errand_free(slot->errand);
	close_packet(slot);
}
