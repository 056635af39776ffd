"""What passes through the proxy, on real servers: log-ins, big and odd traffic, prepared statements."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import pymysql
import pytest
import servers
from proxy_lib import SPLIT, Proxy, driver_path, errno_of, one, run, wait_until

DENIED, NO_SCHEMA, TOO_MANY = 1045, 1049, 1040
ACCOUNTS = """
CREATE USER 'empty'@'%'; CREATE USER 'locked'@'%' IDENTIFIED BY 'lockedpw' ACCOUNT LOCK;
CREATE USER 'other'@'127.0.0.%' IDENTIFIED BY 'otherpw'; CREATE USER 'other'@'10.%' IDENTIFIED BY 'wrong'
"""
ED25519_ACCOUNTS = """
INSTALL SONAME 'auth_ed25519'; CREATE USER 'ed'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('edpw');
GRANT SELECT ON *.* TO 'ed'@'%'
"""


def add_ed25519(server):
    """The plugin is in a package of its own on some systems."""
    try:
        for statement in ED25519_ACCOUNTS.split(";"):
            server.query(statement)
        return True
    except pymysql.err.OperationalError:
        return False


@pytest.fixture(scope="module", params=["mariadb-10.11", "mariadb-11.8", "mysql"])
def server(request, tmp_path_factory):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = servers.Server(request.param, 1, tmp_path_factory.mktemp("server") / "1")
    made.start(max_allowed_packet="64M", local_infile="1")
    for statement in ACCOUNTS.split(";"):
        made.query(statement)
    made.has_ed25519 = not made.mysql and add_ed25519(made)
    made.query("CREATE TABLE app.t (id INT PRIMARY KEY, v LONGTEXT)")
    made.query("CREATE PROCEDURE app.two() BEGIN SELECT 1; SELECT 2; END")
    made.query("GRANT EXECUTE ON *.* TO 'app'@'%'")
    yield made
    made.process.kill()
    made.process.wait()


WAYS = {"own": (0, "0"), "split": (SPLIT, "0"), "moving": (SPLIT, "1")}
every_way = pytest.mark.parametrize("proxy", WAYS, indirect=True)


@pytest.fixture
def proxy(server, request):
    """own: a server connection for each session; split: they share them; moving: each statement has another one."""
    server.query("DELETE FROM app.t")
    listener, forgets = WAYS[getattr(request, "param", "own")]
    made = Proxy("--sessions", "20", "--pool-forgets", forgets)
    made.main = listener
    made.accounts_of(server)
    made.route(servers=[server])
    yield made
    made.stop()


@pytest.mark.parametrize("user, password", [("app", "apppw"), ("empty", ""), ("other", "otherpw")])
def test_right_password(proxy, user, password):
    """An account of the server would not get in through the proxy."""
    for _ in range(2):  # the second time by the fast path
        conn = proxy.connect(user, password)
        assert one(conn, "SELECT USER()").startswith(user + "@")
        conn.close()


@pytest.mark.parametrize(
    "user, password",
    [
        ("app", "wrong"),
        ("app", ""),
        ("empty", "x"),
        ("nobody", "x"),
        ("nobody", ""),
        ("other", "wrong"),
    ],
)
def test_wrong_password(proxy, user, password):
    """Anybody would get in, or could tell which accounts exist."""
    for _ in range(2):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            proxy.connect(user, password)
        uses = "YES" if password else "NO"
        assert caught.value.args == (
            DENIED,
            f"Access denied for user '{user}'@'127.0.0.1' (using password: {uses})",
        )


@pytest.mark.only_for("mariadb")
def test_ed25519(proxy, server):
    """MariaDB accounts with ed25519 could not use the proxy."""
    if not server.has_ed25519:
        pytest.skip("the server has no plugin ed25519")
    for _ in range(2):
        assert one(proxy.connect("ed", "edpw"), "SELECT CURRENT_USER()") == "ed@%"
    assert errno_of(lambda: proxy.connect("ed", "wrong")) == DENIED


def test_locked_account(proxy, server):
    """A locked account would get in through the proxy."""
    assert errno_of(lambda: proxy.connect("locked", "lockedpw")) == (3118 if server.mysql else 4151)
    assert errno_of(lambda: proxy.connect("locked", "wrong")) == DENIED


def test_server_says_no(proxy):
    """What the server has against a log-in must reach the client in its own words."""
    with pytest.raises(pymysql.err.OperationalError) as caught:
        proxy.connect("admin", "adminpw", database="nosuch")
    assert caught.value.args == (NO_SCHEMA, "Unknown database 'nosuch'")


def test_login_waits_for_accounts_and_route(server):
    """Clients that come while the proxy starts would be refused."""
    made = Proxy()
    try:
        box = []
        thread = threading.Thread(target=lambda: box.append(made.connect()))
        thread.start()
        wait_until(lambda: made.status()["sessions"] == 1, "the client is there")
        made.accounts_of(server)
        made.route(servers=[server])
        thread.join(10)
        assert one(box[0], "SELECT 1") == 1
    finally:
        made.stop()


def test_too_many_sessions(proxy):
    """Without a limit clients could use the host's memory up."""
    conns = [proxy.connect() for _ in range(20)]
    assert errno_of(proxy.connect) == TOO_MANY
    conns.pop().close()
    wait_until(lambda: proxy.status()["sessions"] == 19, "its place is free")
    proxy.connect()


@every_way
def test_command_line_client(proxy, server):
    """The client that every DBA uses, with several statements and a wrong one."""
    out = subprocess.run(
        [
            shutil.which("mariadb") or "mysql",
            "--no-defaults",
            "-h127.0.0.1",
            f"-P{proxy.ports[proxy.main]}",
            "-uapp",
            "-papppw",
            "--skip-ssl",
            "--force",
            "-N",
            "app",
        ],
        input="SELECT 1; SELECT nope; SHOW TABLES; CALL two();\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.stdout.split() == ["1", "t", "1", "2"] and "Unknown column 'nope'" in out.stderr, out


@every_way
def test_large_results_and_statements(proxy):
    """Packets of 16 MB and more are split; a slip there loses the connection or data."""
    conn = proxy.connect(database="app", max_allowed_packet=64 << 20)
    for index, size in enumerate((0xFFFFFF - 60, 0xFFFFFF, 0xFFFFFF + 1, 20 << 20)):
        run(conn, "INSERT INTO t VALUES (%s, %s)", (index, "x" * size))
        assert one(conn, "SELECT LENGTH(v) FROM t WHERE id=%s", (index,)) == size
        assert len(one(conn, "SELECT v FROM t WHERE id=%s", (index,))) == size
    # exactly on the frame's limit
    sql = "SELECT LENGTH('" + "y" * (0xFFFFFF - 1 - len("SELECT LENGTH('')")) + "')"
    assert one(conn, sql) == len(sql) - len("SELECT LENGTH('')")
    assert proxy.status()["transactions_open"] == 1
    conn.rollback()
    wait_until(lambda: proxy.status()["transactions_open"] == 0, "it is counted no more")


def memory_kb(proxy):
    text = pathlib.Path(f"/proc/{proxy.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])


@every_way
def test_slow_reader_costs_no_memory(proxy):
    """A client that doesn't read its result would fill the proxy's memory."""
    conn = proxy.connect(database="app", cursorclass=pymysql.cursors.SSCursor)
    before = memory_kb(proxy)
    cur = conn.cursor()
    cur.execute(
        "WITH RECURSIVE s AS (SELECT 1 n UNION ALL SELECT n+1 FROM s WHERE n<1000)"
        " SELECT REPEAT('z', 500) FROM s a, s b LIMIT 200000"
    )
    time.sleep(0.5)
    assert memory_kb(proxy) - before < 8192
    assert sum(1 for _ in cur) == 200000
    assert memory_kb(proxy) - before < 16384


@every_way
def test_several_results(proxy):
    """Multi-statements and procedures give several results for one command."""
    conn = proxy.connect(database="app", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    with conn.cursor() as cur:
        cur.execute("SELECT 1; INSERT INTO t VALUES (1, 'a'); CALL two()")
        results = [cur.fetchall()]
        while cur.nextset():
            results.append(cur.fetchall())
    assert [r for r in results if r] == [((1,),), ((1,),), ((2,),)]
    assert one(conn, "SELECT COUNT(*) FROM t") == 1


@every_way
def test_load_data_local(proxy, tmp_path):
    """LOAD DATA LOCAL sends a file in the middle of a command."""
    path = tmp_path / "rows.txt"
    path.write_text("".join(f"{i}\trow {i}\n" for i in range(50000)))
    conn = proxy.connect(database="app", local_infile=True)
    assert run(conn, f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t") == 50000
    assert errno_of(lambda: run(conn, "LOAD DATA LOCAL INFILE '/nonexistent' INTO TABLE t")) == 1017
    assert one(conn, "SELECT COUNT(*) FROM t") == 50000


def test_unknown_commands_are_refused(proxy):
    """A replica or a tool that the proxy can't carry must be told so."""
    conn = proxy.connect()
    for command in (0x12, 0x08, 0x20, 0x77):
        conn._execute_command(command, b"1234567890")  # pylint: disable=protected-access
        assert errno_of(conn._read_ok_packet) == 1047  # pylint: disable=protected-access
    assert one(conn, "SELECT 1") == 1
    conn.ping(reconnect=False)


class Binary:
    """proxy_client on the binary protocol."""

    def __init__(self, proxy):
        path = os.environ.get(
            "PROXY_CLIENT", str(pathlib.Path(driver_path()).parent / "proxy_client")
        )
        self.process = subprocess.Popen(
            [path, str(proxy.ports[proxy.main]), "app", "apppw"],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout.readline() == "ok\n"

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def quit(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        assert self.process.wait(10) == 0


def lose_connections(server):
    """Ends all of the application's connections at the server, as a crash would."""
    for row in server.query("SELECT id FROM information_schema.processlist WHERE user='app'"):
        server.query(f"KILL {row[0]}")


@every_way
def test_prepared_statements(proxy, server):
    """The binary protocol: ids, types and pieces must fit the server connection, also a new one."""
    client = Binary(proxy)
    assert client.say("prepare SELECT ? + ?") == "ok 2"
    assert client.say("bind 1 2") == "ok 3"
    assert client.say("again 3 4") == "ok 7"
    lose_connections(server)
    wait_until(lambda: proxy.status()["troubles"] > 0, "the loss is seen")
    assert client.say("again 5 6") == "ok 11"
    assert client.say("close") == "ok"
    assert client.say("prepare SELECT CONCAT('<', ?, '>')") == "ok 1"
    assert client.say("long " + "ab" * 2000) == "ok"
    assert client.say("execute") == "ok <" + "ab" * 2000 + ">"
    lose_connections(server)
    assert client.say("long cd") == "ok"
    assert client.say("execute") == "ok <cd>"
    assert client.say("reset") == "ok"
    assert client.say("prepare SELECT nope").startswith("error 1054")
    client.quit()


@every_way
def test_cursor(proxy):
    """Rows fetched in portions by a server-side cursor."""
    client = Binary(proxy)
    assert (
        client.say("prepare SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5")
        == "ok 0"
    )
    assert client.say("cursor") == "ok 1 2 3 4 5"
    assert client.say("execute") == "ok 1 2 3 4 5"
    client.quit()


@every_way
def test_change_user_and_reset(proxy, server):
    """Connection pools reset a connection before they hand it on."""
    client = Binary(proxy)
    server.query("GRANT SELECT ON *.* TO 'other'@'127.0.0.%'")
    assert client.say("change other otherpw") == "ok"
    assert client.say("prepare SELECT CURRENT_USER()") == "ok 0"
    assert client.say("execute") == "ok other@127.0.0.%"
    assert client.say("resetconn") == "ok"
    assert client.say("prepare SELECT 5") == "ok 0"
    assert client.say("execute") == "ok 5"
    assert client.say("change other wrong").startswith(f"error {DENIED}")
    client.quit()


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x00\x00\x01",
        b"\xff\xff\xff\x01" + b"a" * 4096,
        b"\x05\x00\x00\x07abcde",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x20\x00\x00\x01" + b"\xff" * 32,
    ],
    ids=["empty", "huge", "order", "http", "ones"],
)
def test_junk_at_login(proxy, junk):
    """A broken or hostile client must not take the proxy down."""
    with socket.create_connection(("127.0.0.1", proxy.ports[proxy.main]), timeout=5) as sock:
        sock.recv(4096)
        try:
            sock.sendall(junk)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass
        except OSError:
            pass  # the proxy did not even read it all
    assert one(proxy.connect(), "SELECT 1") == 1


@every_way
def test_session_tracking_is_the_clients_own(proxy):
    """The proxy's own interest in session state must not show: clients would see variables they never asked for."""
    conn = proxy.connect()
    run(conn, "SET SESSION group_concat_max_len=5000")
    assert one(conn, "SELECT @@group_concat_max_len") == 5000
    run(conn, "SET SESSION session_track_system_variables='time_zone'")
    run(conn, "SET time_zone='+05:00'")
    assert one(conn, "SELECT 1") == 1


@every_way
def test_kill_by_the_ids_clients_know(proxy, server):
    """Drivers cancel a statement by KILL QUERY with the id from the greeting."""
    killer = proxy.connect(database="app")
    for _ in range(4):  # sessions are spread over workers
        victim = proxy.connect(database="app")
        box = []
        thread = threading.Thread(
            target=lambda v=victim, b=box: b.append(
                errno_of(
                    lambda: run(
                        v,
                        "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b,"
                        " information_schema.columns c",
                    )
                )
            )
        )
        thread.start()
        wait_until(
            lambda: server.value(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE"
                " '%columns c' AND info NOT LIKE '%processlist%'"
            )
            == 1,
            "it runs",
        )
        run(killer, f"KILL QUERY {victim.thread_id()}")
        thread.join(20)
        assert box == [1317]
        assert one(victim, "SELECT 1") == 1
        run(killer, f"kill {victim.thread_id()}")
        assert errno_of(lambda v=victim: run(v, "SELECT 1")) in (2013, 2006, 1317)
    assert errno_of(lambda: run(killer, "KILL 1099999999")) == 1094
    if server.mysql:
        return  # MySQL 9 has no COM_PROCESS_KILL
    other = proxy.connect(database="app")
    killer.kill(other.thread_id())
    assert errno_of(lambda: run(other, "SELECT 1")) in (2013, 2006, 1317)
