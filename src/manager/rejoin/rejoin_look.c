#include "manager/rejoin/rejoin_look.h"

#include <string.h>

#include "base/mem.h"
#include "manager/records/record_json.h"

enum { CONTACT_TIMEOUT_MS = 5000 };

static uint64_t contact_deadline_us(const struct rejoin *job)
{
	return clock_monotonic_us(&job->clock) + (uint64_t)CONTACT_TIMEOUT_MS * US_PER_MS;
}

enum err rejoin_connect(const struct rejoin *job, const struct rejoin_place *place,
			bool replication, struct conn **ret, struct err_ctx *err)
{
	const struct manager_accounts *accounts = &job->options->accounts;
	const struct conn_options options = {
		.host = place->host,
		.port = place->port,
		.user = replication ? accounts->replication_user : accounts->manager_user,
		.password =
			replication ? &accounts->replication_password : &accounts->manager_password,
		.clock = &job->clock,
	};
	enum err rc = conn_open(&options, contact_deadline_us(job), ret, NULL, err);
	return rc == ERR_OK ? rc : err_wrap(err, rc, "%s", place->name);
}

void rejoin_look_fini(struct rejoin_look *look)
{
	look->server = conn_close(look->server);
	look->primary = conn_close(look->primary);
	server_status_fini(&look->status);
	server_status_fini(&look->primary_status);
	gtid_set_fini(&look->purged);
	gtid_set_fini(&look->extra);
}

static bool is_id_taken(const struct rejoin_order *order, const struct server_status *status)
{
	for (size_t i = 0; i < order->other_count; i++) {
		const struct rejoin_identity *other = &order->others[i];
		if (other->server_id == status->server_id ||
		    (other->uuid[0] && strcmp(other->uuid, status->server_uuid) == 0)) {
			return true;
		}
	}
	return false;
}

/* The server first: whoever is read later has all that came from the other. */
static enum err read_both(const struct rejoin *job, struct rejoin_look *look, struct err_ctx *err)
{
	uint64_t deadline_us = contact_deadline_us(job);
	enum err rc = server_read_status(look->server, deadline_us, &look->status, err);
	rc = rc ? rc : server_read_size(look->server, deadline_us, &look->size, err);
	if (rc != ERR_OK) {
		return err_wrap(err, rc, "%s", job->order.server.name);
	}
	rc = server_read_status(look->primary, deadline_us, &look->primary_status, err);
	rc = rc ? rc : server_read_size(look->primary, deadline_us, &look->donor_size, err);
	if (rc != ERR_OK) {
		return err_wrap(err, rc, "%s", job->order.primary.name);
	}
	struct err_ctx ignored = { 0 };
	look->purged_known =
		server_read_purged(look->primary, deadline_us, &look->purged, &ignored) == ERR_OK;
	return ERR_OK;
}

enum err rejoin_look_at(const struct rejoin *job, struct rejoin_look *ret, struct err_ctx *err)
{
	const struct rejoin_order *order = &job->order;
	server_status_init(&ret->status);
	server_status_init(&ret->primary_status);
	enum err rc = rejoin_connect(job, &order->server, false, &ret->server, err);
	rc = rc ? rc : rejoin_connect(job, &order->primary, false, &ret->primary, err);
	rc = rc ? rc : read_both(job, ret, err);
	if (rc != ERR_OK) {
		return rc;
	}
	ret->stranger = order->uuid[0] && ret->status.server_uuid[0] &&
			strcmp(order->uuid, ret->status.server_uuid) != 0;
	ret->id_taken = is_id_taken(order, &ret->status);
	const struct rejoin_facts facts = {
		.mine = ret->status.gtid_on ? &ret->status.executed : NULL,
		.theirs = &ret->primary_status.executed,
		.purged = ret->purged_known ? &ret->purged : NULL,
		.holds_tables = ret->size.tables > 0,
		.id_taken = ret->id_taken,
		.stranger = ret->stranger,
		.remade = order->remade,
	};
	ret->class = rejoin_classify(&facts);
	gtid_set_subtract(&ret->status.executed, &ret->primary_status.executed, &ret->extra);
	return ERR_OK;
}

/* ---------------------------------------------------------------- telling */

/* Takes over the text. */
static void add_way(json_t *ways, const char *way, json_t *text)
{
	(void)json_array_append_new(ways, json_pack("{s:s, s:o}", "way", way, "text", text));
}

static json_t *ways_json(const struct rejoin *job, const struct rejoin_look *look)
{
	const struct rejoin_order *order = &job->order;
	const char *name = order->server.name;
	bool tail = !gtid_set_is_empty(&look->extra);
	json_t *ways = json_array();
	if (rejoin_is_automatic(look->class)) {
		add_way(ways, "automatic", json_string("nothing is to be done"));
	}
	if (tail) {
		add_way(ways, "--export-tail",
			json_sprintf("saves what %s has too much to %s, as a binary log and as "
				     "text; changes nothing",
				     name, order->folder));
	}
	if (rejoin_can_reclone(look->class) && !look->id_taken && order->donor.port) {
		add_way(ways, "--reclone",
			json_sprintf("destroys the data of %s%s, and copies %u tables, %llu MiB, "
				     "from %s",
				     name, tail ? ", when its tail is saved" : "",
				     look->donor_size.tables,
				     (unsigned long long)(look->donor_size.bytes >> 20),
				     order->donor.name));
	}
	return ways;
}

static uint64_t count_of(const struct gtid_set *set)
{
	uint64_t count = 0;
	for (size_t i = 0; i < set->interval_count; i++) {
		count += set->intervals[i].to - set->intervals[i].from + 1;
	}
	return count;
}

json_t *rejoin_look_json(const struct rejoin *job, const struct rejoin_look *look)
{
	const struct rejoin_order *order = &job->order;
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:I, s:I, s:o, s:s?, s:I, s:i, s:o}",
		"group", order->group, "server", order->server.name, "primary", order->primary.name,
		"class", rejoin_name(look->class), "meaning", rejoin_meaning(look->class), "remedy",
		rejoin_remedy(look->class), "automatic", (int)rejoin_is_automatic(look->class),
		"extra", gtid_to_json(&look->extra), "extra_count",
		(json_int_t)count_of(&look->extra), "missing_count",
		(json_int_t)gtid_set_distance(&look->primary_status.executed,
					      &look->status.executed),
		"executed", gtid_to_json(&look->status.executed), "donor",
		order->donor.port ? order->donor.name : NULL, "bytes",
		(json_int_t)look->donor_size.bytes, "tables", (int)look->donor_size.tables, "ways",
		ways_json(job, look));
	(void)json_object_set_new(json, "another_server", json_boolean(look->stranger));
	(void)json_object_set_new(json, "unfinished", json_boolean(order->remade));
	return json;
}
