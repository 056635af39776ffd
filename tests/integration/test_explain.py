"""What `explain` and `--dry-run` say is what then happens, and saying it changes nothing."""

import sandbox as sandbox_module

UNREACHABLE = 3
REFUSED = 4


def steps_of(course):
    return [
        (state["state"], step["server"], step["step"])
        for state in course["states"]
        for step in state["steps"]
    ]


def test_a_dry_run_tells_what_is_then_done(sandbox):
    box = sandbox()
    before = box.status()
    told = box.json("switchover", box.group, "--dry-run")
    assert told["would"] and told["course"]["settled"]
    states = [state["state"] for state in told["course"]["states"]]
    assert states == ["steady", "draining", "freezing", "opening", "steady"]
    assert box.status()["epoch"] == before["epoch"] and box.primary() == before["primary"]
    report = box.json("switchover", box.group)["report"]
    assert report["to"] == told["course"]["states"][-1]["primary"]
    assert report["epoch"] == told["course"]["states"][-1]["epoch"]
    box.wait_healthy()

    # A failover that a person orders: nothing is asked, nothing is done.
    told = box.json("failover", box.group, "--dry-run", "--to", "db3")
    assert told["would"] and told["course"]["states"][-1]["primary"] == "db3"
    assert ("revoking", box.primary(), "fence") in steps_of(told["course"])
    assert box.status()["epoch"] == report["epoch"]

    # Settings: what would follow from them, and from whom.
    told = box.json("group", "set", box.group, "--policy", "async", "--dry-run")
    assert "semisync_source_off" in [step for _, _, step in steps_of(told["course"])]
    one, other = [name for name in ("db1", "db2", "db3") if name != box.primary()]
    told = box.json("group", "set", box.group, "--never-promote", one, "--dry-run")
    assert not steps_of(told["course"]) and told["if_the_primary_died"]["winner"] == other
    text = box.muster("group", "set", box.group, "--weight", "db2=7", "--dry-run").stdout
    assert "if the primary died then: " in text
    wrong = box.muster("group", "set", box.group, "--weight", "db9=1", "--dry-run", check=False)
    assert wrong.returncode == 1
    refused = box.muster("group", "remove", box.group, one, "--dry-run", check=False)
    assert refused.returncode == REFUSED and "acknowledges" in refused.stderr
    refused = box.muster("group", "add", box.group, "db4=127.0.0.1:1", "--dry-run", check=False)
    assert refused.returncode == UNREACHABLE
    after = box.json("group", "show", box.group)
    assert after["policy"] == "lossless" and len(after["servers"]) == 3
    assert not [one for one in after["servers"] if one["never_promote"]]

    for name in ("db1", "db2", "db3"):
        if name != box.primary():
            box.muster("group", "set", box.group, "--never-promote", name)
    refused = box.muster("switchover", box.group, "--dry-run", check=False)
    assert refused.returncode == REFUSED
    assert "never-promote" in refused.stderr and len(refused.stderr.splitlines()) == 1
    again = box.muster("switchover", box.group, check=False)
    assert again.returncode == REFUSED and "never-promote" in again.stderr


def test_explain_says_why_there_is_no_failover_and_what_would_follow(sandbox):
    box = sandbox()
    old = box.primary()
    # Of equals, who has less left to apply at the moment wins.
    winner = "db3" if old != "db3" else "db2"
    box.muster("group", "set", box.group, "--weight", f"{winner}=200")
    healthy = box.json("explain", box.group)
    assert healthy["rule"] == 270 and not healthy["waits"]
    assert healthy["next"]["settled"] and len(healthy["next"]["states"]) == 1
    assert healthy["if_the_primary_died"]["winner"] == winner
    rows = {row["rule"]: row for row in healthy["rules"]}
    assert [fact["fact"] for fact in rows[210]["lack"]] == ["GONE"]

    box.muster("pause", box.group)
    box.server_command("kill", old)
    blocked = sandbox_module.wait_until(
        lambda: (found := box.json("explain", box.group))["rule"] == 260 and found, 20, "rule 260"
    )
    assert "paused" in blocked["missing"]
    assert [wait["what"] for wait in blocked["waits"]] == ["paused"]
    rows = {row["rule"]: row for row in blocked["rules"]}
    assert [fact["fact"] for fact in rows[210]["lack"]] == ["MAY_FAIL_OVER"]
    assert "paused" in blocked["next"]["refusal"]
    text = box.muster("explain", box.group).stdout
    assert "waiting: paused: " in text and "rule 260" in text
    assert "paused" in box.status()["state_text"]

    box.muster("resume", box.group)
    sandbox_module.wait_until(lambda: box.primary() not in (None, old), 20, "another primary")
    assert box.primary() == winner
