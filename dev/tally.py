#!/usr/bin/python3
"""Counts test results for ./check.

Usage: dev/tally.py meson BUILD/meson-logs/testlog.json
       dev/tally.py pytest JUNIT.xml
Prints "PASSED FAILED SKIPPED", then one line per skipped test: its name and the reason.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree

# The summary lines of cmocka: a program holds many tests.
CMOCKA = re.compile(r"\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)")
CMOCKA_SKIPPED = re.compile(r"\[ +SKIPPED +\] ([a-z]\w*)")


def tally_meson(path):
    """The counts of `meson test`: those of cmocka where a program prints them, else the program."""
    passed = failed = 0
    skipped = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            test = json.loads(line)
            name = test["name"]
            output = test.get("stdout", "") + test.get("stderr", "")
            counts = {}
            for word, count in CMOCKA.findall(output):
                counts[word] = counts.get(word, 0) + int(count)
            if test["result"] == "SKIP":
                skipped.append(f"{name}: skipped by itself")
            elif test["result"] not in ("OK", "EXPECTEDFAIL"):
                passed += counts.get("PASSED", 0)
                failed += max(1, counts.get("FAILED", 0))
            else:
                passed += counts.get("PASSED", 0) if counts else 1
                for case in sorted(set(CMOCKA_SKIPPED.findall(output))):
                    skipped.append(f"{name}: {case}")
    return passed, failed, skipped


def tally_pytest(path):
    """The counts of a junit file of pytest."""
    passed = failed = 0
    skipped = []
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        reason = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif reason is not None:
            skipped.append(f"{name}: {reason.get('message')}")
        else:
            passed += 1
    return passed, failed, skipped


def main(arguments):
    kind, path = arguments[1:]
    passed, failed, skipped = {"meson": tally_meson, "pytest": tally_pytest}[kind](path)
    print(passed, failed, len(skipped))
    for line in skipped:
        print(" ".join(line.split()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
