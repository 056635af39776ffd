#include "db/health/findings.h"

#include <stdarg.h>
#include <stdio.h>

void findings_add(struct server_findings *findings, const char *id, enum finding_severity severity,
		  const char *remedy, const char *format, ...)
{
	if (findings->count >= SERVER_FINDINGS_MAX) {
		return;
	}
	struct server_finding *finding = &findings->list[findings->count++];
	*finding = (struct server_finding){ .id = id, .severity = severity };
	va_list args;
	va_start(args, format);
	(void)vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	(void)snprintf(finding->remedy, sizeof(finding->remedy), "%s", remedy);
}

void findings_add_durability(struct server_findings *findings, uint64_t flush_log,
			     uint64_t sync_binlog)
{
	if (flush_log != 1) {
		findings_add(findings, "redo-not-durable", FINDING_WARNING,
			     "SET GLOBAL innodb_flush_log_at_trx_commit=1; and in the option file: "
			     "innodb_flush_log_at_trx_commit=1",
			     "innodb_flush_log_at_trx_commit is %llu: a crash of the host loses "
			     "commits",
			     (unsigned long long)flush_log);
	}
	if (sync_binlog != 1) {
		findings_add(
			findings, "binlog-not-durable", FINDING_WARNING,
			"SET GLOBAL sync_binlog=1; and in the option file: sync_binlog=1",
			"sync_binlog is %llu: after a crash of the host replicas may be ahead of "
			"it",
			(unsigned long long)sync_binlog);
	}
}

void findings_add_appliers(struct server_findings *findings, uint64_t threads, const char *remedy)
{
	findings_add(findings, "few-appliers", FINDING_WARNING, remedy,
		     "as a replica it applies with %llu parallel threads: it falls behind many "
		     "clients, and a failover or switchover waits until it has caught up",
		     (unsigned long long)threads);
}

static void add_replica(struct server_findings *findings, const struct server_status *status)
{
	const struct replica_status *replica = &status->replica;
	if (!replica->configured) {
		return;
	}
	if (replica->filtered) {
		findings_add(findings, "replication-filters", FINDING_BLOCKING,
			     "remove the replicate-* filters from the option file and with "
			     "SET GLOBAL / CHANGE REPLICATION FILTER",
			     "replication filters are set: it does not hold all data");
	}
	if (!replica->gtid_position) {
		findings_add(findings, "replication-not-gtid", FINDING_BLOCKING,
			     status->flavor == GTID_MARIADB
				     ? "STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID=slave_pos; "
				       "START SLAVE;"
				     : "STOP REPLICA; CHANGE REPLICATION SOURCE TO "
				       "SOURCE_AUTO_POSITION=1; START REPLICA;",
			     "it replicates by file position, not by GTID");
	}
	if (replica->delay_s > 0) {
		findings_add(findings, "delayed", FINDING_WARNING,
			     status->flavor == GTID_MARIADB
				     ? "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY=0; START SLAVE;"
				     : "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_DELAY=0; "
				       "START REPLICA;",
			     "it is delayed by %u s: not a candidate", replica->delay_s);
	}
}

void findings_add_status(struct server_findings *findings, const struct server_status *status)
{
	if (!status->log_bin) {
		findings_add(findings, "binlog-off", FINDING_BLOCKING,
			     "in the option file: log_bin=binlog, then restart it",
			     "the binary log is off: it can't be a primary");
	}
	if (!status->log_replica_updates) {
		findings_add(findings, "replica-updates-not-logged", FINDING_BLOCKING,
			     status->flavor == GTID_MARIADB
				     ? "in the option file: log_slave_updates=1, then restart it"
				     : "in the option file: log_replica_updates=1, then restart it",
			     "what it replicates does not reach its own binary log: after a "
			     "promotion the others could not follow");
	}
	if (status->server_id == 0) {
		findings_add(findings, "server-id-zero", FINDING_BLOCKING,
			     "in the option file: server_id=N with a number of its own",
			     "server_id is 0: it can't replicate");
	}
	if (!status->gtid_on) {
		findings_add(findings, "gtid-off", FINDING_BLOCKING,
			     "in the option file: gtid_mode=ON, enforce_gtid_consistency=ON",
			     "GTIDs are off");
	}
	if (!status->semisync.available) {
		findings_add(findings, "semisync-plugin-missing", FINDING_WARNING,
			     "in the option file: plugin-load-add=semisync_source.so and "
			     "plugin-load-add=semisync_replica.so",
			     "the semi-sync plugins are not loaded: no lossless policy");
	}
	add_replica(findings, status);
}
