"""If a crashed lossless primary came back with commits that nobody acknowledged, data would differ for ever.

A primary under write load is killed; its replica takes over; the old one's unacknowledged tail is taken
back, and it joins again with the same data. MySQL needs db/rewind, MariaDB does it at its start.
"""

import threading
import time

import pymysql
import pytest

import db_lib
import servers

WRITERS = 4
REWIND_OPTIONS = {"rpl_semi_sync_slave_enabled": "1", "init_rpl_role": "SLAVE"}


@pytest.fixture(params=servers.FLAVORS)
def farm(request):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = db_lib.Farm(request.param)
    yield made
    made.remove()


class Load:
    """Clients that insert rows of their own until their connection breaks; `acked`: the server said OK."""

    def __init__(self, server):
        self.server = server
        self.acked = set()
        self.threads = [threading.Thread(target=self.write, args=(n,)) for n in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        try:
            conn = self.server.client()
            for step in range(1000000):
                row = step * WRITERS + number
                with conn.cursor() as cur:
                    cur.execute("INSERT INTO app.t VALUES (%s)", (row,))
                self.acked.add(row)
        except pymysql.err.Error:
            pass

    def join(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


def rows_of(server):
    return {row[0] for row in server.query("SELECT id FROM app.t")}


def is_still(load):
    """What was acknowledged before may be on its way to the clients for a moment."""
    before = len(load.acked)
    time.sleep(0.2)
    return len(load.acked) == before


def crash(farm, starve):
    """A primary with load, killed. starve: its replica stops acknowledging first, so that commits hang."""
    primary, replica = farm.group(2)
    old, new = farm.servers
    old.query("CREATE TABLE app.t (id INT PRIMARY KEY) ENGINE=InnoDB")
    load = Load(old)
    servers.wait_for(lambda: len(load.acked) > 200, "writes run")
    if starve:
        replica.ok("stop_receiver")
        servers.wait_for(lambda: primary.ok("status")["ss_waiting"] > 0, "a commit waits")
        servers.wait_for(lambda: is_still(load), "nothing is acknowledged any more")
    old.kill()
    load.join()
    replica.ok("stop_receiver")
    replica.ok("wait_drained")
    replica.ok("promote", 0, 0, 1)
    replica.ok("open_writes")
    assert load.acked <= rows_of(new), "an acknowledged write is lost"
    return old, new, replica, load


@pytest.mark.parametrize("starve", [False, True], ids=["running", "starved"])
def test_old_primary_comes_back_without_its_tail(farm, starve, tmp_path):
    old, new, replica, load = crash(farm, starve)
    kept = replica.ok("status")["executed"]
    options = {}
    if farm.mysql:
        helper = farm.driver(old)
        tail = tmp_path / "tail"
        arguments = ("rewind", old.data / "binlog.index", old.data, kept, tail)
        dry = helper.ok(*arguments, 1)
        assert not tail.exists()
        real = helper.ok(*arguments, 0)
        assert (dry["needed"], dry["transactions"], dry["cut_offset"]) == (
            real["needed"],
            real["transactions"],
            real["cut_offset"],
        )
        if starve:
            assert real["needed"]
        if real["needed"]:
            assert tail.stat().st_size == real["cut_bytes"] > 0
        assert not helper.ok(
            "rewind", old.data / "binlog.index", old.data, kept, tmp_path / "two", 0
        )["needed"]
    else:
        options = REWIND_OPTIONS
    old.start(read_only="1", **options)
    back = farm.open(old)
    executed = back.ok("status")["executed"]
    if not farm.mysql and starve:
        assert "truncated binlog file" in old.log()
    missing = (
        back.ok("query", f"SELECT GTID_SUBSET('{executed}', '{kept}')")["rows"][0][0]
        if farm.mysql
        else "1"
    )
    assert missing == "1", (executed, kept)
    assert rows_of(old) <= rows_of(new)
    new.query("INSERT INTO app.t VALUES (-1)")
    farm.repoint(back, new, was_primary=1, semisync=1)
    back.ok("wait_applied", replica.ok("status")["executed"])
    assert rows_of(old) == rows_of(new)
    assert load.acked <= rows_of(old)


@pytest.mark.only_for("mysql")
def test_rewind_refuses_what_is_odd(farm, tmp_path):
    old, _new, replica, _load = crash(farm, True)
    kept = replica.ok("status")["executed"]
    helper = farm.driver(old)
    index = old.data / "binlog.index"

    def refused(why, kept_set, folder=old.data):
        size = sum(path.stat().st_size for path in old.data.glob("binlog.0*"))
        answer = helper("rewind", index, folder, kept_set, tmp_path / "t", 0)
        assert answer["rc"] == "ERR_REFUSED" and why in answer["text"], answer
        assert not (tmp_path / "t").exists()
        assert size == sum(path.stat().st_size for path in old.data.glob("binlog.0*"))

    uuid = old_uuid(old)
    # The new primary claims a late transaction but not an early one: a hole.
    refused("follows one that it lacks", f"{uuid}:1-10,{uuid}:60-100")
    # DDL in the tail: the engine can't take it back.
    refused("no plain row transaction", "")
    refused("not a data directory", kept, tmp_path)
    old.start(read_only="1")
    refused("the server runs", kept)
    old.stop()
    refused("closed", kept)


def old_uuid(server):
    text = (server.data / "auto.cnf").read_text()
    return text.split("server-uuid=")[1].strip()


@pytest.mark.only_for("mysql")
def test_committed_after_kill_is_seen(farm, tmp_path):
    """A session killed while it waited is committed in the engine: no rewind hides that."""
    primary, replica = farm.group(2)
    old, new = farm.servers
    old.query("CREATE TABLE app.t (id INT PRIMARY KEY)")
    replica.ok("wait_applied", primary.ok("status")["executed"])
    replica.ok("stop_receiver")
    client = old.client()
    thread = threading.Thread(
        target=lambda: pytest.raises(
            pymysql.err.Error, client.cursor().execute, "INSERT INTO app.t VALUES (7)"
        )
    )
    thread.start()
    servers.wait_for(lambda: primary.ok("status")["ss_waiting"] > 0, "a commit waits")
    primary.ok("fence")
    thread.join(10)
    servers.wait_for(lambda: rows_of(old) == {7}, "the row is committed")
    errant = primary.ok("status")["executed"]
    old.kill()
    replica.ok("promote", 0, 0, 1)
    replica.ok("open_writes")
    kept = replica.ok("status")["executed"]
    result = farm.driver(old).ok(
        "rewind", old.data / "binlog.index", old.data, kept, tmp_path / "t", 0
    )
    assert result["needed"]
    old.start(read_only="1")
    back = farm.open(old)
    assert rows_of(old) == {7} and rows_of(new) == set()
    assert back.ok("status")["executed"] == errant, "an errant row whose GTID is forgotten"
