#include "agent/duty.h"

#include <string.h>
#include <time.h>

#include "agent/netlink.h"
#include "agent/privilege.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "os/clock_system.h"

enum {
	TAG_BYTES_MAX = 64,
	LOOK_AGAIN_MS = 1000, /* whether an address could be held is asked of the kernel so often */
	START_AGAIN_MS = 5000,
	LEAVE_LOOK_MS = 5,
	LEAVE_WAIT_MS = 1000, /* a removal takes milliseconds */
};

struct order {
	char address[ADDRESS_BYTES_MAX];
	bool hold;
	bool able;
	uint64_t checked_us;		   /* when `able` was found out; 0: not yet */
	char why[HOLDING_WORDS_BYTES_MAX]; /* it can't be held here; "" otherwise */
};

struct duty {
	struct duty_options options;
	struct floating *floating; /* NULL: not started */
	bool leaving;
	bool told; /* the log knows that it could not be started */
	uint64_t start_not_before_us;
	char why[HOLDING_WORDS_BYTES_MAX]; /* this node can hold nothing; "" otherwise */
	char tag[TAG_BYTES_MAX];
	uint32_t count;
	struct order orders[FLOATING_ADDRESSES_MAX];
};

static uint64_t now(void)
{
	return clock_monotonic_us(&clock_system);
}

static void note(char to[HOLDING_WORDS_BYTES_MAX], enum err rc, const struct err_ctx *err)
{
	const char *text = rc == ERR_OK ? "" : err_text(rc, err);
	size_t bytes = strnlen(text, HOLDING_WORDS_BYTES_MAX - 1);
	memcpy(to, text, bytes);
	to[bytes] = 0;
}

static void on_changed(void *ctx, const struct floating_view *view)
{
	const struct duty *duty = ctx;
	(void)view;
	if (duty->options.changed) {
		duty->options.changed(duty->options.ctx);
	}
}

struct duty *duty_new(const struct duty_options *options)
{
	struct duty *duty = mem_need(sizeof(*duty));
	struct err_ctx err = { 0 };
	enum err rc = ERR_OK;
	duty->options = *options;
	duty->options.holding.changed = on_changed;
	duty->options.holding.ctx = duty;
	if (!options->hold) {
		rc = err_set(&err, ERR_REFUSED, "[address] hold is off in its configuration");
	} else if (options->holding.native) {
		rc = privilege_check(&err);
	}
	note(duty->why, rc, &err);
	if (options->hold && rc != ERR_OK) {
		log_event(options->holding.log, LOG_INFO, "address.unable", duty->why);
		duty->told = true;
	}
	return duty;
}

struct duty *duty_free(struct duty *duty)
{
	if (duty) {
		duty->floating = floating_stop(duty->floating);
	}
	return mem_free(duty);
}

/* ---------------------------------------------------------------- orders */

static struct order *find(struct order *orders, uint32_t count, const char *address)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(orders[i].address, address) == 0) {
			return &orders[i];
		}
	}
	return NULL;
}

/* Without the holder there is nothing to let go: what a process before has left ends by its lifetime. */
static void let_go(struct duty *duty, const char *address)
{
	struct err_ctx err = { 0 };
	enum err rc = duty->floating ? floating_release(duty->floating, address, &err) : ERR_OK;
	if (rc != ERR_OK) {
		log_event(duty->options.holding.log, LOG_ERROR, "address.failed",
			  err_text(rc, &err), LOG_TEXT("address", address));
	}
}

static void start(struct duty *duty)
{
	struct err_ctx err = { 0 };
	if (duty->floating || duty->leaving || !duty->options.hold || duty->count == 0 ||
	    now() < duty->start_not_before_us) {
		return;
	}
	duty->start_not_before_us = now() + (uint64_t)START_AGAIN_MS * US_PER_MS;
	enum err rc = floating_start(&duty->options.holding, &duty->floating, &err);
	note(duty->why, rc, &err);
	if (rc != ERR_OK && !duty->told) {
		log_event(duty->options.holding.log, LOG_WARN, "address.unable", duty->why);
	}
	duty->told = rc != ERR_OK;
	for (uint32_t i = 0; i < duty->count && rc == ERR_OK; i++) {
		if (!duty->orders[i].hold) {
			let_go(duty, duty->orders[i].address);
		}
	}
}

static enum err read_order(const json_t *json, struct order *ret, struct err_ctx *err)
{
	const char *text = json_string_value(json_object_get(json, "address"));
	struct address address;
	*ret = (struct order){ .hold = json_is_true(json_object_get(json, "hold")) };
	if (!text || address_parse(str_of(text), &address, err) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "an order names no address");
	}
	address_print(&address, ret->address);
	return ERR_OK;
}

enum err duty_take(struct duty *duty, const json_t *answer, struct err_ctx *err)
{
	const json_t *list = json_object_get(answer, "addresses");
	const char *tag = json_string_value(json_object_get(answer, "addresses_tag"));
	struct order orders[FLOATING_ADDRESSES_MAX];
	size_t count = json_array_size(list);
	if (!list) {
		return ERR_OK;
	}
	if (!json_is_array(list) || count > FLOATING_ADDRESSES_MAX || !tag ||
	    strlen(tag) >= TAG_BYTES_MAX) {
		return err_set(err, ERR_PROTOCOL, "the addresses are no list of at most %d",
			       (int)FLOATING_ADDRESSES_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		enum err rc = read_order(json_array_get(list, i), &orders[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	/* What is named no longer is let go as well. */
	for (uint32_t i = 0; i < duty->count; i++) {
		if (!find(orders, (uint32_t)count, duty->orders[i].address)) {
			let_go(duty, duty->orders[i].address);
		}
	}
	memcpy(duty->orders, orders, count * sizeof(orders[0]));
	duty->count = (uint32_t)count;
	check(str_copy(str_of(tag), duty->tag, sizeof(duty->tag)) == ERR_OK);
	for (uint32_t i = 0; i < duty->count; i++) {
		if (!duty->orders[i].hold) {
			let_go(duty, duty->orders[i].address);
		}
	}
	start(duty);
	return ERR_OK;
}

void duty_renew(struct duty *duty, uint64_t until_us)
{
	start(duty);
	for (uint32_t i = 0; i < duty->count && duty->floating && !duty->leaving; i++) {
		struct err_ctx err = { 0 };
		struct order *order = &duty->orders[i];
		enum err rc =
			order->hold ? floating_hold(duty->floating, order->address, until_us, &err)
				    : ERR_OK;
		if (rc != ERR_OK) {
			note(order->why, rc, &err);
		}
	}
}

void duty_leave(struct duty *duty)
{
	const struct floating_options *holding = &duty->options.holding;
	const struct timespec pause = { 0, (long)LEAVE_LOOK_MS * 1000000 };
	uint64_t end_us = now() + (uint64_t)LEAVE_WAIT_MS * US_PER_MS +
			  (holding->program ? holding->program_limit_us : 0);
	duty->leaving = true;
	for (uint32_t i = 0; i < duty->count; i++) {
		duty->orders[i].hold = false;
		let_go(duty, duty->orders[i].address);
	}
	while (!duty_is_settled(duty) && now() < end_us) {
		(void)nanosleep(&pause, NULL);
	}
}

/* ---------------------------------------------------------------- reports */

/* An address that the holder was never told of; only the kernel can say whether it is here. */
static enum holding_state look_around(const struct duty *duty, const struct order *order)
{
	struct address address;
	struct netlink_found found;
	struct netlink *netlink = NULL;
	if (!duty->options.holding.native) {
		return HOLDING_ABSENT;
	}
	enum err rc = address_parse(str_of(order->address), &address, NULL);
	rc = rc ? rc : netlink_open(&netlink, NULL);
	rc = rc ? rc : netlink_find(netlink, &address, &found, NULL);
	netlink = netlink_close(netlink);
	return rc == ERR_NOT_FOUND ? HOLDING_ABSENT : HOLDING_UNKNOWN;
}

static void look(struct duty *duty, const struct order *order, struct floating_view *ret)
{
	*ret = (struct floating_view){ .state = HOLDING_UNKNOWN };
	if (!duty->floating || floating_look(duty->floating, order->address, ret, NULL) != ERR_OK) {
		ret->state = look_around(duty, order);
	}
}

/* Whether the address could be held here. One that is held well is able. */
static void check_able(struct duty *duty, struct order *order, const struct floating_view *view)
{
	struct err_ctx err = { 0 };
	enum err rc = ERR_OK;
	if (view->state == HOLDING_HELD) {
		order->able = true;
		order->why[0] = 0;
		order->checked_us = 0;
		return;
	}
	if (order->checked_us && now() < order->checked_us + (uint64_t)LOOK_AGAIN_MS * US_PER_MS) {
		return;
	}
	order->checked_us = now();
	if (duty->why[0]) {
		rc = err_set(&err, ERR_REFUSED, "%s", duty->why);
	} else {
		rc = floating_check(&duty->options.holding, order->address, &err);
	}
	order->able = rc == ERR_OK;
	note(order->why, rc, &err);
}

static json_t *order_json(struct duty *duty, struct order *order)
{
	struct floating_view view;
	look(duty, order, &view);
	check_able(duty, order, &view);
	json_t *json =
		json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:b}", "address", order->address, "state",
			  holding_state_name(view.state), "able", (int)order->able, "why",
			  order->able ? view.words : order->why, "interface", view.interface,
			  "rival", view.rival, "contested", (int)view.contested);
	return json ? json
		    : json_pack("{s:s, s:s, s:b}", "address", order->address, "state", "unknown",
				"able", 0);
}

json_t *duty_to_json(struct duty *duty)
{
	json_t *list = json_array();
	const struct floating_options *holding = &duty->options.holding;
	for (uint32_t i = 0; i < duty->count; i++) {
		check(json_array_append_new(list, order_json(duty, &duty->orders[i])) == 0);
	}
	bool able = !duty->why[0] && !duty->leaving;
	json_t *json = json_pack("{s:b, s:s, s:s, s:b, s:b, s:o}", "able", (int)able, "why",
				 duty->leaving ? "it is stopping" : duty->why, "have", duty->tag,
				 "leaving", (int)duty->leaving, "slack",
				 (int)(holding->native && !holding->check), "list", list);
	check(json);
	return json;
}

bool duty_is_settled(struct duty *duty)
{
	for (uint32_t i = 0; i < duty->count && duty->floating; i++) {
		struct floating_view view;
		const struct order *order = &duty->orders[i];
		look(duty, order, &view);
		bool on_its_way = order->hold ? view.state == HOLDING_UNKNOWN ||
							view.state == HOLDING_ABSENT ||
							view.state == HOLDING_PROBING
					      : view.state != HOLDING_ABSENT;
		if (on_its_way) {
			return false;
		}
	}
	return true;
}
