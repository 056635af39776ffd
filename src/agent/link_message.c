/* What the link says to the managers and what they answer. */
#include <stdio.h>
#include <string.h>

#include "agent/duty.h"
#include "agent/guard.h"
#include "agent/link_internal.h"
#include "agent/route_json.h"
#include "base/check.h"

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

static void set_text(json_t *json, const char *key, const char *text)
{
	check(json_object_set_new(json, key, json_string(text)) == 0);
}

static void set_number(json_t *json, const char *key, uint64_t number)
{
	check(json_object_set_new(json, key, json_integer((json_int_t)number)) == 0);
}

/* ---------------------------------------------------------------- up */

static void add_proxy(struct link *link, json_t *report)
{
	struct proxy_status status = { 0 };
	if (!link->options.proxy) {
		return;
	}
	proxy_get_status(link->options.proxy, &status);
	set_text(report, "group", link->group);
	set_number(report, "epoch", status.epoch);
	set_number(report, "revision", status.revision);
	set_number(report, "transactions_open", status.transactions_open);
	set_number(report, "statements_held", status.statements_held);
	set_number(report, "sessions", status.sessions);
	check(json_object_set_new(report, "held", json_boolean(status.held)) == 0);
}

/* By the names of the newest route; what is in force is that, or will be in a moment. */
static void add_reads(struct link *link, json_t *report)
{
	struct proxy_status status = { 0 };
	json_t *reads = json_object();
	if (link->options.proxy) {
		proxy_get_status(link->options.proxy, &status);
	}
	for (uint32_t i = 0; i < link->route.server_count; i++) {
		if (status.reads[i]) {
			set_number(reads, link->route.servers[i].name, status.reads[i]);
		}
	}
	check(json_object_set_new(report, "reads", reads) == 0);
}

json_t *link_message_report(struct link *link)
{
	json_t *report = json_object();
	json_t *trouble = json_array();
	add_proxy(link, report);
	set_text(report, "version", MUSTER_VERSION);
	set_text(report, "incarnation", link->incarnation);
	set_text(report, "host", link->host);
	set_number(report, "port", link->options.port);
	set_text(report, "server", link->server);
	json_t *guard = link->options.guard ? guard_to_json(link->options.guard) : json_null();
	check(json_object_set_new(report, "guard", guard) == 0);
	if (link->options.duty) {
		check(json_object_set_new(report, "addresses", duty_to_json(link->options.duty)) ==
		      0);
	}
	(void)pthread_mutex_lock(&link->mutex);
	add_reads(link, report);
	set_number(report, "have_epoch", link->have_epoch);
	set_number(report, "have_revision", link->have_revision);
	set_text(report, "route_from", link->route_from);
	set_text(report, "accounts_have", link->accounts_tag);
	set_text(report, "circle_have", link->circle_tag);
	check(json_object_set_new(report, "draining", json_boolean(link->draining)) == 0);
	for (uint32_t i = 0; i < link->trouble_count; i++) {
		json_t *one = json_pack("{s:s, s:i}", "host", link->troubles[i].host, "port",
					(int)link->troubles[i].port);
		check(one && json_array_append_new(trouble, one) == 0);
	}
	link->trouble_count = 0;
	(void)pthread_mutex_unlock(&link->mutex);
	check(json_object_set_new(report, "trouble", trouble) == 0);
	check(json_object_set_new(report, "leaving", json_boolean(link->leaving)) == 0);
	link_service_report(link, report);
	return report;
}

/* ---------------------------------------------------------------- down */

static enum err read_member(const json_t *json, struct link_member *ret, struct err_ctx *err)
{
	json_int_t port = json_integer_value(json_object_get(json, "port"));
	*ret = (struct link_member){ .manager = json_is_true(json_object_get(json, "manager")) };
	if (str_copy(str_of(text_of(json, "name")), ret->name, sizeof(ret->name)) != ERR_OK ||
	    str_copy(str_of(text_of(json, "id")), ret->id, sizeof(ret->id)) != ERR_OK ||
	    str_copy(str_of(text_of(json, "host")), ret->address.host, sizeof(ret->address.host)) !=
		    ERR_OK ||
	    identity_check_name(str_of(ret->name), NULL) != ERR_OK || port < 1 ||
	    port > UINT16_MAX) {
		return err_set(err, ERR_PROTOCOL, "a member of the circle is malformed");
	}
	ret->address.port = (uint16_t)port;
	(void)snprintf(ret->address.tls_name, sizeof(ret->address.tls_name), "%s.node.muster",
		       ret->name);
	return ERR_OK;
}

/* All or nothing: going on without asking somebody would be unsafe. */
static enum err take_circle(struct link *link, const json_t *answer, struct err_ctx *err)
{
	const json_t *list = json_object_get(answer, "circle");
	struct link_member members[LINK_CIRCLE_MAX];
	uint32_t count = 0;
	if (!list) {
		return ERR_OK;
	}
	if (!json_is_array(list) || json_array_size(list) > LINK_CIRCLE_MAX) {
		return err_set(err, ERR_PROTOCOL, "the circle is no list of at most %d",
			       (int)LINK_CIRCLE_MAX);
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct link_member member;
		enum err rc = read_member(json_array_get(list, i), &member, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (link->options.beside_manager ||
		    strcmp(member.name, link->identity.facts.name) != 0) {
			members[count++] = member;
		}
	}
	(void)pthread_mutex_lock(&link->mutex);
	memcpy(link->circle, members, sizeof(members[0]) * count);
	link->circle_count = count;
	enum err rc = str_copy(str_of(text_of(answer, "circle_tag")), link->circle_tag,
			       sizeof(link->circle_tag));
	(void)pthread_mutex_unlock(&link->mutex);
	return rc ? err_set(err, ERR_PROTOCOL, "the circle's tag is too long") : ERR_OK;
}

static enum err take_accounts(struct link *link, const json_t *answer, struct err_ctx *err)
{
	const json_t *json = json_object_get(answer, "accounts");
	struct accounts *accounts = NULL;
	if (!json || !link->options.proxy) {
		return ERR_OK;
	}
	enum err rc = route_json_read_accounts(json, &accounts, err);
	if (rc != ERR_OK) {
		return err_wrap(err, ERR_PROTOCOL, "accounts");
	}
	proxy_set_accounts(link->options.proxy, accounts);
	(void)pthread_mutex_lock(&link->mutex);
	if (str_copy(str_of(text_of(answer, "accounts_tag")), link->accounts_tag,
		     sizeof(link->accounts_tag)) != ERR_OK) {
		link->accounts_tag[0] = 0;
	}
	(void)pthread_mutex_unlock(&link->mutex);
	return ERR_OK;
}

static enum err take_route(struct link *link, const json_t *answer, struct err_ctx *err)
{
	const json_t *json = json_object_get(answer, "route");
	struct route route;
	if (!json || !link->options.proxy) {
		return ERR_OK;
	}
	enum err rc = route_json_read(json, &route, err);
	if (rc != ERR_OK) {
		return err_wrap(err, ERR_PROTOCOL, "route");
	}
	if (strcmp(route.group, link->group) != 0) {
		return err_set(err, ERR_PROTOCOL, "a route of group '%s' came", route.group);
	}
	(void)pthread_mutex_lock(&link->mutex);
	bool newer = route.epoch > link->have_epoch ||
		     (route.epoch == link->have_epoch && route.revision > link->have_revision);
	if (newer) {
		link->have_epoch = route.epoch;
		link->have_revision = route.revision;
		link->route = route;
		rc = str_copy(str_of(text_of(answer, "route_from")), link->route_from,
			      sizeof(link->route_from));
	}
	(void)pthread_mutex_unlock(&link->mutex);
	if (newer) {
		proxy_publish(link->options.proxy, &route);
	}
	return rc ? err_set(err, ERR_PROTOCOL, "the route's origin is too long") : ERR_OK;
}

/* lease_ms is good for this time; round_ms is what everybody in the circle counts with. */
static enum err take_terms(struct link *link, const json_t *answer, uint64_t *ret_good_us,
			   struct err_ctx *err)
{
	json_int_t good_ms = json_integer_value(json_object_get(answer, "lease_ms"));
	json_int_t round_ms = json_integer_value(json_object_get(answer, "round_ms"));
	json_int_t renew_ms = json_integer_value(json_object_get(answer, "renew_ms"));
	if (good_ms < 0 || round_ms < good_ms || renew_ms <= 0 || renew_ms >= round_ms ||
	    round_ms >= UINT32_MAX) {
		return err_set(err, ERR_PROTOCOL, "the lease's times are malformed");
	}
	link->terms.duration_us = (uint64_t)round_ms * US_PER_MS;
	link->terms.renew_us = (uint64_t)renew_ms * US_PER_MS;
	*ret_good_us = (uint64_t)good_ms * US_PER_MS;
	return ERR_OK;
}

enum err link_message_take(struct link *link, const json_t *answer, uint64_t *ret_good_us,
			   struct err_ctx *err)
{
	if (!json_is_true(json_object_get(answer, "leads"))) {
		return err_set(err, ERR_PROTOCOL, "what answers doesn't lead");
	}
	/* The route first: by the time the lease is renewed the newest one is on its way to the workers. */
	enum err rc = take_route(link, answer, err);
	rc = rc ? rc : take_circle(link, answer, err);
	rc = rc ? rc : take_accounts(link, answer, err);
	rc = rc ? rc : link_service_take(link, answer, err);
	rc = rc || !link->options.duty ? rc : duty_take(link->options.duty, answer, err);
	rc = rc ? rc : take_terms(link, answer, ret_good_us, err);
	if (rc != ERR_OK) {
		return rc;
	}
	(void)pthread_mutex_lock(&link->mutex);
	link->draining = json_is_true(json_object_get(answer, "draining"));
	if (str_copy(str_of(text_of(answer, "manager")), link->leader, sizeof(link->leader)) !=
	    ERR_OK) {
		link->leader[0] = 0;
	}
	(void)pthread_mutex_unlock(&link->mutex);
	return ERR_OK;
}
