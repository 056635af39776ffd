#include "sandbox/log_tail.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { TAIL_BYTES = 65536 };

static struct str choose_line(struct str text, const char *word)
{
	struct str rest = text;
	struct str line;
	struct str last = { NULL, 0 };
	struct str matching = { NULL, 0 };
	while (str_next(&rest, '\n', &line)) {
		line = str_trim(line);
		if (line.len) {
			last = line;
		}
		/* The servers' last error says only that they end; the one before it says why. */
		if (str_contains(line, str_of(word)) && !str_ends_with(line, STR("Aborting"))) {
			matching = line;
		}
	}
	return matching.len ? matching : last;
}

void log_tail_read(const char *path, const char *word, char ret[LOG_TAIL_BYTES_MAX])
{
	CLEANUP(mem_freep) char *bytes = mem_need(TAIL_BYTES);
	struct str line = { NULL, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		off_t size = lseek(fd, 0, SEEK_END);
		off_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
		ssize_t got = pread(fd, bytes, TAIL_BYTES, from);
		if (got > 0) {
			line = choose_line((struct str){ bytes, (size_t)got }, word);
		}
		(void)close(fd);
	}
	if (!line.len) {
		line = STR("it said nothing");
	}
	(void)snprintf(ret, LOG_TAIL_BYTES_MAX, "%.*s", STR_ARG(line));
	for (char *at = ret; *at; at++) {
		if ((unsigned char)*at < ' ') {
			*at = ' ';
		}
	}
}
