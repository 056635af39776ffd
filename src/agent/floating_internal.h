/* What floating.c (the face and the thread) and floating_act.c (what is done for one address) share. */
#pragma once

#include <pthread.h>

#include "agent/errand.h"
#include "agent/floating.h"
#include "os/thread.h"

/* One address. Slots are never given back: a name once heard stays. */
struct floating_slot {
	/* Under the mutex. */
	struct address named;
	uint64_t wish_until_us; /* 0: to be released */
	bool wish_lapsed;	/* a wish ran out before the next one came */
	bool wish_announce;
	bool wish_changed;    /* the thread has not seen it yet */
	uint64_t wish_number; /* counts what was asked */
	uint64_t told_number; /* the wish that `view` answers */
	struct floating_view view;

	/* The thread's alone. */
	bool used;
	uint64_t seen_number;
	struct address address;
	struct holding holding;
	struct netlink_interface interface; /* index 0: not known */
	int packet_fd;			    /* -1: none */
	struct errand *errand;
	uint64_t wake_us;
};

struct floating {
	bool native;
	bool check;
	char program[ERRAND_COMMAND_BYTES_MAX];
	uint64_t program_limit_us;
	const struct log *log;
	void (*changed)(void *ctx, const struct floating_view *view);
	void *ctx;

	int lock_fd;  /* keeps other processes of this network namespace out */
	int wake_fd;  /* eventfd */
	int timer_fd; /* CLOCK_BOOTTIME */
	struct netlink *netlink;
	struct thread thread;
	pthread_mutex_t mutex;
	size_t slot_count; /* under the mutex; only grows */
	bool stopping;	   /* under the mutex */
	struct floating_slot slots[FLOATING_ADDRESSES_MAX];
};

/* The thread: turns until it is told to stop and all is absent, or its time for that is over. ctx: the struct floating. */
void floating_turn_run(void *ctx);

/* Does what is due for an address, until there is something to wait for; sets wake_us. */
void floating_act(struct floating *floating, struct floating_slot *slot);

/* Takes in what others said on the network, and a program that ended. */
void floating_act_hear(struct floating *floating, struct floating_slot *slot);

/* Takes in one change that the kernel tells of. */
void floating_act_event(struct floating *floating, struct floating_slot *slot,
			const struct netlink_event *event);

/* Kills what runs, closes what is open. */
void floating_act_fini(struct floating_slot *slot);

/* The address on this host already, put there by somebody else: ERR_EXISTS. What is left of ours is no obstacle. */
MUST_CHECK enum err floating_act_look_here(struct netlink *netlink, const struct address *address,
					   struct err_ctx *err);
