"""A sandbox must come up whole, bear crashes, and leave nothing behind."""

import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pymysql
import pytest

import sandbox as sandbox_module

FLAVORS = ["mariadb", "mysql", "mariadb-11.8"]


class Place:
    """A folder for sandboxes of one test, and the program with it in its environment."""

    def __init__(self, folder, prefix=(), home=None):
        self.folder = folder
        self.prefix = list(prefix)
        self.env = {**os.environ, "MUSTER_SANDBOX_DIR": str(folder)}
        if home:
            self.env["HOME"] = str(home)
            # Of another user: closed to whom the home belongs.
            for name in ("TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
                self.env.pop(name, None)

    def start(self, *words):
        return subprocess.Popen(
            self.words(words), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def words(self, words):
        return [*self.prefix, sandbox_module.muster_program(), "sandbox", *map(str, words)]

    def run(self, *words, check=True):
        done = subprocess.run(
            self.words(words), env=self.env, capture_output=True, text=True, timeout=180
        )
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done

    def json(self, *words):
        return json.loads(self.run(*words, "--json").stdout)

    def shell(self, name):
        return sandbox_module.parse_env(self.run("env", name).stdout)

    def muster(self, name, *words):
        env = self.shell(name)
        words = [sandbox_module.muster_program(), *words, "--socket", env["MUSTER_SOCKET"]]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_healthy(self, name):
        self.muster(name, "wait", name, "healthy", "--timeout", "60")

    def connect(self, name, port=None):
        env = self.shell(name)
        return pymysql.connect(
            host=env["MUSTER_HOST"],
            port=port or int(env["MUSTER_WRITE_PORT"]),
            user=env["MUSTER_USER"],
            password=env["MUSTER_PASSWORD"],
            autocommit=True,
        )

    def ports(self, name):
        words = self.shell(name)["MUSTER_SERVERS"].split()
        return {word.partition("=")[0]: int(word.rpartition(":")[2]) for word in words}


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path / "s")
    yield made
    remove_all(made)


def remove_all(place):
    if place.folder.exists():
        for name in sorted(path.name for path in place.folder.iterdir() if path.is_dir()):
            place.run("down", name, check=False)


def binaries(flavor):
    try:
        folder = sandbox_module.binaries_of(flavor)
    except sandbox_module.Missing as why:
        pytest.skip(str(why))
    words = ["--flavor", sandbox_module.FLAVORS[flavor][0]]
    return words + (["--binaries", folder] if folder else [])


def processes_of(folder):
    """Ids of the processes whose command line names something in the folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words:
                found.append(int(entry.name))
    return found


def query(place, name, port, sql):
    with place.connect(name, port) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def one_line(done, status):
    assert done.returncode == status, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_up_gives_what_env_says_and_down_leaves_nothing(place, flavor):
    """A script is pointed at a sandbox by its variables; afterwards the machine is as before."""
    up = place.json("up", "one", "--servers", "2", *binaries(flavor))
    assert up["state"] == "up" and len(up["servers"]) == 2
    assert {"one"} == {row["name"] for row in place.json("list")}
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE made_by_app")
    env = place.shell("one")
    assert env["MUSTER_GROUP"] == "one"
    assert stat.S_IMODE(os.stat(place.folder / "one" / "secrets" / "app.password").st_mode) == 0o600
    assert env["MUSTER_PASSWORD"] not in json.dumps(up)
    assert len(processes_of(place.folder)) == 3
    place.run("down", "one")
    assert processes_of(place.folder) == []
    assert not (place.folder / "one").exists()
    assert place.json("list") == []


@pytest.mark.parametrize("flavor", FLAVORS)
def test_the_application_cannot_write_to_a_replica(place, flavor):
    """A client that reaches a replica by mistake must not make it diverge."""
    place.run("up", "one", "--servers", "2", *binaries(flavor))
    primary = place.json("list")[0]
    writable = 0
    for server in primary["servers"]:
        with place.connect("one", server["port"]) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(f"CREATE DATABASE on_{server['name']}")
                writable += 1
            except pymysql.err.MySQLError as refusal:
                assert refusal.args[0] == 1290
            with pytest.raises(pymysql.err.MySQLError):
                cursor.execute("SET GLOBAL read_only=0")
    assert writable == 1


def test_sandboxes_side_by_side_know_nothing_of_each_other(place):
    """Two at once, started at the same moment, with the same template."""
    children = [place.start("up", name, "--servers", "2") for name in ("left", "right")]
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors
    ports = [*place.ports("left").values(), *place.ports("right").values()]
    for name in ("left", "right"):
        env = place.shell(name)
        ports += [int(env["MUSTER_WRITE_PORT"]), int(env["MUSTER_READ_PORT"])]
        with place.connect(name) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE of_{name}")
    assert len(set(ports)) == 8
    place.run("down", "left")
    with place.connect("right") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE 'of%'")
        assert cursor.fetchall() == (("of_right",),)


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_an_unprivileged_user_can_have_one(tmp_path, flavor):
    """No root is needed for servers, template or muster."""
    if os.geteuid() != 0:
        pytest.skip("runs as an unprivileged user already")
    words = binaries(flavor)
    home = pathlib.Path(f"/tmp/muster-nobody-{os.getpid()}")
    home.mkdir(mode=0o755)
    shutil.chown(home, "nobody", "nogroup")
    program = home / "muster"
    shutil.copy(sandbox_module.muster_program(), program)
    if "--binaries" in words:
        # The home of the user who runs the tests may be closed to others.
        shutil.copytree(pathlib.Path(words[-1]).parent, home / "servers", symlinks=True)
        words[-1] = str(home / "servers" / "bin")
    place = Place(
        home / "s",
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"],
        home,
    )
    place.words = lambda rest: [*place.prefix, str(program), "sandbox", *map(str, rest)]
    try:
        place.run("up", "one", *words)
        owners = {os.stat(f"/proc/{pid}").st_uid for pid in processes_of(place.folder)}
        assert owners == {home.stat().st_uid}
        with place.connect("one") as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE unprivileged")
        place.run("down", "one")
        assert processes_of(place.folder) == []
    finally:
        remove_all(place)
        shutil.rmtree(home)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_killed_primary_comes_back_with_every_row(place, flavor):
    """Crash recovery may take back the newest commits of the dead primary, acknowledged ones too:
    it must fetch them again from the others, although it wrote them itself."""
    place.run("up", "one", *binaries(flavor))
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE t")
        cursor.execute("CREATE TABLE t.a (id INT PRIMARY KEY)")
    for turn in range(2):
        with place.connect("one") as connection, connection.cursor() as cursor:
            for row in range(10):
                cursor.execute("INSERT INTO t.a VALUES (%s)", (turn * 100 + row,))
        place.run("kill", "one", "primary")
        with place.connect("one") as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO t.a VALUES (%s)", (turn * 100 + 99,))
        place.run("start", "one")
        place.wait_healthy("one")
        counts = {
            name: query(place, "one", port, "SELECT COUNT(*), SUM(id) FROM t.a")
            for name, port in place.ports("one").items()
        }
        assert len(set(counts.values())) == 1, counts


@pytest.mark.parametrize("flavor", FLAVORS)
def test_what_nobody_acknowledged_is_taken_back(place, flavor):
    """A commit that waited for its acknowledgement when the primary died is on its disk only: it
    must not keep the server out of the group, nor come back to life."""
    place.run("up", "one", *binaries(flavor))
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE t")
        cursor.execute("CREATE TABLE t.a (id INT PRIMARY KEY, words TEXT)")
        cursor.execute("INSERT INTO t.a VALUES (1, '')")
    place.wait_healthy("one")
    place.run("stop", "one", "muster")
    ports = place.ports("one")
    for name in ("db2", "db3"):
        stop_receiving(place, ports[name], flavor)
    writer = threading.Thread(target=write_and_wait_in_vain, args=(place, ports["db1"]))
    writer.start()
    log = place.folder / "one" / "db1" / "data" / "binlog.000001"
    wait_for(lambda: b"never acknowledged" in log.read_bytes())
    place.run("kill", "one", "db1")
    writer.join()
    place.run("cont", "one", "muster")
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t.a VALUES (3, '')")
    rows = place.json("start", "one")["servers"]
    row = next(row for row in rows if row["server"] == "db1")
    assert row["started"] and row["rewound"]
    if flavor == "mysql":
        assert row["taken_back"] == 1 and row["removed"]
    place.wait_healthy("one")
    for port in place.ports("one").values():
        assert query(place, "one", port, "SELECT id FROM t.a ORDER BY id") == ((1,), (3,))


def stop_receiving(place, port, flavor):
    """As the manager's account, behind the manager's back."""
    password = (place.folder / "one" / "secrets" / "manager.password").read_text().strip()
    word = "REPLICA" if flavor == "mysql" else "SLAVE"
    connection = pymysql.connect(host="127.0.0.1", port=port, user="muster", password=password)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"STOP {word} IO_THREAD")


def write_and_wait_in_vain(place, port):
    with pytest.raises(pymysql.err.MySQLError):
        with place.connect("one", port) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO t.a VALUES (2, 'never acknowledged')")


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_reset_server_gets_everything_again(place):
    """Also what it wrote itself when it was the primary."""
    place.run("up", "one", "--servers", "2")
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE t")
        cursor.execute("CREATE TABLE t.a (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO t.a VALUES (1)")
    place.muster("one", "switchover", "one")
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t.a VALUES (2)")
    place.wait_healthy("one")
    place.run("reset", "one", "db1")
    place.wait_healthy("one")
    for port in place.ports("one").values():
        assert query(place, "one", port, "SELECT id FROM t.a ORDER BY id") == ((1,), (2,))


def test_everything_killed_and_started_again(place):
    """A power cut of the whole machine, as far as it can be had here."""
    place.run("up", "one")
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE t")
    for name in ("muster", "db1", "db2", "db3"):
        place.run("kill", "one", name)
    assert place.json("list")[0]["state"] == "down"
    assert processes_of(place.folder) == []
    place.run("start", "one")
    place.wait_healthy("one")
    with place.connect("one") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t.a (id INT PRIMARY KEY)")


def test_stop_and_cont(place):
    """A hang is told from a crash."""
    place.run("up", "one", "--servers", "2")
    place.run("stop", "one", "db2")
    states = {row["name"]: row["state"] for row in place.json("list")[0]["servers"]}
    assert states == {"db1": "running", "db2": "stopped"}
    place.run("cont", "one", "db2")
    place.wait_healthy("one")
    place.run("kill", "one", "db2")
    place.run("kill", "one", "db2")
    assert "is down" in one_line(place.run("stop", "one", "db2", check=False), 1)


def test_a_taken_port_is_told(place):
    """The person must know which port, and nothing else may change."""
    place.run("up", "one", "--servers", "2")
    place.run("kill", "one", "db2")
    port = place.ports("one")["db2"]
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        line = one_line(place.run("start", "one", "db2", check=False), 1)
        assert f"127.0.0.1:{port}" in line and "in use" in line
    place.run("start", "one", "db2")
    place.wait_healthy("one")


@pytest.mark.parametrize(
    "words, status, said",
    [
        (["up", "x", "--binaries", "/nowhere"], 1, "no mariadbd or mysqld in '/nowhere'"),
        (["up", "x", "--flavor", "oracle"], 2, "'oracle' is no flavor"),
        (["up", "X"], 2, "'X' is no name for a sandbox"),
        (["up", "x", "--servers", "10"], 2, "10"),
        (["down", "x"], 1, "no sandbox 'x'"),
        (["env", "x"], 1, "no sandbox 'x'"),
        (["kill", "x", "db1"], 1, "no sandbox 'x'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_and_do_nothing(place, words, status, said):
    """Nothing is made, and the line says what was wrong."""
    assert said in one_line(place.run(*words, check=False), status)
    assert place.json("list") == []


def test_missing_mysql_says_how_to_get_it(place):
    """Nobody should have to read the manual for that."""
    place.env.update(PATH="/usr/bin:/bin", MUSTER_SERVER_CACHE="/nowhere")
    line = one_line(place.run("up", "x", "--flavor", "mysql", check=False), 1)
    assert "dev/get-server mysql" in line


def test_up_again_is_refused(place):
    """A sandbox in use is not overwritten."""
    place.run("up", "one", "--servers", "1", "--async")
    assert "is there already" in one_line(place.run("up", "one", check=False), 1)
    assert "no server 'db7'" in one_line(place.run("kill", "one", "db7", check=False), 1)
    place.wait_healthy("one")


def broken_server(folder):
    """A mariadbd that can do everything but serve."""
    real = shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin")
    if not real or not os.path.exists("/usr/share/mysql/mysql_system_tables.sql"):
        pytest.skip("mariadbd is not installed here as a package")
    (folder / "bin").mkdir(parents=True)
    (folder / "share").mkdir()
    (folder / "share" / "mysql").symlink_to("/usr/share/mysql")
    script = folder / "bin" / "mariadbd"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in\n*--version* | *--bootstrap*) exec {real} "$@" ;;\nesac\n'
        'echo "[ERROR] out of luck" >&2\nexit 1\n'
    )
    script.chmod(0o755)
    return folder / "bin"


def test_a_server_that_does_not_start(place, tmp_path):
    """Its own reason is told; nothing goes on and, unless asked for, nothing stays."""
    words = ["up", "one", "--binaries", broken_server(tmp_path / "broken")]
    done = place.run(*words, check=False)
    assert done.returncode == 1
    assert "out of luck" in done.stderr.strip().splitlines()[-1]
    assert processes_of(place.folder) == []
    assert not (place.folder / "one").exists()
    done = place.run(*words, "--keep", check=False)
    assert done.returncode == 1
    assert processes_of(place.folder) == []
    assert "out of luck" in (place.folder / "one" / "db1" / "server.log").read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_up_that_is_ended_in_the_middle(place, how):
    """Ctrl-C clears up at once; after kill -9, `down` finds every process there is."""
    child = place.start("up", "one")
    end = time.monotonic() + 30
    while not list(place.folder.glob("one/db*/pid")) and time.monotonic() < end:
        time.sleep(0.002)
    child.send_signal(how)
    child.communicate(timeout=60)
    if how == signal.SIGKILL:
        place.run("down", "one")
    assert processes_of(place.folder) == []
    assert not (place.folder / "one").exists()


def test_a_deep_folder_has_short_sockets(place, tmp_path):
    """The path of a Unix socket has at most 107 bytes; folders are deeper than that."""
    place.folder = tmp_path / "deep and deeper" / ("deep" * 12)
    place.env["MUSTER_SANDBOX_DIR"] = str(place.folder)
    place.run("up", "one", "--servers", "1", "--async")
    sockets = pathlib.Path(place.shell("one")["MUSTER_SOCKET"]).parent
    assert len(str(sockets)) < 100
    place.run("down", "one")
    assert not sockets.exists()
