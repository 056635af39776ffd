"""Somebody said how many seconds of commits a failover may cost: a smaller loss is taken by itself and named, a
bigger one waits for a person."""

import sandbox as sandbox_module
from test_catch_up import STOP_RECEIVER, as_manager, port_of

MANAGER = "muster"


def commit(box, connection, rows):
    with connection.cursor() as cursor:
        for _ in range(rows):
            cursor.execute("INSERT INTO app.bounded VALUES (NULL)")


def test_a_failover_keeps_to_the_bound(sandbox):
    box = sandbox("mariadb", policy="async")
    box.muster("group", "set", box.group, "--policy", "bounded", "--max-loss-s", "30")
    with box.connect().cursor() as cursor:
        cursor.execute("CREATE DATABASE app")
        cursor.execute("CREATE TABLE app.bounded (id INT PRIMARY KEY AUTO_INCREMENT)")
    box.wait_healthy()
    first = box.primary()
    with box.connect() as clients:
        commit(box, clients, 20)
    box.server_command("kill", first)
    sandbox_module.wait_until(lambda: box.primary() not in (None, first), 30, "the failover")
    box.server_command("start")
    box.wait_healthy()
    # What a manager has not seen is not known: it counts as too much.
    second = box.primary()
    writer = box.connect(port_of(box, second))
    others = [as_manager(box, s["name"]) for s in box.status()["servers"] if s["name"] != second]
    box.server_command("kill", MANAGER)
    for other in others:
        with other.cursor() as cursor:
            cursor.execute(STOP_RECEIVER["mariadb"])
    commit(box, writer, 20)
    box.server_command("kill", second)
    box.server_command("start", MANAGER)
    sandbox_module.wait_until(
        lambda: "max-loss-s" in box.status().get("state_text", ""), 30, "the refusal"
    )
    assert box.primary() == second
    refused = box.muster("failover", box.group, "--yes", check=False)
    assert refused.returncode != 0 and "--accept-loss" in refused.stderr
    box.muster("failover", box.group, "--accept-loss", "--yes")
    box.server_command("start")
    # The old primary is back with more: that is what was lost, by GTID.
    sandbox_module.wait_until(
        lambda: box.status()["last_failover"]["loss"]["gtid"], 30, "the loss is named"
    )
