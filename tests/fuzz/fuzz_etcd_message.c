/* Answers of etcd, of any bytes: what is taken from them stays within the limits of the store. */
#include <stddef.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/check.h"
#include "store/etcd_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	size_t *rows = ctx;
	(void)version;
	(*rows)++;
	check(key.len <= STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	check(value.len <= STORE_VALUE_BYTES_MAX);
	return *rows < 100;
}

/* What can be decoded is the text of what it was decoded to, but for the bits that padding leaves over. */
static void decode(struct str text)
{
	struct buf bytes;
	struct buf again;
	buf_init(&bytes, text.len + 1);
	buf_init(&again, text.len + 1);
	if (base64_decode(text, &bytes, NULL) == ERR_OK) {
		base64_add(&again, buf_str(&bytes));
		check(again.len == text.len);
	}
	buf_fini(&bytes);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	decode(text);
	json_t *json = json_loadb(text.ptr ? text.ptr : "", text.len, 0, NULL);
	if (!json) {
		return 0;
	}
	struct etcd_answer answer;
	const char *words;
	int code;
	bool created = false;
	size_t rows = 0;
	(void)!etcd_message_read(json, take_row, &rows, &answer, NULL);
	check(answer.rows <= rows + 1);
	(void)!etcd_message_read_event(json, take_row, &rows, &created, NULL);
	if (etcd_message_is_error(json, &words, &code)) {
		check(words && code >= 0 && code < 100);
	}
	json_decref(json);
	return 0;
}
