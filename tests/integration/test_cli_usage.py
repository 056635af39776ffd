"""A mistake on the command line or in the configuration must be one clear line and do nothing."""

import json
import os
import subprocess

import pytest

import sandbox as sandbox_module
from cli_node import one_line, run_muster


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["stauts"], "no command 'stauts': did you mean 'status'?"),
        (["group", "crate", "a"], "no command 'group crate': did you mean 'create'?"),
        (["group"], "'group' needs one of: "),
        (["status", "--jsn"], "status: no option '--jsn': did you mean '--json'?"),
        (["status", "--timeout", "soon"], "--timeout: 'soon' is no whole number"),
        (["status", "a", "b"], "'b' is one argument too many"),
        (["group", "create", "a"], "group create: too few arguments"),
        (["group", "create", "a", "s1=h:x"], "'s1=h:x' is no SERVER=HOST:PORT"),
        (["group", "create", "a", "s1=h", "--policy", "safe"], "none of lossless, bounded, async"),
        (["group", "set", "a"], "nothing to set"),
        (["--json", "status"], "options stand behind the command"),
        (["run", "extra"], "'extra' is one argument too many"),
        (["run", "--log-level", "loud"], "'loud' is none of error, warn, info, debug"),
        (["wait", "a", "happy"], "'happy' is not 'healthy'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_command_line_is_one_line_and_status_2(arguments, words):
    done = run_muster(*arguments)
    assert words in one_line(done)
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.mark.parametrize(
    "text, words",
    [
        ("[muster]\nsokcet=/x\n", "line 2: no key 'sokcet' in [muster]: did you mean 'socket'?"),
        ("\n[mustre]\nsocket=/x\n", "line 3: no section [mustre]: did you mean [muster]?"),
        ("[manager]\nsilence-ms=1s\n", "line 2: 'silence-ms' is a whole number from"),
        ("[muster]\nwhat is this\n", "line 2: neither '[section]' nor 'key = value'"),
        ("[muster]\nsocket=/x\nsocket=/y\n", "line 3: 'socket' is set already in line 2"),
        ("[accounts]\nmanager-password=hush\n", "a password stands in a file of its own"),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["config", "check"], ["status"]], ids=lambda c: c[0])
def test_wrong_configuration_names_file_line_and_nearest_key(tmp_path, command, text, words):
    path = tmp_path / "m.cnf"
    path.write_text(text)
    done = run_muster(*command, "--config", path)
    line = one_line(done)
    assert line.startswith(f"{path}: line ")
    assert words in line
    assert "hush" not in line
    assert done.returncode == 2
    assert os.listdir(tmp_path) == ["m.cnf"]


def test_configuration_that_is_missing(tmp_path):
    done = run_muster("run", "--config", tmp_path / "none.cnf")
    assert one_line(done) == f"{tmp_path}/none.cnf: No such file or directory"
    assert done.returncode == 2


def test_sample_configuration_is_right(tmp_path):
    path = tmp_path / "m.cnf"
    path.write_text(run_muster("config", "sample").stdout)
    assert run_muster("config", "check", path).returncode == 0
    shown = json.loads(run_muster("config", "show", "--config", path, "--json").stdout)
    assert shown["file"] == str(path)
    assert {key["source"] for key in shown["keys"]} == {"default"}


def test_passwords_are_never_shown(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open-sesame\n")
    secret.chmod(0o644)
    path = tmp_path / "m.cnf"
    path.write_text(f"[accounts]\nmanager-password-file={secret}\n")
    env = {"MUSTER_MANAGER_PASSWORD": ""}
    env.clear()
    for command in (["config", "check"], ["config", "show"], ["config", "show", "--json"]):
        done = subprocess.run(
            [sandbox_module.muster_program(), *command, "--config", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0
        assert "sesame" not in done.stdout + done.stderr
    done = subprocess.run(
        [sandbox_module.muster_program(), "config", "check", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{secret}: everybody may read this password: chmod 600" in done.stderr


def test_nobody_at_the_socket_is_status_3(tmp_path):
    done = run_muster("status", "--socket", tmp_path / "none.sock")
    assert "is `muster run` running?" in one_line(done)
    assert done.returncode == 3
    assert done.stdout == ""


def test_socket_of_something_else_is_said(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    done = run_muster("status", "--socket", path)
    assert one_line(done).startswith(f"nothing answers at '{path}'")
    assert done.returncode == 3


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sandbox_module.muster_program(), "help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == ("muster: standard output cannot be written: No space left on device\n")
    assert done.returncode == 1


def test_every_command_has_help():
    overview = run_muster().stdout
    commands = [line[2:46] for line in overview.splitlines() if line.startswith("  ")]
    assert len(commands) > 15
    for usage in commands:
        path = [word for word in usage.split() if word.isalpha() and word.islower()]
        path = path[:-1] if path[-1] == "healthy" else path
        done = run_muster(*path, "--help", program=sandbox_module.look_program())
        assert done.returncode == 0, path
        assert done.stdout.startswith(f"usage: muster {' '.join(path)}")


def test_no_colour_without_a_terminal():
    assert "\033" not in run_muster("config", "show", "--color", "auto").stdout


def test_version_without_anybody_running(tmp_path):
    done = run_muster("version", "--json", "--socket", tmp_path / "none.sock")
    assert json.loads(done.stdout)["running"] is None
    assert done.returncode == 0
