/* A server's reply: its end must be found at the same byte however it arrives, and every packet shown
 * must be safe to decode. Byte 0: the command; 1 to 8: capabilities; 9: size of the pieces. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/packet.h"
#include "wire/reply.h"
#include "wire/reply_walk.h"
#include "wire/resultset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a walk came to. */
struct outcome {
	enum err rc;
	enum reply_walk_next next;
	size_t used_bytes;
	size_t rows;
	uint16_t status;
	uint32_t looks;
};

static void look_at_ok(struct str payload, capabilities caps)
{
	struct reply_ok ok;
	struct reply_ok again;
	struct reply_state entry;
	struct buf out;
	if (reply_ok_decode(payload, caps, &ok, NULL) != ERR_OK) {
		return;
	}
	struct reply_states states = reply_states_of(&ok);
	size_t entries = 0;
	while (reply_state_next(&states, &entry, NULL) == ERR_OK) {
		entries++;
	}
	check(entries <= ok.session_state.len);
	buf_init(&out, 1u << 20);
	reply_ok_encode(&out, &ok, caps);
	check(reply_ok_decode(buf_str(&out), caps, &again, NULL) == ERR_OK);
	check(again.affected_rows == ok.affected_rows && again.insert_id == ok.insert_id);
	check(str_equal(again.info, ok.info) && str_equal(again.session_state, ok.session_state));
	buf_fini(&out);
}

static void look_at(struct str payload, capabilities caps)
{
	struct reply_eof eof;
	struct reply_err error;
	struct reply_progress progress;
	struct resultset_column column;
	struct str value;
	struct cursor row = cursor_of_str(payload);
	look_at_ok(payload, caps);
	if (reply_eof_decode(payload, &eof, NULL) == ERR_OK) {
		check(payload.len <= REPLY_EOF_BYTES_MAX);
	}
	if (reply_err_decode(payload, &error, NULL) == ERR_OK) {
		check(!reply_is_progress(payload));
	}
	if (reply_progress_decode(payload, &progress, NULL) == ERR_OK) {
		check(reply_is_progress(payload));
	}
	if (resultset_column_decode(payload, caps, &column, NULL) == ERR_OK) {
		check(column.name.len <= payload.len);
	}
	size_t values = 0;
	while (resultset_value_next(&row, &value) == ERR_OK) {
		values++;
	}
	check(values <= payload.len);
}

static struct outcome walk_all(const uint8_t *bytes, size_t count, size_t piece, uint8_t command,
			       capabilities caps)
{
	struct reply_walk walk;
	struct reply_walk_step step = { .next = REPLY_WALK_AGAIN };
	struct outcome outcome = { .rc = ERR_OK, .next = REPLY_WALK_DONE };
	size_t arrived = piece < count ? piece : count;
	if (reply_walk_start(&walk, command, caps) == RESULT_NEXT_DONE) {
		return outcome;
	}
	for (;;) {
		size_t held = arrived - outcome.used_bytes;
		outcome.rc = reply_walk_bytes(&walk, bytes + outcome.used_bytes, held, &step, NULL);
		if (outcome.rc != ERR_OK) {
			break;
		}
		check(step.used_bytes <= held);
		outcome.used_bytes += step.used_bytes;
		outcome.next = step.next;
		if (step.has_packet) {
			outcome.looks++;
			look_at(step.payload, caps);
		}
		if (step.next == REPLY_WALK_DONE) {
			break;
		}
		if (step.next == REPLY_WALK_CLIENT) {
			reply_walk_client_spoke(&walk, step.sequence);
		}
		if (step.next == REPLY_WALK_READ) {
			check(step.need_bytes > arrived - outcome.used_bytes);
			check(step.need_bytes <= REPLY_WALK_HELD_BYTES_MAX);
			if (arrived == count) {
				break;
			}
			arrived += count - arrived < piece ? count - arrived : piece;
		}
	}
	outcome.rows = walk.scan.rows;
	outcome.status = walk.scan.status;
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor cur = cursor_of(data, size);
	uint8_t command;
	uint8_t piece;
	uint64_t caps;
	if (cursor_u8(&cur, &command) != ERR_OK || cursor_u64(&cur, &caps) != ERR_OK ||
	    cursor_u8(&cur, &piece) != ERR_OK) {
		return 0;
	}
	struct outcome whole = walk_all(cur.at, cursor_left(&cur), size, command, caps);
	struct outcome pieces =
		walk_all(cur.at, cursor_left(&cur), (size_t)piece + 1, command, caps);
	check(whole.rc == pieces.rc && whole.rows == pieces.rows);
	check(whole.used_bytes == pieces.used_bytes || whole.rc != ERR_OK);
	check(whole.next == pieces.next || whole.rc != ERR_OK);
	check(whole.status == pieces.status && whole.looks == pieces.looks);
	look_at(cursor_rest(&cur), caps);
	return 0;
}
