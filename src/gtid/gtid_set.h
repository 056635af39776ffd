/* Sets of transactions, as both dialects name them.
 *
 * MySQL counts per server UUID (and, since 8.3, tag): a set is intervals per UUID and tag. MariaDB
 * numbers per replication domain and says of each (domain, server) the last number only: that is read
 * as the interval from 1 to it. So an old primary at 0-1-105 and a new one at 0-1-103,0-2-110 come out
 * as diverged, by 0-1-104..105, although the new one's domain is at 110.
 *
 * A zeroed struct is a valid empty set. Sets of both dialects can meet in every function: no GTID of
 * one equals one of the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum gtid_flavor { GTID_NONE, GTID_MYSQL, GTID_MARIADB };

enum gtid_order {
	GTID_EQUAL,
	GTID_BEHIND,  /* the first lacks something and has nothing of its own */
	GTID_AHEAD,   /* the second lacks something and has nothing of its own */
	GTID_DIVERGED /* each has something that the other lacks */
};

enum {
	GTID_UUID_BYTES = 16,
	GTID_TAG_BYTES_MAX = 33, /* with the NUL; MySQL allows 32 characters */
	/* Of one text: more is refused with ERR_LIMIT. */
	GTID_TEXT_BYTES_MAX = 1024 * 1024,
	GTID_ITEMS_MAX = 64 * 1024,
	GTID_INTERVALS_MAX = 256 * 1024
};

/* From `from` to `to`, both included; 1 <= from <= to. */
struct gtid_interval {
	uint64_t from;
	uint64_t to;
};

/* Who numbers. Unused fields are zero. */
struct gtid_key {
	enum gtid_flavor flavor;
	uint8_t uuid[GTID_UUID_BYTES]; /* MySQL */
	char tag[GTID_TAG_BYTES_MAX];  /* MySQL; lower case, zero-filled; empty: no tag */
	uint32_t domain;	       /* MariaDB */
	uint32_t server;	       /* MariaDB */
};

struct gtid_item {
	struct gtid_key key;
	size_t first; /* of its intervals in the set's array */
	size_t count; /* at least 1 */
};

/* Plain data; the arrays are owned. Items ascend by key, an item's intervals ascend and neither
 * overlap nor touch. */
struct gtid_set {
	struct gtid_item *items;
	size_t item_count;
	size_t item_cap;
	struct gtid_interval *intervals;
	size_t interval_count;
	size_t interval_cap;
};

void gtid_set_init(struct gtid_set *set);  /* empty; forgets what was there without releasing it */
void gtid_set_fini(struct gtid_set *set);  /* releases, leaves a valid empty set */
void gtid_set_clear(struct gtid_set *set); /* empty, keeps the memory */

/* `to` is a valid set whose content is replaced; it may be `from` itself. */
void gtid_set_copy(struct gtid_set *to, const struct gtid_set *from);

/* Reads a text as a server prints it (gtid_executed; gtid_binlog_state, gtid_slave_pos, Gtid_IO_Pos)
 * or gtid_set_print() does. Entries stand in any order, may repeat, and may have blanks and newlines
 * around them; an empty text is the empty set. MariaDB's range form is 0-1-104..105, and a last
 * number of 0 stands for nothing. GTID_NONE takes each entry for what it looks like.
 * `ret` is a valid set; its content is replaced on success and untouched on failure.
 * ERR_PARSE with the byte offset; ERR_LIMIT.
 * Source: MySQL Reference Manual, "GTID Format and Storage"; MariaDB Knowledge Base, "Global
 * Transaction ID"; the range form is ours. */
MUST_CHECK enum err gtid_set_parse(struct str text, enum gtid_flavor flavor, struct gtid_set *ret,
				   struct err_ctx *err);

/* Appends the text, entries separated by a comma alone. The buf's maximum decides whether it fits. */
void gtid_set_print(const struct gtid_set *set, struct buf *out);

/* Puts all of `other` into `set`. */
void gtid_set_add(struct gtid_set *set, const struct gtid_set *other);

/* *ret, a valid set, becomes what `a` has and `b` lacks; it may be one of them. */
void gtid_set_subtract(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret);

/* Every transaction of `inner` is in `outer`; the empty set is in every set. */
bool gtid_set_contains(const struct gtid_set *outer, const struct gtid_set *inner);

/* At least one transaction is in both. */
bool gtid_set_intersects(const struct gtid_set *a, const struct gtid_set *b);

/* No transaction is in it. */
bool gtid_set_is_empty(const struct gtid_set *set);

/* The same transactions are in both. */
bool gtid_set_equal(const struct gtid_set *a, const struct gtid_set *b);

/* How `a` stands to `b`: GTID_BEHIND when `b` has all of `a` and more. */
enum gtid_order gtid_set_compare(const struct gtid_set *a, const struct gtid_set *b);

/* How many transactions of `ahead` are missing in `behind`. MySQL: exact. MariaDB: the sum over the
 * domains of how far the highest number is ahead, since numbers run per domain whichever server
 * gives them; 0 where `behind` is higher. UINT64_MAX stands for that and more. */
uint64_t gtid_set_distance(const struct gtid_set *ahead, const struct gtid_set *behind);

const char *gtid_set_order_name(enum gtid_order order); /* "diverged" */
