/* To be preloaded: the program's wall clock is off by what a file says (8 bytes, microseconds, may change at any time);
 * clocks that count from the start are left alone. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_us;

__attribute__((constructor)) static void map_file(void)
{
	const char *path = secure_getenv("WALL_SHIFT_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		void *bytes = mmap(NULL, sizeof(*shift_us), PROT_READ, MAP_SHARED, fd, 0);
		shift_us = bytes == MAP_FAILED ? NULL : bytes;
		(void)close(fd);
	}
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ret);
	if (rc == 0 && shift_us && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		int64_t ns = (int64_t)ret->tv_nsec + *shift_us % 1000000 * 1000;
		ret->tv_sec += *shift_us / 1000000 + (ns >= 1000000000) - (ns < 0);
		ret->tv_nsec = ns >= 1000000000 ? ns - 1000000000 : ns < 0 ? ns + 1000000000 : ns;
	}
	return rc;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret) {
		*ret = now.tv_sec;
	}
	return now.tv_sec;
}
