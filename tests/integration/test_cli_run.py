"""`muster run` that starts where it must not, or leaves something behind, costs an outage."""

import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess

import pytest

import sandbox as sandbox_module
from cli_node import PASSWORDS, Node, free_port, one_line, run_muster


@pytest.fixture
def node(tmp_path):
    made = []

    def make(name="n", extra=""):
        made.append(Node(tmp_path / name, extra))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_starts_ends_and_starts_again(node):
    one = node().start()
    assert stat.S_IMODE(os.stat(one.socket).st_mode) == 0o660
    assert one.muster("status").stdout.startswith("no groups")
    one.process.send_signal(signal.SIGHUP)
    assert one.muster("version").returncode == 0
    assert one.end() == 0
    assert not one.socket.exists()
    assert one.start().end(signal.SIGINT) == 0


def test_kill_leaves_nothing_that_stops_the_next_start(node):
    one = node().start()
    one.end(signal.SIGKILL)
    assert one.socket.exists()
    assert one.start().end() == 0


def test_followers_of_events_do_not_hold_up_the_end(node):
    one = node().start()
    follower = subprocess.Popen(
        [sandbox_module.muster_program(), "events", "--follow", "--socket", str(one.socket)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sandbox_module.wait_until(
        lambda: one.muster("version").returncode == 0, 5, "it answers beside a follower"
    )
    assert one.end() == 0
    assert follower.wait(5) == 3


def test_second_one_on_the_same_record_is_refused(node):
    one = node().start()
    other = node("m")
    other.config.write_text(f"[muster]\nsocket={other.socket}\ndata-dir={one.data}\n")
    done = other.run_and_fail()
    assert one_line(done).startswith(f"process {one.process.pid} holds '{one.data}/")
    assert done.returncode == 1
    assert one.muster("status").returncode == 0


def test_second_one_on_the_same_socket_is_refused(node):
    one = node().start()
    other = node("m")
    other.config.write_text(f"[muster]\nsocket={one.socket}\ndata-dir={other.data}\n")
    done = other.run_and_fail()
    assert done.stderr.splitlines()[-1] == (
        f"muster: another muster answers at '{one.socket}': end it first"
    )
    assert done.returncode == 1
    assert one.muster("status").returncode == 0


def test_file_in_place_of_the_socket_is_left_alone(node):
    one = node()
    one.socket.write_text("precious")
    done = one.run_and_fail()
    assert done.stderr.splitlines()[-1] == f"muster: '{one.socket}' is there and is no socket"
    assert one.socket.read_text() == "precious"


def test_folder_that_cannot_be_written(node):
    one = node()
    one.config.write_text(f"[muster]\nsocket={one.socket}\ndata-dir=/proc\n")
    done = one.run_and_fail()
    assert "cannot create '/proc/muster.db.lock'" in one_line(done)
    assert done.returncode == 1


def unshared(*command):
    """Prefix that runs a command where mounts are its own; skips where that is not allowed."""
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("mount namespaces are not allowed here")
    return ["unshare", "-m", "sh", "-c", " && ".join(command) + ' && exec "$@"', "sh"]


def run_with_mount(one, *command):
    prefix = unshared(*command)
    return subprocess.run(
        [*prefix, sandbox_module.muster_program(), "run", "--config", str(one.config)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, **PASSWORDS},
    )


def test_read_only_disk(node):
    one = node()
    one.data.mkdir()
    done = run_with_mount(one, f"mount -t tmpfs -o ro none '{one.data}'")
    assert "Read-only file system" in one_line(done)
    assert done.returncode == 1


def test_full_disk(node):
    one = node()
    one.data.mkdir()
    done = run_with_mount(one, f"mount -t tmpfs -o size=8k none '{one.data}'")
    assert one_line(done) == (f"store '{one.data}/muster.db': the disk is full, nothing was stored")
    assert done.returncode == 1


def test_record_of_a_newer_muster_is_left_alone(node):
    one = node().start()
    one.end()
    record = one.data / "muster.db"
    with sqlite3.connect(record) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    before = record.read_bytes()
    done = one.run_and_fail()
    assert "made by a newer muster: schema 99" in one_line(done)
    assert done.returncode == 2
    assert record.read_bytes() == before


def test_damaged_record(node):
    one = node().start()
    one.end()
    (one.data / "muster.db").write_bytes(b"noise" * 2000)
    done = one.run_and_fail()
    assert "is damaged or no store" in one_line(done)
    assert done.returncode == 1


def test_port_in_use(node):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one = node(
            extra=f"[proxy]\ngroup=a\nhost=127.0.0.1\nwrite-port={port}\nread-port={free_port()}\n"
        )
        done = one.run_and_fail()
        assert f"127.0.0.1:{port}" in one_line(done)
        assert done.returncode == 1
        assert not one.socket.exists()


def test_no_password_configured(node):
    done = subprocess.run(
        [sandbox_module.muster_program(), "run", "--config", str(node().config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert one_line(done).startswith(
        "no password for account 'muster': set 'manager-password-file'"
    )
    assert done.returncode == 2


def test_unknown_group_and_no_group(node):
    one = node().start()
    for command in (["switchover"], ["pause"], ["group", "show"], ["failover", "--yes"]):
        done = one.muster(*command)
        assert "there is no group" in one_line(done)
        assert done.returncode == 1
        done = one.muster(*command, "nobody") if command[-1] != "--yes" else done
        assert "there is no group" in one_line(done)


def test_wait_tells_what_is_missing_in_time(node):
    one = node().start()
    done = one.muster("wait", "nobody", "healthy", "--timeout", "1")
    assert "there is no group 'nobody'" in one_line(done)
    done = run_muster("wait", "a", "healthy", "--timeout", "1", "--socket", one.folder / "x.sock")
    assert done.returncode == 3
