#include "manager/records/text_json.h"

#include "base/mem.h"

/* How many bytes the UTF-8 character at `ptr` has; 0 when there is none. Only its form is looked at: the rest is
 * left to jansson. */
static size_t character_bytes(const char *ptr, size_t left)
{
	unsigned char first = (unsigned char)ptr[0];
	size_t bytes = first < 0x80   ? 1
		       : first < 0xc2 ? 0
		       : first < 0xe0 ? 2
		       : first < 0xf0 ? 3
				      : 4;
	if (bytes > left) {
		return 0;
	}
	for (size_t i = 1; i < bytes; i++) {
		if (((unsigned char)ptr[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	json_t *probe = bytes > 1 ? json_stringn(ptr, bytes) : NULL;
	bool valid = bytes == 1 || probe;
	json_decref(probe);
	return valid ? bytes : 0;
}

json_t *text_to_json(struct str text)
{
	json_t *json = json_stringn(text.ptr ? text.ptr : "", text.len);
	if (json) {
		return json;
	}
	CLEANUP(mem_freep) char *clean = mem_dup_text(text.ptr, text.len);
	for (size_t i = 0; i < text.len;) {
		size_t bytes = character_bytes(clean + i, text.len - i);
		if (bytes == 0) {
			clean[i] = '?';
			bytes = 1;
		}
		i += bytes;
	}
	return json_stringn(clean, text.len);
}
