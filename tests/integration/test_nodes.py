"""Nodes must never act without a lease, and never stop without a reason: real servers, real TLS, real processes."""

import re
import signal
import socket
import ssl
import threading
import time

import load as load_module
import nodes as nodes_module
import pymysql
import pytest
from sandbox import wait_until

LEASE_S = 1.7
MARGIN_S = 0.2
RENEW_S = 0.4


@pytest.fixture
def place(sandbox, tmp_path):
    """place(count): a sandbox whose manager takes nodes, and so many nodes that have joined and carry clients."""
    made = []

    def make(count, **options):
        managed = nodes_module.Managed(sandbox(**options))
        for number in range(1, count + 1):
            node = nodes_module.Node(managed, tmp_path, number)
            made.append(node)
            node.join(managed.token())
            node.start()
        return managed, *made

    yield make
    for node in made:
        node.close()


class Through:
    """A sandbox as seen through a node: for clients under load."""

    def __init__(self, node):
        self.box = node.managed.box
        self.node = node

    def full_env(self):
        return {**self.box.full_env(), **self.node.environment_of_clients()}

    def status(self):
        return self.box.status()


def direct(managed, name):
    """root's connection to one server, past all proxies."""
    return pymysql.connect(
        user="root",
        password=(managed.folder / "secrets" / "root.password").read_text().strip(),
        unix_socket=str(managed.folder / f"{name}.sock"),
        autocommit=True,
    )


def one(conn, sql):
    with conn.cursor() as cur:
        cur.execute(sql)
        row = cur.fetchone()
    return row[0] if row else None


def lines_of(done):
    assert done.returncode != 0
    return done.stderr.strip()


def test_who_may_join(sandbox, tmp_path):
    """A stranger with an old, used or invented token must get nothing, and give nothing away."""
    managed = nodes_module.Managed(sandbox(servers=1))
    node = nodes_module.Node(managed, tmp_path, 1)
    token = managed.token()
    identity, secret, fingerprint = token.split(".")
    for wrong, words in (
        ("nonsense", "no join token"),
        (f"{identity}.{'0' * 48}.{fingerprint}", "unknown, was used"),
        (f"{'0' * 16}.{secret}.{fingerprint}", "unknown, was used"),
        (f"{identity}.{secret}.{'0' * 64}", "not one of the managers"),
    ):
        assert words in lines_of(node.join(wrong, check=False))
    assert not (node.data / "node").exists()
    done = node.muster("node", "join", "--config", node.config)
    assert done.returncode == 2 and "a join token is needed" in done.stderr
    short = managed.token("--ttl", "1s")
    time.sleep(1.1)
    assert "its time is over" in lines_of(node.join(short, check=False))
    node.join(token)
    assert (node.data / "node" / "key.pem").stat().st_mode & 0o777 == 0o600
    other = nodes_module.Node(managed, tmp_path, 2)
    assert "was used" in lines_of(other.join(token, check=False))
    # A token without the role does not let a node carry clients.
    other.join(managed.token("--role", "agent"))
    other.start(wait=False)
    try:
        wait_until(lambda: "has no role proxy" in other.log.read_text(), 10, "the refusal")
    finally:
        other.close()


def post(managed, path, body, certificate=None):
    """A bare HTTPS request; its answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    with socket.create_connection(("127.0.0.1", managed.port), timeout=10) as raw:
        with context.wrap_socket(raw) as conn:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            conn.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
            got = b""
            while chunk := conn.recv(65536):
                got += chunk
    return got.decode()


def test_who_may_report(sandbox, tmp_path):
    """Without a certificate of these managers, or with that of a removed node, nothing may be told or asked."""
    managed = nodes_module.Managed(sandbox(servers=1))
    strangers = nodes_module.Managed(sandbox(servers=1))
    foreign = nodes_module.Node(strangers, tmp_path, 2)
    foreign.join(strangers.token())
    files = foreign.data / "node" / "certificate.pem", foreign.data / "node" / "key.pem"
    for path in ("report", "renew", "consent", "call"):
        assert "403" in post(managed, f"/node/v1/{path}", b"{}").splitlines()[0]
        assert "403" in post(managed, f"/node/v1/{path}", b"{}", files).splitlines()[0]
    assert "404" in post(managed, "/v1/groups", b"{}").splitlines()[0]
    assert "413" in post(managed, "/node/v1/join", b"x" * (1024 * 1024 + 1)).splitlines()[0]
    node = nodes_module.Node(managed, tmp_path, 1)
    node.join(managed.token())
    files = node.data / "node" / "certificate.pem", node.data / "node" / "key.pem"
    body = b'{"method": "node.token", "params": {}}'
    assert "403" in post(managed, "/node/v1/call", body, files).splitlines()[0]
    node.start()
    try:
        managed.box.muster("node", "remove", "n1", "--yes")
        assert "403" in post(managed, "/node/v1/report", b"{}", files).splitlines()[0]
        began = time.monotonic()
        wait_until(lambda: not managed.nodes(), 10, "the removed node is forgotten")
        assert time.monotonic() - began < LEASE_S + MARGIN_S + 2 * RENEW_S + 1
        conn = None
        with pytest.raises(pymysql.err.MySQLError):
            conn = node.connect(read_timeout=3)
            one(conn, "SELECT 1")
    finally:
        node.close()


def test_failover_reaches_every_node(place):
    """A client on a node that wasn't told would write to the dead primary, or to two."""
    managed, first, second = place(2)
    box = managed.box
    conns = [first.connect(), second.connect()]
    before = {one(conn, "SELECT @@port") for conn in conns}
    assert len(before) == 1
    with load_module.Load(Through(first), first.folder, clients=4) as load:
        box.server_command("kill", "primary")
        load.wait_for_acknowledged(200, load_module.now_us())
        wait_until(lambda: box.status()["epoch"] == 2, 10, "the failover")
        after = {one(conn, "SELECT @@port") for conn in conns}
        assert len(after) == 1 and after != before
        assert {node["epoch"] for node in managed.nodes().values()} == {2}
        load.finish()
        box.server_command("start")
        box.wait_healthy()
        findings = load.verify_all()
    assert all(load_module.is_right(finding) for finding in findings.values()), findings


def test_dead_node_is_waited_for(place):
    """A node that fell silent may still write: nothing may be opened before its lease is over, and then at once."""
    managed, first, second = place(2)
    second.kill()
    began = time.monotonic()
    managed.box.server_command("kill", "primary")
    wait_until(lambda: managed.nodes()["n1"]["epoch"] == 2, 20, "the new epoch")
    conn = first.connect()
    wait_until(lambda: managed.box.status()["state"] == "steady", 20, "the failover")
    took = time.monotonic() - began
    assert one(conn, "SELECT @@read_only") == 0
    report = managed.box.status()["last_failover"]
    print(f"with a dead node: {took:.2f} s")
    assert LEASE_S - RENEW_S < took < LEASE_S + MARGIN_S + RENEW_S + 1.5, report
    assert managed.nodes()["n2"]["state"] == "silent"


def test_paused_node_writes_nothing_old(place):
    """A process that was stopped would go on with what it was about to send, to a primary that is none any more."""
    managed, first, _ = place(2)
    box = managed.box
    old = box.primary()
    with load_module.Load(Through(first), first.folder, clients=16, pause_us=0) as load:
        first.signal(signal.SIGSTOP)
        box.muster("switchover")
        assert box.primary() != old
        server = direct(managed, old)
        one(server, "SET GLOBAL log_output='TABLE'")
        one(server, "SET GLOBAL general_log=1")
        time.sleep(5 - LEASE_S)
        first.signal(signal.SIGCONT)
        load.wait_for_acknowledged(200, load_module.now_us())
        sent = one(
            server,
            "SELECT GROUP_CONCAT(argument) FROM mysql.general_log WHERE user_host LIKE 'app[%'"
            " AND command_type IN ('Query', 'Execute') AND argument NOT RLIKE '^ *(SET|SELECT)'",
        )
        assert sent is None
        load.finish()
        box.wait_healthy()
        findings = load.verify_all()
    assert all(load_module.is_right(finding) for finding in findings.values()), findings


def test_traffic_goes_on_without_managers(place):
    """An outage of the managers would take healthy databases away."""
    managed, first, second = place(2)
    box = managed.box
    with load_module.Load(Through(first), first.folder, clients=4) as load:
        killed_us = load_module.now_us()
        managed.kill()
        time.sleep(2.5 * LEASE_S)
        lines = load.wait_for_acknowledged(100, load_module.now_us())
        assert load_module.silence_ms(lines, killed_us, load_module.now_us()) < 1000
        assert "everybody in the circle agrees" in first.log.read_text()
        # The circle is asked in full: one that is silent, rather than gone, ends it.
        second.signal(signal.SIGSTOP)
        time.sleep(LEASE_S + 0.2)
        stopped_us = load_module.now_us()
        time.sleep(1)
        late = [line for line in load.new_lines() if line[0] == "A" and line[2] > stopped_us]
        assert not late
        second.signal(signal.SIGCONT)
        # A manager could have decided meanwhile, and be gone: a lease that is over doesn't begin again without one.
        time.sleep(1)
        assert not [line for line in load.new_lines() if line[0] == "A"]
        managed.start()
        wait_until(first.is_up, 10, "the node reports again")
        box.muster("switchover")
        load.wait_for_acknowledged(100, load_module.now_us())
        load.finish()
        box.wait_healthy()
        findings = load.verify_all()
    assert all(load_module.is_right(finding) for finding in findings.values()), findings


class Wire:
    """A stretch of network that can be cut: what runs through it then gets no answer at all."""

    def __init__(self, host, port, to_host, to_port):
        self.to = (to_host, to_port)
        self.cut = threading.Event()
        self.listener = socket.create_server((host, port))
        self.conns = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.conns.append(near)
            if self.cut.is_set():
                continue
            far = socket.create_connection(self.to)
            self.conns.append(far)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, target):
        try:
            while chunk := source.recv(65536):
                if self.cut.is_set():
                    return
                target.sendall(chunk)
        except OSError:
            pass
        if not self.cut.is_set():
            target.close()

    def close(self):
        self.listener.close()
        for conn in self.conns:
            conn.close()


def test_isolated_node_stops_in_time(sandbox, tmp_path):
    """A node that is cut off from everybody would write to the old primary for ever."""
    port = nodes_module.free_port("127.0.2.1")
    managed = nodes_module.Managed(sandbox(), extra="host=127.0.2.1\n", port=port)
    box = managed.box
    wire = Wire("127.0.2.1", port, "127.0.0.1", port)
    node = nodes_module.Node(managed, tmp_path, 1, manager="127.0.2.1")
    node.join(managed.token())
    node.start()
    try:
        with load_module.Load(Through(node), node.folder, clients=4) as load:
            cut_us = load_module.now_us()
            wire.cut.set()
            time.sleep(LEASE_S + 1)
            lines = load.new_lines()
            last_us = max(line[2] for line in lines if line[0] == "A")
            print(f"writes went on for {(last_us - cut_us) / 1000:.0f} ms")
            assert last_us - cut_us < (LEASE_S + 0.1) * 1e6
            box.muster("switchover")
            wire.cut.clear()
            load.wait_for_acknowledged(100, load_module.now_us())
            load.finish()
            box.wait_healthy()
            findings = load.verify_all()
        assert all(load_module.is_right(finding) for finding in findings.values()), findings
    finally:
        node.close()
        wire.close()


def test_node_commands(place):
    """People must see what a node does, and get one clear line where something is wrong."""
    managed, node = place(1)
    box = managed.box
    text = box.muster("node", "list").stdout
    assert re.search(r"^n1\s+up\b", text, re.MULTILINE), text
    assert "n1: up" in box.muster("node", "show", "n1").stdout.replace("node n1", "n1")
    assert box.muster("node", "drain", "n1").stdout == "n1: is draining\n"
    assert managed.nodes()["n1"]["state"] == "draining"
    assert box.muster("node", "drain", "n1", "--undo").stdout == "n1: takes part again\n"
    assert managed.nodes()["n1"]["state"] == "up"
    done = box.muster("node", "show", "nobody", check=False)
    assert done.returncode == 1 and "there is no node 'nobody'" in done.stderr
    done = box.muster("node", "token", "--role", "king", check=False)
    assert done.returncode == 2 and "'king' is none of proxy, agent" in done.stderr
    done = box.muster("node", "token", "--ttl", "soon", check=False)
    assert done.returncode == 2 and "no time" in done.stderr
    # The node's own socket hands what may be asked there on to the manager.
    assert node.muster("status").returncode == 0
    done = node.muster("switchover")
    assert done.returncode == 1 and "a node may not ask" in done.stderr
    done = node.muster("events")
    assert done.returncode == 4 and "no manager here" in done.stderr


def test_register_and_deregister(place, tmp_path):
    """A replica that starts must serve readers by itself, and one that stops must not cost any of them an error."""
    managed, carrier = place(1)
    box = managed.box
    agents = [nodes_module.Node(managed, tmp_path, number, group=False) for number in (8, 9)]
    try:
        for agent in agents:
            agent.join(managed.token("--role", "agent"))
            agent.start()
        server = next(one for one in box.status()["servers"] if one["role"] == "replica")
        address = f"127.0.0.1:{server['port']}"
        words = ["--server", address, "--group", box.group]
        done = agents[0].muster("register", *words, "--weight", "50")
        assert done.returncode == 0, done.stderr
        assert managed.nodes()["n8"]["server"] == server["name"]
        # Another host's agent can't take it out.
        done = agents[1].muster("deregister", *words)
        assert done.returncode == 1 and "registered by node 'n8'" in done.stderr
        reader = carrier.connect_read()
        wait_until(
            lambda: readers_of(box)[server["name"]] + count_others(box, server) > 0, 5, "a reader"
        )
        done = agents[0].muster("deregister", *words)
        assert done.returncode == 0, done.stderr
        assert readers_of(box)[server["name"]] == 0
        assert managed.nodes()["n8"]["server"] == ""
        for _ in range(20):
            assert one(reader, "SELECT @@port") != server["port"]
        # Back again; and what can't be a replica is refused in one line.
        assert agents[0].muster("register", *words).returncode == 0
        bad = ["--server", f"127.0.0.1:{nodes_module.free_port()}", "--group", box.group]
        done = agents[0].muster("register", *bad)
        assert done.returncode == 3 and len(done.stderr.splitlines()) == 1, done.stderr
        box.muster("node", "drain", "n8")
        wait_until(lambda: readers_of(box)[server["name"]] == 0, 5, "nobody reads from it")
        done = box.muster("node", "remove", "n8", "--yes", check=False)
        assert done.returncode == 4 and "is registered on it" in done.stderr
    finally:
        for agent in agents:
            agent.close()


def readers_of(box):
    return {one["name"]: one["readers"] for one in box.status()["servers"]}


def count_others(box, server):
    return sum(count for name, count in readers_of(box).items() if name != server["name"])
