#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *mem_try(size_t bytes)
{
	return calloc(1, bytes ? bytes : 1);
}

void *mem_need(size_t bytes)
{
	void *ptr = mem_try(bytes);
	if (!ptr) {
		(void)fprintf(stderr, "muster: out of memory (%zu bytes)\n", bytes);
		abort();
	}
	return ptr;
}

void *mem_resize(void *ptr, size_t bytes)
{
	return realloc(ptr, bytes ? bytes : 1);
}

void *mem_free(void *ptr)
{
	free(ptr);
	return NULL;
}

char *mem_dup_text(const char *ptr, size_t len)
{
	char *copy = mem_need(len + 1);
	if (len) {
		memcpy(copy, ptr, len);
	}
	return copy;
}

void mem_freep(void *ptr_to_ptr)
{
	void *ptr;
	memcpy(&ptr, ptr_to_ptr, sizeof(ptr));
	free(ptr);
	memset(ptr_to_ptr, 0, sizeof(ptr));
}
