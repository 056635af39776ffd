"""A real etcd of one or more members, each a process of its own on free ports of 127.0.0.1."""

import base64
import datetime
import ipaddress
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

READY_S = 30


class Missing(Exception):
    """There is no etcd on this machine."""


def free_ports(count):
    """Different ones: all are held until the last is found."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def write_certificates(folder):
    """An authority, and one certificate for 127.0.0.1 as server and client: ca.pem, cert.pem, key.pem.

    No common name: etcd's gateway refuses a client certificate that has one once users are on.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.utcnow()

    def make(name, issuer, issuer_key, key, is_authority):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        )
        if not is_authority:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), False)
        return builder.sign(issuer_key, hashes.SHA256())

    folder = pathlib.Path(folder)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make("test authority", "test authority", authority_key, authority_key, True)
    cert = make("test", "test authority", authority_key, key, False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "cert.pem").write_bytes(cert.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Etcd:
    """Members 0 .. n-1; started at once, ended by close()."""

    def __init__(self, members=1, tls=False, options=()):
        if not shutil.which("etcd"):
            raise Missing("no etcd here (Debian: etcd-server)")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-etcd-"))
        self.tls = tls
        self.options = list(options)
        if tls:
            write_certificates(self.folder)
        self.scheme = "https" if tls else "http"
        ports = free_ports(2 * members)
        self.client_ports, self.peer_ports = ports[:members], ports[members:]
        self.processes = [None] * members
        for member in range(members):
            self.start(member)
        self.wait_ready()

    @property
    def endpoints(self):
        return ",".join(self.url(member) for member in range(len(self.processes)))

    def url(self, member):
        return f"{self.scheme}://127.0.0.1:{self.client_ports[member]}"

    def start(self, member):
        peer = f"http://127.0.0.1:{self.peer_ports[member]}"
        cluster = ",".join(
            f"m{i}=http://127.0.0.1:{port}" for i, port in enumerate(self.peer_ports)
        )
        arguments = [
            "etcd",
            f"--name=m{member}",
            f"--data-dir={self.folder}/m{member}",
            f"--listen-client-urls={self.url(member)}",
            f"--advertise-client-urls={self.url(member)}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={cluster}",
            "--heartbeat-interval=50",
            "--election-timeout=500",
            *self.options,
        ]
        if self.tls:
            arguments += [
                f"--cert-file={self.folder}/cert.pem",
                f"--key-file={self.folder}/key.pem",
                f"--trusted-ca-file={self.folder}/ca.pem",
                "--client-cert-auth",
            ]
        with open(self.folder / f"m{member}.log", "ab") as log:
            self.processes[member] = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def call(self, path, body, member=0, token=None, timeout=5):
        """One request to the JSON gateway; the answer as an object."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = token
        request = urllib.request.Request(
            self.url(member) + path, json.dumps(body).encode(), headers
        )
        context = None
        if self.tls:
            context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
            context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return json.load(answer)

    def leader(self):
        """The number of the member that leads, None when no running one knows."""
        for member, process in enumerate(self.processes):
            if process is None:
                continue
            try:
                status = self.call("/v3/maintenance/status", {}, member, timeout=1)
            except (OSError, urllib.error.URLError):
                continue
            if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                return member
        return None

    def wait_ready(self):
        end = time.monotonic() + READY_S
        while self.leader() is None:
            assert time.monotonic() < end, f"no etcd leader: see {self.folder}"
            time.sleep(0.05)

    def get(self, key, token=None):
        """The value of one key as text, None when there is none."""
        body = {"key": base64.b64encode(key.encode()).decode()}
        rows = self.call("/v3/kv/range", body, token=token).get("kvs", [])
        return base64.b64decode(rows[0].get("value", "")).decode() if rows else None

    def put(self, key, value):
        self.call(
            "/v3/kv/put",
            {
                "key": base64.b64encode(key.encode()).decode(),
                "value": base64.b64encode(value.encode()).decode(),
            },
        )

    def enable_auth(self, user, password, prefix):
        """Users root and `user`, who may do everything below `prefix`, and nothing else."""
        start = base64.b64encode(prefix.encode()).decode()
        end = base64.b64encode((prefix[:-1] + chr(ord(prefix[-1]) + 1)).encode()).decode()
        grant = {"permType": "READWRITE", "key": start, "range_end": end}
        for path, body in (
            ("user/add", {"name": "root", "password": "rootpw"}),
            ("role/add", {"name": "root"}),
            ("user/grant", {"user": "root", "role": "root"}),
            ("user/add", {"name": user, "password": password}),
            ("role/add", {"name": "muster"}),
            ("role/grant", {"name": "muster", "perm": grant}),
            ("user/grant", {"user": user, "role": "muster"}),
            ("enable", {}),
        ):
            self.call(f"/v3/auth/{path}", body)

    def signal(self, member, number):
        self.processes[member].send_signal(number)

    def kill(self, member):
        process = self.processes[member]
        if process:
            process.kill()
            process.wait()
        self.processes[member] = None

    def kill_all(self):
        for member in range(len(self.processes)):
            self.kill(member)

    def start_all(self):
        for member, process in enumerate(self.processes):
            if process is None:
                self.start(member)
        self.wait_ready()

    def close(self):
        for member, process in enumerate(self.processes):
            if process:
                process.send_signal(signal.SIGCONT)
            self.kill(member)
        shutil.rmtree(self.folder, ignore_errors=True)
