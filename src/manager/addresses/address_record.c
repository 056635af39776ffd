#include "manager/addresses/address_record.h"

#include <stdio.h>
#include <string.h>

#include "agent/json_read.h"
#include "base/check.h"

json_t *address_record_write(const struct address_record *record, const char *group)
{
	json_t *json = json_pack(
		"{s:i, s:s, s:s, s:s, s:b, s:s, s:b, s:b, s:s}", "format", ADDRESS_RECORD_FORMAT,
		"address", record->text, "group", group, "place", address_place_name(record->place),
		"fail_back", (int)record->fail_back, "prefer", record->prefer, "moving",
		(int)record->moving, "removing", (int)record->removing, "holder", record->holder);
	check(json);
	return json;
}

enum err address_record_parse_place(struct str text, enum address_place *ret, struct err_ctx *err)
{
	for (enum address_place place = 0; place < ADDRESS_PLACE_COUNT_; place++) {
		if (str_equal(text, str_of(address_place_name(place)))) {
			*ret = place;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_USAGE, "'%.*s' is none of primary, proxy", STR_ARG(text));
}

enum err address_record_parse(struct str text, struct address *ret, struct err_ctx *err)
{
	char full[ADDRESS_BYTES_MAX];
	if (str_contains(text, STR("/"))) {
		return address_parse(text, ret, err);
	}
	int bytes = snprintf(full, sizeof(full), "%.*s/%d", STR_ARG(text),
			     str_contains(text, STR(":")) ? 128 : 32);
	if (bytes < 0 || (size_t)bytes >= sizeof(full)) {
		return err_set(err, ERR_PARSE, "'%.60s...' is no address", full);
	}
	return address_parse(str_of(full), ret, err);
}

enum err address_record_read(const json_t *json, char *ret_group, struct address_record *ret,
			     struct err_ctx *err)
{
	struct address_record record = { 0 };
	struct address address;
	char place[16];
	json_int_t format = json_integer_value(json_object_get(json, "format"));
	if (format < 1 || format > ADDRESS_RECORD_FORMAT) {
		return err_set(err, ERR_PARSE, "its format is not %d", (int)ADDRESS_RECORD_FORMAT);
	}
	enum err rc = json_read_text(json, "address", record.text, sizeof(record.text), err);
	rc = rc ? rc : address_parse(str_of(record.text), &address, err);
	rc = rc ? rc : json_read_text(json, "group", ret_group, NAME_BYTES_MAX, err);
	rc = rc ? rc : json_read_text(json, "place", place, sizeof(place), err);
	rc = rc ? rc : address_record_parse_place(str_of(place), &record.place, err);
	rc = rc ? rc : json_read_text(json, "prefer", record.prefer, sizeof(record.prefer), err);
	rc = rc ? rc : json_read_text(json, "holder", record.holder, sizeof(record.holder), err);
	if (rc != ERR_OK) {
		return err_wrap(err, ERR_PARSE, "an address");
	}
	record.fail_back = json_is_true(json_object_get(json, "fail_back"));
	record.moving = json_is_true(json_object_get(json, "moving"));
	record.removing = json_is_true(json_object_get(json, "removing"));
	*ret = record;
	return ERR_OK;
}
