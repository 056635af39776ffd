/* When no leader answers: everybody in the circle is asked, and answers others. */
#include <string.h>

#include "agent/link_internal.h"
#include "base/check.h"
#include "base/mem.h"

static enum lease_answer answer_of(const struct caller_call *call)
{
	if (call->rc == ERR_OK) {
		return json_is_true(json_object_get(call->answer, "agrees")) ? LEASE_AGREES
									     : LEASE_REFUSES;
	}
	if (call->refused) {
		return LEASE_GONE;
	}
	return call->rc == ERR_UNREACHABLE || call->rc == ERR_DEADLINE ? LEASE_SILENT
								       : LEASE_REFUSES;
}

/* The round is lost: whoever leads by now is looked for. */
static bool disagrees(const struct caller_call *call)
{
	return answer_of(call) == LEASE_REFUSES;
}

static bool has_address(const struct caller_call *calls, uint32_t count,
			const struct caller_address *address)
{
	for (uint32_t i = 0; i < count; i++) {
		if (calls[i].to.port == address->port &&
		    strcmp(calls[i].to.host, address->host) == 0) {
			return true;
		}
	}
	return false;
}

bool link_round_ask(struct link *link)
{
	struct caller_call *calls = mem_need(LINK_CIRCLE_MAX * sizeof(*calls));
	enum lease_answer answers[LINK_CIRCLE_MAX] = { 0 };
	(void)pthread_mutex_lock(&link->mutex);
	uint32_t count = link->circle_count;
	bool ever_told = link->circle_tag[0] != 0;
	for (uint32_t i = 0; i < count; i++) {
		calls[i].to = link->circle[i].address;
	}
	/* A manager that no leader has told of yet could lead by now. */
	for (uint32_t i = 0; i < link->manager_count && count < LINK_CIRCLE_MAX; i++) {
		if (!has_address(calls, count, &link->managers[i])) {
			calls[count++].to = link->managers[i];
		}
	}
	json_t *question = json_pack("{s:s, s:I, s:I}", "group", link->group, "epoch",
				     (json_int_t)link->have_epoch, "revision",
				     (json_int_t)link->have_revision);
	(void)pthread_mutex_unlock(&link->mutex);
	check(question);
	if (ever_told && count > 0) {
		caller_call_all(link->caller, calls, count, "consent", question,
				ROUND_SEARCHES * link_search_timeout_ms(link), disagrees);
	}
	for (uint32_t i = 0; i < count; i++) {
		answers[i] = answer_of(&calls[i]);
		json_decref(calls[i].answer);
	}
	json_decref(question);
	mem_free(calls);
	/* Who was never told of a circle has never had a lease that could be gone on with. */
	return ever_told && lease_round_agrees(answers, count);
}

static bool is_member(const struct link *link, const struct identity_facts *peer)
{
	for (uint32_t i = 0; i < link->circle_count; i++) {
		if (strcmp(link->circle[i].name, peer->name) == 0 &&
		    strcmp(link->circle[i].id, peer->id) == 0) {
			return true;
		}
	}
	return false;
}

enum err link_consent(struct link *link, const struct identity_facts *peer, const json_t *params,
		      json_t **ret, struct err_ctx *err)
{
	const char *group = json_string_value(json_object_get(params, "group"));
	json_int_t epoch = json_integer_value(json_object_get(params, "epoch"));
	json_int_t revision = json_integer_value(json_object_get(params, "revision"));
	(void)pthread_mutex_lock(&link->mutex);
	bool known = is_member(link, peer);
	bool same = group && link->group[0] && strcmp(group, link->group) == 0;
	/* Where a leader answers there is one: who asks here has to find it. */
	bool led = link->leader_answers;
	enum lease_answer answer = lease_consent(
		false, same ? link->have_epoch : 0, same ? link->have_revision : 0,
		epoch > 0 ? (uint64_t)epoch : 0, revision > 0 ? (uint64_t)revision : 0);
	(void)pthread_mutex_unlock(&link->mutex);
	if (!known) {
		return err_set(err, ERR_PRIVILEGE, "node '%s' is not of the circle", peer->name);
	}
	bool agrees = answer == LEASE_AGREES;
	*ret = json_pack("{s:b, s:s}", "agrees", (int)agrees, "why",
			 led	  ? "a leading manager answers this node"
			 : agrees ? "no leading manager answers this node either"
				  : "this node has a newer route");
	return ERR_OK;
}
