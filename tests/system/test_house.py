"""The rules of the house that a machine can check: who includes whom, headers
that stand alone, two compilers content, nothing exported that nobody uses, no
loose ends."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mint import BUILD, run

ROOT = Path(__file__).resolve().parents[2]

# DESIGN.md section 4, downwards only. A room may always include itself.
# protocol knows nobody; ca, signer and log know protocol alone.
MAY_INCLUDE = {
    "protocol": set(),
    "ca": {"protocol"},
    "signer": {"protocol"},
    "log": {"protocol"},
    "policy": {"ca", "signer", "protocol"},
    "hsm": {"log", "policy", "ca", "signer", "protocol"},
    "audit": {"hsm", "log", "policy", "ca", "signer", "protocol"},
    "factory": {"ca", "log", "signer", "protocol"},
    "server": {"protocol", "ca", "signer", "log", "policy", "hsm", "factory"},
    "cli": {"protocol", "ca", "signer", "log", "policy", "hsm", "audit",
            "factory"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|^typedef[^;]*;", re.DOTALL | re.MULTILINE)


def sources(room, pattern="*.[ch]"):
    return sorted((ROOT / room).glob(pattern))


def name(path):
    return str(path.relative_to(ROOT))


def forbidden(room, text):
    """The includes in the text of a file of this room that may not be."""
    found = []
    for target in INCLUDE.findall(text):
        other = target.split("/")[0]
        if other != room and other not in MAY_INCLUDE[room]:
            found.append(target)
    return found


@pytest.mark.parametrize("room", MAY_INCLUDE)
def test_a_room_includes_downwards_only(room):
    wrong = [f"{name(path)} includes {target}" for path in sources(room)
             for target in forbidden(room, path.read_text())]
    assert not wrong
    assert sources(room)


def test_an_include_upwards_is_seen():
    assert forbidden("log", '#include "ca/der.h"\n') == ["ca/der.h"]
    assert forbidden("ca", '#include "der.h"\n') == ["der.h"]
    assert forbidden("cli", '#include "server/link.h"\n')
    assert not forbidden("hsm", '#include "log/entry.h"\n#include <x.h>\n')


def variable(make, variable_name):
    """A plain variable of the Makefile, its continued lines joined."""
    joined = make.replace("\\\n", " ")
    return re.search(rf"^{variable_name} := (.*)$", joined,
                     re.MULTILINE).group(1).split()


def flags():
    make = (ROOT / "Makefile").read_text()
    packages = subprocess.run(
        ["pkg-config", "--cflags", *variable(make, "PKGS")],
        capture_output=True, text=True, check=True)
    return [*variable(make, "CSTD"), *variable(make, "WARN"), "-I.",
            "-isystem", "/usr/include/p11-kit-1", "-O1",
            *packages.stdout.split()]


def complaints_of(compiler, options, file="-", text=""):
    done = subprocess.run(
        [compiler, *options, "-fsyntax-only", "-x", "c", file], input=text,
        capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stderr if done.returncode != 0 else ""


def compile_alone(compiler, text, options):
    return complaints_of(compiler, options, text=text)


@pytest.mark.parametrize(
    "compiler", [c for c in ("gcc", "clang") if shutil.which(c)])
def test_each_header_compiles_alone(compiler):
    options = flags()
    headers = [name(p) for room in MAY_INCLUDE for p in sources(room, "*.h")]
    with ThreadPoolExecutor() as pool:
        complaints = pool.map(
            lambda h: compile_alone(compiler, f'#include "{h}"\n', options),
            headers)
    assert not [c for c in complaints if c]
    assert "bool" in compile_alone(compiler, "bool no_header_says_so;\n",
                                   options)


def test_a_second_compiler_has_nothing_to_say():
    """make builds with gcc; what clang sees besides shows without a build."""
    compiler = "clang" if shutil.which("clang") else "gcc"
    options = flags()
    files = sorted(p for pattern in ("*/*.c", "tests/*/*.c")
                   for p in ROOT.glob(pattern))
    with ThreadPoolExecutor() as pool:
        complaints = pool.map(
            lambda p: complaints_of(compiler, options, name(p)), files)
    assert not [c for c in complaints if c]


def words_of(path):
    text = path.read_text()
    words = set(re.findall(r"\bmm_\w+", text))
    # mm_auto(x) is a use of mm_x_clear(), by the macro.
    return words | {f"mm_{x}_clear" for x in
                    re.findall(r"\bmm_auto\((\w+)\)", text)}


def test_what_a_header_exports_is_used_elsewhere():
    """By another file than its own, a test's at least."""
    words = {p: words_of(p) for pattern in ("*/*.[ch]", "tests/*/*.[ch]")
             for p in ROOT.glob(pattern)}
    unused = []
    for room in MAY_INCLUDE:
        for header in sources(room, "*.h"):
            text = COMMENT.sub("", header.read_text())
            # What ends in _ is a macro's own.
            for function in set(re.findall(r"\b(mm_\w*[a-z0-9])\(", text)):
                users = [p for p in words
                         if function in words[p] and p != header]
                # Its definition is one of them.
                if len(users) < 2 and f"define {function}" not in text:
                    unused.append(f"{name(header)}: {function}")
    assert not unused


def test_a_name_is_one_function_s():
    """Of two the linker takes the one that it meets first, from a library
    without a word."""
    places = {}
    for library in sorted((BUILD / "lib").glob("*.a")):
        member = None
        for line in run("nm", "-g", "--defined-only", library
                        ).stdout.splitlines():
            words = line.split()
            if len(words) == 1 and line.endswith(":"):
                member = f"{library.stem}/{line[:-1]}"
            elif len(words) == 3:
                places.setdefault(words[2], []).append(member)
    assert len(places) > 1000
    assert not {n: at for n, at in places.items() if len(at) > 1}


def test_the_table_of_threats_names_tests_that_are_there():
    readme = (ROOT / "tests" / "README.md").read_text()
    rows = re.findall(r"^\| \**(\d+)\** \|", readme, re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, 73))
    wrong = [f"{file}:{test}" for file, test in
             re.findall(r"\b((?:unit|system)/test_\w+\.\w+):(\w+)", readme)
             if not re.search(rf"\b{test}\b",
                              (ROOT / "tests" / file).read_text())]
    assert not wrong


def test_there_are_no_loose_ends():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|^#if 0", re.MULTILINE)
    found = [name(p) for p in ROOT.glob("*/*.[ch]")
             if marks.search(p.read_text())]
    assert not found


def collected(seed):
    """The names of all system tests, as a process of its own sees them."""
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "--collect-only", "-p",
         "no:cacheprovider", "tests/system"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": seed})
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_process_sees_the_same_tests():
    """Where two of pytest's processes see other names, no test runs."""
    assert collected("1") == collected("2")


def test_the_protocol_says_what_every_error_means():
    """protocol/README.md's table has each code of the CDDL once."""
    text = (ROOT / "protocol/mintmark.cddl").read_text()
    text = text[text.index("error-code = &("):]
    codes = [int(code) for code in re.findall(
        r"^\t[a-z-]+: (\d+),", text[:text.index("\n)")], re.MULTILINE)]
    assert len(codes) > 100
    rows = [range(int(first), int(last) + 1) for first, last in re.findall(
        r"^\| (\d+)-(\d+) \| ", (ROOT / "protocol/README.md").read_text(),
        re.MULTILINE)]
    assert [c for c in codes if sum(c in row for row in rows) != 1] == []
