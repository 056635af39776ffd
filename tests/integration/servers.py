"""Real servers for the tests of db/: one process each, from a cached template data directory.

Flavors: mariadb-10.11 (the host's), mariadb-11.8 and mysql (brought by dev/get-server). A flavor that
is not there raises Missing, so that tests are skipped by name. Servers are ended with SIGKILL.
"""

import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pymysql

FLAVORS = ("mariadb-10.11", "mariadb-11.8", "mysql")
READY_S = 60

MARIADB_OPTIONS = {
    "gtid_strict_mode": "1",
    "log_slave_updates": "1",
    "innodb_buffer_pool_size": "16M",
    "innodb_log_file_size": "8M",
    "log_warnings": "2",
}
MYSQL_OPTIONS = {
    "mysqlx": "OFF",
    "secure_file_priv": "NULL",
    "plugin-load-add": "semisync_source.so;semisync_replica.so",
    "innodb_buffer_pool_size": "32M",
    "innodb_redo_log_capacity": "8M",
    "innodb_doublewrite": "0",
    "innodb_numa_interleave": "0",
    "innodb_log_buffer_size": "2M",
    "table_open_cache": "400",
    "performance_schema_max_table_instances": "200",
    "performance_schema_max_digest_length": "0",
    "performance_schema_digests_size": "0",
    "performance_schema_max_mutex_instances": "0",
    "performance_schema_max_rwlock_instances": "0",
    "performance_schema_max_file_instances": "0",
    "performance_schema_max_socket_instances": "0",
}
COMMON_OPTIONS = {
    "log_bin": "binlog",
    "sync_binlog": "1",
    "innodb_flush_log_at_trx_commit": "1",
    "skip_name_resolve": "1",
    "max_connections": "100",
}


class Missing(Exception):
    """The flavor cannot be had on this machine."""


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "muster"


def program(flavor):
    """The server's executable."""
    name = "mysqld" if flavor == "mysql" else "mariadbd"
    fetched = (
        pathlib.Path(os.environ.get("MUSTER_SERVER_CACHE", cache_dir() / "servers"))
        / flavor
        / "bin"
        / name
    )
    if fetched.exists():
        return str(fetched)
    host = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    if flavor == "mariadb-10.11" and os.path.exists(host):
        return host
    raise Missing(f"{flavor} is not installed (dev/get-server {flavor})")


def installed():
    found = []
    for flavor in FLAVORS:
        try:
            program(flavor)
            found.append(flavor)
        except Missing:
            pass
    return found


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def as_root():
    return ["--user=root"] if os.geteuid() == 0 else []


def mariadb_scripts(binary):
    """The SQL files that make a data directory, in order."""
    real = pathlib.Path(binary).resolve()
    share_dirs = [
        real.parents[1] / "root/usr/share/mariadb",
        real.parents[1] / "root/usr/share/mysql",
        pathlib.Path("/usr/share/mariadb"),
        pathlib.Path("/usr/share/mysql"),
    ]
    for share in share_dirs:
        for prefix in ("mariadb", "mysql"):
            if (share / f"{prefix}_system_tables.sql").exists():
                return [
                    share / f"{prefix}_system_tables.sql",
                    share / f"{prefix}_performance_tables.sql",
                    share / f"{prefix}_system_tables_data.sql",
                    share / "maria_add_gis_sp_bootstrap.sql",
                ]
    raise Missing(f"the SQL files of {binary} are not there")


def init_mariadb(binary, data):
    data.mkdir()
    text = "create database mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n"
    text += "".join(path.read_text() for path in mariadb_scripts(binary))
    with open(data.parent / "init.log", "w", encoding="utf-8") as log:
        subprocess.run(
            [
                binary,
                "--no-defaults",
                "--bootstrap",
                f"--datadir={data}",
                *as_root(),
                "--innodb-log-file-size=8M",
                "--skip-log-bin",
                f"--tmpdir={data}",
            ],
            input=text.encode(),
            stdout=log,
            stderr=log,
            check=True,
        )


def init_mysql(binary, data):
    with open(data.parent / "init.log", "w", encoding="utf-8") as log:
        subprocess.run(
            [
                binary,
                "--no-defaults",
                "--initialize-insecure",
                f"--datadir={data}",
                *as_root(),
                "--innodb-redo-log-capacity=8M",
                "--innodb-doublewrite=0",
                "--skip-log-bin",
                "--secure-file-priv=NULL",
                "--mysqlx=OFF",
            ],
            stdout=log,
            stderr=log,
            check=True,
        )


ACCOUNTS = """
CREATE USER 'admin'@'%' IDENTIFIED BY 'adminpw'; GRANT ALL ON *.* TO 'admin'@'%' WITH GRANT OPTION;
CREATE USER 'app'@'%' IDENTIFIED BY 'apppw';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON *.* TO 'app'@'%';
CREATE USER 'repl'@'%' IDENTIFIED BY 'replpw'; GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';
CREATE DATABASE app;
"""


def template(flavor):
    """A clean data directory with the test accounts; made once a version of the server."""
    binary = program(flavor)
    words = subprocess.run(
        [binary, "--no-defaults", "--version"], capture_output=True, text=True, check=True
    ).stdout
    version = words.split("Ver ")[1].split()[0]
    path = cache_dir() / "db-templates" / f"{flavor}-{version}-2"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make_template(flavor, binary, path)
    return path


def make_template(flavor, binary, path):
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        data = pathlib.Path(work) / "data"
        (init_mysql if flavor == "mysql" else init_mariadb)(binary, data)
        server = Server(flavor, 1, pathlib.Path(work), fresh=False)
        server.start(innodb_fast_shutdown="0")
        try:
            with server.root().cursor() as cur:
                for statement in ACCOUNTS.split(";"):
                    if statement.strip():
                        cur.execute(statement)
                cur.execute("RESET BINARY LOGS AND GTIDS" if flavor == "mysql" else "RESET MASTER")
        finally:
            server.stop()
        for pattern in (
            "binlog.*",
            "ibtmp1",
            "ib_buffer_pool",
            "auto.cnf",
            "aria_log_control.lock",
        ):
            for name in data.glob(pattern):
                name.unlink()
        data.rename(path)


class Server:
    """One server in a folder of its own. `id` is its server_id. host: a lab.Host that it runs on, or None."""

    def __init__(self, flavor, server_id, folder, fresh=True, host=None):
        self.flavor = flavor
        self.host = host
        self.address = host.address if host else "127.0.0.1"
        self.mysql = flavor == "mysql"
        self.id = server_id
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.port = 3306 if host else free_port()
        self.socket = str(self.folder / "s.sock")
        self.process = None
        if fresh:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.copy_template()

    def copy_template(self):
        subprocess.run(
            ["cp", "-a", "--sparse=always", str(template(self.flavor)), str(self.data)], check=True
        )

    def start(self, wait=True, **options):
        """options: option file lines; None as a value: the bare option; an option of None: left out."""
        lines = dict(COMMON_OPTIONS)
        lines.update(MYSQL_OPTIONS if self.mysql else MARIADB_OPTIONS)
        lines.update(
            {
                "port": str(self.port),
                "socket": self.socket,
                "datadir": str(self.data),
                "tmpdir": str(self.folder),
                "server_id": str(self.id),
                "pid_file": str(self.folder / "pid"),
                "log_error": str(self.folder / "error.log"),
                "bind_address": self.address,
                "report_host": self.address,
                "report_port": str(self.port),
            }
        )
        for name, value in options.items():
            if value is None:
                lines.pop(name, None)
            else:
                lines[name] = value
        text = "[mysqld]\n"
        for name, value in lines.items():
            for one in value.split(";") if name == "plugin-load-add" else [value]:
                text += f"{name}={one}\n" if one != "" else f"{name}\n"
        (self.folder / "my.cnf").write_text(text)
        words = [program(self.flavor), f"--defaults-file={self.folder / 'my.cnf'}", *as_root()]
        spawn = self.host.spawn if self.host else subprocess.Popen
        self.process = spawn(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        end = time.monotonic() + READY_S
        while True:
            try:
                self.root().close()
                return
            except pymysql.err.OperationalError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(
                        f"{self.flavor} does not start:\n{self.log()[-2000:]}"
                    ) from None
                time.sleep(0.01)

    def log(self):
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def root(self, **more):
        """A connection of the administrator, by the Unix socket."""
        return pymysql.connect(
            unix_socket=self.socket, user="root", autocommit=True, connect_timeout=5, **more
        )

    def client(self, user="app", password="apppw", **more):
        return pymysql.connect(
            host=self.address,
            port=self.port,
            user=user,
            password=password,
            autocommit=True,
            connect_timeout=5,
            **more,
        )

    def query(self, sql):
        conn = self.root()
        try:
            with conn.cursor() as cur:
                cur.execute(sql)
                return cur.fetchall()
        finally:
            conn.close()

    def value(self, sql):
        return self.query(sql)[0][0]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        # The signal is only pending until each thread has seen it.
        wait_for(lambda: set(self.thread_states()) == {"T"}, "every thread is stopped")

    def thread_states(self):
        """The letters of proc(5), one per thread."""
        for stat in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            try:
                yield stat.read_text().rpartition(")")[2].split()[0]
            except FileNotFoundError:
                pass

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_for(condition, what, seconds=30):
    """Looks until condition() is true; its value is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.005)
