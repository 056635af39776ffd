"""The main job on real servers, as a user sees it: a primary dies or hangs or is moved, and the clients of the
proxy go on; afterwards every acknowledged write is there exactly once."""

import shutil
import subprocess

import pymysql
import pytest

import load as load_module
import sandbox as sandbox_module

WRITES = 100


def expect_right(clients):
    for name, finding in clients.verify_all().items():
        assert load_module.is_right(finding), f"{name}: {finding}"


def wait_for_other_primary(box, old):
    sandbox_module.wait_until(lambda: box.primary() not in (None, old), 60, "another primary")


def state_of(box, server):
    return {one["name"]: one for one in box.status()["servers"]}[server]


@pytest.mark.parametrize(
    "flavor, servers",
    [
        ("mariadb", 2),
        ("mariadb", 5),
        ("mariadb-11.8", 3),
        ("mysql", 3),
    ],
)
def test_a_killed_primary_is_replaced_and_comes_back(sandbox, load, flavor, servers):
    """Writes stop for good, get lost or are doubled when a primary's process dies."""
    box = sandbox(flavor, servers)
    clients = load(box)
    for _ in range(2):
        old = box.primary()
        epoch = box.status()["epoch"]
        box.server_command("kill", "primary")
        wait_for_other_primary(box, old)
        clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
        assert box.status()["epoch"] > epoch
        box.server_command("start", old)
        box.wait_healthy()
        assert state_of(box, old)["role"] == "replica"
    clients.finish()
    expect_right(clients)
    report = box.status()["last_failover"]
    assert report["kind"] == "failover" and report["done"]
    assert report["loss"]["gtid"] == "" and not report["loss"]["possible"]
    assert all(isinstance(report["phases_ms"][name], float) for name in report["phases_ms"])


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_a_hung_primary_is_replaced_and_takes_no_write_when_it_wakes(sandbox, load, flavor):
    """Two primaries take writes after a hang, or an acknowledged write is gone."""
    box = sandbox(flavor)
    clients = load(box)
    old = box.primary()
    box.server_command("stop", old)
    wait_for_other_primary(box, old)
    clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
    box.server_command("cont", old)
    sandbox_module.wait_until(
        lambda: box.status()["healthy"] or state_of(box, old)["state"] == "diverged",
        60,
        "the old primary is a replica or diverged",
    )
    server = state_of(box, old)
    with pytest.raises(pymysql.err.MySQLError) as refused:
        with box.connect(server["port"]).cursor() as cursor:
            cursor.execute("CREATE DATABASE must_not_be")
    assert refused.value.args[0] == 1290
    if server["state"] == "diverged":
        assert server["extra"], "what it has too much is listed"
        box.server_command("reset", old)
        box.wait_healthy()
    clients.finish()
    expect_right(clients)


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_a_switchover_is_no_error_to_any_client(sandbox, load, flavor):
    """Planned work costs clients an error or a write."""
    box = sandbox(flavor)
    clients = load(box, clients=8)
    for _ in range(3):
        old = box.primary()
        report = box.json("switchover", box.group)["report"]
        assert report["from"] == old and report["to"] == box.primary() != old
        clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
        box.wait_healthy()
    totals = clients.finish()
    assert not totals["errors"] and not totals["unknown"] and not totals["reconnects"]
    expect_right(clients)


def test_async_names_what_is_lost(sandbox, load):
    """A failover that may lose something doesn't say so, or doesn't name it."""
    box = sandbox("mariadb", 3, "async")
    clients = load(box)
    old = box.primary()
    box.server_command("kill", old)
    wait_for_other_primary(box, old)
    clients.wait_for_acknowledged(WRITES, since_us=load_module.now_us())
    assert box.status()["last_failover"]["loss"]["possible"]
    box.server_command("start", old)
    sandbox_module.wait_until(
        lambda: box.status()["healthy"] or state_of(box, old)["state"] == "diverged",
        60,
        "it is back",
    )
    status = box.status()
    clients.finish()
    lost = sum(one["lost"] for one in clients.verify_all().values())
    server = state_of(box, old)
    if server["state"] == "diverged":
        assert server["extra"] and status["last_failover"]["loss"]["gtid"] == server["extra"]
    else:
        assert lost == 0
    assert sum(one["doubled"] for one in clients.verify_all().values()) == 0


def is_refused_with(box, word):
    status = box.status()
    return status["state"] == "refused" and word in status["state_text"]


@pytest.mark.parametrize("servers", [2, 3])
def test_a_primary_alone_is_on_the_record_and_not_replaced(sandbox, servers):
    """A stale replica is promoted over a primary that went on alone: its commits would be lost."""
    box = sandbox("mariadb", servers)
    primary = box.primary()
    replicas = [one["name"] for one in box.status()["servers"] if one["name"] != primary]
    for name in replicas:
        box.server_command("kill", name)
    sandbox_module.wait_until(lambda: box.status()["acks"] == 0, 20, "alone on the record")
    with box.connect().cursor() as cursor:
        cursor.execute("CREATE DATABASE alone")
    assert box.status()["readiness"]["winner"] is None
    box.server_command("kill", primary)
    box.server_command("start", replicas[0])
    # Before the replica is reached it is refused for another reason.
    sandbox_module.wait_until(lambda: is_refused_with(box, "alone"), 30, "refused")
    box.server_command("start")
    box.wait_healthy()
    assert box.primary() == primary
    with box.connect("MUSTER_READ_PORT").cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE 'alone'")
        assert cursor.fetchall()


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_the_command_line_client_logs_in(sandbox, flavor):
    """`mariadb -h .. -P ..`, the first thing that anybody tries, is refused."""
    client = shutil.which("mariadb")
    if not client:
        pytest.skip("no mariadb client here")
    box = sandbox(flavor)
    done = subprocess.run(
        [
            client,
            f"--host={box.env['MUSTER_HOST']}",
            f"--port={box.env['MUSTER_WRITE_PORT']}",
            f"--user={box.env['MUSTER_USER']}",
            f"--password={box.env['MUSTER_PASSWORD']}",
            "--execute=SELECT 40 + 2",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "42" in done.stdout, done.stderr


@pytest.mark.parametrize("flavor", ["mariadb", "mysql"])
def test_one_address_for_reads_and_writes(sandbox, flavor):
    """A session on the split port doesn't see what it wrote, or its connection breaks with the primary."""
    box = sandbox(flavor)
    conn = box.connect("MUSTER_SPLIT_PORT")
    with conn.cursor() as cursor:
        cursor.execute("CREATE DATABASE split")
        cursor.execute("USE split")
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        for number in range(60):
            if number == 30:
                box.server_command("kill", "primary")
            cursor.execute("INSERT INTO t VALUES (%s)", (number,))
            cursor.execute("SELECT COUNT(*) FROM t")
            assert cursor.fetchone() == (number + 1,)
    box.server_command("start")
    box.wait_healthy()
    conn.close()
