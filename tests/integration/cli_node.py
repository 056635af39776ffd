"""One `muster run` with a configuration of its own."""

import json
import os
import pathlib
import signal
import socket
import subprocess

import sandbox as sandbox_module

# Those of the accounts that servers.py makes.
PASSWORDS = {"MUSTER_MANAGER_PASSWORD": "adminpw", "MUSTER_REPLICATION_PASSWORD": "replpw"}
ACCOUNTS = "[accounts]\nmanager-user=admin\nreplication-user=repl\n"


def run_muster(*arguments, env=None, timeout=60, program=None, **options):
    """One command; its result with text output."""
    return subprocess.run(
        [program or sandbox_module.muster_program(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **PASSWORDS, **(env or {})},
        **options,
    )


def one_line(done):
    """The only line on standard error; nothing may stand on standard output."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("muster: "), done.stderr
    return lines[0][len("muster: ") :]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Node:
    """`muster run` in a folder; stopped by close()."""

    def __init__(self, folder, extra=""):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "s.sock"
        self.data = self.folder / "data"
        self.config = self.folder / "muster.cnf"
        self.log = self.folder / "log"
        self.process = None
        self.folder.mkdir(exist_ok=True)
        self.config.write_text(f"[muster]\nsocket={self.socket}\ndata-dir={self.data}\n{extra}")

    def start(self, **env):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sandbox_module.muster_program(), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **PASSWORDS, **env},
            )
        sandbox_module.wait_until(
            lambda: self.muster("group", "list").returncode == 0 or self.process.poll() is not None,
            10,
            "muster run answers",
        )
        assert self.process.poll() is None, self.log.read_text()
        return self

    def run_and_fail(self):
        """Starts it where it must refuse; the result."""
        return run_muster("run", "--config", self.config, timeout=20)

    def muster(self, *arguments):
        program = sandbox_module.muster_for(arguments)
        return run_muster(*arguments, program=program, env={"MUSTER_SOCKET": str(self.socket)})

    def done(self, *arguments):
        """One command that must succeed; its standard output."""
        result = self.muster(*arguments)
        assert result.returncode == 0, result.stderr + result.stdout
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.done(*arguments, "--json"))

    def end(self, number=signal.SIGTERM):
        """Sends a signal and returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
