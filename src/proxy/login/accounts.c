/* The account snapshot: rows in the servers' matching order, found by a walk (log-ins only). */
#include "proxy/login/accounts.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

struct accounts {
	atomic_uint references;
	bool sealed;
	struct accounts_facts facts;
	struct account *rows; /* [count]; fields point into memory of their own */
	size_t count;
	size_t cap;
};

struct accounts *accounts_new(const struct accounts_facts *facts)
{
	struct accounts *accounts = mem_need(sizeof(*accounts));
	atomic_init(&accounts->references, 1);
	accounts->facts = *facts;
	return accounts;
}

static struct str copy_field(struct str field)
{
	return (struct str){ mem_dup_text(field.len ? field.ptr : "", field.len), field.len };
}

static void free_field(struct str field)
{
	union {
		const char *text;
		void *memory;
	} owned = { .text = field.ptr };
	(void)mem_free(owned.memory);
}

enum err accounts_add(struct accounts *accounts, const struct account *account, struct err_ctx *err)
{
	if (accounts->sealed) {
		return err_set(err, ERR_USAGE, "the account snapshot is sealed");
	}
	if (accounts->count >= ACCOUNTS_MAX) {
		return err_set(err, ERR_LIMIT, "over %d accounts", ACCOUNTS_MAX);
	}
	if (account->user.len > ACCOUNT_FIELD_BYTES_MAX ||
	    account->host.len > ACCOUNT_FIELD_BYTES_MAX ||
	    account->plugin.len > ACCOUNT_FIELD_BYTES_MAX ||
	    account->auth.len > ACCOUNT_FIELD_BYTES_MAX) {
		return err_set(err, ERR_LIMIT, "account '%.64s': a field is over %d bytes",
			       account->user.len ? account->user.ptr : "", ACCOUNT_FIELD_BYTES_MAX);
	}
	if (accounts->count == accounts->cap) {
		size_t cap = accounts->cap ? accounts->cap * 2 : 16;
		struct account *rows = mem_resize(accounts->rows, cap * sizeof(*rows));
		if (!rows) {
			return err_set(err, ERR_NOMEM, "no memory for %zu accounts", cap);
		}
		accounts->rows = rows;
		accounts->cap = cap;
	}
	accounts->rows[accounts->count++] = (struct account){
		.user = copy_field(account->user),
		.host = copy_field(account->host),
		.plugin = copy_field(account->plugin),
		.auth = copy_field(account->auth),
		.locked = account->locked,
	};
	return ERR_OK;
}

/* Smaller is more specific: literals, netmasks, patterns by the place of their first wildcard (the
 * later, the more specific), and what matches every host last. */
static size_t host_rank(struct str host)
{
	enum { RANK_NETMASK = 1, RANK_PATTERN = 2, RANK_ANY = ACCOUNT_FIELD_BYTES_MAX + 3 };
	if (!host.len || str_equal(host, STR("%"))) {
		return RANK_ANY;
	}
	for (size_t i = 0; i < host.len; i++) {
		if (host.ptr[i] == '%' || host.ptr[i] == '_') {
			return (size_t)RANK_PATTERN + (size_t)ACCOUNT_FIELD_BYTES_MAX - i;
		}
	}
	return memchr(host.ptr, '/', host.len) ? RANK_NETMASK : 0;
}

static int compare_rows(const void *left, const void *right)
{
	const struct account *a = left;
	const struct account *b = right;
	size_t rank_a = host_rank(a->host);
	size_t rank_b = host_rank(b->host);
	if (rank_a != rank_b) {
		return rank_a < rank_b ? -1 : 1;
	}
	if (!a->user.len != !b->user.len) {
		return a->user.len ? -1 : 1;
	}
	int order = str_compare(a->host, b->host);
	return order ? order : str_compare(a->user, b->user);
}

void accounts_seal(struct accounts *accounts)
{
	if (accounts->count > 1) {
		qsort(accounts->rows, accounts->count, sizeof(*accounts->rows), compare_rows);
	}
	accounts->sealed = true;
}

const struct account *accounts_get(const struct accounts *accounts, size_t index)
{
	check(index < accounts->count);
	return &accounts->rows[index];
}

const struct accounts_facts *accounts_get_facts(const struct accounts *accounts)
{
	return &accounts->facts;
}

size_t accounts_count(const struct accounts *accounts)
{
	return accounts->count;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* LIKE's matching with % and _ and backslash as escape, without regard to case; goes back to the
 * last % only, which is enough because a later % can take over what an earlier one would. */
static bool like_matches(struct str pattern, struct str text)
{
	size_t p = 0;
	size_t t = 0;
	size_t star = SIZE_MAX; /* behind the last % seen */
	size_t star_text = 0;
	while (t < text.len) {
		bool escaped = p + 1 < pattern.len && pattern.ptr[p] == '\\';
		if (p < pattern.len && !escaped && pattern.ptr[p] == '%') {
			star = ++p;
			star_text = t;
			continue;
		}
		if (p < pattern.len &&
		    ((!escaped && pattern.ptr[p] == '_') ||
		     lower(pattern.ptr[p + (escaped ? 1 : 0)]) == lower(text.ptr[t]))) {
			p += escaped ? 2 : 1;
			t++;
			continue;
		}
		if (star == SIZE_MAX) {
			return false;
		}
		p = star;
		t = ++star_text;
	}
	while (p < pattern.len && pattern.ptr[p] == '%') {
		p++;
	}
	return p == pattern.len;
}

static bool parse_ipv4(struct str text, uint32_t *ret)
{
	char copy[INET_ADDRSTRLEN];
	struct in_addr address;
	if (str_copy(text, copy, sizeof(copy)) != ERR_OK ||
	    inet_pton(AF_INET, copy, &address) != 1) {
		return false;
	}
	*ret = ntohl(address.s_addr);
	return true;
}

/* "198.51.100.0/255.255.255.0" and "198.51.100.0/24". */
static bool netmask_matches(struct str net, struct str mask_text, struct str address)
{
	enum { IPV4_BITS = 32 };
	uint32_t base = 0;
	uint32_t mask = 0;
	uint32_t bits = 0;
	uint32_t host = 0;
	if (!parse_ipv4(net, &base) || !parse_ipv4(address, &host)) {
		return false;
	}
	if (!parse_ipv4(mask_text, &mask)) {
		if (str_parse_u32(mask_text, 0, IPV4_BITS, &bits) != ERR_OK) {
			return false;
		}
		mask = bits ? ~UINT32_C(0) << (IPV4_BITS - bits) : 0;
	}
	return (host & mask) == base;
}

static bool is_loopback(struct str address)
{
	return str_equal(address, STR("::1")) || str_starts_with(address, STR("127."));
}

bool accounts_host_matches(struct str pattern, struct str address)
{
	if (!pattern.len) {
		return true;
	}
	struct str mask = pattern;
	struct str net = { NULL, 0 };
	if (memchr(pattern.ptr, '/', pattern.len) && str_next(&mask, '/', &net)) {
		return netmask_matches(net, mask, address);
	}
	return like_matches(pattern, address) ||
	       (is_loopback(address) && like_matches(pattern, STR("localhost")));
}

const struct account *accounts_find(const struct accounts *accounts, struct str user,
				    struct str address)
{
	check(accounts->sealed);
	for (size_t i = 0; i < accounts->count; i++) {
		const struct account *row = &accounts->rows[i];
		if ((!row->user.len || str_equal(row->user, user)) &&
		    accounts_host_matches(row->host, address)) {
			return row;
		}
	}
	return NULL;
}

struct accounts *accounts_ref(struct accounts *accounts)
{
	if (accounts) {
		(void)atomic_fetch_add(&accounts->references, 1);
	}
	return accounts;
}

struct accounts *accounts_unref(struct accounts *accounts)
{
	if (!accounts || atomic_fetch_sub(&accounts->references, 1) != 1) {
		return NULL;
	}
	for (size_t i = 0; i < accounts->count; i++) {
		free_field(accounts->rows[i].user);
		free_field(accounts->rows[i].host);
		free_field(accounts->rows[i].plugin);
		free_field(accounts->rows[i].auth);
	}
	(void)mem_free(accounts->rows);
	return mem_free(accounts);
}
