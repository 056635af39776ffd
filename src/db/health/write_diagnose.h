/* Why a write is not through: read from the process list over another connection than the one that waits.
 *
 * The words of the servers, as measured with MariaDB 10.11 and 11.8 and MySQL 9.7: docs/evidence.md.
 */
#pragma once

#include "db/conn.h"

struct write_diagnosis {
	enum write_trouble trouble;
	char words[SERVER_ERROR_BYTES_MAX]; /* who holds it up; "" when nobody is known */
};

/* What holds the statement of session `thread_id` up. Errors: as conn_query(). */
MUST_CHECK enum err write_diagnose(struct conn *conn, uint64_t thread_id, uint64_t deadline_us,
				   struct write_diagnosis *ret, struct err_ctx *err);

/* By the state in the process list alone. WRITE_THROUGH: that state holds nothing up by itself. Pure. */
enum write_trouble write_diagnose_state(struct str state);

/* By the error that a write ended with; `text`: the server's words. Pure. */
enum write_trouble write_diagnose_error(unsigned server_errno, struct str text);
