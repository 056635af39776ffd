"""The active-passive pair on real servers: the long change on the passive side goes round under load, and whatever dies
in the middle of it, it ends as it should."""

import json
import pathlib
import subprocess

import pytest

import load as load_module
import sandbox as sandbox_module

WRITES = 100
CHANGE = "ALTER TABLE bench.ledger ADD COLUMN extra INT NOT NULL DEFAULT 7;\n"
# In the middle of it there is time for whatever the test does then.
LONG_CHANGE = CHANGE + "SELECT SLEEP(4);\nCREATE TABLE bench.later (id INT PRIMARY KEY);\n"


def pair_of(box):
    return box.json("pair", "show", box.group)["pair"]


class Change:
    """`muster pair maintain --sql` as a child."""

    def __init__(self, box, folder, text):
        self.box = box
        self.passive = pair_of(box)["passive"]
        self.script = folder / "change.sql"
        self.script.write_text(text)
        self.child = None

    def start(self):
        socket, password = self.box.administrator(self.passive)
        words = ["pair", "maintain", self.box.group, "--sql", str(self.script), "--yes"]
        words += ["--server-socket", socket, "--password-file", password]
        self.child = subprocess.Popen(
            [sandbox_module.muster_for(words), *words],
            env=self.box.full_env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for_statement(self, number):
        sandbox_module.wait_until(
            lambda: pair_of(self.box)["script_done"] == number, 60, f"statement {number + 1}"
        )

    def finish(self):
        said, _ = self.child.communicate(timeout=120)
        assert self.child.returncode == 0, said + self.box.muster("events").stdout
        return said


def expect_change(box, passive, columns=1):
    """The roles have switched, every server has the change, nobody keeps a trace of how it got there."""
    box.wait_healthy(timeout=90)
    assert box.primary() == passive
    count = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='bench' AND "
    count += "(COLUMN_NAME='extra' OR TABLE_NAME='later')"
    for server in box.status()["servers"]:
        assert box.ask_server(server["name"], count) == ((columns,),), server["name"]
        assert server["state"] != "diverged"
    pair = pair_of(box)
    assert pair["state"] == "none" and pair["completed"]


def expect_right(clients):
    for name, finding in clients.verify_all().items():
        assert load_module.is_right(finding), f"{name}: {finding}"


def follow_nobody(box, server):
    """What a server says of its source: nothing."""
    return len(box.ask_server(server, "SHOW REPLICA STATUS")) == 0


@pytest.mark.parametrize("flavor, rounds", [("mariadb", 2), ("mariadb-11.8", 1), ("mysql", 1)])
def test_a_change_goes_round_under_load(sandbox, load, tmp_path, flavor, rounds):
    """A long ALTER costs clients an error, a write, or reaches one side only."""
    box = sandbox(flavor, 4, pair=True)
    clients = load(box)
    first = box.primary()
    for number in range(rounds):
        change = Change(box, tmp_path, f"CREATE TABLE bench.round{number} (id INT PRIMARY KEY)")
        if number == 0:
            change.script.write_text(CHANGE)
        change.start()
        change.finish()
        clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
        # Trap C5: who is active pulls nothing.
        sandbox_module.wait_until(
            lambda name=change.passive: follow_nobody(box, name), 20, "it forgets its source"
        )
        expect_change(box, change.passive)
    # The second one goes the other way round.
    assert (box.primary() == first) == (rounds == 2)
    totals = clients.finish()
    assert not totals["errors"] and not totals["unknown"] and not totals["reconnects"]
    expect_right(clients)


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_whatever_is_killed_in_the_middle_the_change_ends_well(sandbox, load, tmp_path, flavor):
    """A crash in the middle of a change leaves half of it, runs a statement twice, or loses a write."""
    box = sandbox(flavor, 4, pair=True)
    clients = load(box)
    old = box.primary()
    change = Change(box, tmp_path, LONG_CHANGE)
    change.start()
    change.wait_for_statement(1)
    change.child.kill()
    change.child.communicate()
    box.server_command("kill", "muster")
    box.server_command("start")
    change.start()
    sandbox_module.wait_until(lambda: pair_of(box)["open"], 60, "it can be changed")
    box.server_command("kill", change.passive)
    box.server_command("start", change.passive)
    # The active one dies too: never is a server in charge that is half changed.
    box.server_command("kill", old)
    sandbox_module.wait_until(lambda: box.primary() not in (None, old), 60, "another primary")
    assert box.primary() in ("db3", change.passive)
    box.server_command("start", old)
    change.finish()
    expect_change(box, change.passive, columns=2)
    clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
    clients.finish()
    expect_right(clients)


def test_a_person_makes_the_change_and_calls_one_off(sandbox):
    """A person can't make the change by hand, call it off, or is not told what to put into the option files."""
    box = sandbox("mariadb", 4, pair=True)
    maintain = ["pair", "maintain", box.group, "--yes"]
    assert box.json("pair", "show", box.group)["pair"]["warnings"] == []
    assert "would" in box.muster(*maintain, "--dry-run").stdout
    assert pair_of(box)["state"] == "none"
    said = box.muster(*maintain).stdout
    assert "db2" in said and "--done" in said
    assert box.muster("switchover", box.group, check=False).returncode == 4
    readers = {one["name"]: one for one in box.status()["servers"]}
    assert not readers["db2"]["acknowledges"] and not readers["db4"]["acknowledges"]
    box.muster(*maintain, "--abort")
    box.wait_healthy()
    assert box.primary() == "db1"
    box.muster(*maintain)
    box.ask_server("db2", "CREATE DATABASE by_hand")
    sandbox_module.wait_until(lambda: pair_of(box)["change"], 20, "it is seen")
    refused = box.muster(*maintain, "--abort", check=False)
    assert refused.returncode == 4 and "--discard" in refused.stderr
    box.muster(*maintain, "--done")
    box.wait_healthy()
    assert box.primary() == "db2"
    for name in ("db1", "db2", "db3", "db4"):
        assert box.ask_server(name, "SHOW DATABASES LIKE 'by_hand'")
        assert box.ask_server(name, "SELECT @@global.gtid_domain_id") == ((0,),)
    # A restart forgets what was only set.
    box.ask_server("db1", "SET GLOBAL auto_increment_increment=1")
    sandbox_module.wait_until(lambda: pair_of(box)["warnings"], 20, "it is told")
    assert "auto_increment_increment=2" in pair_of(box)["warnings"][0]


def test_a_write_besides_the_change_is_divergence(sandbox):
    """What somebody wrote on the passive side by mistake is taken for the change, and spreads."""
    box = sandbox("mariadb", 4, pair=True)
    box.ask_server("db2", "SET STATEMENT gtid_domain_id=7 FOR CREATE DATABASE stray")
    # db4 is below db2 and gets it too.
    sandbox_module.wait_until(
        lambda: {one["name"] for one in box.status()["servers"] if one["state"] == "diverged"}
        == {"db2", "db4"},
        30,
        "it is noticed",
    )
    refused = box.muster("pair", "maintain", box.group, "--yes", check=False)
    assert refused.returncode == 4
    box.server_command("kill", "primary")
    sandbox_module.wait_until(lambda: box.primary() not in (None, "db1"), 60, "another primary")
    assert box.primary() == "db3"


def test_bad_words_change_nothing(sandbox, tmp_path):
    """A typing error takes a side out, or is answered with a riddle."""
    box = sandbox("mariadb", 2, pair=True)
    for words, status in (
        (["pair", "set", box.group, "db1", "db1"], 2),
        (["pair", "set", box.group, "db1", "nobody"], 1),
        (["pair", "maintain", box.group, "--done", "--yes"], 4),
        (["pair", "maintain", box.group, "--abort", "--yes"], 4),
        (["pair", "maintain", box.group, "--discard", "--yes"], 2),
        (["pair", "maintain", box.group, "--sql", str(tmp_path / "none"), "--yes"], 1),
        (["pair", "maintain", box.group, "-e", "DELIMITER $$", "--yes"], 2),
        # Only the passive side acknowledges here.
        (["pair", "maintain", box.group, "--yes"], 4),
        (["group", "remove", box.group, "db2"], 4),
    ):
        done = box.muster(*words, check=False)
        assert done.returncode == status, (words, done.returncode, done.stderr)
        assert len(done.stderr.strip().splitlines()) <= 2 and done.stderr
    assert pair_of(box)["state"] == "none"
    assert box.muster("pair", "unset", box.group).returncode == 0
    assert json.loads(box.muster("pair", "show", box.group, "--json").stdout)["pair"] is None
    assert pathlib.Path(box.administrator("db1")[1]).exists()
