"""Whole hosts: each with a database, a member of etcd, a manager and the proxy in its process."""

import contextlib
import json
import shutil
import signal
import subprocess
import time

import cluster as cluster_module
import lab as lab_module
import sandbox

CLIENT_PORT = 2379
PEER_PORT = 2380
DOOR_PORT = 4747
FLOATING = f"{lab_module.SUBNET}.100"
ETCD_DISK_MB = 300
READY_S = 60
ASK_S = 1


def require():
    for program, package in (("etcd", "etcd-server"), ("curl", "curl")):
        if not shutil.which(program):
            raise lab_module.Missing(f"{program} (package {package}) is not installed")


class Member:
    """One member of etcd, on a host of its own."""

    def __init__(self, host, hosts, options=()):
        self.host = host
        # etcd wants a disk of its own, that syncs quickly: docs/stores.md.
        self.disk = lab_module.Disk(host.folder / "etcd", ETCD_DISK_MB)
        self.data = self.disk.path / "data"
        self.log = host.folder / "etcd.log"
        self.options = list(options)
        peers = ",".join(f"{one.name}=http://{one.address}:{PEER_PORT}" for one in hosts)
        self.url = f"http://{host.address}:{CLIENT_PORT}"
        peer = f"http://{host.address}:{PEER_PORT}"
        self.words = [
            "etcd",
            f"--name={host.name}",
            f"--data-dir={self.data}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={peers}",
        ]
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.host.spawn(self.words + self.options, stdout=log, stderr=log)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        self.disk.remove()


def ask_inside(host, url, body=b"{}"):
    """One request from inside a host; None when there is no answer."""
    done = host.run(
        "curl", "-s", "-m", ASK_S, "-d", body.decode(), url, check=False, timeout=ASK_S + 5
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return None


def rewind_of(leader, name):
    """Whether the leading manager says that a crashed server may take back the tail of its log."""
    with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired, AttributeError):
        servers = leader.status(timeout=3)["servers"]
        return any(server["name"] == name and server["rewind"] for server in servers)
    return False


def wait_for_leader(site, timeout=READY_S):
    return sandbox.wait_until(site.find_leader, timeout, "a manager leads")


class Hosts:
    """`names` are hosts of the lab that have everything; `flavor` is that of the databases."""

    def __init__(self, lab, names, flavor="mariadb", etcd=(), extra=""):
        self.lab = lab
        self.names = list(names)
        hosts = [lab[name] for name in names]
        self.members = {host.name: Member(host, hosts, etcd) for host in hosts}
        self.cluster = cluster_module.Cluster(lab, names, flavor)
        self.databases = self.cluster.databases
        self.managers = {host.name: self.make_manager(host, hosts, extra) for host in hosts}

    def make_manager(self, host, hosts, extra):
        # A manager asks the member beside it first.
        urls = [self.members[one.name].url for one in hosts if one is host]
        urls += [self.members[one.name].url for one in hosts if one is not host]
        doors = ",".join(f"{one.address}:{DOOR_PORT}" for one in hosts)
        return cluster_module.Manager(
            host,
            f"[store]\nkind=etcd\nendpoints={','.join(urls)}\n"
            f"[node]\nname={host.name}\naddress={host.address}\nlisten-host={host.address}\n"
            f"listen-port={DOOR_PORT}\nmanagers={doors}\n"
            f"[agent]\nserver={host.address}:3306\n{extra}",
        )

    def start(self):
        for member in self.members.values():
            member.start()
        sandbox.wait_until(self.etcd_leader, READY_S, "etcd has a leader")
        for manager in self.managers.values():
            manager.start()
        self.cluster.start()
        self.cluster.create(self)
        self.wait_carried()
        self.order("address", "add", f"{FLOATING}/24", "--at", "proxy")
        sandbox.wait_until(self.holder, READY_S, "somebody holds the floating address")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for member in self.members.values():
            member.close()

    def holder(self):
        """The host that holds the floating address, as the leading manager knows it; None: none yet."""
        leader = self.find_leader()
        shown = leader.muster("address", "list", "--json") if leader else None
        if not shown or shown.returncode != 0:
            return None
        listed = json.loads(shown.stdout)["addresses"]
        held = [one["holder"] for one in listed if one["state"] == "held"]
        return held[0] if held else None

    def has_address(self, name):
        """Whether the kernel of a host has the floating address."""
        return self.lab[name].ip("-o", "addr", "show", "to", FLOATING).strip() != ""

    def etcd_leader(self):
        """The host whose member leads; None when nobody knows of one."""
        for name, member in self.members.items():
            if not member.process or member.process.poll() is not None:
                continue
            status = self.etcd_status(name)
            if status and status.get("leader", "") == status.get("header", {}).get("member_id"):
                return name
        return None

    def move_etcd_leader(self, name):
        """Makes the member of that host lead."""
        status = self.etcd_status(name)
        target = status["header"]["member_id"]
        leader = self.etcd_leader()
        if leader != name:
            member = self.members[leader]
            body = json.dumps({"targetID": target}).encode()
            ask_inside(member.host, f"{member.url}/v3/maintenance/transfer-leadership", body)
        sandbox.wait_until(lambda: self.etcd_leader() == name, 20, f"etcd's leader is on {name}")

    def etcd_status(self, name):
        member = self.members[name]
        return ask_inside(member.host, f"{member.url}/v3/maintenance/status")

    def running(self):
        return [one for one in self.managers.values() if one.process and one.process.poll() is None]

    def find_leader(self, among=None):
        """The manager that says that it leads; None: nobody does."""
        for manager in among or self.running():
            with contextlib.suppress(subprocess.TimeoutExpired):
                shown = manager.muster("store", "show", "--json", timeout=10)
                if shown.returncode == 0 and json.loads(shown.stdout)["leads"]:
                    return manager
        return None

    def leader(self, among=None, timeout=READY_S):
        return sandbox.wait_until(lambda: self.find_leader(among), timeout, "a manager leads")

    def done(self, *words, timeout=READY_S):
        """As a Manager's: for whoever drives a group through one."""
        return self.order(*words, timeout=timeout)

    def order(self, *words, timeout=READY_S):
        """One command to whoever leads; asked again while that changes."""
        end = time.monotonic() + timeout
        while True:
            done = self.leader().muster(*words, timeout=timeout)
            if done.returncode == 0:
                return done.stdout
            if "lead" not in done.stderr or time.monotonic() > end:
                raise RuntimeError(f"muster {' '.join(words)}: {done.stderr}{done.stdout}")
            time.sleep(0.2)

    def primary(self, timeout=10):
        """The host of the primary, as the leading manager has it on the record."""
        text = self.order("status", "--json", timeout=timeout)
        return sandbox.group_of(json.loads(text), cluster_module.GROUP)["primary"]

    def nodes(self):
        """As the leading manager knows them; [] while there is none."""
        leader = self.find_leader()
        shown = leader.muster("node", "list", "--json") if leader else None
        return json.loads(shown.stdout)["nodes"] if shown and shown.returncode == 0 else []

    def wait_carried(self, timeout=READY_S):
        """Every proxy has the newest route."""

        def all_carry():
            nodes = self.nodes()
            epochs = {one["epoch"] for one in nodes}
            return (
                len(nodes) == len(self.names)
                and len(epochs) == 1
                and all(one["state"] == "up" and one["epoch"] for one in nodes)
            )

        sandbox.wait_until(all_carry, timeout, "every proxy carries the group")

    def wait_healthy(self, timeout=90):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            leader = self.find_leader()
            if leader:
                self.remake_diverged(leader)
                done = leader.muster(
                    "wait", cluster_module.GROUP, "healthy", "--timeout", "3", timeout=30
                )
                if done.returncode == 0:
                    return True
            else:
                time.sleep(0.1)
        return False

    def remake_diverged(self, leader):
        """What a person does with a server that has what nobody else has: it is made anew."""
        servers = []
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            servers = leader.status(timeout=10)["servers"]
        for server in servers:
            if server["state"] == "diverged":
                self.cluster.remake(self, server["name"])

    def may_rewind(self, name):
        """What whoever starts a crashed server has to ask; without an answer it starts as it is."""
        with contextlib.suppress(TimeoutError):
            return rewind_of(self.leader(timeout=3), name)
        return False

    # ------------------------------------------------------------ a whole host

    def kill_host(self, name):
        """It loses power: its processes end, and nothing of it is on the network any more."""
        self.lab.isolate(name)
        self.databases[name].kill()
        self.managers[name].signal(signal.SIGKILL)
        self.members[name].kill()

    def start_host(self, name):
        """The power is back."""
        self.lab.heal(self.cuts_of(name))
        self.members[name].start()
        self.managers[name].start()
        self.databases[name].begin(wait=False, rewind=self.may_rewind(name))

    def isolate_host(self, name):
        self.lab.isolate(name)

    def join_host(self, name):
        self.lab.heal(self.cuts_of(name))

    def cuts_of(self, name):
        return {pair for pair in self.lab.cuts if name in pair}
