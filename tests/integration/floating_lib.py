"""What the tests of floating addresses share: hosts on one wire, the program that holds addresses, a client."""

import json
import os
import pathlib
import subprocess
import threading
import time

import pytest

import lab as lab_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
V4 = f"{lab_module.SUBNET}.100"
V6 = "2001:db8:4d::100"
LEASE_MS = 3000

# A client that connects and says so, again and again, from its own namespace: one line a try.
CLIENT = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
while True:
    begun = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout=0.2) as connection:
            word = connection.recv(16).decode() or "-"
    except OSError:
        word = "-"
    print(time.monotonic(), word, flush=True)
    time.sleep(max(0, 0.02 - (time.monotonic() - begun)))
"""

# Tells every client its own name.
SERVER = """
import socket, sys
server = socket.create_server(("", int(sys.argv[2])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    with server.accept()[0] as connection:
        connection.sendall(sys.argv[1].encode())
"""
PORT = 4000


def driver_path():
    """The helper program, beside the muster binary's build."""
    folders = []
    if os.environ.get("MUSTER_BIN"):
        folders.append(pathlib.Path(os.environ["MUSTER_BIN"]).resolve().parent)
    folders.append(ROOT / "build")
    for folder in folders:
        path = folder / "tests/unit/agent/floating_driver"
        if path.exists():
            return str(path)
    pytest.skip("floating_driver is not built (ninja tests/unit/agent/floating_driver)")
    return None


def wait_for(condition, what, timeout=10.0):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {timeout} s")


class Node:
    """A process that may hold addresses on one host. Renews what it was told to hold, as a node's link does."""

    def __init__(self, host, *options, launcher=()):
        self.host = host
        self.process = host.spawn(
            [*launcher, driver_path(), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answers = []
        self.changes = []  # (time, view)
        self.arrived = threading.Condition()
        self.turn = threading.Lock()
        self.held = {}
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.started = self.answer()
        self.renewer = threading.Thread(target=self.renew, daemon=True)
        self.renewer.start()

    def read(self):
        for line in self.process.stdout:
            value = json.loads(line)
            with self.arrived:
                if "changed" in value:
                    self.changes.append((time.monotonic(), value["changed"]))
                else:
                    self.answers.append(value)
                self.arrived.notify_all()

    def answer(self):
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.answers, 10), "no answer"
            return self.answers.pop(0)

    def __call__(self, *words):
        with self.turn:
            self.process.stdin.write("\t".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            return self.answer()

    def renew(self):
        while self.process.poll() is None:
            for address, lease_ms in list(self.held.items()):
                try:
                    self("hold", address, lease_ms)
                except (AssertionError, OSError, ValueError):
                    return
            time.sleep(0.5)

    def hold(self, address, lease_ms=LEASE_MS):
        """From now on, renewed; gives the answer to the first."""
        answer = self("hold", address, lease_ms)
        self.held[address] = lease_ms
        return answer

    def forget(self, address):
        """No renewal any more; the time of the last one."""
        self.held.pop(address, None)

    def release(self, address):
        self.forget(address)
        return self("release", address)

    def look(self, address):
        answer = self("look", address)
        return answer.get("view", {"state": answer["rc"], "words": answer["text"]})

    def wait(self, address, state, timeout=10.0, **more):
        def is_there():
            view = self.look(address)
            wanted = {"state": state, **more}
            return view if all(view[key] == value for key, value in wanted.items()) else None

        return wait_for(is_there, f"{self.host.name}: {address} {state}", timeout)

    def states(self, address):
        return [view["state"] for _, view in self.changes if view["address"] == address]

    def signal(self, number):
        """When it was sent."""
        self.held.clear()
        with self.turn:
            self.process.send_signal(number)
            return time.monotonic()

    def end(self):
        self.held.clear()
        with self.turn:
            self.process.stdin.close()
        return self.process.wait(10)


class Wire:
    """Hosts a and b may hold the address, c is the client; all three speak IPv6, too."""

    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.hosts
        for number, host in enumerate(self.hosts.values(), start=11):
            host.ip("addr", "add", f"2001:db8:4d::{number}/64", "dev", "eth0", "nodad")
        self.logs = []

    def node(self, name, *options, **more):
        return Node(self.hosts[name], *options, **more)

    def has(self, name, ip):
        """Whether the kernel of that host has the address; as it prints it."""
        text = self.hosts[name].ip("-o", "addr", "show", "to", ip)
        return text.strip()

    def serve(self, *names):
        for name in names:
            server = self.hosts[name].spawn(
                ["/usr/bin/python3", "-c", SERVER, name, PORT], stdout=subprocess.PIPE, text=True
            )
            assert server.stdout.readline().strip() == "ready"

    def neighbour_mac(self, name, ip):
        rows = json.loads(self.hosts[name].ip("-j", "neigh", "show", ip) or "[]")
        return rows[0].get("lladdr") if rows else None


class Client:
    """Connects from host c all the time; who answered when."""

    def __init__(self, wire, ip):
        self.process = wire.hosts["c"].spawn(
            ["/usr/bin/python3", "-c", CLIENT, ip, PORT], stdout=subprocess.PIPE, text=True
        )
        self.tries = []  # (time, who; "-": nobody)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.endswith("\n"):  # the last one may be cut where the client was killed
                when, who = line.split()
                self.tries.append((float(when), who))

    def wait_answer(self, who, after, timeout=10.0):
        """The time of the first answer of `who` after that time."""
        return wait_for(
            lambda: next(
                (when for when, name in list(self.tries) if when > after and name == who), 0
            ),
            f"an answer of {who}",
            timeout,
        )

    def answers_between(self, begin, end):
        return {who for when, who in list(self.tries) if begin <= when <= end}
