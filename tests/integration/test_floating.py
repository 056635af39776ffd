"""Floating addresses on real interfaces: hosts are network namespaces on one bridge.

If these fail, clients lose the address with its host, or two hosts answer to it.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

import floating_lib
import lab as lab_module
from floating_lib import LEASE_MS, V4, V6, Client, wait_for

A_V4 = f"{V4}/24"
A_V6 = f"{V6}/64"
BOTH = pytest.mark.parametrize("ip, address", [(V4, A_V4), (V6, A_V6)], ids=["ipv4", "ipv6"])


@pytest.fixture
def wire(tmp_path):
    floating_lib.driver_path()
    try:
        lab_module.require()
    except lab_module.Missing as why:
        pytest.skip(str(why))
    with lab_module.Lab(tmp_path, ["a", "b", "c"]) as lab:
        yield floating_lib.Wire(lab)


def show(words):
    """Measured, for who reads the log (pytest -s): nothing depends on how fast this machine is."""
    print(f"\n{words}")


@BOTH
def test_take_over_moves_the_clients(wire, ip, address):
    """Clients that have the old holder in their caches reach the new one at once."""
    a, b = wire.node("a"), wire.node("b")
    wire.serve("a", "b")
    begun = time.monotonic()
    assert a.hold(address)["rc"] == "ERR_OK"
    view = a.wait(address, "held")
    show(f"{ip}: claimed in {(time.monotonic() - begun) * 1000:.0f} ms")
    assert view["interface"] == "eth0" and not view["contested"]
    client = Client(wire, ip)
    client.wait_answer("a", begun)
    assert wire.neighbour_mac("c", ip) == wire.hosts["a"].mac

    began = time.monotonic()
    a.release(address)
    a.wait(address, "absent")
    assert not wire.has("a", ip)
    absent = time.monotonic()
    b.hold(address)
    b.wait(address, "held")
    moved = client.wait_answer("b", began)
    assert wire.neighbour_mac("c", ip) == wire.hosts["b"].mac
    show(
        f"{ip}: absent after {(absent - began) * 1000:.0f} ms, "
        f"clients at the new holder after {(moved - began) * 1000:.0f} ms"
    )
    assert moved - began < 5
    # Whoever moved does not come back by itself.
    assert a.states(address)[-1] == "absent"


@BOTH
def test_a_stranger_keeps_what_he_has(wire, ip, address):
    """An address that somebody else uses is not taken from him, and he is named."""
    wire.hosts["b"].ip("addr", "add", address, "dev", "eth0", "nodad")
    a = wire.node("a")
    a.hold(address)
    view = a.wait(address, "conflict")
    assert view["rival"] == wire.hosts["b"].mac
    assert not wire.has("a", ip)
    # He leaves: the next try succeeds, by itself.
    wire.hosts["b"].ip("addr", "del", address, "dev", "eth0")
    a.wait(address, "held")
    assert wire.has("a", ip)
    # The tries in between are nobody's news.
    assert a.states(address).count("probing") == 1


@BOTH
def test_two_that_claim_at_once(wire, ip, address):
    """Two nodes told to hold it at the same time by mistake: never both for long, and both say so."""
    a, b = wire.node("a"), wire.node("b")
    a.hold(address)
    b.hold(address)
    wait_for(lambda: "held" in (a.look(address)["state"], b.look(address)["state"]), "one holds it")
    winner, loser = (a, b) if a.look(address)["state"] == "held" else (b, a)
    loser.wait(address, "conflict")
    assert winner.look(address)["state"] == "held"


@BOTH
def test_both_own_it_and_the_network_heals(wire, ip, address):
    """Two halves of a broken network hold it; after it is whole both know, and the one that stays is found."""
    a, b = wire.node("a"), wire.node("b")
    wire.serve("a", "b")
    wire.lab.cut(["a"], ["b", "c"])
    a.hold(address)
    b.hold(address)
    a.wait(address, "held")
    b.wait(address, "held")
    client = Client(wire, ip)
    client.wait_answer("b", 0)

    healed = time.monotonic()
    wire.lab.heal()
    assert a.wait(address, "held", contested=True)["rival"] == wire.hosts["b"].mac
    assert b.wait(address, "held", contested=True)["rival"] == wire.hosts["a"].mac
    known = time.monotonic()
    b.release(address)
    b.wait(address, "absent")
    gone = time.monotonic()
    a.wait(address, "held", contested=False)
    moved = client.wait_answer("a", gone)
    show(
        f"{ip}: conflict known {known - healed:.2f} s after the healing, clients at the one that "
        f"stays {(moved - gone) * 1000:.0f} ms after the other let go"
    )
    assert moved - gone < 4
    wait_for(lambda: wire.neighbour_mac("c", ip) == wire.hosts["a"].mac, "the client's cache")


@BOTH
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["kill", "stop"])
def test_the_kernel_keeps_the_lease(wire, ip, address, number):
    """A process that is dead or frozen does not keep the address: the kernel takes it away."""
    a = wire.node("a")
    a.hold(address)
    a.wait(address, "held")
    wait_for(lambda: "valid_lft" in wire.has("a", ip), "a lifetime")
    routes = wire.hosts["a"].ip("-6", "route", "show", "dev", "eth0")
    hit = a.signal(number)
    lease_end = hit + LEASE_MS / 1000  # the last renewal was not after the signal
    wait_for(lambda: not wire.has("a", ip), "gone", timeout=10)
    gone = time.monotonic()
    show(f"{ip}: gone {gone - hit:.2f} s after the signal, the lease is {LEASE_MS / 1000:.0f} s")
    assert gone <= lease_end + 1.2  # the kernel's second, and how long this test takes to look
    # What belongs to the host stays.
    now = wire.hosts["a"].ip("-6", "route", "show", "dev", "eth0")
    assert [line for line in now.splitlines() if "expires" in line] == []
    assert "2001:db8:4d::/64" in routes and "2001:db8:4d::/64" in now
    assert wire.has("a", wire.hosts["a"].address)
    if number == signal.SIGSTOP:
        a.process.send_signal(signal.SIGCONT)
        a.wait(address, "absent")
        assert a.look(address)["words"] == "its lease is over"


@BOTH
def test_a_dead_holder_is_waited_for(wire, ip, address):
    """Another node is told too early: the dead one's kernel still answers, so there are never two."""
    a, b = wire.node("a"), wire.node("b")
    wire.serve("a", "b")
    a.hold(address)
    a.wait(address, "held")
    client = Client(wire, ip)
    client.wait_answer("a", 0)
    killed = a.signal(signal.SIGKILL)
    b.hold(address)
    assert b.wait(address, "conflict")["rival"] == wire.hosts["a"].mac
    wait_for(lambda: wire.has("b", ip), "taken over")
    assert not wire.has("a", ip)
    moved = client.wait_answer("b", killed)
    show(f"{ip}: clients at the next holder {moved - killed:.2f} s after the kill")


def test_a_lease_that_ends(wire):
    """Nobody renews: the node itself drops it in time; and a late renewal does not bring it back unasked."""
    a = wire.node("a")
    begun = time.monotonic()
    a("hold", A_V4, 2000)
    a.wait(A_V4, "held")
    a.wait(A_V4, "absent")
    gone = time.monotonic()
    assert gone - begun < 2.5
    assert not wire.has("a", V4)
    wire.hosts["b"].ip("addr", "add", f"{V4}/24", "dev", "eth0")
    a("hold", A_V4, 2000)
    a.wait(A_V4, "conflict")
    assert not wire.has("a", V4)


def test_a_renewal_after_the_end_is_a_new_claim(wire):
    """The lease was over for a moment: somebody else may have it, so he is asked first."""
    a = wire.node("a")
    a("hold", A_V4, 1500)
    lease_end = time.monotonic() + 1.5
    a.wait(A_V4, "held")
    a.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: not wire.has("a", V4), "the kernel drops it")
    wait_for(lambda: time.monotonic() > lease_end, "the end of the lease")
    wire.hosts["b"].ip("addr", "add", A_V4, "dev", "eth0")
    # It waits in front of the frozen process.
    a.process.stdin.write(f"hold\t{A_V4}\t60000\n")
    a.process.stdin.flush()
    a.process.send_signal(signal.SIGCONT)
    assert a.answer()["rc"] == "ERR_OK"
    view = a.wait(A_V4, "conflict")
    assert view["rival"] == wire.hosts["b"].mac
    assert not wire.has("a", V4)


def test_taken_away_by_hand(wire):
    """Somebody flushes the interface: while the lease is good the address comes back."""
    a = wire.node("a")
    a.hold(A_V4)
    a.hold(A_V6)
    a.wait(A_V4, "held")
    a.wait(A_V6, "held")
    wire.hosts["a"].ip("addr", "del", A_V4, "dev", "eth0")
    wire.hosts["a"].ip("addr", "del", A_V6, "dev", "eth0")
    wait_for(lambda: wire.has("a", V4) and wire.has("a", V6), "back again", timeout=2)
    assert a.end() == 0
    assert not wire.has("a", V4) and not wire.has("a", V6)


def test_what_an_earlier_process_left(wire):
    """A restart finds its predecessor's address and takes it away; nobody else's."""
    a = wire.node("a")
    a.hold(A_V4, 60000)
    a.hold(A_V6, 60000)
    a.wait(A_V4, "held")
    a.wait(A_V6, "held")
    wire.hosts["a"].ip("addr", "add", f"{lab_module.SUBNET}.101/24", "dev", "eth0")
    second = wire.node("a")
    assert second.started["rc"] == "ERR_EXISTS"
    assert "another muster" in second.started["text"]
    a.signal(signal.SIGKILL)
    a.process.wait(10)
    assert wire.has("a", V4) and wire.has("a", V6)
    third = wire.node("a")
    assert third.started["rc"] == "ERR_OK"
    assert not wire.has("a", V4) and not wire.has("a", V6)
    assert wire.has("a", f"{lab_module.SUBNET}.101")
    # One that it never held: asked for, its absence is proven.
    assert third.release(A_V4)["rc"] == "ERR_OK"
    third.wait(A_V4, "absent")


def test_words_for_what_cannot_be(wire):
    """Each mistake is named, with what to do; nothing is changed."""
    a = wire.node("a")
    assert "no interface" in a("check", "198.51.100.7/24")["text"]
    assert "'eth9'" in a("check", f"{A_V4}%eth9")["text"]
    assert a("check", A_V4)["rc"] == "ERR_OK"
    assert a("check", f"{A_V6} dev eth0")["rc"] == "ERR_OK"
    assert a("hold", "nonsense", 3000)["rc"] == "ERR_PARSE"
    assert a("look", A_V4)["rc"] == "ERR_NOT_FOUND"
    # The host's own address.
    own = f"{wire.hosts['a'].address}/24"
    assert a("check", own)["rc"] == "ERR_EXISTS"
    a.hold(own)
    assert "did not put it there" in a.wait(own, "failed")["words"]
    a.release(own)
    assert "did not put it there" in a.wait(own, "failed")["words"]
    assert wire.has("a", wire.hosts["a"].address)
    # An interface that is down, and comes up.
    wire.hosts["a"].ip("link", "set", "eth0", "down")
    a.hold(f"{A_V4}%eth0")
    assert "is down" in a.wait(A_V4, "failed")["words"]
    assert a("hold", f"{V4}/25", 3000)["rc"] == "ERR_CONFLICT"
    wire.hosts["a"].ip("link", "set", "eth0", "up")
    a.wait(A_V4, "held")


def test_only_two_capabilities(wire):
    """It works as an ordinary user with CAP_NET_ADMIN and CAP_NET_RAW; without them one line says so."""
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    both = [
        *user,
        "--inh-caps",
        "-all,+net_admin,+net_raw",
        "--ambient-caps",
        "-all,+net_admin,+net_raw",
    ]
    both += ["--bounding-set", "-all,+net_admin,+net_raw"]
    a = wire.node("a", launcher=both)
    assert a.started["rc"] == "ERR_OK", a.started
    for address in (A_V4, A_V6):
        a.hold(address)
        a.wait(address, "held")
    status = open(f"/proc/{a.process.pid}/status", encoding="ascii").read()
    assert f"CapEff:\t{1 << 12 | 1 << 13:016x}" in status and "Uid:\t65534" in status
    assert a.end() == 0
    assert not wire.has("a", V4) and not wire.has("a", V6)

    for caps, missing in (
        ("-all", "need CAP_NET_ADMIN and CAP_NET_RAW;"),
        ("-all,+net_admin", "need CAP_NET_RAW;"),
    ):
        bare = [*user, "--inh-caps", caps, "--ambient-caps", caps]
        node = wire.node("b", launcher=bare)
        assert node.started["rc"] == "ERR_PRIVILEGE"
        text = node.started["text"]
        assert missing in text and "AmbientCapabilities=" in text and "setcap" in text
        assert "\n" not in text


def program(tmp_path, body):
    """A program that keeps a record of how it was called."""
    path = tmp_path / "mover"
    path.write_text(f'#!/bin/sh\necho "$@ $MUSTER_ADDRESS" >>{tmp_path}/calls\n{body}\n')
    path.chmod(0o755)
    return path


def calls(tmp_path):
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def is_running(*words):
    line = "\0".join([*words, ""]).encode()
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == line:
                return True
    return False


def test_a_program_moves_it(wire, tmp_path):
    """In a cloud: the program is told to hold and to release, and its word counts."""
    path = program(
        tmp_path,
        'test "$1" = hold && exec ip addr add "$2/32" dev lo; ip addr del "$2/32" dev lo; true',
    )
    a = wire.node("a", "native=off", f"program={path}")
    a.hold(f"{A_V4}%eth0")
    a.wait(f"{A_V4}%eth0", "held")
    assert wire.has("a", V4)
    a.release(f"{A_V4}%eth0")
    a.wait(f"{A_V4}%eth0", "absent")
    assert not wire.has("a", V4)
    assert calls(tmp_path) == [f"{word} {V4} eth0 {A_V4}%eth0" for word in ("hold", "release")]
    assert a.end() == 0
    # Both at once: the interface, too.
    (tmp_path / "calls").unlink()
    path = program(tmp_path, "true")
    a = wire.node("a", f"program={path}")
    a.hold(A_V4)
    a.wait(A_V4, "held")
    assert wire.has("a", V4) and calls(tmp_path) == [f"hold {V4} eth0 {A_V4}"]
    assert a.end() == 0
    assert not wire.has("a", V4) and calls(tmp_path)[-1].startswith("release")


def test_a_program_that_fails_or_hangs(wire, tmp_path):
    """Its words are the state's words; a hanging one is killed with all it started, and holds nobody else up."""
    path = program(
        tmp_path,
        f'test "$2" = {V4} || exit 0; test $1 = release && exit 0; echo "no quota" >&2; exit 3',
    )
    a = wire.node("a", f"program={path}")
    a.hold(A_V4)
    words = a.wait(A_V4, "failed")["words"]
    assert "status 3" in words and "no quota" in words and not wire.has("a", V4)
    a.release(A_V4)
    a.wait(A_V4, "absent")
    assert a.end() == 0

    naps = f"77.{os.getpid()}"
    path = program(
        tmp_path,
        f'test "$2" = {V4} || exit 0; test $1 = release && exit 0; sleep {naps} & sleep {naps}',
    )
    a = wire.node("a", f"program={path}", "limit_ms=700")
    a.hold(A_V4)
    a.hold(A_V6)
    a.wait(A_V6, "held")
    words = a.wait(A_V4, "failed")["words"]
    assert "took longer than 700 ms: killed" in words
    # What it started went with it.
    wait_for(lambda: not is_running("sleep", naps), "the end of all of its group", timeout=2)
    assert a.look(A_V6)["state"] == "held"

    # No word from the release, no "absent".
    path = program(tmp_path, "test $1 = hold")
    a.end()
    a = wire.node("a", f"program={path}")
    a.hold(A_V4)
    a.wait(A_V4, "held")
    a.release(A_V4)
    a.wait(A_V4, "failed")
    assert not wire.has("a", V4)
    assert "absent" not in a.states(A_V4)


def test_announced_again_and_again(wire):
    """One frame may be lost: the announcement is repeated, and made anew when the carrier is back."""
    wire.hosts["c"].nft(
        "add table netdev count\n"
        "add chain netdev count arriving { type filter hook ingress device eth0 priority 1; }\n"
        f"add rule netdev count arriving ether saddr {wire.hosts['a'].mac} "
        f"arp saddr ip {V4} counter\n"
    )

    def count():
        text = wire.hosts["c"].run("nft", "list", "table", "netdev", "count").stdout
        return int(text.split("packets ")[1].split()[0])

    a = wire.node("a")
    a.hold(A_V4)
    a.wait(A_V4, "held")
    wait_for(lambda: count() == 10, "five of both forms")
    wait_for(lambda: count() >= 12, "again after a second", timeout=3)
    before = count()
    wire.hosts["a"].ip("link", "set", "eth0", "down")
    wire.hosts["a"].ip("link", "set", "eth0", "up")
    wait_for(lambda: count() >= before + 10, "anew", timeout=3)
    before = count()
    assert a("announce", A_V4)["rc"] == "ERR_OK"
    wait_for(lambda: count() >= before + 10, "on request", timeout=3)


AWS = """#!/bin/sh
echo "$*" >>{folder}/asked
test "$2" != describe-network-interfaces || printf '10.0.0.5\\t{here}\\n'
"""


@pytest.mark.parametrize(
    "action, here, asked",
    [
        ("hold", "10.0.0.6", ["assign-private-ip-addresses"]),
        ("release", "10.0.0.100", ["describe-network-interfaces", "unassign-private-ip-addresses"]),
        ("release", "10.0.0.10", ["describe-network-interfaces"]),
    ],
)
def test_the_example_for_a_cloud(tmp_path, action, here, asked):
    """An example that takes the address from another host is worse than none."""
    aws = tmp_path / "aws"
    aws.write_text(AWS.format(folder=tmp_path, here=here))
    aws.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    example = floating_lib.ROOT / "docs/examples/floating-aws"
    subprocess.run(
        [example, action, "10.0.0.100", "eth0"],
        env={"PATH": path, "FLOATING_ENI": "eni-1"},
        check=True,
    )
    lines = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[1] for line in lines] == asked
    assert all("eni-1" in line for line in lines)
    done = subprocess.run([example, action, "10.0.0.100", "eth0"], env={"PATH": path}, check=False)
    assert done.returncode != 0
