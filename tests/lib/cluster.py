"""A group of real servers on the hosts of a lab, with managers, and clients on a host of their own."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import sandbox

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import servers  # noqa: E402

GROUP = "shop"
WRITE_PORT = 6446
READ_PORT = 6447
REMADE_ID_STEP = 10
SECRETS = {
    "MUSTER_MANAGER_PASSWORD": "adminpw",
    "MUSTER_REPLICATION_PASSWORD": "replpw",
    "MUSTER_PASSWORD": "apppw",
    "MUSTER_USER": "app",
}
# Semi-sync waits without end, and a server never opens by itself.
MARIADB = {
    "read_only": "1",
    "skip_slave_start": "1",
    "slave_net_timeout": "4",
    "slave_parallel_threads": "4",
    "slave_parallel_mode": "optimistic",
    "rpl_semi_sync_master_timeout": "18446744073709551615",
    "rpl_semi_sync_master_wait_point": "AFTER_SYNC",
    "rpl_semi_sync_slave_kill_conn_timeout": "1",
    "relay_log_recovery": "1",
}
# Only for a former primary while another one is in force: docs/rejoin-facts.md.
MARIADB_REWIND = {"init_rpl_role": "SLAVE", "rpl_semi_sync_slave_enabled": "1"}
MYSQL = {
    "gtid_mode": "ON",
    "enforce_gtid_consistency": "ON",
    "super_read_only": "1",
    "skip_replica_start": "1",
    "replica_net_timeout": "4",
    "loose_rpl_semi_sync_source_timeout": "4294967295",
    "loose_rpl_semi_sync_source_wait_point": "AFTER_SYNC",
    "relay_log_recovery": "1",
}


def kind_of(flavor):
    return "mysql" if flavor == "mysql" else "mariadb-10.11"


class Manager:
    """`muster run` on a host."""

    def __init__(self, host, extra=""):
        self.host = host
        self.folder = host.folder / "muster"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = self.folder / "s.sock"
        self.log = self.folder / "log"
        self.config = self.folder / "muster.cnf"
        self.config.write_text(
            f"[muster]\nsocket={self.socket}\ndata-dir={self.folder}/data\n"
            "[accounts]\nmanager-user=admin\nreplication-user=repl\n"
            "[manager]\nfailover-cooldown-s=0\nfailover-max=0\n"
            f"[proxy]\ngroup={GROUP}\nhost=0.0.0.0\nwrite-port={WRITE_PORT}\n"
            f"read-port={READ_PORT}\n{extra}"
        )
        self.process = None
        self.env = {**os.environ, **SECRETS}

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.host.spawn(
                [sandbox.muster_program(), "run", "--config", self.config],
                stdout=log,
                stderr=log,
                env=self.env,
            )
        return self

    def shift_wall_clock(self, seconds=0):
        """From its next start on its wall clock can be moved; now and later by this call. Monotonic ones stay."""
        file = self.host.folder / "wall-shift"
        if not file.exists():
            program = pathlib.Path(sandbox.bench_load_program()).with_name("wall_shift.so")
            self.env.update(LD_PRELOAD=str(program), WALL_SHIFT_FILE=str(file))
            file.write_bytes(bytes(8))
        with open(file, "r+b") as opened:
            opened.write(int(seconds * 1e6).to_bytes(8, "little", signed=True))

    def wait_ready(self):
        sandbox.wait_until(lambda: self.muster("group", "list").returncode == 0, 20, self.host.name)
        return self

    def muster(self, *words, timeout=120):
        """One command over this manager's socket."""
        return subprocess.run(
            [sandbox.muster_for(words), *map(str, words)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **SECRETS, "MUSTER_SOCKET": str(self.socket)},
        )

    def done(self, *words, timeout=120):
        result = self.muster(*words, timeout=timeout)
        if result.returncode != 0:
            raise RuntimeError(
                f"muster {' '.join(map(str, words))}: {result.stderr}{result.stdout}"
            )
        return result.stdout

    def status(self, timeout=120):
        text = self.done("status", "--json", timeout=timeout)
        return sandbox.group_of(json.loads(text), GROUP)

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait(20)


class Database(servers.Server):
    """A server on a host, with the options that muster asks for."""

    def __init__(self, flavor, number, host):
        super().__init__(kind_of(flavor), number, host.folder / "db", host=host)

    def begin(self, wait=True, rewind=False):
        options = MYSQL if self.mysql else MARIADB
        if rewind and not self.mysql:
            options = {**options, **MARIADB_REWIND}
        return self.start(wait=wait, **options)


class Cluster:
    """Databases on the hosts named, one group of them, driven through `leader`, a started Manager."""

    def __init__(self, lab, names, flavor="mariadb"):
        self.lab = lab
        self.databases = {name: Database(flavor, i + 1, lab[name]) for i, name in enumerate(names)}

    def start(self):
        for database in self.databases.values():
            database.begin(wait=False)
        for database in self.databases.values():
            database.wait_ready()

    def remake(self, leader, name):
        """Empties a server and takes it into the group again, with another server_id: replicas skip what has theirs."""
        database = self.databases[name]
        database.id += REMADE_ID_STEP
        database.kill()
        shutil.rmtree(database.data)
        database.copy_template()
        leader.done("group", "remove", GROUP, name)
        database.begin()
        leader.done("group", "add", GROUP, f"{name}={database.address}:{database.port}")

    def create(self, leader, *options):
        words = [f"{name}={one.address}:{one.port}" for name, one in self.databases.items()]
        leader.done("group", "create", GROUP, *words, *options)
        leader.done("wait", GROUP, "healthy", "--timeout", "60")


class Clients:
    """bench_load on a host of its own; what each write was told is in its ledger."""

    def __init__(
        self, host, address, count=4, pause_us=5000, name="ledger", timeout=10, knock_ms=0
    ):
        self.host = host
        self.address = address
        self.ledger = host.folder / f"{name}.txt"
        self.options = ["--clients", count, "--pause-us", pause_us, "--timeout", timeout]
        self.options += ["--knock-ms", knock_ms]
        self.process = None
        self.times = []  # of the acknowledged writes that were read so far
        self.read_bytes = 0

    def env(self, address, port):
        return {
            **os.environ,
            **SECRETS,
            "MUSTER_HOST": address,
            "MUSTER_WRITE_PORT": str(port),
        }

    def command(self, mode):
        return [sandbox.bench_load_program(), mode, *self.options]

    def prepare(self):
        self.host.run(*self.command("prepare"), env=self.env(self.address, WRITE_PORT))

    def start(self):
        self.process = self.host.spawn(
            self.command("run") + ["--ledger", self.ledger],
            env=self.env(self.address, WRITE_PORT),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def finish(self):
        """Ends the clients; their totals."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=120)
        return json.loads(output)

    def verify(self, database):
        """What the ledger says against what a server has."""
        done = self.host.run(
            *self.command("verify"),
            "--ledger",
            self.ledger,
            "--host",
            database.address,
            "--port",
            database.port,
            env=self.env(database.address, database.port),
            check=False,
            timeout=300,
        )
        if not done.stdout:
            raise RuntimeError(f"bench_load verify: {done.stderr}")
        return {**json.loads(done.stdout), "words": done.stderr}

    def acknowledged(self):
        """(started, ended) of each acknowledged write so far, in microseconds of the monotonic clock."""
        if not self.ledger.exists():
            return self.times
        with open(self.ledger, encoding="ascii") as file:
            file.seek(self.read_bytes)
            complete, newline, _ = file.read().rpartition("\n")
        self.read_bytes += len(complete) + len(newline)
        for line in complete.splitlines():
            words = line.split()
            if len(words) == 5 and words[0] == "A":
                self.times.append((int(words[2]), int(words[3])))
        return self.times
