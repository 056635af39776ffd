"""The record moves to another store under way: whoever does it, or whose process dies in the middle of it, must end
with one store in force, and with everything in it."""

import pytest

import etcd as etcd_module
import sandbox as sandbox_module
import servers
from cli_node import ACCOUNTS, Node, one_line, run_muster
from cluster import MARIADB

FLAVOR = "mariadb-10.11"
wait_until = sandbox_module.wait_until


class Place:
    """One server, its group, an etcd, and a node that can be configured for either store."""

    def __init__(self, folder):
        servers.program(FLAVOR)
        self.etcd = etcd_module.Etcd()
        self.server = servers.Server(FLAVOR, 1, folder / "s1").start(**MARIADB)
        self.etcd_lines = f"[store]\nkind=etcd\nendpoints={self.etcd.endpoints}\n"
        name = "[node]\nname=n0\n"
        self.sqlite = Node(folder / "n0", f"{ACCOUNTS}{name}")
        self.on_etcd = Node(folder / "n1", f"{ACCOUNTS}{name}{self.etcd_lines}")
        # The same node with another [store]: the socket of the first, the etcd of the second.
        self.both = folder / "both.cnf"
        self.both.write_text(self.sqlite.config.read_text() + self.etcd_lines)

    def create(self):
        self.sqlite.done(
            "group", "create", "g", f"s1=127.0.0.1:{self.server.port}", "--policy", "async"
        )
        self.sqlite.done("wait", "g", "healthy", "--timeout", "30")
        return self

    def migrate(self, to="etcd"):
        return run_muster("store", "migrate", "--to", to, "--config", self.both)

    def close(self):
        self.sqlite.close()
        self.on_etcd.close()
        self.server.remove()
        self.etcd.close()


@pytest.fixture
def place(tmp_path):
    try:
        made = Place(tmp_path)
    except (servers.Missing, etcd_module.Missing) as why:
        pytest.skip(str(why))
    yield made
    made.close()


def leads(node):
    shown = node.json("store", "show")
    return shown["leads"] and shown


def state(node):
    """What has to be the same wherever the record is."""
    show = node.json("group", "show", "g")
    return {key: show[key] for key in ("group", "epoch", "primary", "servers", "state")}


def test_there_and_back(place):
    """The record would be lost on its way, or be in force twice."""
    place.sqlite.start()
    place.create()
    before = state(place.sqlite)
    events = place.sqlite.json("events")["events"]
    done = place.migrate()
    assert done.returncode == 0, done.stderr
    assert "kind = etcd" in done.stdout
    # The same process goes on, on the other store.
    shown = wait_until(lambda: leads(place.sqlite), 15, "it leads on etcd")
    assert shown["kind"] == "etcd" and shown["members"][0]["role"] == "leader"
    assert state(place.sqlite) == before
    assert place.sqlite.json("events")["events"][: len(events)] == events
    place.sqlite.done("pause", "g")
    # A second time there is nothing to do, and to the file that it left it may go back.
    again = place.migrate()
    assert again.returncode == 4 and "there already" in one_line(again)
    place.sqlite.end()
    refused = place.sqlite.run_and_fail()
    assert refused.returncode == 4 and "the record has moved" in refused.stderr, refused.stderr
    place.on_etcd.start()
    wait_until(lambda: leads(place.on_etcd), 15, "a start on etcd leads")
    assert place.on_etcd.json("status", "g")["paused"] is True
    back = run_muster(
        *("store", "migrate", "--to", f"sqlite:{place.sqlite.data}/muster.db"),
        *("--config", place.on_etcd.config),
    )
    assert back.returncode == 0, back.stderr
    assert leads(place.on_etcd)["kind"] == "sqlite"
    place.on_etcd.done("resume", "g")
    place.on_etcd.end()
    # Who starts on the etcd that was left follows nobody, and says where the record is.
    place.on_etcd.start()
    wait_until(
        lambda: "has moved to sqlite:" in place.on_etcd.muster("pause", "g").stderr,
        15,
        "it says so",
    )
    place.on_etcd.end()
    place.sqlite.start()
    assert place.sqlite.json("status", "g")["paused"] is False


def test_a_store_in_force_is_not_overwritten(place):
    """Another cluster's record would be gone."""
    place.on_etcd.start()
    wait_until(lambda: leads(place.on_etcd), 15, "somebody leads on etcd")
    place.sqlite.start()
    place.create()
    refused = place.migrate()
    assert refused.returncode == 4 and "is in force" in one_line(refused)
    place.etcd.kill_all()
    refused = place.migrate()
    assert refused.returncode == 3, refused.stderr
    assert leads(place.sqlite)["kind"] == "sqlite"
    place.sqlite.done("pause", "g")


@pytest.mark.parametrize("point", ["move.filling", "move.copied", "move.left", "move.finished"])
def test_killed_in_the_middle(place, point):
    """Two stores would be in force, or none."""
    place.sqlite.start(MUSTER_FAULT=point)
    place.create()
    before = state(place.sqlite)
    assert place.migrate().returncode == 3
    place.sqlite.process.wait(10)
    if point in ("move.filling", "move.copied"):
        # The file is in force; nobody leads on the half copy.
        place.on_etcd.start()
        refused = wait_until(
            lambda: "not finished" in place.on_etcd.muster("pause", "g").stderr
            and place.on_etcd.muster("pause", "g"),
            15,
            "it is said why nobody leads",
        )
        assert refused.returncode == 4
        place.on_etcd.end()
        place.sqlite.start()
        assert state(place.sqlite) == before
        assert place.migrate().returncode == 0
        place.sqlite.end()
    refused = place.sqlite.run_and_fail()
    assert refused.returncode == 4 and "the record has moved" in refused.stderr, refused.stderr
    place.on_etcd.start()
    wait_until(lambda: leads(place.on_etcd), 15, "etcd is in force")
    assert state(place.on_etcd) == before


def test_what_cannot_be_meant(place):
    """A mistyped target would be taken for another one."""
    for words in (
        ["--to", "sqllite"],
        ["--to", "sqlite:relative/muster.db"],
        ["--to", "sqlite:/tmp/other"],
        [],
    ):
        refused = run_muster("store", "migrate", *words, "--config", place.both)
        assert refused.returncode == 2 and "--to" in one_line(refused)
