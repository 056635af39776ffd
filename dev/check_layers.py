#!/usr/bin/python3
"""Checks the direction of #include lines: a room uses itself and the rooms below it, nothing else.

Usage: dev/check_layers.py [ROOT]
Prints one line per offence and ends with 1 when there is any.
"""

import pathlib
import re
import sys

PURE = ("base", "gtid", "sql", "wire", "decide")

# What each room may use besides itself. The rooms of one row of the house don't know each other.
BELOW = {
    "base": (),
    "gtid": ("base",),
    "sql": ("base",),
    "wire": ("base",),
    "decide": ("base", "gtid", "sql", "wire"),
    "os": PURE,
    "db": PURE + ("os",),
    "store": PURE + ("os",),
    "proxy": PURE + ("os", "db", "store"),
    "agent": PURE + ("os", "db", "store", "proxy"),
    "manager": PURE + ("os", "db", "store", "proxy", "agent"),
    "sandbox": PURE + ("os", "db", "store"),
    "api": PURE + ("os", "db", "store", "proxy", "agent", "manager"),
    "cli": PURE + ("os", "db", "store", "proxy", "agent", "manager", "sandbox", "api"),
}

# System headers of the rooms below the no-I/O line: nothing there can reach the kernel or a clock.
# stdio.h is there for vsnprintf() and friends; dev/tidy.py bans what does input or output.
PURE_SYSTEM = {
    "inttypes.h",
    "limits.h",
    "stdarg.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def include_lines(text):
    """Yields (line number, quoted path or None, system path or None)."""
    for number, line in enumerate(text.splitlines(), start=1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def offences_of_file(room, text):
    """Yields (line number, words) for one file of `room`."""
    if room not in BELOW:
        yield 1, f"room '{room}' is not in the table of dev/check_layers.py"
        return
    allowed = BELOW[room] + (room,)
    for number, quoted, system in include_lines(text):
        if quoted:
            target, slash, _ = quoted.partition("/")
            if not slash:
                yield number, f'"{quoted}": write the room too: "{room}/{quoted}"'
            elif target not in allowed:
                yield number, f"room '{room}' may not use room '{target}' (\"{quoted}\")"
        elif room in PURE and system not in PURE_SYSTEM and not crypto_of_wire(room, system):
            yield number, f"room '{room}' does no I/O, so it may not use <{system}>"


def crypto_of_wire(room, system):
    """The login scrambles need hashes and RSA, which are arithmetic, not I/O."""
    return room == "wire" and system.startswith("openssl/")


def offences(root):
    """Yields one line per offence under root/src."""
    source = pathlib.Path(root) / "src"
    for path in sorted(source.glob("*/*")):
        if path.suffix not in (".c", ".h", ".def"):
            continue
        for number, words in offences_of_file(path.parent.name, path.read_text()):
            yield f"{path.relative_to(root)}:{number}: {words}"
    for path in sorted(source.glob("*.h")):
        yield f"{path.relative_to(root)}:1: a header belongs into a room"


def main(arguments):
    root = arguments[1] if len(arguments) > 1 else pathlib.Path(__file__).resolve().parent.parent
    found = list(offences(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
