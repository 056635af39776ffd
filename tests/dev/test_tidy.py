"""A house rule that its check doesn't see is no rule: the checks of dev/ against small texts."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "dev"))

import check_layers  # noqa: E402
import tidy  # noqa: E402

LAYERS = [
    ("gtid", '#include "base/str.h"\n', 0),
    ("base", '#include "gtid/gtid_set.h"\n', 1),
    ("base", "#include <unistd.h>\n", 1),
    ("os", "#include <unistd.h>\n", 0),
    ("sql", '#include "wire/packet.h"\n', 1),
    ("wire", "#include <openssl/evp.h>\n", 0),
    ("sql", "#include <openssl/evp.h>\n", 1),
    ("db", '#include "store/store.h"\n', 1),
    ("manager", '#include "proxy/proxy.h"\n', 0),
    ("proxy", '#include "manager/manager.h"\n', 1),
    ("cli", '#include "api/api.h"\n#include "sandbox/sandbox.h"\n', 0),
    ("base", '#include "str.h"\n', 1),
    ("attic", "", 1),
]


@pytest.mark.parametrize("room, text, count", LAYERS)
def test_layers_see_the_direction_of_includes(room, text, count):
    assert len(list(check_layers.offences_of_file(room, text))) == count


TEXTS = [
    ("src/db/a.c", "int f(void)\n{\n\treturn atoi(x);\n}\n", ["banned"]),
    ("src/db/a.c", '/* atoi(x) */\nstatic const char *t = "atoi(x)";\n', []),
    ("src/db/a.c", "void f(void)\n{\n\tx->free(x);\n\ty.free(y);\n\tmy_free(z);\n}\n", []),
    ("src/db/a.c", "void f(void)\n{\n\tfree(x);\n}\n", ["memory"]),
    ("src/base/mem.c", "void f(void)\n{\n\tfree(x);\n}\n", []),
    ("src/db/a.c", "void f(void)\n{\n\t(void)time(NULL);\n}\n", ["clock"]),
    ("src/gtid/a.c", "void f(void)\n{\n\t(void)printf(x);\n}\n", ["pure"]),
    ("src/db/a.c", "int a; \n", ["blanks"]),
    ("src/db/a.c", "int a;", ["newline"]),
    ("src/db/a.c", "/* TO" + "DO */\n", ["leftover"]),
    ("src/db/a.c", "/* caf\u00e9 */\n", ["ascii"]),
    ("src/db/a.c", "int a;\n" * 801, ["file-length"]),
    ("src/db/a.c", "int f(void)\n{\n" + "\ta();\n" * 99 + "}\n", ["function-length"]),
    ("src/db/a.c", "int f(void)\n{\n" + "\ta();\n" * 98 + "}\n", []),
    ("src/db/a.h", "/* Sum. */\nint a_sum(int b);\n", ["pragma-once"]),
    ("src/db/a.h", "#pragma once\n\n/* Sum. */\nint a_sum(int b);\n", []),
    ("src/db/a.h", "#pragma once\n\nint a_sum(int b); /* sum */\n", []),
    ("src/db/a.h", "#pragma once\n\nint a_sum(int b);\n", ["contract"]),
    ("src/db/a.h", "#pragma once\n\nstruct a *a_new(\n\tint b);\n", ["contract"]),
    ("src/db/a.h", "#pragma once\n\nMUST_CHECK enum err a_do(int b);\n", ["contract"]),
    ("src/db/a.h", "#pragma once\n\nstatic inline int a(int b)\n{\n\treturn b;\n}\n", []),
    ("src/db/a.h", "#pragma once\n\nstruct a {\n\tint (*call)(void);\n};\n", []),
    ("src/db/a.h", "#pragma once\n\nextern const struct a a_table[3];\n", []),
    ("src/db/a.def", "/* Rows, sorted by name. */\nX(b, 1)\nX(a, 2)\n", ["sorted"]),
    ("src/db/a.def", "/* X(b, a) - sorted by a. */\nX(2, 1)\nX(1, 2)\n", []),
    ("src/db/a.def", "/* X(b, a) - sorted by a. */\nX(1, 2)\nX(2, 1)\n", ["sorted"]),
    ("src/db/a.def", "/* Rows, in order of use. */\nX(b, 1)\nX(a, 2)\n", []),
]


@pytest.mark.parametrize("path, text, rules", TEXTS)
def test_tidy_finds_what_it_should_and_nothing_else(path, text, rules):
    assert [offence.rule for offence in tidy.check_file(path, text, [])] == rules


def test_tidy_sees_files_that_nothing_uses():
    files = {
        "src/db/meson.build": "db_sources = files('used.c')\n",
        "src/db/used.c": '#include "db/used.h"\n',
        "src/db/used.h": "#pragma once\n",
        "src/db/lost.c": "int a;\n",
        "src/db/lost.h": "#pragma once\n",
        "src/db/rows.def": "X(a)\n",
    }
    found = {offence.path for offence in tidy.check_unused(files)}
    assert found == {"src/db/lost.c", "src/db/lost.h", "src/db/rows.def"}


def test_an_exception_that_excepts_nothing_is_an_offence():
    offence = tidy.Offence("src/db/a.c", 1, "memory", "")
    exceptions = {("src/db/a.c", "memory"): "why", ("src/db/b.c", "memory"): "why"}
    left = list(tidy.without_exceptions([offence], exceptions))
    assert [one.rule for one in left] == ["exception"]
    assert "src/db/b.c" in left[0].words


def test_tidy_measures_functions_past_macros_strings_and_initialisers():
    text = (
        "#define LONG(a) \\\n\tdo { \\\n\t} while (0)\n"
        'static const struct row rows[] = {\n\t{ "}", 1 },\n};\n'
        "static int first(int a, int (*b)(int))\n{\n\treturn '{' + a;\n}\n"
    )
    assert list(tidy.functions_of(text)) == [tidy.Function("first", 8, 3)]
