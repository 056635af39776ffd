#include "manager/peers/contact.h"

#include <string.h>

#include "base/check.h"

enum { ERRNO_CONNECTIONS = 1040 };

void contact_init(struct contact *contact, const struct conn_options *options)
{
	memset(contact, 0, sizeof(*contact));
	contact->options = *options;
	check(pthread_mutex_init(&contact->mutex, NULL) == 0);
}

void contact_fini(struct contact *contact)
{
	(void)pthread_mutex_destroy(&contact->mutex);
}

/* Learns of the side door while there is a way in; once is enough, since it needs a restart to change. */
static void learn(struct contact *contact, struct conn *conn, uint64_t deadline_us)
{
	(void)pthread_mutex_lock(&contact->mutex);
	bool asked = contact->asked;
	(void)pthread_mutex_unlock(&contact->mutex);
	struct server_side_door door;
	if (asked || server_find_side_door(conn, deadline_us, &door, NULL) != ERR_OK) {
		return; /* asked again over the next connection */
	}
	(void)pthread_mutex_lock(&contact->mutex);
	contact->asked = true;
	contact->side_door = door;
	(void)pthread_mutex_unlock(&contact->mutex);
}

enum err contact_open(struct contact *contact, uint64_t deadline_us, struct conn **ret,
		      enum reach *ret_reach, struct err_ctx *err)
{
	struct err_ctx why = { .code = ERR_OK };
	enum err rc = conn_open(&contact->options, deadline_us, ret, ret_reach, &why);
	if (rc == ERR_OK) {
		learn(contact, *ret, deadline_us);
		return ERR_OK;
	}
	(void)pthread_mutex_lock(&contact->mutex);
	const struct server_side_door door = contact->side_door;
	(void)pthread_mutex_unlock(&contact->mutex);
	if (why.server_errno == ERRNO_CONNECTIONS && door.port != 0) {
		struct conn_options aside = contact->options;
		aside.host = door.host[0] ? door.host : contact->options.host;
		aside.port = door.port;
		if (conn_open(&aside, deadline_us, ret, NULL, NULL) == ERR_OK) {
			if (ret_reach) {
				*ret_reach = REACH_ANSWERS;
			}
			return ERR_OK;
		}
	}
	if (err) {
		*err = why;
	}
	return rc;
}
