/* The choice of a back end, and what check results make of its health. Pure; every call's state is the caller's.
 *
 * Least connections by weight; where that leaves several, a smooth weighted round robin among them: so an idle
 * service is balanced by its weights as well as a busy one.
 * Source: nginx, src/http/modules/ngx_http_upstream_least_conn_module.c
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BALANCE_NONE = INT32_MAX };

struct balance_row {
	bool usable;	      /* may be chosen */
	uint32_t weight;      /* at least 1 where it is usable */
	uint32_t connections; /* that it has */
	int64_t credit; /* of the round robin: kept by the caller from one choice to the next, 0 at first */
};

/* The index to connect to, or BALANCE_NONE. Changes the credits of those among which it chose. */
uint32_t balance_choose(struct balance_row *rows, uint32_t count);

enum balance_state {
	BALANCE_UNKNOWN, /* no check has ended yet: it gets nobody */
	BALANCE_UP,
	BALANCE_DOWN,
	BALANCE_STATE_COUNT_
};

struct balance_health {
	enum balance_state state;
	uint32_t streak; /* results in a row that speak against the state */
};

/* Takes one result: the first decides; later ones change the state when there are `rise` good or `fall` bad ones in a
 * row. true: the state has changed. */
bool balance_take(struct balance_health *health, bool good, uint32_t rise, uint32_t fall);
