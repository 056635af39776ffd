/* Runs a proxy alone, told what to do by lines on standard input: for tests, before and without a
 * manager.
 *
 * usage: proxy_driver [--workers N] [--hold-ms N] [--sessions N] [--connect-ms N] [--check-ms N]
 *                     [--server-connections N] [--causal-ms N] [--pool-forgets 1]
 *                     [--tls-cert FILE] [--tls-ca FILE] [--tls-required 1] [--server-tls N] [--server-ca FILE]
 *                     [--listen writes|reads|split|SERVICE]...
 * It prints "port INDEX PORT" for each listener, then answers each line with one line:
 *   facts VERSION PLUGIN CAPABILITIES CHARSET MARIADB   what the greeting says (no blanks in it)
 *   account USER HOST PLUGIN AUTH LOCKED   all but LOCKED in hexadecimal, "-" when empty
 *   accounts                               puts the accounts given so far in force
 *   server INDEX HOST PORT WEIGHT READS    one server of the route to come
 *   route EPOCH REVISION open|drain|hold PRIMARY   publishes; PRIMARY an index, or "none"
 *   backend SERVICE HOST PORT WEIGHT OPEN CHECK    one back end of the table to come; OPEN is 0 or 1
 *   services                               publishes the back ends given since the last time
 *   backends                               prints how they are as JSON
 *   tls                                    reads the certificates again
 *   status                                 prints the status as JSON
 *   quit
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/clock_system.h"
#include "proxy/proxy.h"
#include "proxy/tls.h"

enum { LINE_BYTES_MAX = 16384, WORDS_MAX = 8, LISTENERS_MAX = 8, FIELD_BYTES_MAX = 2048 };

struct driver {
	struct proxy *proxy;
	struct tls *tls;
	struct accounts *accounts;
	struct route route;
	struct service_table table;
	uint32_t printed;
	atomic_uint troubles;
	atomic_uint changes;
};

static void write_log(void *ctx, const struct log_line *line)
{
	struct buf text;
	(void)ctx;
	buf_init(&text, LINE_BYTES_MAX);
	log_format(line, &text);
	(void)fprintf(stderr, "%s\n", buf_text(&text));
	buf_fini(&text);
}

static void on_changed(void *ctx)
{
	struct driver *driver = ctx;
	(void)atomic_fetch_add(&driver->changes, 1);
}

static void on_trouble(void *ctx, const char *host, uint16_t port)
{
	struct driver *driver = ctx;
	(void)host;
	(void)port;
	(void)atomic_fetch_add(&driver->troubles, 1);
}

static uint32_t number(const char *text)
{
	uint32_t value = 0;
	if (str_parse_u32(str_of(text), 0, UINT32_MAX, &value) != ERR_OK) {
		(void)fprintf(stderr, "not a number: %s\n", text);
		exit(2);
	}
	return value;
}

static struct str unhex(const char *text, char memory[FIELD_BYTES_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t count = 0;
	for (; strcmp(text, "-") != 0 && text[0] && text[1] && count < FIELD_BYTES_MAX; text += 2) {
		const char *high = strchr(digits, text[0]);
		const char *low = strchr(digits, text[1]);
		if (!high || !low) {
			break;
		}
		memory[count++] = (char)((high - digits) * 16 + (low - digits));
	}
	return (struct str){ memory, count };
}

static void add_account(struct driver *driver, char **words)
{
	char memory[4][FIELD_BYTES_MAX];
	struct err_ctx err = { 0 };
	struct account account = {
		.user = unhex(words[1], memory[0]),
		.host = unhex(words[2], memory[1]),
		.plugin = unhex(words[3], memory[2]),
		.auth = unhex(words[4], memory[3]),
		.locked = strcmp(words[5], "1") == 0,
	};
	if (accounts_add(driver->accounts, &account, &err) != ERR_OK) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

static void set_facts(struct driver *driver, char **words)
{
	struct accounts_facts facts = {
		.capabilities = number(words[3]),
		.charset = (uint8_t)number(words[4]),
		.mariadb = strcmp(words[5], "1") == 0,
	};
	(void)snprintf(facts.server_version, sizeof(facts.server_version), "%s", words[1]);
	(void)snprintf(facts.default_plugin, sizeof(facts.default_plugin), "%s", words[2]);
	driver->accounts = accounts_new(&facts);
}

static void set_server(struct driver *driver, char **words)
{
	uint32_t index = number(words[1]);
	struct route_server *server = &driver->route.servers[index % ROUTE_SERVERS_MAX];
	*server = (struct route_server){ .port = (uint16_t)number(words[3]),
					 .weight = number(words[4]),
					 .serves_reads = strcmp(words[5], "1") == 0 };
	(void)snprintf(server->name, sizeof(server->name), "s%u", index);
	(void)snprintf(server->host, sizeof(server->host), "%s", words[2]);
	if (driver->route.server_count <= index) {
		driver->route.server_count = index + 1;
	}
}

static void publish(struct driver *driver, char **words)
{
	driver->route.epoch = number(words[1]);
	driver->route.revision = number(words[2]);
	driver->route.writes = strcmp(words[3], "hold") == 0	? ROUTE_HOLD
			       : strcmp(words[3], "drain") == 0 ? ROUTE_DRAIN
								: ROUTE_OPEN;
	driver->route.primary =
		strcmp(words[4], "none") == 0 ? (uint32_t)ROUTE_SERVERS_MAX : number(words[4]);
	proxy_publish(driver->proxy, &driver->route);
}

static void print_status(struct driver *driver)
{
	struct proxy_status status;
	proxy_get_status(driver->proxy, &status);
	(void)printf(
		"{\"epoch\": %llu, \"revision\": %llu, \"held\": %s, \"transactions_open\": %u, "
		"\"statements_held\": %u, \"sessions\": %u, \"troubles\": %u, \"changes\": %u, "
		"\"reads\": [",
		(unsigned long long)status.epoch, (unsigned long long)status.revision,
		status.held ? "true" : "false", status.transactions_open, status.statements_held,
		status.sessions, atomic_load(&driver->troubles), atomic_load(&driver->changes));
	for (size_t i = 0; i < ROUTE_SERVERS_MAX; i++) {
		(void)printf("%s%u", i ? ", " : "", status.reads[i]);
	}
	(void)printf("]}\n");
}

static void add_backend(struct driver *driver, char **words)
{
	struct service_table *table = &driver->table;
	struct service *service = &table->services[0];
	struct err_ctx err = { 0 };
	for (uint32_t i = 0; i < table->service_count; i++) {
		service += strcmp(service->name, words[1]) != 0 ? 1 : 0;
	}
	if (service == &table->services[table->service_count]) {
		table->service_count++;
		(void)snprintf(service->name, sizeof(service->name), "%s", words[1]);
	}
	struct service_backend *backend = &service->backends[service->backend_count++];
	*backend = (struct service_backend){ .port = (uint16_t)number(words[3]),
					     .weight = number(words[4]),
					     .open = strcmp(words[5], "1") == 0 };
	(void)snprintf(backend->host, sizeof(backend->host), "%s", words[2]);
	if (service_check_parse(str_of(words[6]), &backend->check, &err) != ERR_OK) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(2);
	}
}

static void print_backend(void *ctx, const struct proxy_backend *backend)
{
	struct driver *driver = ctx;
	(void)printf("%s\"%s %s:%u\": {\"state\": %d, \"connections\": %u, \"why\": \"%s\"}",
		     driver->printed++ ? ", " : "", backend->service, backend->host,
		     (unsigned)backend->port, (int)backend->state, backend->connections,
		     backend->why);
}

static void print_backends(struct driver *driver)
{
	driver->printed = 0;
	(void)printf("{\"in_force\": %s, \"backends\": {",
		     proxy_services_in_force(driver->proxy) ? "true" : "false");
	proxy_each_backend(driver->proxy, print_backend, driver);
	(void)printf("}}\n");
}

/* true: go on. */
static bool obey(struct driver *driver, char **words, size_t count)
{
	if (count == 6 && strcmp(words[0], "facts") == 0) {
		set_facts(driver, words);
	} else if (count == 6 && strcmp(words[0], "account") == 0) {
		add_account(driver, words);
	} else if (count == 1 && strcmp(words[0], "accounts") == 0) {
		accounts_seal(driver->accounts);
		proxy_set_accounts(driver->proxy, driver->accounts);
		driver->accounts = NULL;
	} else if (count == 6 && strcmp(words[0], "server") == 0) {
		set_server(driver, words);
	} else if (count == 5 && strcmp(words[0], "route") == 0) {
		publish(driver, words);
	} else if (count == 7 && strcmp(words[0], "backend") == 0) {
		add_backend(driver, words);
	} else if (count == 1 && strcmp(words[0], "services") == 0) {
		proxy_publish_services(driver->proxy, &driver->table);
		memset(&driver->table, 0, sizeof(driver->table));
	} else if (count == 1 && strcmp(words[0], "tls") == 0) {
		struct err_ctx err = { 0 };
		enum err rc = tls_reload(driver->tls, &err);
		(void)printf("%s\n", rc ? err_text(rc, &err) : "ok");
		return true;
	} else if (count == 1 && strcmp(words[0], "backends") == 0) {
		print_backends(driver);
		return true;
	} else if (count == 1 && strcmp(words[0], "status") == 0) {
		print_status(driver);
		return true;
	} else if (count == 1 && strcmp(words[0], "quit") == 0) {
		return false;
	} else {
		(void)printf("what?\n");
		return true;
	}
	(void)printf("ok\n");
	return true;
}

/* Cuts the line at its blanks, in place. */
static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t count = 0;
	bool inside = false;
	for (char *at = line; *at && count <= WORDS_MAX; at++) {
		bool blank = *at == ' ' || *at == '\n';
		if (!blank && !inside && count < WORDS_MAX) {
			words[count++] = at;
		}
		inside = !blank;
		if (blank) {
			*at = '\0';
		}
	}
	return count;
}

int main(int argc, char **argv)
{
	static struct driver driver;
	static char line[LINE_BYTES_MAX];
	struct proxy_listener listeners[LISTENERS_MAX] = { 0 };
	struct tls_options tls = { 0 };
	struct log log = { .level = LOG_DEBUG, .write = write_log };
	struct proxy_options options = { .listeners = listeners,
					 .workers = 2,
					 .hold_ms_max = 10000,
					 .sessions_max = 10000,
					 .connect_ms_max = 3000,
					 .causal_ms_max = 1000,
					 .check_interval_ms = 200,
					 .check_timeout_ms = 500,
					 .check_rise = 2,
					 .check_fall = 3,
					 .clock = &clock_system,
					 .log = &log,
					 .changed = on_changed,
					 .trouble = on_trouble,
					 .ctx = &driver };
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--workers") == 0) {
			options.workers = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--hold-ms") == 0) {
			options.hold_ms_max = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--sessions") == 0) {
			options.sessions_max = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--connect-ms") == 0) {
			options.connect_ms_max = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--server-connections") == 0) {
			options.server_connections_max = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--pool-forgets") == 0) {
			options.pool_forgets = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--tls-cert") == 0) {
			tls.cert_file = argv[i + 1];
		} else if (strcmp(argv[i], "--tls-ca") == 0) {
			tls.client_ca_file = argv[i + 1];
		} else if (strcmp(argv[i], "--tls-required") == 0) {
			options.tls_required = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--server-tls") == 0) {
			tls.server = (enum tls_verify)number(argv[i + 1]);
		} else if (strcmp(argv[i], "--server-ca") == 0) {
			tls.server_ca_file = argv[i + 1];
		} else if (strcmp(argv[i], "--causal-ms") == 0) {
			options.causal_ms_max = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--check-ms") == 0) {
			options.check_interval_ms = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--listen") == 0 &&
			   options.listener_count < LISTENERS_MAX) {
			struct proxy_listener *listener = &listeners[options.listener_count++];
			(void)snprintf(listener->host, sizeof(listener->host), "127.0.0.1");
			bool writes = strcmp(argv[i + 1], "writes") == 0;
			bool reads = strcmp(argv[i + 1], "reads") == 0;
			bool split = strcmp(argv[i + 1], "split") == 0;
			listener->role = writes	 ? PROXY_WRITES
					 : reads ? PROXY_READS
					 : split ? PROXY_SPLIT
						 : PROXY_SERVICE;
			(void)snprintf(listener->service, sizeof(listener->service), "%s",
				       argv[i + 1]);
		}
	}
	struct err_ctx err = { 0 };
	(void)signal(SIGPIPE, SIG_IGN); /* as `muster run` does: TLS writes without MSG_NOSIGNAL */
	enum err rc = tls_new(&tls, &driver.tls, &err);
	options.tls = driver.tls;
	rc = rc ? rc : proxy_start(&options, &driver.proxy, &err);
	if (rc) {
		(void)fprintf(stderr, "%s\n", err_text(rc, &err));
		return err_exit_status(rc);
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < options.listener_count; i++) {
		(void)printf("port %zu %u\n", i, (unsigned)proxy_port(driver.proxy, i));
	}
	while (fgets(line, sizeof(line), stdin)) {
		char *words[WORDS_MAX] = { NULL };
		if (!obey(&driver, words, split(line, words))) {
			break;
		}
	}
	driver.accounts = accounts_unref(driver.accounts);
	driver.proxy = proxy_stop(driver.proxy);
	driver.tls = tls_free(driver.tls);
	return 0;
}
