#include "cli/commands/store_config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The keys in etcd stand below /muster/CLUSTER/. */
static enum err set_prefix(const char *cluster, struct store_place *place, struct err_ctx *err)
{
	struct str name = str_of(cluster);
	if (name.len == 0 || str_contains(name, STR("/"))) {
		return err_set(err, ERR_CONFIG, "[store] cluster: a name without '/' is needed");
	}
	int length = snprintf(place->prefix, sizeof(place->prefix), "/muster/%s/", cluster);
	return length > 0 && (size_t)length < sizeof(place->prefix)
		       ? ERR_OK
		       : err_set(err, ERR_CONFIG, "[store] cluster: the name is too long");
}

enum store_kind store_config_kind(const struct config *config)
{
	return strcmp(config->values.store_kind, "etcd") == 0 ? STORE_ETCD : STORE_SQLITE;
}

enum err store_config_place(const struct config *config, enum store_kind kind,
			    struct store_place *ret, struct err_ctx *err)
{
	const struct config_values *values = &config->values;
	struct store_place place = { .timeout_ms = values->store_timeout_ms };
	if (kind == STORE_SQLITE) {
		place.kind = STORE_SQLITE;
		(void)snprintf(place.path, sizeof(place.path), "%s/muster.db",
			       values->muster_data_dir);
		*ret = place;
		return ERR_OK;
	}
	if (!values->store_endpoints[0]) {
		return err_set(err, ERR_CONFIG,
			       "[store] endpoints: kind = etcd needs the address of each member");
	}
	place.kind = STORE_ETCD;
	/* Each field of the place is at least as long as a text of the configuration. */
	(void)snprintf(place.endpoints, sizeof(place.endpoints), "%s", values->store_endpoints);
	(void)snprintf(place.ca_file, sizeof(place.ca_file), "%s", values->store_ca_file);
	(void)snprintf(place.cert_file, sizeof(place.cert_file), "%s", values->store_cert_file);
	(void)snprintf(place.key_file, sizeof(place.key_file), "%s", values->store_key_file);
	(void)snprintf(place.user, sizeof(place.user), "%s", values->store_user);
	(void)snprintf(place.password_file, sizeof(place.password_file), "%s",
		       values->store_password_file);
	enum err rc = set_prefix(values->store_cluster, &place, err);
	if (rc == ERR_OK) {
		*ret = place;
	}
	return rc;
}

enum err store_config_node(const struct config *config, char ret_name[STORE_NODE_BYTES_MAX],
			   char ret_address[STORE_ADDRESS_BYTES_MAX], struct err_ctx *err)
{
	char host[STORE_NODE_BYTES_MAX] = "";
	const struct config_values *values = &config->values;
	if (gethostname(host, sizeof(host) - 1) != 0) {
		host[0] = 0;
	}
	const char *name = values->node_name[0] ? values->node_name : host;
	struct str text = str_of(name);
	if (text.len == 0 || text.len >= STORE_NODE_BYTES_MAX || str_contains(text, STR("/"))) {
		return err_set(err, ERR_CONFIG,
			       "[node] name: 1 to %d characters without '/' are needed",
			       (int)STORE_NODE_BYTES_MAX - 1);
	}
	char address[STORE_ADDRESS_BYTES_MAX];
	int length =
		values->node_address[0]
			? snprintf(address, sizeof(address), "%s", values->node_address)
			: snprintf(address, sizeof(address), "%s, %s", host, values->muster_socket);
	if (length < 0 || (size_t)length >= sizeof(address)) {
		return err_set(err, ERR_CONFIG, "[node] address: set one of at most %d characters",
			       (int)STORE_ADDRESS_BYTES_MAX - 1);
	}
	memcpy(ret_address, address, sizeof(address));
	memcpy(ret_name, name, text.len + 1);
	return ERR_OK;
}
