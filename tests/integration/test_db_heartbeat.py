"""The heartbeat row never makes a transaction of its own where none may be, and its words for trouble are right."""

import threading
import time

import pytest

import db_lib
import servers
from cli_node import free_port

LOCKED, QUEUED, UNACKNOWLEDGED = 2, 3, 4


@pytest.fixture(params=servers.FLAVORS)
def farm(request):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = db_lib.Farm(request.param)
    yield made
    made.remove()


def executed(driver):
    return driver.ok("status")["executed"]


def test_it_is_written_where_it_may_be_and_leaves_no_trace_elsewhere(farm):
    side = (
        {"admin_address": "127.0.0.1", "admin_port": str(free_port())}
        if farm.mysql
        else {"extra_port": str(free_port())}
    )
    # A statement that changes nothing would be in the binary log all the same in this format.
    server = farm.server(binlog_format="STATEMENT", **side)
    driver = farm.open(server)
    assert driver.ok("side_door")["port"] == int(side.get("admin_port") or side["extra_port"])
    before = executed(driver)
    assert driver.ok("heartbeat_write", "g", 3)["end"] == "missing"
    assert not driver.ok("heartbeat_read", "g")["found"]
    driver.ok("read_only", 1)
    made = driver("heartbeat_create", "g", 3)
    assert made["rc"] == "ERR_SERVER" or not farm.mysql  # MariaDB's statement looks by itself
    assert not server.query("SHOW DATABASES LIKE 'muster'")
    assert executed(driver) == before
    driver.ok("read_only", 0)
    driver.ok("heartbeat_create", "g", 3)
    first = driver.ok("heartbeat_write", "g", 3)
    second = driver.ok("heartbeat_write", "g", 3)
    assert first["end"] == second["end"] == "written"
    assert second["written_us"] > first["written_us"]
    row = driver.ok("heartbeat_read", "g")
    assert row["epoch"] == 3 and row["written_us"] == second["written_us"]
    before = executed(driver)
    assert driver.ok("heartbeat_write", "g", 2)["end"] == "outdated"
    assert driver.ok("heartbeat_write", "h", 3)["end"] == "missing"
    # Read-only for others: this account may write there, and must not.
    server.query("SET GLOBAL read_only=1")
    assert driver.ok("heartbeat_write", "g", 3)["end"] == "read-only"
    assert executed(driver) == before


def test_the_fence_ends_a_write_that_hangs(farm):
    primary, replica = farm.group(2)
    driver = farm.open(farm.servers[0])
    driver.ok("heartbeat_create", "g", 1)
    assert driver.ok("heartbeat_write", "g", 1)["end"] == "written"
    replica.ok("stop_receiver")
    thread = driver.ok("usable")["thread"]
    answer = {}
    waits = threading.Thread(target=lambda: answer.update(driver("heartbeat_write", "g", 1)))
    waits.start()
    servers.wait_for(
        lambda: primary.ok("diagnose", thread)["trouble"] == UNACKNOWLEDGED, "it is seen to wait"
    )
    primary.ok("fence")
    waits.join(10)
    assert answer["rc"] == "ERR_UNREACHABLE", answer
    late = farm.open(farm.servers[0])
    answer = late("heartbeat_write", "g", 1)
    assert answer["errno"] == 1290 if farm.mysql else answer["end"] == "read-only"


def test_locks_are_told_apart(farm):
    server = farm.server()
    driver, second = farm.open(server), farm.open(server)
    driver.ok("heartbeat_create", "g", 1)
    thread = driver.ok("usable")["thread"]
    holder = server.client("admin", "adminpw", database="app")
    for take, trouble in (
        ("FLUSH TABLES WITH READ LOCK", LOCKED),
        ("LOCK TABLES muster.heartbeat WRITE", QUEUED),
        ("BEGIN", QUEUED),
    ):
        with holder.cursor() as cur:
            cur.execute(take)
            if take == "BEGIN":
                cur.execute("SELECT * FROM muster.heartbeat FOR UPDATE")
            driver.send("heartbeat_write", "g", 1)

            def diagnose():
                # InnoDB shows its lock waits as they were until nobody looks for 100 ms.
                time.sleep(0.15)
                found = second.ok("diagnose", thread)
                return found if found["trouble"] == trouble else None

            found = servers.wait_for(diagnose, take, 5)
            if trouble == LOCKED and farm.mysql:
                assert f"session {holder.thread_id()} of admin" in found["words"]
            elif trouble == LOCKED:
                assert "metadata_lock_info" in found["words"]
            cur.execute("UNLOCK TABLES")
            cur.execute("COMMIT")
        assert driver.answer()["end"] == "written"
    holder.close()
