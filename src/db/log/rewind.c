#include "db/log/rewind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "wire/binlog.h"

enum {
	INDEX_BYTES_MAX = 4 * 1024 * 1024,
	COPY_BYTES = 64 * 1024,
	PATH_BYTES_MAX = 4096,
	FLAG_IN_USE = 0x1, /* of the format description event: not closed by a shutdown */
};

/* A file mapped for reading. */
struct map {
	const uint8_t *ptr; /* NULL when the file is empty */
	size_t len;
};

/* What the walk through the last file has found so far. */
struct scan {
	const struct rewind_options *options;
	struct rewind_result *found;
	bool previous_seen;
	bool cut_found;
	bool open; /* inside a transaction of the tail that has not ended */
	bool format_seen;
};

static void map_close(struct map *map)
{
	if (map->ptr) {
		/* munmap() wants a pointer to changeable memory and changes nothing. */
		(void)munmap((void *)(uintptr_t)map->ptr, map->len);
	}
	*map = (struct map){ .ptr = NULL };
}

static enum err map_open(const char *path, struct map *ret, struct err_ctx *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, ERR_IO, "'%s' cannot be opened: %s", path,
			       strerrordesc_np(errno));
	}
	struct stat st;
	enum err rc = ERR_OK;
	*ret = (struct map){ .ptr = NULL };
	if (fstat(fd, &st) != 0) {
		rc = err_set(err, ERR_IO, "'%s' cannot be read: %s", path, strerrordesc_np(errno));
	} else if (st.st_size > 0) {
		void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (memory == MAP_FAILED) {
			rc = err_set(err, ERR_IO, "'%s' cannot be mapped: %s", path,
				     strerrordesc_np(errno));
		} else {
			*ret = (struct map){ .ptr = memory, .len = (size_t)st.st_size };
		}
	}
	(void)close(fd);
	return rc;
}

/* A running server holds a lock on its system table space. */
static enum err check_stopped(const char *datadir, struct err_ctx *err)
{
	char path[PATH_BYTES_MAX];
	if (snprintf(path, sizeof(path), "%s/ibdata1", datadir) >= (int)sizeof(path)) {
		return err_set(err, ERR_LIMIT, "path '%s' is too long", datadir);
	}
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, ERR_REFUSED,
			       "'%s' cannot be opened (%s): not a data directory "
			       "that can be judged",
			       path, strerrordesc_np(errno));
	}
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int rc = fcntl(fd, F_GETLK, &lock);
	(void)close(fd);
	if (rc != 0) {
		return err_set(err, ERR_IO, "lock on '%s' cannot be read: %s", path,
			       strerrordesc_np(errno));
	}
	if (lock.l_type != F_UNLCK) {
		return err_set(err, ERR_REFUSED, "the server runs (process %ld holds '%s')",
			       (long)lock.l_pid, path);
	}
	return ERR_OK;
}

/* The path of the last file that the index names. */
static enum err last_file(const struct rewind_options *options, char *to, size_t to_bytes,
			  struct err_ctx *err)
{
	struct map index = { .ptr = NULL };
	enum err rc = map_open(options->index_path, &index, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct str rest = { (const char *)index.ptr, index.len < INDEX_BYTES_MAX ? index.len : 0 };
	struct str line;
	struct str last = { NULL, 0 };
	while (str_next(&rest, '\n', &line)) {
		if (str_trim(line).len > 0) {
			last = str_trim(line);
		}
	}
	int n = 0;
	if (last.len == 0 || memchr(last.ptr, '\0', last.len)) {
		rc = err_set(err, ERR_REFUSED, "index '%s' names no binary log",
			     options->index_path);
	} else if (last.ptr[0] == '/') {
		n = snprintf(to, to_bytes, "%.*s", STR_ARG(last));
	} else {
		if (str_starts_with(last, STR("./"))) {
			last = str_slice(last, 2, last.len);
		}
		n = snprintf(to, to_bytes, "%s/%.*s", options->datadir, STR_ARG(last));
	}
	if (rc == ERR_OK && (n < 0 || (size_t)n >= to_bytes)) {
		rc = err_set(err, ERR_LIMIT, "the binary log's path is too long");
	}
	map_close(&index);
	return rc;
}

/* Calls `use` with the set that holds one interval of one server. */
static bool in_kept(const struct scan *scan, const uint8_t *uuid, const char *tag, uint64_t first,
		    uint64_t last, struct gtid_set *add_to)
{
	struct gtid_item item = { .key = { .flavor = GTID_MYSQL }, .count = 1 };
	struct gtid_interval interval = { first, last };
	memcpy(item.key.uuid, uuid, GTID_UUID_BYTES);
	if (str_copy(str_of(tag), item.key.tag, sizeof(item.key.tag)) != ERR_OK) {
		return false;
	}
	struct gtid_set one = {
		.items = &item, .item_count = 1, .intervals = &interval, .interval_count = 1
	};
	bool kept = gtid_set_contains(scan->options->kept, &one);
	if (!kept && add_to) {
		gtid_set_add(add_to, &one);
	}
	return kept;
}

/* What earlier files hold is committed in the engine: the server rotates only then. */
static enum err scan_previous(struct scan *scan, const struct binlog_event *event,
			      struct err_ctx *err)
{
	struct binlog_intervals walk;
	enum err rc = binlog_intervals_start(&walk, event->body, err);
	struct binlog_interval interval;
	while (rc == ERR_OK) {
		rc = binlog_intervals_next(&walk, &interval, err);
		if (rc == ERR_OK && !in_kept(scan, interval.uuid, interval.tag, interval.first,
					     interval.last, NULL)) {
			return err_set(
				err, ERR_REFUSED,
				"earlier binary logs hold transactions that the present "
				"primary lacks: those are committed and can't be taken back");
		}
	}
	scan->previous_seen = true;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err scan_gtid(struct scan *scan, const struct binlog_event *event, struct err_ctx *err)
{
	struct rewind_result *found = scan->found;
	bool kept = in_kept(scan, event->uuid, event->tag, event->gno, event->gno, &found->removed);
	if (scan->cut_found && scan->open) {
		return err_set(
			err, ERR_REFUSED,
			"offset %" PRIu64 ": the transaction before is no plain row "
			"transaction (DDL or a non-transactional table): it can't be taken back",
			event->offset);
	}
	if (kept && scan->cut_found) {
		return err_set(err, ERR_REFUSED,
			       "offset %" PRIu64
			       ": a transaction that the present primary has follows "
			       "one that it lacks",
			       event->offset);
	}
	if (kept) {
		return ERR_OK;
	}
	if (!scan->cut_found) {
		scan->cut_found = true;
		found->cut_offset = event->offset;
	}
	scan->open = true;
	found->transactions++;
	return ERR_OK;
}

static enum err refuse_event(const struct binlog_event *event, const char *what,
			     struct err_ctx *err)
{
	return err_set(err, ERR_REFUSED, "offset %" PRIu64 ": %s", event->offset, what);
}

static enum err scan_event(struct scan *scan, const struct binlog_event *event, struct err_ctx *err)
{
	switch (event->type) {
	case BINLOG_FORMAT_DESCRIPTION:
		scan->format_seen = true;
		if (!(event->flags & FLAG_IN_USE)) {
			return refuse_event(event,
					    "the log was closed by a shutdown: all its "
					    "transactions are committed",
					    err);
		}
		return ERR_OK;
	case BINLOG_PREVIOUS_GTIDS:
		return scan_previous(scan, event, err);
	case BINLOG_GTID:
	case BINLOG_GTID_TAGGED:
		return scan_gtid(scan, event, err);
	case BINLOG_ANONYMOUS_GTID:
		return refuse_event(event, "a transaction without a GTID", err);
	case BINLOG_XID:
		scan->open = false;
		return ERR_OK;
	case BINLOG_STOP:
	case BINLOG_ROTATE:
		return refuse_event(event, "the last log was closed", err);
	case BINLOG_XA_PREPARE:
		return scan->cut_found ? refuse_event(event, "a prepared XA transaction", err)
				       : ERR_OK;
	case BINLOG_TRANSACTION_PAYLOAD:
		return scan->cut_found ? refuse_event(event,
						      "a compressed transaction: what it "
						      "holds is not judged",
						      err)
				       : ERR_OK;
	default: /* all others don't matter */
		return ERR_OK;
	}
}

/* Walks the whole file. A torn last event is what a crash leaves: recovery drops it. */
static enum err scan_file(struct scan *scan, const struct map *map, struct err_ctx *err)
{
	struct binlog_reader reader;
	struct str all = { (const char *)map->ptr, map->len };
	enum err rc = binlog_start(&reader, all, err);
	while (rc == ERR_OK) {
		struct binlog_event event;
		struct str rest = str_slice(all, (size_t)reader.offset, all.len);
		rc = binlog_next(&reader, rest, &event, NULL, err);
		if (rc == ERR_OK) {
			rc = scan_event(scan, &event, err);
		}
	}
	if (rc != ERR_NOT_FOUND && rc != ERR_AGAIN) {
		return rc == ERR_PROTOCOL ? ERR_REFUSED : rc;
	}
	if (!scan->format_seen || !scan->previous_seen) {
		return err_set(err, ERR_REFUSED, "the last binary log has no beginning");
	}
	return ERR_OK;
}

static enum err write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t n = write(fd, bytes, count < COPY_BYTES ? count : COPY_BYTES);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return ERR_IO;
		}
		bytes += n;
		count -= (size_t)n;
	}
	return ERR_OK;
}

/* So that the name of a new file outlives a power loss. */
static enum err sync_folder_of(const char *path)
{
	char folder[PATH_BYTES_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	struct str name = slash ? (struct str){ path, len } : STR(".");
	if (slash == path) {
		name = STR("/");
	}
	if (str_copy(name, folder, sizeof(folder)) != ERR_OK) {
		return ERR_LIMIT;
	}
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return ERR_IO;
	}
	int rc = fsync(fd);
	(void)close(fd);
	return rc == 0 ? ERR_OK : ERR_IO;
}

static enum err save_tail(const struct rewind_options *options, const struct map *map,
			  uint64_t offset, struct err_ctx *err)
{
	int fd = open(options->tail_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		return err_set(err, errno == EEXIST ? ERR_EXISTS : ERR_IO,
			       "'%s' cannot be made: %s", options->tail_path,
			       strerrordesc_np(errno));
	}
	enum err rc = write_all(fd, map->ptr + offset, map->len - (size_t)offset);
	if (rc == ERR_OK && fsync(fd) != 0) {
		rc = ERR_IO;
	}
	if (close(fd) != 0 && rc == ERR_OK) {
		rc = ERR_IO;
	}
	if (rc == ERR_OK) {
		rc = sync_folder_of(options->tail_path);
	}
	if (rc != ERR_OK) {
		int why = errno;
		(void)unlink(options->tail_path);
		return err_set(err, rc, "'%s' cannot be written: %s", options->tail_path,
			       strerrordesc_np(why));
	}
	return ERR_OK;
}

static enum err cut(const char *path, uint64_t offset, struct err_ctx *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, ERR_IO, "'%s' cannot be opened: %s", path,
			       strerrordesc_np(errno));
	}
	int failed = ftruncate(fd, (off_t)offset) != 0 || fsync(fd) != 0;
	int why = errno;
	(void)close(fd);
	return failed ? err_set(err, ERR_IO, "'%s' cannot be cut: %s", path, strerrordesc_np(why))
		      : ERR_OK;
}

enum err rewind_binlog(const struct rewind_options *options, struct rewind_result *ret,
		       struct err_ctx *err)
{
	struct rewind_result found = { .needed = false };
	gtid_set_init(&found.removed);
	struct map map = { .ptr = NULL };
	enum err rc = check_stopped(options->datadir, err);
	if (rc == ERR_OK) {
		rc = last_file(options, found.file, sizeof(found.file), err);
	}
	if (rc == ERR_OK) {
		rc = map_open(found.file, &map, err);
	}
	if (rc == ERR_OK) {
		struct scan scan = { .options = options, .found = &found };
		rc = scan_file(&scan, &map, err);
		if (rc != ERR_OK) {
			rc = err_wrap(err, rc, "binary log '%s'", found.file);
		}
		found.needed = scan.cut_found;
	}
	if (rc == ERR_OK && found.needed) {
		found.cut_bytes = map.len - found.cut_offset;
		if (!options->dry_run) {
			rc = save_tail(options, &map, found.cut_offset, err);
			if (rc == ERR_OK) {
				rc = cut(found.file, found.cut_offset, err);
			}
		}
	}
	map_close(&map);
	if (rc != ERR_OK) {
		gtid_set_fini(&found.removed);
		return rc;
	}
	gtid_set_fini(&ret->removed);
	*ret = found;
	return ERR_OK;
}
