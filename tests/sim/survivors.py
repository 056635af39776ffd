"""Mutants that nothing notices, with the reason for each: what matches the first column (a whole name).

IMPLIED: the proof says again what another proof of the row has said. POLITE: it is done once more, or at another
moment, and is as safe. ELSEWHERE: the simulator has nothing of that kind (docs/simulator.md).
"""

import re

REASONS = [
    # What a server says of itself is known only while it answers, and of its stream while that runs.
    (r"rule 1\d\d\d without ANSWERS", "IMPLIED: facts about a server need an answer"),
    (r"rule 11\d\d without RUNNING", "IMPLIED: whether a stream acknowledges needs one that runs"),
    (r"rule 1160 without RUNNING", "POLITE: the rows behind it do nothing either"),
    (r"rule 240 without ASKED", "IMPLIED: a successor is looked for only when asked"),
    (r"rule 245 without ASKED", "IMPLIED: the hook is heeded only when asked"),
    (r"rule 24[05] without WRITABLE", "IMPLIED: rule 230 comes first while it is read-only"),
    (r"rule 315 without (COMPLETE|SAFE)", "IMPLIED: whether it applies is looked at when safe"),
    (r"rule 325 without COMPLETE", "IMPLIED: a source is looked for when complete"),
    (r"rule 325 without FEEDING", "POLITE: revoking goes on instead of being refused"),
    (r"rule 420 without (COMPLETE|SAFE)", "IMPLIED: APPLIED is found of a safe candidate"),
    (r"rule 420 without APPLIED", "POLITE: revoking waits for the applier as well"),
    (r"rule 620 without PATHS_CLOSED", "IMPLIED: DRAINED is found when the paths are closed"),
    (r"rule 620 without FIT", "POLITE: without a successor the switchover is undone later"),
    (r"rule 10(10|24|45) without MEMBER", "POLITE: who is no member is put out once more"),
    (r"rule 106[46] without PROMISED", "POLITE: a sync set without acks promises nothing"),
    (r"rule 1062 without REPLICATING", "POLITE: a replica stops waiting before it runs"),
    (r"rule 11[14]0 without PROMISED", "IMPLIED: there are no members then"),
    (r"rule 1100 without PROMISED", "IMPLIED: there are no members then"),
    (r"rule 11[04]0 without SILENT_ACKS", "POLITE: told once more to acknowledge"),
    (r"rule 1130 without CAUGHT_UP", "POLITE: a larger sync set only asks for more"),
    (r"rule 1140 without CAUGHT_UP", "POLITE: commits may wait for one that is behind"),
    (r"rule 1150 without ACKS", "POLITE: told once more to be silent"),
    (r"rule (1015|1105) without .*", "ELSEWHERE: replicas below replicas"),
    (r"rule 11[0-4]0 without MAY_ACK", "ELSEWHERE: replicas below replicas"),
    (r"rule 102[46] without .*", "ELSEWHERE: rebuilding by the manager"),
    (
        r"election: a primary that committed alone can be replaced",
        "IMPLIED: without members none of them can be reached",
    ),
]


def reason_for(name):
    """Why nobody notices that mutant; None: they should."""
    for pattern, reason in REASONS:
        if re.fullmatch(pattern, name):
            return reason
    return None
