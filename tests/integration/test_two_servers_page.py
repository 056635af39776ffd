"""Who sets two servers and a witness up as docs/two-servers.md says must get what it says."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import lab as lab_module
import sandbox as sandbox_module
import servers
import wired

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "two-servers.md").read_text()
NAMES = ("host1", "host2", "host3")
wait_until = sandbox_module.wait_until


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def file_of(path, language="ini"):
    """The page's file of that path."""
    comment = "--" if language == "sql" else "#"
    return next(text for text in blocks(language) if text.startswith(f"{comment} {path}\n"))


def here(text):
    """The page's addresses as those of the lab."""
    places = {"1": "11", "2": "12", "3": "13", "10": "100", "%": "%"}
    return re.sub(r"10\.0\.0\.(\d+|%)", lambda m: f"{lab_module.SUBNET}.{places[m[1]]}", text)


class Server(servers.Server):
    """MariaDB with the page's option file."""

    def begin(self, options):
        (self.folder / "my.cnf").write_text(options)
        words = [servers.program(self.flavor), f"--defaults-file={self.folder / 'my.cnf'}"]
        words += [f"--{name}={self.folder / name}" for name in ("pid-file", "log-error")]
        words += [f"--datadir={self.data}", f"--socket={self.socket}", *servers.as_root()]
        self.process = self.host.spawn(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )


class Host:
    """One of the three, set up by the page."""

    def __init__(self, host, number):
        self.host = host
        self.number = number
        self.etc = host.folder / "etc"
        self.etc.mkdir(parents=True)
        self.socket = host.folder / "s.sock"
        self.log = host.folder / "muster.log"
        self.server = Server("mariadb-10.11", number, host.folder / "db", host=host)
        self.etcd = self.muster_process = None

    def own(self, text):
        """A file of the page with this host's name and address."""
        lines = []
        for line in text.splitlines():
            if not line.startswith(("ETCD_INITIAL_CLUSTER=", "managers", "endpoints")):
                line = line.replace("10.0.0.1", f"10.0.0.{self.number}")
                line = line.replace("host1", f"host{self.number}")
            lines.append(line.replace("server-id = 1", f"server-id = {self.number}"))
        return here("\n".join(lines) + "\n").replace("/etc/muster", str(self.etc))

    def start_database(self):
        self.server.begin(self.own(file_of("/etc/mysql/mariadb.conf.d/60-muster.cnf")))

    def make_accounts(self):
        """`mariadb < accounts.sql`: all of it in one session."""
        conn = self.server.root()
        with conn.cursor() as cur:
            for statement in here(file_of("/etc/muster/accounts.sql", "sql")).split(";"):
                if statement.strip():
                    cur.execute(statement)
        conn.close()

    def start_etcd(self):
        text = self.own(file_of("/etc/default/etcd"))
        env = dict(
            line.replace('"', "").split("=", 1) for line in text.splitlines() if line[0] != "#"
        )
        with open(self.host.folder / "etcd.log", "ab") as log:
            self.etcd = self.host.spawn(
                ["etcd", "--data-dir", self.host.folder / "etcd"],
                env={**os.environ, **env},
                stdout=log,
                stderr=log,
            )

    def write_config(self):
        text = self.own(file_of("/etc/muster/muster.cnf"))
        if self.number == 3:
            text = text.split("[agent]")[0]
        config = self.etc / "muster.cnf"
        config.write_text(
            f"{text}[muster]\nsocket={self.socket}\ndata-dir={self.host.folder}/data\n"
        )
        script = next(text for text in blocks("sh") if "manager.password" in text)
        subprocess.run(
            ["sh", "-ec", script.replace("/etc/muster", str(self.etc))], check=True, timeout=20
        )

    def start_muster(self):
        """With the capabilities of the page's unit, and no other ones."""
        unit = file_of("/etc/systemd/system/muster.service")
        line = next(one for one in unit.splitlines() if one.startswith("CapabilityBoundingSet="))
        only = ",".join(f"+{one[4:].lower()}" for one in line.split("=")[1].split())
        assert "Restart=always" in unit
        with open(self.log, "ab") as log:
            self.muster_process = self.host.spawn(
                [
                    "setpriv",
                    f"--bounding-set=-all,{only}",
                    sandbox_module.muster_program(),
                    "run",
                    "--config",
                    self.etc / "muster.cnf",
                ],
                stdout=log,
                stderr=log,
            )

    def muster(self, *words, timeout=120):
        return subprocess.run(
            [sandbox_module.muster_for(words), *words],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "MUSTER_SOCKET": str(self.socket)},
        )

    def kill(self):
        """Everything that runs here."""
        for process in (self.muster_process, self.server.process, self.etcd):
            if process and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(30)


class Page:
    """The page, carried out."""

    def __init__(self, lab):
        self.hosts = {name: Host(lab[name], i + 1) for i, name in enumerate(NAMES)}

    def each(self, *names):
        return [self.hosts[name] for name in names or NAMES]

    def set_up(self):
        for one in self.each():
            one.start_etcd()
            one.write_config()
        for one in self.each("host1", "host2"):
            one.start_database()
        for one in self.each("host1", "host2"):
            one.server.wait_ready()
            one.make_accounts()
        for one in self.each():
            one.start_muster()
        for line in self.commands("group create"):
            self.on_leader(line)

    def commands(self, word):
        """Those of the block that has the word in it."""
        text = next(text for text in blocks("sh") if word in text)
        return [here(line).split()[1:] for line in text.splitlines()]

    def on_leader(self, words):
        """A command on the host that leads; its output."""

        def is_done():
            for one in self.each():
                done = one.muster(*words)
                if done.returncode == 0:
                    return done
                refused = "leads" in done.stderr or done.returncode == 3
                assert refused, f"muster {' '.join(words)}: {done.stderr}{done.stdout}"
            return None

        return wait_until(is_done, 40, f"muster {' '.join(words)}").stdout

    def wait_address(self, name):
        """It is held there, and the group is as it should be."""
        self.on_leader(["wait", "shop", "healthy", "--timeout", "60"])
        words = f"held by {name} on eth0"
        wait_until(lambda: words in self.on_leader(["address", "show", wired.V4]), 30, words)


@pytest.fixture
def lab(tmp_path):
    try:
        lab_module.require()
    except lab_module.Missing as why:
        pytest.skip(str(why))
    if not servers.shutil.which("etcd"):
        pytest.skip("etcd is not installed")
    with lab_module.Lab(tmp_path, [*NAMES, "app"]) as made:
        yield made


def test_the_page(lab):
    """Writes must go on by the one address when either host is lost, none that was acknowledged may be missing."""
    page = Page(lab)
    page.set_up()
    one, two = page.hosts["host1"], page.hosts["host2"]
    page.wait_address("host1")
    one.server.query("CREATE TABLE app.w (id INT PRIMARY KEY)")
    writer = wired.Writer(lab["app"], wired.V4, 1)
    watch = wired.Watch(lab["app"])
    writer.wait_write(0)

    # A manager more or less, or two of three, moves nothing.
    for name in ("host2", "host3"):
        page.hosts[name].muster_process.kill()
        page.hosts[name].muster_process.wait(20)
    began = time.monotonic()
    writer.wait_write(began + 4)
    for name in ("host2", "host3"):
        page.hosts[name].start_muster()
    page.wait_address("host1")
    assert watch.holders() == ["host1"]

    # host1 is cut off, with a client of its own.
    inside = wired.Writer(lab["host1"], lab["host1"].address, 10_000_000)
    inside.wait_write(0)
    began = time.monotonic()
    lab.isolate("host1")
    moved = watch.wait("host2", began, 30)
    took = writer.wait_write(moved, 30)
    print(
        f"\nhost1 is cut off: the address after {moved - began:.1f} s, a write {took - began:.1f} s"
    )
    assert not lab["host1"].ip("-o", "addr", "show", "to", wired.V4).strip()
    wait_until(lambda: is_read_only(one.server), 20, "host1 has fenced its server")
    assert inside.last() < took
    inside.process.kill()
    lab.heal()
    wait_until(lambda: "diverged" in page.on_leader(["status", "shop"]), 40, "what it has too much")
    for line in page.commands("--reclone"):
        page.on_leader(line)
    page.wait_address("host2")

    # The other way round, by a crash of everything.
    began = time.monotonic()
    two.kill()
    moved = watch.wait("host1", began, 30)
    took = writer.wait_write(moved, 30)
    print(f"host2 is killed: the address after {moved - began:.1f} s, a write {took - began:.1f} s")
    assert watch.holders() == ["host1", "host2", "host1"]
    writer.process.send_signal(signal.SIGKILL)
    writer.process.wait(20)
    have = {row[0] for row in one.server.query("SELECT id FROM app.w")}
    told = {number for _, number in writer.writes + inside.writes}
    print(f"{len(told)} writes were acknowledged")
    assert told <= have


def is_read_only(server):
    try:
        return server.value("SELECT @@GLOBAL.read_only") == 1
    except servers.pymysql.err.MySQLError:
        return False  # cut off, as all others
