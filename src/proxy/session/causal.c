/* A list by domain (MariaDB) or source (MySQL), as text: it is only ever sent on. */
#include "proxy/session/causal.h"

#include <string.h>

#include "base/mem.h"

void causal_fini(struct causal *causal)
{
	causal->gtids = mem_free(causal->gtids);
	causal->waited = 0;
}

/* "0" of "0-1-5"; "UUID" or "UUID:TAG" of "UUID:TAG:5-6". */
static struct str key_of(struct str gtid)
{
	const char *colon = memrchr(gtid.ptr, ':', gtid.len);
	const char *end = colon ? colon : memchr(gtid.ptr, '-', gtid.len);
	return str_slice(gtid, 0, end ? (size_t)(end - gtid.ptr) : gtid.len);
}

static void add(struct buf *list, struct str gtid)
{
	if (list->len) {
		buf_add_char(list, ',');
	}
	buf_add_str(list, gtid);
}

static bool has_key(struct str list, struct str key)
{
	struct str gtid;
	while (str_next(&list, ',', &gtid)) {
		if (str_equal(key_of(str_trim(gtid)), key)) {
			return true;
		}
	}
	return false;
}

void causal_take(struct causal *causal, struct str gtids)
{
	char memory[2 * CAUSAL_BYTES_MAX];
	struct buf list;
	struct str rest = str_of(causal->gtids ? causal->gtids : "");
	struct str gtid;
	if (!gtids.len || gtids.len > CAUSAL_BYTES_MAX) {
		return;
	}
	buf_init_fixed(&list, memory, sizeof(memory));
	while (str_next(&rest, ',', &gtid)) {
		bool fits = list.len + gtid.len + rest.len + gtids.len + 3 <= CAUSAL_BYTES_MAX;
		if (fits && !has_key(gtids, key_of(gtid))) {
			add(&list, gtid);
		}
	}
	add(&list, gtids);
	(void)mem_free(causal->gtids);
	causal->gtids = mem_dup_text((const char *)list.ptr, list.len);
	causal->waited = 0;
}

void causal_write_wait(const struct causal *causal, bool mariadb, uint32_t wait_ms, struct buf *out)
{
	enum { MS_PER_S = 1000 };
	buf_printf(out, "SELECT 1 FROM DUAL WHERE %s('%s',%u.%03u)=0",
		   mariadb ? "MASTER_GTID_WAIT" : "WAIT_FOR_EXECUTED_GTID_SET", causal->gtids,
		   (unsigned)(wait_ms / MS_PER_S), (unsigned)(wait_ms % MS_PER_S));
}
