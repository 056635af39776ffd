"""A primary that answers and can't write: each cause is told apart on real servers, and treated as it should be.

One group of three servers for each flavor. The data of s1 and the binary log of s2 are on file systems of their own
where this machine lets us mount: one is frozen, the other filled up.
"""

import os
import pathlib
import shutil
import subprocess
import threading
import time

import pymysql
import pytest

import sandbox as sandbox_module
import servers
from cli_node import ACCOUNTS, Node, free_port

FLAVORS = ("mariadb-10.11", "mysql")
MANAGER = """[manager]
probe-interval-ms=100
write-probe-interval-ms=200
write-probe-timeout-ms=500
write-stall-ms=4000
silence-ms=5000
step-timeout-ms=2000
failover-cooldown-s=0
failover-max=0
"""
STALL_MS = 4000


class Disk:
    """A small file system of its own; `missing` says why there is none."""

    def __init__(self, folder, megabytes):
        self.image = folder.with_suffix(".img")
        self.folder = folder
        self.missing = None
        folder.mkdir()
        if os.geteuid() != 0:
            self.missing = "mounting needs root"
        elif not all(map(shutil.which, ("mkfs.ext4", "mount", "fsfreeze"))):
            self.missing = "mkfs.ext4, mount or fsfreeze is not installed"
        else:
            self.mount(megabytes)

    def mount(self, megabytes):
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        make = ["mkfs.ext4", "-q", "-F", "-m", "0", str(self.image)]
        mount = ["mount", "-o", "loop", str(self.image), str(self.folder)]
        for words in (make, mount):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.missing = f"{words[0]}: {done.stderr.strip()}"
                return

    def need(self):
        if self.missing:
            pytest.skip(f"no file system of its own for the server: {self.missing}")

    def freeze(self):
        subprocess.run(["fsfreeze", "-f", str(self.folder)], check=True)

    def thaw(self):
        subprocess.run(["fsfreeze", "-u", str(self.folder)], capture_output=True, check=False)

    def fill(self):
        for name, piece in (("fill", 1 << 20), ("fill-rest", 512)):
            with open(self.folder / name, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * piece)
                except OSError:
                    pass

    def empty(self):
        for name in ("fill", "fill-rest"):
            (self.folder / name).unlink(missing_ok=True)

    def close(self):
        if not self.missing:
            self.thaw()
            subprocess.run(["umount", "-l", str(self.folder)], check=False)


class Clinic:
    """A healthy group whose primary is made ill."""

    def __init__(self, flavor, folder):
        self.mysql = flavor == "mysql"
        self.data_disk = Disk(folder / "disk1", 500)
        self.log_disk = Disk(folder / "disk2", 48)
        self.servers = []
        self.node = Node(folder / "node", ACCOUNTS + MANAGER)
        try:
            self.begin(flavor, folder)
        except BaseException:
            self.close()
            raise

    def begin(self, flavor, folder):
        for number in (1, 2, 3):
            home = self.data_disk.folder if number == 1 else folder
            server = servers.Server(flavor, number, home / f"s{number}")
            self.servers.append(server)
            options = {"gtid_mode": "ON", "enforce_gtid_consistency": "ON"} if self.mysql else {}
            options["read_only"] = "1"
            if number == 1:
                options.update(self.side_door())
            if number == 2:
                options["log_bin"] = str(self.log_disk.folder / "binlog")
            server.start(wait=False, **options)
        for server in self.servers:
            server.wait_ready()
        self.node.start()
        words = [f"s{server.id}=127.0.0.1:{server.port}" for server in self.servers]
        self.node.done("group", "create", "g", *words)
        self.wait_healthy()

    def side_door(self):
        if self.mysql:
            return {"admin_address": "127.0.0.1", "admin_port": str(free_port())}
        return {"extra_port": str(free_port())}

    def close(self):
        self.node.close()
        self.data_disk.thaw()
        for server in self.servers:
            server.kill()
        for disk in (self.data_disk, self.log_disk):
            disk.close()
        for server in self.servers:
            server.remove()

    def status(self):
        return sandbox_module.ask(str(self.node.socket), "/v1/groups/g/status")

    def server_status(self, name):
        return next(one for one in self.status()["servers"] if one["name"] == name)

    def verdict(self, name):
        return self.server_status(name)["verdict"]

    def wait_verdict(self, name, wanted, seconds=15):
        sandbox_module.wait_until(
            lambda: self.verdict(name)["name"] == wanted,
            seconds,
            f"{name} is {wanted}: {self.verdict(name)}",
        )
        return self.verdict(name)

    def wait_moved(self, name, epoch, seconds=20):
        """Another server than this one has become the primary; the verdicts on the way there."""
        verdicts = set()
        end = time.monotonic() + seconds
        while True:
            status = self.status()
            verdicts |= {s["verdict"]["name"] for s in status["servers"] if s["name"] == name}
            if status["epoch"] > epoch and status["primary"] not in (None, name):
                return verdicts
            if time.monotonic() > end:
                text = self.node.done("status", "g") + self.node.done("events", "g")
                raise AssertionError(f"{name} is still the primary ({verdicts}):\n{text}")
            time.sleep(0.02)

    def wait_healthy(self, seconds=40):
        done = self.node.muster("wait", "g", "healthy", "--timeout", str(seconds))
        assert done.returncode == 0, done.stderr + self.node.done("events", "g")

    def primary(self):
        return self.by_name(self.status()["primary"])

    def by_name(self, name):
        return self.servers[int(name[1:]) - 1]

    def make_primary(self, number):
        self.wait_healthy()
        if self.status()["primary"] != f"s{number}":
            self.node.done("switchover", "g", "--to", f"s{number}")
        self.wait_healthy()
        return self.servers[number - 1]

    def lead(self, number):
        """The same, whatever ails a server that has no part in it."""
        name = f"s{number}"
        if self.status()["primary"] != name:
            self.node.done("switchover", "g", "--to", name)
        sandbox_module.wait_until(
            lambda: self.status()["sync_set"] and self.verdict(name)["name"] == "up",
            20,
            f"{name} is acknowledged",
        )
        return self.servers[number - 1]

    def events(self, kind):
        return [e for e in self.node.json("events", "g")["events"] if e["evt"] == kind]


@pytest.fixture(scope="module", params=FLAVORS)
def clinic(request, tmp_path_factory):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = Clinic(request.param, pathlib.Path(tmp_path_factory.mktemp("health")))
    yield made
    made.close()


class Writer:
    """A client that writes to one server until that fails; what was acknowledged is known."""

    def __init__(self, server):
        server.query("CREATE TABLE IF NOT EXISTS app.ledger (id INT PRIMARY KEY)")
        self.first = (server.value("SELECT COALESCE(MAX(id), 0) FROM app.ledger") or 0) + 1
        self.conn = server.client()
        self.acknowledged = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        number = self.first
        try:
            with self.conn.cursor() as cur:
                while not self.ended.is_set():
                    cur.execute("INSERT INTO app.ledger VALUES (%s)", (number,))
                    self.acknowledged.append(number)
                    number += 1
                    time.sleep(0.005)
        except pymysql.err.MySQLError:
            pass

    def stop(self):
        self.ended.set()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def check(self, server):
        """Each acknowledged row is on this server."""
        rows = {row[0] for row in server.query("SELECT id FROM app.ledger")}
        assert not set(self.acknowledged) - rows


def test_the_heartbeat_is_on_every_server_and_tells_the_lag(clinic):
    primary = clinic.make_primary(1)
    lags = sandbox_module.wait_until(
        lambda: [
            s["lag_ms"]
            for s in clinic.status()["servers"]
            if s["role"] == "replica" and s["lag_ms"] is not None
        ],
        10,
        "the lag is known",
    )
    assert max(lags) < 5000
    beat = primary.value("SELECT beat FROM muster.heartbeat WHERE group_name='g'")
    for server in clinic.servers:
        servers.wait_for(
            lambda server=server: server.value("SELECT beat FROM muster.heartbeat") > beat,
            "the heartbeat arrives",
        )
    # An applier that stands still: the lag grows, though the server itself knows of none.
    replica = clinic.servers[2]
    holder = replica.root()
    with holder.cursor() as cur:
        cur.execute("LOCK TABLES muster.heartbeat READ")
        sandbox_module.wait_until(
            lambda: (clinic.server_status("s3")["lag_ms"] or 0) > 600, 10, "the lag is seen"
        )
    holder.close()
    sandbox_module.wait_until(
        lambda: clinic.server_status("s3")["lag_ms"] < 600, 10, "the lag is gone"
    )


def test_a_read_only_server_is_never_written_to(clinic):
    """Not even with an account that may: the statement itself looks."""
    primary = clinic.make_primary(1)
    replica = clinic.servers[1]
    sandbox_module.wait_until(
        lambda: clinic.server_status("s2")["lag_ms"] is not None, 10, "the heartbeat arrives"
    )
    before = replica.value("SELECT epoch FROM muster.heartbeat")
    conn = replica.root()
    with conn.cursor() as cur:
        cur.execute(
            "UPDATE muster.heartbeat SET beat=beat+1 WHERE CONCAT(@@global.read_only) IN ('0','OFF')"
        )
        assert cur.rowcount == 0
    conn.close()
    assert replica.value("SELECT epoch FROM muster.heartbeat") == before
    ids = "SELECT server_id FROM muster.heartbeat"
    servers.wait_for(
        lambda: {server.value(ids) for server in clinic.servers} == {primary.id},
        "all have the row of the primary",
    )
    clinic.wait_healthy()


def test_a_global_lock_is_told_and_never_a_failover(clinic):
    primary = clinic.make_primary(1)
    epoch = clinic.status()["epoch"]
    holder = primary.client("admin", "adminpw")
    with holder.cursor() as cur:
        cur.execute("FLUSH TABLES WITH READ LOCK")
        verdict = clinic.wait_verdict("s1", "locked")
        assert verdict["treatment"] == "tell"
        if clinic.mysql:
            assert f"session {holder.thread_id()} of admin" in verdict["detail"]
        else:
            assert "metadata_lock_info" in verdict["detail"]
        time.sleep(STALL_MS / 1000 + 0.5)  # longer than a disk would be given
        text = clinic.node.done("status", "g")
        assert "its writes wait for a global lock" in text
        assert "remedy: end the session that holds it" in text
        cur.execute("UNLOCK TABLES")
    holder.close()
    clinic.wait_verdict("s1", "up")
    clinic.wait_healthy()
    assert clinic.status()["epoch"] == epoch
    assert any("locked" in event["message"] for event in clinic.events("server.verdict"))


def test_a_missing_acknowledgement_is_told_and_mended(clinic):
    clinic.make_primary(1)
    epoch = clinic.status()["epoch"]
    replicas = clinic.servers[1:]
    for server in replicas:
        server.pause()
    try:
        verdict = clinic.wait_verdict("s1", "semisync-blocked")
        assert verdict["treatment"] == "repair"
    finally:
        for server in replicas:
            server.cont()
    clinic.wait_verdict("s1", "up")
    clinic.wait_healthy()
    # Receivers that somebody stopped are started again.
    for server in replicas:
        server.query("STOP REPLICA IO_THREAD" if clinic.mysql else "STOP SLAVE IO_THREAD")
    conn = clinic.servers[0].client()
    with conn.cursor() as cur:
        cur.execute("CREATE TABLE IF NOT EXISTS app.acked (id INT PRIMARY KEY)")
    conn.close()
    clinic.wait_healthy()
    assert clinic.status()["epoch"] == epoch


def test_a_primary_that_somebody_made_read_only_opens_again(clinic):
    primary = clinic.make_primary(1)
    primary.query("SET GLOBAL super_read_only=1" if clinic.mysql else "SET GLOBAL read_only=1")
    # It is found anew who has the most: this one, or another that could be opened sooner.
    sandbox_module.wait_until(
        lambda: any(event["rule"] == 230 for event in clinic.events("group.state")),
        10,
        "a decision about it",
    )
    clinic.wait_healthy()


def test_too_many_connections_is_not_dead(clinic):
    primary = clinic.make_primary(1)
    epoch = clinic.status()["epoch"]
    most = primary.value("SELECT @@max_connections")
    admin = primary.client("admin", "adminpw")
    clients = [primary.client() for _ in range(16)]
    try:
        with admin.cursor() as cur:
            cur.execute("SET GLOBAL max_connections=10")
            clinic.wait_verdict("s1", "too-many-connections")
            # Its own sessions lost, muster comes in by the side door.
            cur.execute("SELECT id FROM information_schema.processlist WHERE user='admin'")
            for (number,) in cur.fetchall():
                if number != admin.thread_id():
                    cur.execute(f"KILL {number}")
            with pytest.raises(pymysql.err.OperationalError) as refused:
                primary.client()
            assert refused.value.args[0] == 1040
            sandbox_module.wait_until(
                lambda: clinic.server_status("s1")["reach"] == "answers", 10, "s1 answers again"
            )
            assert clinic.verdict("s1")["name"] == "too-many-connections"
            cur.execute(f"SET GLOBAL max_connections={most}")
    finally:
        for conn in [*clients, admin]:
            conn.close()
    clinic.wait_healthy()
    assert clinic.status()["epoch"] == epoch


def test_a_disk_that_stands_still_for_a_moment_changes_nothing(clinic):
    clinic.data_disk.need()
    clinic.make_primary(1)
    epoch = clinic.status()["epoch"]
    clinic.data_disk.freeze()
    try:
        verdict = clinic.wait_verdict("s1", "disk-stalled", 2)
        assert verdict["treatment"] == "fail over late"
    finally:
        clinic.data_disk.thaw()
    clinic.wait_verdict("s1", "up")
    clinic.wait_healthy()
    assert clinic.status()["epoch"] == epoch


def test_a_stalled_disk_costs_the_role_and_the_old_primary_is_fenced(clinic):
    clinic.data_disk.need()
    primary = clinic.make_primary(1)
    epoch = clinic.status()["epoch"]
    writer = Writer(primary)
    begun = time.monotonic()
    clinic.data_disk.freeze()
    try:
        verdicts = clinic.wait_moved("s1", epoch)
        assert "disk-stalled" in verdicts
        took = time.monotonic() - begun
        assert took > STALL_MS / 1000
        acknowledged = len(writer.acknowledged)
        # The fence hangs as well, is given up, and tried again.
        sandbox_module.wait_until(
            lambda: any("fence:" in event["message"] for event in clinic.events("step.failed")),
            10,
            "the fence is given up",
        )
    finally:
        clinic.data_disk.thaw()
    writer.stop()
    assert len(writer.acknowledged) == acknowledged, "the old primary acknowledged afterwards"
    writer.check(clinic.primary())
    sandbox_module.wait_until(
        lambda: not clinic.server_status("s1")["writable"], 20, "the old primary is fenced"
    )
    assert clinic.status()["primary"] != "s1"


def test_a_full_disk_costs_the_role(clinic):
    clinic.log_disk.need()
    primary = clinic.lead(2)
    epoch = clinic.status()["epoch"]
    writer = Writer(primary)
    clinic.log_disk.fill()
    try:
        verdicts = clinic.wait_moved("s2", epoch)
        assert "disk-full" in verdicts
        writer.stop()
        writer.check(clinic.primary())
        assert len(writer.acknowledged) > 0
    finally:
        clinic.log_disk.empty()
    # MySQL ends itself rather than give up a commit that is half in its binary log.
    sandbox_module.wait_until(
        lambda: not clinic.server_status("s2")["writable"], 20, "the old primary is fenced"
    )
