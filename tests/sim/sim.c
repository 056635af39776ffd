/* The simulator's program: many seeds, or the story of one. docs/simulator.md */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "sim_fault.h"
#include "sim_shrink.h"
#include "sim_world.h"

enum { JOBS_MAX = 64, SEED_MAX_DIGITS = 19 };

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

static const char usage[] = "usage: sim [--seeds N] [--from SEED] [--jobs N] [--all]   many runs; "
			    "ends at the first violation\n"
			    "       sim --seed SEED [--story] [--no-shrink]      one run\n";

/* What a worker found. */
struct result {
	uint64_t runs;
	uint64_t events;
	uint64_t seconds; /* simulated */
	uint64_t acked;
	uint64_t failovers;
	uint64_t switchovers;
	uint64_t repaired;
	bool failed;
	uint64_t seed;
	char failure[400];
};

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
	return ret->jobs >= 1 && ret->jobs <= JOBS_MAX;
}

/* Every jobs-th seed from `first` on. */
static void run_seeds(const struct arguments *arguments, uint64_t first, struct result *ret)
{
	struct sim_world *world = mem_need(sizeof(*world));
	*ret = (struct result){ 0 };
	uint64_t end = arguments->from + arguments->seeds;
	for (uint64_t seed = first; seed < end && (arguments->all || !ret->failed);
	     seed += arguments->jobs) {
		sim_world_begin(world, seed, 0);
		sim_world_run(world);
		ret->runs++;
		ret->events += world->events;
		ret->seconds += world->over_us / 1000000;
		ret->acked += world->ledger.acked_count;
		ret->failovers += world->ledger.failovers;
		ret->switchovers += world->ledger.switchovers;
		ret->repaired += world->repaired;
		if (world->failed && arguments->all) {
			printf("%" PRIu64 ": %s\n", seed, world->failure);
			(void)fflush(stdout);
		}
		if (world->failed && !ret->failed) {
			ret->failed = true;
			ret->seed = seed;
			memcpy(ret->failure, world->failure, sizeof(ret->failure));
		}
	}
	sim_world_fini(world);
	mem_free(world);
}

static void add_result(struct result *sum, const struct result *one)
{
	sum->runs += one->runs;
	sum->events += one->events;
	sum->seconds += one->seconds;
	sum->acked += one->acked;
	sum->failovers += one->failovers;
	sum->switchovers += one->switchovers;
	sum->repaired += one->repaired;
	if (one->failed && (!sum->failed || one->seed < sum->seed)) {
		sum->failed = true;
		sum->seed = one->seed;
		memcpy(sum->failure, one->failure, sizeof(sum->failure));
	}
}

static bool read_all(int fd, void *to, size_t bytes)
{
	size_t got = 0;
	while (got < bytes) {
		ssize_t count = read(fd, (char *)to + got, bytes - got);
		if (count <= 0) {
			return false;
		}
		got += (size_t)count;
	}
	return true;
}

static void run_workers(const struct arguments *arguments, struct result *ret)
{
	int pipes[JOBS_MAX];
	*ret = (struct result){ 0 };
	for (uint64_t i = 0; i < arguments->jobs; i++) {
		int ends[2];
		check(pipe(ends) == 0);
		pid_t pid = fork();
		check(pid >= 0);
		if (pid == 0) {
			struct result result;
			run_seeds(arguments, arguments->from + i, &result);
			bool written = write(ends[1], &result, sizeof(result)) == sizeof(result);
			_exit(written ? 0 : 1);
		}
		(void)close(ends[1]);
		pipes[i] = ends[0];
	}
	for (uint64_t i = 0; i < arguments->jobs; i++) {
		struct result one;
		bool came = read_all(pipes[i], &one, sizeof(one));
		(void)close(pipes[i]);
		if (!came) {
			(void)fprintf(stderr, "a worker died\n");
			ret->failed = true;
			continue;
		}
		add_result(ret, &one);
	}
	while (wait(NULL) > 0) {
	}
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
	struct timespec begun;
	struct timespec ended;
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	struct result result;
	run_workers(&arguments, &result);
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	double took_s = (double)(ended.tv_sec - begun.tv_sec) +
			(double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
	printf("%" PRIu64 " runs in %.1f s (%.0f a second): %" PRIu64 " s simulated, %" PRIu64
	       " events, %" PRIu64 " writes acknowledged, %" PRIu64 " failovers, %" PRIu64
	       " switchovers, %" PRIu64 " servers rebuilt by hand\n",
	       result.runs, took_s, (double)result.runs / took_s, result.seconds, result.events,
	       result.acked, result.failovers, result.switchovers, result.repaired);
	if (!result.failed) {
		printf("no violation\n");
		return 0;
	}
	printf("seed %" PRIu64 ": %s\n", result.seed, result.failure);
	(void)run_one(&arguments, result.seed);
	return 1;
}
