"""What db/ promises of each function, on every dialect: a broken one fails in the middle of a failover.

Runs over all servers that are installed; those that are not are skipped by name.
"""

import threading
import time

import pymysql
import pytest

import db_lib
import servers

IO_NO, IO_YES = 0, 2


@pytest.fixture(params=servers.FLAVORS)
def farm(request):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = db_lib.Farm(request.param)
    yield made
    made.remove()


def test_one_server(farm):
    """Version, status, probe, read-only, audit, privileges and accounts of one server."""
    server = farm.server(
        **{"replica_parallel_workers" if farm.mysql else "slave_parallel_threads": "16"}
    )
    driver = farm.open(server)
    status = driver.ok("status")
    assert (
        status["version"]
        == {"mariadb-10.11": "10.11.", "mariadb-11.8": "11.8.", "mysql": "9."}[farm.flavor]
        + status["version"].split(".", 2 if not farm.mysql else 1)[-1]
    )
    assert status["server_id"] == server.id and status["log_bin"] and status["log_replica_updates"]
    assert status["gtid_on"] and status["gtid_strict"] and not status["configured"]
    assert bool(status["server_uuid"]) == farm.mysql
    assert driver.ok("audit")["findings"] == []
    assert driver.ok("privileges")["findings"] == []

    for wanted in (1, 1, 0, 0):
        driver.ok("read_only", wanted)
        assert driver.ok("probe")["read_only"] == bool(wanted)
        assert driver.ok("status")["read_only"] == bool(wanted)
    driver.ok("read_only", 1)
    with pytest.raises(pymysql.err.OperationalError, match="1290|read.only"):
        server.client().cursor().execute("CREATE TABLE app.x (id INT)")

    accounts = {(row["user"], row["host"]): row for row in driver.ok("read_accounts")["accounts"]}
    app = accounts[("app", "%")]
    assert app["plugin"] == ("caching_sha2_password" if farm.mysql else "mysql_native_password")
    assert app["auth_bytes"] == (70 if farm.mysql else 41) and not app["locked"]
    assert driver.ok("greeting")["plugin"] == app["plugin"]


def test_accounts_can_be_made_twice(farm):
    server = farm.server()
    admin = farm.open(server, "admin", "adminpw")
    before = admin.ok("status")["executed"]
    admin.ok("accounts", "muster", "o'ther\\", "repl", "replpw", 0)
    assert admin.ok("status")["executed"] == before, "written to the binary log against the wish"
    assert farm.driver(server)("open")["rc"] == "ERR_PRIVILEGE"
    assert farm.driver(server, "muster", "o'ther\\")("open")["rc"] == "ERR_OK"
    admin.ok("accounts", "muster", "musterpw", "repl", "replpw", 1)
    assert admin.ok("status")["executed"] != before


def test_missing_privileges_are_named_with_their_grant(farm):
    server = farm.server()
    driver = farm.open(server, "app", "apppw")
    findings = driver.ok("privileges")["findings"]
    assert findings and all(finding["blocking"] for finding in findings)
    for finding in findings:
        server.query(finding["remedy"])
    driver = farm.open(server, "app", "apppw")
    assert driver.ok("privileges")["findings"] == []
    driver.ok("status")
    driver.ok("read_only", 1)
    assert farm.open(server, "repl", "replpw")("read_only", 1)["rc"] == "ERR_PRIVILEGE"


def test_audit_names_what_is_wrong(farm):
    server = farm.server(
        **{
            "log_bin": None,
            "skip_log_bin": "",
            "sync_binlog": "0",
            "innodb_flush_log_at_trx_commit": "2",
            **(
                {"plugin-load-add": None, "enforce_gtid_consistency": "OFF", "gtid_mode": "OFF"}
                if farm.mysql
                else {"log_slave_updates": "0", "gtid_strict_mode": "0"}
            ),
        }
    )
    found = {finding["id"] for finding in farm.open(server).ok("audit")["findings"]}
    assert {
        "binlog-off",
        "replica-updates-not-logged",
        "redo-not-durable",
        "binlog-not-durable",
    } <= found
    assert found >= (
        {"gtid-off", "gtid-consistency-off", "semisync-plugin-missing", "few-appliers"}
        if farm.mysql
        else {"gtid-strict-mode-off", "few-appliers"}
    )


@pytest.mark.only_for("mysql")  # MariaDB has semi-sync built in
def test_plugin_that_cannot_be_loaded(farm):
    server = farm.server(**{"plugin-load-add": None})
    driver = farm.open(server)
    assert not driver.ok("status")["ss_available"]
    driver.ok("read_only", 1)
    answer = driver("semisync", 0, 1, 1)
    assert answer["rc"] == "ERR_REFUSED" and "plugin-load-add=semisync_replica.so" in answer["text"]
    driver.ok("read_only", 0)
    driver.ok("semisync", 1, 1, 1)
    driver.ok("semisync", 1, 1, 1)
    status = driver.ok("status")
    assert status["ss_available"] and status["ss_source"] and status["ss_replica"]


def test_evidence(farm):
    """Dead, hung, full and refusing servers are told apart, each by its deadline."""
    server = farm.server(max_connections="10")
    assert farm.driver(server, "muster", "wrong")("open")["reach"] == "refuses us"
    assert farm.driver(server, host="no.such.name.invalid")("open")["reach"] == "name not resolved"
    assert farm.driver(server, host="localhost")("open")["rc"] == "ERR_OK"

    full = []
    with pytest.raises(pymysql.err.OperationalError):
        while True:
            full.append(server.client())
    answer = farm.driver(server, "app", "apppw")("open")
    assert (answer["rc"], answer["errno"], answer["reach"]) == ("ERR_SERVER", 1040, "refuses us")
    for conn in full:
        conn.close()

    driver = servers.wait_for(lambda: try_open(farm, server), "room for a connection")
    late = farm.driver(server)
    server.pause()
    driver.ok("deadline", 200)
    answer = driver("probe")
    assert (answer["rc"], answer["reach"]) == ("ERR_DEADLINE", "hung") and 190 < answer["ms"] < 400
    answer = driver("probe")
    assert answer["rc"] == "ERR_UNREACHABLE" and answer["ms"] < 20
    assert not driver.ok("usable")["usable"]
    late.ok("deadline", 200)
    answer = late("open")
    assert (answer["rc"], answer["reach"]) == ("ERR_DEADLINE", "hung") and answer["ms"] < 400
    server.cont()
    driver.ok("open")
    driver.ok("deadline", 5000)
    server.kill()
    assert driver("probe")["rc"] == "ERR_UNREACHABLE"
    answer = driver("open")
    assert (answer["rc"], answer["reach"]) == ("ERR_UNREACHABLE", "nobody listens") and answer[
        "ms"
    ] < 100


def try_open(farm, server):
    driver = farm.driver(server)
    return driver if driver("open")["rc"] == "ERR_OK" else None


def test_replication_life(farm):
    """Repoint, lag, stop, drain, promote, swap roles; every command twice."""
    primary, replica = farm.group(2)
    one, two = farm.servers
    assert replica.ok("discover")["neighbours"][0]["port"] == one.port
    found = primary.ok("discover")["neighbours"]
    assert [(row["host"], row["port"], row["server_id"]) for row in found] == [
        ("127.0.0.1", two.port, two.id)
    ]
    assert (
        farm.repoint(replica, one, semisync=1)["ms"] < 50
    ), "a repoint that changes nothing does nothing"

    one.query("CREATE TABLE app.t (id INT PRIMARY KEY)")
    one.client().cursor().execute("INSERT INTO app.t VALUES (1)")
    replica.ok("wait_applied", primary.ok("status")["executed"])
    assert replica.ok("status")["executed"] == primary.ok("status")["executed"]
    replica.ok("deadline", 100)
    beyond = "0-101-999" if not farm.mysql else one.value("SELECT @@server_uuid") + ":1-999"
    assert replica("wait_applied", beyond)["rc"] == "ERR_DEADLINE"
    replica.ok("deadline", 10000)
    assert replica.ok("usable")["usable"]

    ticks = replica.ok("status")["ticks"]
    servers.wait_for(lambda: replica.ok("status")["ticks"] > ticks, "heartbeats are seen", 5)

    for _ in range(2):
        replica.ok("stop_receiver")
        assert replica.ok("status")["io"] == IO_NO
    ticks = replica.ok("status")["ticks"]
    primary.ok("semisync", 0, 0, 1)
    one.client().cursor().execute("INSERT INTO app.t VALUES (2)")
    assert replica.ok("status")["ticks"] == ticks
    replica.ok("start_receiver")
    replica.ok("wait_applied", primary.ok("status")["executed"])

    # Received and not applied is what an election must count.
    replica.ok("query", "STOP REPLICA SQL_THREAD")
    one.client().cursor().execute("INSERT INTO app.t VALUES (3)")
    wanted = primary.ok("status")["executed"]
    servers.wait_for(lambda: replica.ok("status")["received"] == wanted, "it is received")
    assert replica.ok("status")["executed"] != wanted
    assert replica("wait_drained")["rc"] == "ERR_REFUSED"
    # The receiver must run meanwhile: MariaDB that starts from standstill drops its relay logs.
    replica.ok("query", "START REPLICA SQL_THREAD")
    replica.ok("stop_receiver")
    replica.ok("wait_drained")
    assert replica.ok("status")["executed"] == wanted

    primary.ok("read_only", 1)
    for _ in range(2):
        replica.ok("promote", 1, 0, 1, 1)
        replica.ok("open_writes")
    status = replica.ok("status")
    assert status["ss_source"] and status["ss_after_sync"] and status["ss_timeout_ms"] > 10**9
    assert not status["read_only"] and status["io"] == IO_NO and status["configured"]
    for _ in range(2):
        farm.repoint(primary, two, was_primary=1, semisync=1)
    db_lib.wait_replicating(primary, True)
    two.client().cursor().execute("INSERT INTO app.t VALUES (4)")
    primary.ok("wait_applied", replica.ok("status")["executed"])
    assert one.value("SELECT COUNT(*) FROM app.t") == 4
    for _ in range(2):
        replica.ok("forget")
    assert not replica.ok("status")["configured"]
    for _ in range(2):
        primary.ok("stop")
        primary.ok("start")
    db_lib.wait_replicating(primary, True)


def test_semisync_flags_are_changed_on_a_running_stream(farm):
    primary, replica = farm.group(2, semisync=False)
    one = farm.servers[0]
    for wanted in (1, 1, 0, 0, 1):
        replica.ok("semisync", 0, wanted, 1)
        db_lib.wait_replicating(replica, bool(wanted))
    primary.ok("semisync", 1, 0, 1)
    servers.wait_for(lambda: primary.ok("status")["ss_clients"] == 1, "it acknowledges")
    one.client().cursor().execute("CREATE TABLE app.t (id INT PRIMARY KEY)")
    if not farm.mysql:
        assert primary("semisync", 1, 0, 2)["rc"] == "ERR_USAGE"


def test_fence_lets_no_unacknowledged_commit_answer_ok(farm):
    primary, replica = farm.group(2)
    one = farm.servers[0]
    one.query("CREATE TABLE app.t (id INT PRIMARY KEY)")
    idle = one.client()
    replica.ok("stop_receiver")
    outcomes = {}

    def write(number, user, password):
        conn = one.client(user, password)
        try:
            conn.cursor().execute(f"INSERT INTO app.t VALUES ({number})")
            outcomes[number] = "OK"
        except pymysql.err.Error as why:
            outcomes[number] = why.args[0]

    accounts = [("app", "apppw")] * 4 + [("admin", "adminpw")]
    threads = [
        threading.Thread(target=write, args=(n, *account)) for n, account in enumerate(accounts)
    ]
    for thread in threads:
        thread.start()
    servers.wait_for(
        lambda: primary.ok("status")["ss_waiting"] > 0
        and len([row for row in one.query("SHOW PROCESSLIST") if "INSERT" in str(row)])
        == len(threads),
        "commits wait",
    )
    answer = primary.ok("fence")
    assert answer["ms"] < (2500 if farm.mysql else 500)
    for thread in threads:
        thread.join(10)
    assert set(outcomes) == set(range(5)) and "OK" not in outcomes.values(), outcomes
    status = primary.ok("status")
    assert status["read_only"] and not status["ss_source"]
    with pytest.raises(pymysql.err.Error):
        idle.cursor().execute("SELECT 1")
    primary.ok("fence")


def test_one_that_receives_is_not_opened(farm):
    """Restarted since it was promoted, it may replicate again by itself, from a source that nobody has judged."""
    _, replica = farm.group(2)
    answer = replica("open_writes")
    assert answer["rc"] == "ERR_REFUSED" and "replicates" in answer["text"]
    assert replica.ok("status")["read_only"]


def test_revoke_while_the_primary_hangs(farm):
    """STOP of the receiver must end although MariaDB dials the hung primary first."""
    _, replica = farm.group(2)
    one, two = farm.servers
    one.pause()
    try:
        first = replica.ok("stop_receiver")["ms"]
        replica.ok("wait_drained")
        promote = replica.ok("promote", 0, 0, 1)["ms"]
        opened = replica.ok("open_writes")["ms"]
        print(
            f"{farm.flavor}: stop receiver {first:.1f} ms, promote {promote:.1f} ms, open {opened:.1f} ms"
        )
        assert first < 1500 and promote < 1000
        two.client().cursor().execute("CREATE TABLE app.new (id INT)")
    finally:
        one.cont()


def test_stop_within_a_transaction(farm):
    """Half a transaction in the relay log must not keep a promotion waiting."""
    primary, replica = farm.group(2, semisync=False)
    one, two = farm.servers
    if not farm.mysql:
        one.query("SET GLOBAL binlog_format=ROW")
    one.query("CREATE TABLE app.big (id INT PRIMARY KEY, text LONGBLOB)")
    one.query("CREATE TABLE app.n (id INT PRIMARY KEY)")
    one.query("INSERT INTO app.n VALUES " + ",".join(f"({n})" for n in range(60)))
    replica.ok("wait_applied", primary.ok("status")["executed"])
    ticks = replica.ok("status")["ticks"]
    thread = threading.Thread(
        target=one.query, args=("INSERT INTO app.big SELECT id, REPEAT('x', 1000000) FROM app.n",)
    )
    thread.start()
    servers.wait_for(
        lambda: replica.ok("status")["ticks"] > ticks + 2000000, "a part of it is there", 20
    )
    replica.ok("stop_receiver")
    thread.join()
    if replica.ok("status")["received"] == primary.ok("status")["executed"]:
        pytest.skip("all of it came through before the receiver stopped")
    replica.ok("wait_drained")
    assert replica.ok("promote", 0, 0, 1)["ms"] < 5000
    replica.ok("open_writes")
    client = two.client()
    client.cursor().execute("INSERT INTO app.big VALUES (0, 'mine')")
    assert two.value("SELECT COUNT(*) FROM app.big") == 1


def test_read_only_gives_up_at_its_deadline(farm):
    """A read-only that is abandoned must not come into force later by surprise."""
    server = farm.server()
    driver = farm.open(server)
    server.query("CREATE TABLE app.t (id INT)")
    locker = server.client("admin", "adminpw")
    locker.cursor().execute("LOCK TABLES app.t WRITE")
    driver.ok("deadline", 1900)
    answer = driver("read_only", 1)
    assert answer["rc"] == "ERR_DEADLINE" and driver.ok("usable")["usable"], answer
    locker.cursor().execute("UNLOCK TABLES")
    time.sleep(0.2)  # not waited for: nothing is to happen
    assert not driver.ok("probe")["read_only"]


def test_probe_and_status_are_cheap(farm):
    _, replica = farm.group(2)
    status = sorted(replica.ok("status")["ms"] for _ in range(15))
    probe = sorted(replica.ok("probe")["ms"] for _ in range(15))
    print(f"{farm.flavor}: status {status[7]:.2f} ms, probe {probe[7]:.2f} ms")
    assert status[7] < 10 and probe[7] < 3
