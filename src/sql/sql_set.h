/* SET in all its forms but SET STATEMENT. */
#pragma once

#include "sql/sql_classify.h"
#include "sql/sql_scan.h"

/* Reads the statement from behind the word SET to its end; notes its flags in `scan`.
 * *ret_transaction: what it does to autocommit, untouched when nothing. */
enum sql_class sql_set_classify(struct sql_scan *scan, enum sql_transaction *ret_transaction);
