"""Hosts of a lab as people have them: databases with a node beside each, a manager on a host of its own, a client.

A floating address is watched from the client's host, as any client sees it: by ARP, and by connections.
"""

import json
import os
import signal
import subprocess
import threading
import time

import cluster
import lab as lab_module
import sandbox
from sandbox import wait_until

V4 = f"{lab_module.SUBNET}.100"
V6 = "2001:db8:4d::100"
DOOR = 4747
# Longer than people would have it: on a busy machine a lease must not end by itself.
LEASE_S = 3.0
LEASE = f"lease-ms={int(LEASE_S * 1000)}\n"

# Asks for an address every few milliseconds; a line for each answer: when, and whose it is.
ARP = """
import socket, struct, sys, time
address, mac = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
wire.bind(("eth0", 0x0806))
wire.settimeout(0.01)
ask = b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
ask += mac + socket.inet_aton(sys.argv[3]) + bytes(6) + socket.inet_aton(address)
due = 0
while True:
    if time.monotonic() >= due:
        wire.send(ask)
        due = time.monotonic() + 0.02
    try:
        frame = wire.recv(128)
    except TimeoutError:
        continue
    word, sender, ip = struct.unpack("!H6s4s", frame[20:32])
    if word == 2 and ip == socket.inet_aton(address):
        print(time.monotonic(), sender.hex(":"), flush=True)
"""


class Watch:
    """Who answers for an address, asked from one host all the time."""

    def __init__(self, host, ip=V4):
        self.process = host.spawn(
            ["/usr/bin/python3", "-c", ARP, ip, host.mac, host.address],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names = {one.mac: name for name, one in host.lab.hosts.items()}
        self.answers = []  # (time, host)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            when, mac = line.split()
            self.answers.append((float(when), self.names[mac]))

    def wait(self, name, after, timeout=20.0):
        """The time of the first answer of that host after a time."""
        return wait_until(
            lambda: next((t for t, who in list(self.answers) if t > after and who == name), 0),
            timeout,
            f"{name} answers for the address",
        )

    def holders(self):
        """The hosts in the order in which they answered. Who appears twice had it again."""
        names = []
        for _, who in list(self.answers):
            if not names or names[-1] != who:
                names.append(who)
        return names

    def last(self, name):
        return max((t for t, who in list(self.answers) if who == name), default=0.0)


class Node:
    """`muster run` without a manager, on a host of the lab."""

    def __init__(self, host, managers, extra=""):
        self.host = host
        self.folder = host.folder / "node"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = self.folder / "s.sock"
        self.log = self.folder / "log"
        self.config = self.folder / "muster.cnf"
        self.config.write_text(
            f"[muster]\nsocket={self.socket}\ndata-dir={self.folder}/data\n"
            "[manager]\nenabled=off\n"
            f"[node]\nname={host.name}\nhost={host.address}\nlisten-port={DOOR}\n"
            f"managers={managers}\n{LEASE}{extra}"
        )
        self.process = None

    def join(self, token):
        (self.folder / "data").mkdir(exist_ok=True)
        token_file = self.folder / "token"
        token_file.write_text(token)
        self.host.run(
            sandbox.muster_program(),
            "node",
            "join",
            "--config",
            self.config,
            "--token-file",
            token_file,
        )

    def start(self, launcher=()):
        with open(self.log, "ab") as log:
            self.process = self.host.spawn(
                [*launcher, sandbox.muster_program(), "run", "--config", self.config],
                stdout=log,
                stderr=log,
                env={**os.environ, **cluster.SECRETS},
            )
        return self

    def signal(self, number):
        self.process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(20)


class Database(cluster.Database):
    """Listens on every address of its host, the floating one too."""

    def begin(self, wait=True, rewind=False, **more):
        options = cluster.MYSQL if self.mysql else cluster.MARIADB
        return self.start(wait=wait, **{**options, "bind_address": "*", **more})


# Writes without a pause; a line for each that was acknowledged: when it was, and its number.
WRITER = """
import pymysql, sys, time
address, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
conn = None
while True:
    try:
        if conn is None:
            conn = pymysql.connect(host=address, port=port, user="app", password="apppw",
                connect_timeout=1, read_timeout=2, write_timeout=2, autocommit=True)
        conn.cursor().execute(f"INSERT INTO app.w VALUES ({number})")
        print(time.monotonic(), number, flush=True)
        number += 1
    except pymysql.err.MySQLError:
        number += 1
        if conn is not None and conn.open:
            conn.close()
        conn = None
        time.sleep(0.02)
    time.sleep(0.002)
"""


class Writer:
    """Writes to one address, from one host, all the time."""

    def __init__(self, host, address, number, port=3306):
        self.process = host.spawn(
            ["/usr/bin/python3", "-c", WRITER, address, port, number],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.writes = []  # (time, number) of those that were acknowledged
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            when, number = line.split()
            self.writes.append((float(when), int(number)))

    def last(self):
        return max((when for when, _ in list(self.writes)), default=0.0)

    def wait_write(self, after, timeout=20.0):
        """The time of the first acknowledged write after a time."""
        return wait_until(
            lambda: next((when for when, _ in list(self.writes) if when > after), 0),
            timeout,
            "a write is acknowledged",
        )


class Wired(cluster.Cluster):
    """Databases and nodes on the hosts `names`, a manager on host m."""

    def __init__(self, lab, names, flavor="mariadb", node="", manager=""):
        super().__init__(lab, [], flavor)
        for number, host in enumerate(lab.hosts.values(), start=11):
            host.ip("addr", "add", f"2001:db8:4d::{number}/64", "dev", "eth0", "nodad")
        self.databases = {name: Database(flavor, i + 1, lab[name]) for i, name in enumerate(names)}
        door = f"[node]\nname=m\nhost={lab['m'].address}\nlisten-port={DOOR}\n{LEASE}"
        self.manager = cluster.Manager(lab["m"], door + manager)
        self.manager.config.write_text(
            self.manager.config.read_text().replace("[proxy]\ngroup=shop", "[proxy]\ngroup=")
        )
        self.nodes = {
            name: Node(
                lab[name],
                f"{lab['m'].address}:{DOOR}",
                f"[agent]\nserver={lab[name].address}:3306\n"
                f"[proxy]\ngroup={cluster.GROUP}\nworkers=1\n{node}",
            )
            for name in names
        }

    def begin(self, *options, launcher=()):
        self.start()
        self.manager.start().wait_ready()
        self.create(self.manager, *options)
        for node in self.nodes.values():
            node.join(self.manager.done("node", "token").strip())
            node.start(launcher)
        wait_until(self.all_up, 20, "the nodes report")
        return self

    def all_up(self):
        listed = json.loads(self.manager.done("node", "list", "--json"))["nodes"]
        return sum(one["state"] == "up" and one["server"] != "" for one in listed) == len(
            self.nodes
        )

    def primary(self):
        return self.manager.status()["primary"]

    def address(self, ip=V4):
        listed = json.loads(self.manager.done("address", "list", "--json"))["addresses"]
        return next((one for one in listed if one["address"].split("/")[0] == ip), None)

    def wait_held(self, name, ip=V4, timeout=20):
        def is_held():
            found = self.address(ip)
            return found if found["state"] == "held" and found["holder"] == name else None

        return wait_until(is_held, timeout, f"{ip} is held by {name}")

    def state_at(self, name, ip=V4):
        """What a node says of the address."""
        shown = json.loads(self.manager.done("address", "show", ip, "--json"))
        return next(one["state"] for one in shown["nodes"] if one["node"] == name)

    def has(self, name, ip=V4):
        """Whether the kernel of a host has the address."""
        return self.lab[name].ip("-o", "addr", "show", "to", ip).strip()

    def events(self, kind):
        found = json.loads(self.manager.done("events", "--json"))["events"]
        return [one for one in found if one["evt"] == kind]

    def write(self, ip, port=3306, host="c"):
        """One write through an address, as a client on host c does it; who took it, or the error."""
        script = (
            "import pymysql,sys\n"
            f"c=pymysql.connect(host={ip!r},port={port},user='app',password='apppw',"
            "connect_timeout=1,read_timeout=2,write_timeout=2,autocommit=True)\n"
            "k=c.cursor()\n"
            "k.execute('INSERT INTO app.t VALUES ()')\n"
            "k.execute('SELECT @@server_id')\n"
            "print(k.fetchone()[0])\n"
        )
        done = self.lab[host].run("/usr/bin/python3", "-c", script, check=False, timeout=20)
        return done.stdout.strip() or "-"

    def wait_write(self, name, ip=V4, timeout=20):
        """A client's write is taken by the server of that host."""
        number = str(self.databases[name].id)
        wait_until(lambda: self.write(ip) == number, timeout, f"{name} takes writes of {ip}")
        return time.monotonic()
