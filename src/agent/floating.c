#include "agent/floating.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/floating_internal.h"
#include "agent/privilege.h"
#include "base/clock.h"
#include "base/mem.h"
#include "os/clock_system.h"

static const char lock_name[] = "muster-floating";

static uint64_t now(void)
{
	return clock_monotonic_us(&clock_system);
}

static void wake(struct floating *floating)
{
	(void)eventfd_write(floating->wake_fd, 1);
}

/* An abstract socket has its name in this network namespace, as the addresses do, and it ends with the process. */
static enum err take_lock(int *ret_fd, struct err_ctx *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	memcpy(name.sun_path + 1, lock_name, sizeof(lock_name));
	socklen_t bytes = offsetof(struct sockaddr_un, sun_path) + sizeof(lock_name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&name, bytes) != 0) {
		int error = errno;
		if (fd >= 0) {
			(void)close(fd);
		}
		if (error == EADDRINUSE) {
			return err_set(err, ERR_EXISTS,
				       "another muster holds the floating addresses of this host: "
				       "end it first");
		}
		return err_set(err, ERR_IO, "cannot lock the floating addresses: %s",
			       strerrordesc_np(error));
	}
	*ret_fd = fd;
	return ERR_OK;
}

static void told_leftover(void *ctx, const struct address *address)
{
	const struct floating *floating = ctx;
	char text[ADDRESS_BYTES_MAX];
	address_print(address, text);
	log_event(floating->log, LOG_INFO, "floating.leftover",
		  "removed what an earlier process left", LOG_TEXT("address", text));
}

static enum err start_native(struct floating *floating, struct err_ctx *err)
{
	enum err rc = privilege_check(err);
	rc = rc ? rc : take_lock(&floating->lock_fd, err);
	rc = rc ? rc : netlink_open(&floating->netlink, err);
	rc = rc ? rc : netlink_remove_ours(floating->netlink, told_leftover, floating, err);
	return rc ? rc : netlink_watch(floating->netlink, err);
}

static void close_fd(int fd)
{
	if (fd >= 0) {
		(void)close(fd);
	}
}

static struct floating *floating_free(struct floating *floating)
{
	for (size_t i = 0; i < floating->slot_count; i++) {
		if (floating->slots[i].used) {
			floating_act_fini(&floating->slots[i]);
		}
	}
	floating->netlink = netlink_close(floating->netlink);
	close_fd(floating->timer_fd);
	close_fd(floating->wake_fd);
	close_fd(floating->lock_fd);
	(void)pthread_mutex_destroy(&floating->mutex);
	mem_free(floating);
	return NULL;
}

enum err floating_start(const struct floating_options *options, struct floating **ret,
			struct err_ctx *err)
{
	const char *program = options->program ? options->program : "";
	if (!options->native && !program[0]) {
		return err_set(err, ERR_CONFIG,
			       "floating addresses need a program where they aren't put on "
			       "interfaces by muster itself");
	}
	struct floating *made = mem_need(sizeof(*made));
	made->native = options->native;
	made->check = options->check;
	made->program_limit_us = options->program_limit_us;
	made->log = options->log;
	made->changed = options->changed;
	made->ctx = options->ctx;
	made->lock_fd = -1;
	made->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	made->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	(void)pthread_mutex_init(&made->mutex, NULL);
	enum err rc = ERR_OK;
	if (made->wake_fd < 0 || made->timer_fd < 0) {
		rc = err_set(err, ERR_IO, "cannot make a timer: %s", strerrordesc_np(errno));
	} else if (str_copy(str_of(program), made->program, sizeof(made->program))) {
		rc = err_set(err, ERR_CONFIG, "the program's command is too long");
	} else if (made->native) {
		rc = start_native(made, err);
	}
	rc = rc ? rc : thread_start(&made->thread, "floating", floating_turn_run, made, err);
	if (rc) {
		(void)floating_free(made);
		return rc;
	}
	*ret = made;
	return ERR_OK;
}

struct floating *floating_stop(struct floating *floating)
{
	if (!floating) {
		return NULL;
	}
	(void)pthread_mutex_lock(&floating->mutex);
	floating->stopping = true;
	(void)pthread_mutex_unlock(&floating->mutex);
	wake(floating);
	thread_join(&floating->thread);
	for (size_t i = 0; i < floating->slot_count; i++) {
		const struct floating_view *view = &floating->slots[i].view;
		if (view->state != HOLDING_ABSENT) {
			log_event(floating->log, LOG_WARN, "floating.left",
				  "address could not be released: left to the kernel's lifetime",
				  LOG_TEXT("address", view->address), LOG_TEXT("why", view->words));
		}
	}
	return floating_free(floating);
}

enum err floating_check(const struct floating_options *options, const char *address,
			struct err_ctx *err)
{
	struct address parsed;
	struct netlink_interface interface;
	struct netlink *netlink = NULL;
	enum err rc = address_parse(str_of(address), &parsed, err);
	if (rc || !options->native) {
		return rc;
	}
	rc = privilege_check(err);
	rc = rc ? rc : netlink_open(&netlink, err);
	rc = rc ? rc : floating_act_look_here(netlink, &parsed, err);
	rc = rc ? rc : netlink_interface(netlink, &parsed, &interface, err);
	netlink = netlink_close(netlink);
	return rc;
}

/* The slot of an address, NULL when it was never named. Under the mutex. */
static struct floating_slot *find(struct floating *floating, const struct address *address)
{
	for (size_t i = 0; i < floating->slot_count; i++) {
		if (address_is_same_ip(&floating->slots[i].named, address)) {
			return &floating->slots[i];
		}
	}
	return NULL;
}

static bool is_written_alike(const struct address *a, const struct address *b)
{
	return a->prefix_bits == b->prefix_bits && strcmp(a->interface, b->interface) == 0;
}

/* The slot of an address that is spoken of, a new one if need be. Under the mutex. */
static enum err find_or_add(struct floating *floating, const struct address *address,
			    struct floating_slot **ret, struct err_ctx *err)
{
	struct floating_slot *slot = find(floating, address);
	if (!slot) {
		if (floating->slot_count == FLOATING_ADDRESSES_MAX) {
			return err_set(err, ERR_LIMIT,
				       "more than %d floating addresses on one host",
				       FLOATING_ADDRESSES_MAX);
		}
		slot = &floating->slots[floating->slot_count++];
		slot->named = *address;
		slot->view.state = HOLDING_UNKNOWN;
		slot->view.since_us = now();
		address_print(address, slot->view.address);
	} else if (!is_written_alike(&slot->named, address)) {
		if (slot->view.state != HOLDING_ABSENT || slot->told_number != slot->wish_number ||
		    slot->wish_until_us) {
			return err_set(err, ERR_CONFLICT,
				       "it is in use as '%s': release it before it is changed",
				       slot->view.address);
		}
		slot->named = *address;
	}
	*ret = slot;
	return ERR_OK;
}

static enum err wish(struct floating *floating, const char *address, uint64_t until_us,
		     struct err_ctx *err)
{
	struct address parsed;
	struct floating_slot *slot = NULL;
	enum err rc = address_parse(str_of(address), &parsed, err);
	if (rc) {
		return rc;
	}
	(void)pthread_mutex_lock(&floating->mutex);
	rc = find_or_add(floating, &parsed, &slot, err);
	if (slot) {
		slot->wish_lapsed =
			slot->wish_lapsed || (slot->wish_until_us && now() >= slot->wish_until_us);
		slot->wish_until_us = until_us;
		slot->wish_changed = true;
		slot->wish_number++;
	}
	(void)pthread_mutex_unlock(&floating->mutex);
	wake(floating);
	return rc;
}

enum err floating_hold(struct floating *floating, const char *address, uint64_t until_us,
		       struct err_ctx *err)
{
	return wish(floating, address, until_us, err);
}

enum err floating_release(struct floating *floating, const char *address, struct err_ctx *err)
{
	return wish(floating, address, 0, err);
}

enum err floating_announce(struct floating *floating, const char *address, struct err_ctx *err)
{
	struct address parsed;
	enum err rc = address_parse(str_of(address), &parsed, err);
	if (rc) {
		return rc;
	}
	(void)pthread_mutex_lock(&floating->mutex);
	struct floating_slot *slot = find(floating, &parsed);
	if (slot) {
		slot->wish_announce = true;
		slot->wish_changed = true;
	}
	(void)pthread_mutex_unlock(&floating->mutex);
	if (!slot) {
		return err_set(err, ERR_NOT_FOUND, "'%s' was never named", address);
	}
	wake(floating);
	return ERR_OK;
}

/* An absence that was proven before the newest word is none: the thread may be about to do what the word before
 * that asked for. Under the mutex. */
static void copy_view(const struct floating_slot *slot, struct floating_view *ret)
{
	*ret = slot->view;
	if (ret->state == HOLDING_ABSENT && slot->told_number != slot->wish_number) {
		ret->state = slot->wish_until_us ? HOLDING_PROBING : HOLDING_RELEASING;
		ret->words[0] = 0;
	}
}

enum err floating_look(struct floating *floating, const char *address, struct floating_view *ret,
		       struct err_ctx *err)
{
	struct address parsed;
	enum err rc = address_parse(str_of(address), &parsed, err);
	if (rc) {
		return rc;
	}
	(void)pthread_mutex_lock(&floating->mutex);
	const struct floating_slot *slot = find(floating, &parsed);
	if (slot) {
		copy_view(slot, ret);
	}
	(void)pthread_mutex_unlock(&floating->mutex);
	return slot ? ERR_OK : err_set(err, ERR_NOT_FOUND, "'%s' was never named", address);
}

size_t floating_list(struct floating *floating,
		     struct floating_view ret_views[FLOATING_ADDRESSES_MAX])
{
	(void)pthread_mutex_lock(&floating->mutex);
	size_t count = floating->slot_count;
	for (size_t i = 0; i < count; i++) {
		copy_view(&floating->slots[i], &ret_views[i]);
	}
	(void)pthread_mutex_unlock(&floating->mutex);
	return count;
}
