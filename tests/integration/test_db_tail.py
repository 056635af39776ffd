"""If the tail of a lost primary were saved wrongly, what a failover lost would be lost for good.

A server gets transactions that nobody else has; they are read from it over the network into a binary log,
which the server's own tool reads, and which brings the rows back when it is replayed on a fresh server.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

import db_lib
import servers

STATEMENTS = """
CREATE TABLE app.lost (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(300) CHARACTER SET utf8mb4,
 c CHAR(20), n DECIMAL(20,7), d DATETIME(3), ts TIMESTAMP(6) NULL, b LONGBLOB, e ENUM('x','y'), s SET('a','b'),
 bits BIT(11), f FLOAT, g DOUBLE, y YEAR, tm TIME(2), big BIGINT, i3 MEDIUMINT, j JSON, p POINT,
 c2 CHAR(100) CHARACTER SET utf8mb4) ENGINE=InnoDB;
INSERT INTO app.lost (t,c,n,d,ts,b,e,s,bits,f,g,y,tm,big,i3,j,p,c2) VALUES
 ('gr\u00fcn','x',-1234567.7654321,'2026-01-02 03:04:05.678','2026-01-02 03:04:05.678901',REPEAT('B',70000),'y',
  'a,b',b'10110010101',1.5,2.25,2026,'-12:34:56.78',-1,-8,'{"a": 1}',POINT(1,2),REPEAT('\u00fc',50));
INSERT INTO app.lost (t) VALUES ('one'),('two'),(NULL);
UPDATE app.lost SET t=CONCAT(t,'!'), e='x' WHERE id IN (1,2,3);
DELETE FROM app.lost WHERE t IS NULL;
"""


@pytest.fixture(params=servers.FLAVORS)
def farm(request):
    try:
        servers.program(request.param)
    except servers.Missing as why:
        pytest.skip(str(why))
    made = db_lib.Farm(request.param)
    yield made
    made.remove()


def tools_of(flavor):
    """The server's own reader of binary logs, and its client; skips where they are not."""
    beside = pathlib.Path(servers.program(flavor)).parent
    names = ("mysqlbinlog", "mysql") if flavor == "mysql" else ("mariadb-binlog", "mariadb")
    found = [
        str(beside / name) if (beside / name).exists() else shutil.which(name) for name in names
    ]
    if None in found:
        pytest.skip(f"{' and '.join(names)} are not there")
    return found


def rows_of(server):
    return server.query("SELECT *, HEX(bits), ST_AsText(p) FROM app.lost ORDER BY id")


def text_of(program, log):
    environment = {**os.environ, "TZ": "UTC"}
    return subprocess.run(
        [program, "--verify-binlog-checksum", log],
        capture_output=True,
        check=True,
        env=environment,
    ).stdout


def common_start(server, driver):
    server.query("CREATE TABLE app.kept (id INT PRIMARY KEY) ENGINE=InnoDB")
    server.query("INSERT INTO app.kept VALUES (1)")
    return driver.ok("status")["executed"]


def lost_set(farm, driver, kept):
    executed = driver.ok("status")["executed"]
    if farm.mysql:
        return driver.ok("query", f"SELECT GTID_SUBTRACT('{executed}', '{kept}')")["rows"][0][0]
    first = int(kept.rsplit("-", 1)[1]) + 1
    domain_and_server, last = executed.rsplit("-", 1)
    return f"{domain_and_server}-{first}..{last}"


def test_a_saved_tail_brings_the_rows_back(farm, tmp_path):
    reader, client = tools_of(farm.flavor)
    old, scratch = farm.server(binlog_format="ROW"), farm.server()
    driver = farm.open(old)
    kept = common_start(old, driver)
    for number, statement in enumerate(STATEMENTS.split(";\n")):
        if statement.strip():
            old.query(statement)
        if number in (1, 3):
            old.query("FLUSH BINARY LOGS")
    wanted = lost_set(farm, driver, kept)
    before = driver.ok("status")["executed"]
    saved = driver.ok("tail", wanted, tmp_path / "tails" / "shop", "s1", "repl", "replpw")
    assert saved["transactions"] == 5 and saved["missing"] == ""
    assert driver.ok("status")["executed"] == before
    assert pathlib.Path(saved["log"]).stat().st_size == saved["bytes"]
    assert pathlib.Path(saved["log"]).stat().st_mode & 0o777 == 0o600
    story = pathlib.Path(saved["story"]).read_text()
    assert "app.lost: 3 inserted" in story and "app.lost: 1 deleted" in story, story
    assert "app.lost: 3 updated" in story and "CREATE TABLE app.lost" in story, story
    assert "can't be" not in story, story
    assert "app.kept" not in story, story
    sql = text_of(reader, saved["log"])
    subprocess.run(
        [client, f"--socket={scratch.socket}", "--user=root", "--binary-mode"],
        input=sql,
        check=True,
    )
    assert rows_of(scratch) == rows_of(old)
    assert not scratch.query("SHOW TABLES IN app LIKE 'kept'")
    again = driver("tail", wanted, tmp_path / "tails" / "shop", "s1", "repl", "replpw")
    assert again["rc"] == "ERR_EXISTS", again
    assert pathlib.Path(saved["log"]).stat().st_size == saved["bytes"]


def purge(server, log):
    """MariaDB keeps a log until the engine has passed a checkpoint behind it."""

    def is_gone():
        server.query(f"PURGE BINARY LOGS TO '{log}'")
        return server.query("SHOW BINARY LOGS")[0][0] == log

    servers.wait_for(is_gone, "the logs before are gone")


def test_what_is_no_longer_there_is_said(farm, tmp_path):
    old = farm.server(binlog_checksum="NONE")
    driver = farm.open(old)
    kept = common_start(old, driver)
    for number in (2, 3):
        old.query(f"INSERT INTO app.kept VALUES ({number})")
        old.query("FLUSH BINARY LOGS")
    wanted = lost_set(farm, driver, kept)
    logs = [row[0] for row in old.query("SHOW BINARY LOGS")]
    purge(old, logs[-2])
    held = driver.ok("held")
    assert held["purged"] and held["tables"] == 1 and held["bytes"] > 0
    saved = driver.ok("tail", wanted, tmp_path, "s1", "repl", "replpw")
    assert saved["transactions"] == 1 and saved["missing"] != ""
    assert b"app" in text_of(tools_of(farm.flavor)[0], saved["log"])
    purge(old, logs[-1])
    gone = driver("tail", wanted, tmp_path, "s2", "repl", "replpw")
    assert gone["rc"] == "ERR_NOT_FOUND", gone
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s1.binlog", "s1.txt"]


def test_an_account_without_the_privilege_is_refused(farm, tmp_path):
    old = farm.server()
    driver = farm.open(old)
    common_start(old, driver)
    executed = driver.ok("status")["executed"]
    refused = driver("tail", executed, tmp_path, "s1", "app", "apppw")
    assert refused["rc"] in ("ERR_SERVER", "ERR_PRIVILEGE"), refused
    assert not list(tmp_path.iterdir())
