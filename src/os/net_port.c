#include "os/net_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"
#include "os/file.h"
#include "os/random.h"

enum {
	PORT_LOWEST = 10000,
	PORT_EPHEMERAL_DEFAULT = 32768,
	PORT_RANGE_MIN = 1000, /* fewer below the kernel's own range: take from all of them */
	PORT_HIGHEST = 65535,
	RANGE_TEXT_BYTES_MAX = 64,
};

/* Source: Linux Documentation/networking/ip-sysctl.rst, ip_local_port_range. */
static uint16_t ephemeral_lowest(void)
{
	struct buf text;
	uint32_t lowest = PORT_EPHEMERAL_DEFAULT;
	buf_init(&text, RANGE_TEXT_BYTES_MAX);
	if (!file_read("/proc/sys/net/ipv4/ip_local_port_range", &text, NULL)) {
		struct str rest = str_trim(buf_str(&text));
		struct str word;
		if (str_next(&rest, '\t', &word) &&
		    str_parse_u32(str_trim(word), 1, PORT_HIGHEST, &lowest)) {
			lowest = PORT_EPHEMERAL_DEFAULT;
		}
	}
	buf_fini(&text);
	return (uint16_t)lowest;
}

static int bind_local(uint16_t port, int reuse)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		int saved = errno;
		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int is_avoided(uint16_t port, const uint16_t *avoid, size_t avoid_count)
{
	for (size_t i = 0; i < avoid_count; i++) {
		if (avoid[i] == port) {
			return 1;
		}
	}
	return 0;
}

enum err net_port_hold(size_t count, const uint16_t *avoid, size_t avoid_count,
		       struct net_port_set *ret, struct err_ctx *err)
{
	struct net_port_set set = { .count = 0 };
	check(count && count <= NET_PORTS_MAX);
	uint32_t end = ephemeral_lowest();
	if (end < PORT_LOWEST + PORT_RANGE_MIN) {
		end = PORT_HIGHEST;
	}
	uint32_t range = end - PORT_LOWEST;
	uint32_t start;
	random_bytes(&start, sizeof(start));
	for (uint32_t i = 0; i < range && set.count < count; i++) {
		uint16_t port = (uint16_t)(PORT_LOWEST + (start % range + i) % range);
		if (is_avoided(port, avoid, avoid_count)) {
			continue;
		}
		int fd = bind_local(port, 0);
		if (fd >= 0) {
			set.ports[set.count] = port;
			set.fds[set.count++] = fd;
		}
	}
	if (set.count < count) {
		net_port_let_go_all(&set);
		return err_set(err, ERR_LIMIT, "fewer than %zu free ports on 127.0.0.1", count);
	}
	*ret = set;
	return ERR_OK;
}

void net_port_let_go(struct net_port_set *set, size_t index)
{
	if (index < set->count && set->fds[index] >= 0) {
		(void)close(set->fds[index]);
		set->fds[index] = -1;
	}
}

void net_port_let_go_all(struct net_port_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		net_port_let_go(set, i);
	}
}

enum err net_port_check_free(uint16_t port, struct err_ctx *err)
{
	/* With SO_REUSEADDR connections of an ended server that linger in TIME_WAIT don't count. */
	int fd = bind_local(port, 1);
	if (fd < 0 || listen(fd, 1)) {
		int saved = errno;
		if (fd >= 0) {
			(void)close(fd);
		}
		return err_set(err, ERR_EXISTS, "port 127.0.0.1:%u: %s", (unsigned)port,
			       strerrordesc_np(saved));
	}
	(void)close(fd);
	return ERR_OK;
}
