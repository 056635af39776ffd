/* Many runs, by several processes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SIM_JOBS_MAX = 64 };

/* What runs came to. */
struct sim_sum {
	uint64_t runs;
	uint64_t events;
	uint64_t simulated_us;
	uint64_t acked;
	uint64_t failovers;
	uint64_t switchovers;
	uint64_t repaired;
	uint64_t
		fingerprint; /* grows by a hash of each run: the same seeds in the same world, the same number */
	bool failed;
	uint64_t seed; /* the lowest that failed */
	char failure[400];
};

struct sim_work {
	uint64_t from;
	uint64_t seeds;
	uint64_t jobs; /* 1 to SIM_JOBS_MAX */
	bool all;      /* goes on after a violation, and prints one line for each */
};

/* Runs the seeds, and tells on stderr every few seconds how far it is; *ret is written whole. Without `all` it ends at the first violation, which is the same for any number
 * of processes. */
void sim_work_run(const struct sim_work *work, struct sim_sum *ret);
