/* A floating address that is read wrongly would be put where it does not belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/address.h"

struct good {
	const char *text;
	const char *printed;
	const char *ip;
	uint8_t prefix_bits;
	const char *interface;
};

static void test_good(void **state)
{
	static const struct good rows[] = {
		{ "192.0.2.10/24", "192.0.2.10/24", "192.0.2.10", 24, "" },
		{ " 192.0.2.10/24\n", "192.0.2.10/24", "192.0.2.10", 24, "" },
		{ "192.0.2.10/24%eth0", "192.0.2.10/24%eth0", "192.0.2.10", 24, "eth0" },
		{ "192.0.2.10/24 dev eth0.7", "192.0.2.10/24%eth0.7", "192.0.2.10", 24, "eth0.7" },
		{ "192.0.2.10/24  dev  eth0", "192.0.2.10/24%eth0", "192.0.2.10", 24, "eth0" },
		{ "192.0.2.0/32", "192.0.2.0/32", "192.0.2.0", 32, "" },
		{ "192.0.2.0/31", "192.0.2.0/31", "192.0.2.0", 31, "" },
		{ "2001:DB8:0::10/64", "2001:db8::10/64", "2001:db8::10", 64, "" },
		{ "2001:db8::10/128%enp0s31f6lng15", "2001:db8::10/128%enp0s31f6lng15",
		  "2001:db8::10", 128, "enp0s31f6lng15" },
		{ "fe80::7/64%eth0", "fe80::7/64%eth0", "fe80::7", 64, "eth0" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address address;
		struct address again;
		struct err_ctx err = { 0 };
		char printed[ADDRESS_BYTES_MAX];
		char ip[ADDRESS_IP_BYTES_MAX];
		assert_int_equal(address_parse(str_of(rows[i].text), &address, &err), ERR_OK);
		address_print(&address, printed);
		address_print_ip(&address, ip);
		assert_string_equal(printed, rows[i].printed);
		assert_string_equal(ip, rows[i].ip);
		assert_int_equal(address.prefix_bits, rows[i].prefix_bits);
		assert_string_equal(address.interface, rows[i].interface);
		assert_int_equal(address_parse(str_of(printed), &again, &err), ERR_OK);
		assert_memory_equal(&address, &again, sizeof(address));
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{ "", "no address" },
		{ "%eth0", "'' is no IP address" },
		{ "192.0.2.10", "lacks the length of its subnet: '192.0.2.10/24'" },
		{ "2001:db8::1", "'2001:db8::1/64'" },
		{ "192.0.2.10/", "1 to 32" },
		{ "192.0.2.10/0", "1 to 32" },
		{ "192.0.2.10/33", "1 to 32" },
		{ "192.0.2.10/24x", "1 to 32" },
		{ "192.0.2.10/24/24", "1 to 32" },
		{ "2001:db8::1/129", "1 to 128" },
		{ "192.0.2.256/24", "is no IP address" },
		{ "192.0.2/24", "is no IP address" },
		{ "192.0.2.010/24", "is no IP address" },
		{ "db1.example/24", "is no IP address" },
		{ "2001:db8:::1/64", "is no IP address" },
		{ "192.0.2.10/24%", "is no name of an interface" },
		{ "192.0.2.10/24%eth0%eth1", "is no name of an interface" },
		{ "192.0.2.10/24%eth0:1", "is no name of an interface" },
		{ "192.0.2.10/24%../x", "is no name of an interface" },
		{ "192.0.2.10/24%sixteen-letters-", "is no name of an interface" },
		{ "192.0.2.10/24 eth0", "an interface is written '%eth0'" },
		{ "192.0.2.10/24 dev ", "an interface is written '%eth0'" },
		{ "0.0.0.0/24", "can't float" },
		{ "127.0.0.1/8", "of this host alone" },
		{ "224.0.0.18/24", "multicast" },
		{ "255.255.255.255/24", "multicast or reserved" },
		{ "192.0.2.0/24", "the subnet itself" },
		{ "192.0.2.255/24", "broadcast" },
		{ "10.1.3.255/22", "broadcast" },
		{ "::/64", "no address of a host" },
		{ "::1/128", "of this host alone" },
		{ "ff02::1/64", "multicast" },
		{ "::ffff:192.0.2.1/96", "write it as one" },
		{ "fe80::7/64", "write its interface too" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address address;
		struct err_ctx err = { 0 };
		assert_int_equal(address_parse(str_of(rows[i].text), &address, &err), ERR_PARSE);
		if (!strstr(err.text, rows[i].says)) {
			fail_msg("'%s': %s", rows[i].text, err.text);
		}
	}
}

static void test_compare(void **state)
{
	struct address a;
	struct address b;
	static const uint8_t near[ADDRESS_V4_BYTES] = { 192, 0, 2, 11 };
	static const uint8_t same[ADDRESS_V4_BYTES] = { 192, 0, 2, 10 };
	static const uint8_t far[ADDRESS_V4_BYTES] = { 64, 0, 2, 10 };
	(void)state;
	assert_int_equal(address_parse(STR("192.0.2.10/24"), &a, NULL), ERR_OK);
	assert_int_equal(address_parse(STR("192.0.2.10/32%eth1"), &b, NULL), ERR_OK);
	assert_true(address_is_same_ip(&a, &b));
	assert_int_equal(address_common_bits(&a, near), 31);
	assert_int_equal(address_common_bits(&a, same), 32);
	assert_int_equal(address_common_bits(&a, far), 0);
	assert_int_equal(address_parse(STR("c000:20a::/64"), &b, NULL), ERR_OK);
	assert_false(address_is_same_ip(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_compare),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
