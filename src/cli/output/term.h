/* What the terminal can do: its width, and whether colours are wanted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { TERM_WIDTH_UNLIMITED = 0, TERM_WIDTH_MIN = 20 };

struct term {
	uint32_t width; /* columns; TERM_WIDTH_UNLIMITED when the output is no terminal */
	bool color;
	bool asks; /* standard input is a terminal: a question can be answered */
};

enum term_color_choice { TERM_COLOR_AUTO, TERM_COLOR_ALWAYS, TERM_COLOR_NEVER };

/* Looks at standard input and output, NO_COLOR and TERM. Source: https://no-color.org */
void term_detect(enum term_color_choice choice, struct term *ret);
