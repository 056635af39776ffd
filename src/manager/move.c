#include "manager/move.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "manager/rejoin/rejoin.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/random.h"

enum {
	BATCH_KEYS = 32,
	BATCH_BYTES = 256 * 1024, /* of values; a greater one goes alone */
	ID_BYTES = 16,
};

/* ---------------------------------------------------------------- marks */

static enum err read_mark(struct store *store, const char *key, json_t **ret, struct err_ctx *err)
{
	struct buf value;
	uint64_t version;
	buf_init(&value, STORE_VALUE_BYTES_MAX);
	enum err rc = store_get(store, str_of(key), &value, &version, err);
	if (rc == ERR_OK) {
		*ret = json_loadb((const char *)value.ptr, value.len, 0, NULL);
		rc = json_is_object(*ret) ? ERR_OK
					  : err_set(err, ERR_PARSE, "%s: '%s' can't be read",
						    store_text(store), key);
	}
	buf_fini(&value);
	return rc;
}

static const char *text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));
	return text ? text : "";
}

static enum err find(struct store *store, struct move *ret, struct err_ctx *err)
{
	json_t *mark = NULL;
	struct move move = { 0 };
	enum err rc = read_mark(store, LEADER_MOVED_KEY, &mark, err);
	rc = rc ? rc : store_place_from_json(json_object_get(mark, "place"), &move.to, err);
	if (rc == ERR_OK) {
		rc = str_copy(str_of(text_of(mark, "id")), move.id, sizeof(move.id));
		*ret = move;
	}
	json_decref(mark);
	return rc;
}

enum err move_check_filled(struct store *store, struct err_ctx *err)
{
	json_t *mark = NULL;
	enum err rc = read_mark(store, LEADER_FILLING_KEY, &mark, err);
	if (rc == ERR_OK) {
		rc = err_set(
			err, ERR_REFUSED,
			"store '%s' holds a copy that was not finished: the record is in '%s', "
			"or a start on that finishes it",
			store_text(store), text_of(mark, "from"));
	}
	json_decref(mark);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static struct store_change put_json(const char *key, const json_t *json, char **text)
{
	*text = json_dumps(json, JSON_COMPACT);
	return (struct store_change){ .key = str_of(key), .value = str_of(*text) };
}

/* The term of nobody: whoever claimed before is refused. */
static struct store_change put_nobody(char **text)
{
	json_t *nobody = json_pack("{s:s, s:s, s:s}", "node", "", "address", "", "id", "");
	const struct store_change change = put_json(LEADER_TERM_KEY, nobody, text);
	json_decref(nobody);
	return change;
}

/* ---------------------------------------------------------------- the new store */

/* All keys of a store that make up the record, as an object of key and value. */
struct content {
	json_t *rows; /* values as JSON strings: they are texts */
	bool broken;
};

/* Leadership and the marks of writers belong to a store, not to the record. */
static bool is_own(struct str key)
{
	return str_starts_with(key, STR("leader/")) || str_starts_with(key, STR("writer/"));
}

static bool take_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct content *content = ctx;
	char name[STORE_KEY_BYTES_MAX + 1];
	(void)version;
	if (is_own(key)) {
		return true;
	}
	if (str_copy(key, name, sizeof(name)) != ERR_OK ||
	    json_object_set_new(content->rows, name, json_stringn(value.ptr, value.len)) != 0) {
		content->broken = true;
	}
	return !content->broken;
}

static enum err read_content(struct store *store, json_t **ret, struct err_ctx *err)
{
	struct content content = { .rows = json_object() };
	enum err rc = store_list(store, STR(""), take_row, &content, err);
	if (rc == ERR_OK && content.broken) {
		rc = err_set(err, ERR_PARSE, "store '%s' holds what is no text of a record",
			     store_text(store));
	}
	if (rc != ERR_OK) {
		json_decref(content.rows);
		return rc;
	}
	*ret = content.rows;
	return ERR_OK;
}

/* A store is free when nobody has ever led on it, when its record has moved away, or when it holds what is left of an
 * earlier try to fill it from here. */
static enum err check_free(struct store *to, const char *from, struct err_ctx *err)
{
	json_t *filling = NULL;
	json_t *other = NULL;
	json_t *rows = NULL;
	enum err rc = read_mark(to, LEADER_FILLING_KEY, &filling, err);
	if (rc == ERR_OK && strcmp(text_of(filling, "from"), from) != 0) {
		rc = err_set(err, ERR_REFUSED, "store '%s' is being filled from '%s'",
			     store_text(to), text_of(filling, "from"));
	}
	json_decref(filling);
	if (rc != ERR_NOT_FOUND) {
		return rc;
	}
	rc = read_mark(to, LEADER_MOVED_KEY, &other, err);
	if (rc == ERR_NOT_FOUND) {
		rc = read_mark(to, LEADER_TERM_KEY, &other, err);
		if (rc == ERR_OK) {
			rc = err_set(err, ERR_REFUSED,
				     "store '%s' is in force: '%s' leads there, or did last; stop "
				     "the managers there and choose another cluster",
				     store_text(to), text_of(other, "node"));
		}
		rc = rc == ERR_NOT_FOUND ? read_content(to, &rows, err) : rc;
		if (rows && json_object_size(rows) != 0) {
			rc = err_set(err, ERR_REFUSED, "store '%s' holds a record already",
				     store_text(to));
		}
	}
	json_decref(other);
	json_decref(rows);
	return rc;
}

/* The terms of an etcd go on being counted: an old one must never be valid again. */
static enum err empty(struct store *to, struct err_ctx *err)
{
	json_t *rows = NULL;
	const char *key;
	json_t *value;
	enum err rc = read_content(to, &rows, err);
	json_object_foreach(rows, key, value)
	{
		const struct store_change change = { .key = str_of(key), .remove = true };
		rc = rc ? rc : store_commit(to, &change, 1, err);
	}
	json_decref(rows);
	return rc;
}

/* The term is replaced in the same commit: of this and a claim that was begun before it only one is done. */
static enum err begin_filling(const struct move *move, const char *from, uint64_t term_version,
			      struct err_ctx *err)
{
	CLEANUP(mem_freep) char *text = NULL;
	CLEANUP(mem_freep) char *term = NULL;
	json_t *mark = json_pack("{s:s, s:s}", "from", from, "id", move->id);
	struct store_change changes[] = {
		put_json(LEADER_FILLING_KEY, mark, &text),
		{ .key = STR(LEADER_MOVED_KEY), .remove = true },
		put_nobody(&term),
	};
	json_decref(mark);
	changes[2].check_version = true;
	changes[2].version = term_version;
	return store_commit(move->store, changes, move->to.kind == STORE_ETCD ? 3 : 2, err);
}

static enum err copy(json_t *rows, struct store *to, struct err_ctx *err)
{
	struct store_change batch[BATCH_KEYS];
	size_t count = 0;
	size_t bytes = 0;
	const char *key;
	json_t *value;
	enum err rc = ERR_OK;
	json_object_foreach(rows, key, value)
	{
		size_t length = json_string_length(value);
		if (count == BATCH_KEYS || (count && bytes + length > BATCH_BYTES)) {
			rc = rc ? rc : store_commit(to, batch, count, err);
			count = 0;
			bytes = 0;
		}
		batch[count++] =
			(struct store_change){ .key = str_of(key),
					       .value = { json_string_value(value), length } };
		bytes += length;
	}
	return rc || count == 0 ? rc : store_commit(to, batch, count, err);
}

static enum err compare(const json_t *rows, struct store *to, struct err_ctx *err)
{
	json_t *copied = NULL;
	enum err rc = read_content(to, &copied, err);
	if (rc == ERR_OK && !json_equal(rows, copied)) {
		rc = err_set(err, ERR_FAILED,
			     "store '%s' does not hold what was copied to it: somebody else writes "
			     "there",
			     store_text(to));
	}
	json_decref(copied);
	return rc;
}

/* ---------------------------------------------------------------- the old store */

static enum err check_rest(struct manager_core *core, struct err_ctx *err)
{
	LIST_EACH (&core->groups, at) {
		const struct group *group = LIST_ENTRY(at, struct group, list);
		bool busy = group->unstored || rejoin_under_way(group);
		for (uint32_t i = 0; i < group->record.server_count; i++) {
			busy = busy || group->members[i].running;
		}
		if (busy) {
			return err_set(
				err, ERR_REFUSED,
				"something is being done in group '%s': try again when it is "
				"over",
				group->record.group);
		}
	}
	return ERR_OK;
}

static enum err flush(struct manager_core *core, struct err_ctx *err)
{
	struct store_change changes[STORE_CHANGES_MAX];
	enum err rc = ERR_OK;
	size_t count = event_log_flush(core->events, changes, STORE_CHANGES_MAX);
	while (rc == ERR_OK && count) {
		rc = store_commit(core->options.store, changes, count, err);
		if (rc == ERR_OK) {
			event_log_flushed(core->events);
			count = event_log_flush(core->events, changes, STORE_CHANGES_MAX);
		}
	}
	return rc;
}

/* Step 3. Of an etcd the term is replaced too: no claim that was begun before can win after it. */
static enum err leave(struct manager_core *core, const struct move *move, struct err_ctx *err)
{
	CLEANUP(mem_freep) char *text = NULL;
	CLEANUP(mem_freep) char *term = NULL;
	char to[STORE_TEXT_BYTES_MAX];
	store_place_text(&move->to, to, sizeof(to));
	json_t *mark = json_pack("{s:s, s:s, s:s, s:o}", "to", to, "node", core->options.node, "id",
				 move->id, "place", store_place_to_json(&move->to));
	const struct store_change changes[] = {
		put_json(LEADER_MOVED_KEY, mark, &text),
		put_nobody(&term),
	};
	json_decref(mark);
	size_t count = core->options.place.kind == STORE_ETCD ? 2 : 1;
	return store_commit(core->options.store, changes, count, err);
}

/* 0: there is no such key. */
static enum err version_of(struct store *store, const char *key, uint64_t *ret, struct err_ctx *err)
{
	struct buf value;
	buf_init(&value, STORE_VALUE_BYTES_MAX);
	enum err rc = store_get(store, str_of(key), &value, ret, err);
	buf_fini(&value);
	if (rc == ERR_NOT_FOUND) {
		*ret = 0;
		rc = ERR_OK;
	}
	return rc;
}

static enum err fill(struct manager_core *core, struct move *move, struct err_ctx *err)
{
	json_t *rows = NULL;
	uint64_t term_version = 0;
	const char *from = store_text(core->options.store);
	enum err rc = version_of(move->store, LEADER_TERM_KEY, &term_version, err);
	rc = rc ? rc : check_free(move->store, from, err);
	rc = rc ? rc : begin_filling(move, from, term_version, err);
	fault_point("move.filling");
	rc = rc ? rc : empty(move->store, err);
	rc = rc ? rc : read_content(core->options.store, &rows, err);
	rc = rc ? rc : copy(rows, move->store, err);
	rc = rc ? rc : compare(rows, move->store, err);
	json_decref(rows);
	fault_point("move.copied");
	return rc;
}

static void make_id(char id[MOVE_ID_BYTES_MAX])
{
	uint8_t bytes[ID_BYTES];
	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < ID_BYTES; i++) {
		(void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	}
}

static enum err open_target(const struct manager_core *core, struct move *move, struct err_ctx *err)
{
	char writer[LEADER_NAME_BYTES_MAX + 16];
	if (move->store) {
		return ERR_OK;
	}
	(void)snprintf(writer, sizeof(writer), "%s/manager", core->options.node);
	enum err rc = store_place_read_password(&move->to, err);
	return rc ? rc
		  : store_place_open(&move->to, writer, core->options.clock, &move->store, err);
}

enum err move_begin(struct manager_core *core, const struct store_place *to, struct err_ctx *err)
{
	struct move move = { .to = *to };
	if (store_place_is(to, &core->options.place)) {
		return err_set(err, ERR_REFUSED, "the record is there already: '%s'",
			       store_text(core->options.store));
	}
	make_id(move.id);
	enum err rc = check_rest(core, err);
	rc = rc ? rc : flush(core, err);
	rc = rc ? rc : open_target(core, &move, err);
	rc = rc ? rc : fill(core, &move, err);
	/* An etcd that doesn't answer may have done it all the same: then this manager finds the mark, as others do. */
	rc = rc ? rc : leave(core, &move, err);
	if (rc != ERR_OK) {
		move.store = store_close(move.store);
		return rc;
	}
	fault_point("move.left");
	role_leave(core, &move);
	return ERR_OK;
}

enum err move_finish(const struct manager_core *core, struct move *move, struct err_ctx *err)
{
	json_t *mark = NULL;
	const struct store_change change = { .key = STR(LEADER_FILLING_KEY), .remove = true };
	enum err rc = open_target(core, move, err);
	rc = rc ? rc : read_mark(move->store, LEADER_FILLING_KEY, &mark, err);
	if (rc == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	/* A mark of another move is none of ours. */
	if (rc == ERR_OK && strcmp(text_of(mark, "id"), move->id) == 0) {
		rc = store_commit(move->store, &change, 1, err);
	}
	json_decref(mark);
	fault_point("move.finished");
	return rc;
}

enum err move_check_left(const struct manager_core *core, struct store *store, struct err_ctx *err)
{
	struct move move;
	char to[STORE_TEXT_BYTES_MAX];
	struct err_ctx why = { 0 };
	enum err rc = find(store, &move, err);
	if (rc != ERR_OK) {
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	}
	store_place_text(&move.to, to, sizeof(to));
	bool there = move.to.kind == STORE_ETCD || file_exists(move.to.path);
	rc = there ? move_finish(core, &move, &why)
		   : err_set(&why, ERR_NOT_FOUND, "it is not here");
	move.store = store_close(move.store);
	secret_wipe(&move.to.password);
	/* Another process that has it open has finished the move, or it couldn't. */
	return err_set(err, ERR_REFUSED,
		       "the record has moved from '%s' to '%s': configure [store] so and start "
		       "again%s%s%s",
		       store_text(store), to, rc && rc != ERR_EXISTS ? " (" : "",
		       rc && rc != ERR_EXISTS ? why.text : "", rc && rc != ERR_EXISTS ? ")" : "");
}
