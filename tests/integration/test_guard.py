"""The fence of a server by its own host: real databases on hosts of their own, cut off with real clients.

If these fail, a primary that nobody can reach goes on taking writes beside its successor, or stops without a reason.
"""

import json
import signal
import time

import pymysql
import pytest

import lab as lab_module
import wired
from wired import LEASE_S, wait_until


@pytest.fixture
def lab(tmp_path):
    try:
        lab_module.require()
    except lab_module.Missing as why:
        pytest.skip(str(why))
    with lab_module.Lab(tmp_path, ["a", "b", "m", "c"]) as made:
        yield made


def begin(lab, flavor, *policy):
    pair = wired.Wired(lab, ["a", "b"], flavor)
    for node in pair.nodes.values():
        text = node.config.read_text()
        accounts = "[accounts]\nmanager-user=admin\n"
        node.config.write_text(text.replace("[agent]\n", f"{accounts}[agent]\nfence=on\n"))
    pair.begin(*policy)
    pair.databases["a"].query("CREATE DATABASE IF NOT EXISTS app")
    pair.databases["a"].query("CREATE TABLE app.w (id INT PRIMARY KEY)")
    return pair


def fenced(pair, name):
    shown = json.loads(pair.manager.done("node", "show", name, "--json"))
    return shown["guard"]["fenced"]


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_no_write_beside_the_successor(lab, flavor):
    """A client on a host that is cut off must get no OK any more from the time on when another server takes writes."""
    pair = begin(lab, flavor, "--policy", "async")
    assert pair.primary() == "a"
    inside = wired.Writer(lab["a"], lab["a"].address, 1)
    outside = wired.Writer(lab["c"], lab["b"].address, 1000000)
    inside.wait_write(0)
    began = time.monotonic()
    lab.isolate("a")
    lab.heal({("b", "c"), ("c", "b")})
    first = outside.wait_write(began, 30)
    print(
        f"\ncut off: the last write there after {inside.last() - began:.2f} s, "
        f"the first one at the successor after {first - began:.2f} s"
    )
    assert inside.last() > began + LEASE_S / 2
    time.sleep(0.5)
    assert inside.last() < first
    assert pair.databases["a"].value("SELECT @@GLOBAL.read_only") == 1
    lab.heal()
    wait_until(pair.all_up, 30, "the host reports again")
    assert fenced(pair, "a") == 1 and fenced(pair, "b") == 0
    time.sleep(0.5)
    assert inside.last() < first


def test_only_without_a_lease(lab):
    """Managers that are merely down must stop nothing; where nobody can tell whether they are, the host stops."""
    pair = begin(lab, "mariadb")
    pair.manager.done("address", "add", f"{wired.V4}/24", "--at", "primary")
    pair.wait_held("a")
    writer = wired.Writer(lab["c"], wired.V4, 1)
    writer.wait_write(0)
    pair.manager.signal(signal.SIGKILL)
    began = time.monotonic()
    writer.wait_write(began + 2 * LEASE_S)
    longest = max(
        later - before
        for (before, _), (later, _) in zip(writer.writes, writer.writes[1:])
        if before > began
    )
    print(f"\nthe manager is down: writes go on, the longest pause {longest:.2f} s")
    assert longest < LEASE_S
    pair.manager.start().wait_ready()
    wait_until(pair.all_up, 20, "the nodes report")
    assert fenced(pair, "a") == 0
    lab.isolate("m")

    def is_read_only():
        try:
            return pair.databases["a"].value("SELECT @@GLOBAL.read_only") == 1
        except pymysql.err.MySQLError:
            return False  # cut off, as all others

    wait_until(is_read_only, 10, "it is fenced")
    stopped = time.monotonic()
    lab.heal()
    # Only the manager opens one again.
    took = writer.wait_write(stopped, 40)
    print(f"the manager is back: a write after {took - stopped:.2f} s")
    assert fenced(pair, "a") == 1
    told = pair.events("node.fenced")
    assert len(told) == 1 and told[0]["message"].startswith("node a:")
