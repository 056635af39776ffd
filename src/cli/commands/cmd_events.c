/* muster events. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "cli/command.h"
#include "cli/output/table.h"
#include "cli/request.h"

const struct option_row options_events[] = {
	{ .name = "follow", .letter = 'f', .kind = OPTION_FLAG, .help = "Go on with what comes." },
	{ .name = "after",
	  .kind = OPTION_NUMBER,
	  .value = "ID",
	  .help = "Only events with a greater id.",
	  .min = 0,
	  .max = INT64_MAX },
	{ 0 },
};

enum { PATH_BYTES_MAX = 1024 };

static const struct table_column columns[] = {
	{ "id", "ID", TABLE_NUMBER, 3 },	  { "time", "TIME", TABLE_TEXT, 0 },
	{ "level", "LEVEL", TABLE_TEXT, 2 },	  { "group", "GROUP", TABLE_TEXT, 1 },
	{ "server", "SERVER", TABLE_TEXT, 1 },	  { "evt", "EVENT", TABLE_TEXT, 4 },
	{ "duration_ms", "MS", TABLE_NUMBER, 5 }, { "message", "MESSAGE", TABLE_TEXT, 0 },
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(columns[0]) };

static void add_query(struct buf *path, const struct args *args)
{
	const char *group = args_word(args, 0);
	buf_printf(path, "/events?after=%" PRIu64, args_number(args, "after", 0));
	if (args_has(args, "follow")) {
		buf_add_text(path, "&follow=1");
	}
	if (group) {
		buf_add_text(path, "&group=");
		client_add_word(path, str_of(group));
	}
}

/* One event of the stream: JSON as it came, or one line in fixed places. */
static bool on_line(void *ctx, struct str line)
{
	struct cli *cli = ctx;
	json_error_t where;
	if (cli->json) {
		buf_add_str(&cli->out, line);
		buf_add_char(&cli->out, '\n');
		return cli_flush(cli) == ERR_OK;
	}
	json_t *event = json_loadb(line.ptr, line.len, 0, &where);
	if (!event) {
		(void)err_set(&cli->err, ERR_PROTOCOL, "an event that is no JSON: %s", where.text);
		return false;
	}
	const char *group = request_text(event, "group");
	const char *server = request_text(event, "server");
	buf_printf(&cli->out, "%s  %-5s  %-12s  %-10s  %s\n", request_text(event, "time"),
		   request_text(event, "level"), group[0] ? group : "-", server[0] ? server : "-",
		   request_text(event, "message"));
	json_decref(event);
	return cli_flush(cli) == ERR_OK;
}

static enum err follow(struct request *request, const char *path)
{
	char whole[PATH_BYTES_MAX + 8];
	(void)snprintf(whole, sizeof(whole), "/v1%s", path);
	enum err rc =
		client_stream(&request->client, whole, on_line, request->cli, &request->cli->err);
	if (rc != ERR_OK || request->cli->err.code != ERR_OK) {
		/* on_line() left its own words when it ended the stream. */
		return rc != ERR_OK ? rc : request->cli->err.code;
	}
	return err_set(&request->cli->err, ERR_UNREACHABLE, "muster at '%s' ended the stream",
		       request->client.socket_path);
}

/* What took no time has no duration to show. */
static void forget_zero_durations(json_t *events)
{
	size_t index;
	json_t *event;
	json_array_foreach(events, index, event)
	{
		if (json_number_value(json_object_get(event, "duration_ms")) <= 0) {
			(void)json_object_del(event, "duration_ms");
		}
	}
}

static enum err list(struct request *request, const char *path)
{
	struct cli *cli = request->cli;
	json_t *result = NULL;
	enum err rc = request_call(request, "GET", path, NULL, &result);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		const struct table_style style = { cli->term, cli->no_header, cli->wide };
		forget_zero_durations(json_object_get(result, "events"));
		table_print(&style, columns, COLUMN_COUNT, json_object_get(result, "events"),
			    &cli->out);
	}
	json_decref(result);
	return ERR_OK;
}

enum err cmd_events(struct cli *cli, const struct args *args)
{
	struct request request;
	char text[PATH_BYTES_MAX];
	struct buf path;
	buf_init_fixed(&path, text, sizeof(text));
	add_query(&path, args);
	if (buf_finish(&path) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE, "the group's name is too long");
	}
	enum err rc = request_open(cli, args, &request);
	if (rc != ERR_OK) {
		return rc;
	}
	return args_has(args, "follow") ? follow(&request, buf_text(&path))
					: list(&request, buf_text(&path));
}
