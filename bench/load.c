/* bench_load: clients that write rows, note what they were told, and compare it with a server.
 *
 *   bench_load prepare|run|verify [--host H] [--port P] [--user U] [--database D] [--ledger FILE]
 *              [--clients N] [--seconds N] [--pause-us N] [--timeout SECONDS] [--knock-ms N]
 *
 * `run` prints one JSON object at its end and keeps one line per write in the ledger; `verify` reads
 * the table back. Exit status as that of muster: 0 done, 1 failed, 2 usage, 3 not reachable.
 */
#include <mysql.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "verify.h"
#include "writers.h"

static enum err run(int argc, char **argv, struct err_ctx *err)
{
	struct options options;
	enum err rc = options_read(argc, argv, &options, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (strcmp(options.mode, "prepare") == 0) {
		return writers_prepare(&options, err);
	}
	if (strcmp(options.mode, "verify") == 0) {
		return verify_run(&options, err);
	}
	return writers_run(&options, err);
}

int main(int argc, char **argv)
{
	if (mysql_library_init(0, NULL, NULL) != 0) {
		(void)fprintf(stderr, "bench_load: the client library cannot be used\n");
		return 1;
	}
	struct err_ctx err = { 0 };
	enum err rc = run(argc, argv, &err);
	if (rc != ERR_OK) {
		(void)fprintf(stderr, "bench_load: %s\n", err_text(rc, &err));
	}
	mysql_library_end();
	return err_exit_status(rc);
}
