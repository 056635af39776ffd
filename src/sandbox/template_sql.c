#include "sandbox/template_sql.h"

struct account_grant {
	enum sandbox_state_account account;
	const char *host;
	const char *privileges;
	const char *on;
	const char *options;
};

/* MariaDB: READ_ONLY ADMIN writes to a read-only server; SUPER and ALL include it. CONNECTION ADMIN and
 * what changes replication is not for applications either. */
#define APP_COMMON \
	"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, " \
	"ALTER, " \
	"SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, " \
	"CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"

#define MARIADB_MANAGER \
	"REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, BINLOG MONITOR, " \
	"BINLOG ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN, RELOAD, PROCESS"

/* What the copy of a whole server takes (muster rejoin --reclone). */
#define MARIADB_COPY \
	"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, EVENT, " \
	"CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, LOCK TABLES, SET USER"

#define MYSQL_MANAGER \
	"RELOAD, PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, REPLICATION_SLAVE_ADMIN, " \
	"SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, SYSTEM_USER, BINLOG_ADMIN, BACKUP_ADMIN, " \
	"CLONE_ADMIN, SERVICE_CONNECTION_ADMIN"

#define HEARTBEAT_GRANT "SELECT, INSERT, UPDATE, CREATE"

static const struct account_grant mariadb_grants[] = {
	{ SANDBOX_MANAGER, "127.0.0.1", MARIADB_MANAGER ", " MARIADB_COPY, "*.*", "" },
	{ SANDBOX_MANAGER, "127.0.0.1", "SELECT", "mysql.*", "" },
	{ SANDBOX_MANAGER, "127.0.0.1", HEARTBEAT_GRANT, "muster.*", "" },
	{ SANDBOX_MANAGER, "localhost", MARIADB_MANAGER ", " MARIADB_COPY, "*.*", "" },
	{ SANDBOX_MANAGER, "localhost", "SELECT", "mysql.*", "" },
	{ SANDBOX_MANAGER, "localhost", HEARTBEAT_GRANT, "muster.*", "" },
	{ SANDBOX_REPLICATION, "127.0.0.1", "REPLICATION SLAVE", "*.*", "" },
	{ SANDBOX_APPLICATION, "%", APP_COMMON ", DELETE HISTORY, BINLOG MONITOR, SLAVE MONITOR",
	  "*.*", " WITH GRANT OPTION" },
};

static const struct account_grant mysql_grants[] = {
	{ SANDBOX_MANAGER, "127.0.0.1", MYSQL_MANAGER, "*.*", "" },
	{ SANDBOX_MANAGER, "127.0.0.1", "SELECT", "mysql.*", "" },
	{ SANDBOX_MANAGER, "127.0.0.1", HEARTBEAT_GRANT, "muster.*", "" },
	{ SANDBOX_MANAGER, "127.0.0.1", "SELECT", "performance_schema.*", "" },
	{ SANDBOX_MANAGER, "127.0.0.1", "INSERT", "mysql.plugin", "" },
	{ SANDBOX_MANAGER, "localhost", MYSQL_MANAGER, "*.*", "" },
	{ SANDBOX_MANAGER, "localhost", "SELECT", "mysql.*", "" },
	{ SANDBOX_MANAGER, "localhost", HEARTBEAT_GRANT, "muster.*", "" },
	{ SANDBOX_MANAGER, "localhost", "SELECT", "performance_schema.*", "" },
	{ SANDBOX_MANAGER, "localhost", "INSERT", "mysql.plugin", "" },
	{ SANDBOX_REPLICATION, "127.0.0.1", "REPLICATION SLAVE", "*.*", "" },
	{ SANDBOX_APPLICATION, "%", APP_COMMON ", REPLICATION CLIENT", "*.*",
	  " WITH GRANT OPTION" },
};

/* Passwords are letters and digits: random_password(). */
static void add_grants(const struct account_grant *grants, size_t count,
		       const struct secret passwords[SANDBOX_ACCOUNT_COUNT_], struct buf *sql)
{
	for (size_t i = 0; i < count; i++) {
		const struct account_grant *grant = &grants[i];
		const char *user = sandbox_state_account_user(grant->account);
		buf_printf(sql, "CREATE USER IF NOT EXISTS '%s'@'%s' IDENTIFIED BY '%s';\n", user,
			   grant->host, passwords[grant->account].text);
		buf_printf(sql, "GRANT %s ON %s TO '%s'@'%s'%s;\n", grant->privileges, grant->on,
			   user, grant->host, grant->options);
	}
}

void template_sql_accounts(enum flavor flavor,
			   const struct secret passwords[SANDBOX_ACCOUNT_COUNT_], struct buf *sql)
{
	if (flavor == FLAVOR_MARIADB) {
		/* The server works without privileges while it bootstraps, until it loads them. */
		buf_add_text(sql, "DELETE FROM mysql.global_priv WHERE Host <> 'localhost';\n"
				  "DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';\n"
				  "FLUSH PRIVILEGES;\n");
	}
	buf_printf(sql, "ALTER USER root@localhost IDENTIFIED BY '%s';\n",
		   passwords[SANDBOX_ROOT].text);
	if (flavor == FLAVOR_MARIADB) {
		add_grants(mariadb_grants, sizeof(mariadb_grants) / sizeof(mariadb_grants[0]),
			   passwords, sql);
	} else {
		add_grants(mysql_grants, sizeof(mysql_grants) / sizeof(mysql_grants[0]), passwords,
			   sql);
	}
}
