#include "verify.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "ledger.h"
#include "writers.h"

enum { EXAMPLES_MAX = 5 };

struct finding {
	uint64_t rows;
	uint64_t lost;
	uint64_t doubled;
	uint64_t refused_present;
	uint64_t unknown_present;
	uint64_t unknown_absent;
	uint64_t foreign;
};

static void show_example(const char *what, uint64_t count, uint64_t id)
{
	if (count <= EXAMPLES_MAX) {
		(void)fprintf(stderr, "bench_load: id %llu: %s\n", (unsigned long long)id, what);
	}
}

static void take_row(const struct ledger *ledger, uint64_t id, unsigned char *const *seen,
		     struct finding *finding)
{
	size_t index = 0;
	finding->rows++;
	for (enum ledger_outcome i = 0; i < LEDGER_OUTCOME_COUNT_; i++) {
		if (!ledger_find(&ledger->by_outcome[i], id, &index)) {
			continue;
		}
		if (seen[i][index]) {
			show_example("there more than once", ++finding->doubled, id);
		} else if (i == LEDGER_REFUSED) {
			show_example("refused, and there", ++finding->refused_present, id);
		} else if (i == LEDGER_UNKNOWN) {
			finding->unknown_present++;
		}
		seen[i][index] = 1;
		return;
	}
	show_example("there, and nobody wrote it", ++finding->foreign, id);
}

static enum err walk_table(MYSQL *conn, const struct ledger *ledger, unsigned char *const *seen,
			   struct finding *finding, struct err_ctx *err)
{
	if (mysql_query(conn, "SELECT id FROM ledger") != 0) {
		return err_set(err, ERR_SERVER, "%s", mysql_error(conn));
	}
	MYSQL_RES *result = mysql_use_result(conn);
	if (!result) {
		return err_set(err, ERR_SERVER, "%s", mysql_error(conn));
	}
	enum err rc = ERR_OK;
	MYSQL_ROW row;
	while (rc == ERR_OK && (row = mysql_fetch_row(result)) != NULL) {
		uint64_t id = 0;
		rc = str_parse_u64(str_of(row[0]), 0, UINT64_MAX, &id);
		if (rc == ERR_OK) {
			take_row(ledger, id, seen, finding);
		}
	}
	if (rc == ERR_OK && mysql_errno(conn) != 0) {
		rc = err_set(err, ERR_SERVER, "%s", mysql_error(conn));
	}
	mysql_free_result(result);
	return rc;
}

static void count_absent(const struct ledger *ledger, unsigned char *const *seen,
			 struct finding *finding)
{
	const struct ledger_ids *acknowledged = &ledger->by_outcome[LEDGER_ACKNOWLEDGED];
	for (size_t i = 0; i < acknowledged->count; i++) {
		if (!seen[LEDGER_ACKNOWLEDGED][i]) {
			show_example("acknowledged, and not there", ++finding->lost,
				     acknowledged->ids[i]);
		}
	}
	finding->unknown_absent =
		ledger->by_outcome[LEDGER_UNKNOWN].count - finding->unknown_present;
}

static enum err judge(const struct ledger *ledger, const struct finding *finding,
		      struct err_ctx *err)
{
	(void)printf(
		"{\"acknowledged\": %zu, \"rows\": %llu, \"lost\": %llu, \"doubled\": %llu, "
		"\"refused_present\": %llu, \"unknown_present\": %llu, "
		"\"unknown_absent\": %llu, \"foreign\": %llu}\n",
		ledger->by_outcome[LEDGER_ACKNOWLEDGED].count, (unsigned long long)finding->rows,
		(unsigned long long)finding->lost, (unsigned long long)finding->doubled,
		(unsigned long long)finding->refused_present,
		(unsigned long long)finding->unknown_present,
		(unsigned long long)finding->unknown_absent, (unsigned long long)finding->foreign);
	if (finding->lost || finding->doubled || finding->refused_present || finding->foreign) {
		return err_set(err, ERR_FAILED, "the server and the clients do not agree");
	}
	return ERR_OK;
}

enum err verify_run(const struct options *options, struct err_ctx *err)
{
	struct ledger ledger;
	enum err rc = ledger_read(options->ledger_path, &ledger, err);
	if (rc != ERR_OK) {
		return rc;
	}
	unsigned char *seen[LEDGER_OUTCOME_COUNT_];
	for (enum ledger_outcome i = 0; i < LEDGER_OUTCOME_COUNT_; i++) {
		seen[i] = mem_need(ledger.by_outcome[i].count);
	}
	struct finding finding = { 0 };
	MYSQL *conn = writers_connect(options, options->database, err);
	rc = conn ? walk_table(conn, &ledger, seen, &finding, err) : ERR_UNREACHABLE;
	if (rc == ERR_OK) {
		count_absent(&ledger, seen, &finding);
		rc = judge(&ledger, &finding, err);
	}
	if (conn) {
		mysql_close(conn);
	}
	for (enum ledger_outcome i = 0; i < LEDGER_OUTCOME_COUNT_; i++) {
		mem_free(seen[i]);
	}
	ledger_fini(&ledger);
	return rc;
}
