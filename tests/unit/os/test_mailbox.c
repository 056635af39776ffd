/* Without these a message between threads could get lost, come twice, or nobody wake up for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <string.h>

#include "os/mailbox.h"
#include "os/random.h"
#include "os/thread.h"

enum { POSTERS = 4, POSTS = 2000, CAPACITY = 16 };

struct poster {
	struct mailbox *mailbox;
	uint32_t first;
	struct thread thread;
};

static bool readable(const struct mailbox *mailbox)
{
	struct pollfd slot = { .fd = mailbox_fd(mailbox), .events = POLLIN };
	return poll(&slot, 1, 0) == 1;
}

static void test_order_limit_and_fd(void **state)
{
	(void)state;
	struct mailbox *mailbox = NULL;
	assert_int_equal(mailbox_new(sizeof(uint32_t), 3, &mailbox, NULL), ERR_OK);
	for (uint32_t round = 0; round < 5; round++) {
		uint32_t got = 0;
		assert_false(readable(mailbox));
		assert_false(mailbox_receive(mailbox, &got));
		for (uint32_t i = 0; i < 3; i++) {
			assert_int_equal(mailbox_post(mailbox, &i), ERR_OK);
			assert_true(readable(mailbox));
		}
		assert_int_equal(mailbox_post(mailbox, &round), ERR_LIMIT);
		for (uint32_t i = 0; i < 3; i++) {
			assert_true(readable(mailbox));
			assert_true(mailbox_receive(mailbox, &got));
			assert_int_equal(got, i);
		}
		/* One more, so that the ring begins elsewhere in the next round. */
		assert_int_equal(mailbox_post(mailbox, &round), ERR_OK);
		assert_true(mailbox_wait(mailbox, 0, &got));
	}
	mailbox = mailbox_free(mailbox);
	assert_null(mailbox_free(NULL));
}

static void test_wait_ends(void **state)
{
	(void)state;
	struct mailbox *mailbox = NULL;
	uint32_t got = 0;
	assert_int_equal(mailbox_new(sizeof(uint32_t), 1, &mailbox, NULL), ERR_OK);
	assert_false(mailbox_wait(mailbox, 0, &got));
	assert_false(mailbox_wait(mailbox, 1000, &got));
	mailbox_free(mailbox);
}

static void post_all(void *ctx)
{
	struct poster *poster = ctx;
	for (uint32_t i = 0; i < POSTS;) {
		uint32_t value = poster->first + i;
		if (!mailbox_post(poster->mailbox, &value)) {
			i++;
		}
	}
}

static void test_many_posters(void **state)
{
	(void)state;
	static uint8_t seen[POSTERS * POSTS];
	struct poster posters[POSTERS];
	struct mailbox *mailbox = NULL;
	assert_int_equal(mailbox_new(sizeof(uint32_t), CAPACITY, &mailbox, NULL), ERR_OK);
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){ .mailbox = mailbox, .first = i * POSTS };
		assert_int_equal(
			thread_start(&posters[i].thread, "poster", post_all, &posters[i], NULL),
			ERR_OK);
	}
	for (size_t i = 0; i < (size_t)POSTERS * POSTS; i++) {
		uint32_t got = 0;
		assert_true(mailbox_wait(mailbox, 30000000, &got));
		assert_true(got < POSTERS * POSTS);
		seen[got]++;
	}
	for (size_t i = 0; i < POSTERS; i++) {
		thread_join(&posters[i].thread);
		thread_join(&posters[i].thread);
	}
	for (size_t i = 0; i < sizeof(seen); i++) {
		assert_int_equal(seen[i], 1);
	}
	assert_false(readable(mailbox));
	mailbox_free(mailbox);
}

static void test_random_passwords(void **state)
{
	(void)state;
	struct secret a;
	struct secret b;
	random_password(&a, 24);
	random_password(&b, 24);
	assert_int_equal(strlen(a.text), 24);
	assert_int_equal(strspn(a.text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789"),
			 24);
	assert_string_not_equal(a.text, b.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_limit_and_fd),
		cmocka_unit_test(test_wait_ends),
		cmocka_unit_test(test_many_posters),
		cmocka_unit_test(test_random_passwords),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
