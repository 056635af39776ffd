#!/usr/bin/python3
"""Takes one proof after the other out of the rules, and demands that the simulator notices.

Usage: tests/sim/mutate.py [--seeds N] [--every N] [--only TEXT] [--jobs N] [--list]
  --seeds N   runs per mutant (default 20000; a mutant is usually caught in the first hundred)
  --every N   every Nth mutant only: a sample
  --only TEXT mutants in whose name that is found, a regular expression
  --sample    a few of each kind, for every day
  --fast      asks the unit tests first: quicker, and says less of the simulator

Each fact that a row of src/decide/rules.c, server_rules.c or pair.c needs is one mutant: the row without it.
mutants.py holds others. A row that decides the same on every set of facts that can be
(tests/unit/decide/lemmas.h, proven by test_lemmas.c) is no mutant: it is counted as alike. What the simulator
doesn't notice, the unit tests of decide/ have to. Ends with 1 when a mutant survives both.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import mutants

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = ["cc", "-std=gnu17", "-O2", "-w", "-D_GNU_SOURCE", '-DMUSTER_VERSION="0"']
CC += ["-I", str(ROOT / "src"), "-I", str(ROOT / "tests/sim")]
CC += ["-I", str(ROOT / "tests/unit/decide")]
WALKED = ("rules", "server_rules")  # by tables_walk.c
ALIKE = "alike"
ROW = re.compile(r"^\t\{ (\d+), (.*)$", re.M)


def fact_names(text, need):
    """The facts of a `need` expression, its macros expanded."""
    macros = dict(re.findall(r"^#define (\w+) \(?([A-Z_ |]+?)\)?$", text, re.M))
    names = []
    for word in re.findall(r"\w+", need):
        names += fact_names(text, macros[word]) if word in macros else [word]
    return [name for name in names if not name.isdigit()]


def row_mutants(path, column):
    """One mutant per row and fact. column: where `need` stands among the columns of the row."""
    text = (ROOT / path).read_text()
    for match in ROW.finditer(text):
        columns = match.group(2).split(",")
        need = columns[column].strip()
        for fact in fact_names(text, need):
            columns[column] = f" (({need}) & ~(uint32_t){fact})"
            row = f"\t{{ {match.group(1)}, {','.join(columns)}"
            name = f"rule {match.group(1)} without {re.sub('^(FACT|SERVER|GROUP|PAIR)_', '', fact)}"
            yield name, path, text[: match.start()] + row + text[match.end() :]


def all_mutants():
    """(name, path, the whole text of the mutated file)."""
    yield from row_mutants("src/decide/rules.c", 2)
    yield from row_mutants("src/decide/server_rules.c", 0)
    yield from row_mutants("src/decide/pair.c", 2)
    for name, (path, old, new) in mutants.MUTANTS.items():
        text = (ROOT / path).read_text()
        if text.count(old) < 1:
            sys.exit(f"mutants.py: '{name}': {path} has nothing like that any more")
        yield name, path, text.replace(old, new, 1)


class Workshop:
    """Everything compiled once; a mutant is one object more."""

    def __init__(self, folder, seeds, fast):
        self.folder = folder
        self.seeds = seeds
        self.fast = fast
        self.sources = []
        for room in ("base", "gtid", "decide"):
            self.sources += sorted((ROOT / "src" / room).glob("*.c"))
        self.sim = sorted((ROOT / "tests/sim").glob("*.c"))
        unit = ROOT / "tests/unit/decide"
        self.scenarios = sorted(unit.glob("scenarios_*.c")) + [unit / "world.c"]
        self.tests = sorted(unit.glob("test_*.c"))
        self.walk = unit / "tables_walk.c"
        self.digest = None  # of the tables as they are

    def object_of(self, source):
        return self.folder / (str(source.relative_to(ROOT)).replace("/", "+") + ".o")

    def compile(self, source, target):
        command = CC + ["-I", str(source.parent), "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True)

    def prepare(self, jobs):
        sources = self.sources + self.sim + self.scenarios + self.tests + [self.walk]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda one: self.compile(one, self.object_of(one)), sources))
        self.digest = self.walk_tables(None, None, "walk")

    def link(self, sources, replaced, mutant, target, libraries=()):
        objects = [mutant if one == replaced else self.object_of(one) for one in sources]
        command = ["cc", "-o", target, *objects, *libraries]
        subprocess.run([str(word) for word in command], check=True)

    def walk_tables(self, replaced, mutant, name):
        """One number for each table: what it decides on every set of facts that can be."""
        program = self.folder / name
        self.link(self.sources + [self.walk], replaced, mutant, program)
        done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=True)
        program.unlink()
        return done.stdout

    def run_simulator(self, replaced, mutant, number):
        """The first violation; None: there is none."""
        program = self.folder / f"sim-{number}"
        self.link(self.sources + self.sim, replaced, mutant, program)
        command = [program, "--seeds", str(self.seeds), "--no-shrink"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        program.unlink()
        if done.returncode == 0:
            return None
        match = re.search(r"^seed (\d+): (.*)", done.stdout, re.M)
        return f"seed {match.group(1)}: {match.group(2)}" if match else "the simulator died"

    def run_unit_tests(self, replaced, mutant, number):
        """The unit test program that fails; None: none does."""
        for test in self.tests:
            own = test.stem.startswith(f"test_{replaced.stem}")
            if not own and test.stem not in ("test_rules", "test_decide"):
                continue
            program = self.folder / f"unit-{number}-{test.stem}"
            sources = self.sources + [test]
            sources += self.scenarios if test.stem in ("test_decide", "test_explain") else []
            if test.stem == "test_explain":
                sources = [one for one in sources if not one.stem.startswith("scenarios_")]
            self.link(sources, replaced, mutant, program, ["-lcmocka"])
            done = subprocess.run([program], capture_output=True, timeout=60, check=False)
            program.unlink()
            if done.returncode != 0:
                return f"unit test {test.stem}"
        return None

    def try_mutant(self, number, name, path, text):
        """Who noticed the mutant, in words; None: nobody."""
        replaced = ROOT / path
        source = self.folder / f"mutant-{number}.c"
        mutant = self.folder / f"mutant-{number}.o"
        source.write_text(text)
        self.compile(source, mutant)
        if name.startswith("rule ") and replaced.stem in WALKED:
            if self.walk_tables(replaced, mutant, f"walk-{number}") == self.digest:
                return ALIKE
        watchers = [self.run_simulator, self.run_unit_tests]
        caught = None
        for watch in reversed(watchers) if self.fast else watchers:
            caught = caught or watch(replaced, mutant, number)
        source.unlink()
        mutant.unlink()
        return caught


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=20000)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--fast", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    chosen = [one for one in all_mutants() if re.search(arguments.only, one[0])][:: arguments.every]
    if arguments.sample:
        chosen = [one for one in all_mutants() if one[0] in mutants.SAMPLE]
        if len(chosen) != len(mutants.SAMPLE):
            sys.exit("mutants.py: SAMPLE names what is no mutant")
    if arguments.list:
        print("\n".join(name for name, _, _ in chosen))
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-mutants-"))
    failed = 0
    counts = {"simulator": 0, "unit tests": 0, "alike": 0}
    try:
        workshop = Workshop(folder, arguments.seeds, arguments.fast)
        workshop.prepare(arguments.jobs)
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            jobs = [
                pool.submit(workshop.try_mutant, number, *one) for number, one in enumerate(chosen)
            ]
            for (name, _, _), job in zip(chosen, jobs):
                caught = job.result()
                if caught == ALIKE:
                    counts["alike"] += 1
                    print(f"alike     {name}", flush=True)
                elif caught:
                    kind = "unit tests" if caught.startswith("unit test") else "simulator"
                    counts[kind] += 1
                    print(f"caught    {name}: {caught}", flush=True)
                else:
                    failed += 1
                    print(f"SURVIVES  {name}", flush=True)
    finally:
        shutil.rmtree(folder)
    print(
        f"{len(chosen)} mutants: {counts['simulator']} caught by the simulator, "
        f"{counts['unit tests']} by unit tests, {counts['alike']} decide the same, "
        f"{failed} survive"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
