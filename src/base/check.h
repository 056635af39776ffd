/* check(): our own bugs stop the program, in release builds too.
 *
 * Never for operating errors (they are returned) and never for what a peer sent.
 */
#pragma once

/* Prints file, line and expression to standard error and aborts. */
_Noreturn void check_failed(const char *expression, const char *file, int line);

#define check(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#ifdef MUSTER_DEBUG
#define check_slow(expression) check(expression)
#else
#define check_slow(expression) ((void)sizeof(expression))
#endif
