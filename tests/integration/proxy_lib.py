"""A proxy without a manager (proxy_driver), told its accounts and route by the tests."""

import json
import os
import pathlib
import re
import subprocess
import threading
import time

import pymysql

ROOT = pathlib.Path(__file__).resolve().parents[2]
WAIT_S = 20
MARIADB_CAPS = 0x81FFF7FE
MYSQL_CAPS = 0xDFFFFFFF
LISTEN = ["--listen", "writes", "--listen", "reads", "--listen", "split"]
SPLIT = 2


def driver_path():
    build = os.environ.get("MUSTER_BUILD", str(ROOT / "build"))
    return os.environ.get("PROXY_DRIVER", f"{build}/tests/unit/proxy/proxy_driver")


def wait_until(condition, what, timeout_s=WAIT_S):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"did not come: {what}")
        time.sleep(0.002)


def to_hex(value):
    data = value if isinstance(value, bytes) else value.encode()
    return data.hex() or "-"


class Proxy:
    """Listeners: 0 is for writes, 1 for reads, 2 for both (split)."""

    def __init__(self, *options):
        self.log = []
        self.process = subprocess.Popen(
            [driver_path(), *options, *LISTEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        self.ports = [int(self.process.stdout.readline().split()[2]) for _ in range(3)]
        self.epoch = 1
        self.revision = 0
        self.servers = []
        self.main = 0  # the listener that is meant unless one is named

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def tell(self, line):
        answer = self.say(line)
        assert answer == "ok", (line, answer)

    def status(self):
        return json.loads(self.say("status"))

    def accounts_of(self, server):
        """Gives the proxy all accounts of a server."""
        conn = server.root(charset="latin1")
        with conn.cursor() as cur:
            cur.execute("SELECT VERSION()")
            version = cur.fetchone()[0]
            mariadb = "MariaDB" in version
            plugin = "mysql_native_password" if mariadb else "caching_sha2_password"
            greeting = ("5.5.5-" if mariadb else "") + version.split()[0]
            self.tell(
                f"facts {greeting} {plugin} {MARIADB_CAPS if mariadb else MYSQL_CAPS}"
                f" {8 if mariadb else 255} {1 if mariadb else 0}"
            )
            if mariadb:
                cur.execute("SELECT user, host, plugin, authentication_string, 'N' FROM mysql.user")
                rows = list(cur.fetchall())
                cur.execute(
                    "SELECT user, host FROM mysql.global_priv"
                    " WHERE JSON_VALUE(priv, '$.account_locked') = 1"
                )
                locked = set(cur.fetchall())
                rows = [(*row[:4], "Y" if row[:2] in locked else "N") for row in rows]
            else:
                cur.execute(
                    "SELECT user, host, plugin, HEX(authentication_string), account_locked"
                    " FROM mysql.user"
                )
                rows = [
                    (u, h, p, bytes.fromhex(a or ""), lock) for u, h, p, a, lock in cur.fetchall()
                ]
        conn.close()
        for user, host, auth_plugin, auth, lock in rows:
            self.tell(
                f"account {to_hex(user)} {to_hex(host)} {to_hex(auth_plugin)}"
                f" {to_hex(auth or '')} {1 if lock == 'Y' else 0}"
            )
        self.tell("accounts")

    def route(self, writes="open", primary=0, servers=None, epoch=None, reads=(), wait=True):
        """servers: in the route's order; reads: indexes of those that serve reads."""
        if servers is not None:
            self.servers = servers
        if epoch is not None:
            self.epoch = epoch
        self.revision += 1
        for index, server in enumerate(self.servers):
            self.tell(f"server {index} 127.0.0.1 {server.port} 100 {1 if index in reads else 0}")
        self.tell(
            f"route {self.epoch} {self.revision} {writes} {'none' if primary is None else primary}"
        )
        if wait:
            wanted = (self.epoch, self.revision)
            wait_until(
                lambda: (lambda s: (s["epoch"], s["revision"]) == wanted)(self.status()),
                "route in force",
            )

    def connect(self, user="app", password="apppw", listener=None, **more):
        listener = self.main if listener is None else listener
        options = {"autocommit": False, "connect_timeout": WAIT_S}
        options.update(more)
        return pymysql.connect(
            host="127.0.0.1", port=self.ports[listener], user=user, password=password, **options
        )

    def stop(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.write("quit\n")
                self.process.stdin.flush()
                self.process.wait(10)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        text = "".join(self.log)
        assert not re.search(r"ERROR: \w+Sanitizer|runtime error|check failed", text), text
        assert self.process.returncode == 0, (self.process.returncode, text[-3000:])


def one(conn, sql, args=None):
    """The first row's only value, or None."""
    with conn.cursor() as cur:
        cur.execute(sql, args)
        row = cur.fetchone()
        return row[0] if row else None


def run(conn, sql, args=None):
    with conn.cursor() as cur:
        return cur.execute(sql, args)


def errno_of(call):
    """The server's error number of a call that has to fail."""
    try:
        call()
    except pymysql.err.MySQLError as error:
        return error.args[0]
    raise AssertionError("it did not fail")
