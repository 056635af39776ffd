#include "os/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

#include "base/check.h"

void random_bytes(void *to, size_t bytes)
{
	uint8_t *at = to;
	while (bytes) {
		ssize_t got = getrandom(at, bytes, 0);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		check(got > 0);
		at += got;
		bytes -= (size_t)got;
	}
}

void random_password(struct secret *ret, size_t letters)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const size_t count = sizeof(alphabet) - 1;
	check(letters < sizeof(ret->text));
	size_t done = 0;
	while (done < letters) {
		uint8_t byte;
		random_bytes(&byte, sizeof(byte));
		/* Bytes above the last whole multiple of the alphabet would favour its first letters. */
		if (byte < 256 / count * count) {
			ret->text[done++] = alphabet[byte % count];
		}
	}
	ret->text[done] = '\0';
}
