"""Three managers on one etcd, and real servers: whoever loses the leading one, at any moment, or all of etcd, must find
a group in which one manager at a time decides, and which mends itself."""

import concurrent.futures
import json
import signal
import time

import pytest

import etcd as etcd_module
import receiver as receiver_module
import sandbox as sandbox_module
import servers
from cli_node import ACCOUNTS, Node, one_line
from cluster import MARIADB

GROUP = "g"
FLAVOR = "mariadb-10.11"
# Without heartbeats: one that is under way at a kill, and that nobody acknowledged, is another story.
SETTINGS = "[manager]\nfailover-cooldown-s=0\nfailover-max=0\nwrite-probe-interval-ms=0\n"
WAIT_S = 30
wait_until = sandbox_module.wait_until


class Managers:
    """Three nodes n0..n2, an etcd, and a group of three servers s1..s3."""

    def __init__(self, folder, members=1, settings=""):
        servers.program(FLAVOR)
        self.settings = settings
        self.etcd = etcd_module.Etcd(members)
        self.servers = [servers.Server(FLAVOR, i, folder / f"s{i}") for i in (1, 2, 3)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.start(**MARIADB), self.servers))
        self.nodes = [self.make_node(folder, number) for number in range(3)]
        self.written = 0

    def make_node(self, folder, number, store=None):
        store = store or f"[store]\nkind=etcd\nendpoints={self.etcd.endpoints}\n"
        settings = f"{ACCOUNTS}{SETTINGS}{self.settings}{store}[node]\nname=n{number}\naddress=host{number}\n"
        return Node(folder / f"n{number}", settings)

    def create(self):
        words = [f"s{server.id}=127.0.0.1:{server.port}" for server in self.servers]
        self.leader().done("group", "create", GROUP, *words)
        self.wait_healthy()
        self.on_primary("CREATE TABLE app.t (id INT PRIMARY KEY) ENGINE=InnoDB")

    def start(self):
        for node in self.nodes:
            node.start()
        return self

    def running(self):
        return [node for node in self.nodes if node.process and node.process.poll() is None]

    def status(self, node=None):
        return (node or self.running()[0]).json("status", GROUP)

    def leader(self, nodes=None):
        """The node that says that it leads, once there is one."""

        def find():
            for node in nodes or self.running():
                shown = node.muster("store", "show", "--json")
                if shown.returncode == 0 and json.loads(shown.stdout)["leads"]:
                    return node
            return None

        return wait_until(find, WAIT_S, "somebody leads")

    def primary(self, node=None):
        name = self.status(node)["primary"]
        return self.servers[int(name[1:]) - 1]

    def wait_healthy(self, node=None):
        def healthy():
            status = self.status(node or self.leader())
            return status["healthy"] and status["state"] == "steady"

        try:
            wait_until(healthy, WAIT_S, "the group is healthy")
        except TimeoutError as why:
            raise AssertionError(self.leader().done("events", "--wide")) from why

    def on_primary(self, sql):
        conn = self.primary(self.leader()).root()
        try:
            with conn.cursor() as cur:
                cur.execute(sql)
        finally:
            conn.close()

    def write(self, server=None):
        """One more row; raises when it wasn't acknowledged."""
        conn = (server or self.primary(self.leader())).root(read_timeout=10)
        try:
            with conn.cursor() as cur:
                cur.execute(f"INSERT INTO app.t VALUES ({self.written + 1})")
        finally:
            conn.close()
        self.written += 1

    def check(self):
        """One server takes writes, all rows are there, and the events are one story."""
        writable = [s.id for s in self.servers if s.value("SELECT @@read_only") == 0]
        assert writable == [self.primary(self.leader()).id]
        for server in self.servers:
            wait_until(
                lambda server=server: server.value("SELECT COUNT(*) FROM app.t") == self.written,
                WAIT_S,
                f"all rows on s{server.id}",
            )
        return check_story(self.leader().json("events")["events"])

    def close(self):
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.process.send_signal(signal.SIGCONT)
            node.close()
        for server in self.servers:
            server.remove()
        self.etcd.close()


def check_story(events):
    """Ids without a gap, terms that grow, one promotion for each epoch."""
    ids = [event["id"] for event in events]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    terms = [
        int(event["message"].split()[-1]) for event in events if event["evt"] == "manager.leads"
    ]
    assert terms == sorted(set(terms)), terms
    opened = [
        event["epoch"]
        for event in events
        if event["evt"] == "group.state" and event["message"].startswith("opening:")
    ]
    assert opened == sorted(set(opened)), opened
    return events


@pytest.fixture
def managers(tmp_path):
    made = []

    def make(members=1, settings=""):
        try:
            made.append(Managers(tmp_path, members, settings))
        except (servers.Missing, etcd_module.Missing) as why:
            pytest.skip(str(why))
        return made[-1]

    yield make
    for one in made:
        one.close()


def begin_again(box, fault):
    """Every node anew; the one that leads will die at `fault`."""
    for node in box.nodes:
        node.close()
    box.nodes[0].start(MUSTER_FAULT=fault)
    doomed = box.leader([box.nodes[0]])
    for node in box.nodes[1:]:
        node.start()
    box.wait_healthy()
    return doomed


@pytest.mark.parametrize(
    "fault", ["record.revoking.stored", "step.promote.started", "step.open.done"]
)
def test_the_leader_dies_in_a_failover(managers, fault):
    """A failover that was begun would stay half done, or be done by two."""
    box = managers().start()
    box.create()
    doomed = begin_again(box, fault)
    for _ in range(5):
        box.write()
    old = box.primary()
    epoch = box.status()["epoch"]
    old.kill()
    wait_until(lambda: doomed.process.poll() is not None, WAIT_S, f"the leader dies at {fault}")
    box.nodes = box.nodes[1:]
    assert box.leader() is not doomed

    def taken_over():
        status = box.status(box.leader())
        return status["primary"] != f"s{old.id}" and status["state"] == "steady"

    wait_until(taken_over, WAIT_S, "another one finishes it")
    assert box.status()["epoch"] == epoch + 1
    box.write()
    old.start(**MARIADB)
    box.wait_healthy()
    box.check()
    # The one that died comes back and follows.
    box.nodes.append(doomed.start())
    assert box.status(doomed)["manager"]["leads"] is False


def test_a_leader_that_was_paused_decides_nothing_any_more(managers):
    """Two managers would act on the same servers."""
    box = managers(members=3).start()
    box.create()
    box.write()
    paused = box.leader()
    others = [node for node in box.nodes if node is not paused]
    # Any member of etcd may go at the same time: the next leader needs only two of them.
    box.etcd.kill(box.etcd.leader())
    paused.process.send_signal(signal.SIGSTOP)
    old = box.primary(others[0])
    old.kill()
    box.nodes = others
    wait_until(
        lambda: box.status(box.leader())["primary"] not in (None, f"s{old.id}"),
        WAIT_S,
        "another one fails over",
    )
    box.write()
    logged = len(paused.log.read_text())
    paused.process.send_signal(signal.SIGCONT)
    wait_until(lambda: box.status(paused)["manager"]["leads"] is False, WAIT_S, "it follows")
    wait_until(
        lambda: box.status(paused)["primary"] == box.status(others[0])["primary"],
        WAIT_S,
        "it reads what the other one did",
    )
    since = paused.log.read_text()[logged:]
    assert "evt=step." not in since and "evt=group.state" not in since, since
    # It refuses what changes something, with the name of who takes it; and it shows what there is.
    refused = paused.muster("pause", GROUP)
    leading = box.leader().json("store", "show")["leader"]
    line = one_line(refused)
    assert refused.returncode == 4 and f"'{leading}' leads: ask there" in line, line
    assert f"manager: {leading} leads, " in paused.done("status", GROUP)
    box.nodes = [*others, paused]
    old.start(**MARIADB)
    box.wait_healthy()
    box.check()
    box.leader().done("pause", GROUP)
    wait_until(lambda: box.status(paused)["paused"], WAIT_S, "the follower sees what was changed")


def test_all_of_etcd_is_lost(managers):
    """Traffic would stop with the managers' store, or the group be failed over twice when it is back."""
    box = managers(members=3).start()
    box.create()
    primary = box.primary()
    epoch = box.status()["epoch"]
    box.etcd.kill_all()
    wait_until(
        lambda: not any(box.status(node)["manager"]["leads"] for node in box.nodes),
        WAIT_S,
        "nobody leads",
    )
    for node in box.nodes:
        status = box.status(node)
        assert status["primary"] == f"s{primary.id}" and status["manager"]["trouble"]
        refused = node.muster("switchover", GROUP)
        assert refused.returncode == 4 and "nobody leads" in one_line(refused)
    for _ in range(3):
        box.write(primary)
    # The primary is lost while nobody decides: it is seen, and nothing is done.
    primary.kill()
    for node in box.nodes:
        wait_until(
            lambda node=node: box.status(node)["servers"][primary.id - 1]["state"] == "down",
            WAIT_S,
            "the loss is seen",
        )
    others = [server for server in box.servers if server is not primary]
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert all(server.value("SELECT @@read_only") == 1 for server in others)
        time.sleep(0.1)
    box.etcd.start_all()
    box.leader()
    wait_until(
        lambda: box.status(box.leader())["primary"] not in (None, f"s{primary.id}"),
        WAIT_S,
        "the failover follows",
    )
    box.write()
    primary.start(**MARIADB)
    box.wait_healthy()
    assert box.status()["epoch"] == epoch + 1
    box.check()


def test_the_next_leader_asks_the_hooks_again_and_tells_the_receivers(managers, tmp_path):
    """A hook that died with its manager is never asked again, or a receiver hears everything from each manager."""
    begun, go, after = (tmp_path / name for name in ("begun", "go", "after.json"))
    scripts = {
        "before": f"echo $MUSTER_EPOCH >>{begun}\nwhile [ ! -e {go} ]; do sleep 0.05; done\n",
        "after": f"cat >>{after}\n",
    }
    lines = ["[hooks]", "before-timeout-ms=60000", "webhook-events=failover,group.state"]
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / name).chmod(0o755)
        lines.append(f"{name}={tmp_path / name}")
    with receiver_module.Receiver() as receiver:
        lines.append(f"webhook={receiver.url()}")
        box = managers(settings="\n".join(lines) + "\n").start()
        box.create()
        doomed, old = box.leader(), box.primary()
        old.kill()
        wait_until(begun.exists, WAIT_S, "the hook is at work")
        doomed.end(signal.SIGKILL)
        box.nodes.remove(doomed)
        wait_until(lambda: len(begun.read_text().split()) == 2, WAIT_S, "it is asked again")
        assert len(set(begun.read_text().split())) == 1, "of the same epoch"
        assert box.status(box.leader())["state"] == "opening"
        go.touch()
        receiver.wait_for("failover.done")
        report = wait_until(
            lambda: after.exists() and after.read_text() and json.loads(after.read_text()),
            WAIT_S,
            "the hook after it",
        )["report"]
        assert report["from"] == f"s{old.id}" and report["done"]
        old.start(**MARIADB)
        box.wait_healthy()
        told = [one["id"] for one in receiver.events()]
        assert told == sorted(set(told)), "each by one manager alone"
        stored = {one["id"] for one in box.leader().json("events")["events"]}
        assert set(told) <= stored
