"""A command line in the documentation that does not work costs every reader an hour."""

import os
import pathlib
import re
import subprocess

import pytest

import sandbox as sandbox_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]
    + [ROOT / "docs/decisions/README.md"]
)
GENERATED = ("cli", "config", "exit-status", "api")

# What the gates of ./check run by themselves.
ELSEWHERE = {"./demo", "./check"}


def blocks_of(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands_of(text):
    """The lines behind `$ ` of all console blocks, in order, without those that run elsewhere."""
    without_recordings = re.sub(
        r"<!-- recording: begin -->.*?<!-- recording: end -->", "", text, flags=re.S
    )
    commands = []
    for block in blocks_of(without_recordings, "console"):
        commands += [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    return [command for command in commands if command not in ELSEWHERE]


def names_of_sandboxes(commands):
    return {
        match.group(1)
        for command in commands
        if (match := re.match(r"muster sandbox up ([\w-]+)", command))
    }


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if commands_of(page.read_text())],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_command_line_of_a_page_works(page, tmp_path):
    commands = commands_of(page.read_text())
    # Pages run side by side: the same name in two of them must not be one sandbox.
    for name in names_of_sandboxes(commands):
        unique = f"{name}{os.getpid()}"
        commands = [re.sub(rf"\b{name}\b(?![.\w])", unique, command) for command in commands]
    program = pathlib.Path(sandbox_module.muster_program()).resolve()
    script = "set -e\n" + "".join(
        f"printf '%s\\n' {shell_quote('$ ' + command)}\n{command}\n" for command in commands
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    for name in names_of_sandboxes(commands):
        subprocess.run([program, "sandbox", "down", name], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def shell_quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize("page", GENERATED)
def test_generated_pages_are_what_the_program_says(page):
    program = sandbox_module.muster_program()
    printed = subprocess.run(
        [program, "internal", "dump-docs", page], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / f"{page}.md").read_text() == printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_configuration_keys_that_pages_name_exist(page):
    known = keys_of_config()
    for section, key in re.findall(
        r"`(muster|node|accounts|hooks|manager|proxy|store)\.([a-z-]+)`", page.read_text()
    ):
        assert (section, key) in known, f"{section}.{key}"


def keys_of_config():
    text = (ROOT / "src" / "base" / "config.def").read_text()
    return set(re.findall(r'^(?:TEXT|CHOICE|NUMBER)\((\w+), "([a-z-]+)"', text, re.MULTILINE))


@pytest.mark.parametrize("dialect, heading", [("mariadb", "-- MariaDB"), ("mysql", "-- MySQL")])
def test_accounts_in_operations_have_every_privilege(dialect, heading):
    text = (ROOT / "src" / "db" / "dialect" / f"dialect_{dialect}.c").read_text()
    table = re.search(r"dialect_privilege privileges\[\] = \{(.*?)\n\};", text, re.S).group(1)
    needed = re.findall(r'\{ "([A-Z_ ]+)", "', table)
    assert needed
    page = (ROOT / "docs" / "operations.md").read_text()
    block = next(one for one in blocks_of(page, "sql") if one.startswith(heading))
    missing = [name for name in needed if name not in " ".join(block.split())]
    assert not missing


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    for page in folder.glob("0*.md"):
        title = page.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{page.stem[:4]}]({page.name}) | {title} |" in index, page.name


def test_every_verdict_is_explained():
    rows = re.findall(
        r"\{ (3\d{3}),.*?VERDICT_(\w+), +TREAT_\w+, +\"(.*?)\"",
        (ROOT / "src" / "decide" / "verdict.c").read_text(),
    )
    page = (ROOT / "docs" / "evidence.md").read_text()
    table = page.split("<!-- verdicts: begin -->")[1].split("<!-- verdicts: end -->")[0]
    listed = re.findall(r"^\| (\d+) \|.*\| (.*?) \|$", table, re.MULTILINE)
    assert rows and [(number, text) for number, _, text in rows] == listed
