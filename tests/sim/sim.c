/* The simulator's program: many seeds, or the story of one. docs/simulator.md */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "sim_fault.h"
#include "sim_shrink.h"
#include "sim_work.h"
#include "sim_world.h"

struct arguments {
	uint64_t seeds;
	uint64_t from;
	uint64_t seed;
	uint64_t jobs;
	uint64_t left_out;
	bool one;
	bool story;
	bool shrink;
	bool all;
};

static const char usage[] = "usage: sim [--seeds N] [--from SEED] [--jobs N] [--all]\n"
			    "           many runs; ends at the first violation\n"
			    "       sim --seed SEED [--story] [--no-shrink]      one run\n";

static bool parse_arguments(int count, char **values, struct arguments *ret)
{
	*ret = (struct arguments){ .seeds = 1000, .from = 1, .jobs = 1, .shrink = true };
	const struct {
		const char *name;
		uint64_t *value;
		bool *flag;
	} rows[] = {
		{ "--seeds", &ret->seeds, NULL },      { "--from", &ret->from, NULL },
		{ "--jobs", &ret->jobs, NULL },	       { "--seed", &ret->seed, &ret->one },
		{ "--without", &ret->left_out, NULL }, { "--story", NULL, &ret->story },
		{ "--all", NULL, &ret->all },
	};
	for (int i = 1; i < count; i++) {
		size_t row = 0;
		while (row < sizeof(rows) / sizeof(rows[0]) &&
		       strcmp(values[i], rows[row].name) != 0) {
			row++;
		}
		if (row == sizeof(rows) / sizeof(rows[0])) {
			if (strcmp(values[i], "--no-shrink") != 0) {
				return false;
			}
			ret->shrink = false;
			continue;
		}
		if (rows[row].flag) {
			*rows[row].flag = true;
		}
		if (rows[row].value &&
		    (++i == count ||
		     str_parse_u64(str_of(values[i]), 0, UINT64_MAX, rows[row].value) != ERR_OK)) {
			return false;
		}
	}
	return ret->jobs >= 1 && ret->jobs <= SIM_JOBS_MAX;
}

static void describe(const struct sim_world *world)
{
	printf("%u servers (%s, %s), %u managers, %u nodes\n", world->setup.servers,
	       world->setup.flavor == GTID_MARIADB ? "MariaDB" : "MySQL",
	       policy_name(world->setup.policy), world->setup.managers, world->setup.nodes);
	for (uint32_t i = 0; i < world->fault_count; i++) {
		if (!world->faults[i].left_out) {
			printf("  fault %u: ", i);
			sim_fault_print(&world->faults[i], stdout);
		}
	}
}

/* Runs one seed and says how it ended; a failing one with as few faults as possible, and its story. */
static int run_one(const struct arguments *arguments, uint64_t seed)
{
	struct sim_world *world = mem_need(sizeof(*world));
	sim_world_begin(world, seed, (uint32_t)arguments->left_out);
	world->story = arguments->story ? stdout : NULL;
	sim_world_run(world);
	bool failed = world->failed;
	world->story = NULL;
	if (!failed) {
		describe(world);
		printf("seed %" PRIu64 ": all is well after %.1f s: %u writes acknowledged, %u "
		       "failovers, %u switchovers\n",
		       seed, (double)world->over_us / 1e6, world->ledger.acked_count,
		       world->ledger.failovers, world->ledger.switchovers);
	} else {
		uint32_t left_out = (uint32_t)arguments->left_out;
		if (arguments->shrink && left_out == 0) {
			left_out = sim_shrink_faults(world, seed);
		}
		sim_world_begin(world, seed, left_out);
		describe(world);
		world->story = stdout;
		sim_world_run(world);
		printf("seed %" PRIu64 ": %s\nagain: sim --seed %" PRIu64 " --without %u --story\n",
		       seed, world->failure, seed, left_out);
	}
	sim_world_fini(world);
	mem_free(world);
	return failed ? 1 : 0;
}

static int run_many(const struct arguments *arguments)
{
	struct sim_work work = { .from = arguments->from,
				 .seeds = arguments->seeds,
				 .jobs = arguments->jobs,
				 .all = arguments->all };
	struct timespec begun;
	struct timespec ended;
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	struct sim_sum sum;
	sim_work_run(&work, &sum);
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	double took_s = (double)(ended.tv_sec - begun.tv_sec) +
			(double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
	printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64
	       " runs in %.1f s (%.0f a second): %" PRIu64 " s simulated, %" PRIu64
	       " events, %" PRIu64 " writes acknowledged, %" PRIu64 " failovers, %" PRIu64
	       " switchovers, %" PRIu64 " servers rebuilt by hand; fingerprint %016" PRIx64 "\n",
	       arguments->from, arguments->from + arguments->seeds - 1, sum.runs, took_s,
	       (double)sum.runs / took_s, sum.simulated_us / 1000000, sum.events, sum.acked,
	       sum.failovers, sum.switchovers, sum.repaired, sum.fingerprint);
	if (!sum.failed) {
		printf("no violation\n");
		return 0;
	}
	printf("seed %" PRIu64 ": %s\n", sum.seed, sum.failure);
	(void)run_one(arguments, sum.seed);
	return 1;
}

int main(int count, char **values)
{
	struct arguments arguments;
	if (!parse_arguments(count, values, &arguments)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	if (arguments.one) {
		return run_one(&arguments, arguments.seed);
	}
	return run_many(&arguments);
}
