"""Hooks on real servers: asked in time, heeded, killed when they hang, and never a reason to wait for ever."""

import json
import pathlib
import re
import time

import pytest

import load as load_module
import sandbox as sandbox_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFUSED = 4


def script_of_docs(name):
    """An example of docs/hooks.md."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs/hooks.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return next(block for block in blocks if f"\n# {name}\n" in block)


class Hooks:
    """Programs in a folder, and a configuration that names them."""

    def __init__(self, folder):
        self.folder = folder
        self.lines = []

    def add(self, kind, text, **settings):
        path = self.folder / kind
        path.write_text(text)
        path.chmod(0o755)
        self.lines.append(f"{kind} = {path}")
        self.lines += [f"{key.replace('_', '-')} = {value}" for key, value in settings.items()]

    def config(self):
        path = self.folder / "hooks.cnf"
        path.write_text("\n".join(["[hooks]", *self.lines, ""]))
        return path

    def told(self, name):
        """What a program saw on its standard input."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def hooks(tmp_path):
    return Hooks(tmp_path)


def events_of(box, evt):
    return [one for one in box.json("events", box.group)["events"] if one["evt"] == evt]


def wait_for_other_primary(box, old):
    sandbox_module.wait_until(lambda: box.primary() not in (None, old), 30, "another primary")


def report_with(box, hook):
    """The last report, once the program `hook` is in it."""

    def find():
        report = box.status()["last_failover"]
        return report if report and hook in [one["hook"] for one in report["hooks"]] else None

    return sandbox_module.wait_until(find, 20, f"{hook} in the report")


def test_the_scripts_of_the_docs_hold_a_failover_back_and_note_it(sandbox, hooks, load):
    running = hooks.folder / "running"
    log = hooks.folder / "log"
    hooks.add("veto", script_of_docs("veto").replace("/var/run/backup.running", str(running)))
    tell = script_of_docs("tell").replace("/var/log/muster-hooks.log", str(log))
    tell = tell.replace("/var/log/muster-", f"{hooks.folder}/")
    hooks.add("before", tell)
    hooks.add("after", tell, veto_again_s=1)
    box = sandbox(config=hooks.config())
    clients = load(box)
    old = box.primary()

    running.touch()
    refused = box.muster("switchover", box.group, check=False)
    assert refused.returncode == REFUSED and "a backup runs since" in refused.stderr
    assert not log.exists() and box.primary() == old
    box.server_command("kill", old)
    held = sandbox_module.wait_until(lambda: events_of(box, "failover.held"), 20, "it is held")
    assert "the veto hook says no: a backup runs" in held[0]["message"]
    assert "a backup runs" in box.status()["state_text"]
    told = box.json("explain", box.group)
    assert [wait["what"] for wait in told["waits"]] == ["hook"]
    assert box.status()["epoch"] == told["epoch"]

    running.unlink()
    wait_for_other_primary(box, old)
    report = report_with(box, "after")
    assert report["kind"] == "failover" and report["done"]
    by_hook = {one["hook"]: one for one in report["hooks"]}
    assert by_hook["veto"]["status"] == 0
    assert by_hook["before"]["output"] == by_hook["after"]["output"] == "noted\n"
    new = box.primary()
    assert [line.strip() for line in log.read_text().splitlines()] == [
        line.strip()
        for line in (
            f"before failover {box.group} {report['epoch']} {old} "
            + (hooks.told("before.json")["to"] or ""),
            f"after failover {box.group} {report['epoch']} {old} {new}",
        )
    ]
    before, after = hooks.told("before.json"), hooks.told("after.json")
    assert before["from"] == old and before["cause"] == report["cause"] and not before["ordered"]
    assert any(line.startswith(f"{old}: ") for line in before["evidence"])
    assert {one["name"]: one["answers"] for one in before["servers"]}[old] is False
    assert after["report"]["to"] == new and after["report"]["phases_ms"]["routed"] is not None

    box.server_command("start", old)
    box.wait_healthy()
    box.muster("switchover", box.group, "--to", old)
    report = report_with(box, "after")
    assert report["kind"] == "switchover"
    assert [one["hook"] for one in report["hooks"]] == ["veto", "before", "after"]
    assert hooks.told("before.json")["to"] == old and hooks.told("before.json")["ordered"]
    clients.finish()
    for name, finding in clients.verify_all().items():
        assert load_module.is_right(finding), f"{name}: {finding}"


def test_programs_that_hang_are_killed_at_their_limits(sandbox, hooks):
    hang = "#!/bin/sh\necho $$ >>{}\nexec sleep 600\n"
    pids = hooks.folder / "pids"
    hooks.add("veto", hang.format(pids), veto_timeout_ms=300, on_timeout="go")
    hooks.add("before", hang.format(pids), before_timeout_ms=1000)
    hooks.add("after", hang.format(pids), after_timeout_ms=500)
    box = sandbox(config=hooks.config())
    old = box.primary()
    began = time.monotonic()
    box.server_command("kill", old)
    wait_for_other_primary(box, old)
    with box.connect().cursor() as cursor:
        cursor.execute("CREATE DATABASE works")
    took = time.monotonic() - began
    report = report_with(box, "after")
    assert [one["status"] for one in report["hooks"]] == [None, None, None]
    assert "no answer within 300 ms" in report["hooks"][0]["words"]
    assert took >= 1.3, "the new primary opens when `before` has ended or was killed"
    assert 1300 <= report["total_ms"] < 5000
    for pid in pids.read_text().split():
        assert not pathlib.Path(f"/proc/{pid}").exists(), "killed"


def test_a_person_overrides_a_veto_and_a_failed_hook_is_only_told(sandbox, hooks):
    hooks.add("veto", "#!/bin/sh\ncat >$(dirname $0)/told\necho never\nexit 1\n")
    hooks.add("after", "#!/bin/sh\necho oops >&2\nexit 3\n")
    box = sandbox(config=hooks.config())
    old = box.primary()
    box.muster("failover", box.group, "--yes")
    assert box.primary() != old
    report = report_with(box, "after")
    assert [(one["hook"], one["status"]) for one in report["hooks"]] == [("veto", 1), ("after", 3)]
    assert hooks.told("told")["ordered"] is True
    assert report["hooks"][1]["error"] == "oops\n" and report["ended_because"] == ""


def test_a_killed_manager_asks_again_and_ends_the_story(sandbox, hooks):
    hooks.add(
        "before",
        "#!/bin/sh\nfolder=$(dirname $0)\necho $MUSTER_KIND $MUSTER_EPOCH >>$folder/begun\n"
        "while [ ! -e $folder/go ]; do sleep 0.05; done\n",
        before_timeout_ms=60000,
    )
    hooks.add("after", "#!/bin/sh\ncat >$(dirname $0)/after.json\n")
    box = sandbox(config=hooks.config())
    begun = hooks.folder / "begun"
    old = box.primary()
    box.server_command("kill", old)
    sandbox_module.wait_until(lambda: box.status()["state"] == "opening", 20, "it is opening")
    sandbox_module.wait_until(begun.exists, 20, "the hook is at work")
    box.server_command("kill", "muster")
    box.server_command("start", "muster")
    sandbox_module.wait_until(
        lambda: len(begun.read_text().splitlines()) == 2, 20, "it is asked again"
    )
    assert len(set(begun.read_text().splitlines())) == 1, "the same epoch"
    assert box.status()["state"] == "opening"
    (hooks.folder / "go").touch()
    report = report_with(box, "after")
    assert report["done"] and report["from"] == old and report["to"] == box.primary()
    assert report["phases_ms"]["routed"] is not None
    assert hooks.told("after.json")["report"]["id"] == report["id"]


@pytest.mark.parametrize(
    "line, words",
    [
        ("veto = no/path", "no absolute path"),
        ("before = /no/such/program --now", "can't be started"),
        ("on-timeout = maybe", "veto|go"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(tmp_path, line, words):
    import cli_node

    node = cli_node.Node(tmp_path / "node", f"{cli_node.ACCOUNTS}[hooks]\n{line}\n")
    done = node.run_and_fail()
    assert done.returncode == 2 and words in cli_node.one_line(done)
