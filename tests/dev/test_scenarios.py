"""docs/scenarios.md is believed by whoever is paged: each situation is there once, each test it names exists."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
SITUATIONS = {"P": 28, "R": 30, "C": 6, "S": 10, "N": 22, "G": 13}


def first_cells():
    for line in PAGE.splitlines():
        found = re.match(r"\| ([PRCSNG][^|]*) \|", line)
        if found:
            yield found.group(1)


def expand(cell):
    """ "R29, R30" and "G1 to G13" as single names."""
    span = re.fullmatch(r"([A-Z])(\d+) to [A-Z](\d+)", cell)
    if span:
        return [f"{span[1]}{i}" for i in range(int(span[2]), int(span[3]) + 1)]
    return cell.split(", ")


def test_every_situation_is_there_once():
    found = [name for cell in first_cells() for name in expand(cell)]
    wanted = [f"{kind}{i + 1}" for kind, count in SITUATIONS.items() for i in range(count)]
    assert sorted(found) == sorted(wanted)


def test_every_test_it_names_exists():
    text = "".join(
        path.read_text(encoding="utf-8")
        for suffix in ("c", "py")
        for path in (ROOT / "tests").rglob(f"*.{suffix}")
        if path != pathlib.Path(__file__)
    )
    there = set(re.findall(r"(?:static void|^def) (test_[a-z0-9_]+)", text, re.MULTILINE))
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", PAGE))
    assert named - there == set()
    assert len(named) > 50
