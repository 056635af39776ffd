#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "os/clock_system.h"
#include "os/file.h"

enum {
	STAT_BYTES_MAX = 4096,
	STAT_FIELD_STATE = 3,
	STAT_FIELD_THREADS = 20,
	STAT_FIELD_START = 22,
	PIDFILE_BYTES_MAX = 128,
	FIRST_FD_ABOVE_STANDARD = 3,
	EXIT_NOT_STARTED = 127,
};

/* What the new process tells through the pipe: its pid; then, only when it can't start, why. */
struct report {
	pid_t pid;
	int error;
	char what[16];
};

static void child_fail(int pipe_fd, const char *what)
{
	struct report report = { .pid = getpid(), .error = errno };
	memcpy(report.what, what, strnlen(what, sizeof(report.what) - 1));
	/* Nobody could be told about a failure here but by the exit status. */
	ssize_t put = write(pipe_fd, &report, sizeof(report));
	(void)put;
	_exit(EXIT_NOT_STARTED);
}

static int open_standard(int to_fd, const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags, mode);
	if (fd < 0 || fd == to_fd) {
		return fd;
	}
	int rc = dup2(fd, to_fd);
	(void)close(fd);
	return rc;
}

static void child_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int i = 1; i < NSIG; i++) {
		/* SIGKILL, SIGSTOP and those of the C library can't be set. */
		(void)sigaction(i, &action, NULL);
	}
	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* The descriptors that are handed on as 0, 1 and 2, else the files. Says in `what` which of them failed. */
static bool child_standard(const struct process_options *options, const char **what)
{
	const char *input = options->input ? options->input : "/dev/null";
	const char *output = options->output ? options->output : "/dev/null";
	mode_t mode = options->output_mode ? options->output_mode : 0600;
	const int *standard = options->standard;
	*what = "input";
	if (standard ? dup2(standard[0], STDIN_FILENO) < 0
		     : open_standard(STDIN_FILENO, input, O_RDONLY, 0) < 0) {
		return false;
	}
	*what = "output";
	if (standard) {
		return dup2(standard[1], STDOUT_FILENO) >= 0 &&
		       dup2(standard[2], STDERR_FILENO) >= 0;
	}
	return open_standard(STDOUT_FILENO, output, O_WRONLY | O_APPEND | O_CREAT, mode) >= 0 &&
	       dup2(STDOUT_FILENO, STDERR_FILENO) >= 0;
}

/* Runs in the new process: only what is safe after fork() of a program with threads. */
_Noreturn static void child_run(const struct process_options *options, char *const *env,
				int pipe_fd)
{
	struct report report = { .pid = getpid() };
	const char *what;
	if (write(pipe_fd, &report, sizeof(report)) != (ssize_t)sizeof(report)) {
		_exit(EXIT_NOT_STARTED);
	}
	if (options->folder && chdir(options->folder)) {
		child_fail(pipe_fd, "folder");
	}
	if (!child_standard(options, &what)) {
		child_fail(pipe_fd, what);
	}
	if (options->own_group && setpgid(0, 0) != 0) {
		child_fail(pipe_fd, "group");
	}
	(void)close_range(FIRST_FD_ABOVE_STANDARD, ~0U, CLOSE_RANGE_CLOEXEC);
	child_signals();
	union {
		const char *const *in;
		char *const *out;
	} argv = { .in = options->argv };
	(void)execvpe(options->argv[0], argv.out, env);
	child_fail(pipe_fd, "program");
	_exit(EXIT_NOT_STARTED);
}

/* Whether `variable` (NAME=VALUE) is the one that `change` (NAME=VALUE or NAME) is about. */
static bool is_same_variable(const char *variable, const char *change)
{
	size_t name_bytes = strcspn(change, "=");
	return strncmp(variable, change, name_bytes) == 0 && variable[name_bytes] == '=';
}

/* Our environment with what process_options say of it. The array is the caller's. */
static char **make_env(const char *const *changes)
{
	size_t count = 0;
	size_t change_count = 0;
	while (environ[count]) {
		count++;
	}
	while (changes && changes[change_count]) {
		change_count++;
	}
	const char **env = mem_need((count + change_count + 1) * sizeof(*env));
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		bool replaced = false;
		for (size_t k = 0; k < change_count && !replaced; k++) {
			replaced = is_same_variable(environ[i], changes[k]);
		}
		if (!replaced) {
			env[used++] = environ[i];
		}
	}
	for (size_t k = 0; k < change_count; k++) {
		if (strchr(changes[k], '=')) {
			env[used++] = changes[k];
		}
	}
	union {
		const char **in;
		char **out;
	} result = { .in = env };
	return result.out;
}

static bool read_report(int fd, struct report *ret)
{
	ssize_t got;
	do {
		got = read(fd, ret, sizeof(*ret));
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(*ret);
}

static enum err say_not_started(const struct process_options *options, const struct report *report,
				struct err_ctx *err)
{
	const char *why = strerrordesc_np(report->error);
	enum err rc = report->error == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	return err_set(err, rc, "cannot start '%s': %s: %s", options->argv[0], report->what,
		       why ? why : "unknown error");
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
}

static pid_t fork_child(const struct process_options *options, char *const *env, int pipe_fd)
{
	pid_t child = fork();
	if (child != 0) {
		return child;
	}
	if (options->detach) {
		(void)setsid();
		pid_t grandchild = fork();
		if (grandchild < 0) {
			child_fail(pipe_fd, "fork");
		}
		if (grandchild > 0) {
			_exit(0);
		}
	}
	child_run(options, env, pipe_fd);
}

enum err process_spawn(const struct process_options *options, struct process_id *ret,
		       struct err_ctx *err)
{
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		return err_set(err, ERR_IO, "pipe: %s", strerrordesc_np(errno));
	}
	char **env = make_env(options->env);
	pid_t child = fork_child(options, env, pipe_fds[1]);
	int error = errno;
	(void)close(pipe_fds[1]);
	mem_free(env);
	if (child < 0) {
		(void)close(pipe_fds[0]);
		return err_set(err, ERR_IO, "cannot start '%s': %s", options->argv[0],
			       strerrordesc_np(error));
	}
	struct report started = { .pid = 0 };
	struct report failed = { .pid = 0 };
	bool is_started = read_report(pipe_fds[0], &started) && !started.error;
	bool is_failed = is_started && read_report(pipe_fds[0], &failed);
	(void)close(pipe_fds[0]);
	if (options->detach || !is_started || is_failed) {
		reap(child);
	}
	if (!is_started || is_failed) {
		return say_not_started(options, is_failed ? &failed : &started, err);
	}
	/* Of one that has ended already the start time stays 0, which nothing ever matches. */
	*ret = (struct process_id){ .pid = started.pid };
	enum err rc = process_identify(started.pid, ret, NULL);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err process_run(const struct process_options *options, uint64_t deadline_us,
		     struct err_ctx *err)
{
	struct process_id id = { 0 };
	int status = 0;
	enum err rc = process_spawn(options, &id, err);
	if (rc) {
		return rc;
	}
	if (process_wait(&id, deadline_us, &status, NULL)) {
		(void)kill(id.pid, SIGKILL);
		reap(id.pid);
		return err_set(err, ERR_DEADLINE, "'%s' takes too long: ended", options->argv[0]);
	}
	if (WIFSIGNALED(status)) {
		return err_set(err, ERR_FAILED, "'%s' was ended by signal %d", options->argv[0],
			       WTERMSIG(status));
	}
	if (WEXITSTATUS(status)) {
		return err_set(err, ERR_FAILED, "'%s' ended with status %d", options->argv[0],
			       WEXITSTATUS(status));
	}
	return ERR_OK;
}

struct stat_line {
	char state;
	uint32_t threads;
	uint64_t start_ticks;
};

/* Source: proc(5), /proc/PID/stat. The second field is the program's name in parentheses and may hold
 * anything, so counting begins behind the last ')'. */
static enum err read_stat(pid_t pid, struct stat_line *ret)
{
	char path[64];
	struct buf text;
	struct stat_line line = { 0 };
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	buf_init(&text, STAT_BYTES_MAX);
	enum err rc = file_read(path, &text, NULL);
	struct str all = buf_str(&text);
	const char *name_end = all.len ? memrchr(all.ptr, ')', all.len) : NULL;
	if (rc || !name_end) {
		buf_fini(&text);
		return ERR_NOT_FOUND;
	}
	struct str rest = str_slice(all, (size_t)(name_end - all.ptr) + 2, all.len);
	struct str word;
	rc = ERR_NOT_FOUND;
	for (int field = STAT_FIELD_STATE; str_next(&rest, ' ', &word); field++) {
		if (field == STAT_FIELD_STATE && word.len) {
			line.state = word.ptr[0];
		} else if (field == STAT_FIELD_THREADS) {
			if (str_parse_u32(word, 0, UINT32_MAX, &line.threads)) {
				break;
			}
		} else if (field == STAT_FIELD_START) {
			rc = str_parse_u64(word, 0, UINT64_MAX, &line.start_ticks);
			break;
		}
	}
	buf_fini(&text);
	if (!rc) {
		*ret = line;
	}
	return rc;
}

enum err process_identify(pid_t pid, struct process_id *ret, struct err_ctx *err)
{
	struct stat_line line;
	if (pid <= 0 || read_stat(pid, &line)) {
		return err_set(err, ERR_NOT_FOUND, "no process %d", (int)pid);
	}
	*ret = (struct process_id){ pid, line.start_ticks };
	return ERR_OK;
}

/* A process is a zombie as soon as its first thread has ended; the last one closes its sockets and files. */
static char state_of(const struct process_id *id)
{
	struct stat_line line;
	if (id->pid <= 0 || read_stat(id->pid, &line) || line.start_ticks != id->start_ticks) {
		return 'X';
	}
	return line.state == 'Z' && line.threads > 1 ? 'D' : line.state;
}

bool process_is_alive(const struct process_id *id)
{
	char state = state_of(id);
	return state != 'X' && state != 'x' && state != 'Z';
}

bool process_is_stopped(const struct process_id *id)
{
	return state_of(id) == 'T';
}

enum err process_signal(const struct process_id *id, int signal_number, struct err_ctx *err)
{
	/* The descriptor is taken first and the identity compared then: it can't change in between. */
	int fd = id->pid > 0 ? pidfd_open(id->pid, 0) : -1;
	if (fd < 0 || !process_is_alive(id)) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return err_set(err, ERR_NOT_FOUND, "process %d is gone", (int)id->pid);
	}
	int rc = pidfd_send_signal(fd, signal_number, NULL, 0);
	int error = errno;
	(void)close(fd);
	if (rc) {
		return err_set(err, error == EPERM ? ERR_PRIVILEGE : ERR_IO,
			       "cannot signal process %d: %s", (int)id->pid,
			       strerrordesc_np(error));
	}
	return ERR_OK;
}

/* Polls the pidfd: readable when the process has ended, also when it isn't our child. */
static bool wait_for_end(const struct process_id *id, uint64_t deadline_us)
{
	int fd = pidfd_open(id->pid, 0);
	bool ended = fd < 0 || !process_is_alive(id);
	while (!ended) {
		struct pollfd slot = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_monotonic_us(&clock_system);
		uint64_t left = deadline_us > now ? deadline_us - now : 0;
		struct timespec timeout = { .tv_sec = (time_t)(left / US_PER_S),
					    .tv_nsec = (long)(left % US_PER_S * 1000) };
		ended = ppoll(&slot, 1, &timeout, NULL) > 0;
		if (!ended && !left) {
			break;
		}
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return ended;
}

enum err process_wait(const struct process_id *id, uint64_t deadline_us, int *ret_status,
		      struct err_ctx *err)
{
	int status = 0;
	if (!wait_for_end(id, deadline_us)) {
		return err_set(err, ERR_DEADLINE, "process %d goes on", (int)id->pid);
	}
	if (waitpid(id->pid, &status, WNOHANG) != id->pid) {
		status = 0;
	}
	if (ret_status) {
		*ret_status = status;
	}
	return ERR_OK;
}

enum err process_kill(const struct process_id *id, uint64_t deadline_us, struct err_ctx *err)
{
	enum err rc = process_signal(id, SIGKILL, err);
	if (rc && rc != ERR_NOT_FOUND) {
		return rc;
	}
	return process_wait(id, deadline_us, NULL, err);
}

enum err process_write_pidfile(const char *path, const struct process_id *id, struct err_ctx *err)
{
	char text[PIDFILE_BYTES_MAX];
	(void)snprintf(text, sizeof(text), "%d %llu\n", (int)id->pid,
		       (unsigned long long)id->start_ticks);
	return file_write(path, 0644, str_of(text), err);
}

enum err process_read_pidfile(const char *path, struct process_id *ret, struct err_ctx *err)
{
	struct buf text;
	buf_init(&text, PIDFILE_BYTES_MAX);
	enum err rc = file_read(path, &text, err);
	if (!rc) {
		struct str rest = str_trim(buf_str(&text));
		struct str word = { 0 };
		uint32_t pid = 0;
		uint64_t start_ticks = 0;
		(void)str_next(&rest, ' ', &word);
		if (str_parse_u32(word, 1, INT32_MAX, &pid) ||
		    str_parse_u64(rest, 0, UINT64_MAX, &start_ticks)) {
			rc = err_set(err, ERR_PARSE, "'%s' is not a pid file", path);
		} else {
			*ret = (struct process_id){ (pid_t)pid, start_ticks };
		}
	}
	buf_fini(&text);
	return rc;
}
