/* What every kind of store keeps to: the same cases for each. */
#pragma once

#include "store/store.h"

/* Runs all cases; open_empty: a store without any key; open_again: the same one once more after it was closed.
 * Returns the number of cases that failed. */
int store_cases_run(struct store *(*open_empty)(void), struct store *(*open_again)(void));
