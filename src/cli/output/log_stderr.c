#include "cli/output/log_stderr.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/clock_system.h"

enum { LINE_BYTES_MAX = 8192 };

static void add_time(struct buf *out)
{
	struct tm utc = { 0 };
	uint64_t now_us = clock_wall_us(&clock_system);
	time_t seconds = (time_t)(now_us / US_PER_S);
	(void)gmtime_r(&seconds, &utc);
	buf_printf(out, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", utc.tm_year + 1900,
		   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
		   (long)(now_us % US_PER_S / US_PER_MS));
}

/* One write() a line: lines of several threads do not mix. */
static void write_line(void *ctx, const struct log_line *line)
{
	(void)ctx;
	char memory[LINE_BYTES_MAX];
	struct buf text;
	buf_init_fixed(&text, memory, sizeof(memory) - 1);
	add_time(&text);
	log_format(line, &text);
	memory[text.len] = '\n';
	ssize_t ignored = write(STDERR_FILENO, memory, text.len + 1);
	(void)ignored;
}

struct log log_stderr(enum log_level level)
{
	return (struct log){ .level = level, .write = write_line };
}

enum log_level log_stderr_level(const char *name)
{
	for (enum log_level level = 0; level < LOG_LEVEL_COUNT_; level++) {
		if (strcmp(log_level_name(level), name) == 0) {
			return level;
		}
	}
	return LOG_INFO;
}
