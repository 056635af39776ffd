"""One `muster run` with a configuration of its own, and single servers for it to refuse."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import sandbox as sandbox_module

PASSWORDS = {"MUSTER_MANAGER_PASSWORD": "Sesame-1", "MUSTER_REPLICATION_PASSWORD": "Sesame-2"}


def run_muster(*arguments, env=None, timeout=60, **options):
    """One command; its result with text output."""
    return subprocess.run(
        [sandbox_module.muster_program(), *map(str, arguments)],
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

    def start(self, wrapper=()):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, sandbox_module.muster_program(), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **PASSWORDS},
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
        return run_muster(*arguments, env={"MUSTER_SOCKET": str(self.socket)})

    def end(self, number=signal.SIGTERM):
        """Sends a signal and returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Server:
    """A single mariadbd whose data directory is copied from a template."""

    def __init__(self, template, folder, *options):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.socket = self.folder / "db.sock"
        shutil.copytree(template, self.folder)
        self.process = subprocess.Popen(
            [
                *server_command(),
                f"--datadir={self.folder}",
                f"--socket={self.socket}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                f"--log-error={self.folder}/error.log",
                "--innodb-buffer-pool-size=8M",
                "--innodb-log-file-size=8M",
                "--skip-name-resolve",
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        sandbox_module.wait_until(self.answers, 30, "the server answers")

    def answers(self):
        assert self.process.poll() is None, (self.folder / "error.log").read_text()[-3000:]
        try:
            self.query("SELECT 1")
            return True
        except subprocess.CalledProcessError:
            return False

    def query(self, text):
        return subprocess.run(
            ["mariadb", f"--socket={self.socket}", "-uroot", "-BN", "-e", text],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def close(self):
        self.process.kill()
        self.process.wait()


def server_command():
    path = f"/usr/sbin:{os.environ['PATH']}"
    program = shutil.which("mariadbd", path=path)
    return [program, "--no-defaults"] + (["--user=root"] if os.geteuid() == 0 else [])


def make_template(folder):
    """An empty data directory with the two accounts; None where there are no servers."""
    installer = shutil.which("mariadb-install-db")
    if not installer:
        return None
    user = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run(
        [
            installer,
            "--no-defaults",
            f"--datadir={folder}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *user,
        ],
        check=True,
        capture_output=True,
    )
    return folder


def wait_for_end(process, timeout=20):
    end = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    return process.poll()
