/* The decision table for lost connections. */
#include "proxy/session/outcome.h"

/* A statement that reached the server whole while a transaction was open. */
static enum outcome decide_in_transaction(enum outcome_kind kind)
{
	switch (kind) {
	case OUTCOME_READ:
	case OUTCOME_WRITE:
	case OUTCOME_SESSION:
		return OUTCOME_ROLLED_BACK;
	case OUTCOME_ROLLBACK:
		return OUTCOME_DONE;
	case OUTCOME_BEGIN: /* commits what was open */
	case OUTCOME_COMMIT:
	case OUTCOME_MAY_COMMIT:
	case OUTCOME_KIND_COUNT_:
		break;
	}
	return OUTCOME_UNKNOWN;
}

/* A statement that reached the server whole while no transaction was open. */
static enum outcome decide_alone(const struct outcome_facts *facts)
{
	/* Without its bytes it can't be sent again; it had no effect that outlives the connection. */
	enum outcome again = facts->retained ? OUTCOME_RESEND : OUTCOME_ROLLED_BACK;
	switch (facts->kind) {
	case OUTCOME_READ:
	case OUTCOME_SESSION:
	case OUTCOME_BEGIN:
	case OUTCOME_COMMIT: /* there was nothing to commit */
		return again;
	case OUTCOME_ROLLBACK:
		return OUTCOME_DONE;
	case OUTCOME_WRITE: /* without autocommit it opened a transaction, which is gone */
		return facts->autocommit ? OUTCOME_UNKNOWN : OUTCOME_ROLLED_BACK;
	case OUTCOME_MAY_COMMIT:
	case OUTCOME_KIND_COUNT_:
		break;
	}
	return OUTCOME_UNKNOWN;
}

enum outcome outcome_decide(const struct outcome_facts *facts)
{
	if (facts->visible) {
		return OUTCOME_CLOSE;
	}
	if (facts->sent == OUTCOME_SENT_WHOLE) {
		return facts->in_transaction ? decide_in_transaction(facts->kind)
					     : decide_alone(facts);
	}
	if (facts->in_transaction) {
		return facts->kind == OUTCOME_ROLLBACK ? OUTCOME_DONE : OUTCOME_ROLLED_BACK;
	}
	return facts->retained ? OUTCOME_RESEND : OUTCOME_ROLLED_BACK;
}
