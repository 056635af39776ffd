#include "manager/calls/foresee_json.h"

#include "base/mem.h"
#include "decide/election.h"
#include "manager/records/text_json.h"

static const char *name_of(const struct record *record, uint32_t server)
{
	return server == SERVER_NONE ? NULL : record->servers[server].name;
}

static json_t *steps_of(const struct record *record, const struct foresee *course, uint32_t move)
{
	json_t *steps = json_array();
	for (uint32_t i = 0; i < course->step_count; i++) {
		const struct foresee_step *one = &course->steps[i];
		if (one->move == move) {
			(void)json_array_append_new(
				steps,
				json_pack("{s:s, s:s, s:s, s:s}", "server",
					  name_of(record, one->server), "step", step_key(one->step),
					  "text", step_text(one->step), "why", one->why));
		}
	}
	return steps;
}

json_t *foresee_to_json(const struct record *record, const struct foresee *course)
{
	json_t *states = json_array();
	for (uint32_t i = 0; i < course->move_count; i++) {
		const struct foresee_move *move = &course->moves[i];
		(void)json_array_append_new(states,
					    json_pack("{s:s, s:i, s:s, s:I, s:s?, s:o}", "state",
						      group_state_name(move->state), "rule",
						      move->rule ? (int)move->rule->id : 0, "why",
						      move->rule ? move->rule->why : "as it is now",
						      "epoch", (json_int_t)move->epoch, "primary",
						      name_of(record, move->primary), "steps",
						      steps_of(record, course, i)));
	}
	return json_pack("{s:b, s:o, s:o}", "settled", (int)course->settled, "refusal",
			 text_to_json(str_of(course->refusal)), "states", states);
}

json_t *foresee_dry_run(const struct record *record, const struct foresee *course, bool would)
{
	const char *refusal = course->refusal[0] ? course->refusal : "nothing was to be done";
	return json_pack("{s:b, s:s, s:b, s:o, s:o}", "dry_run", 1, "group", record->group, "would",
			 (int)would, "reason", text_to_json(str_of(would ? "" : refusal)), "course",
			 foresee_to_json(record, course));
}

json_t *foresee_settings(const struct record *next, const struct observation *seen,
			 const struct decide_options *options, uint64_t now_us)
{
	CLEANUP(mem_freep) struct foresee *course = mem_need(sizeof(*course));
	foresee_run(next, seen, options, now_us, course);
	json_t *answer = foresee_dry_run(next, course, true);
	if (next->primary != SERVER_NONE) {
		struct election election;
		election_rehearse(next, seen, &election);
		const char *winner = election.safe ? name_of(next, election.candidate) : NULL;
		(void)json_object_set_new(answer, "if_the_primary_died",
					  json_pack("{s:s?, s:o}", "winner", winner, "blocked_by",
						    text_to_json(str_of(election.missing))));
	}
	return answer;
}
