"""Hosts of our own: network namespaces on one bridge, with cuts between any two of them.

Each host has one interface, eth0, with an address of 10.77.0.0/24. A cut is made where frames arrive (nftables,
netdev ingress), so that it is silent in one direction and takes ARP along, as a broken cable does. Needs root.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

SUBNET = "10.77.0"


class Missing(Exception):
    """Namespaces can't be made here; the text says what is missing."""


def run(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def require():
    if os.geteuid() != 0:
        raise Missing("network namespaces need root")
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if not shutil.which(program) and not os.path.exists(f"/usr/sbin/{program}"):
            raise Missing(f"{program} (package {package}) is not installed")
    probe = f"muster-probe-{os.getpid()}"
    try:
        run("ip", "netns", "add", probe)
        run("ip", "netns", "exec", probe, "nft", "add", "table", "netdev", "probe")
    except RuntimeError as why:
        raise Missing(str(why)) from None
    finally:
        with contextlib.suppress(RuntimeError):
            run("ip", "netns", "del", probe)


class Host:
    """One namespace. Processes started here are ended with it."""

    def __init__(self, lab, number, name):
        self.lab = lab
        self.name = name
        self.space = f"{lab.prefix}-{name}"
        self.address = f"{SUBNET}.{number}"
        self.mac = f"02:00:0a:4d:00:{number:02x}"
        self.folder = lab.folder / name
        self.processes = []

    def up(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        run("ip", "netns", "add", self.space)
        net, port = self.lab.net, f"p-{self.name}"[:15]
        run(
            "ip",
            "-n",
            net,
            "link",
            "add",
            port,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "address",
            self.mac,
            "netns",
            self.space,
        )
        run("ip", "-n", net, "link", "set", port, "master", "br0", "up")
        self.ip("link", "set", "lo", "up")
        self.ip("addr", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.nft(
            "add table netdev cut\n"
            "add chain netdev cut arriving { type filter hook ingress device eth0 priority 0; }\n"
        )

    def ip(self, *words):
        return run("ip", "-n", self.space, *words)

    def nft(self, text):
        return run("ip", "netns", "exec", self.space, "nft", "-f", "-", text=text)

    def command(self, words):
        return ["ip", "netns", "exec", self.space, *[str(word) for word in words]]

    def spawn(self, words, **options):
        """Starts a process here; `ip netns exec` becomes it, so its pid is the program's own."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.command(words), **options)
        self.processes.append(process)
        return process

    def run(self, *words, check=True, timeout=60, **options):
        done = subprocess.run(
            self.command(words),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )
        if check and done.returncode != 0:
            raise RuntimeError(
                f"{self.name}: {' '.join(map(str, words))}: {done.stderr}{done.stdout}"
            )
        return done

    def down(self):
        for process in self.processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                    process.kill()
        for process in self.processes:
            process.wait(30)
        with contextlib.suppress(RuntimeError):
            run("ip", "netns", "del", self.space)


class Lab:
    """Use it in a `with` block: Lab(folder, ["a", "b", "c"]); the hosts are attributes of `hosts`."""

    def __init__(self, folder, names):
        require()
        self.folder = pathlib.Path(folder)
        self.prefix = f"lab{os.getpid()}"
        self.net = f"{self.prefix}-net"
        self.hosts = {name: Host(self, 11 + i, name) for i, name in enumerate(names)}
        self.cuts = set()

    def __enter__(self):
        try:
            run("ip", "netns", "add", self.net)
            run("ip", "-n", self.net, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
            run("ip", "-n", self.net, "link", "set", "br0", "up")
            for host in self.hosts.values():
                host.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def __getitem__(self, name):
        return self.hosts[name]

    def down(self):
        for host in self.hosts.values():
            host.down()
        with contextlib.suppress(RuntimeError):
            run("ip", "netns", "del", self.net)

    def apply(self):
        """Makes the cuts of each host what `cuts` says, each host in one transaction."""
        for host in self.hosts.values():
            text = "flush chain netdev cut arriving\n"
            for source, target in self.cuts:
                if target == host.name:
                    mac = self.hosts[source].mac
                    text += f"add rule netdev cut arriving ether saddr {mac} drop\n"
            host.nft(text)

    def cut_one_way(self, source, target):
        """Nothing that `source` sends arrives at `target`."""
        self.cuts.add((source, target))
        self.apply()

    def cut(self, some, others):
        """No frame passes between two sets of hosts."""
        for one in some:
            for other in others:
                if one != other:
                    self.cuts |= {(one, other), (other, one)}
        self.apply()

    def isolate(self, name):
        self.cut([name], [other for other in self.hosts if other != name])

    def heal(self, cuts=None):
        """Takes back the cuts given, or all."""
        self.cuts -= set(self.cuts if cuts is None else cuts)
        self.apply()


class Disk:
    """A small file system of its own for a host's data, that can be filled up."""

    def __init__(self, path, megabytes):
        self.path = pathlib.Path(path)
        self.filler = self.path / "filler"
        self.path.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "muster-lab", str(self.path))

    def fill(self):
        with open(self.filler, "wb", buffering=0) as file:
            chunk = bytes(1 << 20)
            while chunk:
                try:
                    file.write(chunk)
                except OSError:
                    chunk = chunk[: len(chunk) // 2]

    def free(self):
        self.filler.unlink(missing_ok=True)

    def remove(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            done = subprocess.run(["umount", str(self.path)], capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.path} can't be unmounted")
