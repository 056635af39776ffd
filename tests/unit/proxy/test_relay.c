/* A table that is swapped while clients come and go must neither lose one nor touch what is gone: several threads at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock_system.h"
#include "os/net.h"
#include "proxy/proxy.h"

enum { CLIENTS = 3, REQUESTS = 60, BACKENDS = 2, WAIT_TRIES = 2000 };

static void nap(void)
{
	const struct timespec pause = { 0, 5 * 1000000L };
	(void)nanosleep(&pause, NULL);
}

/* Blocking, for threads of the test. */
static ssize_t patient(ssize_t (*io)(int fd, void *bytes, size_t count), int fd, void *bytes,
		       size_t count)
{
	for (int i = 0; i < WAIT_TRIES; i++) {
		ssize_t done = io(fd, bytes, count);
		if (done >= 0 || (errno != EAGAIN && errno != ENOTCONN)) {
			return done;
		}
		nap();
	}
	return -1;
}

static ssize_t put(int fd, void *bytes, size_t count)
{
	return send(fd, bytes, count, MSG_NOSIGNAL);
}

/* A back end: sends each byte back until its client's end. */
struct echo {
	pthread_t thread;
	int listen_fd;
	uint16_t port;
	atomic_bool over;
};

static void *run_echo(void *arg)
{
	struct echo *echo = arg;
	char address[NET_ADDRESS_TEXT_BYTES_MAX];
	while (!atomic_load(&echo->over)) {
		int fd = -1;
		char byte;
		if (net_accept(echo->listen_fd, &fd, address) != ERR_OK) {
			nap();
			continue;
		}
		while (patient(read, fd, &byte, 1) == 1 && patient(put, fd, &byte, 1) == 1) {
		}
		(void)close(fd);
	}
	return NULL;
}

static void start_echo(struct echo *echo)
{
	assert_int_equal(net_listen("127.0.0.1", 0, false, &echo->listen_fd, NULL), ERR_OK);
	echo->port = net_local_port(echo->listen_fd);
	assert_int_equal(pthread_create(&echo->thread, NULL, run_echo, echo), 0);
}

static void end_echo(struct echo *echo)
{
	atomic_store(&echo->over, true);
	(void)pthread_join(echo->thread, NULL);
	(void)close(echo->listen_fd);
}

struct client {
	pthread_t thread;
	uint16_t port;
	uint32_t answered;
};

static void *run_client(void *arg)
{
	struct client *client = arg;
	struct net_address address;
	if (net_resolve("127.0.0.1", client->port, true, &address, NULL) != ERR_OK) {
		return NULL;
	}
	for (uint32_t i = 0; i < REQUESTS; i++) {
		int fd = -1;
		char sent = (char)('a' + i % 26);
		char got = 0;
		if (net_connect(&address, &fd, NULL) != ERR_OK) {
			continue;
		}
		if (patient(put, fd, &sent, 1) == 1 && patient(read, fd, &got, 1) == 1) {
			client->answered += got == sent ? 1 : 0;
		}
		(void)close(fd);
	}
	return NULL;
}

static void publish(struct proxy *proxy, const struct echo *echoes, uint32_t closed)
{
	struct service_table *table = mem_need(sizeof(*table));
	table->service_count = 1;
	memcpy(table->services[0].name, "echo", sizeof("echo"));
	table->services[0].backend_count = BACKENDS;
	for (uint32_t i = 0; i < BACKENDS; i++) {
		struct service_backend *backend = &table->services[0].backends[i];
		*backend = (struct service_backend){ .port = echoes[i].port,
						     .weight = 100 + i,
						     .open = i != closed };
		memcpy(backend->host, "127.0.0.1", sizeof("127.0.0.1"));
	}
	proxy_publish_services(proxy, table);
	(void)mem_free(table);
}

static void count_up(void *ctx, const struct proxy_backend *backend)
{
	uint32_t *up = ctx;
	*up += backend->state == BALANCE_UP ? 1 : 0;
}

static void tables_are_swapped_under_load(void **state)
{
	struct echo echoes[BACKENDS] = { 0 };
	struct client clients[CLIENTS] = { 0 };
	const struct proxy_listener listener = { .host = "127.0.0.1",
						 .role = PROXY_SERVICE,
						 .service = "echo" };
	const struct proxy_options options = { .listeners = &listener,
					       .listener_count = 1,
					       .workers = 2,
					       .connect_ms_max = 5000,
					       .check_interval_ms = 50,
					       .check_timeout_ms = 2000,
					       .check_rise = 1,
					       .check_fall = 3,
					       .clock = &clock_system };
	struct proxy *proxy = NULL;
	uint32_t up = 0;
	(void)state;
	assert_int_equal(proxy_start(&options, &proxy, NULL), ERR_OK);
	for (uint32_t i = 0; i < BACKENDS; i++) {
		start_echo(&echoes[i]);
	}
	publish(proxy, echoes, BACKENDS);
	for (int i = 0; i < WAIT_TRIES && up < BACKENDS; i++) {
		nap();
		up = 0;
		proxy_each_backend(proxy, count_up, &up);
	}
	assert_int_equal(up, BACKENDS);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		clients[i].port = proxy_port(proxy, 0);
		assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]),
				 0);
	}
	for (uint32_t i = 0; i < 40; i++) {
		publish(proxy, echoes, i % (BACKENDS + 1));
		nap();
	}
	publish(proxy, echoes, 0);
	for (int i = 0; i < WAIT_TRIES && !proxy_services_in_force(proxy); i++) {
		nap();
	}
	assert_true(proxy_services_in_force(proxy));
	for (uint32_t i = 0; i < CLIENTS; i++) {
		(void)pthread_join(clients[i].thread, NULL);
		assert_int_equal(clients[i].answered, REQUESTS);
	}
	proxy = proxy_stop(proxy);
	for (uint32_t i = 0; i < BACKENDS; i++) {
		end_echo(&echoes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_swapped_under_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
