/* Where a store is: all that is needed to open it, as plain data. */
#pragma once

#include <jansson.h>

#include "store/store_etcd.h"

enum store_kind { STORE_SQLITE, STORE_ETCD };
enum { STORE_PATH_BYTES_MAX = 1024 };

struct store_place {
	enum store_kind kind;
	char path
		[STORE_PATH_BYTES_MAX]; /* STORE_SQLITE: the file; all that follows is for STORE_ETCD */
	char endpoints[STORE_TEXT_BYTES_MAX];
	char prefix[STORE_ETCD_PREFIX_BYTES_MAX];
	char ca_file[STORE_PATH_BYTES_MAX];
	char cert_file[STORE_PATH_BYTES_MAX];
	char key_file[STORE_PATH_BYTES_MAX];
	char user[STORE_TEXT_BYTES_MAX];
	char password_file[STORE_PATH_BYTES_MAX]; /* its first line; "": none */
	struct secret password;			  /* filled by store_place_read_password() */
	uint32_t timeout_ms;
};

/* Views into `place`, which has to outlive them. */
struct store_etcd_options store_place_etcd(const struct store_place *place,
					   const struct clock *clock);

/* Fills the password from its file; nothing to do where none is named. Errors: ERR_CONFIG. */
MUST_CHECK enum err store_place_read_password(struct store_place *place, struct err_ctx *err);

/* Opens a store of either kind. writer: as of store_open_etcd(). Errors: those of the two kinds. */
MUST_CHECK enum err store_place_open(const struct store_place *place, const char *writer,
				     const struct clock *clock, struct store **ret,
				     struct err_ctx *err);

/* For people: "sqlite:/var/lib/muster/muster.db". */
void store_place_text(const struct store_place *place, char *ret, size_t ret_bytes);

/* Whether both are the same store. */
bool store_place_is(const struct store_place *a, const struct store_place *b);

/* All but the password itself. json: a new reference. Errors: ERR_USAGE (which field is wrong). */
json_t *store_place_to_json(const struct store_place *place);
MUST_CHECK enum err store_place_from_json(const json_t *json, struct store_place *ret,
					  struct err_ctx *err);
