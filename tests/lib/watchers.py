"""Looks at servers and hosts from inside, all the time, past every partition: who takes writes, who has the address.

A server is asked over its Unix socket, a host in its own namespace, so that no cut stands in between. What was
seen is judged at the end, or whenever asked.
"""

import re
import threading
import time

import pymysql

import hosts as hosts_module

PAUSE_S = 0.1
ADDRESS_PAUSE_S = 0.4
HEALED_S = 5  # two that held it on both sides of a cut know of each other by then
HELD_TWICE_S = 1.0


class ServerWatch:
    """What one server says of itself: (time, writable, number of its newest own transaction)."""

    def __init__(self, name, database):
        self.name = name
        self.database = database
        self.samples = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        conn = None
        while not self.stopping.wait(PAUSE_S):
            try:
                conn = conn or self.database.root(read_timeout=2, write_timeout=2)
                begun = time.monotonic()
                writable, own = self.look(conn)
                self.samples.append((begun, time.monotonic(), writable, own))
            except (pymysql.err.Error, OSError, AttributeError):
                conn = None

    def look(self, conn):
        with conn.cursor() as cur:
            if self.database.mysql:
                cur.execute("SELECT @@read_only, @@server_uuid, @@gtid_executed")
                read_only, uuid, executed = cur.fetchone()
                own = re.search(rf"{uuid}:([0-9:,-]+)", executed.replace("\n", ""))
                return not read_only, max(map(int, re.findall(r"\d+", own[1]))) if own else 0
            cur.execute("SELECT @@read_only, @@server_id, @@gtid_binlog_state")
            read_only, number, state = cur.fetchone()
            own = re.search(rf"\d+-{number}-(\d+)", state)
            return not read_only, int(own[1]) if own else 0

    def progress(self):
        """(begun, ended) of each time between two samples in which it took writes of its own.

        A server that isn't writable gets transactions of its own back from others: one that was made anew, or that
        took back the tail of its log.
        """
        found = []
        for before, after in zip(self.samples, self.samples[1:]):
            if after[3] > before[3] and before[2] and after[2]:
                found.append((before[0], after[1]))
        return found

    def stop(self):
        self.stopping.set()
        self.thread.join(10)


class AddressWatch:
    """Who has the floating address, and whether two have it that can hear each other."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.violations = []
        self.stopping = threading.Event()
        self.cut_s = {}
        self.both_s = {}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def pairs(self):
        names = self.hosts.names
        return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]

    def run(self):
        while not self.stopping.wait(ADDRESS_PAUSE_S):
            now = time.monotonic()
            cuts = set(self.hosts.lab.cuts)
            try:
                held = {name for name in self.hosts.names if self.hosts.has_address(name)}
            except RuntimeError:
                continue
            for pair in self.pairs():
                self.look_at(pair, now, cuts, held)

    def look_at(self, pair, now, cuts, held):
        a, b = pair
        if (a, b) in cuts or (b, a) in cuts:
            self.cut_s[pair] = now
        apart = now - self.cut_s.get(pair, 0) < HEALED_S
        if a not in held or b not in held or apart:
            self.both_s.pop(pair, None)
            return
        since = self.both_s.setdefault(pair, now)
        if now - since > HELD_TWICE_S:
            self.violations.append(f"{a} and {b} have {hosts_module.FLOATING} at {now:.3f}")
            self.both_s[pair] = now + HELD_TWICE_S

    def stop(self):
        self.stopping.set()
        self.thread.join(10)


def turns(watches):
    """The servers in the order in which they wrote; who appears twice took writes again after another one had."""
    steps = []
    for watch in watches:
        steps += [(ended, begun, watch.name) for begun, ended in watch.progress()]
    order = []
    last_ended = 0.0
    for ended, begun, name in sorted(steps):
        if not order or order[-1] != name:
            # Two that wrote within one look: which was first is not known, and no return.
            if len(order) > 1 and order[-2] == name and begun < last_ended:
                continue
            order.append(name)
        last_ended = ended
    return order
