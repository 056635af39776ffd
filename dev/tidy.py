#!/usr/bin/python3
"""The house rules that a compiler doesn't know.

Lengths of files and functions, ASCII, trailing blanks, leftovers, banned functions, memory through
base/mem.h only, a contract comment on every external function, #pragma once, sorted tables where a
table says that it is sorted, files that no build and no include uses.

Usage: dev/tidy.py [--warnings] [ROOT]
Prints one line per offence and ends with 1 when there is any. Exceptions stand in
dev/tidy.exceptions, one a line: PATH RULE REASON. One that no longer matches is an offence too.
"""

import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

FILE_LINES_MAX = 800
FILE_LINES_GOOD = 500
FUNCTION_LINES_MAX = 100
FUNCTION_LINES_GOOD = 70

TEXT_SUFFIXES = {
    ".build", ".c", ".cfg", ".cnf", ".conf", ".def", ".h", ".ini", ".json", ".md", ".py", ".sh",
    ".sql", ".toml", ".txt", ".yml",
}  # fmt: skip
TEXT_NAMES = {"check", "demo", "run", ".clang-format", ".clang-tidy", ".gitignore"}

BANNED = {
    "alloca": "no bound on the stack",
    "asctime": "shared static buffer",
    "atoi": "no error: str_parse_u32()",
    "atol": "no error: str_parse_u64()",
    "atoll": "no error: str_parse_u64()",
    "ctime": "shared static buffer",
    "fscanf": "no bound, no error: cursor or str_parse_u64()",
    "gets": "no bound",
    "gmtime": "shared static buffer: gmtime_r()",
    "localtime": "shared static buffer: localtime_r()",
    "rand": "base/prng.h, or os/ for keys",
    "random": "base/prng.h, or os/ for keys",
    "scanf": "no bound, no error: cursor or str_parse_u64()",
    "sprintf": "no bound: base/buf.h or snprintf()",
    "srand": "base/prng.h, or os/ for keys",
    "sscanf": "no bound, no error: cursor or str_parse_u64()",
    "strcat": "no bound: base/buf.h",
    "strcpy": "no bound: str_copy()",
    "strncat": "no bound: base/buf.h",
    "strncpy": "may leave no NUL: str_copy()",
    "strtok": "hidden state: str_next()",
    "strtok_r": "str_next()",
    "strtol": "errors by errno: str_parse_u64()",
    "strtoll": "errors by errno: str_parse_u64()",
    "strtoul": "errors by errno: str_parse_u64()",
    "strtoull": "errors by errno: str_parse_u64()",
    "vsprintf": "no bound: base/buf.h",
}
MEMORY = {"malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup", "asprintf"}
CLOCK = {"time", "gettimeofday", "clock_gettime", "clock"}
PRINTING = {"printf", "puts", "putchar", "fopen", "fwrite", "fputs", "getenv", "system", "popen"}
PURE_ROOMS = {"base", "gtid", "sql", "wire", "decide"}

CALL = re.compile(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)\s*\(")
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


class Offence(NamedTuple):
    path: str
    line: int
    rule: str
    words: str


class Function(NamedTuple):
    name: str
    line: int
    length: int


def blank(text):
    """The same number of lines, nothing else."""
    return "\n" * text.count("\n")


def code_only(text):
    """C text without comments, string contents and preprocessor lines; line numbers stay."""

    def replace(match):
        token = match.group(0)
        if token[0] == "/":
            return " " + blank(token)
        return token[0] + token[0]

    text = TOKEN.sub(replace, text)
    return re.sub(
        r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", lambda m: blank(m.group(0)), text, flags=re.MULTILINE
    )


def functions_of(text):
    """Yields the functions that a C file defines, with their length in lines."""
    code = code_only(text)
    depth = 0
    line = 1
    start = None
    for at, char in enumerate(code):
        if char == "\n":
            line += 1
        elif char == "{":
            head = code[:at].rstrip()
            if depth == 0 and head.endswith(")"):
                start = (name_before_parens(head), line)
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0 and start:
                yield Function(start[0], start[1], line - start[1] + 1)
                start = None


def name_before_parens(head):
    """The word in front of the last group of parentheses."""
    depth = 0
    for at in range(len(head) - 1, -1, -1):
        if head[at] == ")":
            depth += 1
        elif head[at] == "(":
            depth -= 1
            if depth == 0:
                match = re.search(r"(\w+)\s*$", head[:at])
                return match.group(1) if match else "?"
    return "?"


def declarations_of(text):
    """Yields (line, name) of the external functions that a header declares."""
    code = code_only(text)
    depth = 0
    line = 1
    statement, statement_line = "", 0
    for char in code:
        if char == "\n":
            line += 1
        if char == "{":
            depth += 1
        if depth == 0 and char not in ";}":
            if not statement.strip() and not char.isspace():
                statement, statement_line = "", line
            statement += char
        if char == "}":
            depth -= 1
            if depth == 0:
                statement = ""
        if char == ";" and depth == 0:
            name = declared_function(statement)
            if name:
                yield statement_line, name
            statement = ""


def declared_function(statement):
    words = " ".join(statement.split())
    if not words.endswith(")") or words.startswith(("static ", "typedef ", "_Static_assert")):
        return None
    if " static inline " in words:
        return None
    match = re.match(r"(?:PRINTF_LIKE\([^)]*\) )?[\w\s*]+?\**(\w+) ?\(", words)
    return match.group(1) if match and not words.startswith("struct {") else None


def uncommented(text):
    """Yields (line, name) of external functions whose paragraph has no comment."""
    lines = text.splitlines()
    for line, name in declarations_of(text):
        first = line - 1
        while first > 0 and (lines[first - 1].strip() or in_comment(lines, first - 1)):
            first -= 1
        last = line - 1
        while last + 1 < len(lines) and lines[last + 1].strip():
            last += 1
        if "/*" not in "\n".join(lines[first : last + 1]):
            yield line, name


def in_comment(lines, index):
    """Is this (blank) line inside a block comment?"""
    for line in reversed(lines[:index]):
        if "*/" in line:
            return False
        if "/*" in line:
            return True
    return False


def room_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "src" else ""


def check_calls(path, text):
    room = room_of(path)
    shipped = path.startswith("src/")
    code = code_only(text)
    for number, line in enumerate(code.splitlines(), start=1):
        for match in CALL.finditer(line):
            name = match.group(1)
            if name in BANNED:
                yield Offence(path, number, "banned", f"{name}(): {BANNED[name]}")
            elif shipped and name in MEMORY and path != "src/base/mem.c":
                yield Offence(path, number, "memory", f"{name}(): memory goes through base/mem.h")
            elif shipped and name in CLOCK and room != "os":
                yield Offence(path, number, "clock", f"{name}(): ask the struct clock")
            elif name in PRINTING and room in PURE_ROOMS:
                yield Offence(path, number, "pure", f"{name}(): this room does no I/O")


def check_lengths(path, text, warnings):
    count = text.count("\n")
    if count > FILE_LINES_MAX:
        yield Offence(path, 1, "file-length", f"{count} lines, at most {FILE_LINES_MAX}")
    elif count > FILE_LINES_GOOD:
        warnings.append(f"{path}: {count} lines")
    for function in functions_of(text):
        if function.length > FUNCTION_LINES_MAX:
            words = f"{function.name}(): {function.length} lines, at most {FUNCTION_LINES_MAX}"
            yield Offence(path, function.line, "function-length", words)
        elif function.length > FUNCTION_LINES_GOOD:
            warnings.append(f"{path}:{function.line}: {function.name}(): {function.length} lines")


def check_header(path, text):
    if "#pragma once" not in text:
        yield Offence(path, 1, "pragma-once", "no #pragma once")
    for line, name in uncommented(text):
        yield Offence(path, line, "contract", f"{name}(): no contract comment")


def check_table(path, text):
    """A table whose head says `X(a, b, c)` ... `sorted by b` has its rows in the order of b."""
    head = text.split("*/")[0] if text.startswith("/*") else ""
    if not re.search(r"\bsorted\b", head):
        return
    columns = re.search(r"\w+\(([^)]*)\)", head)
    by = re.search(r"sorted by (\w+)", head)
    names = [name.strip() for name in columns.group(1).split(",")] if columns else []
    index = names.index(by.group(1)) if by and by.group(1) in names else 0
    rows = [
        (number, match.group(1).split(",")[index].strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := re.match(r"[A-Z_]+\((.+)", line))
    ]
    for (_, before), (number, row) in zip(rows, rows[1:]):
        if row < before:
            yield Offence(path, number, "sorted", f"'{row}' stands behind '{before}'")


def check_text(path, text):
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.isascii():
            yield Offence(path, number, "ascii", "a character outside ASCII")
        if line.endswith((" ", "\t")):
            yield Offence(path, number, "blanks", "blanks at the end of the line")
        if path not in ("dev/tidy.py", "tests/dev/test_tidy.py", "CONTRIBUTING.md"):
            if LEFTOVER.search(line):
                yield Offence(path, number, "leftover", "unfinished work does not merge")
    if text and not text.endswith("\n"):
        yield Offence(path, text.count("\n") + 1, "newline", "no newline at the end")


def build_names(build_path, build, source):
    """Does this meson.build compile the file? Its own folder's lists leave the suffix out."""
    if re.search(rf"\b{re.escape(source.name)}\b", build):
        return True
    own = source.is_relative_to(pathlib.PurePosixPath(build_path).parent)
    stem = source.stem.removeprefix("fuzz_")
    return own and re.search(rf"\b{re.escape(stem)}\b", build) is not None


def check_unused(files):
    """Sources that no meson.build names, headers and tables that nothing includes."""
    builds = {path: text for path, text in files.items() if path.endswith("meson.build")}
    includes = set()
    for path, text in files.items():
        if path.endswith((".c", ".h", ".def")):
            for target in re.findall(r'#\s*include\s+"([^"]+)"', text):
                includes.add(target)
                includes.add(str(pathlib.PurePosixPath(path).parent / target))
    for path, text in files.items():
        here = pathlib.PurePosixPath(path)
        if here.suffix == ".c":
            named = any(
                build_names(build_path, build, here) for build_path, build in builds.items()
            )
            if not named and not any(inc.endswith("/" + here.name) for inc in includes):
                yield Offence(path, 1, "unused", "no meson.build names it")
        elif here.suffix in (".h", ".def"):
            known = {path, path.removeprefix("src/")}
            if not known & includes:
                yield Offence(path, 1, "unused", "nothing includes it")


def check_file(path, text, warnings):
    suffix = pathlib.PurePosixPath(path).suffix
    yield from check_text(path, text)
    if suffix in (".c", ".h"):
        yield from check_calls(path, text)
        yield from check_lengths(path, text, warnings)
    if suffix == ".h":
        yield from check_header(path, text)
    if suffix == ".def":
        yield from check_table(path, text)


def read_files(root):
    """Path -> text of the project's own text files."""
    root = pathlib.Path(root)
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = {}
    for path in sorted(set(listing.splitlines())):
        pure = pathlib.PurePosixPath(path)
        if path.startswith("tests/fuzz/corpus/") or not (root / path).is_file():
            continue
        if pure.suffix in TEXT_SUFFIXES or pure.name in TEXT_NAMES or is_script(root / path):
            files[path] = (root / path).read_text(errors="surrogateescape")
    return files


def is_script(path):
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def read_exceptions(text):
    """Yields (path, rule, reason); a line without a reason is refused."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            path, rule, reason = line.split(None, 2)
            yield path, rule, reason


def without_exceptions(offences, exceptions):
    used = set()
    for offence in offences:
        key = (offence.path, offence.rule)
        if key in exceptions:
            used.add(key)
        else:
            yield offence
    for path, rule in sorted(set(exceptions) - used):
        words = f"'{path} {rule}' excepts nothing any more: remove it"
        yield Offence("dev/tidy.exceptions", 1, "exception", words)


def main(arguments):
    show_warnings = "--warnings" in arguments
    roots = [argument for argument in arguments[1:] if not argument.startswith("--")]
    root = roots[0] if roots else pathlib.Path(__file__).resolve().parent.parent
    files = read_files(root)
    exceptions_path = pathlib.Path(root) / "dev" / "tidy.exceptions"
    text = exceptions_path.read_text() if exceptions_path.exists() else ""
    exceptions = {(path, rule): reason for path, rule, reason in read_exceptions(text)}
    warnings = []
    offences = [
        offence for path, text in files.items() for offence in check_file(path, text, warnings)
    ]
    offences += check_unused(files)
    found = list(without_exceptions(offences, exceptions))
    for offence in found:
        print(f"{offence.path}:{offence.line}: [{offence.rule}] {offence.words}")
    if show_warnings:
        for line in warnings:
            print(f"note: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
