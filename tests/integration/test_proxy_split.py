"""One address for reads and writes, and sessions that share server connections: real servers, no manager.

Where a statement ran is seen by what is in the tables: server a has 'a' in app.here, server b 'b'.
"""

import threading
import time

import pymysql
import pytest
import servers
from proxy_lib import SPLIT, Proxy, errno_of, one, run

HERE = "SELECT name FROM app.here"


def make_pair(flavor, folder):
    try:
        servers.program(flavor)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = [servers.Server(flavor, i, folder / str(i)) for i in (1, 2)]
    for server in made:
        server.start(wait=False)
    for server in made:
        server.wait_ready()
    return made


@pytest.fixture(scope="module", params=["mariadb-10.11", "mysql"])
def pair(request, tmp_path_factory):
    """Two servers that don't replicate."""
    made = make_pair(request.param, tmp_path_factory.mktemp("server"))
    for name, server in zip("ab", made):
        server.query("GRANT ALL ON app.* TO app@'%'")
        server.query("CREATE TABLE app.here (name VARCHAR(9) PRIMARY KEY)")
        server.query(f"INSERT INTO app.here VALUES ('{name}')")
        server.query("CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
    yield made
    for server in made:
        server.kill()


def make_proxy(pair, *options):
    proxy = Proxy("--workers", "1", "--causal-ms", "0", *options)
    proxy.accounts_of(pair[0])
    proxy.route(servers=pair, reads=(1,))
    return proxy


@pytest.fixture
def proxy(pair):
    for server in pair:
        server.query("DELETE FROM app.t")
    made = make_proxy(pair)
    yield made
    made.stop()


def connect(proxy, **more):
    return proxy.connect(listener=SPLIT, **{"autocommit": True, "database": "app", **more})


def threads_of(server, user="app"):
    """The server's connections of a user."""
    return {row[0] for row in server.query("SHOW PROCESSLIST") if row[1] == user}


def test_reads_go_to_the_replica_and_the_rest_to_the_primary(proxy):
    """A write goes to a replica, or no read leaves the primary."""
    conn = connect(proxy)
    assert one(conn, HERE) == "b"
    run(conn, "INSERT INTO t (v) VALUES (1)")
    assert one(conn, "SELECT COUNT(*) FROM t") == 0  # b has no row: the read went there
    assert one(conn, HERE + " FOR UPDATE") == "a"
    assert one(conn, "/* muster: primary */ " + HERE) == "a"
    assert one(conn, "SELECT name, @@version FROM app.here") == "a"
    run(conn, "BEGIN")
    assert one(conn, HERE) == "a"
    run(conn, "COMMIT")
    run(conn, "START TRANSACTION READ ONLY")
    assert one(conn, HERE) == "b"
    assert errno_of(lambda: run(conn, "INSERT INTO t (v) VALUES (2)")) == 1792
    run(conn, "COMMIT")
    run(conn, "SET autocommit=0")
    assert one(conn, HERE) == "a"
    run(conn, "ROLLBACK")
    run(conn, "SET autocommit=1")
    assert one(conn, HERE) == "b"
    conn.close()


def test_without_a_replica_the_primary_answers(proxy, pair):
    """The last replica goes away, and reads fail or wait."""
    conn = connect(proxy)
    assert one(conn, HERE) == "b"
    proxy.route(reads=())
    assert one(conn, HERE) == "a"
    proxy.route(reads=(1,))
    assert one(conn, HERE) == "b"
    conn.close()


def test_state_is_the_same_on_both(proxy):
    """A SET reaches one server only."""
    conn = connect(proxy, charset="latin1")
    assert one(conn, HERE) == "b"
    run(conn, "SET time_zone='+03:00', @kept='it''s'")
    asked = (
        "SELECT @kept, NOW() = UTC_TIMESTAMP() + INTERVAL 3 HOUR, COLLATION('a'), name FROM here"
    )
    with conn.cursor() as cur:
        cur.execute(asked)
        assert cur.fetchone() == ("it's", 1, "latin1_swedish_ci", "b")
        cur.execute("/* muster: primary */ " + asked)
        assert cur.fetchone() == ("it's", 1, "latin1_swedish_ci", "a")
        cur.execute("CREATE DATABASE IF NOT EXISTS other")
        cur.execute("USE other")
        assert errno_of(lambda: one(conn, "SELECT name FROM here")) in (1146, 1105)
        cur.execute("USE app")
        assert one(conn, HERE) == "b"
    conn.close()


def test_sessions_share_connections(pair):
    """Each client costs a server connection, or one gets another's variables, schema, or insert id."""
    proxy = make_proxy(pair, "--server-connections", "2")
    clients = []
    try:
        for i in range(20):
            clients.append(connect(proxy, database="app" if i % 2 else "mysql"))
        for i, conn in enumerate(clients):
            run(conn, f"SET @mine={i}, time_zone='+{i % 12:02}:00', sql_mode=''")
            run(conn, "INSERT INTO app.t (v) VALUES (%s)", (i,))
        ids = {}
        for i, conn in enumerate(clients):
            assert one(conn, "SELECT @mine") == i
            ids[i] = one(conn, "SELECT LAST_INSERT_ID()")
            assert one(conn, "SELECT @@time_zone") == f"+{i % 12:02}:00"
            assert one(conn, "SELECT DATABASE()") == ("app" if i % 2 else "mysql")
        assert len(set(ids.values())) == 20
        for i, conn in enumerate(clients):
            assert one(conn, "SELECT v FROM app.t WHERE id=%s FOR UPDATE", (ids[i],)) == i
            assert one(conn, HERE) == "b"
        for server in pair:
            assert len(threads_of(server)) <= 2
    finally:
        for conn in clients:
            conn.close()
        proxy.stop()


def count_of(server, name):
    """A counter of the whole server."""
    return int(server.query(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1])


def test_sessions_that_are_alike_need_no_reset(pair):
    """Each statement of many like clients costs a reset; or a client gets another one's insert id."""
    proxy = make_proxy(pair, "--server-connections", "2")
    clients = [connect(proxy) for _ in range(10)]
    try:
        for conn in clients:
            run(conn, "SET time_zone='+02:00'")
        before = count_of(pair[0], "Com_admin_commands")
        for i in range(30):
            run(clients[i % 10], "INSERT INTO t (v) VALUES (%s)", (i,))
        ids = [one(conn, "SELECT LAST_INSERT_ID()") for conn in clients]
        assert len(set(ids)) == 10
        fresh = connect(proxy)
        run(fresh, "SET time_zone='+02:00'")
        assert one(fresh, "SELECT LAST_INSERT_ID()") == 0
        fresh.close()
        assert count_of(pair[0], "Com_admin_commands") - before < 5
    finally:
        for conn in clients:
            conn.close()
        proxy.stop()


def test_who_comes_back_finds_what_a_fresh_one_would(pair):
    """A connection that was another's keeps its session variables or character set."""
    proxy = make_proxy(pair, "--server-connections", "1")
    volatile = {
        "timestamp",
        "rand_seed1",
        "rand_seed2",
        "pseudo_thread_id",
        "statement_id",
        "last_gtid",
    }
    tracked = {
        "session_track_system_variables",
        "session_track_state_change",
        "session_track_gtids",
    }

    def variables(conn):
        with conn.cursor() as cur:
            cur.execute("SHOW SESSION VARIABLES")
            return {k: v for k, v in cur.fetchall() if k not in volatile | tracked}

    direct = pair[0].client(charset="latin1", database="app")
    wanted = variables(direct)
    direct.close()
    first = connect(proxy, charset="latin1")
    second = connect(proxy, charset="latin1")
    try:
        run(first, "SET sql_mode='ANSI', foreign_key_checks=0, NAMES utf8mb4")
        assert variables(second) == wanted
        assert variables(first)["foreign_key_checks"] == "OFF"
        assert one(first, "SELECT COLLATION('a'), @@version").startswith("utf8mb4")
        assert variables(second) == wanted
    finally:
        first.close()
        second.close()
        proxy.stop()


def test_what_cannot_be_had_elsewhere_pins(pair):
    """A temporary table, a lock or a transaction is lost because another session took the connection."""
    proxy = make_proxy(pair, "--server-connections", "2", "--hold-ms", "1500")
    pinned = connect(proxy)
    other = connect(proxy)
    try:
        run(pinned, "CREATE TEMPORARY TABLE mine (id INT)")
        run(pinned, "INSERT INTO mine VALUES (7)")
        for i in range(5):
            assert one(other, "SELECT %s FOR UPDATE", (i,)) == i
        assert one(pinned, "SELECT id FROM mine") == 7
        run(other, "BEGIN")
        run(other, "INSERT INTO t (v) VALUES (3)")
        # Both connections are taken: a third client is told so in the end, and let in when one is free.
        with pytest.raises(pymysql.err.MySQLError):
            connect(proxy)
        waiting = threading.Timer(0.3, lambda: run(other, "COMMIT"))
        waiting.start()
        begun = time.monotonic()
        late = connect(proxy)
        assert 0.2 < time.monotonic() - begun < 1.4
        waiting.join()
        late.close()
        assert one(pinned, "SELECT id FROM mine") == 7
    finally:
        pinned.close()
        other.close()
        proxy.stop()


def test_what_the_last_statement_left_behind(pair):
    """SHOW WARNINGS, FOUND_ROWS() or ROW_COUNT() answer for somebody else's statement."""
    proxy = make_proxy(pair, "--server-connections", "2")
    conn = connect(proxy)
    noise = connect(proxy)
    try:
        run(pair[0].root(), "REPLACE INTO app.t (id, v) VALUES (101, 1), (102, 1), (103, 1)")
        with conn.cursor() as cur:
            cur.execute("SELECT 1/0 FROM here FOR UPDATE")
            run(noise, "DO 1")
            cur.execute("SHOW WARNINGS")
            if pair[0].mysql:
                assert cur.fetchall()[0][1] == 1365
            assert errno_of(lambda: cur.execute("INSERT INTO nowhere VALUES (1)")) == 1146
            run(noise, "DO 1")
            cur.execute("SHOW WARNINGS")
            assert cur.fetchall()[0][1] == 1146
            cur.execute("SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1")
            run(noise, "DO 1")
            cur.execute("SELECT FOUND_ROWS()")
            assert cur.fetchone()[0] >= 3
    finally:
        conn.close()
        noise.close()
        proxy.stop()


def test_prepared_statements_follow(pair):
    """A statement is unknown on the connection that its session has now."""
    proxy = make_proxy(pair, "--server-connections", "1")
    conn = connect(proxy)
    noise = connect(proxy)
    try:
        run(conn, "PREPARE p FROM 'SELECT 5'")  # by text: pins
        assert one(conn, "EXECUTE p") == 5
        run(conn, "DEALLOCATE PREPARE p")
    finally:
        conn.close()
        noise.close()
        proxy.stop()


def test_a_killed_idle_connection_is_not_missed(proxy, pair):
    """The server ends a parked connection, and its session's next statement fails."""
    conn = connect(proxy)
    assert one(conn, HERE) == "b"
    run(conn, "DO 1")
    for server in pair:
        for thread in threads_of(server):
            server.query(f"KILL {thread}")
    servers.wait_for(lambda: not any(threads_of(server) for server in pair), "they are gone")
    assert one(conn, HERE) == "b"
    run(conn, "INSERT INTO t (v) VALUES (1)")
    conn.close()


def test_failover_is_not_noticed(pair):
    """An idle session of the split listener breaks with its primary."""
    proxy = make_proxy(pair, "--hold-ms", "8000")
    conn = connect(proxy)
    try:
        run(conn, "SET @mine=5")
        assert one(conn, HERE) == "b"
        run(conn, "DO 1")
        proxy.route(writes="hold", primary=None, reads=(1,))
        assert one(conn, HERE) == "b"
        proxy.route(writes="open", primary=1, epoch=proxy.epoch + 1, reads=())
        assert one(conn, "SELECT @mine") == 5
        run(conn, "INSERT INTO t (v) VALUES (1)")
        assert one(conn, HERE) == "b"
    finally:
        conn.close()
        proxy.route(writes="open", primary=0, epoch=proxy.epoch + 1)
        proxy.stop()


@pytest.fixture(scope="module", params=["mariadb-10.11", "mysql"])
def replicated(request, tmp_path_factory):
    """Server b replicates from a; app.here says who it is all the same."""
    a, b = make_pair(request.param, tmp_path_factory.mktemp("server"))
    source = f"HOST='127.0.0.1', {{}}PORT={a.port}, {{}}USER='repl', {{}}PASSWORD='replpw'"
    if a.mysql:
        b.query("RESET BINARY LOGS AND GTIDS")
        words = "SOURCE_" + source.format(*["SOURCE_"] * 3)
        words += ", SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_SSL=0"
        b.query(f"CHANGE REPLICATION SOURCE TO {words}")
    else:
        b.query("RESET MASTER")
        words = "MASTER_" + source.format(*["MASTER_"] * 3) + ", MASTER_USE_GTID=slave_pos"
        b.query(f"CHANGE MASTER TO {words}")
    b.query("START REPLICA")
    a.query("CREATE TABLE app.t (id INT PRIMARY KEY)")
    a.query("CREATE TABLE app.here (name VARCHAR(9) PRIMARY KEY)")
    a.query("INSERT INTO app.here VALUES ('a')")
    servers.wait_for(lambda: b.query("SHOW TABLES IN app LIKE 'here'"), "the table is replicated")
    servers.wait_for(lambda: b.query("SELECT name FROM app.here"), "so is its row")
    with b.root() as conn, conn.cursor() as cur:
        cur.execute("SET sql_log_bin=0")
        cur.execute("UPDATE app.here SET name='b'")
        conn.commit()
    yield a, b
    for server in (a, b):
        server.kill()


def test_a_session_sees_what_it_wrote(replicated):
    """A read right after a write goes to a replica that doesn't have it yet."""
    proxy = make_proxy(replicated, "--causal-ms", "700")
    conn = connect(proxy)
    try:
        for i in range(100):
            run(conn, "INSERT INTO t VALUES (%s)", (i,))
            asked = "SELECT COUNT(*), (SELECT name FROM here) FROM t"
            with conn.cursor() as cur:
                cur.execute(asked)
                assert cur.fetchone() == (i + 1, "b")
        replicated[1].query("STOP REPLICA SQL_THREAD")
        run(conn, "BEGIN")
        run(conn, "INSERT INTO t VALUES (1000)")
        run(conn, "COMMIT")
        begun = time.monotonic()
        assert one(conn, "SELECT COUNT(*) FROM t") == 101
        assert 0.6 < time.monotonic() - begun < 3
        assert one(conn, HERE) == "a"
        other = connect(proxy)
        assert one(other, HERE) == "b"
        other.close()
        replicated[1].query("START REPLICA SQL_THREAD")
        with conn.cursor() as cur:
            cur.execute(asked)
            assert cur.fetchone() == (101, "b")
    finally:
        replicated[1].query("START REPLICA SQL_THREAD")
        conn.close()
        proxy.stop()
