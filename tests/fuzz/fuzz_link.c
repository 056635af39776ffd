/* Bytes as what comes over the link between nodes: a token, a route, accounts. What is taken in must come out the same. */
#include <stdlib.h>
#include <string.h>

#include "agent/join_token.h"
#include "agent/route_json.h"
#include "agent/service_json.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void try_route(const json_t *json)
{
	struct route route;
	struct route again;
	if (route_json_read(json, &route, NULL) == ERR_OK) {
		json_t *written = route_json_write(&route);
		must(route_json_read(written, &again, NULL) == ERR_OK);
		must(route.epoch == again.epoch && route.primary == again.primary &&
		     route.writes == again.writes && route.server_count == again.server_count);
		json_decref(written);
	}
}

static void try_accounts(const json_t *json)
{
	struct accounts *accounts = NULL;
	struct accounts *again = NULL;
	if (route_json_read_accounts(json, &accounts, NULL) == ERR_OK) {
		json_t *written = route_json_write_accounts(accounts);
		must(route_json_read_accounts(written, &again, NULL) == ERR_OK);
		must(accounts_count(accounts) == accounts_count(again));
		json_decref(written);
		(void)accounts_unref(again);
		(void)accounts_unref(accounts);
	}
}

static void try_services(const json_t *json)
{
	struct service_table *table = mem_need(sizeof(*table));
	struct service_table *again = mem_need(sizeof(*again));
	if (service_json_read(json, table, NULL) == ERR_OK) {
		json_t *written = service_json_write(table);
		must(service_json_read(written, again, NULL) == ERR_OK);
		must(memcmp(table, again, sizeof(*table)) == 0);
		json_decref(written);
	}
	(void)mem_free(table);
	(void)mem_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct join_token token;
	json_t *json = json_loadb((const char *)data, size, 0, NULL);
	try_route(json);
	try_accounts(json);
	try_services(json);
	json_decref(json);
	(void)!join_token_parse((struct str){ (const char *)data, size }, &token, NULL);
	return 0;
}
