#include "sandbox/template.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "os/env.h"
#include "os/process.h"
#include "os/random.h"
#include "sandbox/certificate.h"
#include "sandbox/log_tail.h"
#include "sandbox/template_sql.h"

/* Part of the template's name: raised whenever what is built here changes. */
#define RECIPE "4"

enum {
	SQL_BYTES_MAX = 8 * 1024 * 1024,
	ARGS_MAX = 40,
	PASSWORD_LETTERS = 24,
	ID_LETTERS = 16,
	ID_BYTES_MAX = 256,
};

/* What is built, and where. */
struct building {
	const struct flavor_program *program;
	char folder[FILE_PATH_BYTES_MAX]; /* NAME.building */
	char log[FILE_PATH_BYTES_MAX];
	uint64_t deadline_us;
	struct secret passwords[SANDBOX_ACCOUNT_COUNT_];
};

static enum err templates_folder(char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err)
{
	const char *cache = env_get("XDG_CACHE_HOME");
	const char *home = env_get("HOME");
	if (cache && cache[0] == '/') {
		return file_path(ret, err, "%s/muster/templates", cache);
	}
	if (home && home[0] == '/') {
		return file_path(ret, err, "%s/.cache/muster/templates", home);
	}
	return err_set(err, ERR_CONFIG,
		       "no folder for templates: set XDG_CACHE_HOME or HOME to an absolute path");
}

/* FLAVOR-VERSION-RECIPE, with what is no letter, digit, dot or dash as '_'. */
static enum err template_folder(const struct flavor_program *program, char ret[FILE_PATH_BYTES_MAX],
				struct err_ctx *err)
{
	char base[FILE_PATH_BYTES_MAX];
	enum err rc = templates_folder(base, err);
	rc = rc ? rc
		: file_path(ret, err, "%s/%s-%s-" RECIPE, base, flavor_name(program->flavor),
			    program->version);
	if (rc) {
		return rc;
	}
	for (char *at = ret + strlen(base) + 1; *at; at++) {
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-",
			    *at)) {
			*at = '_';
		}
	}
	return file_make_folders(base, 0700, err);
}

static enum err read_id(const char *folder, char ret[SANDBOX_WORD_BYTES_MAX])
{
	char path[FILE_PATH_BYTES_MAX];
	struct buf text;
	buf_init(&text, ID_BYTES_MAX);
	enum err rc = file_path(path, NULL, "%s/" TEMPLATE_MARKER, folder);
	rc = rc ? rc : file_read(path, &text, NULL);
	struct str id = str_trim(buf_str(&text));
	rc = rc ? rc : (id.len ? str_copy(id, ret, SANDBOX_WORD_BYTES_MAX) : ERR_PARSE);
	buf_fini(&text);
	return rc;
}

static enum err run_server(const struct building *building, const char *const *args,
			   const char *input, struct err_ctx *err)
{
	char datadir[FILE_PATH_BYTES_MAX];
	char tmpdir[FILE_PATH_BYTES_MAX];
	const char *argv[ARGS_MAX];
	size_t count = 0;
	enum err rc = file_path(datadir, err, "--datadir=%s/data", building->folder);
	/* One of its own: a server that starts removes every temporary table's file that it finds in its tmpdir. */
	rc = rc ? rc : file_path(tmpdir, err, "--tmpdir=%s", building->folder);
	if (rc) {
		return rc;
	}
	argv[count++] = building->program->program;
	argv[count++] = "--no-defaults";
	argv[count++] = datadir;
	argv[count++] = tmpdir;
	if (geteuid() == 0) {
		argv[count++] = "--user=root";
	}
	for (size_t i = 0; args[i] && count < ARGS_MAX - 1; i++) {
		argv[count++] = args[i];
	}
	argv[count] = NULL;
	struct process_options options = { .argv = argv, .input = input, .output = building->log };
	rc = process_run(&options, building->deadline_us, err);
	if (rc) {
		char words[LOG_TAIL_BYTES_MAX];
		log_tail_read(building->log, "ERROR", words);
		return err_set(err, rc, "%s can't make a data directory: %s (%s)",
			       building->program->program, words, building->log);
	}
	return ERR_OK;
}

static enum err add_script(const struct flavor_program *program, const char *prefix,
			   const char *name, struct buf *sql, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(path, err, "%s/%s%s.sql", program->scripts, prefix, name);
	rc = rc ? rc : file_read(path, sql, err);
	buf_add_char(sql, '\n');
	return rc;
}

/* The system tables by the server's own bootstrap mode, without mariadb-install-db's many processes. The
 * accounts come in the same go. */
static enum err build_mariadb(struct building *building, struct err_ctx *err)
{
	static const char *const args[] = { "--bootstrap",
					    "--skip-log-bin",
					    "--skip-networking",
					    "--enforce-storage-engine=",
					    "--max-allowed-packet=8M",
					    "--innodb-buffer-pool-size=24M",
					    "--innodb-log-file-size=32M",
					    "--innodb-doublewrite=0",
					    "--innodb-flush-log-at-trx-commit=0",
					    "--innodb-fast-shutdown=0",
					    "--loose-innodb-flush-method=nosync",
					    NULL };
	const struct flavor_program *program = building->program;
	char input[FILE_PATH_BYTES_MAX];
	struct buf sql;
	buf_init(&sql, SQL_BYTES_MAX);
	buf_add_text(&sql, "create database mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n");
	enum err rc = add_script(program, program->script_prefix, "system_tables", &sql, err);
	rc = rc ? rc : add_script(program, program->script_prefix, "performance_tables", &sql, err);
	rc = rc ? rc : add_script(program, program->script_prefix, "system_tables_data", &sql, err);
	rc = rc ? rc : add_script(program, "", "maria_add_gis_sp_bootstrap", &sql, err);
	if (!rc) {
		template_sql_accounts(FLAVOR_MARIADB, building->passwords, &sql);
		rc = buf_finish(&sql);
	}
	rc = rc ? rc : file_path(input, err, "%s/boot.sql", building->folder);
	rc = rc ? rc : file_write(input, 0600, buf_str(&sql), err);
	rc = rc ? rc : run_server(building, args, input, err);
	if (!rc) {
		rc = file_remove(input, err);
	}
	buf_fini(&sql);
	return rc;
}

/* Accounts can't be made while it initialises: a second start does that, and ends itself.
 * Source: MySQL manual, "init_file". */
static enum err build_mysql(struct building *building, struct err_ctx *err)
{
	static const char *const init_args[] = { "--initialize-insecure",
						 "--skip-log-bin",
						 "--mysqlx=OFF",
						 "--secure-file-priv=NULL",
						 "--innodb-buffer-pool-size=64M",
						 "--innodb-redo-log-capacity=8M",
						 "--innodb-doublewrite=0",
						 "--innodb-flush-log-at-trx-commit=0",
						 "--innodb-flush-method=nosync",
						 NULL };
	char init_file[FILE_PATH_BYTES_MAX];
	char init_file_arg[FILE_PATH_BYTES_MAX];
	char socket_arg[FILE_PATH_BYTES_MAX];
	char pid_arg[FILE_PATH_BYTES_MAX];
	const char *const start_args[] = { "--skip-log-bin",
					   "--skip-networking",
					   "--mysqlx=OFF",
					   "--secure-file-priv=NULL",
					   "--performance-schema=OFF",
					   "--innodb-buffer-pool-size=64M",
					   "--innodb-redo-log-capacity=8M",
					   "--innodb-doublewrite=0",
					   "--innodb-flush-log-at-trx-commit=0",
					   "--innodb-flush-method=nosync",
					   "--innodb-fast-shutdown=0",
					   socket_arg,
					   pid_arg,
					   init_file_arg,
					   NULL };
	struct buf sql;
	buf_init(&sql, SQL_BYTES_MAX);
	template_sql_accounts(FLAVOR_MYSQL, building->passwords, &sql);
	buf_add_text(&sql, "SHUTDOWN;\n");
	/* Relative to the data directory: short enough for a socket wherever that is. */
	enum err rc = file_path(socket_arg, err, "--socket=build.sock");
	rc = rc ? rc : file_path(pid_arg, err, "--pid-file=build.pid");
	rc = rc ? rc : file_path(init_file, err, "%s/accounts.sql", building->folder);
	rc = rc ? rc : file_path(init_file_arg, err, "--init-file=%s", init_file);
	rc = rc ? rc : buf_finish(&sql);
	rc = rc ? rc : file_write(init_file, 0600, buf_str(&sql), err);
	rc = rc ? rc : run_server(building, init_args, NULL, err);
	rc = rc ? rc : run_server(building, start_args, NULL, err);
	rc = rc ? rc : file_remove(init_file, err);
	buf_fini(&sql);
	return rc;
}

/* auto.cnf would give every copy the same server_uuid; the others would only cost time at the start. */
static enum err remove_identity(const struct building *building, struct err_ctx *err)
{
	static const char *const names[] = { "auto.cnf", "ibtmp1", "ib_buffer_pool" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[FILE_PATH_BYTES_MAX];
		enum err rc = file_path(path, err, "%s/data/%s", building->folder, names[i]);
		rc = rc ? rc : file_remove(path, err);
		if (rc) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err make_passwords(struct building *building, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(path, err, "%s/secrets", building->folder);
	rc = rc ? rc : file_make_folders(path, 0700, err);
	for (int i = 0; i < SANDBOX_ACCOUNT_COUNT_ && !rc; i++) {
		enum sandbox_state_account account = (enum sandbox_state_account)i;
		struct secret *password = &building->passwords[i];
		random_password(password, PASSWORD_LETTERS);
		rc = file_path(path, err, "%s/secrets/%s", building->folder,
			       sandbox_state_account_file(account));
		rc = rc ? rc : file_write(path, 0600, str_of(password->text), err);
	}
	return rc;
}

static enum err make_ssl(const struct building *building, struct err_ctx *err)
{
	char folder[FILE_PATH_BYTES_MAX];
	char key[FILE_PATH_BYTES_MAX];
	char certificate[FILE_PATH_BYTES_MAX];
	if (!building->program->makes_tls_key) {
		return ERR_OK;
	}
	enum err rc = file_path(folder, err, "%s/ssl", building->folder);
	rc = rc ? rc : file_make_folders(folder, 0700, err);
	rc = rc ? rc : file_path(key, err, "%s/key.pem", folder);
	rc = rc ? rc : file_path(certificate, err, "%s/cert.pem", folder);
	return rc ? rc : certificate_make(key, certificate, err);
}

static enum err build(struct building *building, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	char marker[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(path, err, "%s/data", building->folder);
	rc = rc ? rc : file_make_folders(building->folder, 0700, err);
	rc = rc ? rc : file_path(marker, err, "%s/" TEMPLATE_MARKER, building->folder);
	rc = rc ? rc : file_write(marker, 0600, STR(""), err);
	/* MySQL wants to make its data directory itself. */
	if (!rc && building->program->flavor == FLAVOR_MARIADB) {
		rc = file_make_folders(path, 0700, err);
	}
	rc = rc ? rc : make_passwords(building, err);
	rc = rc ? rc : make_ssl(building, err);
	if (!rc) {
		rc = building->program->flavor == FLAVOR_MARIADB ? build_mariadb(building, err)
								 : build_mysql(building, err);
	}
	rc = rc ? rc : remove_identity(building, err);
	if (!rc) {
		struct secret id;
		random_password(&id, ID_LETTERS);
		rc = file_write(marker, 0600, str_of(id.text), err);
	}
	return rc;
}

static enum err build_and_rename(const struct flavor_program *program, const char *folder,
				 uint64_t deadline_us, struct err_ctx *err)
{
	struct building building = { .program = program, .deadline_us = deadline_us };
	enum err rc = file_path(building.folder, err, "%s.building", folder);
	rc = rc ? rc : file_path(building.log, err, "%s.log", folder);
	/* What an interrupted build left. */
	rc = rc ? rc : file_remove_tree(building.folder, building.folder, TEMPLATE_MARKER, err);
	rc = rc ? rc : file_remove(building.log, err);
	rc = rc ? rc : build(&building, err);
	for (size_t i = 0; i < SANDBOX_ACCOUNT_COUNT_; i++) {
		secret_wipe(&building.passwords[i]);
	}
	if (!rc && rename(building.folder, folder)) {
		rc = err_set(err, ERR_IO, "cannot rename '%s'", building.folder);
	}
	if (!rc) {
		rc = file_remove(building.log, err);
	}
	return rc;
}

enum err template_prepare(const struct flavor_program *program, uint64_t deadline_us,
			  struct template *ret, struct err_ctx *err)
{
	struct template found = { .built = false };
	char lock_path[FILE_PATH_BYTES_MAX];
	int lock = -1;
	enum err rc = template_folder(program, found.folder, err);
	rc = rc ? rc : file_path(lock_path, err, "%s.lock", found.folder);
	rc = rc ? rc : file_lock(lock_path, deadline_us, &lock, err);
	if (rc) {
		return rc;
	}
	if (read_id(found.folder, found.id)) {
		rc = build_and_rename(program, found.folder, deadline_us, err);
		found.built = true;
		if (!rc && read_id(found.folder, found.id)) {
			rc = err_set(err, ERR_IO, "template '%s' has no readable marker",
				     found.folder);
		}
	}
	(void)close(lock);
	if (!rc) {
		*ret = found;
	}
	return rc;
}

enum err template_check(const struct sandbox *sandbox, struct err_ctx *err)
{
	char id[SANDBOX_WORD_BYTES_MAX];
	if (read_id(sandbox->template_folder, id) || strcmp(id, sandbox->template_id) != 0) {
		return err_set(err, ERR_NOT_FOUND,
			       "the template that sandbox '%s' was made from ('%s') is gone: take "
			       "the sandbox down and up again",
			       sandbox->name, sandbox->template_folder);
	}
	return ERR_OK;
}
