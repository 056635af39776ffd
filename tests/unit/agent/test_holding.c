/* An address that is held too long has two holders; one that is let go too early has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/holding.h"
#include "base/clock.h"

enum { WORLD_BYTES_MAX = 512, TURN_MAX = 32 };

/* A kernel, a network and a program to do what the machine asks for. */
struct world {
	struct holding holding;
	uint64_t now_us;
	uint64_t wake_us;
	char done[WORLD_BYTES_MAX]; /* the actions of the last run(), one letter each */
	enum err look;
	enum err probe;
	enum err put;
	enum err removal;
	bool running;	    /* the program */
	bool present;	    /* on the interface */
	uint64_t kernel_us; /* until when, without the kernel's slack */
	bool program_held;
};

static const struct mac rival = { { 2, 0, 0, 0, 0, 7 } };

static void make(struct world *world, bool native, bool check, bool program)
{
	*world = (struct world){ .now_us = 1000 * (uint64_t)US_PER_S };
	holding_init(&world->holding, native, check, program, 1);
}

static char act(struct world *world, enum holding_action action)
{
	struct holding *holding = &world->holding;
	switch (action) {
	case HOLDING_WAIT:
		return '.';
	case HOLDING_LOOK:
		holding_looked(holding, world->look, true, "no interface", world->now_us);
		return 'L';
	case HOLDING_PROBE:
		if (world->probe) {
			holding_probe_failed(holding, "cannot send", world->now_us);
		}
		return 'p';
	case HOLDING_PROGRAM_HOLD:
		assert_false(world->running);
		world->running = true;
		world->program_held = true;
		return 'H';
	case HOLDING_PROGRAM_RELEASE:
		assert_false(world->running);
		world->running = true;
		return 'R';
	case HOLDING_PROGRAM_STOP:
		assert_true(world->running);
		return 'S';
	case HOLDING_PUT:
		assert_true(holding->lifetime_s > 0);
		assert_true(world->now_us + holding->lifetime_s * (uint64_t)US_PER_S <=
			    holding->until_us);
		if (!world->put) {
			world->present = true;
			world->kernel_us = world->now_us + holding->lifetime_s * (uint64_t)US_PER_S;
		}
		holding_put(holding, world->put, "no such device", world->now_us);
		return 'P';
	case HOLDING_REMOVE:
		world->present = world->present && world->removal;
		holding_removed(holding, world->removal, "it stays", world->now_us);
		return 'X';
	case HOLDING_ANNOUNCE:
		assert_true(holding->announcements == 1 || holding->announcements == 5);
		return holding->announcements == 5 ? 'A' : 'a';
	}
	return '?';
}

/* Everything that is due now; the letters are in world->done. */
static const char *run(struct world *world)
{
	size_t count = 0;
	for (;;) {
		assert_true(count < TURN_MAX);
		enum holding_action action =
			holding_next(&world->holding, world->now_us, &world->wake_us);
		char letter = act(world, action);
		if (action == HOLDING_WAIT) {
			break;
		}
		world->done[count++] = letter;
	}
	world->done[count] = 0;
	return world->done;
}

static const char *later(struct world *world, unsigned ms)
{
	world->now_us += ms * (uint64_t)US_PER_MS;
	return run(world);
}

static void want(struct world *world, unsigned lease_ms)
{
	uint64_t until_us = lease_ms ? world->now_us + lease_ms * (uint64_t)US_PER_MS : 0;
	holding_want(&world->holding, until_us, false, world->now_us);
}

static void end_program(struct world *world, enum err rc, const char *words)
{
	assert_true(world->running);
	world->running = false;
	if (world->holding.phase == PHASE_PROGRAM_RELEASES && !rc) {
		world->program_held = false;
	}
	holding_program_ended(&world->holding, rc, words, world->now_us);
}

static void hold(struct world *world)
{
	want(world, 3000);
	(void)run(world);
	(void)later(world, 100);
	(void)later(world, 100);
	(void)later(world, 100);
	assert_int_equal(world->holding.state, HOLDING_HELD);
}

static void test_claim_and_release(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	assert_int_equal(world.holding.state, HOLDING_UNKNOWN);
	want(&world, 3000);
	assert_string_equal(run(&world), "XLp");
	assert_int_equal(world.holding.state, HOLDING_PROBING);
	assert_string_equal(later(&world, 99), "");
	assert_int_equal(world.wake_us, world.now_us + US_PER_MS);
	assert_string_equal(later(&world, 1), "p");
	assert_string_equal(later(&world, 100), "p");
	assert_false(world.present);
	assert_string_equal(later(&world, 100), "PA");
	assert_int_equal(world.holding.state, HOLDING_HELD);
	assert_int_equal(world.holding.lifetime_s, 2);
	assert_string_equal(later(&world, 1000), "a");
	/* A renewal is passed on to the kernel at once. */
	want(&world, 3000);
	assert_string_equal(run(&world), "P");
	assert_int_equal(world.holding.lifetime_s, 3);
	want(&world, 0);
	assert_string_equal(run(&world), "X");
	assert_int_equal(world.holding.state, HOLDING_ABSENT);
	assert_false(world.present);
	assert_int_equal(world.wake_us, UINT64_MAX);
	assert_string_equal(later(&world, 1000000), "");
}

static void test_absence_is_proven(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	assert_string_equal(run(&world), "X");
	assert_int_equal(world.holding.state, HOLDING_ABSENT);

	make(&world, true, true, false);
	world.removal = ERR_EXISTS;
	assert_string_equal(run(&world), "X");
	assert_int_equal(world.holding.state, HOLDING_FAILED);
	assert_string_equal(world.holding.words, "it stays");
	assert_string_equal(later(&world, 200), "X");
	world.removal = ERR_OK;
	assert_string_equal(later(&world, 200), "X");
	assert_int_equal(world.holding.state, HOLDING_ABSENT);
}

static void test_end_of_the_lease(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	hold(&world);
	uint64_t until_us = world.holding.until_us;
	while (world.now_us < until_us) {
		assert_int_equal(world.holding.state, HOLDING_HELD);
		assert_true(world.wake_us <= until_us);
		world.now_us = world.wake_us;
		(void)run(&world);
	}
	assert_int_equal(world.now_us, until_us);
	assert_int_equal(world.holding.state, HOLDING_ABSENT);
	assert_string_equal(world.holding.words, "its lease is over");
	/* Too short to begin with. */
	want(&world, 999);
	assert_string_equal(run(&world), "");
	assert_int_equal(world.holding.state, HOLDING_ABSENT);
}

static void test_a_gap_in_the_lease(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	hold(&world);
	world.now_us = world.holding.until_us + 1;
	holding_want(&world.holding, world.now_us + 3 * (uint64_t)US_PER_S, true, world.now_us);
	assert_true(holding_is_leaving(&world.holding, world.now_us));
	assert_string_equal(run(&world), "XLp");
	assert_int_equal(world.holding.state, HOLDING_PROBING);
}

static void test_conflict_before(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	want(&world, 60000);
	(void)run(&world);
	holding_heard(&world.holding, FRAME_CLAIM, &rival, world.now_us);
	assert_string_equal(run(&world), "");
	assert_int_equal(world.holding.state, HOLDING_CONFLICT);
	assert_memory_equal(&world.holding.watch.rival, &rival, sizeof(rival));
	assert_true(world.wake_us >= world.now_us + 250 * US_PER_MS);
	assert_string_equal(later(&world, 249), "");
	/* Tried again, and what is seen stays until it is known. */
	assert_string_equal(later(&world, 251), "Lp");
	assert_int_equal(world.holding.state, HOLDING_CONFLICT);
	holding_heard(&world.holding, FRAME_PROBE, &rival, world.now_us);
	assert_string_equal(run(&world), "");
	assert_int_equal(world.holding.state, HOLDING_CONFLICT);
	/* And less often when he seems to stay. */
	for (unsigned i = 2; i < 11; i++) {
		assert_string_equal(later(&world, 500), "Lp");
		holding_heard(&world.holding, FRAME_PROBE, &rival, world.now_us);
		(void)run(&world);
	}
	assert_string_equal(later(&world, 999), "");
	assert_string_equal(later(&world, 251), "Lp");
	(void)later(&world, 100);
	(void)later(&world, 100);
	assert_string_equal(later(&world, 100), "PA");
	assert_int_equal(world.holding.state, HOLDING_HELD);
	assert_string_equal(world.holding.words, "");
}

static void test_conflict_while_held(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	hold(&world);
	want(&world, 600000);
	(void)run(&world);
	/* Who only asks is answered by the kernel. */
	holding_heard(&world.holding, FRAME_PROBE, &rival, world.now_us);
	assert_string_equal(run(&world), "");
	assert_false(world.holding.watch.contested);
	holding_heard(&world.holding, FRAME_CLAIM, &rival, world.now_us);
	assert_string_equal(run(&world), "a");
	assert_true(world.holding.watch.contested);
	assert_string_equal(world.holding.words, "somebody else has it, too");
	holding_heard(&world.holding, FRAME_CLAIM, &rival, world.now_us);
	assert_string_equal(run(&world), "");
	assert_string_equal(later(&world, 250), "p");
	assert_string_equal(later(&world, 250), "p");
	assert_string_equal(later(&world, 250), "Ap");
	assert_false(world.holding.watch.contested);
	assert_string_equal(world.holding.words, "");
	assert_int_equal(world.holding.state, HOLDING_HELD);
}

static void test_lost_and_carrier(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	holding_lost(&world.holding, world.now_us);
	hold(&world);
	world.present = false;
	holding_lost(&world.holding, world.now_us);
	assert_string_equal(run(&world), "PA");
	holding_carrier(&world.holding, world.now_us);
	assert_string_equal(run(&world), "A");
	holding_announce(&world.holding, world.now_us);
	assert_string_equal(run(&world), "A");
}

static void test_failures(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, true, false);
	world.look = ERR_NOT_FOUND;
	want(&world, 60000);
	assert_string_equal(run(&world), "XLX");
	assert_int_equal(world.holding.state, HOLDING_FAILED);
	assert_string_equal(world.holding.words, "no interface");
	world.look = ERR_OK;
	world.probe = ERR_IO;
	assert_string_equal(later(&world, 1000), "LpX");
	assert_string_equal(world.holding.words, "cannot send");
	world.probe = ERR_OK;
	world.put = ERR_IO;
	assert_string_equal(later(&world, 1000), "Lp");
	(void)later(&world, 100);
	(void)later(&world, 100);
	assert_string_equal(later(&world, 100), "PX");
	assert_int_equal(world.holding.state, HOLDING_FAILED);
	assert_string_equal(world.holding.words, "no such device");
	want(&world, 0);
	assert_string_equal(run(&world), "X");
	assert_int_equal(world.holding.state, HOLDING_ABSENT);
	assert_string_equal(world.holding.words, "");
}

static void test_program(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, false, true);
	want(&world, 60000);
	/* To be held here anyway: no release first. */
	assert_string_equal(run(&world), "XLH");
	assert_false(world.present);
	end_program(&world, ERR_OK, "");
	assert_string_equal(run(&world), "PA");
	want(&world, 0);
	/* The interface first: that is quick. */
	assert_string_equal(run(&world), "XR");
	assert_int_equal(world.holding.state, HOLDING_RELEASING);
	end_program(&world, ERR_FAILED, "no answer");
	assert_string_equal(run(&world), "");
	assert_int_equal(world.holding.state, HOLDING_FAILED);
	assert_string_equal(world.holding.words, "no answer");
	assert_string_equal(later(&world, 5000), "R");
	end_program(&world, ERR_OK, "");
	assert_string_equal(run(&world), "");
	assert_int_equal(world.holding.state, HOLDING_ABSENT);

	/* One that is never held: released once, to be sure. */
	make(&world, false, false, true);
	assert_string_equal(run(&world), "XR");
	end_program(&world, ERR_OK, "");
	assert_string_equal(run(&world), "");
	assert_int_equal(world.holding.state, HOLDING_ABSENT);
}

static void test_program_fails(void **state)
{
	struct world world;
	(void)state;
	make(&world, true, false, true);
	want(&world, 60000);
	assert_string_equal(run(&world), "XLH");
	end_program(&world, ERR_DEADLINE, "took too long");
	/* What it has done isn't known. */
	assert_string_equal(run(&world), "XR");
	assert_int_equal(world.holding.state, HOLDING_FAILED);
	end_program(&world, ERR_OK, "");
	assert_string_equal(run(&world), "");
	assert_int_equal(world.holding.state, HOLDING_FAILED);
	assert_string_equal(world.holding.words, "took too long");
	assert_string_equal(later(&world, 5000), "LH");
	/* Not wanted any more while it runs: killed, once, and then released. */
	want(&world, 0);
	assert_string_equal(run(&world), "S");
	assert_string_equal(run(&world), "");
	end_program(&world, ERR_FAILED, "killed");
	assert_string_equal(run(&world), "XR");
	/* Wanted again while the release fails: it need not succeed first. */
	end_program(&world, ERR_FAILED, "no answer");
	assert_string_equal(run(&world), "");
	want(&world, 60000);
	assert_string_equal(run(&world), "LH");
	end_program(&world, ERR_OK, "");
	assert_string_equal(run(&world), "PA");
}

static void random_event(struct world *world, struct prng *prng)
{
	struct holding *holding = &world->holding;
	switch (prng_below(prng, 12)) {
	case 0:
		want(world, 0);
		break;
	case 1:
	case 2:
	case 3: {
		bool lapsed = holding->until_us && world->now_us >= holding->until_us;
		uint64_t until_us = world->now_us + prng_below(prng, 5000) * US_PER_MS;
		holding_want(holding, until_us, lapsed, world->now_us);
		break;
	}
	case 4:
		holding_heard(holding, FRAME_CLAIM, &rival, world->now_us);
		break;
	case 5:
		holding_heard(holding, FRAME_PROBE, &rival, world->now_us);
		break;
	case 6:
		world->look = prng_below(prng, 4) ? ERR_OK : ERR_NOT_FOUND;
		world->put = prng_below(prng, 4) ? ERR_OK : ERR_IO;
		world->removal = prng_below(prng, 4) ? ERR_OK : ERR_IO;
		break;
	case 7:
		holding_lost(holding, world->now_us);
		break;
	case 8:
		if (world->running) {
			end_program(world, prng_below(prng, 2) ? ERR_OK : ERR_FAILED, "random");
		}
		break;
	case 9:
		world->now_us += prng_below(prng, 10) * US_PER_S;
		break;
	default:
		world->now_us += prng_below(prng, 400) * US_PER_MS;
	}
}

/* Whatever happens, in whatever order. */
static void test_random_walks(void **state)
{
	enum { WALKS = 1000, STEPS = 300 };
	unsigned held = 0;
	(void)state;
	for (unsigned walk = 0; walk < WALKS; walk++) {
		struct world world;
		struct prng prng = { walk };
		make(&world, walk % 3 != 2, walk % 2, walk % 3 != 0);
		for (unsigned step = 0; step < STEPS; step++) {
			struct holding *holding = &world.holding;
			random_event(&world, &prng);
			if (world.now_us >= world.kernel_us) {
				world.present = false;
			}
			(void)run(&world);
			held += holding->state == HOLDING_HELD;
			bool may_hold = holding->until_us > world.now_us && !holding->lapsed;
			if (holding->state == HOLDING_ABSENT) {
				assert_false(world.present);
				assert_false(world.program_held);
			}
			if (holding->state == HOLDING_HELD) {
				assert_true(may_hold);
			}
			if (world.present && holding->phase != PHASE_REMOVE_AGAIN) {
				/* It is ours to hold, and the kernel knows for how long. */
				assert_true(may_hold);
				assert_int_equal(holding->state, HOLDING_HELD);
			}
			/* Somebody who waits for nothing would wait for ever. */
			if (holding->until_us && !world.running && holding->phase != PHASE_IDLE) {
				assert_true(world.wake_us < UINT64_MAX);
			}
		}
	}
	assert_true(held > WALKS);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HOLDING_STATE_COUNT_; i++) {
		assert_non_null(holding_state_name((enum holding_state)i));
	}
	assert_string_equal(holding_state_name(HOLDING_HELD), "held");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claim_and_release),
		cmocka_unit_test(test_absence_is_proven),
		cmocka_unit_test(test_end_of_the_lease),
		cmocka_unit_test(test_a_gap_in_the_lease),
		cmocka_unit_test(test_conflict_before),
		cmocka_unit_test(test_conflict_while_held),
		cmocka_unit_test(test_lost_and_carrier),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_program_fails),
		cmocka_unit_test(test_random_walks),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
