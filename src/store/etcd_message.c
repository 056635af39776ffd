#include "store/etcd_message.h"

#include <inttypes.h>

#include "base/base64.h"
#include "base/check.h"

static void add_bytes(struct buf *out, const char *name, struct str head, struct str bytes)
{
	struct buf whole;
	buf_init(&whole, STORE_VALUE_BYTES_MAX + STORE_TEXT_BYTES_MAX);
	buf_add_str(&whole, head);
	buf_add_str(&whole, bytes);
	check(buf_finish(&whole) == ERR_OK);
	buf_printf(out, "\"%s\":\"", name);
	base64_add(out, buf_str(&whole));
	buf_add_char(out, '"');
	buf_fini(&whole);
}

void etcd_message_range(struct buf *out, struct str from, struct str to, uint32_t limit,
			uint64_t at_revision)
{
	buf_add_char(out, '{');
	add_bytes(out, "key", STR(""), from);
	if (to.len) {
		buf_add_char(out, ',');
		add_bytes(out, "range_end", STR(""), to);
	}
	buf_printf(out, ",\"limit\":\"%u\",\"revision\":\"%" PRIu64 "\"}", limit, at_revision);
}

void etcd_message_end_of(struct str prefix, struct buf *ret)
{
	size_t len = prefix.len;
	while (len && (uint8_t)prefix.ptr[len - 1] == 0xff) {
		len--;
	}
	buf_clear(ret);
	if (len == 0) {
		buf_add_u8(ret, 0);
		return;
	}
	buf_add_str(ret, str_slice(prefix, 0, len - 1));
	buf_add_u8(ret, (uint8_t)((uint8_t)prefix.ptr[len - 1] + 1));
}

static void add_compare(struct buf *out, struct str prefix, const struct store_change *change)
{
	buf_add_char(out, '{');
	add_bytes(out, "key", prefix, change->key);
	buf_printf(out, ",\"target\":\"VERSION\",\"result\":\"EQUAL\",\"version\":\"%" PRIu64 "\"}",
		   change->version);
}

static void add_read(struct buf *out, struct str prefix, const struct store_change *change)
{
	buf_add_text(out, "{\"request_range\":{");
	add_bytes(out, "key", prefix, change->key);
	buf_add_text(out, "}}");
}

static void add_change(struct buf *out, struct str prefix, const struct store_change *change)
{
	buf_add_text(out, change->remove ? "{\"request_delete_range\":{" : "{\"request_put\":{");
	add_bytes(out, "key", prefix, change->key);
	if (!change->remove) {
		buf_add_char(out, ',');
		add_bytes(out, "value", STR(""), change->value);
	}
	buf_add_text(out, "}}");
}

typedef void (*add_fn)(struct buf *out, struct str prefix, const struct store_change *change);

static void add_compared(struct buf *out, struct str prefix, const struct store_change *changes,
			 size_t count, const struct store_change *fence, add_fn add)
{
	const char *comma = "";
	for (size_t i = 0; i < count; i++) {
		if (changes[i].check_version) {
			buf_add_text(out, comma);
			add(out, prefix, &changes[i]);
			comma = ",";
		}
	}
	if (fence) {
		buf_add_text(out, comma);
		add(out, prefix, fence);
	}
}

void etcd_message_commit(struct buf *out, struct str prefix, const struct store_change *changes,
			 size_t count, const struct store_change *fence)
{
	buf_add_text(out, "{\"compare\":[");
	add_compared(out, prefix, changes, count, fence, add_compare);
	buf_add_text(out, "],\"success\":[");
	for (size_t i = 0; i < count; i++) {
		buf_add_text(out, i ? "," : "");
		add_change(out, prefix, &changes[i]);
	}
	buf_add_text(out, "],\"failure\":[");
	add_compared(out, prefix, changes, count, fence, add_read);
	buf_add_text(out, "]}");
}

void etcd_message_watch(struct buf *out, struct str from, struct str to)
{
	buf_add_text(out, "{\"create_request\":{");
	add_bytes(out, "key", STR(""), from);
	buf_add_char(out, ',');
	add_bytes(out, "range_end", STR(""), to);
	buf_add_text(out, "}}");
}

/* A number that is a text, or missing. */
static bool read_number(const json_t *object, const char *name, uint64_t *ret)
{
	const json_t *value = json_object_get(object, name);
	*ret = 0;
	if (!value) {
		return true;
	}
	return json_is_string(value) &&
	       str_parse_u64((struct str){ json_string_value(value), json_string_length(value) }, 0,
			     INT64_MAX, ret) == ERR_OK;
}

/* Bytes in base64, or missing. */
static bool read_bytes(const json_t *object, const char *name, struct buf *ret)
{
	const json_t *value = json_object_get(object, name);
	buf_clear(ret);
	if (!value) {
		return true;
	}
	struct str text = { json_string_value(value), json_string_length(value) };
	return json_is_string(value) && base64_decode(text, ret, NULL) == ERR_OK &&
	       buf_finish(ret) == ERR_OK;
}

static enum err say_nonsense(struct err_ctx *err)
{
	return err_set(err, ERR_PROTOCOL, "what answers is no etcd of version 3.4 or newer");
}

/* The keys of one range. */
static bool read_rows(const json_t *range, etcd_row_cb row, void *ctx, size_t *rows, bool *going)
{
	const json_t *list = json_object_get(range, "kvs");
	struct buf key;
	struct buf value;
	bool right = !list || json_is_array(list);
	buf_init(&key, STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	buf_init(&value, STORE_VALUE_BYTES_MAX);
	for (size_t i = 0; right && *going && i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		uint64_t version;
		right = json_is_object(one) && read_bytes(one, "key", &key) &&
			read_bytes(one, "value", &value) && read_number(one, "version", &version);
		if (right) {
			(*rows)++;
			*going = row(ctx, buf_str(&key), buf_str(&value), version);
		}
	}
	buf_fini(&key);
	buf_fini(&value);
	return right;
}

enum err etcd_message_read(const json_t *answer, etcd_row_cb row, void *ctx,
			   struct etcd_answer *ret, struct err_ctx *err)
{
	const json_t *header = json_object_get(answer, "header");
	const json_t *responses = json_object_get(answer, "responses");
	bool going = true;
	*ret = (struct etcd_answer){
		.succeeded = json_is_true(json_object_get(answer, "succeeded")),
		.more = json_is_true(json_object_get(answer, "more")),
	};
	if (!json_is_object(header) || !read_number(header, "revision", &ret->revision) ||
	    !read_rows(answer, row, ctx, &ret->rows, &going)) {
		return say_nonsense(err);
	}
	for (size_t i = 0; i < json_array_size(responses); i++) {
		const json_t *range =
			json_object_get(json_array_get(responses, i), "response_range");
		if (range && !read_rows(range, row, ctx, &ret->rows, &going)) {
			return say_nonsense(err);
		}
	}
	return ERR_OK;
}

enum err etcd_message_read_event(const json_t *line, etcd_row_cb row, void *ctx, bool *ret_created,
				 struct err_ctx *err)
{
	const char *words;
	int code;
	const json_t *failure = json_object_get(line, "error");
	const json_t *result = json_object_get(line, "result");
	const json_t *events = json_object_get(result, "events");
	if (failure) {
		const char *text =
			json_is_object(failure) && etcd_message_is_error(failure, &words, &code)
				? words
				: "it ended the watch";
		return err_set(err, ERR_AGAIN, "%s", text);
	}
	if (!json_is_object(result)) {
		return say_nonsense(err);
	}
	if (json_is_true(json_object_get(result, "canceled"))) {
		const char *why = json_string_value(json_object_get(result, "cancel_reason"));
		return err_set(err, ERR_AGAIN, "%s", why ? why : "it ended the watch");
	}
	*ret_created = json_is_true(json_object_get(result, "created"));
	struct buf key;
	bool going = true;
	buf_init(&key, STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	bool right = !events || json_is_array(events);
	for (size_t i = 0; right && going && i < json_array_size(events); i++) {
		const json_t *kv = json_object_get(json_array_get(events, i), "kv");
		uint64_t version;
		right = json_is_object(kv) && read_bytes(kv, "key", &key) &&
			read_number(kv, "version", &version);
		if (right) {
			going = row(ctx, buf_str(&key), STR(""), version);
		}
	}
	buf_fini(&key);
	return right ? ERR_OK : say_nonsense(err);
}

bool etcd_message_is_error(const json_t *answer, const char **ret_words, int *ret_code)
{
	/* Version 3.4 has `error` and `message` alike, later ones `message` only; a watch calls it grpc_code. */
	const json_t *words = json_object_get(answer, "message");
	const json_t *code = json_object_get(answer, "code");
	words = words ? words : json_object_get(answer, "error");
	code = code ? code : json_object_get(answer, "grpc_code");
	if (!json_is_string(words)) {
		return false;
	}
	json_int_t number = json_integer_value(code);
	*ret_words = json_string_value(words);
	*ret_code = number > 0 && number < 100 ? (int)number : 0;
	return true;
}
