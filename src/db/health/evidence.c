#include "db/health/evidence.h"

#include <errno.h>
#include <stddef.h>

/* Numbers of the client library (its errmsg.h), so that this file needs no library. */
enum {
	CLIENT_ERRNO_FIRST = 2000,
	CLIENT_ERRNO_LAST = 2999,
	CLIENT_ERRNO_MORE_FIRST = 5000, /* libmariadb's own range */
	CLIENT_ERRNO_MORE_LAST = 5999,
	CLIENT_UNKNOWN_HOST = 2005,
};

/* A living server turned us away. All but the 2000s come in an error packet; these are named because
 * what to do about them differs, and because the client library makes some of them up from what the
 * server sent. */
static const struct refusal {
	unsigned number;
	bool privilege;
} refusals[] = {
	{ 1040, false }, /* too many connections */
	{ 1042, false }, /* host name of the client cannot be resolved */
	{ 1043, false }, /* bad handshake */
	{ 1044, true },	 /* database denied */
	{ 1045, true },	 /* wrong password */
	{ 1053, false }, /* shutting down: alive, leaving */
	{ 1129, false }, /* host blocked */
	{ 1130, true },	 /* host not allowed */
	{ 1142, true },	 /* privilege on a table missing */
	{ 1143, true },	 /* privilege on a column missing */
	{ 1203, false }, /* max_user_connections */
	{ 1226, false }, /* an account's limit */
	{ 1227, true },	 /* a global privilege is missing */
	{ 1251, false }, /* old protocol */
	{ 1275, false }, /* old password format */
	{ 1290, false }, /* read-only */
	{ 1410, true },	 /* may not create accounts with GRANT */
	{ 1524, false }, /* plugin not loaded */
	{ 1698, true },	 /* access denied without a password */
	{ 1862, false }, /* password expired */
	{ 2007, false }, /* protocol version */
	{ 2012, false }, /* handshake went wrong */
	{ 2026, false }, /* TLS */
	{ 2049, false }, /* old authentication */
	{ 2054, false }, /* charset unknown to the client */
	{ 2058, false }, /* plugin cannot be used */
	{ 2059, false }, /* plugin cannot be loaded */
	{ 2061, false }, /* plugin says no: needs TLS or a key */
	{ 3032, false }, /* offline mode */
	{ 3118, true },	 /* account locked */
	{ 3159, false }, /* TLS demanded */
	{ 4151, true },	 /* account locked (MariaDB) */
	{ 4031, false }, /* ended for inactivity */
};

static const struct refusal *refusal_find(unsigned number)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].number == number) {
			return &refusals[i];
		}
	}
	return NULL;
}

bool evidence_is_refusal(unsigned server_errno)
{
	return refusal_find(server_errno) != NULL;
}

bool evidence_is_privilege(unsigned server_errno)
{
	const struct refusal *refusal = refusal_find(server_errno);
	return refusal && refusal->privilege;
}

static bool made_by_client(unsigned number)
{
	return (number >= CLIENT_ERRNO_FIRST && number <= CLIENT_ERRNO_LAST) ||
	       (number >= CLIENT_ERRNO_MORE_FIRST && number <= CLIENT_ERRNO_MORE_LAST);
}

static enum reach reach_of_deadline(enum contact_phase phase)
{
	switch (phase) {
	case CONTACT_RESOLVING:
		return REACH_NAME;
	case CONTACT_CONNECTING:
		return REACH_SILENT;
	case CONTACT_GREETING:
	case CONTACT_LOGIN:
	case CONTACT_QUERY:
		return REACH_HUNG;
	case CONTACT_PHASE_COUNT_:
		break;
	}
	return REACH_UNKNOWN;
}

static bool is_no_route(int os_errno)
{
	return os_errno == EHOSTUNREACH || os_errno == ENETUNREACH || os_errno == ETIMEDOUT ||
	       os_errno == EHOSTDOWN || os_errno == ENETDOWN;
}

static enum reach reach_of_connecting(int os_errno)
{
	switch (os_errno) {
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOENT: /* no Unix socket */
		return REACH_NOBODY_LISTENS;
	case 0:
		return REACH_SILENT; /* a failure without a reason proves the least */
	}
	/* What is left is our own trouble (no descriptors, no local address). */
	return is_no_route(os_errno) ? REACH_SILENT : REACH_UNKNOWN;
}

enum reach evidence_reach(const struct contact_end *end)
{
	if (end->deadline) {
		return reach_of_deadline(end->phase);
	}
	if (end->phase == CONTACT_RESOLVING || end->server_errno == CLIENT_UNKNOWN_HOST) {
		return REACH_NAME;
	}
	if (evidence_is_refusal(end->server_errno) ||
	    (end->server_errno != 0 && !made_by_client(end->server_errno))) {
		return REACH_REFUSES_US;
	}
	if (end->phase == CONTACT_CONNECTING) {
		return reach_of_connecting(end->os_errno);
	}
	if (is_no_route(end->os_errno)) {
		return REACH_SILENT;
	}
	/* A dying process takes what waits in its backlog with it: ended before the first byte. */
	return end->phase == CONTACT_GREETING ? REACH_NOBODY_LISTENS : REACH_UNKNOWN;
}

const char *evidence_reach_name(enum reach reach)
{
	switch (reach) {
	case REACH_UNKNOWN:
		return "unknown";
	case REACH_ANSWERS:
		return "answers";
	case REACH_REFUSES_US:
		return "refuses us";
	case REACH_NOBODY_LISTENS:
		return "nobody listens";
	case REACH_SILENT:
		return "silent";
	case REACH_HUNG:
		return "hung";
	case REACH_NAME:
		return "name not resolved";
	case REACH_COUNT_:
		break;
	}
	return "?";
}

const char *evidence_phase_name(enum contact_phase phase)
{
	switch (phase) {
	case CONTACT_RESOLVING:
		return "resolving";
	case CONTACT_CONNECTING:
		return "connecting";
	case CONTACT_GREETING:
		return "waiting for the greeting";
	case CONTACT_LOGIN:
		return "logging in";
	case CONTACT_QUERY:
		return "waiting for an answer";
	case CONTACT_PHASE_COUNT_:
		break;
	}
	return "?";
}
