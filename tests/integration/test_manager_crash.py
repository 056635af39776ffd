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
# What is done after another server took over comes up once more when the old one is back.
COME_AGAIN = {
    point
    for point in [*FAILOVER_POINTS, *SWITCHOVER_POINTS]
    if point.split(".")[1] in ("repoint", "steady", "semisync_source_off", "forget_source")
}
MANAGER = "muster"
WRITES = 50


def start_manager(box, fault):
    """fault: the point at which it dies, maybe before anybody has seen it answer; or None."""
    box.server_command("kill", MANAGER)
    env = dict(os.environ)
    if fault:
        os.environ["MUSTER_FAULT"] = fault
    try:
        box.muster("sandbox", "start", box.name, MANAGER, check=fault is None)
    finally:
        os.environ.clear()
        os.environ.update(env)


def row_of_primary(status):
    return next((one for one in status["servers"] if one["name"] == status["primary"]), None)


def is_settled(box, old=None):
    """Another primary than `old` is there, and nothing is under way."""
    try:
        status = box.status()
    except OSError:
        return False
    row = row_of_primary(status)
    return status["state"] == "steady" and row and row["state"] != "down" and row["name"] != old


def dies(box, old, point):
    """Whether the manager got as far as the point."""
    may_be_missed = point in MAY_BE_MISSED
    sandbox_module.wait_until(
        lambda: not box.manager_answers() or (may_be_missed and is_settled(box, old)),
        30,
        f"the manager dies at {point}",
    )
    return not box.manager_answers()


def mend(box, clients, fault):
    """The manager is back, and then what is down; False when it died once more on the way."""
    start_manager(box, fault)
    sandbox_module.wait_until(
        lambda: is_settled(box) or not box.manager_answers(), 30, "there is a primary"
    )
    if not box.manager_answers():
        return False
    try:
        servers = box.status()["servers"]
    except OSError:
        return False
    for server in servers:
        if server["state"] == "down":
            box.server_command("start", server["name"])
    done = box.wait_healthy(check=False)
    if not box.manager_answers():
        return False
    assert done.returncode == 0, done.stderr + box.muster("events", "--wide").stdout
    clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
    return True


def arm(box, clients, point):
    """All is well again, and the manager dies at the point; False when it died there on the way."""
    if point in COME_AGAIN:
        assert mend(box, clients, None), box.manager_log()
    return mend(box, clients, point)


def lose_primary(box, old):
    box.server_command("kill", old)


def switch_over(box, _):
    # The manager dies while it is asked: the command says so, and what counts is what comes after.
    box.muster("switchover", box.group, check=False)


OPERATIONS = {
    "failover": (FAILOVER_POINTS, lose_primary),
    "switchover": (SWITCHOVER_POINTS, switch_over),
}


def in_turn(points):
    """Each one lies well before that of the crash before it: what is resumed after that doesn't come there, and one
    start of the manager ends one story and begins the next."""
    return [point for last in range(1, 5) for point in points[-last::-4]]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_the_manager_may_die_at_any_step(sandbox, load, operation, flavor):
    """An acknowledged write is lost, or a group stays without a primary, if a step isn't resumed."""
    points, cause = OPERATIONS[operation]
    box = sandbox(flavor)
    clients = load(box)
    for point in in_turn(points):
        if arm(box, clients, point):
            old = box.primary()
            cause(box, old)
            assert dies(box, old, point) or point in MAY_BE_MISSED
    assert mend(box, clients, None), box.manager_log()
    clients.finish()
    for name, finding in clients.verify_all().items():
        assert load_module.is_right(finding), f"{name}: {finding}"
