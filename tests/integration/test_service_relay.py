"""Clients of a service must not notice that a back end comes, goes, dies or is slow: the data path alone."""

import collections
import json
import pathlib
import socket
import struct
import threading
import time

import backends
import pytest
from proxy_lib import Proxy, wait_until

UNKNOWN, UP, DOWN = range(3)


class Balancer(Proxy):
    """A proxy that listens for the services `web` and `raw`."""

    def __init__(self, *options):
        super().__init__(*options, "--listen", "web", "--listen", "raw")
        self.ports += [int(self.process.stdout.readline().split()[2]) for _ in range(2)]
        self.web, self.raw = self.ports[:2]

    def publish(self, *rows, wait=True):
        """rows: (service, port) or (service, port, weight, open, check)."""
        for row in rows:
            service, port, weight, open_, check = (*row, 100, 1, "tcp")[:2] + (
                *row[2:],
                *(100, 1, "tcp")[len(row) - 2 :],
            )
            self.tell(f"backend {service} 127.0.0.1 {port} {weight} {open_} {check}")
        self.tell("services")
        if wait:
            wait_until(lambda: json.loads(self.say("backends"))["in_force"], "the table in force")

    def backend(self, service, port):
        return json.loads(self.say("backends"))["backends"][f"{service} 127.0.0.1:{port}"]

    def wait_state(self, service, port, state):
        wait_until(lambda: self.backend(service, port)["state"] == state, f"{port} is {state}")

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.log[-5:]


@pytest.fixture
def balancer():
    made = []

    def make(*options):
        made.append(Balancer(*options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def webs(tmp_path):
    """webs("a", "b"): running web servers of these names."""
    made = []

    def make(*names):
        new = [backends.Web(name, tmp_path) for name in names]
        made.extend(new)
        for web in new:
            web.start()
        return new

    yield make
    for web in made:
        web.kill()


def listen():
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    return server, server.getsockname()[1]


def connect(port):
    conn = socket.create_connection(("127.0.0.1", port), timeout=20)
    return conn


def test_weights_are_kept(balancer, webs):
    """A strong web server must get its share and no more, whether clients come one by one or all at once."""
    a, b = webs("a", "b")
    proxy = balancer("--workers", "1")
    proxy.publish(("web", a.port, 100), ("web", b.port, 300))
    proxy.wait_state("web", a.port, UP)
    proxy.wait_state("web", b.port, UP)
    names = collections.Counter()
    for _ in range(40):
        names[backends.get("127.0.0.1", proxy.web)] += 1
        # The next one comes when this one's connection has ended for the proxy, too.
        for web in (a, b):
            wait_until(lambda w=web: proxy.backend("web", w.port)["connections"] == 0, "the end")
    assert names == {"a": 10, "b": 30}
    held = [connect(proxy.web) for _ in range(40)]
    wait_until(lambda: proxy.backend("web", a.port)["connections"] == 10, "a quarter at a")
    wait_until(lambda: proxy.backend("web", b.port)["connections"] == 30, "the rest at b")
    for conn in held:
        conn.close()
    wait_until(lambda: proxy.backend("web", b.port)["connections"] == 0, "all have gone")


def test_a_back_end_that_dies_is_left_at_once(balancer, webs):
    """A killed web server may cost the requests that it was answering, and not one more."""
    a, b = webs("a", "b")
    proxy = balancer()
    proxy.publish(("web", a.port), ("web", b.port))
    proxy.wait_state("web", a.port, UP)
    proxy.wait_state("web", b.port, UP)
    load = backends.Load("127.0.0.1", proxy.web)
    wait_until(lambda: len(set(load.since(0))) == 2, "both answer")
    killed = time.monotonic()
    a.kill()
    mark = load.count()
    wait_until(lambda: load.count() > mark + 200, "the clients go on")
    proxy.wait_state("web", a.port, DOWN)
    assert "refused" in proxy.backend("web", a.port)["why"]
    mark = load.count()
    a.start()
    proxy.wait_state("web", a.port, UP)
    wait_until(lambda: "a" in load.since(mark), "the first one is back by itself")
    load.stop()
    # What was in its hands, or in the queue of its socket, when it was killed.
    late = [error for at, error in load.failures if at > killed + 2]
    assert not late and len(load.failures) <= len(load.threads), load.failures


def test_draining_loses_nothing(balancer, webs):
    """Taking a web server out under load must not cost a single request, and what it has begun it ends."""
    a, b = webs("a", "b")
    proxy = balancer()
    proxy.publish(("web", a.port), ("web", b.port))
    proxy.wait_state("web", a.port, UP)
    proxy.wait_state("web", b.port, UP)
    load = backends.Load("127.0.0.1", proxy.web)
    wait_until(lambda: len(set(load.since(0))) == 2, "both answer")
    slow = backends.Load("127.0.0.1", proxy.web, clients=4, path="/hold/1")
    wait_until(lambda: proxy.backend("web", a.port)["connections"] >= 2, "some are long at a")
    proxy.publish(("web", a.port, 100, 0), ("web", b.port))
    mark = load.count()
    wait_until(lambda: proxy.backend("web", a.port)["connections"] == 0, "a has ended all")
    wait_until(lambda: load.count() > mark + 50, "the clients go on")
    # Each client may have been waiting for one answer.
    assert load.since(mark).count("a") <= 4
    a.kill()
    load.stop()
    slow.stop()
    assert load.failures == [] and slow.failures == []
    assert "a" in slow.answers


def test_http_checks(balancer, webs):
    """A web server that says it is ill must get nobody, though its port answers."""
    (a,) = webs("a")
    proxy = balancer("--connect-ms", "300")
    a.sick.touch()
    proxy.publish(("web", a.port, 100, 1, "http:/health"))
    proxy.wait_state("web", a.port, DOWN)
    assert proxy.backend("web", a.port)["why"] == "HTTP status 503"
    with pytest.raises(OSError):
        backends.get("127.0.0.1", proxy.web)
    a.sick.unlink()
    proxy.wait_state("web", a.port, UP)
    assert backends.get("127.0.0.1", proxy.web) == "a"
    # Something else has the port, or something that never answers: both are seen for what they are.
    silent, silent_port = listen()
    talker, talker_port = listen()

    def talk():
        while True:
            try:
                conn = talker.accept()[0]
                conn.recv(1000)
                conn.sendall(b"220 mail.example ESMTP\r\n")
                conn.close()
            except OSError:
                return

    threading.Thread(target=talk, daemon=True).start()
    proxy.publish(
        ("web", silent_port, 100, 1, "http:/health"), ("web", talker_port, 100, 1, "http:/health")
    )
    proxy.wait_state("web", silent_port, DOWN)
    proxy.wait_state("web", talker_port, DOWN)
    assert proxy.backend("web", silent_port)["why"] == "no answer in time"
    assert proxy.backend("web", talker_port)["why"] == "closed without an HTTP status"
    silent.close()
    talker.close()


def test_who_comes_too_early_waits(balancer, webs):
    """Clients of a proxy that has just been started must wait for the first check, not be turned away."""
    (a,) = webs("a")
    proxy = balancer("--connect-ms", "10000")
    load = backends.Load("127.0.0.1", proxy.web, clients=1)
    time.sleep(0.3)
    assert load.count() == 0 and not load.failures
    proxy.publish(("web", a.port))
    wait_until(lambda: load.count() > 0, "it is served")
    assert not load.stop().failures
    # One that is only restarted costs its clients time: they wait for it, and are not turned away.
    a.kill()
    load = backends.Load("127.0.0.1", proxy.web, clients=2)
    time.sleep(0.3)
    assert load.count() == 0 and not load.failures
    a.start()
    wait_until(lambda: load.count() > 0, "it is served again")
    assert not load.stop().failures


def test_nobody_waits_forever(balancer, webs):
    """Without a back end a client must be told so by the end of its connection, in the time that is set."""
    (a,) = webs("a")
    proxy = balancer("--connect-ms", "300")
    proxy.publish(("web", a.port, 100, 0))
    for service in (proxy.web, proxy.raw):
        began = time.monotonic()
        with pytest.raises(OSError):
            backends.get("127.0.0.1", service)
        assert 0.25 < time.monotonic() - began < 5


def rss_kb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_a_slow_reader_costs_no_memory(balancer):
    """A client that asks for gigabytes and reads nothing must not fill the proxy's memory; all bytes come at last."""
    server, port = listen()
    total = 64 << 20
    piece = bytes(range(256)) * 256

    def serve():
        while True:
            try:
                conn = server.accept()[0]
            except OSError:
                return
            if conn.recv(1) == b"g":
                for _ in range(total // len(piece)):
                    conn.sendall(piece)
            conn.close()

    threading.Thread(target=serve, daemon=True).start()
    proxy = balancer()
    proxy.publish(("raw", port))
    proxy.wait_state("raw", port, UP)
    before = rss_kb(proxy.process)
    client = connect(proxy.raw)
    client.sendall(b"g")
    time.sleep(0.5)
    assert rss_kb(proxy.process) - before < 4096
    got = 0
    while chunk := client.recv(1 << 20):
        at = got % 256
        assert chunk[:256] == (piece[at:256] + piece)[: len(chunk[:256])]
        got += len(chunk)
    assert got == total
    assert rss_kb(proxy.process) - before < 4096
    client.close()
    server.close()


def test_each_direction_ends_by_itself(balancer):
    """A program that sends all, ends its half and then waits for the answer must get it; and the other way round."""
    server, port = listen()
    proxy = balancer()
    proxy.publish(("raw", port))

    def accept():
        """The next connection that says something: checks say nothing."""
        while True:
            conn = server.accept()[0]
            conn.settimeout(20)
            first = conn.recv(1)
            if first:
                return conn, first

    def start():
        # Accepted while the first check may be the one that is under way.
        box = []
        thread = threading.Thread(target=lambda: box.extend(accept()))
        thread.start()
        client = connect(proxy.raw)
        client.sendall(b"x" * 100000)
        thread.join(20)
        return client, box[0]

    client, peer = start()
    client.shutdown(socket.SHUT_WR)
    got = 1
    while chunk := peer.recv(65536):
        got += len(chunk)
    assert got == 100000
    peer.sendall(b"answer")
    peer.close()
    assert client.recv(100) == b"answer" and client.recv(100) == b""
    client.close()
    client, peer = start()
    peer.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b""
    client.sendall(b"more")
    got = 1
    while got < 100004:
        got += len(peer.recv(65536))
    client.close()
    assert peer.recv(100) == b""
    peer.close()
    # A reset is passed on as one: half an answer must not look like a whole one.
    client, peer = start()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(ConnectionResetError):
        while client.recv(100):
            pass
    client.close()
    wait_until(lambda: proxy.backend("raw", port)["connections"] == 0, "none is left")
    server.close()


def test_names_and_limits(balancer):
    """A back end with an unknown name must not hold the others up; and no client is tried on dead back ends forever."""
    server, port = listen()
    proxy = balancer("--connect-ms", "300")
    proxy.tell("backend raw no-such-host.invalid 80 100 1 tcp")
    proxy.publish(("raw", port))
    proxy.wait_state("raw", port, UP)
    connect(proxy.raw).close()
    wait_until(
        lambda: "no name service" in proxy.say("backends"), "what is wrong with the unknown name"
    )
    # The queue of this one is full, so that it neither accepts nor refuses.
    stuck = socket.create_server(("127.0.0.1", 0), backlog=0)
    stuck_port = stuck.getsockname()[1]
    proxy.publish(("raw", stuck_port))
    proxy.wait_state("raw", stuck_port, UP)
    fill = []
    for _ in range(8):
        conn = socket.socket()
        conn.setblocking(False)
        conn.connect_ex(("127.0.0.1", stuck_port))
        fill.append(conn)
    client = connect(proxy.raw)
    began = time.monotonic()
    with pytest.raises(OSError):
        if not client.recv(1):
            raise ConnectionResetError
    assert time.monotonic() - began < 5
    for conn in (*fill, client, stuck, server):
        conn.close()
