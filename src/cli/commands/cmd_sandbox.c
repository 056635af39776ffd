/* muster sandbox up, down, list, env. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/output/table.h"
#include "os/clock_system.h"
#include "sandbox/sandbox_down.h"
#include "sandbox/sandbox_up.h"
#include "sandbox/sandbox_view.h"

#define NAME_DEFAULT "main"

enum { SERVERS_DEFAULT = 3 };

const struct option_row options_sandbox_up[] = {
	{ .name = "servers",
	  .letter = 'n',
	  .kind = OPTION_NUMBER,
	  .value = "COUNT",
	  .help = "How many servers, 1 to 9. Default: 3.",
	  .min = 1,
	  .max = SANDBOX_SERVERS_MAX },
	{ .name = "flavor",
	  .kind = OPTION_TEXT,
	  .value = "FLAVOR",
	  .help = "mariadb or mysql. Default: mariadb, or what --binaries has." },
	{ .name = "binaries",
	  .kind = OPTION_TEXT,
	  .value = "DIR",
	  .help = "Folder of the servers' programs. Default: PATH, and where dev/get-server puts "
		  "them." },
	{ .name = "add-config",
	  .kind = OPTION_TEXT,
	  .value = "FILE",
	  .help = "Lines to add to the configuration of its `muster run`." },
	{ .name = "async",
	  .kind = OPTION_FLAG,
	  .help = "Replicate asynchronously in place of lossless." },
	{ .name = "pair",
	  .kind = OPTION_FLAG,
	  .help = "db1 and db2 are an active-passive pair, the others are below them in turn." },
	{ .name = "keep",
	  .kind = OPTION_FLAG,
	  .help = "When it fails, leave the folder with the logs." },
	{ 0 },
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static bool is_interrupted(void *ctx)
{
	(void)ctx;
	return interrupted != 0;
}

static void say(void *ctx, const char *line)
{
	cli_note(ctx, "%s", line);
}

static const char *name_of(const struct args *args)
{
	const char *name = args_word(args, 0);
	return name ? name : NAME_DEFAULT;
}

/* From here on Ctrl-C lets sandbox_up() clear up what it has begun. */
static void catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

static enum err read_options(struct cli *cli, const struct args *args, char *muster,
			     struct sandbox_up_options *ret)
{
	const char *flavor = args_text(args, "flavor");
	ssize_t length = readlink("/proc/self/exe", muster, FILE_PATH_BYTES_MAX - 1);
	if (length < 0) {
		return err_set(&cli->err, ERR_IO, "/proc/self/exe cannot be read");
	}
	muster[length] = '\0';
	*ret = (struct sandbox_up_options){
		.name = name_of(args),
		.servers = args_number(args, "servers", SERVERS_DEFAULT),
		.binaries = args_text(args, "binaries"),
		.add_config = args_text(args, "add-config"),
		.async = args_has(args, "async"),
		.pair = args_has(args, "pair"),
		.keep = args_has(args, "keep"),
		.muster = muster,
		.hooks = { .say = say, .is_cancelled = is_interrupted, .ctx = cli },
	};
	return flavor ? flavor_from_name(flavor, &ret->flavor, &cli->err) : ERR_OK;
}

static void print_up(struct cli *cli, const struct sandbox *sandbox, uint64_t took_ms)
{
	struct buf *out = &cli->out;
	const char *program = strcmp(sandbox->flavor, "mysql") == 0 ? "mysql" : "mariadb";
	buf_printf(out, "sandbox '%s' is up after %llu.%llu s, in %s\n", sandbox->name,
		   (unsigned long long)(took_ms / 1000), (unsigned long long)(took_ms / 100 % 10),
		   sandbox->root);
	for (size_t i = 0; i < sandbox->server_count; i++) {
		buf_printf(out, "  %s    127.0.0.1:%u\n", sandbox->servers[i].name,
			   (unsigned)sandbox->servers[i].port);
	}
	buf_printf(out, "  write  127.0.0.1:%u, to the primary\n", (unsigned)sandbox->write_port);
	buf_printf(out, "  read   127.0.0.1:%u, to replicas\n", (unsigned)sandbox->read_port);
	buf_printf(out, "  both   127.0.0.1:%u, each statement to where it belongs\n",
		   (unsigned)sandbox->split_port);
	buf_printf(out, "connect with: %s -h 127.0.0.1 -P %u -u %s -p\"$(cat '%s/secrets/%s')\"\n",
		   program, (unsigned)sandbox->write_port,
		   sandbox_state_account_user(SANDBOX_APPLICATION), sandbox->root,
		   sandbox_state_account_file(SANDBOX_APPLICATION));
	buf_printf(out, "look at it:   muster status --socket '%s/muster.sock'\n",
		   sandbox->sockets);
	buf_printf(out, "in a shell:   set -a; eval \"$(muster sandbox env %s)\"; set +a\n",
		   sandbox->name);
}

enum err cmd_sandbox_up(struct cli *cli, const struct args *args)
{
	char muster[FILE_PATH_BYTES_MAX];
	struct sandbox_up_options options;
	struct sandbox sandbox;
	uint64_t start_us = clock_monotonic_us(&clock_system);
	enum err rc = read_options(cli, args, muster, &options);
	if (rc != ERR_OK) {
		return rc;
	}
	catch_interrupts();
	rc = sandbox_up(&options, &sandbox, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	uint64_t took_ms = (clock_monotonic_us(&clock_system) - start_us) / US_PER_MS;
	if (cli->json) {
		json_t *json = sandbox_view_describe(&sandbox);
		(void)json_object_set_new(json, "took_ms", json_integer((json_int_t)took_ms));
		cli_print_json(cli, json);
		json_decref(json);
	} else {
		print_up(cli, &sandbox, took_ms);
	}
	return ERR_OK;
}

enum err cmd_sandbox_down(struct cli *cli, const struct args *args)
{
	const char *name = name_of(args);
	enum err rc = sandbox_down(name, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		json_t *json = json_pack("{s:s, s:s}", "name", name, "state", "removed");
		cli_print_json(cli, json);
		json_decref(json);
	} else {
		buf_printf(&cli->out, "sandbox '%s' is removed\n", name);
	}
	return ERR_OK;
}

static const struct table_column list_columns[] = {
	{ "name", "NAME", TABLE_TEXT, 0 },	    { "state", "STATE", TABLE_TEXT, 0 },
	{ "flavor", "FLAVOR", TABLE_TEXT, 1 },	    { "version", "VERSION", TABLE_LONG, 3 },
	{ "policy", "POLICY", TABLE_TEXT, 2 },	    { "running", "RUNNING", TABLE_NUMBER, 1 },
	{ "write_port", "WRITE", TABLE_NUMBER, 1 }, { "read_port", "READ", TABLE_NUMBER, 2 },
	{ "folder", "FOLDER", TABLE_LONG, 4 },	    { "error", "ERROR", TABLE_LONG, 4 },
};

/* The column for errors only where there is one. */
static size_t columns_wanted(const json_t *list)
{
	size_t index;
	const json_t *row;
	json_array_foreach(list, index, row)
	{
		if (json_object_get(row, "error")) {
			return sizeof(list_columns) / sizeof(list_columns[0]);
		}
	}
	return sizeof(list_columns) / sizeof(list_columns[0]) - 1;
}

enum err cmd_sandbox_list(struct cli *cli, const struct args *args)
{
	const struct table_style style = { cli->term, cli->no_header, cli->wide };
	json_t *list = NULL;
	(void)args;
	enum err rc = sandbox_view_list(&list, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, list);
	} else if (json_array_size(list) == 0) {
		cli_note(cli, "no sandboxes: 'muster sandbox up' makes one");
	} else {
		table_print(&style, list_columns, columns_wanted(list), list, &cli->out);
	}
	json_decref(list);
	return ERR_OK;
}

enum err cmd_sandbox_env(struct cli *cli, const struct args *args)
{
	struct sandbox sandbox;
	json_t *variables = NULL;
	enum err rc = sandbox_state_load(name_of(args), &sandbox, &cli->err);
	if (rc == ERR_OK) {
		rc = sandbox_view_env(&sandbox, &variables, &cli->err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, variables);
	} else {
		sandbox_view_shell(variables, &cli->out);
	}
	json_decref(variables);
	return ERR_OK;
}
