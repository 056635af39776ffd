/* The manager's thread: takes what the peers, the proxy and the doors send, and gives each group its turns. */
#include "manager/manager.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/conn.h"
#include "manager/calls/call.h"
#include "manager/nodes/consent.h"
#include "manager/nodes/node_report.h"
#include "manager/records/records.h"
#include "manager/vitals.h"
#include "os/mailbox.h"
#include "os/thread.h"

enum {
	MAIL_MAX = 4096,
	MAIL_RETRY_MS = 1,
	PAUSE_MS =
		1000, /* a turn so late means that this process didn't run: old evidence is void */
	FOLLOW_INTERVAL_MS = 100, /* between two turns of a manager that doesn't lead */
	FLUSH_INTERVAL_MS = 500,  /* of events that no other commit took along */
};

enum mail_kind {
	MAIL_SIGHTING,
	MAIL_OUTCOME,
	MAIL_PULSE,
	MAIL_ACCOUNTS,
	MAIL_HOOK,
	MAIL_CALL,
	MAIL_TROUBLE,
	MAIL_WAKE
};

struct mail {
	enum mail_kind kind;
	uint16_t port;	   /* MAIL_TROUBLE */
	struct peer *peer; /* referenced */
	void *body;
	const struct call_row *row;
	uint64_t serial;	   /* MAIL_HOOK */
	char host[HOST_BYTES_MAX]; /* MAIL_TROUBLE */
};

struct manager {
	struct manager_core core;
	struct thread thread;
	struct mailbox *mail;
	struct conn_permit permit; /* of the steps */
	atomic_bool stopping;
	uint64_t turned_us;
	uint64_t flushed_us;
	uint64_t hook_serials;
	struct webhooks *webhooks; /* NULL: none is configured */
};

/* Mail that may not be lost waits for room; there is more room than senders. */
static void post(struct manager *manager, const struct mail *mail)
{
	const struct timespec pause = { 0, (long)MAIL_RETRY_MS * 1000000 };
	while (mailbox_post(manager->mail, mail) != ERR_OK) {
		(void)nanosleep(&pause, NULL);
	}
}

static void on_sighting(void *ctx, struct peer *peer, struct sighting *sighting)
{
	const struct mail mail = { .kind = MAIL_SIGHTING,
				   .peer = peer_ref(peer),
				   .body = sighting };
	post(ctx, &mail);
}

static void on_outcome(void *ctx, struct peer *peer, struct outcome *outcome)
{
	const struct mail mail = { .kind = MAIL_OUTCOME, .peer = peer_ref(peer), .body = outcome };
	post(ctx, &mail);
}

static void on_pulse(void *ctx, struct peer *peer, struct pulse_report *report)
{
	const struct mail mail = { .kind = MAIL_PULSE, .peer = peer_ref(peer), .body = report };
	post(ctx, &mail);
}

static void on_accounts(void *ctx, struct peer *peer, struct accounts *accounts)
{
	const struct mail mail = { .kind = MAIL_ACCOUNTS,
				   .peer = peer_ref(peer),
				   .body = accounts };
	post(ctx, &mail);
}

static void on_hook(void *ctx, uint64_t serial)
{
	const struct mail mail = { .kind = MAIL_HOOK, .serial = serial };
	post(ctx, &mail);
}

/* Mail that only wakes: when there is no room, what is there wakes the loop all the same. */
static void knock(struct manager_door *door, const struct mail *mail)
{
	(void)pthread_mutex_lock(&door->mutex);
	if (door->manager) {
		(void)!mailbox_post(door->manager->mail, mail);
	}
	(void)pthread_mutex_unlock(&door->mutex);
}

void manager_on_proxy_changed(void *door)
{
	const struct mail mail = { .kind = MAIL_WAKE };
	knock(door, &mail);
}

void manager_on_proxy_trouble(void *door, const char *host, uint16_t port)
{
	struct mail mail = { .kind = MAIL_TROUBLE, .port = port };
	if (str_copy(str_of(host), mail.host, sizeof(mail.host)) == ERR_OK) {
		knock(door, &mail);
	}
}

static void wake(void *ctx)
{
	struct manager *manager = ctx;
	const struct mail mail = { .kind = MAIL_WAKE };
	(void)!mailbox_post(manager->mail, &mail);
}

static bool may_act(void *ctx)
{
	const struct manager *manager = ctx;
	return role_may_act(&manager->core);
}

static void tie_door(struct manager_door *door, struct manager *manager)
{
	if (door) {
		(void)pthread_mutex_lock(&door->mutex);
		door->manager = manager;
		(void)pthread_mutex_unlock(&door->mutex);
	}
}

static struct group *find_group(struct manager *manager, const struct peer *peer,
				uint32_t *ret_server)
{
	LIST_EACH (&manager->core.groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		uint32_t server = group_find_peer(group, peer);
		if (server != SERVER_NONE) {
			*ret_server = server;
			return group;
		}
	}
	return NULL;
}

/* The proxy lost a connection to a server: it is looked at now. */
static void look_now(struct manager_core *core, const char *host, uint16_t port)
{
	LIST_EACH (&core->groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		for (uint32_t i = 0; i < group->record.server_count; i++) {
			const struct record_server *server = &group->record.servers[i];
			if (server->port == port && strcmp(server->host, host) == 0) {
				peer_poke(group->members[i].peer);
			}
		}
	}
}

static void take_accounts(struct manager *manager, const struct group *group,
			  struct accounts *accounts)
{
	const struct manager_options *options = &manager->core.options;
	if (group && manager->core.nodes) {
		nodes_set_accounts(manager->core.nodes, group->record.group, accounts);
	}
	if (group && options->proxy && !options->nodes.linked &&
	    strcmp(options->proxy_group, group->record.group) == 0) {
		proxy_set_accounts(options->proxy, accounts);
	} else {
		(void)accounts_unref(accounts);
	}
}

static void run_call(struct manager *manager, struct call *call, const struct call_row *row)
{
	(void)pthread_mutex_lock(&call->mutex);
	bool abandoned = call->abandoned;
	call->taken = true;
	(void)pthread_mutex_unlock(&call->mutex);
	if (abandoned) {
		call_free(call);
		return;
	}
	struct err_ctx err = { 0 };
	json_t *result = NULL;
	enum err rc = row->changes ? role_check(&manager->core, &err) : ERR_OK;
	rc = rc ? rc : row->run(&manager->core, call, &result, &err);
	if (rc == ERR_AGAIN) {
		call_park(call);
	} else {
		call_answer(call, rc, &err, result);
	}
}

static void take_hook(struct manager *manager, uint64_t serial)
{
	struct turn_context context = call_context(&manager->core);
	LIST_EACH (&manager->core.groups, at) {
		if (hooks_take(LIST_ENTRY(at, struct group, list), &context, serial)) {
			return;
		}
	}
}

static void take_mail(struct manager *manager, struct mail *mail)
{
	struct turn_context context = call_context(&manager->core);
	uint32_t server = SERVER_NONE;
	struct group *group = mail->peer ? find_group(manager, mail->peer, &server) : NULL;
	switch (mail->kind) {
	case MAIL_SIGHTING:
		if (group) {
			group_take_sighting(group, &context, server, mail->body);
		} else {
			(void)sighting_free(mail->body);
		}
		break;
	case MAIL_OUTCOME:
		if (group) {
			group_take_outcome(group, &context, server, mail->body);
		} else {
			(void)outcome_free(mail->body);
		}
		break;
	case MAIL_PULSE:
		if (group) {
			vitals_take_pulse(group, server, mail->body);
		}
		mem_free(mail->body);
		break;
	case MAIL_ACCOUNTS:
		take_accounts(manager, group, mail->body);
		break;
	case MAIL_HOOK:
		take_hook(manager, mail->serial);
		break;
	case MAIL_CALL:
		run_call(manager, mail->body, mail->row);
		break;
	case MAIL_TROUBLE:
		look_now(&manager->core, mail->host, mail->port);
		break;
	case MAIL_WAKE:
		break;
	}
	(void)peer_unref(mail->peer);
}

/* After a pause of this process what was seen before proves nothing: the windows begin anew. */
static void notice_pause(struct manager *manager, uint64_t now_us)
{
	uint64_t late_us = now_us - manager->turned_us;
	/* A shared store may take its time over what was asked of it; the servers are watched all the same. */
	const struct store_place *place = &manager->core.options.place;
	uint64_t store_ms = place->kind == STORE_ETCD ? (uint64_t)2 * place->timeout_ms : 0;
	if (manager->turned_us != 0 && late_us > (PAUSE_MS + store_ms) * US_PER_MS) {
		LIST_EACH (&manager->core.groups, at) {
			struct group *group = LIST_ENTRY(at, struct group, list);
			struct turn_context context = call_context(&manager->core);
			group->seen.started_us = now_us;
			group_tell(group, &context, LOG_WARN, "manager.paused", SERVER_NONE, 0,
				   late_us,
				   "this manager did not run for a while; it looks at everything "
				   "anew");
		}
	}
	manager->turned_us = now_us;
}

static void flush_events(struct manager *manager, uint64_t now_us)
{
	if (now_us - manager->flushed_us < (uint64_t)FLUSH_INTERVAL_MS * US_PER_MS) {
		return;
	}
	manager->flushed_us = now_us;
	struct store_change changes[STORE_CHANGES_MAX];
	size_t count = event_log_flush(manager->core.events, changes, STORE_CHANGES_MAX);
	if (count == 0) {
		return;
	}
	struct err_ctx err = { 0 };
	enum err rc = store_commit(manager->core.options.store, changes, count, &err);
	if (rc == ERR_OK) {
		event_log_flushed(manager->core.events);
	} else if (rc == ERR_CONFLICT && manager->core.role.leader) {
		leader_doubt(manager->core.role.leader);
	} else {
		log_event(manager->core.options.log, LOG_WARN, "store.failed",
			  "events are kept in memory until they can be stored",
			  LOG_TEXT("error", err_text(rc, &err)));
	}
}

/* Another one decides. */
static uint64_t follow_groups(struct manager *manager)
{
	struct turn_context context = call_context(&manager->core);
	LIST_EACH (&manager->core.groups, at) {
		group_follow(LIST_ENTRY(at, struct group, list), &context);
	}
	return context.now_us + (uint64_t)FOLLOW_INTERVAL_MS * US_PER_MS;
}

/* Nothing is decided before it is known which nodes there are: they may carry clients. */
static bool lead_nodes(struct manager *manager)
{
	struct nodes *nodes = manager->core.nodes;
	struct err_ctx err = { 0 };
	uint64_t now_us = clock_monotonic_us(manager->core.options.clock);
	uint64_t former_us = role_former_us(&manager->core, now_us);
	enum err rc =
		nodes ? nodes_lead(nodes, manager->core.options.store, former_us, &err) : ERR_OK;
	if (rc != ERR_OK) {
		log_event(manager->core.options.log, LOG_WARN, "store.failed",
			  "the nodes can't be read; nothing is decided until they can",
			  LOG_TEXT("error", err_text(rc, &err)));
	}
	return rc == ERR_OK;
}

/* Who asks for consent by an older route is refused from here on; nothing is opened before the next turn. */
static void note_epochs(struct manager *manager)
{
	const struct nodes *nodes = manager->core.nodes;
	LIST_EACH (&manager->core.groups, at) {
		const struct record *record = &LIST_ENTRY(at, struct group, list)->record;
		if (nodes) {
			consent_set_epoch(nodes->consent, str_of(record->group), record->epoch);
		}
	}
}

/* Databases don't wait for it. */
static void lead_services(struct manager *manager, uint64_t now_us)
{
	struct services *services = manager->core.services;
	struct err_ctx err = { 0 };
	if (!services->leads && now_us < services->due_us) {
		return;
	}
	enum err rc = services_lead(services, manager->core.options.store, &err);
	if (rc != ERR_OK) {
		services->due_us = now_us + (uint64_t)FLUSH_INTERVAL_MS * US_PER_MS;
		log_event(manager->core.options.log, LOG_WARN, "store.failed",
			  "the services can't be read; the proxies go on with what they have",
			  LOG_TEXT("error", err_text(rc, &err)));
	}
}

static uint64_t turn_groups(struct manager *manager)
{
	struct turn_context context = call_context(&manager->core);
	notice_pause(manager, context.now_us);
	uint64_t next_us = context.now_us + (uint64_t)FLUSH_INTERVAL_MS * US_PER_MS;
	if (!role_turn(&manager->core)) {
		if (manager->core.nodes) {
			node_report_dismiss(manager->core.nodes);
			nodes_follow(manager->core.nodes);
		}
		services_follow(manager->core.services);
		return follow_groups(manager);
	}
	context = call_context(&manager->core); /* the store may be another one now */
	if (!lead_nodes(manager)) {
		return next_us;
	}
	lead_services(manager, context.now_us);
	LIST_EACH (&manager->core.groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		uint64_t due_us;
		context.now_us = clock_monotonic_us(manager->core.options.clock);
		group_turn(group, &context, &due_us);
		call_answer_waiters(&manager->core, group);
		next_us = due_us < next_us ? due_us : next_us;
	}
	uint64_t address_us =
		addresses_turn(&manager->core, clock_monotonic_us(manager->core.options.clock));
	next_us = address_us < next_us ? address_us : next_us;
	uint64_t services_us =
		services_turn(&manager->core, clock_monotonic_us(manager->core.options.clock));
	next_us = services_us < next_us ? services_us : next_us;
	if (manager->core.nodes) {
		uint64_t due_us = node_report_turn(&manager->core,
						   clock_monotonic_us(manager->core.options.clock));
		next_us = due_us < next_us ? due_us : next_us;
	}
	flush_events(manager, context.now_us);
	return next_us;
}

static void run(void *ctx)
{
	struct manager *manager = ctx;
	uint64_t next_us = 0;
	while (!atomic_load(&manager->stopping)) {
		uint64_t now_us = clock_monotonic_us(manager->core.options.clock);
		struct mail mail;
		if (mailbox_wait(manager->mail, next_us > now_us ? next_us - now_us : 0, &mail)) {
			take_mail(manager, &mail);
			/* All that is there is taken in before one decision is made. */
			for (unsigned i = 0; i < MAIL_MAX && mailbox_receive(manager->mail, &mail);
			     i++) {
				take_mail(manager, &mail);
			}
		}
		next_us = turn_groups(manager);
		note_epochs(manager);
	}
}

/* ---------------------------------------------------------------- start and stop */

static void release(struct manager *manager)
{
	role_stop(&manager->core);
	records_dismiss(&manager->core, ERR_UNREACHABLE, "the manager is stopping");
	LIST_EACH (&manager->core.groups, at) {
		(void)group_free(LIST_ENTRY(at, struct group, list));
	}
	if (manager->core.nodes) {
		node_report_dismiss(manager->core.nodes);
	}
	struct mail mail;
	while (manager->mail && mailbox_receive(manager->mail, &mail)) {
		if (mail.kind == MAIL_CALL) {
			struct err_ctx err = { 0 };
			enum err rc = err_set(&err, ERR_UNREACHABLE, "the manager is stopping");
			call_answer(mail.body, rc, &err, NULL);
		} else {
			take_mail(manager, &mail);
		}
	}
	manager->core.addresses = addresses_free(manager->core.addresses);
	manager->core.nodes = nodes_free(manager->core.nodes);
	manager->core.services = services_free(manager->core.services);
	manager->mail = mailbox_free(manager->mail);
	if (manager->core.events) {
		event_log_close(manager->core.events);
	}
	manager->webhooks = webhook_stop(manager->webhooks);
	manager->core.events = event_log_free(manager->core.events);
	manager->core.options.store = store_close(manager->core.options.store);
	secret_wipe(&manager->core.options.webhooks.secret);
	mem_free(manager);
}

enum err manager_start(const struct manager_options *options, struct manager **ret,
		       struct err_ctx *err)
{
	struct manager *manager = mem_need(sizeof(*manager));
	manager->core.options = *options;
	list_init(&manager->core.groups);
	manager->core.look_now = look_now;
	if (options->nodes.authority) {
		manager->core.nodes = nodes_new(&options->nodes);
	}
	manager->core.addresses = addresses_new(&manager->core);
	manager->core.services = services_new();
	const struct manager_accounts *accounts = &manager->core.options.accounts;
	manager->core.on = (struct peer_options){
		.user = accounts->manager_user,
		.password = &accounts->manager_password,
		.replication_user = accounts->replication_user,
		.replication_password = &accounts->replication_password,
		.probe_timeout_ms = options->probe_timeout_ms,
		.write_probe_interval_ms = options->write_probe_interval_ms,
		.write_probe_timeout_ms = options->write_probe_timeout_ms,
		.heartbeat_ms = options->heartbeat_ms,
		.net_timeout_s = options->net_timeout_s,
		.clock = options->clock,
		.log = options->log,
		.permit = &manager->permit,
		.on_sighting = on_sighting,
		.on_outcome = on_outcome,
		.on_pulse = on_pulse,
		.on_accounts = on_accounts,
		.ctx = manager,
	};
	manager->core.hooks = (struct hook_door){ .options = &manager->core.options.hooks,
						  .serials = &manager->hook_serials,
						  .on_end = on_hook,
						  .ctx = manager };
	manager->permit = (struct conn_permit){ .holds = may_act, .ctx = manager };
	manager->core.events = event_log_new(options->clock, options->log);
	enum err rc = mailbox_new(sizeof(struct mail), MAIL_MAX, &manager->mail, err);
	rc = rc ? rc : role_start(&manager->core, wake, manager, err);
	rc = rc ? rc
		: webhook_start(&options->webhooks, manager->core.events, options->clock,
				&manager->webhooks, err);
	rc = rc ? rc : thread_start(&manager->thread, "manager", run, manager, err);
	if (rc != ERR_OK) {
		manager->core.options.store = NULL; /* stays the caller's */
		release(manager);
		return rc;
	}
	tie_door(options->door, manager);
	*ret = manager;
	return ERR_OK;
}

struct manager *manager_stop(struct manager *manager)
{
	if (!manager) {
		return NULL;
	}
	tie_door(manager->core.options.door, NULL);
	event_log_close(manager->core.events);
	atomic_store(&manager->stopping, true);
	const struct mail mail = { .kind = MAIL_WAKE };
	post(manager, &mail);
	thread_join(&manager->thread);
	release(manager);
	return NULL;
}

static enum err send_call(struct manager *manager, const struct call_row *row, struct call *call,
			  json_t **ret, struct err_ctx *err)
{
	const struct mail mail = { .kind = MAIL_CALL, .body = call, .row = row };
	post(manager, &mail);
	return call_wait(call, manager->core.options.clock, ret, err);
}

enum err manager_call(struct manager *manager, const char *method, json_t *params,
		      uint64_t deadline_us, json_t **ret, struct err_ctx *err)
{
	const struct call_row *row = call_find(method);
	if (!row) {
		return err_set(err, ERR_USAGE, "unknown method '%s'", method);
	}
	struct call *call = call_new(params, deadline_us);
	enum err rc = row->prepare ? row->prepare(&manager->core, call, err) : ERR_OK;
	if (rc != ERR_OK) {
		call_free(call);
		return rc;
	}
	return send_call(manager, row, call, ret, err);
}

static bool leads_not(void *ctx)
{
	return !may_act(ctx);
}

/* The manager's thread may be waiting for the store: a node that could ask the circle by now is not kept waiting for it. */
enum err manager_report(struct manager *manager, json_t *params, uint64_t deadline_us, json_t **ret,
			struct err_ctx *err)
{
	if (leads_not(manager)) {
		return err_set(err, ERR_REFUSED, "this manager doesn't lead");
	}
	struct call *call = call_new(params, deadline_us);
	call->pointless = leads_not;
	call->pointless_ctx = manager;
	return send_call(manager, call_find("node.report"), call, ret, err);
}

static bool leads_now(void *ctx, uint64_t *ret_now_us)
{
	const struct manager *manager = ctx;
	*ret_now_us = clock_monotonic_us(manager->core.options.clock);
	return role_may_act(&manager->core);
}

void manager_on_door_open(struct manager *manager)
{
	if (manager->core.nodes) {
		consent_open(manager->core.nodes->consent,
			     clock_monotonic_us(manager->core.options.clock));
	}
}

/* One that leads never agrees: who asks has to report to it. One that follows may agree; should it lead later, it waits
 * for what it has agreed to. */
enum err manager_consent(struct manager *manager, const json_t *params, json_t **ret,
			 struct err_ctx *err)
{
	const char *node = json_string_value(json_object_get(params, "node"));
	const char *group = json_string_value(json_object_get(params, "group"));
	json_int_t epoch = json_integer_value(json_object_get(params, "epoch"));
	if (!manager->core.nodes || !node) {
		return err_set(err, ERR_REFUSED, "this manager takes no nodes");
	}
	enum lease_answer answer =
		consent_ask(manager->core.nodes->consent, str_of(node), str_of(group),
			    epoch > 0 ? (uint64_t)epoch : 0, leads_now, manager);
	bool agrees = answer == LEASE_AGREES;
	*ret = json_pack("{s:b, s:s}", "agrees", (int)agrees, "why",
			 agrees ? "this manager doesn't lead"
				: "this manager leads, or knows of a newer epoch");
	return ERR_OK;
}

json_t *manager_events(struct manager *manager, const char *group, uint64_t after_id,
		       uint32_t limit)
{
	return event_log_read(manager->core.events, group, after_id, limit);
}

bool manager_events_wait(struct manager *manager, uint64_t after_id, uint64_t timeout_us)
{
	return event_log_wait(manager->core.events, after_id, timeout_us);
}
