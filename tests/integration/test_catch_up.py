"""The server that has the most may be one that must not become the primary. Whoever set it so counts on its
commits all the same: the next primary gets them from it."""

import json
import pathlib

import pymysql
import pytest

import sandbox as sandbox_module

MANAGER = "muster"
ROWS = 50
STOP_RECEIVER = {"mariadb": "STOP SLAVE IO_THREAD", "mysql": "STOP REPLICA IO_THREAD"}


def port_of(box, name):
    return next(one["port"] for one in box.status()["servers"] if one["name"] == name)


def as_manager(box, name):
    """A connection to one server with the manager's account."""
    secrets = pathlib.Path(box.env["MUSTER_SOCKET"]).parent / "secrets"
    return pymysql.connect(
        host=box.env["MUSTER_HOST"],
        port=port_of(box, name),
        user="muster",
        password=(secrets / "manager.password").read_text().splitlines()[0],
        autocommit=True,
    )


def names_of_steps(box, server):
    return [
        event["message"]
        for event in box.json("events", box.group)["events"]
        if event["evt"] == "step.done" and event.get("server") == server
    ]


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_a_candidate_gets_what_a_never_promoted_server_has(sandbox, flavor):
    box = sandbox(flavor)
    primary = box.primary()
    behind, most = [s["name"] for s in box.status()["servers"] if s["name"] != primary]
    box.muster("group", "set", box.group, "--never-promote", most)
    with box.connect().cursor() as cursor:
        cursor.execute("CREATE DATABASE app")
        cursor.execute("CREATE TABLE app.fed (id INT PRIMARY KEY)")
    box.wait_healthy()
    writer = box.connect(port_of(box, primary))
    other = as_manager(box, behind)
    # Without its manager nobody mends the stream: commits are acknowledged by the other replica alone.
    box.server_command("kill", MANAGER)
    with other.cursor() as cursor:
        cursor.execute(STOP_RECEIVER[flavor])
    with writer.cursor() as cursor:
        for i in range(ROWS):
            cursor.execute("INSERT INTO app.fed VALUES (%s)", (i,))
    box.server_command("kill", primary)
    box.server_command("start", MANAGER)
    sandbox_module.wait_until(
        lambda: box.status()["state"] == "steady" and box.primary() == behind,
        60,
        "the candidate has caught up and is the primary",
    )
    assert any("what it lacks" in step for step in names_of_steps(box, behind)), json.dumps(
        box.json("events", box.group), indent=1
    )
    with box.connect().cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM app.fed")
        assert cursor.fetchone() == (ROWS,)
    box.server_command("start")
    box.wait_healthy()
    assert box.primary() == behind
