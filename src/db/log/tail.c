#include "db/log/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "db/log/binlog_index.h"
#include "db/log/binlog_stream.h"
#include "gtid/gtid_builder.h"
#include "wire/binlog_story.h"

enum {
	WRITE_BYTES = 1024 * 1024, /* gathered before they are written */
	EVENT_HEARTBEAT = 27,
	EVENT_HEARTBEAT_2 = 41,
	EVENT_BINLOG_CHECKPOINT = 161, /* MariaDB, as the two that follow */
	EVENT_GTID_LIST = 163,
	EVENT_START_ENCRYPTION = 164,
};

/* One of the two files. */
struct sink {
	int fd;
	struct buf waiting;
	uint64_t bytes; /* written and waiting */
	const char *path;
};

struct saving {
	const struct tail_options *options;
	struct tail_result *result;
	struct sink log;
	struct sink text;
	struct binlog_reader reader;
	struct buf format; /* the newest format description, whole */
	enum binlog_checksum format_checksum;
	bool format_written;
	struct binlog_story *story;
	struct gtid_set one;  /* of the transaction under way */
	struct gtid_set next; /* of the one that begins */
	struct gtid_set saved;
	bool within; /* a transaction that is wanted */
};

/* ---------------------------------------------------------------- files */

static enum err sink_open(struct sink *sink, const char *path, struct err_ctx *err)
{
	buf_init(&sink->waiting, (size_t)2 * BINLOG_EVENT_BYTES_MAX);
	sink->path = path;
	sink->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (sink->fd < 0) {
		return err_set(err, errno == EEXIST ? ERR_EXISTS : ERR_IO, "'%s': %s", path,
			       strerrordesc_np(errno));
	}
	return ERR_OK;
}

static enum err sink_flush(struct sink *sink, struct err_ctx *err)
{
	enum err rc = buf_finish(&sink->waiting);
	if (rc != ERR_OK) {
		return err_set(err, rc, "'%s': too much at once", sink->path);
	}
	struct str left = buf_str(&sink->waiting);
	while (left.len > 0) {
		ssize_t n = write(sink->fd, left.ptr, left.len);
		if (n < 0 && errno != EINTR) {
			return err_set(err, ERR_IO, "'%s': %s", sink->path, strerrordesc_np(errno));
		}
		left = str_slice(left, n > 0 ? (size_t)n : 0, left.len);
	}
	buf_clear(&sink->waiting);
	return ERR_OK;
}

static enum err sink_sync(struct sink *sink, struct err_ctx *err)
{
	enum err rc = sink_flush(sink, err);
	if (rc == ERR_OK && fsync(sink->fd) != 0) {
		rc = err_set(err, ERR_IO, "'%s': %s", sink->path, strerrordesc_np(errno));
	}
	return rc;
}

static void sink_close(struct sink *sink, bool keep)
{
	if (sink->fd >= 0) {
		(void)close(sink->fd);
		if (!keep) {
			(void)unlink(sink->path);
		}
	}
	sink->fd = -1;
	buf_fini(&sink->waiting);
}

static enum err sync_folder(const char *folder, struct err_ctx *err)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err rc = ERR_OK;
	if (fd < 0 || fsync(fd) != 0) {
		rc = err_set(err, ERR_IO, "'%s': %s", folder, strerrordesc_np(errno));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}

/* ---------------------------------------------------------------- events */

/* What the event begins, as a set of one; false when it begins no transaction. */
static bool read_gtid(const struct binlog_event *event, struct gtid_set *one)
{
	struct gtid_key key = { .flavor = GTID_NONE };
	uint64_t number = 0;
	struct binlog_mariadb_gtid gtid;
	if (event->has_gtid) {
		key.flavor = GTID_MYSQL;
		memcpy(key.uuid, event->uuid, sizeof(key.uuid));
		for (size_t i = 0; event->tag[i] && i + 1 < sizeof(key.tag); i++) {
			char c = event->tag[i];
			key.tag[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
		}
		number = event->gno;
	} else if (event->type == BINLOG_MARIADB_GTID &&
		   binlog_mariadb_gtid(event, &gtid, NULL) == ERR_OK) {
		key.flavor = GTID_MARIADB;
		key.domain = gtid.domain;
		key.server = event->server_id;
		number = gtid.number;
	}
	gtid_set_clear(one);
	if (number == 0) {
		return false;
	}
	gtid_builder_item(one, &key);
	gtid_builder_interval(one, (struct gtid_interval){ number, number });
	return true;
}

/* Events of the file, which belong to no transaction and end the one before. */
static bool is_of_file(uint8_t type)
{
	switch (type) {
	case BINLOG_STOP:
	case BINLOG_ROTATE:
	case BINLOG_FORMAT_DESCRIPTION:
	case BINLOG_ANONYMOUS_GTID:
	case BINLOG_PREVIOUS_GTIDS:
	case EVENT_HEARTBEAT:
	case EVENT_HEARTBEAT_2:
	case EVENT_BINLOG_CHECKPOINT:
	case EVENT_GTID_LIST:
	case EVENT_START_ENCRYPTION:
		return true;
	default:
		return false;
	}
}

static void write_event(struct saving *saving, const struct binlog_event *event, struct str bytes,
			enum binlog_checksum checksum)
{
	struct sink *log = &saving->log;
	binlog_move(event, bytes, checksum, log->bytes, &log->waiting);
	log->bytes += event->bytes;
}

static void write_format(struct saving *saving)
{
	if (saving->format_written) {
		return;
	}
	struct binlog_reader reader = { .checksum = BINLOG_CHECKSUM_UNKNOWN };
	struct binlog_event event;
	if (binlog_next(&reader, buf_str(&saving->format), &event, NULL, NULL) == ERR_OK) {
		/* It has one itself, whatever the others have. */
		write_event(saving, &event, buf_str(&saving->format), BINLOG_CHECKSUM_CRC32);
		saving->format_written = true;
	}
}

static void end_transaction(struct saving *saving)
{
	if (saving->within) {
		binlog_story_end(saving->story, &saving->text.waiting);
		gtid_set_add(&saving->saved, &saving->one);
		saving->result->transactions++;
	}
	saving->within = false;
}

/* The usual form of one: MariaDB's has no range. */
static void add_name(const struct gtid_set *one, struct buf *out)
{
	const struct gtid_key *key = &one->items[0].key;
	if (key->flavor == GTID_MARIADB) {
		buf_printf(out, "%u-%u-%llu", key->domain, key->server,
			   (unsigned long long)one->intervals[0].to);
	} else {
		gtid_set_print(one, out);
	}
}

static void begin_transaction(struct saving *saving, const struct binlog_event *event)
{
	saving->within = gtid_set_contains(saving->options->wanted, &saving->one) &&
			 !gtid_set_contains(&saving->saved, &saving->one);
	if (!saving->within) {
		return;
	}
	struct buf name;
	buf_init(&name, 256);
	add_name(&saving->one, &name);
	binlog_story_begin(saving->story, buf_str(&name), event->timestamp);
	buf_fini(&name);
	write_format(saving);
}

static void note_format(struct saving *saving, struct str bytes)
{
	/* Each file's is written again only when something is different; times and flags are not. */
	struct str old = buf_str(&saving->format);
	size_t fixed = BINLOG_HEADER_BYTES + 2 + 50 + 4; /* up to the time of creation's end */
	bool same = saving->format_checksum == saving->reader.checksum && old.len == bytes.len &&
		    bytes.len > fixed + BINLOG_CHECKSUM_BYTES &&
		    memcmp(old.ptr + fixed, bytes.ptr + fixed,
			   bytes.len - fixed - BINLOG_CHECKSUM_BYTES) == 0;
	if (same) {
		return;
	}
	buf_clear(&saving->format);
	buf_add_str(&saving->format, bytes);
	saving->format_checksum = saving->reader.checksum;
	saving->format_written = false;
}

static enum err take_event(struct saving *saving, struct str bytes, struct err_ctx *err)
{
	struct binlog_event event;
	/* The announcement of a file comes before its format is known, and is in no file. */
	if (bytes.len > BINLOG_MAGIC_BYTES && (uint8_t)bytes.ptr[4] == BINLOG_ROTATE) {
		end_transaction(saving);
		return ERR_OK;
	}
	enum err rc = binlog_next(&saving->reader, bytes, &event, NULL, err);
	if (rc != ERR_OK) {
		return rc == ERR_AGAIN ? err_set(err, ERR_PROTOCOL, "an event is cut short") : rc;
	}
	if (event.bytes != bytes.len) {
		return err_set(err, ERR_PROTOCOL, "an event of %zu bytes says that it has %u",
			       bytes.len, event.bytes);
	}
	if (event.type == BINLOG_FORMAT_DESCRIPTION) {
		note_format(saving, bytes);
	}
	if (read_gtid(&event, &saving->next)) {
		end_transaction(saving);
		gtid_set_copy(&saving->one, &saving->next);
		begin_transaction(saving, &event);
	} else if (is_of_file(event.type)) {
		end_transaction(saving);
	}
	if (saving->within) {
		binlog_story_add(saving->story, &event);
		write_event(saving, &event, bytes, saving->reader.checksum);
	}
	return ERR_OK;
}

/* ---------------------------------------------------------------- the whole */

/* The newest file that begins before everything that is wanted; else the oldest that there is. */
static enum err find_start(const struct tail_options *options, uint64_t deadline_us,
			   char ret[BINLOG_INDEX_NAME_BYTES_MAX], struct err_ctx *err)
{
	struct binlog_index index = { 0 };
	struct gtid_set previous;
	gtid_set_init(&previous);
	enum err rc = binlog_index_read(options->conn, deadline_us, &index, err);
	if (rc == ERR_OK && index.count == 0) {
		rc = err_set(err, ERR_NOT_FOUND, "the server has no binary logs");
	}
	for (size_t i = index.count; i > 0 && rc == ERR_OK; i--) {
		const struct binlog_index_file *file = &index.files[i - 1];
		(void)!str_copy(str_of(file->name), ret, BINLOG_INDEX_NAME_BYTES_MAX);
		rc = i == 1 ? ERR_OK
			    : binlog_index_previous(options->conn, file, deadline_us, &previous,
						    err);
		if (rc == ERR_OK && !gtid_set_intersects(&previous, options->wanted)) {
			break;
		}
	}
	gtid_set_fini(&previous);
	binlog_index_fini(&index);
	return rc;
}

static enum err take_all(struct saving *saving, struct binlog_stream *stream, struct err_ctx *err)
{
	const struct tail_options *options = saving->options;
	for (;;) {
		struct str event;
		uint64_t deadline_us = conn_now_us(options->conn) + options->wait_us;
		if (options->is_cancelled && options->is_cancelled(options->ctx)) {
			return err_set(err, ERR_AGAIN, "cancelled");
		}
		enum err rc = binlog_stream_next(stream, deadline_us, &event, err);
		if (rc == ERR_NOT_FOUND) {
			end_transaction(saving);
			return ERR_OK;
		}
		rc = rc ? rc : take_event(saving, event, err);
		if (rc == ERR_OK && saving->log.waiting.len > WRITE_BYTES) {
			rc = sink_flush(&saving->log, err);
		}
		if (rc == ERR_OK && saving->text.waiting.len > WRITE_BYTES) {
			rc = sink_flush(&saving->text, err);
		}
		if (rc != ERR_OK) {
			return rc;
		}
	}
}

/* What the text ends with. */
static void add_foot(struct saving *saving)
{
	struct buf *text = &saving->text.waiting;
	buf_printf(text, "# %u transactions, %llu bytes\n", saving->result->transactions,
		   (unsigned long long)saving->log.bytes);
	if (!gtid_set_is_empty(&saving->result->missing)) {
		buf_add_text(text, "# no longer in its binary logs: ");
		gtid_set_print(&saving->result->missing, text);
		buf_add_char(text, '\n');
	}
}

static enum err run_saving(struct saving *saving, const char *first_file, struct err_ctx *err)
{
	const struct tail_options *options = saving->options;
	CLEANUP(binlog_stream_freep) struct binlog_stream *stream = NULL;
	uint64_t deadline_us = conn_now_us(options->conn) + options->wait_us;
	enum err rc = binlog_stream_open(options->dump, first_file, deadline_us, &stream, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_add(&saving->log.waiting,
		"\xfe"
		"bin",
		BINLOG_MAGIC_BYTES);
	saving->log.bytes = BINLOG_MAGIC_BYTES;
	buf_add_str(&saving->text.waiting, options->head);
	rc = take_all(saving, stream, err);
	if (rc == ERR_OK) {
		gtid_set_subtract(options->wanted, &saving->saved, &saving->result->missing);
		saving->result->bytes = saving->log.bytes;
		add_foot(saving);
	}
	if (rc == ERR_OK && saving->result->transactions == 0) {
		rc = err_set(err, ERR_NOT_FOUND,
			     "none of these transactions are in the server's binary logs");
	}
	rc = rc ? rc : sink_sync(&saving->log, err);
	rc = rc ? rc : sink_sync(&saving->text, err);
	return rc ? rc : sync_folder(options->folder, err);
}

enum err tail_save(const struct tail_options *options, struct tail_result *ret, struct err_ctx *err)
{
	char first_file[BINLOG_INDEX_NAME_BYTES_MAX];
	struct saving saving = {
		.options = options,
		.result = ret,
		.log.fd = -1,
		.text.fd = -1,
		.reader.checksum = BINLOG_CHECKSUM_UNKNOWN,
	};
	uint64_t deadline_us = conn_now_us(options->conn) + options->wait_us;
	buf_init(&saving.format, BINLOG_EVENT_BYTES_MAX);
	saving.story = binlog_story_new();
	enum err rc = file_path(ret->log_path, err, "%s/%s.binlog", options->folder, options->stem);
	rc = rc ? rc : file_path(ret->text_path, err, "%s/%s.txt", options->folder, options->stem);
	rc = rc ? rc : find_start(options, deadline_us, first_file, err);
	rc = rc ? rc : file_make_folders(options->folder, 0700, err);
	rc = rc ? rc : sink_open(&saving.log, ret->log_path, err);
	rc = rc ? rc : sink_open(&saving.text, ret->text_path, err);
	rc = rc ? rc : run_saving(&saving, first_file, err);
	sink_close(&saving.log, rc == ERR_OK);
	sink_close(&saving.text, rc == ERR_OK);
	saving.story = binlog_story_free(saving.story);
	buf_fini(&saving.format);
	gtid_set_fini(&saving.one);
	gtid_set_fini(&saving.next);
	gtid_set_fini(&saving.saved);
	return rc;
}

void tail_fini(struct tail_result *result)
{
	gtid_set_fini(&result->missing);
}
