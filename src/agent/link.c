/* The link's thread: report, take the answer in, and when there is none, ask the circle. */
#include "agent/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/duty.h"
#include "agent/guard.h"
#include "agent/link_internal.h"
#include "base/check.h"
#include "base/mem.h"
#include "os/file.h"
#include "os/random.h"

enum {
	FORCE_WAIT_MS = 50, /* a new route is in force sooner, unless a name has to be looked up */
	RETRY_WAIT_MS = 50, /* between two attempts while there is no leader and no consent */
	RENEW_TIMEOUT_MS = 5000,
	RENEW_RETRY_S = 60,
	GOODBYE_TIMEOUT_MS = 500,
};

static uint64_t now_us(const struct link *link)
{
	return clock_monotonic_us(link->options.clock);
}

/* Waits until woken for what `what` points at, or for a while; link->mutex is held. */
static void wait_a_while(struct link *link, uint64_t wait_us, const bool *what)
{
	const struct timespec until = thread_moment(wait_us);
	int rc = 0;
	while (!link->stopping && !(what && *what) && rc == 0) {
		rc = pthread_cond_timedwait(&link->wake, &link->mutex, &until);
	}
}

/* ---------------------------------------------------------------- the lease */

static bool holds_lease(struct link *link)
{
	(void)pthread_mutex_lock(&link->mutex);
	bool holds = lease_holds(&link->holder, now_us(link));
	(void)pthread_mutex_unlock(&link->mutex);
	return holds;
}

/* By a leader's answer, which says for how long, or by the consent of everybody. */
static bool renew_lease(struct link *link, uint64_t good_us, uint64_t begun_us, bool leader)
{
	(void)pthread_mutex_lock(&link->mutex);
	bool renewed = leader || lease_go_on(&link->holder, &link->terms, begun_us, now_us(link));
	if (leader) {
		lease_renewed(&link->holder, good_us, begun_us);
	}
	link->leader_answers = leader;
	link->consent = !leader && renewed;
	uint64_t until_us = link->holder.until_us;
	(void)pthread_mutex_unlock(&link->mutex);
	if (!renewed) {
		return false;
	}
	if (link->options.proxy) {
		proxy_set_lease(link->options.proxy, until_us);
	}
	if (link->options.duty) {
		duty_renew(link->options.duty, until_us);
	}
	if (link->options.guard) {
		guard_renew(link->options.guard, until_us);
	}
	return true;
}

static void note_no_leader(struct link *link)
{
	(void)pthread_mutex_lock(&link->mutex);
	link->leader_answers = false;
	link->consent = false;
	(void)pthread_mutex_unlock(&link->mutex);
}

/* ---------------------------------------------------------------- reports */

/* The time that one attempt may take: a lease must bear a silent manager, a search for another one, and a round. */
static uint32_t report_timeout_ms(struct link *link)
{
	uint64_t spare_us = (link->terms.duration_us - link->terms.renew_us) / 4;
	uint32_t wanted_ms = (uint32_t)((link->terms.renew_us + spare_us) / US_PER_MS) + 1;
	uint32_t search_ms = link_search_timeout_ms(link);
	uint64_t now = now_us(link);
	(void)pthread_mutex_lock(&link->mutex);
	uint64_t until_us = link->holder.until_us;
	(void)pthread_mutex_unlock(&link->mutex);
	if (until_us <= now) {
		return wanted_ms;
	}
	uint64_t left_ms = (until_us - now) / US_PER_MS;
	uint64_t kept_ms = ROUND_SEARCHES * (uint64_t)search_ms + search_ms;
	uint64_t most_ms = left_ms > kept_ms + search_ms ? left_ms - kept_ms : search_ms;
	return most_ms < wanted_ms ? (uint32_t)most_ms : wanted_ms;
}

uint32_t link_search_timeout_ms(const struct link *link)
{
	return (uint32_t)((link->terms.duration_us - link->terms.renew_us) / 6 / US_PER_MS) + 1;
}

static enum err take_answer(struct link *link, const json_t *answer, uint64_t begun_us,
			    struct err_ctx *err)
{
	uint64_t good_us = 0;
	enum err rc = link_message_take(link, answer, &good_us, err);
	if (rc == ERR_OK) {
		(void)renew_lease(link, good_us, begun_us, true);
	}
	return rc;
}

static enum err report_to(struct link *link, const struct caller_address *to, struct err_ctx *err)
{
	json_t *answer = NULL;
	json_t *report = link_message_report(link);
	uint64_t begun_us = now_us(link);
	enum err rc = caller_call(link->caller, to, "report", report, report_timeout_ms(link),
				  &answer, NULL, err);
	json_decref(report);
	rc = rc ? rc : take_answer(link, answer, begun_us, err);
	json_decref(answer);
	return rc;
}

static bool same_address(const struct caller_address *a, const struct caller_address *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Managers that the circle names and the configuration doesn't. */
static void learn_managers(struct link *link)
{
	(void)pthread_mutex_lock(&link->mutex);
	for (uint32_t i = 0; i < link->circle_count; i++) {
		const struct link_member *member = &link->circle[i];
		bool known = !member->manager || link->manager_count == LINK_MANAGERS_MAX;
		for (uint32_t m = 0; m < link->manager_count && !known; m++) {
			known = same_address(&link->managers[m], &member->address);
		}
		if (!known) {
			struct caller_address *address = &link->managers[link->manager_count++];
			*address = member->address;
			check(str_copy(STR(IDENTITY_MANAGER_NAME), address->tls_name,
				       sizeof(address->tls_name)) == ERR_OK);
		}
	}
	(void)pthread_mutex_unlock(&link->mutex);
}

static bool leads(const struct caller_call *call)
{
	return call->rc == ERR_OK && json_is_true(json_object_get(call->answer, "leads"));
}

/* Asks all managers at once: one whose host is gone takes its time. */
static bool find_leader(struct link *link, struct err_ctx *err)
{
	struct caller_call calls[LINK_MANAGERS_MAX] = { 0 };
	json_t *report = link_message_report(link);
	uint64_t begun_us = now_us(link);
	bool found = false;
	for (uint32_t i = 0; i < link->manager_count; i++) {
		calls[i].to = link->managers[i];
	}
	uint32_t count = link->manager_count;
	caller_call_all(link->caller, calls, count, "report", report, link_search_timeout_ms(link),
			leads);
	for (uint32_t i = 0; i < count; i++) {
		if (!found && leads(&calls[i]) &&
		    take_answer(link, calls[i].answer, begun_us, err) == ERR_OK) {
			link->manager_at = i;
			found = true;
		}
		json_decref(calls[i].answer);
	}
	json_decref(report);
	return found;
}

/* To the one that answered last, then to all. */
static bool report(struct link *link, struct err_ctx *err)
{
	bool led = report_to(link, &link->managers[link->manager_at], err) == ERR_OK ||
		   (link->manager_count > 1 && find_leader(link, err));
	if (led) {
		learn_managers(link);
		(void)pthread_mutex_lock(&link->mutex);
		link->leader_at = link->manager_at;
		(void)pthread_mutex_unlock(&link->mutex);
	}
	return led;
}

static void tell(struct link *link, enum link_standing standing, const struct err_ctx *err)
{
	const struct log *log = link->options.log;
	if (standing == link->told) {
		return;
	}
	link->told = standing;
	switch (standing) {
	case LINK_NEW:
		break;
	case LINK_LED:
		log_event(log, LOG_INFO, "link.up", "a leading manager answers",
			  LOG_TEXT("manager", link->leader));
		break;
	case LINK_AGREED:
		log_event(log, LOG_WARN, "link.agreed",
			  "no leading manager answers; everybody in the circle agrees to go on",
			  LOG_TEXT("error", err->text));
		break;
	case LINK_ALONE:
		log_event(log, LOG_WARN, "link.down",
			  "no leading manager answers, and not everybody agrees to go on: the "
			  "lease ends",
			  LOG_TEXT("error", err->text));
		break;
	}
}

/* ---------------------------------------------------------------- certificates */

static enum err renew_certificate(struct link *link, struct err_ctx *err)
{
	struct buf request;
	json_t *answer = NULL;
	json_t *body = NULL;
	struct identity next = link->identity;
	buf_init(&request, IDENTITY_PEM_BYTES_MAX);
	enum err rc = identity_make_key(next.key, err);
	rc = rc ? rc : identity_request(next.key, &request, err);
	if (rc == ERR_OK) {
		body = json_pack("{s:s}", "request", buf_text(&request));
		rc = caller_call(link->caller, &link->managers[link->manager_at], "renew", body,
				 RENEW_TIMEOUT_MS, &answer, NULL, err);
	}
	const char *certificate = json_string_value(json_object_get(answer, "certificate"));
	if (rc == ERR_OK && (!certificate || str_copy(str_of(certificate), next.certificate,
						      sizeof(next.certificate)) != ERR_OK)) {
		rc = err_set(err, ERR_PROTOCOL, "no certificate came");
	}
	rc = rc ? rc : identity_read_pem(str_of(next.certificate), &next.facts, err);
	rc = rc ? rc : identity_store(link->folder, &next, err);
	if (rc == ERR_OK) {
		(void)pthread_mutex_lock(&link->mutex);
		link->identity = next;
		(void)pthread_mutex_unlock(&link->mutex);
		(void)caller_free(link->caller);
		link->caller = caller_new(&link->identity, NULL);
		if (link->options.renewed) {
			link->options.renewed(link->options.ctx, &link->identity);
		}
	}
	identity_wipe(&next);
	json_decref(body);
	json_decref(answer);
	buf_fini(&request);
	return rc;
}

static void check_certificate(struct link *link, uint64_t *not_before_us)
{
	struct err_ctx err = { 0 };
	uint64_t wall_s = clock_wall_us(link->options.clock) / US_PER_S;
	if (now_us(link) < *not_before_us || !identity_is_due(&link->identity.facts, wall_s)) {
		return;
	}
	*not_before_us = now_us(link) + (uint64_t)RENEW_RETRY_S * US_PER_S;
	enum err rc = renew_certificate(link, &err);
	log_event(link->options.log, rc ? LOG_WARN : LOG_INFO, "link.certificate",
		  rc ? "the certificate could not be renewed; trying again in a minute"
		     : "the certificate was renewed",
		  LOG_TEXT("error", rc ? err_text(rc, &err) : ""));
}

/* ---------------------------------------------------------------- the thread */

/* Whether all that the newest answer told is done; link->mutex is held. */
static bool is_in_force(const struct link *link)
{
	struct proxy_status status;
	if (link->options.duty && !duty_is_settled(link->options.duty)) {
		return false;
	}
	if (!link->options.proxy) {
		return true;
	}
	proxy_get_status(link->options.proxy, &status);
	return status.epoch == link->have_epoch && status.revision == link->have_revision &&
	       proxy_services_in_force(link->options.proxy);
}

/* The next report is to say that the route is in force, and an address held or gone. */
static void wait_in_force(struct link *link)
{
	uint64_t end_us = now_us(link) + (uint64_t)FORCE_WAIT_MS * US_PER_MS;
	(void)pthread_mutex_lock(&link->mutex);
	while (!link->stopping && now_us(link) < end_us) {
		link->changed = false;
		if (is_in_force(link)) {
			break;
		}
		wait_a_while(link, end_us - now_us(link), &link->changed);
	}
	(void)pthread_mutex_unlock(&link->mutex);
}

static void go_without_leader(struct link *link, struct err_ctx *err)
{
	uint64_t begun_us = now_us(link);
	note_no_leader(link);
	bool consent =
		holds_lease(link) && link_round_ask(link) && renew_lease(link, 0, begun_us, false);
	tell(link, consent ? LINK_AGREED : LINK_ALONE, err);
	(void)pthread_mutex_lock(&link->mutex);
	wait_a_while(link, consent ? link->terms.renew_us : (uint64_t)RETRY_WAIT_MS * US_PER_MS,
		     NULL);
	(void)pthread_mutex_unlock(&link->mutex);
}

/* What this host held may be given to another one, and what is registered on it leaves the balance, at once instead of
 * at the end of the lease. */
static void say_goodbye(struct link *link)
{
	json_t *answer = NULL;
	if (link->options.duty) {
		duty_leave(link->options.duty);
	}
	if (link->told != LINK_LED) {
		return;
	}
	link->leaving = true;
	json_t *last = link_message_report(link);
	enum err rc = caller_call(link->caller, &link->managers[link->manager_at], "report", last,
				  GOODBYE_TIMEOUT_MS, &answer, NULL, NULL);
	log_event(link->options.log, LOG_DEBUG, "link.goodbye", "the leading manager is told",
		  LOG_TEXT("error", rc ? err_name(rc) : ""));
	json_decref(last);
	json_decref(answer);
}

static bool is_stopping(struct link *link)
{
	(void)pthread_mutex_lock(&link->mutex);
	bool stopping = link->stopping;
	(void)pthread_mutex_unlock(&link->mutex);
	return stopping;
}

static void run(void *ctx)
{
	struct link *link = ctx;
	uint64_t renew_not_before_us = 0;
	link->caller = caller_new(&link->identity, NULL);
	while (!is_stopping(link)) {
		struct err_ctx err = { 0 };
		if (report(link, &err)) {
			tell(link, LINK_LED, &err);
			wait_in_force(link);
			check_certificate(link, &renew_not_before_us);
		} else if (!is_stopping(link)) {
			go_without_leader(link, &err);
		}
	}
	say_goodbye(link);
	link->caller = caller_free(link->caller);
}

static void init_locks(struct link *link)
{
	pthread_condattr_t attributes;
	check(pthread_mutex_init(&link->mutex, NULL) == 0);
	check(pthread_condattr_init(&attributes) == 0);
	check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&link->wake, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
}

static void link_free(struct link *link)
{
	(void)pthread_cond_destroy(&link->wake);
	(void)pthread_mutex_destroy(&link->mutex);
	identity_wipe(&link->identity);
	mem_free(link);
}

enum err link_start(const struct link_options *options, struct link **ret, struct err_ctx *err)
{
	struct link *link = mem_need(sizeof(*link));
	uint64_t mark = 0;
	check(options->manager_count > 0 && options->manager_count <= LINK_MANAGERS_MAX);
	link->options = *options;
	link->identity = *options->identity;
	link->options.identity = NULL;
	memcpy(link->managers, options->managers,
	       options->manager_count * sizeof(link->managers[0]));
	link->options.managers = NULL;
	link->manager_count = options->manager_count;
	link->terms = (struct lease_terms){
		.duration_us = (uint64_t)options->lease_ms * US_PER_MS,
		.renew_us = (uint64_t)options->renew_ms * US_PER_MS,
	};
	random_bytes(&mark, sizeof(mark));
	(void)snprintf(link->incarnation, sizeof(link->incarnation), "%016" PRIx64, mark);
	init_locks(link);
	if (str_copy(str_of(options->group), link->group, sizeof(link->group)) != ERR_OK ||
	    str_copy(str_of(options->host), link->host, sizeof(link->host)) != ERR_OK ||
	    str_copy(str_of(options->server), link->server, sizeof(link->server)) != ERR_OK ||
	    str_copy(str_of(options->folder), link->folder, sizeof(link->folder)) != ERR_OK) {
		link_free(link);
		return err_set(err, ERR_CONFIG, "a group, host or folder has too long a name");
	}
	if (options->proxy) {
		proxy_set_lease(options->proxy, 0);
	}
	enum err rc = thread_start(&link->thread, "link", run, link, err);
	if (rc != ERR_OK) {
		link_free(link);
		return rc;
	}
	*ret = link;
	return ERR_OK;
}

struct link *link_stop(struct link *link)
{
	if (!link) {
		return NULL;
	}
	(void)pthread_mutex_lock(&link->mutex);
	link->stopping = true;
	(void)pthread_cond_broadcast(&link->wake);
	(void)pthread_mutex_unlock(&link->mutex);
	thread_join(&link->thread);
	link_free(link);
	return NULL;
}

void link_on_proxy_changed(struct link *link)
{
	(void)pthread_mutex_lock(&link->mutex);
	link->changed = true;
	(void)pthread_cond_broadcast(&link->wake);
	(void)pthread_mutex_unlock(&link->mutex);
}

void link_on_proxy_trouble(struct link *link, const char *host, uint16_t port)
{
	(void)pthread_mutex_lock(&link->mutex);
	struct link_trouble *trouble = &link->troubles[link->trouble_count];
	if (link->trouble_count < LINK_TROUBLES_MAX &&
	    str_copy(str_of(host), trouble->host, sizeof(trouble->host)) == ERR_OK) {
		trouble->port = port;
		link->trouble_count++;
	}
	(void)pthread_mutex_unlock(&link->mutex);
}

enum err link_call(struct link *link, const char *method, const json_t *params, uint32_t timeout_ms,
		   json_t **ret, struct err_ctx *err)
{
	struct caller_address managers[LINK_MANAGERS_MAX];
	(void)pthread_mutex_lock(&link->mutex);
	uint32_t count = link->manager_count;
	uint32_t first = link->leader_at;
	memcpy(managers, link->managers, sizeof(managers));
	struct caller *caller = caller_new(&link->identity, NULL);
	(void)pthread_mutex_unlock(&link->mutex);
	json_t *body = json_pack("{s:s, s:O, s:I}", "method", method, "params", params,
				 "timeout_ms", (json_int_t)timeout_ms);
	enum err rc = body ? ERR_UNREACHABLE : err_set(err, ERR_USAGE, "no parameters");
	for (uint32_t i = 0; i < count && rc == ERR_UNREACHABLE; i++) {
		rc = caller_call(caller, &managers[(first + i) % count], "call", body, timeout_ms,
				 ret, NULL, err);
	}
	json_decref(body);
	(void)caller_free(caller);
	return rc;
}

json_t *link_to_json(struct link *link)
{
	uint64_t now = now_us(link);
	(void)pthread_mutex_lock(&link->mutex);
	uint64_t until_us = link->holder.until_us;
	json_t *json = json_pack("{s:s, s:s, s:b, s:b, s:s, s:I, s:I, s:I, s:b}", "node",
				 link->identity.facts.name, "group", link->group, "leader_answers",
				 (int)link->leader_answers, "consent", (int)link->consent, "leader",
				 link->leader, "lease_ms_left",
				 (json_int_t)(until_us > now ? (until_us - now) / US_PER_MS : 0),
				 "epoch", (json_int_t)link->have_epoch, "revision",
				 (json_int_t)link->have_revision, "draining", (int)link->draining);
	(void)pthread_mutex_unlock(&link->mutex);
	check(json);
	return json;
}
