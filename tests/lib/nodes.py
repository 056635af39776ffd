"""Nodes of their own beside a sandbox's manager: `muster run` without a manager, on other loopback addresses."""

import json
import os
import pathlib
import signal
import socket
import subprocess

import sandbox as sandbox_module


def free_port(host="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Managed:
    """Makes a sandbox's manager take nodes; the manager is restarted for it."""

    def __init__(self, box, extra="", port=None):
        self.box = box
        self.port = port or free_port()
        listed = json.loads(box.muster("sandbox", "list", "--json").stdout)
        self.folder = pathlib.Path(next(one["folder"] for one in listed if one["name"] == box.name))
        self.kill()
        with open(self.folder / "muster.cnf", "a", encoding="ascii") as config:
            config.write(
                f"\n[node]\nname=manager\nlisten-host=127.0.0.1\nlisten-port={self.port}\n{extra}"
            )
        self.start()

    def kill(self):
        self.box.server_command("kill", "muster")

    def start(self):
        self.box.muster("sandbox", "start", self.box.name)
        self.box.wait_healthy()

    def token(self, *words):
        return self.box.muster("node", "token", *words).stdout.strip()

    def nodes(self):
        return {one["node"]: one for one in self.box.json("node", "list")["nodes"]}


class Node:
    """A node without a manager that carries the sandbox's group; stopped by close()."""

    def __init__(self, managed, folder, number, extra="", manager="127.0.0.1", group=True):
        self.managed = managed
        self.name = f"n{number}"
        self.host = f"127.0.1.{number}"
        self.port = free_port(self.host)
        self.write_port = free_port(self.host)
        self.read_port = free_port(self.host)
        self.folder = pathlib.Path(folder) / self.name
        self.folder.mkdir()
        self.socket = self.folder / "s.sock"
        self.data = self.folder / "data"
        self.config = self.folder / "muster.cnf"
        self.log = self.folder / "log"
        self.process = None
        proxy = (
            f"[proxy]\ngroup={managed.box.group}\nhost={self.host}\nhold-ms=10000\nworkers=2\n"
            f"write-port={self.write_port}\nread-port={self.read_port}\n"
        )
        self.config.write_text(
            f"[muster]\nsocket={self.socket}\ndata-dir={self.data}\n"
            "[manager]\nenabled=off\n"
            f"[node]\nname={self.name}\nlisten-host={self.host}\nlisten-port={self.port}\n"
            f"managers={manager}:{managed.port}\n{extra}" + (proxy if group else "")
        )

    def environment(self, **more):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        return {**clean, "MUSTER_SOCKET": str(self.socket), **more}

    def muster(self, *words, **env):
        return subprocess.run(
            [sandbox_module.muster_for(words), *map(str, words)],
            capture_output=True,
            text=True,
            env=self.environment(**env),
            timeout=60,
            check=False,
        )

    def join(self, token, check=True):
        self.data.mkdir(exist_ok=True)
        done = self.muster("node", "join", "--config", self.config, MUSTER_JOIN_TOKEN=token)
        assert not check or done.returncode == 0, done.stderr
        return done

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sandbox_module.muster_program(), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
            )
        if wait:
            sandbox_module.wait_until(self.is_up, 15, f"{self.name} carries clients")
        return self

    def seen(self):
        """What the manager knows of it."""
        return self.managed.nodes().get(self.name, {})

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        seen = self.seen()
        return seen.get("state") == "up" and (not seen.get("group") or seen.get("epoch"))

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def environment_of_clients(self):
        """Of a load that goes through this node."""
        return {
            "MUSTER_HOST": self.host,
            "MUSTER_WRITE_PORT": str(self.write_port),
            "MUSTER_READ_PORT": str(self.read_port),
        }

    def connect_read(self, **options):
        return self.connect(port=self.read_port, **options)

    def connect(self, port=None, **options):
        import pymysql

        return pymysql.connect(
            host=self.host,
            port=port or self.write_port,
            user=self.managed.box.env["MUSTER_USER"],
            password=self.managed.box.env["MUSTER_PASSWORD"],
            autocommit=options.pop("autocommit", True),
            **options,
        )
