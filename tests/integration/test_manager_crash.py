"""The manager dies at every step of a failover and of a switchover: whoever is paged then must find a group
that mends itself once the manager is back, with every acknowledged write in it exactly once."""

import os

import pytest

import load as load_module
import sandbox as sandbox_module

# Where src/manager/ has a fault point on the way: the record stored, a step started, a step done.
FAILOVER_POINTS = [
    "record.revoking.stored",
    "step.stop_receiver.started",
    "step.stop_receiver.done",
    "step.drain.started",
    "step.drain.done",
    "record.opening.stored",
    "step.promote.started",
    "step.promote.done",
    "step.open.started",
    "step.open.done",
    "step.repoint.started",
    "step.repoint.done",
    "record.steady.stored",
    "step.forget_source.started",
    "step.forget_source.done",
]
SWITCHOVER_POINTS = [
    "step.semisync_replica_off.started",
    "step.semisync_replica_off.done",
    "record.draining.stored",
    "record.freezing.stored",
    "step.freeze.started",
    "step.freeze.done",
    "step.catch_up.started",
    "step.catch_up.done",
    "record.opening.stored",
    "step.promote.started",
    "step.promote.done",
    "step.open.started",
    "step.open.done",
    "step.repoint.started",
    "step.repoint.done",
    "record.steady.stored",
    "step.semisync_source_off.started",
    "step.semisync_source_off.done",
    "step.forget_source.started",
    "step.forget_source.done",
]
# Only reached when there is something left to apply, or when the state is left in the turn that entered it.
MAY_BE_MISSED = {
    "step.drain.started",
    "step.drain.done",
    "record.steady.stored",
    "record.draining.stored",
}
MANAGER = "muster"
WRITES = 50


def restart_manager(box, fault=None):
    box.server_command("kill", MANAGER)
    env = dict(os.environ)
    if fault:
        os.environ["MUSTER_FAULT"] = fault
    try:
        box.server_command("start", MANAGER)
    finally:
        os.environ.clear()
        os.environ.update(env)


def manager_is_dead(box):
    return box.muster("version", "--json", check=False).returncode != 0 or (
        box.json("version").get("running") is None
    )


def walk(box, clients, point, cause):
    """One crash: returns whether the manager got as far as the point."""
    restart_manager(box, fault=point)
    box.wait_healthy()
    clients.wait_for_acknowledged(WRITES)
    old = box.primary()
    cause(box, old)
    try:
        sandbox_module.wait_until(lambda: manager_is_dead(box), 6, f"the manager dies at {point}")
        reached = True
    except TimeoutError:
        reached = False
    restart_manager(box)
    box.server_command("start")
    box.wait_healthy()
    clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
    return reached


def lose_primary(box, old):
    box.server_command("kill", old)


def switch_over(box, _):
    # The manager dies while it is asked: the command says so, and what counts is what comes after.
    box.muster("switchover", box.group, check=False)


OPERATIONS = {
    "failover": (FAILOVER_POINTS, lose_primary),
    "switchover": (SWITCHOVER_POINTS, switch_over),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_the_manager_may_die_at_any_step(sandbox, load, operation, flavor):
    """An acknowledged write is lost, or a group stays without a primary, if a step isn't resumed."""
    points, cause = OPERATIONS[operation]
    box = sandbox(flavor)
    clients = load(box)
    missed = [point for point in points if not walk(box, clients, point, cause)]
    clients.finish()
    for name, finding in clients.verify_all().items():
        assert load_module.is_right(finding), f"{name}: {finding}"
    assert set(missed) <= MAY_BE_MISSED
