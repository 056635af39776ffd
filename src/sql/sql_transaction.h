/* Transaction control: BEGIN, START TRANSACTION, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, XA. */
#pragma once

#include "sql/sql_classify.h"
#include "sql/sql_scan.h"

/* At the statement's first word. Reads the statement to its end and notes its flags in `scan`.
 * SQL_TRANSACTION_NONE when it isn't exactly a form of transaction control. */
enum sql_transaction sql_transaction_read(struct sql_scan *scan);
