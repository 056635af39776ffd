/* Bytes as GTID sets: two texts, separated by '|'. Nothing that a server prints may bring the manager
 * down, and the laws of sets hold for whatever was accepted. */
#include <stdlib.h>
#include <string.h>

#include "gtid/gtid_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void round_trip(const struct gtid_set *set)
{
	struct gtid_set again = { 0 };
	struct buf text;
	buf_init(&text, (size_t)64 * GTID_TEXT_BYTES_MAX);
	gtid_set_print(set, &text);
	must(buf_finish(&text) == ERR_OK);
	if (text.len <= GTID_TEXT_BYTES_MAX) {
		must(gtid_set_parse(buf_str(&text), GTID_NONE, &again, NULL) == ERR_OK);
		must(gtid_set_equal(set, &again));
	}
	buf_fini(&text);
	gtid_set_fini(&again);
}

static void check_laws(const struct gtid_set *a, const struct gtid_set *b)
{
	struct gtid_set both = { 0 };
	struct gtid_set minus = { 0 };

	gtid_set_copy(&both, a);
	gtid_set_add(&both, b);
	must(gtid_set_contains(&both, a) && gtid_set_contains(&both, b));
	gtid_set_subtract(a, b, &minus);
	must(gtid_set_is_empty(&minus) == gtid_set_contains(b, a));
	must(!gtid_set_intersects(&minus, b));
	must(gtid_set_contains(a, &minus));
	round_trip(&both);
	round_trip(&minus);
	gtid_set_add(&minus, b);
	must(gtid_set_equal(&minus, &both));
	if (gtid_set_contains(b, a)) {
		must(gtid_set_distance(a, b) == 0);
	}
	gtid_set_fini(&both);
	gtid_set_fini(&minus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gtid_set a = { 0 };
	struct gtid_set b = { 0 };
	struct str rest = { (const char *)data, size };
	struct str first = { NULL, 0 };

	(void)str_next(&rest, '|', &first);
	for (int i = GTID_NONE; i <= GTID_MARIADB; i++) {
		enum gtid_flavor flavor = (enum gtid_flavor)i;
		if (gtid_set_parse(first, flavor, &a, NULL) == ERR_OK &&
		    gtid_set_parse(rest, flavor, &b, NULL) == ERR_OK) {
			check_laws(&a, &b);
			check_laws(&b, &a);
		}
	}
	gtid_set_fini(&a);
	gtid_set_fini(&b);
	return 0;
}
