/* The eventfd is readable exactly while the queue is not empty: it is set when the first message comes in
 * and cleared, under the same mutex, when the last one goes out. */
#include "os/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "os/clock_system.h"

struct mailbox {
	pthread_mutex_t mutex;
	int fd;
	size_t message_bytes;
	size_t capacity;
	size_t first; /* index of the oldest */
	size_t count;
	uint8_t *messages; /* [capacity], a ring */
};

enum err mailbox_new(size_t message_bytes, size_t capacity, struct mailbox **ret,
		     struct err_ctx *err)
{
	check(message_bytes && capacity);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		return err_set(err, ERR_IO, "eventfd: %s", strerrordesc_np(errno));
	}
	struct mailbox *mailbox = mem_need(sizeof(*mailbox));
	mailbox->messages = mem_need(message_bytes * capacity);
	mailbox->fd = fd;
	mailbox->message_bytes = message_bytes;
	mailbox->capacity = capacity;
	(void)pthread_mutex_init(&mailbox->mutex, NULL);
	*ret = mailbox;
	return ERR_OK;
}

struct mailbox *mailbox_free(struct mailbox *mailbox)
{
	if (mailbox) {
		(void)close(mailbox->fd);
		(void)pthread_mutex_destroy(&mailbox->mutex);
		mem_free(mailbox->messages);
		mem_free(mailbox);
	}
	return NULL;
}

enum err mailbox_post(struct mailbox *mailbox, const void *message)
{
	enum err rc = ERR_LIMIT;
	(void)pthread_mutex_lock(&mailbox->mutex);
	if (mailbox->count < mailbox->capacity) {
		size_t at = (mailbox->first + mailbox->count) % mailbox->capacity;
		memcpy(mailbox->messages + at * mailbox->message_bytes, message,
		       mailbox->message_bytes);
		if (mailbox->count++ == 0) {
			check(eventfd_write(mailbox->fd, 1) == 0);
		}
		rc = ERR_OK;
	}
	(void)pthread_mutex_unlock(&mailbox->mutex);
	return rc;
}

bool mailbox_receive(struct mailbox *mailbox, void *ret_message)
{
	bool found = false;
	(void)pthread_mutex_lock(&mailbox->mutex);
	if (mailbox->count) {
		memcpy(ret_message, mailbox->messages + mailbox->first * mailbox->message_bytes,
		       mailbox->message_bytes);
		mailbox->first = (mailbox->first + 1) % mailbox->capacity;
		if (--mailbox->count == 0) {
			eventfd_t dropped;
			check(eventfd_read(mailbox->fd, &dropped) == 0);
		}
		found = true;
	}
	(void)pthread_mutex_unlock(&mailbox->mutex);
	return found;
}

bool mailbox_wait(struct mailbox *mailbox, uint64_t timeout_us, void *ret_message)
{
	uint64_t start = clock_monotonic_us(&clock_system);
	while (!mailbox_receive(mailbox, ret_message)) {
		struct pollfd slot = { .fd = mailbox->fd, .events = POLLIN };
		struct timespec left = { 0, 0 };
		uint64_t passed = clock_monotonic_us(&clock_system) - start;
		if (passed >= timeout_us) {
			return false;
		}
		left.tv_sec = (time_t)((timeout_us - passed) / US_PER_S);
		left.tv_nsec = (long)((timeout_us - passed) % US_PER_S * 1000);
		(void)ppoll(&slot, 1, timeout_us == UINT64_MAX ? NULL : &left, NULL);
	}
	return true;
}

int mailbox_fd(const struct mailbox *mailbox)
{
	return mailbox->fd;
}
