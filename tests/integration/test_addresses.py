"""Floating addresses handed out by the managers: real databases on hosts of their own, a client on another one.

If these fail, clients of the address lose the primary, or two hosts answer for one address.
"""

import signal
import time

import pytest

import cluster
import lab as lab_module
import wired
from wired import LEASE_S, V4, V6, wait_until

RENEW_S = 0.4


@pytest.fixture
def lab(tmp_path):
    try:
        lab_module.require()
    except lab_module.Missing as why:
        pytest.skip(str(why))
    with lab_module.Lab(tmp_path, ["a", "b", "m", "c"]) as made:
        yield made


@pytest.fixture
def pair(lab, request):
    """The flavor as the test's parameter; MariaDB where it has none."""
    made = wired.Wired(lab, ["a", "b"], getattr(request, "param", "mariadb"))
    made.begin()
    made.databases["a"].query("CREATE DATABASE IF NOT EXISTS app")
    made.databases["a"].query("CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY)")
    return made


def show(words):
    """Measured, for who reads the log (pytest -s): nothing depends on how fast this machine is."""
    print(f"\n{words}")


def test_an_address_at_the_primary(pair, lab):
    """Clients of the address must reach the primary, wherever it is, and never two hosts."""
    manager = pair.manager
    assert pair.primary() == "a"
    manager.done("address", "add", f"{V4}/24", "--at", "primary")
    manager.done("address", "add", f"{V6}/64", "--at", "primary")
    pair.wait_held("a")
    pair.wait_held("a", V6)
    watch = wired.Watch(lab["c"])
    watch.wait("a", 0)
    assert pair.write(V4) == "1" and pair.write(V6) == "1"

    began = time.monotonic()
    manager.done("switchover", "--timeout", "60")
    assert pair.primary() == "b"
    moved = watch.wait("b", began)
    pair.wait_held("b")
    pair.wait_held("b", V6)
    assert pair.write(V4) == "2" and pair.write(V6) == "2"
    show(f"switchover: clients at the new primary after {(moved - began) * 1000:.0f} ms")

    began = time.monotonic()
    pair.databases["b"].kill()
    moved = watch.wait("a", began)
    took = pair.wait_write("a")
    show(
        f"the server was killed: the address moved after {(moved - began) * 1000:.0f} ms, "
        f"a write after {(took - began) * 1000:.0f} ms"
    )
    assert watch.holders() == ["a", "b", "a"]
    report = manager.status()["last_failover"]
    assert report["kind"] == "failover" and report["phases_ms"]["routed"] is not None
    assert "held by a on eth0" in manager.done("status")


@pytest.mark.parametrize("pair", ["mysql"], indirect=True)
def test_the_primary_s_host_is_cut_off(pair, lab):
    """The address must follow the new primary, and only when the host that is cut off has let it go by itself."""
    pair.manager.done("address", "add", f"{V4}/24", "--at", "primary")
    pair.wait_held("a")
    watch = wired.Watch(lab["c"])
    watch.wait("a", 0)
    # What stops on the host that is cut off is the kernel's to end.
    pair.nodes["a"].signal(signal.SIGSTOP)
    began = time.monotonic()
    lab.isolate("a")
    moved = watch.wait("b", began)
    assert not pair.has("a")
    took = pair.wait_write("b")
    show(
        f"host cut off: the address moved after {(moved - began) * 1000:.0f} ms, "
        f"a write after {(took - began) * 1000:.0f} ms"
    )
    assert moved - began > LEASE_S - RENEW_S
    # A server that comes back is a replica, and its host has no claim.
    pair.nodes["a"].signal(signal.SIGCONT)
    lab.heal()
    wait_until(pair.all_up, 20, "the host reports again")
    wait_until(lambda: pair.state_at("a") == "absent", 20, "its address is proven absent")
    assert pair.write(V4) == "2" and watch.holders() == ["a", "b"]
    # Of the primary's own host nobody can take it: it is gone with the process, and comes back with it.
    pair.nodes["b"].signal(signal.SIGKILL)
    wait_until(lambda: not pair.has("b"), 5, "the kernel has taken it away")
    pair.nodes["b"].start()
    pair.wait_held("b")
    assert watch.holders() == ["a", "b"]


def test_an_address_among_proxies(pair, lab):
    """The address must be where clients are carried: not on a node that is dead, hangs, drains, or can't hold it."""
    manager = pair.manager
    manager.done("address", "add", f"{V4}/24", "--at", "proxy", "--prefer", "a")
    pair.wait_held("a")
    watch = wired.Watch(lab["c"])
    watch.wait("a", 0)
    began = time.monotonic()
    pair.nodes["a"].signal(signal.SIGSTOP)
    moved = watch.wait("b", began)
    show(f"a node hangs: the address moved after {(moved - began) * 1000:.0f} ms")
    assert not pair.has("a")
    pair.nodes["a"].signal(signal.SIGCONT)
    wait_until(lambda: pair.state_at("a") == "absent", 20, "the node reports again")
    assert pair.write(V4, 6446) == "1"
    assert watch.holders() == ["a", "b"]

    manager.done("address", "move", V4, "a")
    pair.wait_held("a")
    began = time.monotonic()
    manager.done("node", "drain", "a")
    moved = watch.wait("b", began)
    show(f"a node drains: the address moved after {(moved - began) * 1000:.0f} ms")
    manager.done("node", "drain", "a", "--undo")
    pair.wait_held("b")
    began = time.monotonic()
    pair.nodes["b"].signal(signal.SIGTERM)
    moved = watch.wait("a", began)
    show(f"a node is stopped: the address moved after {(moved - began) * 1000:.0f} ms")
    assert watch.holders() == ["a", "b", "a", "b", "a"]
    assert moved - began < LEASE_S

    # A node without the capabilities says so, and is passed over.
    pair.nodes["b"].start(["/usr/bin/setpriv", "--bounding-set=-net_admin"])
    words = "able: no, floating addresses need CAP_NET_ADMIN"
    wait_until(lambda: words in manager.done("node", "show", "b"), 20, "it says why")
    refused = manager.muster("address", "move", V4, "b")
    assert refused.returncode == 4 and "CAP_NET_ADMIN" in refused.stderr
    began = time.monotonic()
    pair.nodes["a"].signal(signal.SIGKILL)
    wait_until(lambda: not pair.has("a"), 5, "the kernel has taken it away")
    pair.nodes["a"].start()
    pair.wait_held("a")
    manager.done("address", "remove", V4, "--yes")
    wait_until(lambda: pair.address() is None and not pair.has("a"), 10, "it is let go")
    # A host is taken out for good after its server.
    refused = manager.muster("node", "remove", "b", "--yes")
    assert refused.returncode == 4 and "is registered on it" in refused.stderr
    pair.databases["b"].kill()
    gone = ("group", "remove", cluster.GROUP, "b")
    wait_until(lambda: manager.muster(*gone).returncode == 0, 30, "its server is taken out")
    manager.done("node", "remove", "b", "--yes")


def test_fail_back_and_strangers(pair, lab):
    """A better node takes it back where that is wanted; what a stranger has is not taken, and he is named."""
    manager = pair.manager
    manager.done("node", "drain", "a")
    add = ("address", "add", f"{V4}/24", "--at", "proxy", "--prefer", "a", "--fail-back", "on")
    assert "would be" in manager.done(*add, "--dry-run")
    manager.done(*add)
    pair.wait_held("b")
    manager.done("node", "drain", "a", "--undo")
    pair.wait_held("a")
    assert manager.muster(*add).returncode == 1
    manager.done("address", "remove", V4, "--yes")
    wait_until(lambda: pair.address() is None, 10, "it is let go")

    lab["m"].ip("addr", "add", f"{V4}/24", "dev", "eth0")
    manager.done(*add)

    def is_conflict():
        found = pair.address()
        return found if found["state"] == "conflict" else None

    found = wait_until(is_conflict, 20, "the stranger is met")
    assert found["rival"] == lab["m"].mac
    # Both were asked; then it is waited for.
    wait_until(lambda: len(pair.events("address.conflict")) >= 2, 20, "both met him")
    assert lab["m"].mac in pair.events("address.conflict")[0]["message"]
    lab["m"].ip("addr", "del", f"{V4}/24", "dev", "eth0")
    wait_until(lambda: pair.address()["state"] == "held", 20, "it is taken when he is gone")
    for words, code, text in (
        (("add", "10.77.0.11/24", "--at", "primary"), 4, "is the address of server 'a'"),
        (("add", "10.77.0.101", "--at", "primary"), 2, "10.77.0.101"),
        (("add", "10.77.0.101/24"), 2, "--at is needed"),
        (("add", "10.77.0.101/24", "--at", "top"), 2, "none of primary, proxy"),
        (("add", "10.77.0.101/24", "--at", "proxy", "--prefer", "z"), 1, "no node 'z'"),
        (("move", V4, "z"), 1, "no node 'z'"),
        (("show", "10.77.0.101"), 1, "no floating address"),
    ):
        done = manager.muster("address", *words)
        assert (done.returncode, text in done.stderr) == (code, True), done.stderr


def test_one_host_alone(lab):
    """A manager without other nodes must give its own host the address, and take it along when it ends."""
    database = wired.Database("mariadb", 1, lab["a"])
    database.begin()
    manager = cluster.Manager(lab["a"], f"[agent]\nserver={lab['a'].address}:3306\n")
    manager.start().wait_ready()
    manager.done("group", "create", cluster.GROUP, f"a={lab['a'].address}:3306")
    manager.done("address", "add", f"{V4}/24", "--at", "primary")
    manager.done("address", "add", f"{V6}/64%eth0", "--at", "proxy")
    for ip in (V4, V6):
        wait_until(lambda ip=ip: f"{ip}/" in manager.done("group", "show"), 10, "it is shown")
        wait_until(
            lambda ip=ip: lab["a"].ip("-o", "addr", "show", "to", ip).strip(), 10, f"{ip} is held"
        )
    # Killed: the kernel ends it; started anew: it is held anew.
    manager.signal(signal.SIGKILL)
    wait_until(lambda: not lab["a"].ip("-o", "addr", "show", "to", V4).strip(), 5, "it is gone")
    manager.start().wait_ready()
    wait_until(lambda: "held by" in manager.done("address", "show", V4), 10, "it is held anew")
    manager.signal(signal.SIGTERM)
    manager.process.wait(20)
    assert not lab["a"].ip("-o", "addr", "show", "to", V4).strip()
