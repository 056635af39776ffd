/* An address that comes back from the store changed would be held by the wrong host, or by two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manager/addresses/address_record.h"

static void test_round_trip(void **state)
{
	(void)state;
	const struct address_record cases[] = {
		{ .text = "192.0.2.10/24", .place = ADDRESS_AT_PRIMARY },
		{ .text = "2001:db8::10/64%eth1",
		  .place = ADDRESS_AT_PROXY,
		  .fail_back = true,
		  .prefer = "n1",
		  .moving = true,
		  .holder = "n2" },
		{ .text = "192.0.2.10/24", .removing = true, .holder = "n1" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address_record back;
		char group[NAME_BYTES_MAX];
		json_t *json = address_record_write(&cases[i], "shop");
		assert_int_equal(address_record_read(json, group, &back, NULL), ERR_OK);
		assert_string_equal(group, "shop");
		assert_memory_equal(&back, &cases[i], sizeof(back));
		json_decref(json);
	}
}

static void test_what_is_no_record(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		const char *value; /* JSON; NULL: left out */
	} cases[] = {
		{ "format", "2" },	   { "format", NULL },	    { "address", "\"192.0.2.10\"" },
		{ "address", "\"host\"" }, { "address", NULL },	    { "group", NULL },
		{ "group", "7" },	   { "place", "\"moon\"" }, { "place", NULL },
		{ "prefer", NULL },	   { "holder", "[]" },
	};
	const struct address_record record = { .text = "192.0.2.10/24" };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address_record back;
		struct err_ctx err = { 0 };
		char group[NAME_BYTES_MAX];
		json_t *json = address_record_write(&record, "shop");
		assert_int_equal(json_object_del(json, cases[i].key), 0);
		if (cases[i].value) {
			json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
			assert_non_null(value);
			assert_int_equal(json_object_set_new(json, cases[i].key, value), 0);
		}
		assert_int_equal(address_record_read(json, group, &back, &err), ERR_PARSE);
		assert_true(err.text[0] != 0);
		json_decref(json);
	}
	struct address_record back;
	char group[NAME_BYTES_MAX];
	assert_int_equal(address_record_read(NULL, group, &back, NULL), ERR_PARSE);
}

/* People name one that exists with its prefix, or without. */
static void test_named_by_people(void **state)
{
	(void)state;
	struct address full;
	struct address named;
	assert_int_equal(address_parse(STR("2001:db8::10/64"), &full, NULL), ERR_OK);
	assert_int_equal(address_record_parse(STR("2001:db8:0::10"), &named, NULL), ERR_OK);
	assert_true(address_is_same_ip(&full, &named));
	assert_int_equal(address_record_parse(STR("2001:db8::10/64%eth0"), &named, NULL), ERR_OK);
	assert_true(address_is_same_ip(&full, &named));
	assert_int_equal(address_record_parse(STR("192.0.2.10"), &named, NULL), ERR_OK);
	assert_false(address_is_same_ip(&full, &named));
	const char *wrong[] = { "", "host", "192.0.2", "192.0.2.10/99" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(address_record_parse(str_of(wrong[i]), &named, NULL), ERR_PARSE);
	}
	char text[200];
	memset(text, '1', sizeof(text));
	const struct str endless = { text, sizeof(text) };
	assert_int_equal(address_record_parse(endless, &named, NULL), ERR_PARSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_what_is_no_record),
		cmocka_unit_test(test_named_by_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
