#include "manager/foresee_json.h"

#include "manager/text_json.h"

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
