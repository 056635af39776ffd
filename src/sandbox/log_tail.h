/* The line of another program's log that tells a person why it ended. */
#pragma once

enum { LOG_TAIL_BYTES_MAX = 512 };

/* Fills the last line that contains `word`, else the last line that isn't empty, else "it said nothing".
 * Control characters become blanks. Looks at the last 64 KB only; never fails. */
void log_tail_read(const char *path, const char *word, char ret[LOG_TAIL_BYTES_MAX]);
