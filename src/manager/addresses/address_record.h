/* A floating address as it stands in the store: one JSON object under address/IP. */
#pragma once

#include <jansson.h>

#include "agent/address.h"
#include "base/err.h"
#include "decide/address.h"

enum { ADDRESS_RECORD_FORMAT = 1 };

json_t *address_record_write(const struct address_record *record,
			     const char *group); /* a new reference */

/* ret_group: NAME_BYTES_MAX. Errors: ERR_PARSE. */
MUST_CHECK enum err address_record_read(const json_t *json, char *ret_group,
					struct address_record *ret, struct err_ctx *err);

/* "primary", "proxy". Errors: ERR_USAGE. */
MUST_CHECK enum err address_record_parse_place(struct str text, enum address_place *ret,
					       struct err_ctx *err);

/* An address as a command names one that exists: as address_parse() reads it, or without a prefix. Errors: ERR_PARSE. */
MUST_CHECK enum err address_record_parse(struct str text, struct address *ret, struct err_ctx *err);
