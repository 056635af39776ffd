/* CREATE, DROP and their kin: schema, stored programs, temporary tables. */
#pragma once

#include "sql/sql_classify.h"
#include "sql/sql_scan.h"

/* At the statement's first word. Reads it to its end; SQL_FLAG_IMPLICIT_COMMIT, noted in `scan` before,
 * is taken back where it does not hold. */
enum sql_class sql_ddl_classify(struct sql_scan *scan);
