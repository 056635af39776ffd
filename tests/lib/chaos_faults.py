"""What can go wrong on the hosts of bench/chaos, each with the way back."""

import contextlib
import signal


class Fault:
    """begin() makes it, end() takes it back; text says what it is. Two of one target don't go together."""

    def __init__(self, targets, text, begin, end):
        self.targets = {targets} if isinstance(targets, str) else set(targets)
        self.text = text
        self.begin = begin
        self.end = end


def kill_database(chaos, name):
    database = chaos.site.databases[name]

    def end():
        database.begin(wait=False, rewind=chaos.site.may_rewind(name))

    return Fault(f"db {name}", f"kill -9 database {name}", database.kill, end)


def stop_database(chaos, name):
    database = chaos.site.databases[name]
    return Fault(f"db {name}", f"SIGSTOP database {name}", database.pause, database.cont)


def kill_manager(chaos, _):
    name = chaos.random.choice(list(chaos.site.managers))
    manager = chaos.site.managers[name]
    return Fault(
        f"manager {name}",
        f"kill -9 manager {name}",
        lambda: manager.signal(signal.SIGKILL),
        manager.start,
    )


def stop_manager(chaos, _):
    name = chaos.random.choice(list(chaos.site.managers))
    manager = chaos.site.managers[name]
    return Fault(
        f"manager {name}",
        f"SIGSTOP manager {name}",
        lambda: manager.signal(signal.SIGSTOP),
        lambda: manager.signal(signal.SIGCONT),
    )


def kill_etcd(chaos, name):
    member = chaos.site.members[name]
    return Fault(f"etcd {name}", f"kill -9 etcd {name}", member.kill, member.start)


def stop_etcd(chaos, name):
    member = chaos.site.members[name]
    return Fault(
        f"etcd {name}",
        f"SIGSTOP etcd {name}",
        lambda: member.signal(signal.SIGSTOP),
        lambda: member.signal(signal.SIGCONT),
    )


def lose_host(chaos, name):
    """All processes and the network at once, as a power cut does."""
    parts = [make(chaos, name) for make in (kill_database, kill_etcd)]
    manager = chaos.site.managers[name]
    cuts = around(chaos, name)

    def begin():
        chaos.cut(cuts)
        for part in parts:
            part.begin()
        manager.signal(signal.SIGKILL)

    def end():
        chaos.mend(cuts)
        chaos.site.members[name].start()
        manager.start()
        parts[0].end()

    targets = (f"db {name}", f"manager {name}", f"etcd {name}")
    return Fault(targets, f"host {name} loses power", begin, end)


def around(chaos, name):
    others = [other for other in chaos.lab.hosts if other != name]
    return {(name, other) for other in others} | {(other, name) for other in others}


def cut_fault(chaos, target, text, cuts):
    return Fault(target, text, lambda: chaos.cut(cuts), lambda: chaos.mend(cuts))


def peers(chaos):
    return [name for name in chaos.lab.hosts if name != "app"]


def isolate(chaos, name):
    return cut_fault(chaos, f"net {name}", f"isolate {name}", around(chaos, name))


def cut_pair(chaos, name):
    other = chaos.random.choice([one for one in peers(chaos) if one != name])
    cuts = {(name, other), (other, name)}
    return cut_fault(chaos, f"net {name} {other}", f"cut {name} from {other}", cuts)


def cut_one_way(chaos, name):
    other = chaos.random.choice([one for one in peers(chaos) if one != name])
    text = f"nothing of {name} arrives at {other}"
    return cut_fault(chaos, f"net {name} > {other}", text, {(name, other)})


def split(chaos, name):
    """Two sides, one of them with the clients."""
    rest = [one for one in chaos.lab.hosts if one != name]
    side = {name} | {one for one in rest if chaos.random.random() < 0.5}
    if len(side) == len(chaos.lab.hosts):
        side.discard("app")
    others = set(chaos.lab.hosts) - side
    cuts = {(a, b) for a in side for b in others} | {(b, a) for a in side for b in others}
    return cut_fault(chaos, "split", f"split {'+'.join(sorted(side))} from the rest", cuts)


def fill_disk(chaos, name):
    disks = {**chaos.site.disks}
    disks.update({f"etcd:{one}": member.disk for one, member in chaos.site.members.items()})
    place = chaos.random.choice(sorted(disks))
    disk = disks[place]

    def begin():
        with contextlib.suppress(OSError):
            disk.fill()

    def end():
        disk.free()
        kind, _, where = place.partition(":")
        process = {"db": chaos.site.databases, "etcd": chaos.site.members}.get(kind, {}).get(where)
        # Some end by themselves; a person starts them again.
        if process and process.process.poll() is not None:
            process.begin(wait=False) if kind == "db" else process.start()

    return Fault(
        place.replace(":", " ").replace("muster", "manager"), f"disk full: {place}", begin, end
    )


def shift_clock(chaos, _):
    """etcd and the databases keep theirs: they read it past the library (Go), or wait by it in the kernel (MySQL)."""
    name = chaos.random.choice(list(chaos.site.managers))
    manager = chaos.site.managers[name]
    seconds = chaos.random.choice((-3600, -90, -5, 5, 90, 3600))
    return Fault(
        f"clock {name}",
        f"wall clock of manager {name} off by {seconds} s",
        lambda: manager.shift_wall_clock(seconds),
        manager.shift_wall_clock,
    )


EVERYWHERE = (
    shift_clock,
    kill_database,
    kill_database,
    stop_database,
    kill_manager,
    stop_manager,
    isolate,
    cut_pair,
    cut_one_way,
    split,
    fill_disk,
)
FULL = (*EVERYWHERE, kill_manager, kill_etcd, stop_etcd, lose_host, lose_host)


def draw(chaos):
    name = chaos.random.choice(chaos.site.names)
    make = chaos.random.choice(FULL if chaos.site.members else EVERYWHERE)
    return make(chaos, name)
