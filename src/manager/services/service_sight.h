/* What the proxies say of a back end, as one. Manager thread only. */
#pragma once

#include "manager/services/services.h"

/* "web 10.0.0.5:80: is out of the balance: refused" */
void service_sight_text(const struct service_record *record, const struct service_entry *entry,
			const char *what, const char *why, char *ret, size_t bytes);

/* Each proxy's own word about a back end: [{"proxy", "state", "connections", "why"}], a new reference. */
json_t *service_sight_proxies(const struct manager_core *core, const struct service_record *record,
			      const struct service_entry *entry);
