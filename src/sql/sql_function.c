#include "sql/sql_function.h"

#include <string.h>

enum { NAME_BYTES_MAX = 32 };

struct function {
	struct str name;
	enum sql_function_effect effect;
	enum sql_dialect dialect; /* SQL_DIALECT_UNKNOWN: both */
	bool adjacent;
};

static const struct function functions[] = {
#define X(name, effect, dialect, adjacent) \
	{ { #name, sizeof(#name) - 1 }, SQL_FUNCTION_##effect, SQL_DIALECT_##dialect, (adjacent) },
#include "sql/sql_function.def"
#undef X
};

static const struct function *find(struct str name)
{
	size_t from = 0;
	size_t to = sizeof(functions) / sizeof(functions[0]);

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = str_compare(name, functions[middle].name);
		if (order == 0) {
			return &functions[middle];
		}
		if (order < 0) {
			to = middle;
		} else {
			from = middle + 1;
		}
	}
	return NULL;
}

enum sql_function_effect sql_function_find_effect(struct str name, bool adjacent,
						  enum sql_dialect dialect)
{
	char upper[NAME_BYTES_MAX];

	if (name.len > sizeof(upper)) {
		return SQL_FUNCTION_UNKNOWN;
	}
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	const struct function *found = find((struct str){ upper, name.len });
	if (!found || (found->adjacent && !adjacent) ||
	    (found->dialect != SQL_DIALECT_UNKNOWN && found->dialect != dialect)) {
		return SQL_FUNCTION_UNKNOWN;
	}
	return found->effect;
}
