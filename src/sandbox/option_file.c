#include "sandbox/option_file.h"

#include <string.h>
#include <unistd.h>

#include "os/file.h"

/* Semi-sync waits without end: a server must never go on without an acknowledgement by itself. The
 * largest value there is means that, in milliseconds. */
static const char mariadb_options[] = "log-bin=binlog\n"
				      "binlog-format=ROW\n"
				      "log-slave-updates=1\n"
				      "gtid-strict-mode=1\n"
				      "gtid-domain-id=0\n"
				      "read-only=1\n"
				      "skip-slave-start=1\n"
				      "slave-net-timeout=4\n"
				      "slave-parallel-threads=16\n"
				      "slave-parallel-mode=optimistic\n"
				      "rpl-semi-sync-master-enabled=0\n"
				      "rpl-semi-sync-slave-enabled=0\n"
				      "rpl-semi-sync-master-timeout=18446744073709551615\n"
				      "rpl-semi-sync-master-wait-point=AFTER_SYNC\n"
				      "rpl-semi-sync-master-wait-no-slave=1\n"
				      "rpl-semi-sync-slave-kill-conn-timeout=1\n"
				      "innodb-buffer-pool-size=32M\n"
				      "innodb-log-file-size=32M\n"
				      "innodb-log-buffer-size=2M\n"
				      "key-buffer-size=1M\n"
				      "aria-pagecache-buffer-size=8M\n";

static const char mysql_options[] = "log-bin=binlog\n"
				    "gtid-mode=ON\n"
				    "enforce-gtid-consistency=ON\n"
				    "read-only=1\n"
				    "super-read-only=1\n"
				    "skip-replica-start=1\n"
				    "replica-net-timeout=4\n"
				    "plugin-load-add=semisync_source.so\n"
				    "plugin-load-add=semisync_replica.so\n"
				    "loose-rpl-semi-sync-source-enabled=0\n"
				    "loose-rpl-semi-sync-replica-enabled=0\n"
				    "loose-rpl-semi-sync-source-timeout=4294967295\n"
				    "loose-rpl-semi-sync-source-wait-point=AFTER_SYNC\n"
				    "loose-rpl-semi-sync-source-wait-no-replica=1\n"
				    "replica-parallel-workers=64\n"
				    "mysqlx=OFF\n"
				    "secure-file-priv=NULL\n"
				    "innodb-buffer-pool-size=64M\n"
				    "innodb-redo-log-capacity=64M\n"
				    "innodb-log-buffer-size=2M\n"
				    "innodb-numa-interleave=0\n"
				    "table-definition-cache=400\n"
				    "performance-schema-max-table-instances=200\n"
				    "performance-schema-max-thread-instances=200\n"
				    "performance-schema-digests-size=0\n"
				    "performance-schema-error-size=0\n"
				    "performance-schema-events-stages-history-long-size=0\n"
				    "performance-schema-events-statements-history-long-size=0\n"
				    "performance-schema-events-transactions-history-long-size=0\n"
				    "performance-schema-events-waits-history-long-size=0\n"
				    "performance-schema-max-cond-instances=0\n"
				    "performance-schema-max-file-instances=0\n"
				    "performance-schema-max-mutex-instances=0\n"
				    "performance-schema-max-rwlock-instances=0\n"
				    "performance-schema-max-socket-instances=0\n";

static const char common_options[] =
	"bind-address=127.0.0.1\n"
	"report-host=127.0.0.1\n"
	"skip-name-resolve=1\n"
	"max-connections=500\n"
	"table-open-cache=400\n"
	"max-allowed-packet=64M\n"
	"relay-log=relay\n"
	"relay-log-recovery=1\n"
	"sync-binlog=1\n"
	"innodb-flush-log-at-trx-commit=1\n"
	"innodb-buffer-pool-load-at-startup=0\n"
	"innodb-buffer-pool-dump-at-shutdown=0\n"
	"innodb-doublewrite=0\n"; /* torn pages come from power loss only */

enum err option_file_server(const struct sandbox *sandbox, const struct sandbox_server *server,
			    struct buf *text, struct err_ctx *err)
{
	char folder[FILE_PATH_BYTES_MAX];
	char socket[FILE_PATH_BYTES_MAX];
	char key[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_path(sandbox, folder, err, "%s", server->name);
	rc = rc ? rc : sandbox_state_socket(sandbox, server, socket, err);
	rc = rc ? rc : sandbox_state_path(sandbox, key, err, "ssl/key.pem");
	if (rc) {
		return rc;
	}
	buf_add_text(text, "[mysqld]\n");
	if (geteuid() == 0) {
		buf_add_text(text, "user=root\n");
	}
	buf_printf(text,
		   "server-id=%u\nport=%u\nreport-port=%u\nsocket=%s\ndatadir=%s/data\n"
		   "pid-file=%s/server.pid\ntmpdir=%s\n",
		   server->server_id, (unsigned)server->port, (unsigned)server->port, socket,
		   folder, folder, folder);
	buf_add_text(text, common_options);
	buf_add_text(text, strcmp(sandbox->flavor, "mysql") == 0 ? mysql_options : mariadb_options);
	/* The two sides of a pair never make the same number, whoever takes writes. */
	if (sandbox->pair) {
		buf_printf(text, "auto-increment-increment=2\nauto-increment-offset=%d\n",
			   (int)((server - sandbox->servers) % 2) + 1);
	}
	if (file_exists(key)) {
		buf_printf(text, "ssl-key=%s\nssl-cert=%s/ssl/cert.pem\n", key, sandbox->root);
	}
	return buf_finish(text);
}

enum err option_file_muster(const struct sandbox *sandbox, struct buf *text, struct err_ctx *err)
{
	char socket[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_socket(sandbox, NULL, socket, err);
	if (rc) {
		return rc;
	}
	buf_printf(text, "[muster]\nsocket=%s\ndata-dir=%s/store\nlog-level=info\n\n", socket,
		   sandbox->root);
	buf_printf(text,
		   "[accounts]\nmanager-user=%s\nmanager-password-file=%s/secrets/%s\n"
		   "replication-user=%s\nreplication-password-file=%s/secrets/%s\n\n",
		   sandbox_state_account_user(SANDBOX_MANAGER), sandbox->root,
		   sandbox_state_account_file(SANDBOX_MANAGER),
		   sandbox_state_account_user(SANDBOX_REPLICATION), sandbox->root,
		   sandbox_state_account_file(SANDBOX_REPLICATION));
	buf_add_text(text, "[manager]\nfailover-cooldown-s=0\nfailover-max=0\n");
	buf_add_text(text, sandbox->pair ? "parent-return-s=2\n\n" : "\n");
	buf_printf(text,
		   "[proxy]\ngroup=%s\nhost=127.0.0.1\nwrite-port=%u\nread-port=%u\n"
		   "split-port=%u\n",
		   sandbox->name, (unsigned)sandbox->write_port, (unsigned)sandbox->read_port,
		   (unsigned)sandbox->split_port);
	return buf_finish(text);
}
