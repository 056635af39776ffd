"""Whoever finds a group that failed over again and again at night wants it to have stopped by itself, and a
manager that was restarted in between must not begin to count anew."""

import pathlib

import sandbox as sandbox_module

MANAGER = "muster"


def set_option(box, section, line):
    """Changes one line of the sandbox's option file and starts its muster again."""
    path = next(pathlib.Path(box.env["MUSTER_SOCKET"]).parent.glob("*.cnf"))
    key = line.split("=")[0] + "="
    kept = [old for old in path.read_text().splitlines() if not old.startswith(key)]
    kept.insert(kept.index(f"[{section}]") + 1, line)
    path.write_text("\n".join(kept) + "\n")
    restart_manager(box)


def restart_manager(box):
    box.server_command("kill", MANAGER)
    box.server_command("start", MANAGER)


def lose_primary(box):
    old = box.primary()
    box.server_command("kill", old)
    return old


def test_a_cooldown_survives_the_manager_and_a_person_ends_it(sandbox):
    box = sandbox("mariadb")
    set_option(box, "manager", "failover-cooldown-s=600")
    box.wait_healthy()
    first = lose_primary(box)
    second = sandbox_module.wait_until(
        lambda: (box.primary() not in (None, first)) and box.primary(), 30, "the failover"
    )
    sandbox_module.wait_until(lambda: box.status()["state"] == "steady", 30, "it is steady")
    restart_manager(box)
    sandbox_module.wait_until(lambda: box.primary() == second, 30, "the manager is back")
    lose_primary(box)
    held = sandbox_module.wait_until(
        lambda: [
            event
            for event in box.json("events", box.group)["events"]
            if event["evt"] == "failover.held"
        ],
        30,
        "the failover is held back",
    )
    assert f"muster resume {box.group}" in held[-1]["message"]
    assert f"muster resume {box.group}" in box.status()["state_text"]
    assert box.primary() == second
    box.muster("resume", box.group)
    sandbox_module.wait_until(
        lambda: box.primary() not in (None, first, second), 30, "the failover that was held back"
    )
    box.server_command("start")
    box.wait_healthy()
