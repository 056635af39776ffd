/* A configuration file that crashes muster at its start keeps the group unwatched. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "cli/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct err_ctx err = { 0 };
	config_init(&config);
	enum err rc =
		config_parse((struct str){ (const char *)data, size }, "fuzz.cnf", &config, &err);
	/* A refusal has words for the person who wrote the file. */
	check(rc == ERR_OK || err.text[0]);
	struct buf text;
	buf_init(&text, (size_t)CONFIG_KEY_COUNT_ * CONFIG_TEXT_BYTES_MAX);
	for (enum config_index i = 0; i < CONFIG_KEY_COUNT_; i++) {
		config_value_text(&config, i, &text);
	}
	check(buf_finish(&text) == ERR_OK);
	buf_fini(&text);
	return 0;
}
