/* Without these two servers could be given one port, or a server that is down lose its port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/net_port.h"

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void test_held_and_let_go(void **state)
{
	(void)state;
	struct net_port_set set = { .count = 0 };
	assert_int_equal(net_port_hold(8, NULL, 0, &set, NULL), ERR_OK);
	assert_int_equal(set.count, 8);
	for (size_t i = 0; i < set.count; i++) {
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(set.ports[i], set.ports[k]);
		}
		assert_int_equal(listen_on(set.ports[i]), -1);
	}
	net_port_let_go(&set, 0);
	int fd = listen_on(set.ports[0]);
	assert_true(fd >= 0);
	assert_int_equal(net_port_check_free(set.ports[0], NULL), ERR_EXISTS);
	(void)close(fd);
	assert_int_equal(net_port_check_free(set.ports[0], NULL), ERR_OK);
	net_port_let_go_all(&set);
	net_port_let_go_all(&set);
}

static void test_avoided(void **state)
{
	(void)state;
	static uint16_t avoid[20000];
	struct net_port_set set = { .count = 0 };
	for (size_t i = 0; i < sizeof(avoid) / sizeof(avoid[0]); i++) {
		avoid[i] = (uint16_t)(10000 + i);
	}
	assert_int_equal(net_port_hold(3, avoid, sizeof(avoid) / sizeof(avoid[0]), &set, NULL),
			 ERR_OK);
	for (size_t i = 0; i < set.count; i++) {
		assert_true(set.ports[i] >= 30000);
	}
	net_port_let_go_all(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_and_let_go),
		cmocka_unit_test(test_avoided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
