#include "sim_work.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "sim_world.h"

enum { TELL_RUNS = 256, PROGRESS_S = 10 };

/* A worker tells every now and then; below PIPE_BUF, so it is written and read whole. */
struct news {
	struct sim_sum sum; /* since the last time */
	uint64_t next;	    /* the seed that it does next */
};

struct worker {
	pid_t pid;
	int fd; /* -1: it has ended */
	uint64_t next;
};

static double now_s(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---------------------------------------------------------------- sums */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	struct sim_random random = { .state = hash ^ value };
	return sim_random_next(&random);
}

/* Of what happened and of how it ended. */
static uint64_t hash_run(const struct sim_world *world)
{
	uint64_t hash = mix(world->seed, world->random.state);
	hash = mix(hash, world->over_us);
	hash = mix(hash, world->store.writes);
	hash = mix(hash, world->store.record.version << 16 ^ world->store.record.epoch);
	hash = mix(hash, (uint64_t)world->ledger.acked_count << 32 | world->txn_count);
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		hash = mix(hash, world->servers[i].log_count);
		for (uint32_t k = 0; k < world->servers[i].log_count; k++) {
			hash = hash * 31 + world->servers[i].log[k];
		}
	}
	return hash;
}

static void add_run(const struct sim_world *world, struct sim_sum *sum)
{
	sum->runs++;
	sum->events += world->events;
	sum->simulated_us += world->over_us;
	sum->acked += world->ledger.acked_count;
	sum->failovers += world->ledger.failovers;
	sum->switchovers += world->ledger.switchovers;
	sum->repaired += world->repaired;
	sum->fingerprint += hash_run(world);
	if (world->failed && !sum->failed) {
		sum->failed = true;
		sum->seed = world->seed;
		memcpy(sum->failure, world->failure, sizeof(sum->failure));
	}
}

static void add_sum(struct sim_sum *sum, const struct sim_sum *one)
{
	sum->runs += one->runs;
	sum->events += one->events;
	sum->simulated_us += one->simulated_us;
	sum->acked += one->acked;
	sum->failovers += one->failovers;
	sum->switchovers += one->switchovers;
	sum->repaired += one->repaired;
	sum->fingerprint += one->fingerprint;
	if (one->failed && (!sum->failed || one->seed < sum->seed)) {
		sum->failed = true;
		sum->seed = one->seed;
		memcpy(sum->failure, one->failure, sizeof(sum->failure));
	}
}

/* ---------------------------------------------------------------- workers */

/* Every jobs-th seed from `first` on. */
static bool run_seeds(const struct sim_work *work, uint64_t first, int fd)
{
	struct sim_world *world = mem_need(sizeof(*world));
	struct news news = { .next = first };
	uint64_t end = work->from + work->seeds;
	bool told = true;
	while (told && news.next < end && (work->all || !news.sum.failed)) {
		sim_world_begin(world, news.next, 0);
		sim_world_run(world);
		news.next += work->jobs;
		add_run(world, &news.sum);
		if (world->failed && work->all) {
			printf("%" PRIu64 ": %s\n", world->seed, world->failure);
			(void)fflush(stdout);
		}
		if (news.sum.runs == TELL_RUNS) {
			told = write(fd, &news, sizeof(news)) == sizeof(news);
			news.sum = (struct sim_sum){ .failed = news.sum.failed && !work->all };
		}
	}
	sim_world_fini(world);
	mem_free(world);
	news.next = UINT64_MAX;
	return told && write(fd, &news, sizeof(news)) == sizeof(news);
}

static void start_worker(const struct sim_work *work, uint64_t number, struct worker *ret)
{
	int ends[2];
	check(pipe(ends) == 0);
	*ret = (struct worker){ .fd = ends[0], .next = work->from + number };
	ret->pid = fork();
	check(ret->pid >= 0);
	if (ret->pid == 0) {
		(void)close(ends[0]);
		_exit(run_seeds(work, work->from + number, ends[1]) ? 0 : 1);
	}
	(void)close(ends[1]);
}

static void hear(struct worker *worker, struct sim_sum *sum)
{
	struct news news;
	ssize_t count = read(worker->fd, &news, sizeof(news));
	if (count == (ssize_t)sizeof(news)) {
		add_sum(sum, &news.sum);
		worker->next = news.next;
		return;
	}
	if (worker->next != UINT64_MAX) {
		(void)fprintf(stderr, "a worker died\n");
		sum->failed = true;
	}
	(void)close(worker->fd);
	worker->fd = -1;
	worker->next = UINT64_MAX;
}

/* ---------------------------------------------------------------- all of them */

static uint64_t lowest_next(const struct worker *workers, uint64_t count)
{
	uint64_t lowest = UINT64_MAX;
	for (uint64_t i = 0; i < count; i++) {
		lowest = workers[i].next < lowest ? workers[i].next : lowest;
	}
	return lowest;
}

/* One line: where a run that is broken off now is to be taken up again, too. */
static void tell_progress(const struct sim_work *work, const struct sim_sum *sum, uint64_t next,
			  double took_s)
{
	double rate = (double)sum->runs / took_s;
	(void)fprintf(stderr,
		      "%" PRIu64 " of %" PRIu64 " runs, %.0f a second, %.0f s left; %s; "
		      "go on with --from %" PRIu64 " --seeds %" PRIu64 "\n",
		      sum->runs, work->seeds, rate, (double)(work->seeds - sum->runs) / rate,
		      sum->failed ? "VIOLATED" : "no violation", next,
		      work->from + work->seeds - next);
}

static void end_workers(struct worker *workers, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (workers[i].fd >= 0) {
			(void)kill(workers[i].pid, SIGTERM);
			(void)close(workers[i].fd);
		}
		(void)waitpid(workers[i].pid, NULL, 0);
	}
}

void sim_work_run(const struct sim_work *work, struct sim_sum *ret)
{
	struct worker workers[SIM_JOBS_MAX];
	double begun_s = now_s();
	double told_s = begun_s;
	*ret = (struct sim_sum){ 0 };
	for (uint64_t i = 0; i < work->jobs; i++) {
		start_worker(work, i, &workers[i]);
	}
	uint64_t next = work->from;
	/* The lowest seed that fails is looked for. */
	while (next != UINT64_MAX && (work->all || !ret->failed || next < ret->seed)) {
		struct pollfd fds[SIM_JOBS_MAX];
		for (uint64_t i = 0; i < work->jobs; i++) {
			fds[i] = (struct pollfd){ .fd = workers[i].fd, .events = POLLIN };
		}
		(void)poll(fds, work->jobs, PROGRESS_S * 1000);
		for (uint64_t i = 0; i < work->jobs; i++) {
			if (fds[i].revents) {
				hear(&workers[i], ret);
			}
		}
		next = lowest_next(workers, work->jobs);
		if (next != UINT64_MAX && now_s() - told_s >= PROGRESS_S) {
			told_s = now_s();
			tell_progress(work, ret, next, told_s - begun_s);
		}
	}
	end_workers(workers, work->jobs);
}
