/* muster version. */
#include "base/check.h"
#include "cli/command.h"
#include "cli/request.h"

enum err cmd_version(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *running = NULL;
	enum err rc = request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_call(&request, "GET", "/version", NULL, &running);
	}
	/* Nobody running is an answer; a wrong configuration or a wrong peer is an error. */
	if (rc != ERR_OK && rc != ERR_UNREACHABLE) {
		return rc;
	}
	if (cli->json) {
		json_t *all =
			json_pack("{s:s, s:o?}", "version", MUSTER_VERSION, "running", running);
		check(all);
		cli_print_json(cli, all);
		json_decref(all);
		return ERR_OK;
	}
	buf_printf(&cli->out, "muster %s\n", MUSTER_VERSION);
	if (running) {
		buf_printf(&cli->out, "running: %s\n", request_text(running, "version"));
	} else {
		buf_printf(&cli->out, "running: none at '%s'\n", request.socket_path);
	}
	json_decref(running);
	return ERR_OK;
}
