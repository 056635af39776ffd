/* A reply whose end is missed hangs the client; one that ends too early gives it another's rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "real_replies.h"
#include "sample.h"
#include "wire/packet.h"
#include "wire/reply.h"
#include "wire/reply_walk.h"
#include "wire/resultset.h"

enum { REPLIES = sizeof(real_replies) / sizeof(real_replies[0]), FILE_PACKETS = 2 };

/* A relay with memory of its own: shows the walk what has arrived, drops what it may forward. */
struct relay {
	struct reply_walk walk;
	struct str in;	  /* all that the server will send */
	size_t arrived;	  /* of it */
	size_t forwarded; /* of that */
	size_t held_max;  /* the most that had to be kept to read on */
	uint32_t looks;	  /* packets shown */
	struct err_ctx err;
};

/* One step over an exact copy of what is there. */
static enum err relay_step(struct relay *relay, struct reply_walk_step *step)
{
	size_t held = relay->arrived - relay->forwarded;
	struct str copy =
		sample_prefix(str_slice(relay->in, relay->forwarded, relay->arrived), held);
	enum err rc = reply_walk_bytes(&relay->walk, copy.ptr, held, step, &relay->err);
	if (rc == ERR_OK) {
		assert_true(step->used_bytes <= held);
		relay->forwarded += step->used_bytes;
		held -= step->used_bytes;
		if (step->next == REPLY_WALK_READ && held > relay->held_max) {
			relay->held_max = held;
		}
		relay->looks += step->has_packet;
		assert_true(!step->has_packet || step->payload.len > 0);
	}
	sample_free(copy);
	return rc;
}

/* Runs until the reply is over, an error, or the bytes are used up (REPLY_WALK_READ is returned). */
static enum err relay_run(struct relay *relay, size_t piece, enum reply_walk_next *ret)
{
	struct reply_walk_step step = { .next = REPLY_WALK_AGAIN };
	for (;;) {
		enum err rc = relay_step(relay, &step);
		*ret = step.next;
		if (rc != ERR_OK || step.next == REPLY_WALK_DONE) {
			return rc;
		}
		if (step.next == REPLY_WALK_CLIENT) {
			reply_walk_client_spoke(&relay->walk,
						(uint8_t)(step.sequence + FILE_PACKETS));
		}
		if (step.next == REPLY_WALK_READ) {
			assert_true(step.need_bytes > relay->arrived - relay->forwarded);
			assert_true(step.need_bytes <= REPLY_WALK_HELD_BYTES_MAX);
			if (relay->arrived == relay->in.len) {
				return ERR_OK;
			}
			size_t left = relay->in.len - relay->arrived;
			relay->arrived += left < piece ? left : piece;
		}
	}
}

static void check_real(size_t row, size_t piece)
{
	struct str reply = sample_of(real_replies[row].hex);
	struct relay relay = { .in = reply };
	enum reply_walk_next next = REPLY_WALK_AGAIN;
	assert_int_equal(
		reply_walk_start(&relay.walk, real_replies[row].command, real_replies[row].caps),
		RESULT_NEXT_PACKET);
	if (relay_run(&relay, piece, &next) != ERR_OK) {
		fail_msg("%s: %s", real_replies[row].name, relay.err.text);
	}
	assert_int_equal(next, REPLY_WALK_DONE);
	assert_int_equal(relay.forwarded, reply.len);
	assert_true(relay.walk.scan.rows == real_replies[row].rows);
	assert_int_equal(relay.walk.scan.status, real_replies[row].status);
	assert_int_equal(relay.walk.scan.server_errno, real_replies[row].server_errno);
	assert_int_equal(relay.walk.scan.failed, real_replies[row].server_errno != 0);
	assert_true(relay.looks > 0);
	sample_free(reply);
}

static void test_real_replies_in_pieces(void **state)
{
	(void)state;
	for (size_t row = 0; row < REPLIES; row++) {
		for (size_t piece = 1; piece < 20; piece++) {
			check_real(row, piece);
		}
		check_real(row, 100000);
	}
}

/* What follows a reply is not its business; a reply cut anywhere is not over. */
static void test_real_replies_end_where_they_end(void **state)
{
	(void)state;
	for (size_t row = 0; row < REPLIES; row++) {
		struct str reply = sample_of(real_replies[row].hex);
		struct buf more;
		enum reply_walk_next next = REPLY_WALK_AGAIN;
		buf_init(&more, 4096);
		buf_add_str(&more, reply);
		buf_add_str(&more, reply);
		struct relay relay = { .in = buf_str(&more), .arrived = more.len };
		(void)reply_walk_start(&relay.walk, real_replies[row].command,
				       real_replies[row].caps);
		assert_int_equal(relay_run(&relay, 1, &next), ERR_OK);
		assert_int_equal(next, REPLY_WALK_DONE);
		assert_int_equal(relay.forwarded, reply.len);
		for (size_t cut = 0; cut < reply.len; cut++) {
			struct relay short_relay = { .in = str_slice(reply, 0, cut),
						     .arrived = cut };
			(void)reply_walk_start(&short_relay.walk, real_replies[row].command,
					       real_replies[row].caps);
			assert_int_equal(relay_run(&short_relay, 1, &next), ERR_OK);
			assert_int_equal(next, REPLY_WALK_READ);
		}
		buf_fini(&more);
		sample_free(reply);
	}
}

static void test_commands_without_reply(void **state)
{
	(void)state;
	static const uint8_t silent[] = { COMMAND_QUIT, COMMAND_STMT_CLOSE,
					  COMMAND_STMT_SEND_LONG_DATA };
	struct reply_walk walk;
	for (size_t i = 0; i < sizeof(silent); i++) {
		assert_int_equal(reply_walk_start(&walk, silent[i], 0), RESULT_NEXT_DONE);
	}
}

static void test_prepared_numbers(void **state)
{
	(void)state;
	struct str reply = sample_of("0c000001 00 0a000000 0200 0100 00 0000");
	struct reply_walk walk;
	struct reply_walk_step step;
	(void)reply_walk_start(&walk, COMMAND_STMT_PREPARE, CAP_DEPRECATE_EOF);
	assert_int_equal(reply_walk_bytes(&walk, reply.ptr, reply.len, &step, NULL), ERR_OK);
	assert_int_equal(step.packet, RESULT_PACKET_PREPARED);
	assert_int_equal(walk.scan.statement_id, 10);
	assert_int_equal(walk.scan.statement_columns, 2);
	assert_int_equal(walk.scan.statement_params, 1);
	sample_free(reply);
}

/* A text row whose first value is larger than 16 MB starts with 0xfe: it must not end the rows, and
 * it must pass without being held. */
static void check_giant_row(capabilities caps)
{
	enum { VALUE_BYTES = PACKET_FRAME_BYTES_MAX + 1000 };
	struct buf reply;
	uint8_t sequence = 1;
	struct resultset_column column = resultset_text_column(STR("big"));
	char *value = mem_need(VALUE_BYTES);
	struct str values[] = { { value, VALUE_BYTES } };
	buf_init(&reply, 64u << 20);
	resultset_start(&reply, &sequence, &column, 1, caps, 0);
	resultset_add_row(&reply, &sequence, values, 1);
	resultset_end(&reply, &sequence, caps, STATUS_AUTOCOMMIT, 0);
	assert_int_equal(buf_finish(&reply), ERR_OK);

	struct relay relay = { .in = buf_str(&reply) };
	enum reply_walk_next next = REPLY_WALK_AGAIN;
	(void)reply_walk_start(&relay.walk, COMMAND_QUERY, caps);
	assert_int_equal(relay_run(&relay, 1 << 16, &next), ERR_OK);
	assert_int_equal(next, REPLY_WALK_DONE);
	assert_int_equal(relay.forwarded, reply.len);
	assert_int_equal(relay.walk.scan.rows, 1);
	assert_int_equal(relay.walk.scan.status, STATUS_AUTOCOMMIT);
	assert_true(relay.held_max < REPLY_WALK_HELD_BYTES_MAX);
	buf_fini(&reply);
	mem_free(value);
}

static void test_giant_row(void **state)
{
	(void)state;
	check_giant_row(0);
	check_giant_row(CAP_DEPRECATE_EOF);
}

/* An OK with more session state than is held: its status counts, its payload is marked as cut. */
static void test_long_ok_is_cut(void **state)
{
	(void)state;
	enum { STATE_BYTES = 3 * RESULT_SCAN_PAYLOAD_BYTES_MAX };
	struct buf reply;
	uint8_t sequence = 1;
	char *text = mem_need(STATE_BYTES);
	struct reply_ok ok = { .status = STATUS_IN_TRANSACTION,
			       .session_state = { text, STATE_BYTES } };
	buf_init(&reply, 1u << 20);
	size_t mark = packet_begin(&reply);
	reply_ok_encode(&reply, &ok, CAP_SESSION_TRACK);
	packet_end(&reply, mark, &sequence);
	struct reply_walk walk;
	struct reply_walk_step step;
	(void)reply_walk_start(&walk, COMMAND_QUERY, CAP_SESSION_TRACK);
	assert_int_equal(reply_walk_bytes(&walk, reply.ptr, reply.len, &step, NULL), ERR_OK);
	assert_true(step.has_packet && step.payload_cut);
	assert_int_equal(step.payload.len, RESULT_SCAN_PAYLOAD_BYTES_MAX);
	assert_int_equal(step.next, REPLY_WALK_AGAIN);
	assert_int_equal(walk.scan.status, STATUS_IN_TRANSACTION | STATUS_SESSION_STATE_CHANGED);
	size_t used = step.used_bytes;
	assert_int_equal(reply_walk_bytes(&walk, reply.ptr + used, reply.len - used, &step, NULL),
			 ERR_OK);
	assert_int_equal(step.next, REPLY_WALK_DONE);
	assert_int_equal(used + step.used_bytes, reply.len);
	buf_fini(&reply);
	mem_free(text);
}

/* Bytes after which a server's connection must not be used any longer. */
static const struct {
	uint8_t command;
	capabilities caps;
	const char *hex;
	const char *words;
} broken[] = {
	{ COMMAND_QUERY, 0, "00000001", "empty packet in a reply" },
	{ COMMAND_QUERY, 0, "07000002 00000002000000", "reply packet has sequence 2, not 1" },
	{ COMMAND_QUERY, 0, "03000001 000000", "OK packet is cut short" },
	{ COMMAND_QUERY, 0, "02000001 0100", "column count with 1 bytes behind it" },
	{ COMMAND_QUERY, 0, "01000001 fe", "reply with a broken column count" },
	{ COMMAND_QUERY, 0, "04000001 fdffffff", "reply with a broken column count" },
	{ COMMAND_QUERY, 0, "02000001 ff01", "ERR packet without an error number" },
	{ COMMAND_PING, 0, "01000001 05", "reply to command 0x0e starts with 0x05" },
	{ COMMAND_STMT_PREPARE, 0, "02000001 0001", "broken answer to a prepare" },
	{ COMMAND_QUERY, 0, "01000001 01 02000002 0364 01000003 07", "not an EOF packet" },
};

static void test_broken_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct str reply = sample_of(broken[i].hex);
		struct relay relay = { .in = reply, .arrived = reply.len };
		enum reply_walk_next next;
		(void)reply_walk_start(&relay.walk, broken[i].command, broken[i].caps);
		assert_int_equal(relay_run(&relay, 1, &next), ERR_PROTOCOL);
		assert_string_equal(relay.err.text, broken[i].words);
		sample_free(reply);
	}
}

/* A server that closes idle connections says so in an ERR numbered 0 (MySQL: error 4031). */
static void test_farewell_in_place_of_a_reply(void **state)
{
	(void)state;
	struct str reply = sample_of("09000000 ff bf0f 23 4859303030");
	struct relay relay = { .in = reply, .arrived = reply.len };
	enum reply_walk_next next;
	(void)reply_walk_start(&relay.walk, COMMAND_QUERY, 0);
	assert_int_equal(relay_run(&relay, 1, &next), ERR_OK);
	assert_int_equal(next, REPLY_WALK_DONE);
	assert_int_equal(relay.walk.scan.server_errno, 4031);
	sample_free(reply);
}

/* Progress reports come in front of the reply; each side of COM_CHANGE_USER speaks in turn. */
static void test_progress_and_change_user(void **state)
{
	(void)state;
	struct str altered =
		sample_of("1b000001 ffffff010102a5020011636f707920746f20746d70207461626c65"
			  "07000002 00000002000000");
	struct relay relay = { .in = altered, .arrived = altered.len };
	enum reply_walk_next next;
	(void)reply_walk_start(&relay.walk, COMMAND_QUERY, CAP_MARIADB_PROGRESS);
	assert_int_equal(relay_run(&relay, 1, &next), ERR_OK);
	assert_int_equal(next, REPLY_WALK_DONE);
	assert_int_equal(relay.looks, 2);
	sample_free(altered);

	struct str changed = sample_of("04000001 fe610062 02000003 0103 07000004 00000002000000");
	struct reply_walk walk;
	struct reply_walk_step step;
	size_t at = 0;
	static const enum reply_walk_next wanted[] = { REPLY_WALK_CLIENT, REPLY_WALK_AGAIN,
						       REPLY_WALK_DONE };
	(void)reply_walk_start(&walk, COMMAND_CHANGE_USER, 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(
			reply_walk_bytes(&walk, changed.ptr + at, changed.len - at, &step, NULL),
			ERR_OK);
		assert_int_equal(step.next, wanted[i]);
		assert_int_equal(step.packet, i < 2 ? RESULT_PACKET_AUTH : RESULT_PACKET_OK);
		at += step.used_bytes;
		if (step.next == REPLY_WALK_CLIENT) {
			reply_walk_client_spoke(&walk, 2);
		}
	}
	sample_free(changed);
}

static void test_replication_stream(void **state)
{
	(void)state;
	struct str stream = sample_of("03000001 00aabb 02000002 00cc 05000003 fe00000000");
	struct relay relay = { .in = stream, .arrived = stream.len };
	enum reply_walk_next next;
	(void)reply_walk_start(&relay.walk, COMMAND_BINLOG_DUMP_GTID, 0);
	assert_int_equal(relay_run(&relay, 1, &next), ERR_OK);
	assert_int_equal(next, REPLY_WALK_DONE);
	assert_int_equal(relay.looks, 1);
	sample_free(stream);
}

/* MySQL's answers without definitions, agreed on by CAP_OPTIONAL_METADATA. */
static void test_optional_metadata(void **state)
{
	(void)state;
	static const struct {
		uint8_t command;
		const char *hex;
	} rows[] = {
		{ COMMAND_QUERY, "02000001 0100 02000002 0131 07000003 fe000002000000" },
		{ COMMAND_QUERY,
		  "02000001 0101 01000002 03 02000003 0131 07000004 fe000002000000" },
		{ COMMAND_STMT_PREPARE, "0d000001 00 01000000 0200 0100 00 0000 00" },
		{ COMMAND_STMT_PREPARE,
		  "0d000001 00 01000000 0100 0100 00 0000 01 01000002 03 01000003 03" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str reply = sample_of(rows[i].hex);
		struct relay relay = { .in = reply, .arrived = reply.len };
		enum reply_walk_next next;
		(void)reply_walk_start(&relay.walk, rows[i].command,
				       CAP_OPTIONAL_METADATA | CAP_DEPRECATE_EOF);
		assert_int_equal(relay_run(&relay, 1, &next), ERR_OK);
		assert_int_equal(next, REPLY_WALK_DONE);
		assert_int_equal(relay.forwarded, reply.len);
		sample_free(reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_replies_in_pieces),
		cmocka_unit_test(test_real_replies_end_where_they_end),
		cmocka_unit_test(test_commands_without_reply),
		cmocka_unit_test(test_prepared_numbers),
		cmocka_unit_test(test_giant_row),
		cmocka_unit_test(test_long_ok_is_cut),
		cmocka_unit_test(test_broken_replies),
		cmocka_unit_test(test_farewell_in_place_of_a_reply),
		cmocka_unit_test(test_progress_and_change_user),
		cmocka_unit_test(test_replication_stream),
		cmocka_unit_test(test_optional_metadata),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
