#include "ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { LINE_BYTES_MAX = 128, IDS_FIRST = 4096 };

static const char outcome_letters[LEDGER_OUTCOME_COUNT_] = { 'A', 'R', 'U' };

enum err ledger_append(int fd, const struct ledger_line *line)
{
	char text[LINE_BYTES_MAX];
	int bytes = snprintf(text, sizeof(text), "%c %llu %llu %llu %u\n",
			     outcome_letters[line->outcome], (unsigned long long)line->id,
			     (unsigned long long)line->started_us,
			     (unsigned long long)line->ended_us, line->server_errno);
	if (bytes < 0 || (size_t)bytes >= sizeof(text)) {
		return ERR_LIMIT;
	}
	return write(fd, text, (size_t)bytes) == (ssize_t)bytes ? ERR_OK : ERR_IO;
}

static void add_id(struct ledger_ids *ids, uint64_t id)
{
	if (ids->count == ids->cap) {
		size_t cap = ids->cap ? ids->cap * 2 : IDS_FIRST;
		uint64_t *grown = mem_need(cap * sizeof(*grown));
		if (ids->count) {
			memcpy(grown, ids->ids, ids->count * sizeof(*grown));
		}
		mem_free(ids->ids);
		ids->ids = grown;
		ids->cap = cap;
	}
	ids->ids[ids->count++] = id;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

static enum err read_line(struct ledger *ledger, struct str line)
{
	struct str word;
	struct str id_text;
	uint64_t id;
	if (!str_ends_with(line, STR("\n")) || !str_next(&line, ' ', &word) || word.len != 1 ||
	    !str_next(&line, ' ', &id_text)) {
		return ERR_PARSE;
	}
	enum err rc = str_parse_u64(id_text, 0, UINT64_MAX, &id);
	if (rc != ERR_OK) {
		return rc;
	}
	for (enum ledger_outcome i = 0; i < LEDGER_OUTCOME_COUNT_; i++) {
		if (outcome_letters[i] == word.ptr[0]) {
			add_id(&ledger->by_outcome[i], id);
			return ERR_OK;
		}
	}
	return ERR_PARSE;
}

enum err ledger_read(const char *path, struct ledger *ret, struct err_ctx *err)
{
	FILE *file = fopen(path, "re");
	if (!file) {
		return err_set(err, ERR_IO, "ledger '%s': %s", path, strerrordesc_np(errno));
	}
	struct ledger ledger = { 0 };
	enum err rc = ERR_OK;
	char text[LINE_BYTES_MAX];
	for (unsigned number = 1; rc == ERR_OK && fgets(text, sizeof(text), file); number++) {
		rc = read_line(&ledger, str_of(text));
		if (rc != ERR_OK) {
			(void)err_set(err, rc, "ledger '%s': line %u is broken", path, number);
		}
	}
	if (rc == ERR_OK && ferror(file)) {
		rc = err_set(err, ERR_IO, "ledger '%s' cannot be read", path);
	}
	(void)fclose(file);
	if (rc != ERR_OK) {
		ledger_fini(&ledger);
		return rc;
	}
	for (enum ledger_outcome i = 0; i < LEDGER_OUTCOME_COUNT_; i++) {
		struct ledger_ids *ids = &ledger.by_outcome[i];
		if (ids->count) {
			qsort(ids->ids, ids->count, sizeof(*ids->ids), compare_ids);
		}
	}
	*ret = ledger;
	return ERR_OK;
}

void ledger_fini(struct ledger *ledger)
{
	for (enum ledger_outcome i = 0; i < LEDGER_OUTCOME_COUNT_; i++) {
		mem_free(ledger->by_outcome[i].ids);
	}
	*ledger = (struct ledger){ 0 };
}

bool ledger_find(const struct ledger_ids *ids, uint64_t id, size_t *ret_index)
{
	size_t low = 0;
	size_t high = ids->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (ids->ids[middle] < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low < ids->count && ids->ids[low] == id) {
		*ret_index = low;
		return true;
	}
	return false;
}
