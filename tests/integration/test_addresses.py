"""Floating addresses handed out by the managers: real databases on hosts of their own, a client on another one.

If these fail, clients of the address lose the primary, or two hosts answer for one address.
"""

import time

import pytest

import lab as lab_module
import wired
from wired import V4, V6

LEASE_S = 2.0


@pytest.fixture
def lab(tmp_path):
    try:
        lab_module.require()
    except lab_module.Missing as why:
        pytest.skip(str(why))
    with lab_module.Lab(tmp_path, ["a", "b", "m", "c"]) as made:
        yield made


@pytest.fixture
def pair(lab):
    made = wired.Wired(lab, ["a", "b"])
    made.begin()
    made.databases["a"].query("CREATE DATABASE IF NOT EXISTS app")
    made.databases["a"].query("CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY)")
    return made


def show(words):
    """Measured, for who reads the log (pytest -s): nothing depends on how fast this machine is."""
    print(f"\n{words}")


def other_of(name):
    return "b" if name == "a" else "a"


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
