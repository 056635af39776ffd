#include "manager/leader.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "decide/leadership.h"
#include "os/random.h"
#include "os/thread.h"

#define BEAT_KEY "leader/beat"
#define PREFIX "leader/"

enum {
	ID_BYTES = 8,
	PAUSE_MS = 50, /* after a failure */
	RENEWALS = 4,  /* in the time of one lease */
	MARGIN_PART = 8,
	READS_PER_RENEWAL = 2, /* of a follower */
};

struct leader {
	struct thread thread;
	struct store *store;
	const struct clock *clock;
	const struct log *log;
	void (*changed)(void *ctx);
	void *ctx;
	char node[LEADER_NAME_BYTES_MAX];
	char address[LEADER_ADDRESS_BYTES_MAX];
	char id[2 * ID_BYTES +
		1]; /* of this process: tells its claims from those of its predecessor */
	struct leadership_terms terms;
	struct leadership rules; /* the thread's own */
	uint64_t beats;

	atomic_bool stopping;
	atomic_uint_fast64_t until_us; /* 0: doesn't lead */
	atomic_uint_fast64_t term;     /* set before until_us */
	pthread_mutex_t mutex;	       /* guards what follows */
	pthread_cond_t woken;
	bool doubted;
	struct leader_view view;
};

static uint64_t now_of(const struct leader *leader)
{
	return clock_monotonic_us(leader->clock);
}

/* Puts what the rules say where other threads see it, and tells when something has changed. */
static void publish(struct leader *leader, const char *trouble)
{
	bool leads = leader->rules.leads;
	/* What is granted to nodes ends with the newest beat: they are told of it at once. */
	bool renewed = leads && leader->rules.until_us != atomic_load(&leader->until_us);
	if (leads) {
		atomic_store(&leader->term, leader->rules.term_version);
	}
	atomic_store(&leader->until_us, leads ? leader->rules.until_us : 0);
	(void)pthread_mutex_lock(&leader->mutex);
	struct leader_view *view = &leader->view;
	bool news = view->leads != leads || view->term != leader->rules.term_version ||
		    strcmp(view->trouble, trouble) != 0;
	view->leads = leads;
	view->term = leader->rules.term_version;
	view->seen_us = leader->rules.changed_us;
	view->former_us = leader->rules.former_us;
	(void)snprintf(view->trouble, sizeof(view->trouble), "%s", trouble);
	if (leads) {
		memcpy(view->node, leader->node, sizeof(view->node));
		memcpy(view->address, leader->address, sizeof(view->address));
	}
	(void)pthread_mutex_unlock(&leader->mutex);
	if (news || renewed) {
		leader->changed(leader->ctx);
	}
}

/* ---------------------------------------------------------------- reading */

struct reading {
	struct leader *leader;
	uint64_t term_version;
	uint64_t beat_version;
	bool mine;
	char node[LEADER_NAME_BYTES_MAX];
	char address[LEADER_ADDRESS_BYTES_MAX];
	char moved[STORE_TEXT_BYTES_MAX];
	char filling[STORE_TEXT_BYTES_MAX];
};

static void copy_text(const json_t *json, const char *name, char *to, size_t to_bytes)
{
	const char *text = json_string_value(json_object_get(json, name));
	(void)snprintf(to, to_bytes, "%s", text ? text : "");
}

static bool take_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct reading *reading = ctx;
	json_t *json = json_loadb(value.len ? value.ptr : "", value.len, 0, NULL);
	if (str_equal(key, STR(LEADER_TERM_KEY))) {
		char id[2 * ID_BYTES + 1];
		copy_text(json, "id", id, sizeof(id));
		copy_text(json, "node", reading->node, sizeof(reading->node));
		copy_text(json, "address", reading->address, sizeof(reading->address));
		reading->term_version = version;
		reading->mine = strcmp(id, reading->leader->id) == 0;
	} else if (str_equal(key, STR(BEAT_KEY))) {
		reading->beat_version = version;
	} else if (str_equal(key, STR(LEADER_MOVED_KEY))) {
		copy_text(json, "to", reading->moved, sizeof(reading->moved));
	} else if (str_equal(key, STR(LEADER_FILLING_KEY))) {
		copy_text(json, "from", reading->filling, sizeof(reading->filling));
	}
	json_decref(json);
	return true;
}

static bool out_of_force(const struct leader_view *view)
{
	return view->moved[0] || view->filling[0];
}

/* Both keys as they stood at one moment. */
static enum err read_keys(struct leader *leader, struct err_ctx *err)
{
	struct reading reading = { .leader = leader };
	enum err rc = store_list(leader->store, STR(PREFIX), take_row, &reading, err);
	if (rc != ERR_OK) {
		return rc;
	}
	leadership_saw(&leader->rules, reading.term_version, reading.beat_version, reading.mine,
		       now_of(leader));
	(void)pthread_mutex_lock(&leader->mutex);
	memcpy(leader->view.node, reading.node, sizeof(reading.node));
	memcpy(leader->view.address, reading.address, sizeof(reading.address));
	bool was_out = out_of_force(&leader->view);
	bool news = strcmp(leader->view.moved, reading.moved) != 0;
	memcpy(leader->view.moved, reading.moved, sizeof(reading.moved));
	memcpy(leader->view.filling, reading.filling, sizeof(reading.filling));
	bool is_out = out_of_force(&leader->view);
	(void)pthread_mutex_unlock(&leader->mutex);
	if (was_out || is_out) {
		leadership_anew(&leader->rules, now_of(leader));
	}
	if (news) {
		leader->changed(leader->ctx);
	}
	return ERR_OK;
}

/* ---------------------------------------------------------------- writing */

static char *claim_text(const struct leader *leader)
{
	json_t *json = json_pack("{s:s, s:s, s:s}", "node", leader->node, "address",
				 leader->address, "id", leader->id);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

/* A claim or a renewal: what the rules need to know of its end. */
static enum err write_keys(struct leader *leader, bool claim, struct err_ctx *err)
{
	struct leadership *rules = &leader->rules;
	uint64_t begun_us = now_of(leader);
	char beat[32];
	int length = snprintf(beat, sizeof(beat), "%llu", (unsigned long long)++leader->beats);
	CLEANUP(mem_freep) char *text = claim ? claim_text(leader) : NULL;
	const struct store_change changes[] = {
		{ .key = STR(BEAT_KEY),
		  .value = { beat, (size_t)length },
		  .check_version = claim,
		  .version = rules->beat_version },
		{ .key = STR(LEADER_TERM_KEY),
		  .value = str_of(text),
		  .check_version = true,
		  .version = rules->term_version },
	};
	store_fence(leader->store, claim ? STR("") : STR(LEADER_TERM_KEY), rules->term_version);
	enum err rc = store_commit(leader->store, changes, claim ? 2 : 1, err);
	if (rc == ERR_OK) {
		leadership_wrote(rules, &leader->terms, rules->term_version + (claim ? 1 : 0),
				 rules->beat_version + 1, begun_us, now_of(leader));
	} else if (rc == ERR_CONFLICT) {
		leadership_lost(rules);
	} else {
		leadership_doubts(rules);
	}
	return rc;
}

/* ---------------------------------------------------------------- the thread */

static void tell(const struct leader *leader, const char *evt, const char *message)
{
	log_event(leader->log, LOG_INFO, evt, message, LOG_TEXT("node", leader->node),
		  LOG_U64("term", leader->rules.term_version));
}

/* Waits until `until_us`, or until somebody doubts. */
static void rest(struct leader *leader, uint64_t until_us)
{
	uint64_t now_us = now_of(leader);
	const struct timespec until = thread_moment(until_us > now_us ? until_us - now_us : 0);
	(void)pthread_mutex_lock(&leader->mutex);
	int rc = 0;
	while (!atomic_load(&leader->stopping) && !leader->doubted && rc == 0) {
		rc = pthread_cond_timedwait(&leader->woken, &leader->mutex, &until);
	}
	if (leader->doubted) {
		leader->doubted = false;
		leadership_doubts(&leader->rules);
	}
	(void)pthread_mutex_unlock(&leader->mutex);
}

/* Nobody leads on a store that is in force no longer, or not yet. */
static bool is_in_force(struct leader *leader)
{
	(void)pthread_mutex_lock(&leader->mutex);
	bool in_force = !out_of_force(&leader->view);
	(void)pthread_mutex_unlock(&leader->mutex);
	return in_force;
}

/* A follower looks for signs of life more often than the rules want to be asked. */
static enum err wait(struct leader *leader, uint64_t due_us, struct err_ctx *err)
{
	uint64_t read_us = now_of(leader) + leader->terms.renew_us / READS_PER_RENEWAL;
	bool follows = !leader->rules.leads;
	rest(leader, follows && read_us < due_us ? read_us : due_us);
	return follows && !atomic_load(&leader->stopping) ? read_keys(leader, err) : ERR_OK;
}

static enum err claim(struct leader *leader, struct err_ctx *err)
{
	if (!is_in_force(leader)) {
		rest(leader, now_of(leader) + leader->terms.duration_us);
		return read_keys(leader, err);
	}
	enum err rc = write_keys(leader, true, err);
	if (rc == ERR_OK) {
		tell(leader, "leader.elected", "this manager leads");
	}
	return rc == ERR_CONFLICT ? ERR_OK : rc;
}

static enum err do_next(struct leader *leader, struct err_ctx *err)
{
	uint64_t due_us;
	switch (leadership_next(&leader->rules, &leader->terms, now_of(leader), &due_us)) {
	case LEADERSHIP_WAIT:
		return wait(leader, due_us, err);
	case LEADERSHIP_READ:
		return read_keys(leader, err);
	case LEADERSHIP_CLAIM:
		return claim(leader, err);
	case LEADERSHIP_RENEW:
		return write_keys(leader, false, err);
	case LEADERSHIP_STEP_DOWN:
		leadership_stepped_down(&leader->rules);
		return ERR_OK;
	case LEADERSHIP_ACT_COUNT_:
		break;
	}
	return ERR_OK;
}

static void run(void *ctx)
{
	struct leader *leader = ctx;
	bool led = false;
	while (!atomic_load(&leader->stopping)) {
		struct err_ctx err = { 0 };
		enum err rc = do_next(leader, &err);
		publish(leader, rc == ERR_OK ? "" : err_text(rc, &err));
		if (led && !leader->rules.leads) {
			tell(leader, "leader.deposed", "this manager leads no longer");
		}
		led = leader->rules.leads;
		if (rc != ERR_OK) {
			rest(leader, now_of(leader) + (uint64_t)PAUSE_MS * US_PER_MS);
		}
	}
	atomic_store(&leader->until_us, 0);
}

/* ---------------------------------------------------------------- start and stop */

static struct leader *leader_free(struct leader *leader)
{
	leader->store = store_close(leader->store);
	(void)pthread_mutex_destroy(&leader->mutex);
	(void)pthread_cond_destroy(&leader->woken);
	return mem_free(leader);
}

enum err leader_start(const struct leader_options *options, struct leader **ret,
		      struct err_ctx *err)
{
	struct leader *leader = mem_need(sizeof(*leader));
	uint64_t lease_us = (uint64_t)options->lease_ms * US_PER_MS;
	struct store_etcd_options store = *options->store;
	uint8_t id[ID_BYTES];
	char writer[LEADER_NAME_BYTES_MAX + 16];
	leader->clock = options->clock;
	leader->log = options->log;
	leader->changed = options->changed;
	leader->ctx = options->ctx;
	leader->terms = (struct leadership_terms){ .duration_us = lease_us,
						   .renew_us = lease_us / RENEWALS,
						   .margin_us = lease_us / MARGIN_PART };
	thread_condition_init(&leader->mutex, &leader->woken);
	random_bytes(id, sizeof(id));
	for (size_t i = 0; i < ID_BYTES; i++) {
		(void)snprintf(leader->id + 2 * i, 3, "%02x", id[i]);
	}
	enum err rc = ERR_OK;
	if (str_copy(str_of(options->node), leader->node, sizeof(leader->node)) != ERR_OK ||
	    str_copy(str_of(options->address), leader->address, sizeof(leader->address)) !=
		    ERR_OK) {
		rc = err_set(err, ERR_CONFIG, "the node's name or address is too long");
	}
	/* A dead endpoint must not use up the lease. */
	uint32_t timeout_ms = options->lease_ms / 2;
	store.timeout_ms = store.timeout_ms < timeout_ms ? store.timeout_ms : timeout_ms;
	(void)snprintf(writer, sizeof(writer), "%s/leader", leader->node);
	rc = rc ? rc : store_open_etcd(&store, writer, &leader->store, err);
	rc = rc ? rc : thread_start(&leader->thread, "leader", run, leader, err);
	if (rc != ERR_OK) {
		(void)leader_free(leader);
		return rc;
	}
	*ret = leader;
	return ERR_OK;
}

struct leader *leader_stop(struct leader *leader)
{
	if (!leader) {
		return NULL;
	}
	(void)pthread_mutex_lock(&leader->mutex);
	atomic_store(&leader->stopping, true);
	(void)pthread_cond_signal(&leader->woken);
	(void)pthread_mutex_unlock(&leader->mutex);
	thread_join(&leader->thread);
	return leader_free(leader);
}

bool leader_leads(const struct leader *leader, uint64_t now_us)
{
	return now_us < atomic_load(&leader->until_us);
}

uint64_t leader_beat_us(const struct leader *leader)
{
	uint64_t until_us = atomic_load(&leader->until_us);
	return until_us ? until_us - leader->terms.duration_us : 0;
}

uint64_t leader_term(const struct leader *leader)
{
	return atomic_load(&leader->term);
}

void leader_look(struct leader *leader, struct leader_view *ret)
{
	(void)pthread_mutex_lock(&leader->mutex);
	*ret = leader->view;
	(void)pthread_mutex_unlock(&leader->mutex);
	ret->leads = leader_leads(leader, now_of(leader));
}

void leader_doubt(struct leader *leader)
{
	(void)pthread_mutex_lock(&leader->mutex);
	leader->doubted = true;
	(void)pthread_cond_signal(&leader->woken);
	(void)pthread_mutex_unlock(&leader->mutex);
}
