#include "os/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/clock_system.h"
#include "os/process.h"

enum {
	CHUNK_BYTES = 4096,
	CHUNKS_MAX = 64,
	OUTPUT = 0,
	ERROR = 1,
	ENDED = 2,
	STOP = 3,
	WATCHED_COUNT = 4
};

/* One program at work: our ends of what it talks to. */
struct talk {
	int input_fd;	/* a file in memory with all of its input */
	int mine[2];	/* what we read its output and error from */
	int theirs[2];	/* what it writes them to */
	int process_fd; /* readable when it has ended */
	pid_t pid;
};

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
	}
	*fd = -1;
}

static void hang_up(struct talk *talk)
{
	close_fd(&talk->input_fd);
	close_fd(&talk->process_fd);
	for (int i = 0; i < 2; i++) {
		close_fd(&talk->mine[i]);
		close_fd(&talk->theirs[i]);
	}
}

/* A file in memory needs nobody who writes while the program reads, or doesn't. */
static enum err make_input(struct str input, int *ret_fd, struct err_ctx *err)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	size_t done = 0;
	while (fd >= 0 && done < input.len) {
		ssize_t put = write(fd, input.ptr + done, input.len - done);
		if (put < 0 && errno != EINTR) {
			break;
		}
		done += put > 0 ? (size_t)put : 0;
	}
	if (fd < 0 || done < input.len || lseek(fd, 0, SEEK_SET) != 0) {
		int error = errno;
		close_fd(&fd);
		return err_set(err, ERR_IO, "a file in memory: %s", strerrordesc_np(error));
	}
	*ret_fd = fd;
	return ERR_OK;
}

static enum err make_pipes(struct talk *talk, struct err_ctx *err)
{
	for (int i = 0; i < 2; i++) {
		int fds[2];
		if (pipe2(fds, O_CLOEXEC) != 0) {
			return err_set(err, ERR_IO, "pipe: %s", strerrordesc_np(errno));
		}
		talk->mine[i] = fds[0];
		talk->theirs[i] = fds[1];
		if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
			return err_set(err, ERR_IO, "pipe: %s", strerrordesc_np(errno));
		}
	}
	return ERR_OK;
}

static enum err start(const struct program_options *options, struct talk *talk, struct err_ctx *err)
{
	enum err rc = make_input(options->input, &talk->input_fd, err);
	rc = rc ? rc : make_pipes(talk, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const int standard[3] = { talk->input_fd, talk->theirs[OUTPUT], talk->theirs[ERROR] };
	const struct process_options process = {
		.argv = options->argv, .env = options->env, .standard = standard, .own_group = true
	};
	struct process_id id;
	rc = process_spawn(&process, &id, err);
	if (rc != ERR_OK) {
		return rc;
	}
	talk->pid = id.pid;
	close_fd(&talk->theirs[OUTPUT]);
	close_fd(&talk->theirs[ERROR]);
	/* It is our child and not waited for yet, so that the number is still its own. */
	talk->process_fd = pidfd_open(talk->pid, 0);
	return ERR_OK;
}

/* Takes what is there, but never so long that the deadline is missed; closes our end when nothing more comes. */
static void take(int *fd, struct buf *to, bool *cut)
{
	uint8_t chunk[CHUNK_BYTES];
	for (unsigned i = 0; i < CHUNKS_MAX && *fd >= 0; i++) {
		ssize_t got = read(*fd, chunk, sizeof(chunk));
		if (got > 0) {
			size_t room = to->bytes_max - to->len;
			size_t kept = (size_t)got < room ? (size_t)got : room;
			buf_add(to, chunk, kept);
			*cut = *cut || kept < (size_t)got;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			close_fd(fd);
		} else {
			return;
		}
	}
}

static int left_ms(uint64_t deadline_us)
{
	uint64_t now_us = clock_monotonic_us(&clock_system);
	uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
	uint64_t left = (left_us + US_PER_MS - 1) / US_PER_MS;
	return left < INT32_MAX ? (int)left : INT32_MAX;
}

/* Until it has ended, is late, or is to be stopped. */
static enum program_end listen_to(const struct program_options *options, struct talk *talk,
				  struct program_result *ret)
{
	for (;;) {
		struct pollfd watched[WATCHED_COUNT] = {
			[OUTPUT] = { .fd = talk->mine[OUTPUT], .events = POLLIN },
			[ERROR] = { .fd = talk->mine[ERROR], .events = POLLIN },
			[ENDED] = { .fd = talk->process_fd, .events = POLLIN },
			[STOP] = { .fd = options->stop_fd, .events = POLLIN },
		};
		int wait_ms = left_ms(options->deadline_us);
		if (poll(watched, WATCHED_COUNT, wait_ms) < 0 && errno != EINTR) {
			return PROGRAM_LATE;
		}
		take(&talk->mine[OUTPUT], &ret->output, &ret->cut);
		take(&talk->mine[ERROR], &ret->error, &ret->cut);
		if (watched[ENDED].revents) {
			return PROGRAM_EXITED;
		}
		if (watched[STOP].revents) {
			return PROGRAM_STOPPED;
		}
		if (wait_ms == 0) {
			return PROGRAM_LATE;
		}
	}
}

static void note_end(const struct talk *talk, struct program_result *ret)
{
	int status = 0;
	while (waitpid(talk->pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (ret->end == PROGRAM_EXITED && WIFSIGNALED(status)) {
		ret->end = PROGRAM_SIGNALED;
		ret->number = WTERMSIG(status);
	} else if (ret->end == PROGRAM_EXITED) {
		ret->number = WEXITSTATUS(status);
	} else {
		ret->number = SIGKILL;
	}
}

enum err program_run(const struct program_options *options, struct program_result *ret,
		     struct err_ctx *err)
{
	struct talk talk = {
		.input_fd = -1, .mine = { -1, -1 }, .theirs = { -1, -1 }, .process_fd = -1
	};
	memset(ret, 0, sizeof(*ret));
	enum err rc = start(options, &talk, err);
	if (rc == ERR_OK) {
		buf_init(&ret->output, options->output_bytes_max);
		buf_init(&ret->error, options->output_bytes_max);
		ret->end = talk.process_fd >= 0 ? listen_to(options, &talk, ret) : PROGRAM_LATE;
		if (ret->end != PROGRAM_EXITED) {
			(void)kill(-talk.pid, SIGKILL);
			(void)kill(talk.pid, SIGKILL);
		}
		note_end(&talk, ret);
		take(&talk.mine[OUTPUT], &ret->output, &ret->cut);
		take(&talk.mine[ERROR], &ret->error, &ret->cut);
	}
	hang_up(&talk);
	return rc;
}

void program_result_fini(struct program_result *result)
{
	buf_fini(&result->output);
	buf_fini(&result->error);
}

enum err program_split(char *line, const char **ret_words, size_t words_max)
{
	size_t count = 0;
	char *at = line;
	for (;;) {
		at += strspn(at, " \t");
		if (*at == 0) {
			ret_words[count] = NULL;
			return ERR_OK;
		}
		if (count + 1 == words_max) {
			return ERR_LIMIT;
		}
		ret_words[count++] = at;
		at += strcspn(at, " \t");
		if (*at != 0) {
			*at++ = 0;
		}
	}
}
