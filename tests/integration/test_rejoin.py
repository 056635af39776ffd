"""If a server that comes back were misjudged, what only it has would be lost, or merged into everybody's data.

Real groups: a primary that is lost with a tail, servers that are behind, behind what is still there, empty, or
another one's; each is told apart, its tail is saved, and it is made anew.
"""

import pathlib

import pymysql
import pytest

import sandbox as sandbox_module
from sandbox import wait_until

FLAVORS = ("mariadb", "mysql")


@pytest.fixture(params=FLAVORS)
def shop(request, tmp_path_factory):
    name = f"rejoin{request.param}{tmp_path_factory.getbasetemp().name.replace('-', '')}"
    try:
        made = sandbox_module.Sandbox(name[:40], request.param, servers=3, policy="async")
    except sandbox_module.Missing as why:
        pytest.skip(str(why))
    with made:
        yield made


def server_of(shop, name):
    return next(one for one in shop.status()["servers"] if one["name"] == name)


def wait_state(shop, name, *states):
    wait_until(lambda: server_of(shop, name)["state"] in states, 30, f"{name} is {states}")


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
    for name in ("db2", "db3"):
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
    status = server_of(shop, "db1")
    assert status["next"] == f"muster rejoin {shop.group} db1 --plan"
    report = shop.status()["last_failover"]
    assert report["loss"]["gtid"] == status["extra"] != ""
    text = shop.muster("status", shop.group).stdout
    assert f"lost: {status['extra']}" in text and status["next"] in text

    plan = shop.json("rejoin", "db1", "--plan")
    assert plan["class"] == "diverged" and plan["primary"] == primary
    assert plan["extra"] == status["extra"] and plan["extra_count"] == 2
    assert not plan["automatic"] and plan["donor"] not in ("db1", primary)
    assert [way["way"] for way in plan["ways"]] == ["--export-tail", "--reclone"]
    assert shop.muster("rejoin", shop.group, "db1").stdout.startswith("db1: diverged\n")
    assert server_of(shop, "db1")["executed"] == status["executed"]

    saved = shop.json("rejoin", "db1", "--export-tail", "--to", str(tmp_path / "tails"))["tail"]
    assert saved["transactions"] == 2 and saved["missing"] == ""
    story = pathlib.Path(saved["story"]).read_text()
    assert "app.t: 1 inserted" in story and "app.t: 1 updated" in story, story
    assert plan["extra"] in story
    assert pathlib.Path(saved["binlog"]).parent == tmp_path / "tails"
    again = shop.json("rejoin", "db1", "--export-tail")["tail"]
    assert f"/tails/{shop.group}/db1-" in again["binlog"]
    assert pathlib.Path(again["binlog"]).read_bytes() == pathlib.Path(saved["binlog"]).read_bytes()


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
    assert "--to goes with --export-tail" in refused(2, "db2", "--to", "/tmp")
    plan = shop.json("rejoin", "db2")
    assert plan["class"] == "new" and plan["automatic"] and plan["extra"] == ""
