#include "cli/commands/server_word.h"

#include <string.h>

#include "base/str.h"

enum { PORT_DEFAULT = 3306 };

/* Splits the last ":PORT" off; an IPv6 address stands in brackets. */
static bool split_address(struct str word, struct str *ret_host, uint32_t *ret_port)
{
	struct str host = word;
	struct str port = STR("");
	bool has_port = false;
	if (word.len && word.ptr[0] == '[') {
		const char *end = memchr(word.ptr, ']', word.len);
		if (!end) {
			return false;
		}
		size_t behind = (size_t)(end - word.ptr) + 1;
		host = str_slice(word, 1, behind - 1);
		if (behind < word.len && word.ptr[behind] != ':') {
			return false;
		}
		has_port = behind < word.len;
		port = str_slice(word, behind + 1, word.len);
	} else {
		const char *colon = word.len ? memchr(word.ptr, ':', word.len) : NULL;
		if (colon) {
			has_port = true;
			host = str_slice(word, 0, (size_t)(colon - word.ptr));
			port = str_slice(word, (size_t)(colon - word.ptr) + 1, word.len);
		}
	}
	*ret_host = host;
	*ret_port = PORT_DEFAULT;
	return host.len && (!has_port || str_parse_u32(port, 1, 65535, ret_port) == ERR_OK);
}

enum err server_word_parse(const char *word, bool named, json_t **ret, struct err_ctx *err)
{
	const char *form = named ? "SERVER=HOST:PORT" : "HOST:PORT";
	struct str rest = str_of(word);
	struct str name = STR("");
	struct str host;
	uint32_t port;
	if (named && (!strchr(word, '=') || !str_next(&rest, '=', &name) || name.len == 0)) {
		return err_set(err, ERR_USAGE, "'%s' is no %s", word, form);
	}
	if (!split_address(rest, &host, &port)) {
		return err_set(err, ERR_USAGE, "'%s' is no %s with a port from 1 to 65535", word,
			       form);
	}
	json_t *server = json_pack("{s:s%, s:i}", "host", host.ptr, host.len, "port", (int)port);
	if (server && named) {
		json_t *text = json_stringn(name.ptr, name.len);
		if (!text || json_object_set_new(server, "name", text) != 0) {
			json_decref(server);
			server = NULL;
		}
	}
	if (!server) {
		return err_set(err, ERR_USAGE, "'%s' is no valid UTF-8", word);
	}
	*ret = server;
	return ERR_OK;
}
