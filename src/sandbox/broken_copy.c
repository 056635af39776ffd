#include "sandbox/broken_copy.h"

#include "base/buf.h"
#include "base/str.h"
#include "os/file.h"

enum { INDEX_BYTES_MAX = 1024 * 1024 };

static enum err is_there(const char *datadir, struct str name, bool *ret, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	bool absolute = str_starts_with(name, STR("/"));
	enum err rc = file_path(path, err, "%s%s%.*s", absolute ? "" : datadir, absolute ? "" : "/",
				STR_ARG(name));
	if (rc == ERR_OK) {
		*ret = file_exists(path);
	}
	return rc;
}

/* Whether each file that the index names is there. */
static enum err is_whole(const char *datadir, struct str index, bool *ret, struct err_ctx *err)
{
	struct str line;
	enum err rc = ERR_OK;
	*ret = true;
	while (rc == ERR_OK && *ret && str_next(&index, '\n', &line)) {
		if (str_trim(line).len > 0) {
			rc = is_there(datadir, str_trim(line), ret, err);
		}
	}
	return rc;
}

enum err broken_copy_mend(const char *datadir, bool *ret_mended, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	struct buf index;
	bool whole = true;
	enum err rc = file_path(path, err, "%s/binlog.index", datadir);
	if (rc == ERR_OK && !file_exists(path)) {
		*ret_mended = false;
		return ERR_OK;
	}
	buf_init(&index, INDEX_BYTES_MAX);
	rc = rc ? rc : file_read(path, &index, err);
	rc = rc ? rc : is_whole(datadir, buf_str(&index), &whole, err);
	buf_fini(&index);
	if (rc == ERR_OK && !whole) {
		rc = file_remove(path, err);
	}
	if (rc == ERR_OK) {
		*ret_mended = !whole;
	}
	return rc;
}
