#include "api/route_table.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

const struct route_row route_rows[] = {
#define X(http_method, path, kind, call, summary) { http_method, path, kind, call, summary },
#include "api/routes.def"
#undef X
};
const size_t route_count = sizeof(route_rows) / sizeof(route_rows[0]);

enum { PATHS_MAX = 64 };

static bool is_parameter(struct str word)
{
	return word.len > 2 && word.ptr[0] == '{';
}

/* Whether `path` has the pattern's form; the words in braces go into `params` when it is given. */
static bool path_matches(struct str pattern, struct str path, json_t *params)
{
	struct str wanted;
	struct str word;
	while (str_next(&pattern, '/', &wanted)) {
		if (!str_next(&path, '/', &word)) {
			return false;
		}
		if (!is_parameter(wanted)) {
			if (!str_equal(wanted, word)) {
				return false;
			}
			continue;
		}
		if (word.len == 0) {
			return false;
		}
		if (params) {
			struct str name = str_slice(wanted, 1, wanted.len - 1);
			char key[32];
			json_t *value = json_stringn(word.ptr, word.len); /* NULL: no UTF-8 */
			check(str_copy(name, key, sizeof(key)) == ERR_OK);
			if (!value || json_object_set_new(params, key, value) != 0) {
				return false;
			}
		}
	}
	return path.len == 0;
}

static enum err say_not_found(const char *http_method, const char *path, struct err_ctx *err)
{
	const char *paths[PATHS_MAX];
	char methods[64];
	struct buf list;
	buf_init_fixed(&list, methods, sizeof(methods));
	for (size_t i = 0; i < route_count && i < PATHS_MAX; i++) {
		paths[i] = route_rows[i].path;
		if (path_matches(str_of(route_rows[i].path), str_of(path), NULL)) {
			buf_printf(&list, "%s%s", list.len ? ", " : "", route_rows[i].http_method);
		}
	}
	if (list.len) {
		return err_set(err, ERR_NOT_FOUND, "'%s' takes %s, not %s", path, buf_text(&list),
			       http_method);
	}
	const char *nearest = str_nearest(str_of(path), paths, route_count);
	return err_set(err, ERR_NOT_FOUND, "no '%s': see %s", path,
		       nearest ? nearest : "/v1/openapi.json");
}

enum err route_find(const char *http_method, const char *path, json_t *params,
		    const struct route_row **ret, struct err_ctx *err)
{
	for (size_t i = 0; i < route_count; i++) {
		const struct route_row *row = &route_rows[i];
		if (strcmp(row->http_method, http_method) == 0 &&
		    path_matches(str_of(row->path), str_of(path), NULL)) {
			if (!path_matches(str_of(row->path), str_of(path), params)) {
				return err_set(err, ERR_USAGE, "the path is no valid UTF-8");
			}
			*ret = row;
			return ERR_OK;
		}
	}
	return say_not_found(http_method, path, err);
}

static json_t *path_parameters(const char *path)
{
	json_t *list = json_array();
	struct str rest = str_of(path);
	struct str word;
	while (str_next(&rest, '/', &word)) {
		if (is_parameter(word)) {
			check(json_array_append_new(list,
						    json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name",
							      word.ptr + 1, word.len - 2, "in",
							      "path", "required", 1, "schema",
							      "type", "string")) == 0);
		}
	}
	return list;
}

static json_t *openapi_operation(const struct route_row *row)
{
	json_t *operation = json_pack("{s:s, s:o, s:{s:{s:s}, s:{s:s}}}", "summary", row->summary,
				      "parameters", path_parameters(row->path), "responses", "200",
				      "description", "The result, as a JSON object.", "default",
				      "description", "{\"error\": {\"code\": ..., \"text\": ...}}");
	check(operation);
	if (strcmp(row->http_method, "POST") == 0 || strcmp(row->http_method, "PATCH") == 0) {
		json_t *body = json_pack("{s:{s:{s:{s:s}}}}", "content", "application/json",
					 "schema", "type", "object");
		check(json_object_set_new(operation, "requestBody", body) == 0);
	}
	return operation;
}

json_t *route_openapi(void)
{
	json_t *paths = json_object();
	for (size_t i = 0; i < route_count; i++) {
		const struct route_row *row = &route_rows[i];
		json_t *path = json_object_get(paths, row->path);
		char method[16] = "";
		if (!path) {
			path = json_object();
			check(json_object_set_new(paths, row->path, path) == 0);
		}
		for (size_t c = 0; row->http_method[c] && c + 1 < sizeof(method); c++) {
			method[c] = (char)(row->http_method[c] - 'A' + 'a');
		}
		check(json_object_set_new(path, method, openapi_operation(row)) == 0);
	}
	json_t *all = json_pack("{s:s, s:{s:s, s:s}, s:o}", "openapi", "3.0.3", "info", "title",
				"muster", "version", MUSTER_VERSION, "paths", paths);
	check(all);
	return all;
}

void route_page(struct buf *out)
{
	buf_add_text(out,
		     "# The HTTP interface\n\n"
		     "Made by `muster internal dump-docs api` from `src/api/routes.def`; a test "
		     "compares them.\n\n"
		     "`muster run` answers HTTP with JSON on its Unix socket (mode 0660): who may "
		     "open the socket may do\n"
		     "everything. `GET /v1/openapi.json` describes the same routes for programs. "
		     "For example:\n\n"
		     "    curl --unix-socket /run/muster/muster.sock http://muster/v1/groups\n\n"
		     "A request has its parameters in the path, the query, or a JSON object as "
		     "body; `timeout_ms` in the query\n"
		     "bounds how long it may take (default 30000). An answer is a JSON object; an "
		     "error is\n"
		     "`{\"error\": {\"code\": \"ERR_REFUSED\", \"text\": \"...\"}}` with the HTTP "
		     "status of\n"
		     "[exit-status.md](exit-status.md).\n\n"
		     "| method | path | meaning |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < route_count; i++) {
		buf_printf(out, "| %s | `%s` | %s |\n", route_rows[i].http_method,
			   route_rows[i].path, route_rows[i].summary);
	}
}
