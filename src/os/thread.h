/* Named threads. Signals stay with the thread that main() runs in. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

enum { THREAD_NAME_BYTES_MAX = 16 }; /* the kernel's limit, with the NUL */

struct thread {
	pthread_t id;
	bool started;
	char name[THREAD_NAME_BYTES_MAX];
	void (*run)(void *ctx);
	void *ctx;
};

/* Starts `run(ctx)` in a thread of its own with all signals blocked.
 *
 * thread: the caller's, stays where it is until thread_join().
 * name:   as shown by ps and debuggers; cut at 15 characters.
 * Errors: ERR_NOMEM when the system has no room for one more thread.
 */
MUST_CHECK enum err thread_start(struct thread *thread, const char *name, void (*run)(void *ctx),
				 void *ctx, struct err_ctx *err);

/* The moment `wait_us` from here on CLOCK_MONOTONIC, for pthread_cond_timedwait() on a condition
 * variable that was made for that clock. */
struct timespec thread_moment(uint64_t wait_us);

/* Both new; waits on the condition variable are timed by thread_moment(). */
void thread_condition_init(pthread_mutex_t *mutex, pthread_cond_t *condition);

/* Waits until the thread has ended; harmless on a zeroed one or one that is joined already. */
void thread_join(struct thread *thread);
