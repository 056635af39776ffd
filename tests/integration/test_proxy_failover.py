"""What clients of the proxy see when servers die or the route changes: real servers, no manager.

The two servers don't replicate from each other; each test makes the same tables on both.
"""

import threading
import time

import pymysql
import pytest
import servers
from proxy_lib import Proxy, errno_of, one, run, wait_until

ROLLED_BACK, UNKNOWN, STATE_LOST, NO_SERVER = 1213, 1180, 1105, 1836


@pytest.fixture(scope="module", params=["mariadb-10.11", "mysql"])
def pair(request, tmp_path_factory):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = [
        servers.Server(request.param, i, tmp_path_factory.mktemp("server") / str(i)) for i in (1, 2)
    ]
    for server in made:
        server.start(wait=False)
    for server in made:
        server.wait_ready()
        server.query("CREATE TABLE app.t (id INT PRIMARY KEY, v INT)")
    yield made
    for server in made:
        server.process.kill()
        server.process.wait()


def clean(pair):
    for server in pair:
        if server.process.poll() is not None:
            server.start()
        server.query("SET GLOBAL read_only=0")
        server.query("DELETE FROM app.t")


@pytest.fixture
def group(pair):
    """(proxy, a, b): writes go to a; both run, the table is empty on both."""
    clean(pair)
    proxy = Proxy("--hold-ms", "8000")
    proxy.accounts_of(pair[0])
    proxy.route(servers=pair)
    yield proxy, pair[0], pair[1]
    proxy.stop()


def kill(server):
    server.process.kill()
    server.process.wait()


def in_background(call):
    """Runs call in a thread; .result() joins and returns or raises what it did."""
    box = {}

    def work():
        try:
            box["value"] = call()
        except Exception as error:  # pylint: disable=broad-except
            box["error"] = error

    thread = threading.Thread(target=work)
    thread.start()

    def result():
        thread.join(30)
        assert not thread.is_alive(), "still waits"
        if "error" in box:
            raise box["error"]
        return box["value"]

    thread.result = result
    return thread


def fail_over(proxy, dead, to):
    kill(dead)
    proxy.route(writes="hold", primary=None)
    proxy.route(writes="open", primary=to, epoch=proxy.epoch + 1)


def test_idle_session_survives_with_its_state(group):
    """An idle connection of a pool would break, or silently forget its time zone and schema."""
    proxy, a, _ = group
    conn = proxy.connect(database="app", charset="latin1")
    run(conn, "SET time_zone='+03:00', @kept='it''s', @n=-5")
    run(conn, "SET SESSION sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    run(conn, "SET SESSION group_concat_max_len=77777")
    run(conn, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    isolation = "@@transaction_isolation" if a.mysql else "@@tx_isolation"
    asked = (
        f"SELECT @@time_zone, @kept, @n, @@sql_mode, @@group_concat_max_len, {isolation}, DATABASE(),"
        " @@character_set_client, @@collation_connection, @@autocommit"
    )
    with conn.cursor() as cur:
        cur.execute(asked)
        before = cur.fetchone()
        fail_over(proxy, a, 1)
        cur.execute(asked)
        assert cur.fetchone() == before
        cur.execute("SELECT @@server_id")
        assert cur.fetchone() == (2,)


def test_statement_waits_for_the_new_primary(group):
    """A statement that comes while there is no primary would fail."""
    proxy, a, b = group
    conn = proxy.connect(database="app", autocommit=True)
    kill(a)
    proxy.route(writes="hold", primary=None)
    insert = in_background(lambda: run(conn, "INSERT INTO t VALUES (1, 1)"))
    wait_until(lambda: proxy.status()["statements_held"] == 1, "the statement is held")
    proxy.route(primary=1, epoch=2)
    insert.result()
    assert b.value("SELECT COUNT(*) FROM app.t") == 1


def test_statement_waits_even_before_the_route_knows(group):
    """Between a crash and the news of it a refused connection would reach the client."""
    proxy, a, _ = group
    conn = proxy.connect(database="app", autocommit=True)
    kill(a)
    insert = in_background(lambda: run(conn, "INSERT INTO t VALUES (1, 1)"))
    wait_until(lambda: proxy.status()["troubles"] > 0, "the trouble is reported")
    wait_until(lambda: proxy.status()["statements_held"] == 1, "the statement is held")
    proxy.route(primary=1, epoch=2)
    insert.result()


def test_new_clients_wait_too(group):
    """A client that connects during a failover would be turned away."""
    proxy, a, _ = group
    kill(a)
    proxy.route(writes="hold", primary=None)
    conn = in_background(lambda: proxy.connect(database="app"))
    wait_until(lambda: proxy.status()["statements_held"] == 1, "the log-in is held")
    proxy.route(primary=1, epoch=2)
    assert one(conn.result(), "SELECT @@server_id") == 2


def test_waiting_ends_with_an_error(pair):
    """Without an end a client would hang for as long as there is no primary."""
    clean(pair)
    proxy = Proxy("--hold-ms", "300")
    try:
        proxy.accounts_of(pair[0])
        proxy.route(servers=pair)
        conn = proxy.connect(database="app", autocommit=True)
        proxy.route(writes="hold", primary=None)
        assert errno_of(lambda: run(conn, "INSERT INTO t VALUES (1, 1)")) == NO_SERVER
        proxy.route()
        run(conn, "DELETE FROM t")
    finally:
        proxy.stop()


def test_open_transaction_gets_a_deadlock_error(group):
    """Applications retry on 1213; anything else would lose or repeat work."""
    proxy, a, b = group
    conn = proxy.connect(database="app")
    run(conn, "INSERT INTO t VALUES (1, 1)")
    assert proxy.status()["transactions_open"] == 1
    fail_over(proxy, a, 1)
    assert errno_of(lambda: run(conn, "INSERT INTO t VALUES (2, 2)")) == ROLLED_BACK
    run(conn, "INSERT INTO t VALUES (3, 3)")
    conn.commit()
    assert b.query("SELECT id FROM app.t") == ((3,),)


def test_commit_of_a_lost_transaction_did_not_happen(group):
    """COMMIT must not answer OK, and not "unknown" either: it was never sent."""
    proxy, a, _ = group
    conn = proxy.connect(database="app")
    run(conn, "INSERT INTO t VALUES (1, 1)")
    fail_over(proxy, a, 1)
    assert errno_of(conn.commit) == ROLLED_BACK
    conn.commit()


def test_rollback_of_a_lost_transaction_is_fine(group):
    """ROLLBACK is what the loss did."""
    proxy, a, _ = group
    conn = proxy.connect(database="app")
    run(conn, "INSERT INTO t VALUES (1, 1)")
    fail_over(proxy, a, 1)
    conn.rollback()
    assert one(conn, "SELECT @@server_id") == 2


def sleeping(server):
    return server.value(
        "SELECT COUNT(*) FROM information_schema.processlist"
        " WHERE info LIKE '%SLEEP(%' AND info NOT LIKE '%processlist%'"
    )


def test_autocommit_write_in_flight_is_unknown(group):
    """A write whose answer is lost may have committed: 1213 would make the application repeat it."""
    proxy, a, b = group
    conn = proxy.connect(database="app", autocommit=True)
    write = in_background(lambda: run(conn, "INSERT INTO t SELECT 1, SLEEP(20)"))
    wait_until(lambda: sleeping(a), "the write runs")
    fail_over(proxy, a, 1)
    assert errno_of(write.result) == UNKNOWN
    run(conn, "INSERT INTO t VALUES (2, 2)")
    assert b.query("SELECT id FROM app.t") == ((2,),)


def test_read_in_flight_is_sent_again(group):
    """A plain read has no effect: the client need not know that it ran twice."""
    proxy, a, _ = group
    conn = proxy.connect(database="app", autocommit=True)
    locker = a.root()
    run(locker, "LOCK TABLES app.t WRITE")
    read = in_background(lambda: one(conn, "SELECT COUNT(*) FROM t"))
    wait_until(
        lambda: a.value(
            "SELECT COUNT(*) FROM information_schema.processlist"
            " WHERE state LIKE 'Waiting for table%'"
        ),
        "the read runs",
    )
    fail_over(proxy, a, 1)
    assert read.result() == 0


def test_write_in_flight_in_a_transaction_is_rolled_back(group):
    """Nothing commits without COMMIT: the application may run the transaction again."""
    proxy, a, _ = group
    conn = proxy.connect(database="app")
    run(conn, "INSERT INTO t VALUES (1, 1)")
    write = in_background(lambda: run(conn, "INSERT INTO t SELECT 2, SLEEP(20)"))
    wait_until(lambda: sleeping(a), "the write runs")
    fail_over(proxy, a, 1)
    assert errno_of(write.result) == ROLLED_BACK
    assert one(conn, "SELECT @@server_id") == 2


@pytest.mark.parametrize(
    "sql, words",
    [
        ("CREATE TEMPORARY TABLE app.tmp (i INT)", "temporary"),
        ("SELECT 1 INTO @computed", "user variables"),
        ("SELECT GET_LOCK('x', 1)", "locks"),
        ("PREPARE p FROM 'SELECT 1'", "prepared by text"),
    ],
)
def test_lost_state_is_told_once(group, sql, words):
    """Going on silently without a temporary table or a lock would give wrong results."""
    proxy, a, _ = group
    a.query("GRANT CREATE TEMPORARY TABLES ON *.* TO 'app'@'%'")
    conn = proxy.connect(database="app", autocommit=True)
    run(conn, sql)
    fail_over(proxy, a, 1)
    with pytest.raises(pymysql.err.MySQLError) as caught:
        run(conn, "INSERT INTO t VALUES (1, 1)")
    assert caught.value.args[0] == STATE_LOST and words in caught.value.args[1]
    run(conn, "INSERT INTO t VALUES (1, 1)")


def test_last_insert_id_survives(group):
    """An idle session would answer LAST_INSERT_ID() with 0 after a failover."""
    proxy, a, _ = group
    for server in group[1:]:
        server.query("CREATE TABLE IF NOT EXISTS app.auto (id INT PRIMARY KEY AUTO_INCREMENT)")
    conn = proxy.connect(database="app", autocommit=True)
    run(conn, "INSERT INTO auto VALUES (41)")
    run(conn, "INSERT INTO auto VALUES (NULL)")
    known = one(conn, "SELECT LAST_INSERT_ID()")
    fail_over(proxy, a, 1)
    assert one(conn, "SELECT LAST_INSERT_ID()") == known


def test_switchover_shows_no_error(group):
    """A planned switchover: open transactions end, new ones wait, nobody sees an error."""
    proxy, a, b = group
    busy = proxy.connect(database="app")
    idle = proxy.connect(database="app", autocommit=True)
    run(busy, "INSERT INTO t VALUES (1, 1)")
    proxy.route(writes="drain")
    status = proxy.status()
    assert status["held"] and status["transactions_open"] == 1
    waits = in_background(lambda: run(idle, "INSERT INTO t VALUES (2, 2)"))
    wait_until(lambda: proxy.status()["statements_held"] == 1, "the new statement is held")
    run(busy, "INSERT INTO t VALUES (3, 3)")
    busy.commit()
    wait_until(lambda: proxy.status()["transactions_open"] == 0, "the old primary is drained")
    again = in_background(lambda: (run(busy, "INSERT INTO t VALUES (4, 4)"), busy.commit()))
    wait_until(lambda: proxy.status()["statements_held"] == 2, "a new transaction is held")
    a.query("SET GLOBAL read_only=1")
    proxy.route(writes="hold", primary=1)
    proxy.route(primary=1, epoch=2)
    waits.result()
    again.result()
    assert a.query("SELECT id FROM app.t ORDER BY id") == ((1,), (3,))
    assert b.query("SELECT id FROM app.t ORDER BY id") == ((2,), (4,))


def test_switchover_undone(group):
    """A switchover that can't be done in its bound is undone: the old primary goes on."""
    proxy, a, _ = group
    conn = proxy.connect(database="app", autocommit=True)
    run(conn, "SELECT 1")
    proxy.route(writes="drain")
    waits = in_background(lambda: run(conn, "INSERT INTO t VALUES (1, 1)"))
    wait_until(lambda: proxy.status()["statements_held"] == 1, "held")
    proxy.route(writes="open")
    waits.result()
    assert a.value("SELECT COUNT(*) FROM app.t") == 1


def test_read_only_refusal_waits(group):
    """Between read_only on the old primary and the new route a write would get error 1290."""
    proxy, a, b = group
    conn = proxy.connect(database="app", autocommit=True)
    a.query("SET GLOBAL read_only=1")
    insert = in_background(lambda: run(conn, "INSERT INTO t VALUES (1, 1)"))
    wait_until(lambda: proxy.status()["statements_held"] == 1, "the refused statement is held")
    proxy.route(primary=1, epoch=2)
    insert.result()
    assert b.value("SELECT COUNT(*) FROM app.t") == 1


def test_hung_primary_is_cut_off(group):
    """Connections to a stopped process hang for ever unless they are reset."""
    proxy, a, _ = group
    conn = proxy.connect(database="app")
    run(conn, "INSERT INTO t VALUES (1, 1)")
    a.process.send_signal(19)
    try:
        write = in_background(lambda: run(conn, "INSERT INTO t VALUES (2, 2)"))
        wait_until(lambda: write.is_alive(), "it runs")
        time.sleep(0.1)
        proxy.route(writes="hold", primary=1)
        assert errno_of(write.result) == ROLLED_BACK
        proxy.route(primary=1, epoch=2)
        assert one(conn, "SELECT @@server_id") == 2
    finally:
        a.process.send_signal(18)
    wait_until(
        lambda: a.value("SELECT COUNT(*) FROM information_schema.processlist WHERE user='app'")
        == 0,
        "the old primary has seen the reset",
    )
    assert a.value("SELECT COUNT(*) FROM app.t") == 0


def test_readers_use_replicas_and_move(group):
    """Reads must not burden the primary, and must go on when their server is taken out."""
    proxy, a, b = group
    proxy.route(reads=[1])
    conns = [proxy.connect(listener=1) for _ in range(4)]
    assert {one(c, "SELECT @@server_id") for c in conns} == {2}
    assert proxy.status()["reads"][1] == 4
    proxy.route(reads=[])
    assert {one(c, "SELECT @@server_id") for c in conns} == {1}
    proxy.route(reads=[0, 1])
    conns += [proxy.connect(listener=1) for _ in range(8)]
    assert {one(c, "SELECT @@server_id") for c in conns[4:]} == {1, 2}


def test_many_idle_sessions_are_moved_in_the_background(group):
    """After a failover the first statement of each session would pay a whole log-in."""
    proxy, a, b = group
    conns = [proxy.connect(database="app", autocommit=True) for _ in range(40)]
    fail_over(proxy, a, 1)
    wait_until(
        lambda: b.value("SELECT COUNT(*) FROM information_schema.processlist WHERE user='app'")
        == 40,
        "all have their new connection",
    )
    for conn in conns:
        assert one(conn, "SELECT @@server_id") == 2
