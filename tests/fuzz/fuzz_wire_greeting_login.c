/* What strangers send before they are known: greeting, login, change of user, plugin packets, and
 * stored passwords. What is decoded must come back the same from its own encoding.
 * Byte 0: which decoder; bytes 1 to 8: capabilities for those that need them. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "wire/auth.h"
#include "wire/greeting.h"
#include "wire/login.h"

enum { OUT_BYTES_MAX = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_greeting(struct str payload)
{
	struct greeting greeting;
	struct greeting again;
	struct buf out;
	struct err_ctx err = { 0 };
	if (greeting_decode(payload, &greeting, &err) != ERR_OK) {
		check(err.text[0] != '\0');
		return;
	}
	buf_init(&out, OUT_BYTES_MAX);
	greeting_encode(&out, &greeting);
	check(greeting_decode(buf_str(&out), &again, NULL) == ERR_OK);
	check(str_equal(again.version, greeting.version) && again.caps == greeting.caps);
	check(str_equal(again.auth_plugin, greeting.auth_plugin));
	(void)greeting_is_mariadb(&greeting);
	buf_fini(&out);
}

static void check_same(const struct login *a, const struct login *b)
{
	check(a->caps == b->caps && a->collation == b->collation);
	check(str_equal(a->user, b->user) && str_equal(a->auth, b->auth));
	check(str_equal(a->schema, b->schema) && str_equal(a->auth_plugin, b->auth_plugin));
	check(str_equal(a->attributes, b->attributes));
}

static void try_login(struct str payload)
{
	struct login login;
	struct login again;
	struct buf out;
	struct err_ctx err = { 0 };
	(void)login_is_ssl_request(payload);
	if (login_decode(payload, &login, &err) != ERR_OK) {
		check(err.text[0] != '\0');
		return;
	}
	buf_init(&out, OUT_BYTES_MAX);
	login_encode(&out, &login);
	check(login_decode(buf_str(&out), &again, NULL) == ERR_OK);
	check_same(&login, &again);
	check(login.zstd_level == again.zstd_level);
	buf_fini(&out);
}

static void try_change_user(struct str payload, capabilities caps)
{
	struct login login;
	struct login again;
	struct buf out;
	if (login_decode_change_user(payload, caps, &login, NULL) != ERR_OK) {
		return;
	}
	if (!(caps & CAP_SECURE_CONNECTION)) {
		return; /* nobody writes that form any longer */
	}
	buf_init(&out, OUT_BYTES_MAX);
	login_encode_change_user(&out, &login);
	check(login_decode_change_user(buf_str(&out), caps, &again, NULL) == ERR_OK);
	check_same(&login, &again);
	buf_fini(&out);
}

static void try_plugin_packets(struct str payload)
{
	struct auth_switch request;
	struct auth_switch again;
	struct str data;
	struct buf out;
	if (auth_switch_decode(payload, &request, NULL) == ERR_OK) {
		buf_init(&out, OUT_BYTES_MAX);
		auth_switch_encode(&out, &request);
		check(auth_switch_decode(buf_str(&out), &again, NULL) == ERR_OK);
		check(str_equal(request.plugin, again.plugin));
		check(str_equal(request.data, again.data));
		buf_fini(&out);
	}
	(void)(auth_more_decode(payload, &data, NULL) == ERR_OK);
	(void)(auth_sha2_clear_decode(payload, &data, NULL) == ERR_OK);
}

static void try_stored(struct str text)
{
	struct auth_verifier verifier;
	for (enum auth_plugin plugin = AUTH_OTHER; plugin < AUTH_PLUGIN_COUNT_; plugin++) {
		if (auth_verifier_parse(auth_plugin_name(plugin), text, &verifier, NULL) ==
			    ERR_OK &&
		    verifier.plugin == AUTH_SHA2 && !verifier.empty) {
			check(verifier.sha2.rounds > 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor cur = cursor_of(data, size);
	uint8_t which;
	uint64_t caps;
	if (cursor_u8(&cur, &which) != ERR_OK || cursor_u64(&cur, &caps) != ERR_OK) {
		return 0;
	}
	struct str payload = cursor_rest(&cur);
	switch (which % 5) {
	case 0:
		try_greeting(payload);
		break;
	case 1:
		try_login(payload);
		break;
	case 2:
		try_change_user(payload, caps);
		break;
	case 3:
		try_plugin_packets(payload);
		break;
	default:
		try_stored(payload);
		break;
	}
	return 0;
}
