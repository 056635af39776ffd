"""A throw-away group of real servers, driven through the command line as a person would do it."""

import http.client
import json
import os
import pathlib
import shlex
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Kind of server: --flavor, and what dev/get-server brings or None.
FLAVORS = {
    "mariadb": ("mariadb", None),
    "mariadb-11.8": ("mariadb", "mariadb-11.8"),
    "mysql": ("mysql", "mysql"),
}


ASK_TIMEOUT_S = 30

# Of the events, when a group doesn't become healthy.
STORY_LINES = 60


class Missing(Exception):
    """These servers cannot be had on this machine; the text says why."""


def muster_program():
    return os.environ.get("MUSTER_BIN", str(ROOT / "build" / "muster"))


# What a test asks again and again, or does to processes alone. What `sandbox start` starts is the program that
# made the sandbox.
LOOKS = {"status", "events", "version", "wait"}
SANDBOX_LOOKS = {"list", "env", "kill", "stop", "cont", "start", "down"}
LISTS = {"list", "show"}


def muster_for(words):
    """The program for one command. An instrumented program takes ten times as long to start as a plain one: where
    there is one beside it (MUSTER_LOOK_BIN), looking is left to that."""
    first, second = [str(word) for word in [*words, "", ""][:2]]
    looks = first in LOOKS or second in (SANDBOX_LOOKS if first == "sandbox" else LISTS)
    return look_program() if looks else muster_program()


def look_program():
    return os.environ.get("MUSTER_LOOK_BIN", muster_program())


def bench_load_program():
    """The load generator that was built together with the program that looks: it is a client."""
    build = pathlib.Path(look_program()).resolve().parent
    return str(build / "bench" / "bench_load")


def binaries_of(flavor):
    """The folder with the servers' programs, or None for those that the host has."""
    wanted = FLAVORS[flavor][1]
    if wanted is None:
        return None
    done = subprocess.run(
        [str(ROOT / "dev" / "get-server"), wanted], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Missing(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else wanted)
    return done.stdout.strip().splitlines()[-1] + "/bin"


class Sandbox:
    """One sandbox; use it in a `with` block, or call up() and down()."""

    def __init__(
        self,
        name,
        flavor="mariadb",
        servers=3,
        policy="lossless",
        binaries=None,
        config=None,
        pair=False,
    ):
        self.name = name
        self.flavor = flavor
        self.servers = servers
        self.policy = policy
        self.config = config
        self.pair = pair
        self.binaries = binaries if binaries else binaries_of(flavor)
        self.env = {}

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        arguments = ["--servers", str(self.servers), "--flavor", FLAVORS[self.flavor][0]]
        if self.binaries:
            arguments += ["--binaries", self.binaries]
        if self.policy == "async":
            arguments += ["--async"]
        if self.pair:
            arguments += ["--pair"]
        if self.config:
            arguments += ["--add-config", str(self.config)]
        try:
            self.muster("sandbox", "up", self.name, *arguments, timeout=120)
        except subprocess.CalledProcessError:
            self.down()
            raise
        self.env = parse_env(self.muster("sandbox", "env", self.name).stdout)

    def down(self):
        self.muster("sandbox", "down", self.name, check=False)

    @property
    def group(self):
        return self.env["MUSTER_GROUP"]

    def full_env(self):
        return {**os.environ, **self.env}

    def muster(self, *arguments, check=True, timeout=90):
        """Runs one command; on failure its words are part of the exception."""
        done = subprocess.run(
            [muster_for(arguments), *arguments],
            capture_output=True,
            text=True,
            env=self.full_env(),
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            words = f"muster {shlex.join(arguments)}: {done.returncode}: {done.stderr}{done.stdout}"
            raise CommandFailed(done.returncode, words, done.stdout, done.stderr)
        return done

    def json(self, *arguments, **options):
        return json.loads(self.muster(*arguments, "--json", **options).stdout)

    def server_command(self, verb, server=None):
        """kill, stop, cont or start one server ("primary" is one too), or start all."""
        words = ["sandbox", verb, self.name] + ([server] if server else [])
        return self.muster(*words)

    def folder(self):
        row = next(one for one in self.json("sandbox", "list") if one["name"] == self.name)
        return pathlib.Path(row["folder"])

    def administrator(self, server):
        """Where and as whom an administrator logs in to a server: its Unix socket and a password file."""
        folder = self.folder()
        sockets = json.loads((folder / "sandbox.json").read_text())["sockets"]
        return f"{sockets}/{server}.sock", str(folder / "secrets" / "root.password")

    def ask_server(self, server, statement):
        """The rows of one statement that an administrator runs on one server."""
        import pymysql

        socket, password = self.administrator(server)
        conn = pymysql.connect(
            unix_socket=socket,
            user="root",
            password=pathlib.Path(password).read_text().strip(),
            autocommit=True,
        )
        try:
            with conn.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            conn.close()

    def wait_healthy(self, timeout=60, check=True):
        words = ["wait", self.group, "healthy", "--timeout", str(timeout)]
        done = self.muster(*words, check=False, timeout=timeout + 10)
        if check and done.returncode != 0:
            story = self.muster("events", self.group, "--wide", check=False).stdout
            last = "\n".join(story.splitlines()[-STORY_LINES:])
            raise CommandFailed(done.returncode, f"{done.stderr}{last}", done.stdout, done.stderr)
        return done

    def status(self):
        """What `muster status GROUP --json` prints, without a program for each look."""
        return ask(self.env["MUSTER_SOCKET"], f"/v1/groups/{self.group}/status")

    def manager_answers(self):
        try:
            connect_to(self.env["MUSTER_SOCKET"]).close()
            return True
        except OSError:
            return False

    def manager_log(self):
        """The last lines that `muster run` wrote."""
        log = self.folder() / "muster.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-STORY_LINES:])

    def primary(self):
        return self.status().get("primary")

    def connect(self, port="MUSTER_WRITE_PORT", **options):
        """A client connection through the proxy (PyMySQL)."""
        import pymysql

        return pymysql.connect(
            host=self.env["MUSTER_HOST"],
            port=int(self.env[port]) if isinstance(port, str) else port,
            user=self.env["MUSTER_USER"],
            password=self.env["MUSTER_PASSWORD"],
            autocommit=options.pop("autocommit", True),
            **options,
        )


def connect_to(path):
    """A socket that is connected to a `muster run`; OSError where there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(ASK_TIMEOUT_S)
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def ask(path, route):
    """The answer of a `muster run` to one GET."""
    http_connection = http.client.HTTPConnection("localhost")
    http_connection.sock = connect_to(path)
    try:
        http_connection.request("GET", route)
        answer = http_connection.getresponse()
        text = answer.read()
    finally:
        http_connection.close()
    if answer.status != 200:
        raise CommandFailed(1, f"GET {route}: {answer.status}: {text.decode()}")
    return json.loads(text)


class CommandFailed(subprocess.CalledProcessError):
    def __str__(self):
        return str(self.cmd)


def parse_env(text):
    """The shell assignments of `muster sandbox env`."""
    env = {}
    for word in shlex.split(text, comments=True):
        name, equals, value = word.partition("=")
        if equals:
            env[name] = value
    return env


def group_of(status, name):
    groups = status.get("groups", [status]) if isinstance(status, dict) else status
    for group in groups:
        if group.get("name", group.get("group")) == name:
            return group
    raise KeyError(f"no group '{name}' in the status")


def wait_until(condition, timeout, what):
    """Polls a condition; returns its first true value. What takes long to ask is asked less often: it would
    take the time from those who are to make it true."""
    end = time.monotonic() + timeout
    while True:
        begun = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > end:
            raise TimeoutError(f"not within {timeout} s: {what}")
        time.sleep(max(0.02, now - begun))
