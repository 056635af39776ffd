"""Data centres, downtime and delayed replicas, set on the command line of a running group."""

import sandbox as sandbox_module
from test_catch_up import as_manager


def server_of(box, name):
    return next(one for one in box.status()["servers"] if one["name"] == name)


def test_a_failover_heeds_data_centre_and_downtime(sandbox):
    box = sandbox("mariadb", servers=4)
    primary = box.primary()
    east, west, worked_on = [s["name"] for s in box.status()["servers"] if s["name"] != primary]
    for name, dc in ((primary, "west"), (east, "east"), (west, "west"), (worked_on, "west")):
        box.muster("group", "set", box.group, "--server", name, "--dc", dc)
    box.muster("group", "set", box.group, "--weight", f"{east}=200", "--weight", f"{worked_on}=200")
    box.muster("group", "set", box.group, "--server", worked_on, "--downtime", "30m", "a new disk")
    # Whoever works on it stops its replication: it is neither started again nor a reason for an alarm.
    with as_manager(box, worked_on).cursor() as cursor:
        cursor.execute("STOP SLAVE SQL_THREAD")
    sandbox_module.wait_until(
        lambda: server_of(box, worked_on)["state"] == "stopped", 10, "its applier is stopped"
    )
    assert "a new disk" in server_of(box, worked_on)["problem"]
    box.wait_healthy()
    box.server_command("kill", primary)
    sandbox_module.wait_until(lambda: box.primary() not in (None, primary), 30, "the failover")
    assert box.primary() == west
    assert server_of(box, worked_on)["state"] != "replicating"
    box.muster("group", "set", box.group, "--server", worked_on, "--downtime", "0")
    box.server_command("start")
    box.wait_healthy()
    assert server_of(box, worked_on)["state"] == "replicating"


def test_readiness_says_how_much_is_left_to_apply(sandbox):
    box = sandbox("mariadb", servers=2)
    replica = next(s["name"] for s in box.status()["servers"] if s["name"] != box.primary())
    with box.connect() as writer, writer.cursor() as cursor:
        cursor.execute("CREATE DATABASE app")
        cursor.execute("CREATE TABLE app.backlog (id INT PRIMARY KEY AUTO_INCREMENT)")
        box.wait_healthy()
        sandbox_module.wait_until(lambda: server_of(box, replica)["behind"] == 0, 10, "no lag")
        reader = box.connect(server_of(box, replica)["port"], autocommit=False)
        with reader.cursor() as reading:
            reading.execute("SELECT COUNT(*) FROM app.backlog")
        # The replica's applier waits for the reader; what follows is received, and waits behind it.
        cursor.execute("ALTER TABLE app.backlog ADD v INT")
        for _ in range(50):
            cursor.execute("INSERT INTO app.backlog VALUES (NULL, 1)")
        ready = sandbox_module.wait_until(
            lambda: (now := box.status()["readiness"])["drain_ms"] and now, 20, "an estimate"
        )
        assert ready["winner"] == replica and ready["unapplied"] > 50
        assert f"after applying {ready['unapplied']} transactions (about " in ready["text"]
        reader.close()
    sandbox_module.wait_until(
        lambda: box.status()["readiness"]["unapplied"] < 5, 20, "all is applied"
    )
