"""Counts that flatter would let a failure pass the gate."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "dev"))

import tally  # noqa: E402


def meson_log(tmp_path, *tests):
    path = tmp_path / "testlog.json"
    path.write_text("".join(json.dumps(test) + "\n" for test in tests))
    return path


def test_cmocka_cases_are_counted_one_by_one(tmp_path):
    path = meson_log(
        tmp_path,
        {"name": "a", "result": "OK", "stdout": "[  PASSED  ] 3 test(s).\n", "stderr": ""},
        {
            "name": "b",
            "result": "FAIL",
            "stdout": "[  PASSED  ] 2 test(s).\n",
            "stderr": "[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] test_x\n",
        },
        {"name": "c", "result": "OK", "stdout": "a program without cases\n"},
    )
    assert tally.tally_meson(path) == (6, 1, [])


def test_a_program_that_dies_has_failed(tmp_path):
    path = meson_log(
        tmp_path,
        {"name": "a", "result": "FAIL", "stdout": "[  PASSED  ] 3 test(s).\n"},
        {"name": "b", "result": "TIMEOUT", "stdout": ""},
        {"name": "c", "result": "ERROR"},
    )
    assert tally.tally_meson(path) == (3, 3, [])


def test_skipped_ones_are_named(tmp_path):
    out = "[  SKIPPED ] test_x\n[  PASSED  ] 1 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n"
    path = meson_log(
        tmp_path,
        {"name": "a", "result": "OK", "stdout": out + "[  SKIPPED ] test_x\n"},
        {"name": "b", "result": "SKIP", "stdout": ""},
    )
    assert tally.tally_meson(path) == (1, 0, ["a: test_x", "b: skipped by itself"])


def test_pytest_cases(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(
        """<testsuites><testsuite>
        <testcase classname="m" name="good"/>
        <testcase classname="m" name="bad"><failure message="no"/></testcase>
        <testcase classname="m" name="broken"><error message="no"/></testcase>
        <testcase classname="m" name="later"><skipped message="not here"/></testcase>
        </testsuite></testsuites>"""
    )
    assert tally.tally_pytest(path) == (1, 2, ["m.later: not here"])
