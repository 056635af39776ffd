/* The only door to malloc, and the words for ownership.
 *
 * mem_need() is for the control plane, whose allocations are small and bounded: out of memory there
 * ends the process. mem_try() is for what one client can cause: the caller drops that one client.
 */
#pragma once

#include <stddef.h>

/* Zeroed memory of `bytes`; never NULL: prints a line and aborts when there is none. */
void *mem_need(size_t bytes);

/* Zeroed memory of `bytes`, or NULL. */
void *mem_try(size_t bytes);

/* Grows or shrinks; NULL when there is no memory (the old block is then still valid). */
void *mem_resize(void *ptr, size_t bytes);

/* Takes NULL. Returns NULL, so that `p = mem_free(p)` leaves nothing dangling. */
void *mem_free(void *ptr);

/* A NUL-terminated copy of the `len` bytes at `ptr`; never NULL. Free with mem_free(). */
char *mem_dup_text(const char *ptr, size_t len);

/* For CLEANUP(mem_freep): frees what the local points at. */
void mem_freep(void *ptr_to_ptr);

/* `CLEANUP(mem_freep) char *text = ...;` runs mem_freep(&text) when the scope ends. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Hands over what a CLEANUP local owns: `*ret = TAKE(conn);` */
#define TAKE(pointer) \
	__extension__({ \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL; \
		taken_; \
	})
