"""The store in a real etcd: what one manager has written, another one reads, and a deposed one can't change, while
members die, hang, have no leader, want TLS and a log-in."""

import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

import etcd as etcd_module
import sandbox as sandbox_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
PREFIX = "/muster/test/"


def driver_path():
    muster = pathlib.Path(sandbox_module.muster_program()).resolve().parent
    for build in (muster, ROOT / "build"):
        path = build / "tests/unit/store/store_driver"
        if path.exists():
            return str(path)
    pytest.skip("store_driver is not built (ninja tests/unit/store/store_driver)")
    return None


class Driver:
    """One handle on the store, driven by commands."""

    def __init__(self, etcd, writer="a", timeout_ms=1500, user="", password="", **files):
        self.lock = threading.Lock()
        self.arguments = [driver_path(), writer, etcd.endpoints, PREFIX, str(timeout_ms)]
        default = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
        for name, file in default.items():
            path = files.get(name, str(etcd.folder / file) if etcd.tls else "")
            self.arguments.append(path)
        self.arguments += [user, password]
        self.process = subprocess.Popen(
            self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, *words):
        self.process.stdin.write("\t".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "store_driver ended"
        return json.loads(line)

    def ok(self, *words):
        answer = self(*words)
        assert answer["rc"] == "ERR_OK", (words, answer)
        return answer

    def run_cases(self):
        subprocess.run([*self.arguments, "cases"], check=True, timeout=60)

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture
def make_etcd():
    made = []

    def make(**options):
        try:
            made.append(etcd_module.Etcd(**options))
        except etcd_module.Missing as why:
            pytest.skip(str(why))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def connect():
    made = []

    def make(*arguments, **options):
        made.append(Driver(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_same_cases_as_every_store(make_etcd, connect):
    """A record that was fine in a file would be lost or mixed up in etcd."""
    connect(make_etcd()).run_cases()


def test_a_deposed_writer_cannot_write(make_etcd, connect):
    """Two managers would both change the record."""
    etcd = make_etcd()
    old, new = connect(etcd, "old"), connect(etcd, "new")
    old.ok("commit", "leader/term", "old", 0)
    old.ok("fence", "leader/term", 1)
    old.ok("commit", "group/a", "1", "-")
    new.ok("commit", "leader/term", "new", 1)
    refused = old("commit", "group/a", "2", "-")
    assert refused["rc"] == "ERR_CONFLICT"
    assert "'leader/term' has version 2, version 1 was expected" in refused["text"]
    found = new.ok("get", "group/a")
    assert (found["value"], found["version"]) == ("1", 1)


def test_two_writers_of_one_name_notice(make_etcd, connect):
    """Two nodes with one name would take each other's commits for their own."""
    etcd = make_etcd()
    one, two = connect(etcd, "same"), connect(etcd, "same")
    one.ok("commit", "a", "1", "-")
    two.ok("commit", "a", "2", "-")
    refused = one("commit", "a", "3", "-")
    assert refused["rc"] == "ERR_CONFLICT" and "'same'" in refused["text"]


def write_on(driver, stop, ledger):
    """Counts up in one key, by version; a write in doubt is settled by the next one."""
    number, version = 0, 0
    while not stop.is_set():
        number += 1
        answer = driver("commit", "count", number, version)
        if answer["rc"] == "ERR_OK":
            version += 1
            ledger.append(number)
        else:
            ledger.append(answer)
            seen = driver("get", "count")
            if seen["rc"] == "ERR_OK":
                version = seen["version"]


def test_members_die_and_hang(make_etcd, connect):
    """The loss of one of three members would stop or double what a manager writes."""
    etcd = make_etcd(members=3)
    # On a busy machine the members take their time to agree on a new leader.
    driver, reader = connect(etcd, "a", timeout_ms=15000), connect(etcd, "b", timeout_ms=15000)
    ledger, stop = [], threading.Event()
    writer = threading.Thread(target=write_on, args=(driver, stop, ledger))
    writer.start()
    try:
        for fault in ("kill", "kill", "stop"):
            sandbox_module.wait_until(lambda: len(ledger) > 20, 20, "writes")
            leader = etcd.leader()
            if fault == "kill":
                etcd.kill(leader)
            else:
                etcd.signal(leader, signal.SIGSTOP)
            ledger.clear()
            sandbox_module.wait_until(lambda: len(ledger) > 20, 40, "writes go on")
            assert not [row for row in ledger if isinstance(row, dict)], ledger
            if fault == "kill":
                etcd.start(leader)
            else:
                etcd.signal(leader, signal.SIGCONT)
            etcd.wait_ready()
    finally:
        stop.set()
        writer.join()
    seen = reader.ok("get", "count")
    # No write was done twice: what was confirmed and what is there are the same count.
    assert int(seen["value"]) == seen["version"] == max(ledger)


def test_lost_answers_do_not_double(make_etcd, connect):
    """A commit whose answer was lost would count as failed though it was done, or be done twice."""
    etcd = make_etcd()
    driver = connect(etcd, "a", timeout_ms=300)
    ledger, stop = [], threading.Event()
    writer = threading.Thread(target=write_on, args=(driver, stop, ledger))
    writer.start()
    try:
        for _ in range(4):
            ledger.clear()
            sandbox_module.wait_until(lambda: len(ledger) > 5, 20, "writes")
            etcd.signal(0, signal.SIGSTOP)
            sandbox_module.wait_until(
                lambda: any(isinstance(row, dict) for row in ledger), 20, "a write fails"
            )
            etcd.signal(0, signal.SIGCONT)
    finally:
        etcd.signal(0, signal.SIGCONT)
        ledger.clear()
        sandbox_module.wait_until(
            lambda: any(isinstance(row, int) for row in ledger), 20, "writes go on"
        )
        stop.set()
        writer.join()
    conflicts = [row for row in ledger if isinstance(row, dict) and row["rc"] == "ERR_CONFLICT"]
    assert not conflicts, conflicts


def test_all_down_is_told_soon(make_etcd, connect):
    """A manager would hang, or not say what it waits for."""
    etcd = make_etcd(members=3)
    driver = connect(etcd, "a", timeout_ms=1000)
    driver.ok("commit", "a", "1", "-")
    for member in (m for m in range(3) if m != etcd.leader()):
        etcd.kill(member)
    # One of three is left: it has no leader.
    refused = driver("commit", "a", "2", "-")
    assert refused["rc"] == "ERR_UNREACHABLE" and refused["ms"] < 2000, refused
    etcd.kill_all()
    refused = driver("get", "a")
    assert refused["rc"] == "ERR_UNREACHABLE" and refused["ms"] < 500, refused
    for port in etcd.client_ports:
        assert f"127.0.0.1:{port}" in refused["text"]
    looked = driver.ok("look")["members"]
    assert [member["answers"] for member in looked] == [False] * 3
    etcd.start_all()
    sandbox_module.wait_until(lambda: driver("get", "a")["rc"] == "ERR_OK", 20, "etcd answers")
    driver.ok("commit", "a", "3", "-")
    assert sum(member["is_leader"] for member in driver.ok("look")["members"]) == 1


def test_tls_and_login(make_etcd, connect):
    """Somebody who isn't trusted would read or write the record."""
    etcd = make_etcd(tls=True, options=["--auth-token-ttl=1"])
    connect(etcd).ok("commit", "a", "1", "-")
    stranger = connect(etcd, ca="/etc/ssl/certs/ca-certificates.crt")("get", "a")
    assert stranger["rc"] == "ERR_UNREACHABLE" and "certificate" in stranger["text"], stranger
    nameless = connect(etcd, cert="", key="")("get", "a")
    assert nameless["rc"] == "ERR_UNREACHABLE", nameless
    etcd.enable_auth("muster", "secret", PREFIX)
    refused = connect(etcd)("get", "a")
    assert refused["rc"] == "ERR_PRIVILEGE", refused
    wrong = connect(etcd, user="muster", password="wrong")("get", "a")
    assert wrong["rc"] == "ERR_PRIVILEGE" and "secret" not in wrong["text"], wrong
    driver = connect(etcd, user="muster", password="secret")
    assert driver.ok("get", "a")["value"] == "1"
    driver.ok("commit", "a", "2", 1)
    driver.ok("watch")
    # The member forgets its tokens: it is logged in to again.
    etcd.kill(0)
    etcd.start(0)
    sandbox_module.wait_until(lambda: driver("get", "a")["rc"] == "ERR_OK", 20, "log-in again")
    driver.ok("commit", "a", "3", 2)
    sandbox_module.wait_until(lambda: driver.ok("woken")["woken"] >= 2, 20, "watched again")


def test_space_quota(make_etcd, connect):
    """A full etcd would be taken for one that is down."""
    etcd = make_etcd(options=["--quota-backend-bytes=100000"])
    driver = connect(etcd)
    for number in range(50):
        answer = driver("commit", "big", "x" * 30000, "-")
        if answer["rc"] != "ERR_OK":
            break
    assert answer["rc"] == "ERR_IO" and "space quota" in answer["text"], answer
    assert len(driver.ok("get", "big")["value"]) == 30000


def test_watch_wakes_and_survives(make_etcd, connect):
    """A follower would show old news, or take over with old records."""
    etcd = make_etcd(members=3)
    watcher, writer = connect(etcd, "w", timeout_ms=4000), connect(etcd, "a", timeout_ms=4000)
    watcher.ok("watch")
    sandbox_module.wait_until(lambda: watcher.ok("woken")["woken"] >= 1, 10, "the watch begins")
    for number in range(3):
        before = watcher.ok("woken")["woken"]
        writer.ok("commit", "group/a", number, "-")
        sandbox_module.wait_until(
            lambda: watcher.ok("woken")["woken"] > before, 10, "the watch wakes"
        )
    etcd.put("/muster/other/x", "1")
    for member in range(3):
        etcd.kill(member)
        etcd.start(member)
        etcd.wait_ready()
    before = watcher.ok("woken")["woken"]
    writer.ok("commit", "group/a", "last", "-")
    sandbox_module.wait_until(lambda: watcher.ok("woken")["woken"] > before, 10, "it wakes again")


@pytest.fixture(autouse=True)
def no_proxies():
    for name in list(os.environ):
        if name.lower() in ("http_proxy", "https_proxy"):
            del os.environ[name]
