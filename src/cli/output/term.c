#include "cli/output/term.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/env.h"

static bool color_wanted(enum term_color_choice choice)
{
	switch (choice) {
	case TERM_COLOR_ALWAYS:
		return true;
	case TERM_COLOR_NEVER:
		return false;
	case TERM_COLOR_AUTO:
		break;
	}
	const char *no_color = env_get("NO_COLOR");
	const char *kind = env_get("TERM");
	return isatty(STDOUT_FILENO) == 1 && !(no_color && no_color[0]) && kind &&
	       strcmp(kind, "dumb") != 0;
}

void term_detect(enum term_color_choice choice, struct term *ret)
{
	struct winsize size = { 0 };
	*ret = (struct term){ .width = TERM_WIDTH_UNLIMITED,
			      .color = color_wanted(choice),
			      .asks = isatty(STDIN_FILENO) == 1 };
	if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	    size.ws_col >= TERM_WIDTH_MIN) {
		ret->width = size.ws_col;
	}
}
