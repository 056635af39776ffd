/* The table of learnt passwords: one mapping of its own, one mutex. */
#include "proxy/login/secrets.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"

struct entry {
	struct credential credential;	   /* first: a credential's address is its entry's */
	uint8_t key[SHA256_DIGEST_LENGTH]; /* of account and stored password */
	uint32_t references;		   /* sessions that use it */
	bool current; /* found by its key; false: outdated, in use by sessions only */
};

struct secrets {
	pthread_mutex_t mutex;
	struct entry *entries; /* [SECRETS_MAX], locked page by page as the kernel allows */
	size_t entry_count;    /* entries ever used; all later ones are zero */
};

struct secrets *secrets_new(void)
{
	struct secrets *secrets = mem_need(sizeof(*secrets));
	size_t bytes = SECRETS_MAX * sizeof(struct entry);
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED);
	(void)madvise(memory, bytes, MADV_DONTDUMP);
	/* Pages are locked when they are first touched; where the limit (RLIMIT_MEMLOCK) is lower,
	 * the table works without. */
	(void)mlock2(memory, bytes, MLOCK_ONFAULT);
	secrets->entries = memory;
	check(pthread_mutex_init(&secrets->mutex, NULL) == 0);
	return secrets;
}

struct secrets *secrets_free(struct secrets *secrets)
{
	if (!secrets) {
		return NULL;
	}
	explicit_bzero(secrets->entries, secrets->entry_count * sizeof(struct entry));
	(void)munmap(secrets->entries, SECRETS_MAX * sizeof(struct entry));
	(void)pthread_mutex_destroy(&secrets->mutex);
	return mem_free(secrets);
}

static void add_field(struct buf *bytes, struct str field)
{
	buf_add_u32(bytes, (uint32_t)field.len);
	buf_add_str(bytes, field);
}

static void make_key(const struct account *account, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	enum { FIELDS = 4 };
	uint8_t memory[FIELDS * (ACCOUNT_FIELD_BYTES_MAX + sizeof(uint32_t))];
	struct buf bytes;
	buf_init_fixed(&bytes, memory, sizeof(memory));
	add_field(&bytes, account->user);
	add_field(&bytes, account->host);
	add_field(&bytes, account->plugin);
	add_field(&bytes, account->auth);
	check(buf_finish(&bytes) == ERR_OK);
	(void)SHA256(memory, bytes.len, ret);
}

static struct entry *find_entry(struct secrets *secrets, const uint8_t key[SHA256_DIGEST_LENGTH])
{
	for (size_t i = 0; i < secrets->entry_count; i++) {
		struct entry *entry = &secrets->entries[i];
		if (entry->current && memcmp(entry->key, key, SHA256_DIGEST_LENGTH) == 0) {
			return entry;
		}
	}
	return NULL;
}

static bool credential_equal(const struct credential *a, const struct credential *b)
{
	return a->empty == b->empty && a->has_stage1 == b->has_stage1 && a->has_s1 == b->has_s1 &&
	       a->has_clear == b->has_clear &&
	       memcmp(a->stage1, b->stage1, sizeof(a->stage1)) == 0 &&
	       memcmp(a->s1, b->s1, sizeof(a->s1)) == 0 &&
	       strcmp(a->clear.text, b->clear.text) == 0;
}

/* An unused entry, or else one that no session uses, forgotten for it; NULL when all are in use. */
static struct entry *take_entry(struct secrets *secrets)
{
	if (secrets->entry_count < SECRETS_MAX) {
		return &secrets->entries[secrets->entry_count++];
	}
	for (size_t i = 0; i < secrets->entry_count; i++) {
		if (!secrets->entries[i].references) {
			explicit_bzero(&secrets->entries[i], sizeof(struct entry));
			return &secrets->entries[i];
		}
	}
	return NULL;
}

const struct credential *secrets_find(struct secrets *secrets, const struct account *account)
{
	uint8_t key[SHA256_DIGEST_LENGTH];
	make_key(account, key);
	(void)pthread_mutex_lock(&secrets->mutex);
	struct entry *entry = find_entry(secrets, key);
	if (entry) {
		entry->references++;
	}
	(void)pthread_mutex_unlock(&secrets->mutex);
	return entry ? &entry->credential : NULL;
}

const struct credential *secrets_learn(struct secrets *secrets, const struct account *account,
				       const struct credential *credential)
{
	uint8_t key[SHA256_DIGEST_LENGTH];
	make_key(account, key);
	(void)pthread_mutex_lock(&secrets->mutex);
	struct entry *entry = find_entry(secrets, key);
	if (entry && !credential_equal(&entry->credential, credential)) {
		entry->current = false;
		entry = NULL;
	}
	if (!entry) {
		entry = take_entry(secrets);
		if (entry) {
			*entry = (struct entry){ .credential = *credential, .current = true };
			memcpy(entry->key, key, sizeof(key));
		}
	}
	if (entry) {
		entry->references++;
	}
	(void)pthread_mutex_unlock(&secrets->mutex);
	return entry ? &entry->credential : NULL;
}

/* The entry that a credential is a part of. */
static struct entry *entry_of(struct secrets *secrets, const struct credential *credential)
{
	return &secrets->entries[(const struct entry *)(const void *)credential - secrets->entries];
}

const struct credential *secrets_ref(struct secrets *secrets, const struct credential *credential)
{
	(void)pthread_mutex_lock(&secrets->mutex);
	entry_of(secrets, credential)->references++;
	(void)pthread_mutex_unlock(&secrets->mutex);
	return credential;
}

void secrets_release(struct secrets *secrets, const struct credential *credential)
{
	if (!credential) {
		return;
	}
	(void)pthread_mutex_lock(&secrets->mutex);
	struct entry *entry = entry_of(secrets, credential);
	check(entry->references > 0);
	entry->references--;
	(void)pthread_mutex_unlock(&secrets->mutex);
}

void credential_complete(struct credential *credential)
{
	if (!credential->has_clear) {
		return;
	}
	struct str clear = str_of(credential->clear.text);
	auth_native_stage1(clear, credential->stage1);
	auth_sha2_s1(clear, credential->s1);
	credential->has_stage1 = true;
	credential->has_s1 = true;
}
