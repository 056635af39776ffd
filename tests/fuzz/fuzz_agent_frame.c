/* What anybody on the network sends: frames about an address, read for an IPv4 and an IPv6 one. */
#include <string.h>

#include "agent/frame.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const texts[] = { "192.0.2.10/24", "2001:db8::12:3456/64" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		static const struct mac none;
		struct address address;
		struct mac from = none;
		char text[MAC_TEXT_BYTES_MAX];
		check(address_parse(str_of(texts[i]), &address, NULL) == ERR_OK);
		enum frame_word word = frame_read(data, size, &address, &from);
		check(word != FRAME_NOTHING || memcmp(&from, &none, sizeof(none)) == 0);
		frame_print_mac(&from, text);
		check(strlen(text) == MAC_TEXT_BYTES_MAX - 1);
	}
	/* What people write is read here, too: what it yields reads as itself again. */
	struct address address;
	struct str text = { (const char *)data, size };
	if (size && address_parse(text, &address, NULL) == ERR_OK) {
		char printed[ADDRESS_BYTES_MAX];
		struct address again;
		address_print(&address, printed);
		check(address_parse(str_of(printed), &again, NULL) == ERR_OK);
		check(memcmp(&address, &again, sizeof(address)) == 0);
	}
	return 0;
}
