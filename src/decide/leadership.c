#include "decide/leadership.h"

bool leadership_leads(const struct leadership *leadership, uint64_t now_us)
{
	return leadership->leads && now_us < leadership->until_us;
}

static enum leadership_act next_of_leader(const struct leadership *leadership,
					  const struct leadership_terms *terms, uint64_t now_us,
					  uint64_t *ret_due_us)
{
	*ret_due_us = now_us;
	if (now_us >= leadership->until_us) {
		return LEADERSHIP_STEP_DOWN;
	}
	if (!leadership->known) {
		return LEADERSHIP_READ;
	}
	uint64_t renew_us = leadership->begun_us + terms->renew_us;
	if (now_us >= renew_us) {
		return LEADERSHIP_RENEW;
	}
	*ret_due_us = renew_us < leadership->until_us ? renew_us : leadership->until_us;
	return LEADERSHIP_WAIT;
}

enum leadership_act leadership_next(const struct leadership *leadership,
				    const struct leadership_terms *terms, uint64_t now_us,
				    uint64_t *ret_due_us)
{
	if (leadership->leads) {
		return next_of_leader(leadership, terms, now_us, ret_due_us);
	}
	*ret_due_us = now_us;
	if (!leadership->known) {
		return LEADERSHIP_READ;
	}
	/* Nobody has ever led; or nobody but this process can, with a claim of its own in force. */
	if (leadership->term_version == 0 || leadership->mine) {
		return LEADERSHIP_CLAIM;
	}
	uint64_t over_us = leadership->changed_us + terms->duration_us + terms->margin_us;
	if (now_us >= over_us) {
		return LEADERSHIP_CLAIM;
	}
	*ret_due_us = over_us;
	return LEADERSHIP_WAIT;
}

void leadership_saw(struct leadership *leadership, uint64_t term_version, uint64_t beat_version,
		    bool mine, uint64_t now_us)
{
	bool same = leadership->changed_us != 0 && leadership->term_version == term_version &&
		    leadership->beat_version == beat_version;
	/* How old the newest beat is can't be told from a first reading: its time begins now. */
	if (!same) {
		leadership->changed_us = now_us;
	}
	if (leadership->leads && (!mine || term_version != leadership->term_version)) {
		leadership_stepped_down(leadership);
	}
	leadership->known = true;
	leadership->term_version = term_version;
	leadership->beat_version = beat_version;
	leadership->mine = mine;
}

void leadership_wrote(struct leadership *leadership, const struct leadership_terms *terms,
		      uint64_t term_version, uint64_t beat_version, uint64_t begun_us,
		      uint64_t now_us)
{
	bool renewed = term_version == leadership->term_version;
	bool first = leadership->term_version == 0 || leadership->changed_us == 0;
	uint64_t former_us = first ? now_us : leadership->changed_us;
	leadership->known = true;
	leadership->mine = true;
	leadership->term_version = term_version;
	leadership->beat_version = beat_version;
	leadership->changed_us = now_us;
	/* Too late: it has stepped down meanwhile. What it had under way then would still be carried out in this term,
	 * behind the back of what it reads now; so it takes a new one. */
	if (renewed && !leadership_leads(leadership, now_us)) {
		leadership_stepped_down(leadership);
		return;
	}
	if (!leadership->leads) {
		leadership->leads = true;
		leadership->since_us = now_us;
		leadership->former_us = former_us;
	}
	leadership->begun_us = begun_us;
	leadership->until_us = begun_us + terms->duration_us;
}

void leadership_anew(struct leadership *leadership, uint64_t now_us)
{
	leadership->changed_us = now_us;
}

void leadership_lost(struct leadership *leadership)
{
	leadership_stepped_down(leadership);
	leadership->mine = false;
	leadership->known = false;
}

void leadership_doubts(struct leadership *leadership)
{
	leadership->known = false;
}

void leadership_stepped_down(struct leadership *leadership)
{
	leadership->leads = false;
	leadership->until_us = 0;
}
