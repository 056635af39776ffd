/* An event for a connection that is gone would be given to memory that is something else by then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proxy/worker.h"

static void test_a_copy_in_a_child_does_not_keep_a_closed_connection_watched(void **state)
{
	(void)state;
	struct worker *worker = mem_need(sizeof(*worker));
	struct watch watch = { 0 };
	struct epoll_event event;
	int pair[2];
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_true(worker->epoll_fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(worker_watch(worker, pair[0], &watch), ERR_OK);
	assert_int_equal(epoll_wait(worker->epoll_fd, &event, 1, 0), 1); /* writable */
	int copy = dup(pair[0]);					 /* as fork() makes one */
	worker_unwatch(worker, pair[0]);
	(void)close(pair[0]);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(epoll_wait(worker->epoll_fd, &event, 1, 0), 0);
	worker_unwatch(worker, -1);
	(void)close(copy);
	(void)close(pair[1]);
	(void)close(worker->epoll_fd);
	(void)mem_free(worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_copy_in_a_child_does_not_keep_a_closed_connection_watched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
