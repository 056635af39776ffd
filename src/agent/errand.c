#include "agent/errand.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "os/clock_system.h"
#include "os/program.h"
#include "os/thread.h"

enum { OUTPUT_BYTES_MAX = 4096, ENV_BYTES_MAX = ADDRESS_BYTES_MAX + 16 };

struct errand {
	struct thread thread;
	char command[ERRAND_COMMAND_BYTES_MAX]; /* cut up into argv */
	const char *argv[ERRAND_WORDS_MAX];
	char ip[ADDRESS_IP_BYTES_MAX];
	char interface[ADDRESS_INTERFACE_BYTES_MAX];
	char variable[ENV_BYTES_MAX];
	uint64_t limit_us;
	int done_fd;
	int stop_fd;
	atomic_bool ended; /* what follows is written before, and not any more after */
	enum err rc;
	char words[ERRAND_WORDS_BYTES_MAX];
};

/* The last line that says anything, printable. */
static void take_last_line(struct str text, char *ret, size_t ret_bytes)
{
	struct str last = { 0 };
	struct str line = { 0 };
	while (str_next(&text, '\n', &line)) {
		line = str_trim(line);
		last = line.len ? line : last;
	}
	last = str_slice(last, 0, ret_bytes - 1);
	for (size_t i = 0; i < last.len; i++) {
		bool is_plain = last.ptr[i] >= ' ' && last.ptr[i] <= '~';
		ret[i] = last.ptr[i];
		if (!is_plain) {
			ret[i] = '?';
		}
	}
	ret[last.len] = 0;
}

static void judge(struct errand *errand, const struct program_result *result)
{
	char said[ERRAND_WORDS_BYTES_MAX];
	struct str error = buf_str(&result->error);
	take_last_line(error, said, sizeof(said));
	if (!said[0]) {
		take_last_line(buf_str(&result->output), said, sizeof(said));
	}
	struct buf words;
	buf_init_fixed(&words, errand->words, sizeof(errand->words) - 1);
	const char *name = errand->argv[0];
	errand->rc = ERR_FAILED;
	switch (result->end) {
	case PROGRAM_EXITED:
		errand->rc = result->number == 0 ? ERR_OK : ERR_FAILED;
		if (result->number != 0) {
			buf_printf(&words, "'%.60s' ended with status %d%s", name, result->number,
				   said[0] ? ": " : "");
		}
		break;
	case PROGRAM_SIGNALED:
		buf_printf(&words, "'%.60s' was ended by signal %d%s", name, result->number,
			   said[0] ? ": " : "");
		break;
	case PROGRAM_LATE:
		errand->rc = ERR_DEADLINE;
		buf_printf(&words, "'%.60s' took longer than %llu ms: killed%s", name,
			   (unsigned long long)(errand->limit_us / US_PER_MS), said[0] ? ": " : "");
		break;
	case PROGRAM_STOPPED:
		buf_printf(&words, "'%.60s' was killed, since the address is to be released", name);
		said[0] = 0;
		break;
	}
	struct str tail = str_slice(str_of(said), 0, words.bytes_max - words.len);
	buf_add_str(&words, tail);
	errand->words[words.len] = 0;
}

static void run(void *ctx)
{
	struct errand *errand = ctx;
	struct program_result result;
	struct err_ctx err = { 0 };
	const char *const env[] = { errand->variable, NULL };
	const struct program_options options = {
		.argv = errand->argv,
		.env = env,
		.output_bytes_max = OUTPUT_BYTES_MAX,
		.deadline_us = clock_monotonic_us(&clock_system) + errand->limit_us,
		.stop_fd = errand->stop_fd,
	};
	enum err rc = program_run(&options, &result, &err);
	if (rc == ERR_OK) {
		judge(errand, &result);
		program_result_fini(&result);
	} else {
		errand->rc = rc;
		take_last_line(str_of(err_text(rc, &err)), errand->words, sizeof(errand->words));
	}
	atomic_store(&errand->ended, true);
	/* Full is as good as written: it is readable. */
	(void)eventfd_write(errand->done_fd, 1);
}

static enum err fill(const struct errand_options *options, struct errand *made, struct err_ctx *err)
{
	enum { ARGUMENTS = 3 };
	enum err rc = str_copy(str_of(options->command), made->command, sizeof(made->command));
	rc = rc ? rc : program_split(made->command, made->argv, ERRAND_WORDS_MAX - ARGUMENTS);
	if (rc || !made->argv[0]) {
		return err_set(err, rc ? rc : ERR_CONFIG, "'%.60s' can't be run: %s",
			       options->command, rc ? "it is too long" : "it is empty");
	}
	size_t count = 0;
	while (made->argv[count]) {
		count++;
	}
	char text[ADDRESS_BYTES_MAX];
	address_print(&options->address, text);
	address_print_ip(&options->address, made->ip);
	(void)snprintf(made->variable, sizeof(made->variable), "MUSTER_ADDRESS=%s", text);
	(void)snprintf(made->interface, sizeof(made->interface), "%s", options->interface);
	made->argv[count++] = options->hold ? "hold" : "release";
	made->argv[count++] = made->ip;
	made->argv[count++] = made->interface;
	made->limit_us = options->limit_us;
	made->done_fd = options->done_fd;
	return ERR_OK;
}

enum err errand_start(const struct errand_options *options, struct errand **ret,
		      struct err_ctx *err)
{
	struct errand *made = mem_need(sizeof(*made));
	made->stop_fd = -1;
	enum err rc = fill(options, made, err);
	if (!rc) {
		made->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (made->stop_fd < 0) {
			rc = err_set(err, ERR_IO, "eventfd: %s", strerrordesc_np(errno));
		}
	}
	rc = rc ? rc : thread_start(&made->thread, "errand", run, made, err);
	if (rc) {
		(void)errand_free(made);
		return rc;
	}
	*ret = made;
	return ERR_OK;
}

void errand_stop(struct errand *errand)
{
	(void)eventfd_write(errand->stop_fd, 1);
}

bool errand_ended(struct errand *errand, enum err *ret_rc, char ret_words[ERRAND_WORDS_BYTES_MAX])
{
	if (!atomic_load(&errand->ended)) {
		return false;
	}
	*ret_rc = errand->rc;
	memcpy(ret_words, errand->words, ERRAND_WORDS_BYTES_MAX);
	return true;
}

struct errand *errand_free(struct errand *errand)
{
	if (errand) {
		if (errand->stop_fd >= 0) {
			errand_stop(errand);
		}
		thread_join(&errand->thread);
		if (errand->stop_fd >= 0) {
			(void)close(errand->stop_fd);
		}
		mem_free(errand);
	}
	return NULL;
}
