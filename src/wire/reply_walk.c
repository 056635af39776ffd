#include "wire/reply_walk.h"

#include "wire/reply.h"

enum result_next reply_walk_start(struct reply_walk *walk, uint8_t command, capabilities caps)
{
	*walk = (struct reply_walk){ .sequence_next = 1 };
	return result_scan_start(&walk->scan, command, caps);
}

void reply_walk_client_spoke(struct reply_walk *walk, uint8_t sequence)
{
	walk->sequence_next = (uint8_t)(sequence + 1);
}

/* Inside a packet that has been judged: bytes of its frames are still to pass. */
static bool is_passing(const struct reply_walk *walk)
{
	return walk->frame_left > 0 || walk->continues;
}

static enum reply_walk_next after_packet(const struct reply_walk *walk)
{
	switch (walk->pending) {
	case RESULT_NEXT_PACKET:
		return REPLY_WALK_AGAIN;
	case RESULT_NEXT_CLIENT:
		return REPLY_WALK_CLIENT;
	case RESULT_NEXT_DONE:
		return REPLY_WALK_DONE;
	}
	return REPLY_WALK_AGAIN;
}

/* A server that closes an idle connection says so in an ERR numbered 0, which can cross the command on
 * its way: the command was not carried out. Any other number out of turn means that this is not the
 * reply that is waited for. */
static bool is_in_turn(const struct reply_walk *walk, struct packet_header header, uint8_t first)
{
	return header.sequence == walk->sequence_next ||
	       (!walk->started && header.sequence == 0 && first == REPLY_BYTE_ERR);
}

static bool is_worth_a_look(enum result_packet packet)
{
	switch (packet) {
	case RESULT_PACKET_DEFINITION:
	case RESULT_PACKET_ROW:
	case RESULT_PACKET_EVENT:
		return false;
	case RESULT_PACKET_OK:
	case RESULT_PACKET_EOF:
	case RESULT_PACKET_ERR:
	case RESULT_PACKET_COLUMN_COUNT:
	case RESULT_PACKET_PREPARED:
	case RESULT_PACKET_INFILE:
	case RESULT_PACKET_PROGRESS:
	case RESULT_PACKET_AUTH:
	case RESULT_PACKET_TEXT:
		break;
	}
	return true;
}

/* Lets bytes of a judged packet pass. */
static enum err pass(struct reply_walk *walk, struct cursor *cur, struct reply_walk_step *step,
		     struct err_ctx *err)
{
	if (walk->frame_left > 0) {
		size_t part =
			cursor_left(cur) < walk->frame_left ? cursor_left(cur) : walk->frame_left;
		cur->at += part;
		walk->frame_left -= (uint32_t)part;
		if (walk->frame_left > 0) {
			step->next = REPLY_WALK_READ;
			step->need_bytes = 1;
			return ERR_OK;
		}
	}
	if (walk->continues) {
		if (cursor_left(cur) < PACKET_HEADER_BYTES) {
			step->next = REPLY_WALK_READ;
			step->need_bytes = PACKET_HEADER_BYTES;
			return ERR_OK;
		}
		struct packet_header header = packet_header_read(cur->at);
		if (header.sequence != walk->sequence_next) {
			return err_set(err, ERR_PROTOCOL, "reply frame has sequence %u, not %u",
				       header.sequence, walk->sequence_next);
		}
		cur->at += PACKET_HEADER_BYTES;
		walk->sequence_next++;
		walk->frame_left = header.payload_bytes;
		walk->continues = header.payload_bytes == PACKET_FRAME_BYTES_MAX;
	}
	step->next = is_passing(walk) ? REPLY_WALK_AGAIN : after_packet(walk);
	return ERR_OK;
}

static void judged(struct reply_walk *walk, struct cursor *cur, struct packet_header header,
		   struct str prefix, enum result_packet packet, struct reply_walk_step *step)
{
	walk->started = true;
	walk->sequence_next = (uint8_t)(header.sequence + 1);
	walk->continues = header.payload_bytes == PACKET_FRAME_BYTES_MAX;
	walk->frame_left = header.payload_bytes;
	cur->at += PACKET_HEADER_BYTES;
	if (is_worth_a_look(packet)) {
		cur->at += prefix.len;
		walk->frame_left -= (uint32_t)prefix.len;
		step->has_packet = true;
		step->packet = packet;
		step->payload = prefix;
		step->payload_cut = is_passing(walk);
		step->sequence = header.sequence;
	}
	step->next = is_passing(walk) ? REPLY_WALK_AGAIN : after_packet(walk);
}

/* The start of a packet. */
static enum err judge(struct reply_walk *walk, struct cursor *cur, struct reply_walk_step *step,
		      struct err_ctx *err)
{
	step->next = REPLY_WALK_READ;
	if (cursor_left(cur) < PACKET_HEADER_BYTES) {
		step->need_bytes = PACKET_HEADER_BYTES;
		return ERR_OK;
	}
	struct packet_header header = packet_header_read(cur->at);
	struct str prefix = { (const char *)cur->at + PACKET_HEADER_BYTES,
			      cursor_left(cur) - PACKET_HEADER_BYTES };
	if (prefix.len > header.payload_bytes) {
		prefix.len = header.payload_bytes;
	}
	if (prefix.len == 0 && header.payload_bytes > 0) {
		step->need_bytes = PACKET_HEADER_BYTES + RESULT_SCAN_NEED_FIRST;
		return ERR_OK;
	}
	if (!is_in_turn(walk, header, prefix.len ? (uint8_t)prefix.ptr[0] : 0)) {
		return err_set(err, ERR_PROTOCOL, "reply packet has sequence %u, not %u",
			       header.sequence, walk->sequence_next);
	}
	size_t need = result_scan_need(&walk->scan, prefix, header.payload_bytes);
	if (need > prefix.len) {
		step->need_bytes = PACKET_HEADER_BYTES + need;
		return ERR_OK;
	}
	prefix.len = need;
	enum result_packet packet;
	enum err rc = result_scan_packet(&walk->scan, prefix, header.payload_bytes, &packet,
					 &walk->pending, err);
	if (rc == ERR_OK) {
		judged(walk, cur, header, prefix, packet, step);
	}
	return rc;
}

enum err reply_walk_bytes(struct reply_walk *walk, const void *bytes, size_t count,
			  struct reply_walk_step *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of(bytes, count);
	struct reply_walk_step step = { .next = REPLY_WALK_AGAIN };
	enum err rc = ERR_OK;
	while (rc == ERR_OK && step.next == REPLY_WALK_AGAIN && !step.has_packet) {
		rc = is_passing(walk) ? pass(walk, &cur, &step, err)
				      : judge(walk, &cur, &step, err);
	}
	if (rc == ERR_OK) {
		step.used_bytes = count - cursor_left(&cur);
		*ret = step;
	}
	return rc;
}
