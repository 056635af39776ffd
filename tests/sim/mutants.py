"""Mutants that are not rows of a table: a proof is taken out of the code.

name: (file, what stands there, what instead).
"""

SAMPLE = (
    "rule 210 without GONE",
    "rule 210 without MAY_FAIL_OVER",
    "rule 510 without WRITABLE",
    "rule 720 without CAUGHT_UP",
    "rule 1020 without WRITABLE",
    "rule 1060 without EXTRA",
    "rule 1070 without SUBSET",
    "election: one acknowledging member less has to be reached",
    "election: anybody who was reached may win",
    "promise: on the record before the primary waits",
    "promise: waiting ends before that is on the record",
)

MUTANTS = {
    # Elections.
    "election: one acknowledging member less has to be reached": (
        "src/decide/election.c",
        "count_bits(record->sync_set) - record->acks + 1",
        "count_bits(record->sync_set) - record->acks",
    ),
    "election: members count though restarted since": (
        "src/decide/election.c",
        "record->sync_set & from->silenced & ~from->voided;\n\tif",
        "record->sync_set & from->silenced;\n\tif",
    ),
    "election: what answers counts as stopped": (
        "src/decide/election.c",
        "(one->steps_done & (1u << STEP_STOP_RECEIVER)) && one->status.replica.io == IO_NO;",
        "one->status.replica.io != IO_CONNECTING;",
    ),
    "election: told to stop counts as stopped": (
        "src/decide/election.c",
        "(one->steps_done & (1u << STEP_STOP_RECEIVER)) && one->status.replica.io == IO_NO;",
        "(one->steps_done & (1u << STEP_STOP_RECEIVER));",
    ),
    "election: a former primary counts as fenced when it answers": (
        "src/decide/election.c",
        "(one->steps_done & (1u << STEP_FENCE)) &&",
        "",
    ),
    "election: diverged servers take part": (
        "src/decide/election.c",
        "if (silenced && !record->servers[i].diverged && !pair_is_half_done(record, i)) {",
        "if (silenced && !pair_is_half_done(record, i)) {",
    ),
    "election: a side that is half changed takes part": (
        "src/decide/election.c",
        "if (silenced && !record->servers[i].diverged && !pair_is_half_done(record, i)) {",
        "if (silenced && !record->servers[i].diverged) {",
    ),
    "election: a side that is half changed is fed": (
        "src/decide/election.c",
        "!pair_is_half_done(record, i) && is_fed(record, seen, i, stopped)) {",
        "is_fed(record, seen, i, stopped)) {",
    ),
    "election: a primary that committed alone can be replaced": (
        "src/decide/election.c",
        "if (record->acks == 0) {",
        "if (false) {",
    ),
    "election: the base is not looked at": (
        "src/decide/election.c",
        "!gtid_set_contains(most, &record->base)) {",
        "false) {",
    ),
    "election: anybody who was reached may win": (
        "src/decide/election.c",
        "bool full = gtid_set_contains(&seen->servers[i].status.received, most);",
        "bool full = true;",
    ),
    "election: executed instead of received": (
        "src/decide/election.c",
        "const struct gtid_set *most = &seen->servers[ret->best].status.received;",
        "const struct gtid_set *most = &seen->servers[ret->best].status.executed;",
    ),
    "election: contradictions are ignored": (
        "src/decide/election.c",
        "\t\t\treturn SERVER_NONE;\n\t\t}\n\t}\n\treturn best;",
        "\t\t\treturn best;\n\t\t}\n\t}\n\treturn best;",
    ),
    # Who replicates from whom.
    "tree: a member moves below another server before it has left the sync set": (
        "src/decide/tree.c",
        "present == record->primary &&\n\t    record_is_member(record, server)) {",
        "false) {",
    ),
    # Evidence.
    "facts: dead at the first refusal": (
        "src/decide/facts.c",
        "one->misses >= 2",
        "one->misses >= 1",
    ),
    "facts: silent at once": (
        "src/decide/facts.c",
        "now_us >= facts_silent_us(seen, options, server)",
        "true",
    ),
    "facts: no witness is asked": (
        "src/decide/facts.c",
        "int lost = facts_streams_lost(record, seen, options, now_us);",
        "int lost = 1;",
    ),
    "facts: a witness that still receives is not heard": (
        "src/decide/facts.c",
        "\t\t\treturn -1;\n",
        "\t\t\tlost++;\n",
    ),
    "facts: paths count as closed though a node lets transactions through": (
        "src/decide/facts.c",
        "seen->routes.revision >= record->version && seen->routes.held;",
        "seen->routes.revision >= record->version;",
    ),
    "facts: paths count as closed in an earlier epoch": (
        "src/decide/facts.c",
        "seen->routes.epoch == record->epoch &&",
        "",
    ),
    "facts: paths count as closed by an older route": (
        "src/decide/facts.c",
        "seen->routes.revision >= record->version && seen->routes.held;",
        "seen->routes.held;",
    ),
    "facts: open transactions don't hold a switchover up": (
        "src/decide/facts.c",
        "if (seen->routes.transactions_open == 0) {",
        "if (true) {",
    ),
    "facts: frozen without a look": (
        "src/decide/facts.c",
        "old->status.read_only && observation_answers(seen, record->primary)) {\n\t\tret->set |= FACT_FROZEN;",
        "true) {\n\t\tret->set |= FACT_FROZEN;",
    ),
    "facts: caught up when told to catch up": (
        "src/decide/facts.c",
        "gtid_set_contains(&next->status.executed, &old->status.executed)) {",
        "true) {",
    ),
    "observation: an answer from before the pause counts": (
        "src/decide/observation.c",
        "one->status_us >= seen->started_us",
        "true",
    ),
    # The promise.
    "promise: on the record before the replicas do it": (
        "src/decide/promise.c",
        "\tif (ready == 0) {\n\t\treturn NULL;\n\t}\n",
        "",
    ),
    "promise: on the record before the primary waits": (
        "src/decide/promise.c",
        "if (!primary->semisync.source_enabled || !primary->semisync.source_active ||\n"
        "\t    primary->semisync.source_clients == 0 || stops_waiting) {",
        "if (primary->semisync.source_clients == 0) {",
    ),
    "promise: while the primary is told to go on alone": (
        "src/decide/promise.c",
        "source_clients == 0 || stops_waiting)",
        "source_clients == 0 || (stops_waiting && false))",
    ),
    "promise: waiting ends before that is on the record": (
        "src/decide/promise.c",
        "bool wanted = record->acks > 0;",
        "bool wanted = semisync->source_clients > 0;",
    ),
    "promise: who can't be looked at acknowledges nothing": (
        "src/decide/promise.c",
        "return record->servers[server].acknowledges;",
        "return false;",
    ),
    "promise: the base stays as it was": (
        "src/decide/promise.c",
        "gtid_set_copy(&record->base, base);",
        "(void)base;",
    ),
    "promise: a restarted member counts again at once": (
        "src/decide/promise.c",
        "if (process != PROCESS_NONE && (facts & SERVER_RUNNING) &&\n"
        "\t\t    server_facts_caught_up(seen, i, record->primary, record->restarted_us[i])) {",
        "if (process != PROCESS_NONE && facts) {",
    ),
    "promise: a process counts in its first second": (
        "src/decide/promise.c",
        "return status->started_s != 0 && status->uptime_s > 0 ? status->started_s : PROCESS_NONE;",
        "return status->started_s != 0 ? status->started_s : PROCESS_NONE;",
    ),
    # Servers.
    "servers: dead at the first refusal": (
        "src/decide/server_rules.c",
        "one->misses >= 2",
        "one->misses >= 1",
    ),
    "servers: the order of readings doesn't matter for what is too much": (
        "src/decide/server_rules.c",
        "if (source->status_us > one->status_end_us) {\n\t\texecuted",
        "if (true) {\n\t\texecuted",
    ),
    "servers: an older reading proves as much": (
        "src/decide/server_rules.c",
        "return of_now || one->older.read_only ? SERVER_ORDER_SUBSET : SERVER_ORDER_UNKNOWN;",
        "return of_now || true ? SERVER_ORDER_SUBSET : SERVER_ORDER_UNKNOWN;",
    ),
    "servers: caught up without a reading of the primary before": (
        "src/decide/server_rules.c",
        "if (one->status_us > source->status_end_us && source->status_us > since_us) {",
        "if (source->status_us > since_us) {",
    ),
    "servers: covered by what was received before": (
        "src/decide/server_rules.c",
        "server_facts_caught_up(seen, i, record->primary, since_us)) {",
        "server_facts_caught_up(seen, i, record->primary, 0)) {",
    ),
    "servers: covered by a server that is no member": (
        "src/decide/server_rules.c",
        "if (i != server && record_is_member(record, i) && acknowledges(record, seen, i) &&",
        "if (i != server && acknowledges(record, seen, i) &&",
    ),
    "servers: what is too much is believed at once": (
        "src/decide/server_rules.c",
        "now_us - record->extra_since_us[server] >= options->extra_us",
        "true",
    ),
    "servers: what waits on the primary is too much": (
        "src/decide/server_rules.c",
        "return is_waited_for(&source->status, executed) ? SERVER_ORDER_UNKNOWN",
        "return false ? SERVER_ORDER_UNKNOWN",
    ),
    # What is done, and when.
    "decide: a diverged member leaves at once": (
        "src/decide/decide.c",
        "one->diverged = true;\n\t\tgtid_set_clear",
        "one->diverged = true;\n\t\trecord->sync_set &= ~(1u << server);\n\t\tgtid_set_clear",
    ),
    "decide: the epoch stays": (
        "src/decide/decide.c",
        "\trecord->epoch++;\n\trecord->stalled =",
        "\trecord->stalled =",
    ),
    "decide: the epoch stays in a switchover": (
        "src/decide/decide.c",
        "\trecord->epoch++;\n\trecord->previous = record->primary;\n\trecord->primary = candidate;",
        "\trecord->previous = record->primary;\n\trecord->primary = candidate;",
    ),
    "decide: a new primary opens before it is promoted": (
        "src/decide/decide.c",
        "if (!is_done(seen, record->primary, STEP_PROMOTE) || (answers && replicates)) {",
        "if (answers && replicates) {",
    ),
    "decide: a new primary opens though it replicates again": (
        "src/decide/decide.c",
        "if (!is_done(seen, record->primary, STEP_PROMOTE) || (answers && replicates)) {",
        "if (!is_done(seen, record->primary, STEP_PROMOTE)) {",
    ),
    "decide: a new primary opens though it may have been restarted": (
        "src/decide/decide.c",
        "} else if (answers && !seen->hooks.before_runs &&",
        "} else if (!seen->hooks.before_runs &&",
    ),
    "decide: the former primary is not fenced": (
        "src/decide/decide.c",
        "if ((i == record->previous || !status->read_only) &&\n\t\t    !is_done(seen, i, STEP_FENCE)) {",
        "if (!status->read_only && i != record->previous && !is_done(seen, i, STEP_FENCE)) {",
    ),
    "decide: the log's tail may always be taken back": (
        "src/decide/decide.c",
        "record->acks > 0 && !(facts->set & FACT_SHUT);",
        "true;",
    ),
    "record: the log's tail may be taken back while there is no primary": (
        "src/decide/record.c",
        "return record->servers[server].may_rewind && record->state == GROUP_STEADY &&\n"
        "\t       record->primary != SERVER_NONE && record->primary != server;",
        "return record->servers[server].may_rewind && record->state != GROUP_FORMING;",
    ),
    "decide: a server that was seen alive may still be rewound": (
        "src/decide/decide.c",
        "record->servers[i].may_rewind = false;\n\t\t\tret->changed = true;",
        "",
    ),
    "cooldown: it never holds anything back": (
        "src/decide/cooldown.c",
        "if (cooling_us > 0) {",
        "if (false) {",
    ),
    "cooldown: pause doesn't hold": (
        "src/decide/cooldown.c",
        "if (record->paused) {",
        "if (false) {",
    ),
    # Leases and leadership.
    "lease: a node's lease is over when its duration is": (
        "src/decide/lease.c",
        "return now_us < until_us || now_us - until_us < terms->margin_us;",
        "return now_us + terms->duration_us / 2 < until_us;",
    ),
    "lease: a leader grants more than its newest beat leaves": (
        "src/decide/lease.c",
        "uint64_t end_us = beat_us + terms->duration_us;",
        "uint64_t end_us = received_us + (beat_us ? terms->duration_us : 0);",
    ),
    "lease: what an earlier leader granted is forgotten": (
        "src/decide/lease.c",
        "(former_us > answering_us ? former_us : answering_us) + terms->duration_us;",
        "(former_us ? answering_us : 0) + terms->duration_us;",
    ),
    "lease: what the circle agreed to before this process began is forgotten": (
        "src/decide/lease.c",
        "(former_us > answering_us ? former_us : answering_us) + terms->duration_us;",
        "former_us + terms->duration_us;",
    ),
    "lease: what this manager agreed to is forgotten": (
        "src/decide/lease.c",
        "uint64_t until_us = now_us + terms->duration_us;",
        "uint64_t until_us = now_us ? terms->duration_us : 0;",
    ),
    "lease: what was agreed to ends with the leadership": (
        "tests/sim/sim_manager.c",
        "\tmemset(one->nodes, 0, sizeof(one->nodes));\n\tfor",
        "\tmemset(one->nodes, 0, sizeof(one->nodes));\n"
        "\tone->agreed = (struct lease_memory){ 0 };\n\tfor",
    ),
    "lease: counted from the answer": (
        "src/decide/lease.c",
        "uint64_t until_us = begun_us + good_us;",
        "uint64_t until_us = begun_us + 2 * good_us;",
    ),
    "lease: it never ends": (
        "src/decide/lease.c",
        "return now_us < holder->until_us;",
        "return holder->until_us > 0 || now_us == 0;",
    ),
    "lease: who is silent agrees": (
        "src/decide/lease.c",
        "if (answers[i] != LEASE_AGREES && answers[i] != LEASE_GONE) {",
        "if (answers[i] == LEASE_REFUSES) {",
    ),
    "lease: a round gives a lease back that was over": (
        "src/decide/lease.c",
        "if (!lease_holds(holder, now_us)) {",
        "if (now_us == 0) {",
    ),
    "lease: a leader agrees too": (
        "src/decide/lease.c",
        "return leads || newer ? LEASE_REFUSES : LEASE_AGREES;",
        "return newer ? LEASE_REFUSES : LEASE_AGREES;",
    ),
    "lease: the newest node counts": (
        "src/decide/lease.c",
        "if (is_older(node, ret)) {",
        "if (!is_older(node, ret) || ret->revision == UINT64_MAX) {",
    ),
    "leadership: a leader never steps down": (
        "src/decide/leadership.c",
        "if (now_us >= leadership->until_us) {\n\t\treturn LEADERSHIP_STEP_DOWN;\n\t}",
        "",
    ),
    "leadership: acts after its time": (
        "src/decide/leadership.c",
        "return leadership->leads && now_us < leadership->until_us;",
        "return leadership->leads && now_us > 0;",
    ),
    "leadership: the former leader's beats are not looked at": (
        "src/decide/leadership.c",
        "uint64_t former_us = first ? now_us : leadership->changed_us;",
        "uint64_t former_us = first && now_us == 0 ? now_us : 0;",
    ),
    "leadership: a follower claims at once": (
        "src/decide/leadership.c",
        "if (now_us >= over_us) {",
        "if (now_us >= over_us || now_us > 0) {",
    ),
    # What the manager does around the decision (tests/sim does it as manager/turn.c).
    "manager: acts before the record is stored": (
        "tests/sim/sim_manager.c",
        "\tcommit->open = true;\n\tcommit->dirty = dirty;\n\tsim_store_commit(world, manager);\n}",
        "\tcommit->open = true;\n"
        "\tcommit->dirty = dirty;\n"
        "\tstart_steps(world, manager);\n"
        "\tsim_store_commit(world, manager);\n"
        "}",
    ),
    "manager: results of an earlier stage count": (
        "tests/sim/sim_manager.c",
        "if (task->stage == one->record.stage) {",
        "if (task->stage <= one->record.stage) {",
    ),
    "manager: evidence from before a pause counts": (
        "tests/sim/sim_manager.c",
        "one->seen.started_us = now_us;\n\t}\n\tone->turned_us",
        "one->turned_us = now_us;\n\t}\n\tone->turned_us",
    ),
    "store: a deposed leader may write": (
        "tests/sim/sim_store.c",
        "\tcase REQUEST_COMMIT:\n\t\trequest->done = term_holds;",
        "\tcase REQUEST_COMMIT:\n\t\trequest->done = !stale;",
    ),
    "store: a write that was given up may come after the next": (
        "tests/sim/sim_store.c",
        "term_holds = term_holds && !stale;",
        "",
    ),
    "node: an answer is passed on without a look at the lease": (
        "tests/sim/sim_node.c",
        "\tif (!carries(world, node)) {\n\t\tdrop_connections(world, node);\n\t\treturn;\n\t}\n",
        "",
    ),
    "step: a server opens without waiting again": (
        "tests/sim/sim_task.c",
        "if (task->wait_for_acks) {",
        "if (false) {",
    ),
}
