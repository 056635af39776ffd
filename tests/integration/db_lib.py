"""What the tests of db/ share: the driver program, and sets of servers."""

import json
import os
import pathlib
import subprocess
import tempfile

import pytest

import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]


def driver_path():
    """The helper program, beside the muster binary's build."""
    candidates = []
    if os.environ.get("MUSTER_BIN"):
        candidates.append(pathlib.Path(os.environ["MUSTER_BIN"]).resolve().parent)
    if os.environ.get("DB_BUILD"):
        candidates.append(pathlib.Path(os.environ["DB_BUILD"]))
    candidates.append(ROOT / "build")
    for build in candidates:
        for path in (build / "tests/unit/db/db_driver", build.parent / "tests/unit/db/db_driver"):
            if path.exists():
                return str(path)
    pytest.skip("db_driver is not built (ninja tests/unit/db/db_driver)")
    return None


class Driver:
    """One connection of db/ to a server, driven by commands."""

    def __init__(self, server, user="muster", password="musterpw", host="127.0.0.1", port=None):
        self.process = subprocess.Popen(
            [driver_path(), host, str(port or server.port), user, password],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, *words):
        self.process.stdin.write("\t".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        assert line, "db_driver ended"
        return json.loads(line)

    def __call__(self, *words):
        self.send(*words)
        return self.answer()

    def ok(self, *words):
        answer = self(*words)
        assert answer["rc"] == "ERR_OK", (words, answer)
        return answer

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Farm:
    """Servers of one flavor and the drivers on them; everything ends with the test."""

    def __init__(self, flavor):
        self.flavor = flavor
        self.mysql = flavor == "mysql"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-db-"))
        self.servers = []
        self.drivers = []

    def server(self, **options):
        """A running server with the manager's account, no connection open."""
        server = servers.Server(
            self.flavor, 101 + len(self.servers), self.folder / f"s{len(self.servers)}"
        )
        self.servers.append(server)
        server.start(**options)
        driver = self.driver(server, "admin", "adminpw")
        driver.ok("open")
        driver.ok("accounts", "muster", "musterpw", "repl", "replpw", 0)
        driver.close()
        return server

    def driver(self, server, *args, **kwargs):
        driver = Driver(server, *args, **kwargs)
        self.drivers.append(driver)
        return driver

    def open(self, server, *args, **kwargs):
        driver = self.driver(server, *args, **kwargs)
        driver.ok("open")
        return driver

    def repoint(self, driver, source, was_primary=0, semisync=0, heartbeat_ms=200, net_timeout_s=2):
        return driver.ok(
            "repoint",
            "127.0.0.1",
            source.port,
            "repl",
            "replpw",
            was_primary,
            semisync,
            heartbeat_ms,
            net_timeout_s,
        )

    def group(self, count, semisync=True):
        """A primary and its replicas, replicating; gives the drivers, the primary's first."""
        made = [self.server() for _ in range(count)]
        drivers = [self.open(server) for server in made]
        for driver in drivers[1:]:
            driver.ok("read_only", 1)
            self.repoint(driver, made[0], semisync=int(semisync))
        for driver in drivers[1:]:
            wait_replicating(driver, semisync)
        if semisync:
            drivers[0].ok("semisync", 1, 0, 1)
            servers.wait_for(
                lambda: drivers[0].ok("status")["ss_clients"] == count - 1, "semi-sync clients"
            )
        return drivers

    def remove(self):
        for driver in self.drivers:
            driver.process.kill()
            driver.process.wait()
        for server in self.servers:
            server.remove()
        self.folder.rmdir()


def wait_replicating(driver, semisync=False):
    def replicates():
        status = driver.ok("status")
        return (
            status["io"] == 2 and status["sql_running"] and status["ss_replica_active"] == semisync
        )

    servers.wait_for(replicates, "replication runs")
