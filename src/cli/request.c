#include "cli/request.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "os/env.h"

enum { PATH_BYTES_MAX = 2048, NAMES_BYTES_MAX = 512 };

static enum err find_socket(struct cli *cli, const struct args *args, struct request *request)
{
	const char *option = args_text(args, "socket");
	const char *variable = env_get("MUSTER_SOCKET");
	const char *named = option ? option : variable;
	if (named && named[0]) {
		if (str_copy(str_of(named), request->socket_path, sizeof(request->socket_path)) !=
		    ERR_OK) {
			return err_set(&cli->err, ERR_USAGE,
				       "the socket's path is longer than %d bytes",
				       (int)CONFIG_TEXT_BYTES_MAX - 1);
		}
		return ERR_OK;
	}
	CLEANUP(mem_freep) struct config *config = mem_need(sizeof(*config));
	enum err rc = config_load(args_text(args, "config"), config, &cli->err);
	if (rc == ERR_OK) {
		memcpy(request->socket_path, config->values.muster_socket,
		       sizeof(request->socket_path));
	}
	return rc;
}

enum err request_open(struct cli *cli, const struct args *args, struct request *ret)
{
	*ret = (struct request){ .cli = cli };
	enum err rc = find_socket(cli, args, ret);
	ret->client = (struct client){
		.socket_path = ret->socket_path,
		.timeout_ms = (uint32_t)args_number(args, "timeout", REQUEST_TIMEOUT_S) * 1000,
	};
	return rc;
}

enum err request_call(struct request *request, const char *http_method, const char *path,
		      const json_t *body, json_t **ret)
{
	char text[PATH_BYTES_MAX];
	struct buf whole;
	buf_init_fixed(&whole, text, sizeof(text));
	buf_printf(&whole, "/v1%s", path);
	if (buf_finish(&whole) != ERR_OK) {
		return err_set(&request->cli->err, ERR_USAGE, "the arguments are too long");
	}
	return client_call(&request->client, http_method, text, body, ret, &request->cli->err);
}

const char *request_text(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));
	return text ? text : "";
}

static enum err only_group(struct request *request, const json_t *groups)
{
	char text[NAMES_BYTES_MAX];
	struct buf names;
	size_t index;
	json_t *group;
	buf_init_fixed(&names, text, sizeof(text));
	json_array_foreach(groups, index, group)
	{
		buf_printf(&names, "%s%s", index ? ", " : "", request_text(group, "group"));
	}
	size_t count = json_array_size(groups);
	if (count == 0) {
		return err_set(&request->cli->err, ERR_NOT_FOUND,
			       "there is no group: see muster group create, muster group adopt");
	}
	if (count > 1) {
		return err_set(&request->cli->err, ERR_USAGE, "which group? There are: %s",
			       buf_text(&names));
	}
	return str_copy(buf_str(&names), request->group, sizeof(request->group));
}

enum err request_group(struct request *request, const char *word)
{
	if (word) {
		if (!word[0] ||
		    str_copy(str_of(word), request->group, sizeof(request->group)) != ERR_OK) {
			return err_set(&request->cli->err, ERR_USAGE, "'%.100s' is no group's name",
				       word);
		}
		return ERR_OK;
	}
	json_t *list = NULL;
	enum err rc = request_call(request, "GET", "/groups", NULL, &list);
	if (rc == ERR_OK) {
		rc = only_group(request, json_object_get(list, "groups"));
		json_decref(list);
	}
	return rc;
}

enum err request_group_call(struct request *request, const char *http_method, const char *rest,
			    const json_t *body, json_t **ret)
{
	char text[PATH_BYTES_MAX];
	struct buf path;
	buf_init_fixed(&path, text, sizeof(text));
	buf_add_text(&path, "/groups/");
	client_add_word(&path, str_of(request->group));
	buf_add_text(&path, rest);
	check(buf_finish(&path) == ERR_OK);
	return request_call(request, http_method, buf_text(&path), body, ret);
}
