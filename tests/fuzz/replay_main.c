/* Runs a fuzz target over files and folders of kept inputs, without libFuzzer.
 *
 * So that every compiler and every build replays the corpus as a plain test: a crash, a check() or a
 * sanitizer's word ends the program. An empty corpus is an error, so a moved folder is noticed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum { INPUT_BYTES_MAX = 64 * 1024 * 1024, PATH_TEXT_BYTES = 4096, READ_BYTES = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		(void)fprintf(stderr, "'%s': %s\n", path, strerrordesc_np(errno));
		return false;
	}
	struct buf input;
	buf_init(&input, INPUT_BYTES_MAX);
	uint8_t *to;
	size_t count = 0;
	do {
		to = buf_reserve(&input, READ_BYTES);
		count = to ? fread(to, 1, READ_BYTES, file) : 0;
		buf_commit(&input, count);
	} while (count > 0);
	bool whole = to && !ferror(file);
	(void)fclose(file);
	if (whole) {
		(void)LLVMFuzzerTestOneInput(input.ptr, input.len);
	} else {
		(void)fprintf(stderr, "'%s' cannot be read\n", path);
	}
	buf_fini(&input);
	return whole;
}

/* Returns how many inputs ran, or -1. */
static int replay_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	if (!dir) {
		(void)fprintf(stderr, "'%s': %s\n", folder, strerrordesc_np(errno));
		return -1;
	}
	int count = 0;
	const struct dirent *entry;
	while (count >= 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		char path[PATH_TEXT_BYTES];
		int used = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		bool fits = used > 0 && (size_t)used < sizeof(path);
		count = fits && replay_file(path) ? count + 1 : -1;
	}
	(void)closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int count = replay_folder(argv[i]);
		if (count <= 0) {
			(void)fprintf(stderr, "'%s': no input was replayed\n", argv[i]);
			return 1;
		}
		(void)printf("%s: %d inputs\n", argv[i], count);
	}
	return 0;
}
