"""A server that cannot be supervised must be refused with reason and remedy, and left as it was."""

import concurrent.futures
import os
import pty
import subprocess

import pytest

import sandbox as sandbox_module
import servers
from cli_node import ACCOUNTS, Node, free_port, one_line

FLAVORS = ("mariadb-10.11", "mysql")


@pytest.fixture(params=FLAVORS)
def place(request, tmp_path):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = Place(request.param, tmp_path)
    yield made
    made.close()


class Place:
    """A muster and some servers."""

    def __init__(self, flavor, folder):
        self.flavor = flavor
        self.mysql = flavor == "mysql"
        self.folder = folder
        self.servers = []
        self.node = Node(folder / "node", ACCOUNTS)

    def make(self, count=1, **options):
        """Starts servers side by side; options: see servers.Server.start."""
        if self.mysql:
            options = {"gtid_mode": "ON", "enforce_gtid_consistency": "ON", **options}
        first = len(self.servers)
        for number in range(first + 1, first + count + 1):
            name = f"s{number}"
            self.servers.append(servers.Server(self.flavor, number, self.folder / name))
        made = self.servers[first:]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.start(**options), made))
        return made[0] if count == 1 else made

    def words(self, *which):
        return [f"s{server.id}=127.0.0.1:{server.port}" for server in which]

    def refused(self, *command, status):
        """A command that must be refused in one line, and change nothing; that line."""
        before = [state_of(server) for server in self.servers if server.process.poll() is None]
        done = self.node.muster(*command)
        line = one_line(done)
        assert done.returncode == status, line
        assert self.node.json("group", "list") == {"groups": []}
        assert before == [state_of(s) for s in self.servers if s.process.poll() is None]
        return line

    def close(self):
        self.node.close()
        for server in self.servers:
            server.remove()


def state_of(server):
    """What muster could have changed."""
    names = (
        "'read_only','super_read_only','rpl_semi_sync_master_enabled','rpl_semi_sync_slave_enabled'"
    )
    names += ",'rpl_semi_sync_source_enabled','rpl_semi_sync_replica_enabled','gtid_strict_mode'"
    variables = server.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    replica = server.query("SHOW REPLICA STATUS" if server.mysql else "SHOW SLAVE STATUS")
    return variables, len(replica)


def test_wrong_address(place):
    place.node.start()
    port = free_port()
    line = place.refused("group", "create", "a", f"s1=127.0.0.1:{port}", status=3)
    assert f"127.0.0.1:{port}" in line
    line = place.refused("group", "adopt", "a", f"127.0.0.1:{port}", "--yes", status=3)
    assert f"127.0.0.1:{port}" in line
    line = place.refused("group", "create", "a", "s1=no-such-host.invalid:3306", status=3)
    assert "no-such-host.invalid" in line


def test_wrong_password(place):
    place.node.start(MUSTER_MANAGER_PASSWORD="wrong-word")
    server = place.make()
    line = place.refused("group", "create", "a", *place.words(server), status=1)
    assert "Access denied for user 'admin'" in line
    assert "wrong-word" not in line
    assert "wrong-word" not in place.node.log.read_text()


def test_missing_privilege_names_it_and_the_grant(place):
    place.node.config.write_text(place.node.config.read_text().replace("=admin", "=app"))
    place.node.start(MUSTER_MANAGER_PASSWORD="apppw")
    server = place.make()
    line = place.refused("group", "create", "a", *place.words(server), status=1)
    assert "account 'app'@'%' lacks " in line
    assert "remedy: GRANT " in line


def test_binary_log_off(place):
    place.node.start()
    server = place.make(log_bin=None, **({"skip-log-bin": ""} if place.mysql else {}))
    line = place.refused("group", "create", "a", *place.words(server), status=4)
    assert "binary log" in line
    assert "remedy: " in line


def test_duplicate_server_id(place):
    place.node.start()
    first, second = place.make(2, server_id="7")
    line = place.refused("group", "create", "a", *place.words(first, second), status=4)
    assert "'s1' and 's2' both have server_id 7" in line


@pytest.mark.only_for("mysql")  # MariaDB always writes GTIDs
def test_gtid_off(place):
    place.node.start()
    server = place.make(gtid_mode="OFF", enforce_gtid_consistency="OFF")
    line = place.refused("group", "create", "a", *place.words(server), status=4)
    assert "gtid_mode" in line.lower()
    assert "remedy: " in line


def replicate(place, replica, source, gtid=True):
    """Sets replication up by hand, as somebody did years ago."""
    name, file, position = (
        ("SOURCE", "SOURCE_LOG_FILE", "SOURCE_LOG_POS")
        if place.mysql
        else ("MASTER", "MASTER_LOG_FILE", "MASTER_LOG_POS")
    )
    status = source.query("SHOW BINARY LOG STATUS" if place.mysql else "SHOW MASTER STATUS")[0]
    if gtid:
        where = "SOURCE_AUTO_POSITION=1" if place.mysql else "MASTER_USE_GTID=slave_pos"
    else:
        where = f"{file}='{status[0]}', {position}={status[1]}"
    change = "CHANGE REPLICATION SOURCE TO" if place.mysql else "CHANGE MASTER TO"
    more = ", GET_SOURCE_PUBLIC_KEY=1" if place.mysql else ""
    replica.query(
        f"{change} {name}_HOST='127.0.0.1', {name}_PORT={source.port}, {name}_USER='repl',"
        f" {name}_PASSWORD='replpw', {where}{more}"
    )
    replica.query("START REPLICA" if place.mysql else "START SLAVE")
    show = "SHOW REPLICA STATUS" if place.mysql else "SHOW SLAVE STATUS"
    servers.wait_for(lambda: "Yes" in replica.query(show)[0], "it replicates")


def test_replication_without_gtid(place):
    place.node.start()
    source, replica = place.make(2)
    replicate(place, replica, source, gtid=False)
    line = place.refused("group", "adopt", "a", f"127.0.0.1:{source.port}", "--yes", status=4)
    assert "not by GTID" in line


def test_replication_filter(place):
    place.node.start()
    source = place.make()
    replica = place.make(replicate_do_db="app")
    replicate(place, replica, source)
    line = place.refused("group", "adopt", "a", f"127.0.0.1:{source.port}", "--yes", status=4)
    assert "filter" in line


def test_adopting_tells_first_and_needs_a_yes(place):
    place.node.start()
    source, replica = place.make(2)
    replicate(place, replica, source)
    address = f"127.0.0.1:{replica.port}"
    before = [state_of(source), state_of(replica)]
    plan = place.node.json("group", "adopt", "old", address, "--dry-run")
    assert {(s["port"], s["role"]) for s in plan["servers"]} == {
        (source.port, "primary"),
        (replica.port, "replica"),
    }
    assert any("read-only" in change for change in plan["changes"])
    done = place.node.muster("group", "adopt", "old", address)
    assert done.returncode == 4
    assert "Nothing is changed without --yes." in done.stderr
    assert place.node.json("group", "list") == {"groups": []}
    assert before == [state_of(source), state_of(replica)]
    place.node.done("group", "adopt", "old", address, "--yes")
    place.node.done("wait", "old", "healthy", "--timeout", "30")
    status = place.node.json("status", "old")
    assert [s["port"] for s in status["servers"] if s["role"] == "primary"] == [source.port]
    assert str(replica.value("SELECT @@read_only")) == "1"


def answer_a_question(node, answer):
    """Asks for a failover at a terminal; the exit status."""
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())
    with open(keyboard, "rb", buffering=0), open(terminal, "rb", buffering=0) as stdin:
        command = [sandbox_module.muster_program(), "failover", "--socket", str(node.socket)]
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
    assert "Fail over? [y/N]" in done.stderr
    return done.returncode


def test_a_group_from_its_making_to_its_last_switchover(place):
    node = place.node.start()
    first, second, third = place.make(3)
    node.done("group", "create", "shop", *place.words(first, second, third))
    node.done("wait", "shop", "healthy", "--timeout", "30")
    status = node.json("status", "shop")
    assert status["primary"] == "s1" and status["policy"] == "lossless"
    assert "group shop: healthy" in node.done("status")

    line = one_line(node.muster("group", "create", "shop", *place.words(first)))
    assert "there is a group 'shop' already" in line
    assert "has no server 's9'" in one_line(node.muster("switchover", "--to", "s9"))
    assert "is the primary already" in one_line(node.muster("switchover", "--to", "s1"))
    assert node.muster("group", "remove", "s1").returncode != 0

    node.done("group", "set", "--weight", "s2=0", "--never-promote", "s2")
    shown = {server["name"]: server for server in node.json("group", "show")["servers"]}
    assert shown["s2"]["weight"] == 0 and shown["s2"]["never_promote"] is True
    assert node.muster("switchover", "--to", "s2").returncode == 4

    report = node.json("switchover", "--timeout", "20")["report"]
    assert (report["kind"], report["from"], report["to"]) == ("switchover", "s1", "s3")
    node.done("wait", "healthy", "--timeout", "30")

    node.done("pause")
    assert node.json("status", "shop")["paused"] is True
    third.kill()
    servers.wait_for(
        lambda: not node.json("status", "shop")["healthy"], "the loss of the primary is seen"
    )
    done = node.muster("failover")
    assert done.returncode == 4 and "Nothing is changed without --yes." in done.stderr
    assert answer_a_question(node, "n") == 4
    assert node.json("status", "shop")["epoch"] == 2
    report = node.json("failover", "--yes", "--timeout", "20")["report"]
    assert (report["kind"], report["to"]) == ("failover", "s1")
    assert report["loss"]["gtid"] == ""
    node.done("resume")
    third.start()
    node.done("wait", "shop", "healthy", "--timeout", "30")

    assert "acknowledges commits" in one_line(node.muster("group", "remove", "s2"))
    second.kill()
    servers.wait_for(
        lambda: "s2" not in node.json("status", "shop")["sync_set"], "s2 leaves the sync set"
    )
    node.done("group", "remove", "s2")
    assert [s["name"] for s in node.json("group", "show")["servers"]] == ["s1", "s3"]
    second.start()
    node.done("group", "add", *place.words(second))
    node.done("wait", "shop", "healthy", "--timeout", "30")
    events = node.json("events", "shop")["events"]
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    after = events[-2]["id"]
    assert [e["id"] for e in node.json("events", "--after", str(after))["events"]][:1] == [
        events[-1]["id"]
    ]
    assert node.end() == 0
