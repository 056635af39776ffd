"""If a server that comes back were misjudged, what only it has would be lost, or merged into everybody's data.

Real groups: a primary that is lost with a tail, servers that are behind, behind what is still there, empty, or
another one's; each is told apart, its tail is saved, and it is made anew.
"""

import json
import os
import pathlib
import re
import subprocess
import threading

import pymysql
import pytest

import sandbox as sandbox_module
from sandbox import wait_until

FLAVORS = ("mariadb", "mysql")


def make(flavor, policy):
    try:
        return sandbox_module.Sandbox(f"rj{flavor[:2]}{os.getpid()}", flavor, 3, policy)
    except sandbox_module.Missing as why:
        pytest.skip(str(why))


@pytest.fixture(params=FLAVORS)
def shop(request):
    with make(request.param, "async") as made:
        yield made


@pytest.fixture(params=FLAVORS)
def lossless(request):
    with make(request.param, "lossless") as made:
        yield made


def as_root(shop, name, *statements):
    """Rows of the last statement, as the administrator of that server."""
    folder = pathlib.Path(shop.env["MUSTER_SOCKET"]).parent
    secret = (folder / "secrets" / "root.password").read_text().splitlines()[0]
    with pymysql.connect(
        unix_socket=str(folder / f"{name}.sock"), user="root", password=secret, autocommit=True
    ) as conn, conn.cursor() as cur:
        for statement in statements:
            cur.execute(statement)
        return cur.fetchall()


def server_of(shop, name):
    return next(one for one in shop.status()["servers"] if one["name"] == name)


def wait_state(shop, name, *states):
    try:
        wait_until(lambda: server_of(shop, name)["state"] in states, 30, f"{name} is {states}")
    except TimeoutError as why:
        story = shop.muster("events", shop.group, "--wide").stdout
        raise AssertionError(f"{why}: {server_of(shop, name)}\n{story}") from None


def write(shop, *statements):
    with shop.connect() as conn, conn.cursor() as cur:
        for statement in statements:
            cur.execute(statement)


def rows_of(shop, name):
    port = server_of(shop, name)["port"]
    with shop.connect(port) as conn, conn.cursor() as cur:
        cur.execute("SELECT id, t FROM app.t ORDER BY id")
        return cur.fetchall()


def lose_primary_with_a_tail(shop):
    """db1 writes what no replica gets, and dies; db2 or db3 takes over and writes. The new primary's name."""
    write(
        shop,
        "CREATE DATABASE app",
        "CREATE TABLE app.t (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB",
        "INSERT INTO app.t VALUES (1, 'both')",
    )
    wait_until(lambda: all(has_table(shop, f"db{n}") for n in (2, 3)), 20, "in step")
    # db2 is back first and has all that db3 has: a heartbeat that only db3 got would be a second tail.
    for name in ("db3", "db2"):
        shop.server_command("kill", name)
    write(shop, "INSERT INTO app.t VALUES (2, 'lost')", "UPDATE app.t SET t='lost too' WHERE id=1")
    shop.server_command("kill", "db1")
    for name in ("db2", "db3"):
        shop.server_command("start", name)
    wait_until(lambda: shop.primary() in ("db2", "db3"), 30, "a failover")
    wait_until(lambda: takes_writes(shop), 30, "the new primary takes writes")
    write(shop, "INSERT INTO app.t VALUES (3, 'new')")
    return shop.primary()


def has_table(shop, name):
    try:
        return len(rows_of(shop, name)) == 1
    except pymysql.err.Error:
        return False


def takes_writes(shop):
    try:
        write(shop, "DELETE FROM app.t WHERE id=-1")
        return True
    except pymysql.err.Error:
        return False


def test_a_lost_tail_is_named_and_saved(shop, tmp_path):
    primary = lose_primary_with_a_tail(shop)
    shop.server_command("start", "db1")
    wait_state(shop, "db1", "diverged")
    other = next(name for name in ("db2", "db3") if name != primary)
    wait_state(shop, other, "replicating")
    status = server_of(shop, "db1")
    assert status["next"] == f"muster rejoin {shop.group} db1 --plan"
    report = shop.status()["last_failover"]
    assert report["loss"]["gtid"] == status["extra"] != ""
    text = shop.muster("status", shop.group).stdout
    assert f"lost: {status['extra']}" in text and status["next"] in text

    plan = shop.json("rejoin", "db1", "--plan")
    assert plan["class"] == "diverged" and plan["primary"] == primary
    assert plan["extra"] == status["extra"] and plan["extra_count"] >= 2
    assert not plan["automatic"] and plan["donor"] not in ("db1", primary)
    assert [way["way"] for way in plan["ways"]] == ["--export-tail", "--reclone"]
    assert shop.muster("rejoin", shop.group, "db1").stdout.startswith("db1: diverged\n")
    assert server_of(shop, "db1")["executed"] == status["executed"]

    saved = shop.json("rejoin", "db1", "--export-tail", "--to", str(tmp_path / "tails"))["tail"]
    assert saved["transactions"] == plan["extra_count"] and saved["missing"] == ""
    story = pathlib.Path(saved["story"]).read_text()
    assert "app.t: 1 inserted" in story and "app.t: 1 updated" in story, story
    assert plan["extra"] in story
    assert pathlib.Path(saved["binlog"]).parent == tmp_path / "tails"
    again = shop.json("rejoin", "db1", "--export-tail")["tail"]
    assert f"/tails/{shop.group}/db1-" in again["binlog"]
    assert pathlib.Path(again["binlog"]).read_bytes() == pathlib.Path(saved["binlog"]).read_bytes()

    without = shop.muster("rejoin", "db1", "--reclone", check=False)
    assert without.returncode == 4 and "only db1 has" in without.stderr, without.stderr
    assert server_of(shop, "db1")["state"] == "diverged"
    with Load(shop) as load:
        done = reclone(shop, "db1")
    assert done["donor"] not in ("db1", primary) and done["tail"]["missing"] == ""
    assert pathlib.Path(done["tail"]["binlog"]).exists()
    shop.wait_healthy()
    assert load.acked
    check_same(shop, "db1", primary)
    assert "lost" not in str(rows_of(shop, "db1"))


class Load:
    """One client that inserts row after row, while it is asked to."""

    def __init__(self, shop):
        self.shop = shop
        self.acked = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        row = 1000
        while not self.over.wait(0.005):
            row += 1
            try:
                with self.shop.connect() as conn, conn.cursor() as cur:
                    cur.execute("INSERT INTO app.t VALUES (%s, 'load')", (row,))
                self.acked.append(row)
            except pymysql.err.Error:
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(30)


def job_of(shop):
    return shop.status()["rejoin"] or {}


def reclone(shop, name, *more):
    """Follows it to the end; a server that nobody supervises (MySQL's clone ends it) is started here."""
    command = subprocess.Popen(
        [sandbox_module.muster_program(), "rejoin", name, "--reclone", "--yes", "--json", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=shop.full_env(),
    )
    try:
        wait_until(
            lambda: command.poll() is not None or "start it" in job_of(shop).get("doing", ""),
            60,
            "the copy ends",
        )
        wait_until(lambda: command.poll() is not None or start(shop, name), 60, "it comes back")
        out, words = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 0, words
    return json.loads(out)


def start(shop, name):
    """Starts it, unless its process is still about to end; never true, so that it is tried again."""
    shop.server_command("start", name)
    return False


def check_same(shop, name, primary):
    wait_until(lambda: rows_of(shop, name) == rows_of(shop, primary), 20, "the same rows")


@pytest.mark.only_for("mariadb")  # what is asked here is refused before any server is
def test_what_makes_no_sense_is_refused_in_one_line(shop):
    def refused(status, *words):
        done = shop.muster("rejoin", *words, check=False)
        lines = done.stderr.splitlines()
        assert done.returncode == status and len(lines) == 1, done.stderr
        return lines[0]

    assert "has no server 'db9'" in refused(1, "db9")
    assert "is the primary" in refused(4, shop.primary())
    assert "no transaction that the primary lacks" in refused(4, "db2", "--export-tail")
    assert "choose one" in refused(2, "db2", "--plan", "--export-tail")
    assert "choose one" in refused(2, "db2", "--plan", "--reclone")
    assert "--donor goes with --reclone" in refused(2, "db2", "--donor", "db1")
    assert "'db2' can't be the donor" in refused(4, "db2", "--reclone", "--yes", "--donor", "db2")
    assert "has no server 'db9'" in refused(1, "db2", "--reclone", "--yes", "--donor", "db9")
    assert "--to goes with --export-tail" in refused(2, "db2", "--to", "/tmp")
    done = shop.muster("rejoin", "db2", "--reclone", check=False)
    assert done.returncode == 4 and "Nothing is changed without --yes." in done.stderr
    plan = shop.json("rejoin", "db2")
    assert plan["class"] in ("new", "identical", "behind")
    assert plan["automatic"] and plan["extra"] == ""


def purge_logs(shop, primary):
    """All logs but the newest; MariaDB keeps one until the engine has passed a checkpoint behind it."""

    def is_gone():
        logs = as_root(shop, primary, "FLUSH BINARY LOGS", "SHOW BINARY LOGS")
        as_root(shop, primary, f"PURGE BINARY LOGS TO '{logs[-1][0]}'")
        return len(as_root(shop, primary, "SHOW BINARY LOGS")) == 1

    wait_until(is_gone, 20, "old logs are gone")


def test_one_that_lacks_what_is_purged_is_made_anew_without_loss(lossless):
    shop = lossless
    write(
        shop,
        "CREATE DATABASE app",
        "CREATE TABLE app.t (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB",
    )
    shop.server_command("kill", "db3")
    write(shop, "INSERT INTO app.t VALUES (1, 'while db3 was away')")
    purge_logs(shop, "db1")
    shop.server_command("start", "db3")
    wait_until(lambda: server_of(shop, "db3")["next"], 30, "what can be done is named")
    plan = shop.json("rejoin", "db3")
    assert plan["class"] == "purged" and not plan["automatic"] and plan["extra"] == ""
    assert plan["donor"] == "db2"
    assert "db3" in shop.status()["sync_set"]
    done = reclone(shop, "db3", "--donor", "db1")
    assert done["tail"] is None
    shop.wait_healthy()
    assert sorted(shop.status()["sync_set"]) == ["db2", "db3"]
    check_same(shop, "db3", "db1")
    events = [one["message"] for one in shop.json("events")["events"] if one["server"] == "db3"]
    assert any("the others hold all" in text for text in events), events


def test_behind_is_told_apart_and_so_is_a_stolen_id(shop):
    write(
        shop,
        "CREATE DATABASE app",
        "CREATE TABLE app.t (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB",
    )
    folder = pathlib.Path(shop.env["MUSTER_SOCKET"]).parent
    secret = (folder / "secrets" / "root.password").read_text().splitlines()[0]
    lock = pymysql.connect(unix_socket=str(folder / "db3.sock"), user="root", password=secret)
    with lock, lock.cursor() as cur:
        wait_until(lambda: has_table_of(shop, "db3"), 20, "db3 is there")
        cur.execute("FLUSH TABLES WITH READ LOCK")
        write(shop, "INSERT INTO app.t VALUES (1, 'new')")
        plan = shop.json("rejoin", "db3")
        assert plan["class"] == "behind" and plan["automatic"] and plan["missing_count"] > 0
        assert plan["donor"] == "db2"
    other = as_root(shop, "db2", "SELECT @@server_id")[0][0]
    as_root(shop, "db3", f"SET GLOBAL server_id={other}")
    assert shop.json("rejoin", "db3")["class"] == "other"
    done = shop.muster("rejoin", "db3", "--reclone", "--yes", check=False)
    assert done.returncode == 4 and "of another server of the group" in done.stderr
    assert job_of(shop)["destroyed"] is False


def has_table_of(shop, name):
    try:
        rows_of(shop, name)
        return True
    except pymysql.err.Error:
        return False


OBJECTS = """
CREATE DATABASE app
CREATE DATABASE `od``d` CHARACTER SET latin1
CREATE TABLE app.t (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB
CREATE TABLE `od``d`.`ta ble` (a INT, b VARCHAR(20), g INT AS (a+1) STORED, f FLOAT, d DOUBLE,
 bits BIT(9), bin VARBINARY(30), ts TIMESTAMP(6) NULL, e ENUM('x','y'), n DECIMAL(30,10), p POINT, j JSON,
 hid INT INVISIBLE DEFAULT 7, KEY (a)) ENGINE=InnoDB
INSERT INTO `od``d`.`ta ble` (a,b,f,d,bits,bin,ts,e,n,p,j,hid) VALUES
 (1,CONCAT('gr',CHAR(252),'n'),16777217,0.1,b'100000001',X'00270a5c22ff','2026-03-29 02:30:00','y',
 -12345678901234567890.0123456789,POINT(1,2),'{"a": [1]}',42),
 (NULL,NULL,0.1,1e300,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)
CREATE TABLE app.parent (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB
INSERT INTO app.parent VALUES (NULL),(NULL),(5)
CREATE TABLE app.achild (id INT, FOREIGN KEY (id) REFERENCES app.parent (id)) ENGINE=InnoDB
INSERT INTO app.achild VALUES (5)
CREATE TABLE app.parted (id INT PRIMARY KEY) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 3
INSERT INTO app.parted VALUES (1),(2),(3)
CREATE SEQUENCE app.s START WITH 10 INCREMENT BY 3
SELECT NEXTVAL(app.s)
CREATE FUNCTION app.f (x INT) RETURNS INT DETERMINISTIC RETURN x * 2
CREATE VIEW app.av AS SELECT app.f(id) AS twice FROM app.zv
CREATE PROCEDURE app.pr () BEGIN DECLARE x INT DEFAULT 1; SELECT x; END
CREATE TABLE app.log (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT) ENGINE=InnoDB
CREATE TRIGGER app.tr AFTER INSERT ON app.t FOR EACH ROW INSERT INTO app.log (what) VALUES ('t;t')
INSERT INTO app.t VALUES (1, 'one')
CREATE EVENT app.ev ON SCHEDULE EVERY 1 HOUR DO INSERT INTO app.log (what) VALUES ('event')
CREATE USER 'reader'@'10.%' IDENTIFIED BY 'pw'
GRANT SELECT ON app.* TO 'reader'@'10.%'
"""


def dump(shop, name):
    """All that users made, as the server's own tool writes it."""
    folder = pathlib.Path(shop.env["MUSTER_SOCKET"]).parent
    secret = (folder / "secrets" / "root.password").read_text().splitlines()[0]
    names = [row[0] for row in as_root(shop, name, "SHOW DATABASES")]
    users = [one for one in names if one in ("app", "od`d")]
    done = subprocess.run(
        ["mariadb-dump", f"--socket={folder / f'{name}.sock'}", "--user=root", "--routines"]
        + ["--events", "--triggers", "--skip-dump-date", "--skip-extended-insert", "--hex-blob"]
        + ["--skip-comments", "--databases", *users],
        capture_output=True,
        text=True,
        env={**os.environ, "MYSQL_PWD": secret},
        check=False,
    )
    # On the copy events are those of a replica.
    return done.returncode, done.stdout.replace(" DISABLE ON SLAVE", " ENABLE")


def test_everything_that_users_made_comes_along(tmp_path_factory):
    with make("mariadb", "async") as shop:
        statements = OBJECTS.strip().replace("\n ", " ").splitlines()
        views = [one for one in statements if one.startswith("CREATE VIEW")]
        for statement in statements:
            if statement in views:
                # The one that sorts first stands on the one that sorts last.
                as_root(shop, "db1", "CREATE VIEW app.zv AS SELECT id FROM app.parent")
            as_root(shop, "db1", statement)
        wait_until(lambda: dump(shop, "db3") == dump(shop, "db1"), 30, "replicated")
        accounts = "SELECT * FROM mysql.global_priv ORDER BY 1, 2"
        # A stray account and a stray database go.
        as_root(
            shop,
            "db3",
            "SET sql_log_bin=0",
            "CREATE USER stray@localhost",
            "CREATE DATABASE stray",
        )
        done = reclone(shop, "db3")
        assert done["tables"] >= 7 and done["rows"] >= 11 and done["bytes"] > 0
        shop.wait_healthy()
        assert dump(shop, "db3") == dump(shop, "db1")
        assert dump(shop, "db1")[0] == 0
        assert as_root(shop, "db3", accounts) == as_root(shop, "db1", accounts)
        assert as_root(shop, "db3", "SHOW DATABASES") == as_root(shop, "db1", "SHOW DATABASES")
        exact = "SELECT a, b+0, HEX(b), CAST(f AS DOUBLE), d, hid, ts FROM `od``d`.`ta ble`"
        assert as_root(shop, "db3", exact) == as_root(shop, "db1", exact)
        state = "SELECT @@gtid_strict_mode, @@read_only"
        assert as_root(shop, "db3", state) == ((1, 1),)
        assert not as_root(shop, "db3", "SELECT * FROM app.log WHERE what='event'")
        # It can be the primary: its log goes on where the others' do.
        shop.muster("switchover", "--to", "db3")
        write(shop, "INSERT INTO app.t VALUES (2, 'two')", "SELECT NEXTVAL(app.s)")
        shop.wait_healthy()
        check_that_a_tail_is_not_given_up(shop)


def check_that_a_tail_is_not_given_up(shop):
    """What can't be saved any more stops the copy, unless a person gives it up by name."""
    as_root(shop, "db1", "INSERT INTO app.log (what) VALUES ('here too')")
    as_root(shop, "db2", "INSERT INTO app.log (what) VALUES ('only here')")
    wait_state(shop, "db1", "diverged")
    words = shop.muster("sandbox", "reset", shop.name, "db1").stderr
    saved = re.search("what only db1 has is saved: (.*)", words).group(1)
    assert pathlib.Path(saved).stat().st_size > 0
    # The primary was made anew itself: its logs don't reach back to the beginning.
    wait_until(lambda: server_of(shop, "db1")["state"] == "stopped", 30, "it asks in vain")
    assert shop.json("rejoin", "db1")["class"] == "purged"
    assert reclone(shop, "db1")["donor"] == "db3"
    wait_state(shop, "db1", "replicating")
    wait_state(shop, "db2", "diverged")
    purge_logs(shop, "db2")
    done = shop.muster("rejoin", "db2", "--reclone", "--yes", check=False)
    assert done.returncode == 4 and "--discard-tail" in done.stderr, done.stderr
    assert as_root(shop, "db2", "SELECT * FROM app.log WHERE what='only here'")
    done = shop.muster("sandbox", "reset", shop.name, "db2", check=False)
    assert done.returncode == 4 and "--discard-tail" in done.stderr, done.stderr
    assert server_of(shop, "db2")["state"] == "diverged"
    reclone(shop, "db2", "--discard-tail")
    shop.wait_healthy()
    assert not as_root(shop, "db2", "SELECT * FROM app.log WHERE what='only here'")


def test_a_table_without_snapshots_is_refused_before_anything_is_destroyed():
    with make("mariadb", "async") as shop:
        write(shop, "CREATE DATABASE app", "CREATE TABLE app.m (id INT) ENGINE=MyISAM")
        wait_until(
            lambda: as_root(shop, "db3", "SHOW TABLES IN app LIKE 'm'"), 20, "it is replicated"
        )
        done = shop.muster("rejoin", "db3", "--reclone", "--yes", check=False)
        assert done.returncode == 4 and "app.m" in done.stderr, done.stderr
        assert "destroyed" in shop.muster("events").stdout
        shop.wait_healthy()


def is_under_way(shop):
    job = job_of(shop)
    return job.get("destroyed") and (job["rows"] > 0 or job["doing"] == "cloning")


def test_a_manager_that_is_killed_in_the_middle_leaves_it_out(lossless):
    shop = lossless
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<60000)"
    limit = "max_recursive_iterations" if shop.flavor == "mariadb" else "cte_max_recursion_depth"
    write(
        shop,
        "CREATE DATABASE app",
        "CREATE TABLE app.t (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB",
    )
    with shop.connect() as conn, conn.cursor() as cur:
        cur.execute(f"SET SESSION {limit}=100000")
        for start in (0, 100000, 200000):
            cur.execute(f"INSERT INTO app.t {numbers} SELECT i+{start}, REPEAT('x', 300) FROM n")
    shop.wait_healthy()
    with Load(shop):
        command = subprocess.Popen(
            [sandbox_module.muster_program(), "rejoin", "db3", "--reclone", "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=shop.full_env(),
        )
        wait_until(lambda: is_under_way(shop), 60, "the copy is under way")
        shop.server_command("kill", "muster")
        assert command.wait(60) != 0
        if shop.flavor == "mysql":
            # Its own clone goes on; it ends since nobody supervises it.
            shop.muster("sandbox", "kill", shop.name, "db3")
            # The moment that a kill rarely hits: the logs are gone, and their index isn't written yet.
            folder = pathlib.Path(shop.env["MUSTER_SOCKET"]).parent
            for log in (folder / "db3" / "data").glob("binlog.0*"):
                log.unlink()
        shop.muster("sandbox", "start", shop.name)
    wait_state(shop, "db3", "recloning")
    assert shop.status()["sync_set"] == ["db2"]
    plan = shop.json("rejoin", "db3")
    assert plan["class"] == "unknown" and plan["unfinished"] and not plan["automatic"]
    assert "db3" not in plan["donor"]
    reclone(shop, "db3")
    shop.wait_healthy()
    assert sorted(shop.status()["sync_set"]) == ["db2", "db3"]
    check_same(shop, "db3", "db1")
