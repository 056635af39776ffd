"""Who sets three nodes up as docs/stores.md says must get what it says."""

import os
import pathlib
import re
import subprocess

import pytest

import etcd as etcd_module
import sandbox as sandbox_module
from cli_node import ACCOUNTS, Node

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "stores.md").read_text()
wait_until = sandbox_module.wait_until


def block(language, word):
    """The block of the page that has the word in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return next(text for text in found if word in text)


class Hosts:
    """10.0.0.1 to 3 of the page, as ports of this machine."""

    def __init__(self, folder):
        self.folder = folder
        ports = etcd_module.free_ports(6)
        self.places = {f"10.0.0.{i + 1}:2379": f"127.0.0.1:{ports[i]}" for i in range(3)}
        self.places.update({f"10.0.0.{i + 1}:2380": f"127.0.0.1:{ports[i + 3]}" for i in range(3)})
        self.processes = []

    def here(self, text):
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def start_etcd(self, number):
        """The page's /etc/default/etcd with the name and address of this host in it."""
        mine = []
        for line in block("ini", "ETCD_NAME").splitlines():
            if not line.startswith("ETCD_INITIAL_CLUSTER="):
                line = line.replace("10.0.0.1", f"10.0.0.{number}").replace('"n1"', f'"n{number}"')
            mine.append(self.here(line))
        env = dict(line.replace('"', "").split("=", 1) for line in mine)
        with open(self.folder / f"etcd{number}.log", "wb") as log:
            self.processes.append(
                subprocess.Popen(
                    ["etcd", "--data-dir", self.folder / f"etcd{number}"],
                    env={**os.environ, **env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def etcdctl(self, *words):
        return subprocess.run(
            ["etcdctl", f"--endpoints={self.places['10.0.0.1:2379']}", *words],
            capture_output=True,
            text=True,
            check=False,
        )

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def hosts(tmp_path):
    try:
        etcd_module.Etcd().close()
    except etcd_module.Missing as why:
        pytest.skip(str(why))
    made = Hosts(tmp_path)
    yield made
    made.close()


def test_three_nodes_as_written(hosts, tmp_path):
    """The page would be wrong."""
    for number in (1, 2, 3):
        hosts.start_etcd(number)
    wait_until(lambda: hosts.etcdctl("endpoint", "health").returncode == 0, 30, "etcd is healthy")
    for line in block("sh", "etcdctl auth enable").splitlines():
        words = line.split()
        done = hosts.etcdctl(*words[1:])
        assert done.returncode == 0, (line, done.stderr)
    password = tmp_path / "password"
    password.write_text("PASSWORD\n")
    password.chmod(0o600)
    store = hosts.here(block("ini", "kind = etcd")) + f"user = muster\npassword-file = {password}\n"
    nodes = [
        Node(tmp_path / f"n{number}", f"{ACCOUNTS}{store}[node]\nname = n{number}\n")
        for number in (1, 2, 3)
    ]
    try:
        for node in nodes:
            node.start()
        shown = [
            wait_until(
                lambda node=node: (
                    (all_of := node.json("store", "show"))["leader"]
                    and not all_of["trouble"]
                    and all_of
                ),
                15,
                "it knows who leads",
            )
            for node in nodes
        ]
        assert len({one["leader"] for one in shown}) == 1
        assert sum(one["leads"] for one in shown) == 1
        for one in shown:
            assert sorted(row["role"] for row in one["members"]) == [
                "follower",
                "follower",
                "leader",
            ]
        text = nodes[0].done("store", "show")
        for word in ("store: etcd:", "leader: ", "MEMBER", "ROLE", "VERSION", "REVISION", "BYTES"):
            assert word in text
    finally:
        for node in nodes:
            node.close()
