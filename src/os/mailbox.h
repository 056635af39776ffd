/* A bounded queue of fixed-size messages between threads.
 *
 * Any thread posts; the one owner receives, in its loop by polling mailbox_fd(), or by waiting. A full
 * mailbox refuses: whoever posts decides what is left undone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct mailbox;

/* capacity: messages that wait at most, at least 1. Release with mailbox_free(). */
MUST_CHECK enum err mailbox_new(size_t message_bytes, size_t capacity, struct mailbox **ret,
				struct err_ctx *err);

/* Takes NULL, returns NULL. Messages that still wait are dropped. No thread may use it any more. */
struct mailbox *mailbox_free(struct mailbox *mailbox);

/* Copies one message in and wakes the owner. ERR_LIMIT when the mailbox is full. Never blocks for long:
 * only for the copying of other threads. */
MUST_CHECK enum err mailbox_post(struct mailbox *mailbox, const void *message);

/* Copies the oldest message out; false when there is none. Never blocks. */
bool mailbox_receive(struct mailbox *mailbox, void *ret_message);

/* As mailbox_receive(), but waits up to timeout_us for a message (UINT64_MAX: as long as it takes). */
bool mailbox_wait(struct mailbox *mailbox, uint64_t timeout_us, void *ret_message);

/* Readable as long as messages wait; for poll, epoll or libuv. Only mailbox_receive() reads from it. */
int mailbox_fd(const struct mailbox *mailbox);
