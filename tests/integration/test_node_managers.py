"""Several managers, each with a proxy beside it: every proxy has its lease from the one that leads, its own too."""

import signal
import time

import pymysql
import pytest

from cli_node import ACCOUNTS, Node
from nodes import free_port
from test_managers import GROUP, SETTINGS, WAIT_S, Managers, wait_until

# Twice the defaults: instrumented programs on a busy machine are late themselves.
LEASE_S = 3.4
LEADER_LEASE_S = 2.4


class Linked(Managers):
    """Three hosts as people have them: manager and proxy in one process, linked to each other."""

    def make_node(self, folder, number, store=None):
        if number == 0:
            self.doors = [free_port(f"127.0.3.{i + 1}") for i in range(3)]
        host = f"127.0.3.{number + 1}"
        store = (
            f"[store]\nkind=etcd\nendpoints={self.etcd.endpoints}\n"
            f"lease-ms={LEADER_LEASE_S * 1000:.0f}\n"
        )
        managers = ",".join(f"127.0.3.{i + 1}:{port}" for i, port in enumerate(self.doors))
        write, read = free_port(host), free_port(host)
        node = Node(
            folder / f"n{number}",
            f"{ACCOUNTS}{SETTINGS}{store}[node]\nname=n{number}\naddress=host{number}\n"
            f"lease-ms={LEASE_S * 1000:.0f}\n"
            f"listen-host={host}\nlisten-port={self.doors[number]}\nmanagers={managers}\n"
            f"[proxy]\ngroup={GROUP}\nhost={host}\nwrite-port={write}\nread-port={read}\nworkers=2\n"
            "hold-ms=8000\n",
        )
        node.name = f"n{number}"
        node.address = (host, write)
        return node

    def seen(self):
        return {one["node"]: one for one in self.leader().json("node", "list")["nodes"]}

    def all_carry(self, epoch):
        return [one["state"] == "up" and one["epoch"] == epoch for one in self.seen().values()] == [
            True
        ] * len(self.running())


def through(node, timeout=10):
    """A client's connection through a node's proxy."""
    host, port = node.address
    return pymysql.connect(
        host=host,
        port=port,
        user="admin",
        password="adminpw",
        autocommit=True,
        read_timeout=timeout,
    )


def value(conn, sql):
    with conn.cursor() as cur:
        cur.execute(sql)
        return cur.fetchone()[0]


@pytest.fixture
def linked(tmp_path):
    made = Linked(tmp_path)
    try:
        made.start()
        made.create()
        wait_until(lambda: made.all_carry(1), WAIT_S, "every proxy carries the group")
        yield made
    finally:
        made.close()


def test_loss_of_the_leading_host(linked):
    """The proxies of the other hosts must follow the new leader; that of a leader that was stopped must not go on."""
    leader = linked.leader()
    others = [node for node in linked.nodes if node is not leader]
    conns = [through(node) for node in linked.nodes]
    before = {value(conn, "SELECT @@server_id") for conn in conns}
    assert len(before) == 1
    leader.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        second = linked.leader(others)
        second.done("switchover", GROUP, "--timeout", "30")
        took = time.monotonic() - began
        print(f"another leads and has switched over after {took:.2f} s")
        assert took > LEADER_LEASE_S - 0.5
        after = {value(through(node), "SELECT @@server_id") for node in others}
        assert len(after) == 1 and after != before
    finally:
        leader.process.send_signal(signal.SIGCONT)
    # Its clients see the new primary, or an error; never the old one.
    assert value(conns[linked.nodes.index(leader)], "SELECT @@server_id") in after


def write_for(conn, seconds):
    """Goes on writing; nobody may hold a write up for long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with conn.cursor() as cur:
            cur.execute("INSERT INTO app.c VALUES ()")
        time.sleep(0.05)


def test_everything_but_proxies_gone(linked):
    """etcd hung, then down: nobody leads, traffic goes on by consent of all."""
    conn = through(linked.nodes[0], 8)
    linked.on_primary("CREATE TABLE app.c (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB")
    members = range(len(linked.etcd.processes))
    for member in members:
        linked.etcd.signal(member, signal.SIGSTOP)
    write_for(conn, 3 * LEASE_S)
    for member in members:
        linked.etcd.signal(member, signal.SIGCONT)
    linked.leader()
    wait_until(lambda: linked.all_carry(1), WAIT_S, "every proxy reports again")
    linked.etcd.kill_all()
    write_for(conn, 3 * LEASE_S)
    linked.etcd.start_all()
    linked.leader()
    wait_until(lambda: linked.all_carry(1), WAIT_S, "every proxy reports again")
    assert value(conn, "SELECT COUNT(*) FROM app.c") > 20
