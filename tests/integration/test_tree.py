"""Replicas below replicas on real servers: one in the middle dies, comes back, becomes the primary. Those below it
go on, and nobody who acknowledges is forgotten."""

import pymysql
import pytest

import sandbox as sandbox_module
from test_failover_limits import set_option


def server_of(box, name):
    return next(one for one in box.status()["servers"] if one["name"] == name)


def wait_for_parent(box, server, parent):
    sandbox_module.wait_until(
        lambda: server_of(box, server)["parent"] == parent
        and server_of(box, server)["state"] == "replicating",
        30,
        f"{server} replicates from {parent}",
    )


def write(box, count):
    with box.connect().cursor() as cursor:
        for _ in range(count):
            cursor.execute("INSERT INTO app.tree VALUES (NULL)")


def rows_on(box, server):
    connection = box.connect(server_of(box, server)["port"])
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM app.tree")
            return cursor.fetchone()[0]
    except pymysql.err.ProgrammingError:
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_a_leaf_finds_its_way(sandbox, flavor):
    box = sandbox(flavor, servers=4)
    set_option(box, "manager", "parent-return-s=1")
    box.wait_healthy()
    primary = box.primary()
    middle, other, leaf = [s["name"] for s in box.status()["servers"] if s["name"] != primary]
    with box.connect().cursor() as cursor:
        cursor.execute("CREATE DATABASE app")
        cursor.execute("CREATE TABLE app.tree (id INT PRIMARY KEY AUTO_INCREMENT)")
    refused = box.muster("group", "set", box.group, "--server", leaf, "--below", leaf, check=False)
    assert refused.returncode == 2 and "can't be below" in refused.stderr

    box.muster("group", "set", box.group, "--server", leaf, "--below", middle)
    wait_for_parent(box, leaf, middle)
    box.wait_healthy()
    assert sorted(box.status()["sync_set"]) == sorted([middle, other])
    assert "PARENT" in box.muster("status").stdout
    write(box, 10)
    sandbox_module.wait_until(lambda: rows_on(box, leaf) == 10, 20, "the leaf has all")
    address = server_of(box, leaf)
    found = box.json(
        "group", "adopt", "again", f"{address['host']}:{address['port']}", "--dry-run"
    )["servers"]
    below = {one["port"]: one["below"] for one in found}
    assert below[address["port"]] is not None and list(below.values()).count(None) == 3

    box.server_command("kill", middle)
    wait_for_parent(box, leaf, primary)
    write(box, 10)
    sandbox_module.wait_until(lambda: rows_on(box, leaf) == 20, 20, "the leaf goes on")
    box.server_command("start", middle)
    wait_for_parent(box, leaf, middle)
    box.wait_healthy()
    assert sorted(box.status()["sync_set"]) == sorted([middle, other])

    # The one in the middle becomes the primary: the leaf stays where it is, and acknowledges now.
    box.muster("group", "set", box.group, "--weight", f"{middle}=200")
    box.server_command("kill", primary)
    sandbox_module.wait_until(lambda: box.primary() == middle, 30, "the failover")
    write(box, 10)
    box.server_command("start")
    box.wait_healthy()
    assert server_of(box, leaf)["parent"] == middle
    assert leaf in box.status()["sync_set"]
    sandbox_module.wait_until(lambda: rows_on(box, leaf) == 30, 20, "the leaf has all")
