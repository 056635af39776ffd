/* Building a GTID set from the front: how the algebra and the parser of this room append. */
#pragma once

#include <stdbool.h>

#include "gtid/gtid_set.h"

/* The order of items: <0, 0, >0. MySQL before MariaDB; untagged before tagged; domain, then server. */
int gtid_builder_compare(const struct gtid_key *a, const struct gtid_key *b);

/* Begins an item behind the last one. The set is in order only if its key is higher. */
void gtid_builder_item(struct gtid_set *set, const struct gtid_key *key);

/* Appends to the last item, or lengthens its last interval when the two overlap or touch. The set is
 * in order only if `from` is not lower than the last interval's. */
void gtid_builder_interval(struct gtid_set *set, struct gtid_interval interval);

/* Takes the last item back when it got no interval. */
void gtid_builder_drop_empty(struct gtid_set *set);

/* Puts a set that was appended out of order into order, in n log n. */
void gtid_builder_sort(struct gtid_set *set);
