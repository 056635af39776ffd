/* What one statement is: its first word decides, by a table, what more has to be looked at. */
#pragma once

#include "sql/sql_classify.h"
#include "sql/sql_scan.h"

/* At the statement's first token, behind sql_scan_begin(). Reads it to its end and notes its flags in
 * `scan`. *ret_transaction is written when the class is SQL_TRANSACTION. */
enum sql_class sql_statement_classify(struct sql_scan *scan, enum sql_transaction *ret_transaction);
