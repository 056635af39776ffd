"""Fixtures of the integration tests: real servers, brought up by muster itself."""

import os
import pathlib
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import load as load_module  # noqa: E402
import sandbox as sandbox_module  # noqa: E402


KEPT = ("MUSTER_BIN", "MUSTER_LOOK_BIN", "MUSTER_SERVER_CACHE")


def pytest_configure(config):
    config.addinivalue_line("markers", "only_for(kind): what other kinds of servers don't have")
    # A sandbox's variables in the caller's shell must not leak into the tests' own sandboxes.
    for name in list(os.environ):
        if name.startswith("MUSTER_") and name not in KEPT:
            del os.environ[name]


def pytest_collection_modifyitems(config, items):
    """A case that makes no sense for a kind of server is no case, not one that is skipped."""
    kept, left = [], []
    for item in items:
        marker = item.get_closest_marker("only_for")
        flavors = (
            [str(value) for value in getattr(item, "callspec", None).params.values()]
            if marker
            else []
        )
        fits = not marker or any(flavor.startswith(marker.args) for flavor in flavors)
        (kept if fits else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture
def sandbox():
    """sandbox(flavor="mariadb", servers=3, policy="lossless", config=None, pair=False): a group that is
    ready for clients. config: a file with further lines for the configuration of its `muster run`.

    Skips the test, by name, when the servers cannot be had here. Taken down at the test's end.
    """
    made = []

    def make(flavor="mariadb", servers=3, policy="lossless", config=None, pair=False):
        name = f"t{uuid.uuid4().hex[:8]}"
        try:
            box = sandbox_module.Sandbox(name, flavor, servers, policy, config=config, pair=pair)
        except sandbox_module.Missing as why:
            pytest.skip(str(why))
        made.append(box)
        box.up()
        return box

    yield make
    for box in made:
        box.down()


@pytest.fixture
def load(tmp_path):
    """load(box, clients=4): clients that write through the proxy until finish() is called."""
    made = []

    def make(box, clients=4, pause_us=5000):
        clients_at_work = load_module.Load(box, str(tmp_path), clients, pause_us)
        made.append(clients_at_work)
        clients_at_work.start()
        return clients_at_work

    yield make
    for one in made:
        one.__exit__(None, None, None)
