"""Web servers must come into the balance and leave it by themselves, and no client may notice: nodes and real HTTP."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import types

import backends
import etcd as etcd_module
import nodes as nodes_module
import pytest
import sandbox as sandbox_module
from sandbox import wait_until


class Manager:
    """`muster run` that leads and takes nodes, without any database."""

    def __init__(self, folder, name="manager"):
        self.name = name
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir()
        self.port = nodes_module.free_port()
        self.config = self.folder / "muster.cnf"
        self.socket = self.folder / "s.sock"
        self.box = types.SimpleNamespace(group="none")
        self.process = None
        self.config.write_text(
            f"[muster]\nsocket={self.socket}\ndata-dir={self.folder}/data\n"
            f"[node]\nname=manager\nlisten-host=127.0.0.1\nlisten-port={self.port}\n"
        )

    def environment(self):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        secrets = {"MUSTER_MANAGER_PASSWORD": "none", "MUSTER_REPLICATION_PASSWORD": "none"}
        return {**clean, **secrets, "MUSTER_SOCKET": str(self.socket)}

    def start(self, wait=True):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [sandbox_module.muster_program(), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
            )
        if wait:
            wait_until(self.leads, 20, "a manager that leads")
        return self

    def leads(self):
        return self.process.poll() is None and self.muster("node", "list").returncode == 0

    def muster(self, *words):
        return subprocess.run(
            [sandbox_module.muster_for(words), *map(str, words)],
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=60,
            check=False,
        )

    def json(self, *words):
        done = self.muster(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def token(self, *words):
        return self.muster("node", "token", *words).stdout.strip()

    def nodes(self):
        return {one["node"]: one for one in self.json("node", "list")["nodes"]}

    def backend(self, address, service="web"):
        for one in self.json("service", "list")["services"]:
            for backend in one["backends"] if one["service"] == service else ():
                if backend["address"] == address:
                    return backend
        return {"state": "gone", "connections": 0, "why": ""}

    def wait_state(self, web, state, timeout_s=15):
        wait_until(
            lambda: self.backend(web.address)["state"] == state,
            timeout_s,
            f"{web.name} is {state}, not {self.backend(web.address)}",
        )

    def events(self):
        return [one["evt"] for one in self.json("events")["events"]]

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


class Balancer(nodes_module.Node):
    """A node whose proxy carries the service `web`."""

    def __init__(self, manager, folder, number):
        self.web_port = nodes_module.free_port(f"127.0.1.{number}")
        super().__init__(
            manager,
            folder,
            number,
            group=False,
            extra=f"[proxy]\nhost=127.0.1.{number}\nworkers=2\nservices = web:{self.web_port}\n"
            "check-interval-ms = 200\nconnect-timeout-ms = 5000\n",
        )

    def is_up(self):
        return super().is_up() and self.seen().get("services") == ["web"]

    def load(self, **options):
        return backends.Load(self.host, self.web_port, **options)


class Host(nodes_module.Node):
    """A node on which a web server runs that registers itself, as its unit would do it."""

    def __init__(self, manager, folder, number):
        super().__init__(manager, folder, number, group=False)
        self.web = backends.Web(self.name, folder, self.host)

    def register(self, *words):
        return self.muster("register", "--service", "web", "--address", self.web.address, *words)

    def deregister(self, *words):
        return self.muster("deregister", "--service", "web", "--address", self.web.address, *words)

    def close(self):
        self.web.kill()
        super().close()


@pytest.fixture
def place(tmp_path):
    """place(balancers, hosts): a manager, and so many of each, all joined and up."""
    made = []

    def make(balancers, hosts):
        manager = Manager(tmp_path).start()
        made.append(manager)
        new = [Balancer(manager, tmp_path, number + 1) for number in range(balancers)]
        new += [Host(manager, tmp_path, number + 11) for number in range(hosts)]
        made.extend(new)
        for node in new:
            node.join(manager.token())
            node.start(wait=False)
        for node in new:
            wait_until(node.is_up, 15, f"{node.name} is up")
        return manager, *new

    yield make
    for one in reversed(made):
        one.close()


def test_servers_come_and_go_under_load(place):
    """A rolling restart of the web servers, each registered by its own unit, must not fail one request."""
    manager, balancer, one, two = place(1, 2)
    done = one.register("--check", "http:/health", "--weight", "200")
    assert done.returncode == 0 and "while it is healthy" in done.stdout
    manager.wait_state(one.web, "down")
    assert "refused" in manager.backend(one.web.address)["why"]
    one.web.start()
    manager.wait_state(one.web, "up")
    load = balancer.load()
    wait_until(lambda: load.count() > 20, 15, "requests are answered")
    two.web.start()
    assert two.register("--check", "http:/health").returncode == 0
    wait_until(lambda: two.name in load.since(0), 15, "the second one is in by itself")
    for host in (one, two):
        # What systemd does with ExecStop and ExecStartPost.
        done = host.deregister("--wait", "20")
        assert done.returncode == 0 and "has left the balance" in done.stdout, done.stderr
        assert manager.backend(host.web.address)["state"] == "gone"
        host.web.kill()
        mark = load.count()
        wait_until(lambda mark=mark: load.count() > mark + 20, 15, "the other one carries on")
        host.web.start()
        assert host.register().returncode == 0
        wait_until(
            lambda mark=mark, host=host: host.name in load.since(mark), 15, "it is back by itself"
        )
    assert load.stop().failures == []
    shown = manager.muster("service", "show", "web").stdout
    assert one.web.address in shown and "up" in shown
    story = manager.events()
    for evt in ("service.registered", "service.up", "service.deregistered", "service.left"):
        assert evt in story
    # An ill one is taken out though its port answers.
    assert one.register("--check", "http:/health").returncode == 0
    one.web.sick.touch()
    manager.wait_state(one.web, "down")
    assert "HTTP status 503" in manager.backend(one.web.address)["why"]


def test_who_is_told_what(place):
    """A stop that waits must not say that nobody is connected while somebody is; nor may a node throw another's out."""
    manager, balancer, one, two = place(1, 2)
    one.web.start()
    one.register()
    manager.wait_state(one.web, "up")
    conn = socket.create_connection((balancer.host, balancer.web_port), timeout=20)
    wait_until(lambda: manager.backend(one.web.address)["connections"] == 1, 15, "it is counted")
    done = two.muster("deregister", "--service", "web", "--address", one.web.address)
    assert done.returncode != 0 and f"registered by node '{one.name}'" in done.stderr
    done = one.deregister("--wait", "1")
    assert done.returncode == 5 and "1 connections still ran to" in done.stderr
    # The connection goes on, and with its end the back end leaves.
    conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert b"200" in conn.recv(1000)
    conn.close()
    manager.wait_state(one.web, "gone")
    # A proxy of which nothing is known may send clients there: that is said, not passed over.
    one.register()
    manager.wait_state(one.web, "up")
    balancer.signal(signal.SIGSTOP)
    wait_until(lambda: balancer.seen()["state"] == "silent", 15, "the proxy is silent")
    done = one.deregister("--wait", "1")
    assert done.returncode == 5 and f"the proxy of {balancer.name} had not told" in done.stderr
    balancer.signal(signal.SIGCONT)
    manager.wait_state(one.web, "gone")
    for words, status, what in (
        (("register", "--service", "web"), 2, "--address HOST:PORT is needed"),
        (("register", "--service", "a b", "--address", "h:1"), 2, "is no service's name"),
        (("register", "--service", "web", "--address", "h"), 2, "is no HOST:PORT"),
        (("register", "--service", "web", "--address", "h:1", "--check", "x"), 2, "http:/path"),
        (("register", "--service", "web", "--address", "h:1", "--group", "g"), 2, "databases"),
        (("register", "--server", "h:1", "--check", "tcp"), 2, "are for --service"),
        (("deregister", "--service", "web", "--address", "h:1"), 1, "there is no service 'web'"),
        (("service", "show", "nothing"), 1, "there is no service 'nothing'"),
    ):
        done = one.muster(*words)
        assert done.returncode == status and what in done.stderr, (words, done)
        assert len(done.stderr.splitlines()) == 1
    done = one.muster("service", "set", "web", "h:1", "--weight", "5")
    assert done.returncode != 0 and "on a manager's host" in done.stderr


def test_a_node_speaks_for_its_back_ends(place):
    """A host that dies, stops, is drained or thrown out must get no web client any more, and gets them again later."""
    manager, balancer, one, two = place(1, 2)
    for host in (one, two):
        host.web.start()
        host.register()
    for host in (one, two):
        manager.wait_state(host.web, "up")
    load = balancer.load(clients=2)

    def only(name):
        mark = load.count()
        wait_until(lambda: load.count() > mark + 10, 15, "requests are answered")
        return set(load.since(mark + 4)) == {name}

    # The node's agent is gone, its web server lives: nobody vouches for it.
    two.kill()
    manager.wait_state(two.web, "silent")
    wait_until(lambda: only(one.name), 15, "a silent node's back end gets nobody")
    two.start()
    manager.wait_state(two.web, "up")
    two.process.terminate()
    manager.wait_state(two.web, "silent")
    assert manager.backend(two.web.address)["why"] == f"node {two.name} has stopped"
    two.process.wait(20)
    two.start()
    manager.wait_state(two.web, "up")
    manager.muster("node", "drain", two.name)
    manager.wait_state(two.web, "draining")
    wait_until(lambda: only(one.name), 15, "a drained node's back end gets nobody")
    manager.muster("node", "drain", two.name, "--undo")
    manager.wait_state(two.web, "up")
    # By hand, one back end: stronger than its unit's word.
    manager.muster("service", "drain", "web", two.web.address)
    manager.wait_state(two.web, "draining")
    assert "drained" in two.register().stdout
    manager.wait_state(two.web, "draining")
    manager.muster("service", "drain", "web", two.web.address, "--undo")
    manager.wait_state(two.web, "up")
    assert manager.muster("service", "set", "web", two.web.address, "--weight", "7").returncode == 0
    assert manager.backend(two.web.address)["weight"] == 7
    assert manager.muster("node", "remove", two.name, "--yes").returncode == 0
    manager.wait_state(two.web, "gone")
    assert load.stop().failures == []


def test_traffic_goes_on_without_a_manager(place):
    """Web clients must not depend on the manager: without it a dead back end is left, and one that is back is used."""
    manager, balancer, one, two = place(1, 2)
    for host in (one, two):
        host.web.start()
        host.register()
    for host in (one, two):
        manager.wait_state(host.web, "up")
    manager.process.send_signal(signal.SIGSTOP)
    load = balancer.load(clients=2)
    # Beyond the end of the lease, which services don't need.
    wait_until(lambda: "the lease ends" in balancer.log.read_text(), 15, "the end of the lease")
    mark = load.count()
    wait_until(lambda: set(load.since(mark)) == {one.name, two.name}, 15, "both go on")
    one.web.kill()
    wait_until(lambda: "backend.down" in balancer.log.read_text(), 15, "the check's failure")
    mark = load.count()
    wait_until(lambda: load.count() > mark + 20, 15, "the other one carries on")
    assert set(load.since(mark)) == {two.name}
    one.web.start()
    wait_until(lambda: one.name in load.since(mark), 15, "it is used again")
    assert len(load.failures) <= len(load.threads)
    failures = len(load.failures)
    manager.process.kill()
    manager.process.wait()
    manager.start()
    manager.wait_state(one.web, "up")
    manager.wait_state(two.web, "up")
    assert one.deregister("--wait", "20").returncode == 0
    assert len(load.stop().failures) == failures


def test_one_process_is_enough(tmp_path):
    """A single host with a list of web servers must work without nodes; and a wrong list must be refused in words."""
    webs = [backends.Web(name, tmp_path).start() for name in ("a", "b")]
    port = nodes_module.free_port()
    manager = Manager(tmp_path)
    text = manager.config.read_text().split("[node]")[0]
    proxy = "[proxy]\nhost=127.0.0.1\ncheck-interval-ms=200\nservices = "
    try:
        for wrong, what in (("web", "no NAME:PORT"), (f"web:{port},web:1", "stands there twice")):
            manager.config.write_text(f"{text}{proxy}{wrong}\n")
            done = manager.muster("run", "--config", manager.config)
            assert done.returncode != 0 and "[proxy] services" in done.stderr
            assert what in done.stderr
        manager.config.write_text(f"{text}{proxy}web:{port}\n")
        manager.start()
        for web in webs:
            manager.muster("register", "--service", "web", "--address", web.address)
        for web in webs:
            manager.wait_state(web, "up")
        names = {backends.get("127.0.0.1", port) for _ in range(4)}
        assert names == {"a", "b"}
        done = manager.muster("deregister", "--service", "web", "--address", webs[0].address)
        assert done.returncode == 0, done.stderr
        assert {backends.get("127.0.0.1", port) for _ in range(4)} == {"b"}
        manager.process.kill()
        manager.process.wait()
        manager.start()
        manager.wait_state(webs[1], "up")
        assert backends.get("127.0.0.1", port) == "b"
        assert "web" in manager.muster("service", "list").stdout
    finally:
        manager.close()
        for web in webs:
            web.kill()


def test_another_manager_goes_on(tmp_path):
    """With several managers a web server must register and leave on each host, whoever leads, and outlive him."""
    etcd = etcd_module.Etcd()
    ports = [nodes_module.free_port(f"127.0.3.{11 + i}") for i in range(3)]
    listed = ",".join(f"127.0.3.{11 + i}:{port}" for i, port in enumerate(ports))
    managers, webs, load = [], [], None
    try:
        for i, port in enumerate(ports):
            host = f"127.0.3.{11 + i}"
            manager = Manager(tmp_path, name=f"m{i}")
            manager.web_port = nodes_module.free_port(host)
            manager.config.write_text(
                f"[muster]\nsocket={manager.socket}\ndata-dir={manager.folder}/data\n"
                f"[store]\nkind=etcd\nendpoints={etcd.endpoints}\n[node]\nname=m{i}\n"
                f"listen-host={host}\nlisten-port={port}\nmanagers={listed}\n[proxy]\nhost={host}\n"
                f"services=web:{manager.web_port}\ncheck-interval-ms=200\nworkers=1\n"
            )
            managers.append(manager.start(wait=False))
            webs.append(backends.Web(f"w{i}", tmp_path, host).start())

        def leader():
            return next((one for one in managers if one.leads()), None)

        wait_until(leader, 30, "somebody leads")
        wait_until(lambda: len(leader().nodes()) == 3, 30, "all are nodes")
        for manager, web in zip(managers, webs):
            words = ("register", "--service", "web", "--address", web.address)
            wait_until(lambda m=manager, w=words: m.muster(*w).returncode == 0, 15, "registered")
        for web in webs:
            leader().wait_state(web, "up")
        first = leader()
        others = [one for one in managers if one is not first]
        load = backends.Load(f"127.0.3.{11 + managers.index(others[0])}", others[0].web_port)
        wait_until(lambda: set(load.since(0)) == {"w0", "w1", "w2"}, 15, "all answer")
        first.process.kill()
        first.process.wait()
        wait_until(lambda: leader() and leader() is not first, 30, "another one leads")
        gone = webs[managers.index(first)]
        follower = next(one for one in others if one is not leader())
        leader().wait_state(gone, "silent")
        for web in webs:
            if web is not gone:
                leader().wait_state(web, "up")
        web = webs[managers.index(follower)]
        # The proxy on the lost host may send clients there, for all that is known.
        words = ("deregister", "--service", "web", "--address", web.address, "--wait", "1")
        done = follower.muster(*words)
        assert done.returncode == 5 and first.name in done.stderr, done.stderr
        assert leader().muster("node", "remove", first.name, "--yes").returncode == 0
        leader().wait_state(web, "gone")
        leader().wait_state(gone, "gone")
        assert load.stop().failures == []
        assert (
            follower.muster("register", "--service", "web", "--address", web.address).returncode
            == 0
        )
        leader().wait_state(web, "up")
    finally:
        for one in managers:
            one.close()
        for web in webs:
            web.kill()
        etcd.close()
