"""TLS of the proxy: towards clients and towards servers, on real servers and with real clients."""

import datetime
import ipaddress
import shutil
import socket
import ssl
import subprocess

import pymysql
import pytest
import servers
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from proxy_lib import Proxy, errno_of, one, run, wait_until

TLS_REQUIRED = 3159
ENCRYPT, VERIFY_CA, VERIFY_NAME = "1", "2", "3"


class Authority:
    """Makes certificates in a folder."""

    def __init__(self, folder, name):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        certificate = self.sign(self.name, self.key, authority=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, name, key, authority=False, address=None):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=2))
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, address="127.0.0.1"):
        """The path of a file with a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self.sign(subject, key, address=address)
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        path.chmod(0o644)
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    for part in (folder, *folder.parents):
        if part.owner() == folder.owner() and part != part.parent:
            try:
                part.chmod(part.stat().st_mode | 0o055)
            except OSError:
                break
    return Authority(folder, "authority")


@pytest.fixture(scope="module", params=["mariadb-10.11", "mariadb-11.8", "mysql"])
def server(request, tmp_path_factory, authority):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = servers.Server(request.param, 1, tmp_path_factory.mktemp("server") / "1")
    pem = str(authority.issue(f"server-{request.param}"))
    made.start(ssl_cert=pem, ssl_key=pem, ssl_ca=str(authority.file), max_allowed_packet="64M")
    made.query("CREATE TABLE app.t (id INT PRIMARY KEY, v LONGTEXT)")
    yield made
    made.kill()


def make(server, *options):
    proxy = Proxy(*options)
    proxy.accounts_of(server)
    proxy.route(servers=[server])
    return proxy


def by_tls(authority):
    """Options of a client that trusts this authority alone."""
    return {"ssl_ca": str(authority.file), "ssl_verify_cert": True, "ssl_verify_identity": True}


def cipher_at_server(conn):
    """What the server says of its own connection."""
    with conn.cursor() as cur:
        cur.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        return cur.fetchone()[1]


def test_clients_use_tls(server, authority):
    """A client that asks for TLS is refused, gets it unverifiable, or big packets break in it."""
    proxy = make(server, "--tls-cert", str(authority.issue("proxy")))
    try:
        conn = proxy.connect(database="app", max_allowed_packet=64 << 20, **by_tls(authority))
        assert conn._sock.version() in ("TLSv1.2", "TLSv1.3")  # pylint: disable=protected-access
        assert cipher_at_server(conn) == ""
        for size in (1, 16383, 16384, 16385, 300000, 17 << 20):
            run(conn, "REPLACE INTO t VALUES (1, %s)", ("x" * size,))
            assert len(one(conn, "SELECT v FROM t WHERE id=1")) == size
        conn.commit()
        run(conn, "DELETE FROM t")
        conn.commit()
        plain = proxy.connect()
        assert one(plain, "SELECT 1") == 1
        stranger = Authority(authority.folder, "stranger")
        assert errno_of(lambda: proxy.connect(**by_tls(stranger))) == 2003
        wait_until(lambda: proxy.status()["sessions"] == 2, "the failed one is gone")
    finally:
        proxy.stop()


def test_the_command_line_client(server, authority):
    """The client that every DBA uses, which wants TLS by default."""
    proxy = make(server, "--tls-cert", str(authority.issue("proxy")))
    try:
        done = subprocess.run(
            [
                shutil.which("mariadb") or "mysql",
                "--no-defaults",
                "-h127.0.0.1",
                f"-P{proxy.ports[0]}",
                "-uapp",
                "-papppw",
                f"--ssl-ca={authority.file}",
                "--ssl-verify-server-cert",
                "-e",
                "status",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Cipher in use is" in done.stdout, done
    finally:
        proxy.stop()


def test_tls_required(server, authority):
    """A password travels in clear text though nobody wants that."""
    proxy = make(server, "--tls-cert", str(authority.issue("proxy")), "--tls-required", "1")
    try:
        assert errno_of(proxy.connect) == TLS_REQUIRED
        assert one(proxy.connect(**by_tls(authority)), "SELECT 1") == 1
    finally:
        proxy.stop()


def test_clients_show_a_certificate(server, authority):
    """Who has no certificate of ours gets as far as the password."""
    mine = authority.issue("client")
    options = ["--tls-cert", str(authority.issue("proxy")), "--tls-ca", str(authority.file)]
    proxy = make(server, *options)
    try:
        with pytest.raises((pymysql.err.MySQLError, OSError)):
            one(proxy.connect(**by_tls(authority)), "SELECT 1")
        conn = proxy.connect(**by_tls(authority), ssl_cert=str(mine), ssl_key=str(mine))
        assert one(conn, "SELECT 1") == 1
    finally:
        proxy.stop()


def test_servers_by_tls(server, authority):
    """What the proxy is told to encrypt goes to a server in clear text, or to an impostor."""
    for verify in (ENCRYPT, VERIFY_CA, VERIFY_NAME):
        proxy = make(server, "--server-tls", verify, "--server-ca", str(authority.file))
        try:
            conn = proxy.connect(database="app")
            assert cipher_at_server(conn) != ""
            run(conn, "REPLACE INTO t VALUES (1, %s)", ("y" * (1 << 20),))
            assert len(one(conn, "SELECT v FROM t WHERE id=1")) == 1 << 20
            conn.rollback()
        finally:
            proxy.stop()
    stranger = Authority(authority.folder, "stranger")
    proxy = make(
        server, "--server-tls", VERIFY_CA, "--server-ca", str(stranger.file), "--hold-ms", "500"
    )
    try:
        assert errno_of(proxy.connect) in (1836, 1105)
    finally:
        proxy.stop()


def test_certificates_are_renewed(server, authority):
    """A renewed certificate needs a restart, or cuts sessions off."""
    path = authority.issue("renewed")
    proxy = make(server, "--tls-cert", str(path))

    def serial():
        """Of the certificate that a new client is shown."""
        with socket.create_connection(("127.0.0.1", proxy.ports[0]), 5) as sock:
            sock.recv(4096)
            caps = 0x0200 | 0x0800 | 0x8000 | 0x80000
            sock.sendall(b"\x20\x00\x00\x01" + caps.to_bytes(4, "little") + bytes(28))
            context = ssl.create_default_context(cafile=str(authority.file))
            context.check_hostname = False
            with context.wrap_socket(sock) as wrapped:
                return wrapped.getpeercert()["serialNumber"]

    try:
        conn = proxy.connect(**by_tls(authority))
        before = serial()
        authority.issue("renewed")
        assert serial() == before
        assert proxy.say("tls") == "ok"
        assert serial() != before
        path.write_text("nonsense")
        assert "renewed.pem" in proxy.say("tls")
        assert serial() != before
        assert one(conn, "SELECT 1") == 1
    finally:
        proxy.stop()


def test_clear_text_behind_the_wish_for_tls(server, authority):
    """Bytes that somebody else put behind the request are taken for the client's own."""
    proxy = make(server, "--tls-cert", str(authority.issue("proxy")))
    try:
        with socket.create_connection(("127.0.0.1", proxy.ports[0]), 5) as sock:
            sock.recv(4096)
            caps = 0x0200 | 0x0800 | 0x8000 | 0x80000
            request = b"\x20\x00\x00\x01" + caps.to_bytes(4, "little") + bytes(28)
            sock.sendall(request + b"\x01\x00\x00\x00\x01")
            said = b""
            while part := sock.recv(4096):
                said += part
            assert said[:1] in (b"", b"\x15")  # an alert of TLS at most
        assert one(proxy.connect(), "SELECT 1") == 1
    finally:
        proxy.stop()
