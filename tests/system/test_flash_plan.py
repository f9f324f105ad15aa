"""Flash plans and flash encryption by the commands: what a script calls with
tools in PATH that write down how they were called, and what it leaves out."""

import json
import os
import shutil
import stat
import struct
import subprocess
from hashlib import sha256

import pytest

from mint import MINTMARK, VECTORS, mintmark

NO, USAGE, DATA = 1, 64, 65
ESP = VECTORS / "esp"
FE, SB2, SB1 = (ESP / x for x in
                ("flash_encryption", "secure_boot_v2", "secure_boot_v1"))
WORD = "burn-efuses"
TABLE = """\
# Name, Type, SubType, Offset, Size, Flags
nvs,data,nvs,0x9000,0x4000,
otadata,data,ota,0xd000,0x2000,
creds,data,nvs,0x11000,0x4000,encrypted
ota_0,app,ota_0,0x20000,0x20000,
ota_1,app,ota_1,0x40000,0x20000,
"""


@pytest.fixture
def bench(workdir):
    """Tools that write down their words, a line each, and what they flash."""
    tools = workdir / "tools"
    tools.mkdir()
    for name in ("esptool", "espefuse", "mintmark"):
        tool = tools / name
        tool.write_text(
            f'#!/bin/sh\n{{ printf "%s" {name}; printf "\\037%s" "$@"; printf "\\036"; }}'
            ' >>"$CALLS"\n[ "${FAIL-}" != ' + name + ' ]\n')
        tool.chmod(0o755)
    (workdir / "table.csv").write_text(TABLE)
    (workdir / "creds.bin").write_bytes(b"c" * 0x4000)
    (workdir / "flash.key").write_bytes((FE / "TEST-ONLY-xts128.bin")
                                        .read_bytes())
    shutil.copy(SB2 / "digest_sbv2-rsa1.bin", workdir / "digest.bin")
    shutil.copy(SB2 / "rsa_app.bin", workdir / "app.bin")
    return workdir


def plan(bench, *more, chip="esp32c3", **expect):
    return mintmark("flash", "plan", "--chip", chip, "--partitions",
                    bench / "table.csv", *more, **expect)


def everything(bench, prefix=""):
    return ["--app", bench / f"{prefix}app.bin", "--data",
            f"creds={bench / 'creds.bin'}", "--otadata",
            bench / "otadata.bin", "--flash-encryption",
            bench / "flash.key", "--secure-boot", bench / "digest.bin"]


def execute(bench, script, *words, **more):
    calls = bench / "calls"
    calls.unlink(missing_ok=True)
    done = subprocess.run(
        [script, *words], text=True, capture_output=True, check=False,
        timeout=60,
        env={"PATH": f"{bench / 'tools'}:{os.environ['PATH']}",
             "CALLS": str(calls), **more})
    made = calls.read_text().split("\036")[:-1] if calls.exists() else []
    return done, [call.split("\037") for call in made]


def steps_of(bench, *more, **where):
    return json.loads(plan(bench, *more, "--json", **where).stdout)["steps"]


def as_called(step):
    """In a script espefuse is told that the script's word was enough."""
    words = list(step["command"])
    if words[0] == "espefuse":
        at = next(i for i, w in enumerate(words)
                  if w.startswith(("burn-", "write-protect-")))
        words.insert(at, "--do-not-confirm")
    return words


# ------------------------------------------------------------------- plans

def test_a_script_burns_nothing_without_its_word(bench):
    script = bench / "flash.sh"
    plan(bench, *everything(bench), "--script", script)
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert script.stat().st_mode & stat.S_IXUSR
    steps = steps_of(bench, *everything(bench), "--force")
    safe = [as_called(s) for s in steps if not s["irreversible"]]
    assert [s[0] for s in safe] == ["mintmark"] * 3 + ["esptool"]

    done, calls = execute(bench, script)
    assert done.returncode == 0, done.stderr
    assert calls == safe
    skipped = [line for line in done.stdout.splitlines() if "espefuse" in line]
    assert len(skipped) == len(steps) - len(safe) > 5
    assert all("cannot be undone" in line for line in skipped)


def test_a_script_burns_in_order_with_its_word(bench):
    script = bench / "flash.sh"
    plan(bench, *everything(bench), "--script", script, "--port",
         "/dev/ttyUSB 0")
    steps = steps_of(bench, *everything(bench), "--force", "--port",
                     "/dev/ttyUSB 0")
    done, calls = execute(bench, script, WORD)
    assert done.returncode == 0, done.stderr
    assert calls == [as_called(s) for s in steps]
    assert "/dev/ttyUSB 0" in calls[-1]


@pytest.mark.parametrize("words", [["burn"], ["--burn-efuses"], [""],
                                   [WORD, WORD], [WORD, "x"], ["x", WORD]])
def test_a_script_takes_no_other_word(bench, words):
    script = bench / "flash.sh"
    plan(bench, *everything(bench), "--script", script)
    done, calls = execute(bench, script, *words)
    assert (done.returncode, calls) == (USAGE, [])


@pytest.mark.parametrize("tool", ["mintmark", "esptool", "espefuse"])
def test_a_script_ends_where_a_tool_fails(bench, tool):
    script = bench / "flash.sh"
    plan(bench, *everything(bench), "--script", script)
    done, calls = execute(bench, script, WORD, FAIL=tool)
    assert done.returncode != 0
    assert calls[-1][0] == tool
    assert [c[0] for c in calls].count(tool) == 1


@pytest.mark.parametrize("name", ["my app.bin", "a'b.bin", "$(touch x).bin",
                                  "a\nb.bin", "a;b&c.bin", '"q".bin',
                                  "`id`.bin", "é.bin", "#.bin", "*.bin"])
def test_any_name_reaches_the_tool_whole(bench, name):
    app = bench / name
    shutil.copy(bench / "app.bin", app)
    script = bench / "flash.sh"
    plan(bench, "--app", app, "--script", script)
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    done, calls = execute(bench, script)
    assert done.returncode == 0, done.stderr
    assert [c[-1] for c in calls] == [str(app)]
    assert not (bench / "x").exists()


def test_json_has_its_schema(bench):
    report = json.loads(plan(bench, *everything(bench), "--json").stdout)
    assert list(report) == ["schema", "chip", "port", "table_offset",
                            "irreversible", "steps", "notes"]
    assert report["schema"] == 1
    assert (report["chip"], report["port"]) == ("esp32c3", None)
    assert report["table_offset"] == 0x8000
    steps = report["steps"]
    assert [s["number"] for s in steps] == list(range(1, len(steps) + 1))
    assert all(list(s) == ["number", "id", "irreversible", "command", "line",
                           "why"] for s in steps)
    last = [s["irreversible"] for s in steps]
    assert last == sorted(last)
    assert sum(last) == report["irreversible"]
    assert [s["id"] for s in steps if s["irreversible"]] == [
        "burn-flash-key", "enable-encryption", "close-doors", "harden",
        "protect-doors", "burn-digest", "enable-secure-boot", "revoke-unused",
        "protect-read-disable", "close-download"]
    for step in steps:
        words = subprocess.run(
            ["sh", "-c", f'printf "%s\\n" {step["line"]}'], text=True,
            capture_output=True, check=True).stdout.splitlines()
        assert words == step["command"]


def test_text_says_what_is_irreversible_and_why(bench):
    text = plan(bench, *everything(bench)).stdout
    head, tail = text.split("--- What follows burns eFuses and cannot be "
                            "undone. ---")
    assert "espefuse --chip" not in head and "esptool" not in tail
    assert tail.count("(IRREVERSIBLE)") == 10
    flat = " ".join(text.split())
    assert "ACM" in flat and "custom code signing" in flat
    key = (bench / "flash.key").read_bytes()
    for told in (text, json.dumps(steps_of(bench, *everything(bench),
                                           "--force"))):
        assert key.hex() not in told.lower()


def test_a_plan_runs_nothing(bench, monkeypatch):
    """Not the tools that it names, were they in PATH, nor anything else."""
    calls = bench / "calls"
    monkeypatch.setenv("PATH", f"{bench / 'tools'}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(calls))
    for words in ([], ["--json"], ["--script", bench / "s.sh"]):
        plan(bench, *everything(bench), *words, "--force")
    assert not calls.exists()
    assert subprocess.run(["esptool", "x"], check=True) and calls.exists()


def test_otadata_boots_what_is_flashed(bench):
    plan(bench, "--otadata", bench / "o.bin", "--app", bench / "app.bin")
    record = (bench / "o.bin").read_bytes()
    assert len(record) == 0x2000
    assert record[:4] == b"\1\0\0\0"
    assert struct.unpack("<I", record[28:32]) == (0x4743989A,)
    (bench / "table.csv").write_text(
        TABLE.replace("ota_0,app,ota_0", "fac,app,factory"))
    plan(bench, "--otadata", bench / "f.bin", "--app", bench / "app.bin")
    assert (bench / "f.bin").read_bytes() == b"\xff" * 0x2000


def test_a_binary_table_gives_the_same_plan(bench):
    vectors = ESP / "partition_table"
    told = [mintmark("flash", "plan", "--chip", "esp32c3", "--partitions",
                     vectors / f"two_ota_auto.{kind}", "--table",
                     vectors / "two_ota_auto.bin").stdout
            for kind in ("csv", "bin")]
    assert told[0] == told[1]
    assert "0x8000" in told[0]


@pytest.mark.parametrize("words, status, says", [
    (["--data", "creds"], USAGE, "NAME=FILE"),
    (["--data", "=x"], USAGE, "NAME=FILE"),
    (["--data", "none=table.csv"], DATA, 'no partition "none"'),
    (["--app", "absent.bin"], DATA, "absent.bin"),
    (["--app", "-"], USAGE, "stdin"),
    (["--hmac-key", "flash.key"], USAGE, "FILE=N"),
    (["--hmac-key", "flash.key=x"], USAGE, "FILE=N"),
    (["--hmac-key", "flash.key=6"], DATA, "0 to 5"),
    (["--secure-boot", "v1"], USAGE, "v1=KEY"),
    (["--secure-boot", "a,b,c,d"], DATA, "cannot"),
    (["--flash-encryption", "digest.bin,developmen"], DATA, "cannot"),
    (["--flash-encryption", "app.bin"], DATA, "more than"),
    (["--flash-encryption", "creds.bin"], DATA, "takes 32"),
    (["--table-offset", "0x10000000000"], USAGE, "--table-offset"),
    (["--table-offset", "8000h"], USAGE, "--table-offset"),
    (["--app", "app.bin", "--script", "-"], USAGE, "a file"),
    (["--app", "app.bin", "--script", "table.csv"], USAGE, "another name"),
    (["--app", "app.bin", "--script", "creds.bin"], USAGE, "exists"),
    ([], DATA, "nothing to do"),
])
def test_bad_orders_are_refused(bench, words, status, says):
    before = sorted(p.name for p in bench.iterdir())
    done = plan(bench, *[at(bench, w) for w in words], ok=(status,))
    assert says in done.stderr
    assert sorted(p.name for p in bench.iterdir()) == before


def at(bench, word):
    """File names of the cases, in the bench's directory."""
    for name in ("flash.key", "app.bin", "digest.bin", "creds.bin",
                 "table.csv", "absent.bin"):
        if word.startswith(name):
            return str(bench / word)
        if f"={name}" in word:
            return word.replace(name, str(bench / name))
    return word


def test_an_overlapping_table_is_refused_by_its_line(bench):
    (bench / "table.csv").write_text(TABLE.replace("0x11000", "0xe000"))
    done = plan(bench, "--app", bench / "app.bin", ok=(DATA,))
    assert "table.csv" in done.stderr and "4" in done.stderr


def test_no_file_is_written_where_there_is_no_plan(bench):
    (bench / "creds.bin").write_bytes(b"c" * 0x4001)
    plan(bench, *everything(bench), "--script", bench / "s.sh", ok=(DATA,))
    assert not (bench / "s.sh").exists()
    assert not (bench / "otadata.bin").exists()


def test_an_unknown_chip_is_refused(bench):
    done = plan(bench, "--app", bench / "app.bin", chip="esp8266",
                ok=(USAGE,))
    assert "esp8266" in done.stderr


# -------------------------------------------------------------- encryption

def rows():
    lines = (FE / "cases.tsv").read_text().splitlines()
    return [x.split("\t") for x in lines if not x.startswith("#")]


def crypt(verb, chip, key, address, image, out, *more, **expect):
    return mintmark("flash", verb, "--chip", chip, "--key", key, "--address",
                    address, image, "-o", out, *more, **expect)


@pytest.mark.parametrize("case", [r for r in rows() if "4096" in r[0]
                                  or "derived" in r[0]], ids=lambda c: c[0])
def test_the_vendors_bytes(workdir, case):
    _, _, scheme, key, address, config, plain, cipher = case
    chip = {"esp32": "esp32", "xts": "esp32s3"}[scheme]
    chip = "esp32c2" if "derived" in key else chip
    more = ["--crypt-config", config] if config != "-" else []
    crypt("encrypt", chip, FE / key, address, FE / plain, workdir / "c",
          *more)
    assert (workdir / "c").read_bytes() == (FE / cipher).read_bytes()
    crypt("decrypt", chip, FE / key, address, FE / cipher, workdir / "p",
          *more)
    assert (workdir / "p").read_bytes() == (FE / plain).read_bytes()
    assert (workdir / "p").stat().st_mode & 0o777 == 0o600


def test_a_new_key_is_made_and_never_overwritten(workdir):
    key, plain, out = (workdir / x for x in ("key", "plain", "out"))
    plain.write_bytes(os.urandom(4096))
    words = ["flash", "encrypt", "--chip", "esp32c3", "--new-key", key,
             "--address", "0x10000", plain, "-o", out]
    report = json.loads(mintmark(*words, "--json").stdout)
    assert report == {"image": str(out), "chip": "esp32c3",
                      "address": 0x10000, "size": 4096, "new_key": str(key)}
    assert key.stat().st_mode & 0o777 == 0o600
    first = key.read_bytes(), out.read_bytes()
    assert len(first[0]) == 32
    done = mintmark(*words, "--force", ok=(USAGE,))
    assert "does not overwrite a key" in done.stderr
    assert (key.read_bytes(), out.read_bytes()) == first
    crypt("decrypt", "esp32c3", key, "0x10000", out, workdir / "again")
    assert (workdir / "again").read_bytes() == plain.read_bytes()


def test_a_new_key_has_the_size_that_was_asked_for(workdir):
    """16 bytes leave room for a digest in an ESP32-C2; 64 are AES-256."""
    plain = workdir / "plain"
    plain.write_bytes(bytes(64))
    for chip, size, status in (
            ("esp32c2", "16", 0), ("esp32s3", "64", 0), ("esp32", "24", 0),
            ("esp32c3", "64", DATA), ("esp32c3", "0", USAGE),
            ("esp32s3", "65", USAGE)):
        key, out = workdir / f"{chip}-{size}", workdir / "out"
        mintmark("flash", "encrypt", "--chip", chip, "--new-key", key,
                 "--key-size", size, "--address", "0", plain, "-o", out,
                 "--force", ok=(status,))
        assert key.exists() == (status == 0)
        if status == 0:
            assert key.stat().st_size == int(size)
            crypt("decrypt", chip, key, "0", out, workdir / "p", "--force")
            assert (workdir / "p").read_bytes() == bytes(64)
    done = mintmark("flash", "encrypt", "--chip", "esp32c2", "--key",
                    workdir / "esp32c2-16", "--key-size", "16", "--address",
                    "0", plain, "-o", workdir / "x", ok=(USAGE,))
    assert "--key-size goes with --new-key" in done.stderr


def test_only_the_first_esp32_fills_up(workdir):
    plain, out = workdir / "plain", workdir / "out"
    plain.write_bytes(b"x" * 17)
    done = crypt("encrypt", "esp32c3", FE / "TEST-ONLY-xts128.bin", "0x1000",
                 plain, out, ok=(DATA,))
    assert "multiple of 16" in done.stderr and not out.exists()
    key = FE / "TEST-ONLY-esp32_256.bin"
    (workdir / "none").write_bytes(b"")
    for chip, of in (("esp32c3", FE / "TEST-ONLY-xts128.bin"), ("esp32", key)):
        done = crypt("encrypt", chip, of, "0x1000", workdir / "none", out,
                     ok=(DATA,))
        assert f"{workdir / 'none'}: " in done.stderr
        assert "it is empty" in done.stderr and "16" not in done.stderr
    assert not out.exists()
    crypt("encrypt", "esp32", key, "0x1000", plain, out)
    crypt("decrypt", "esp32", key, "0x1000", out, workdir / "p")
    assert (workdir / "p").read_bytes() == b"x" * 17 + b"\xff" * 15


@pytest.mark.parametrize("words, status, says", [
    (["--chip", "esp32c9"], USAGE, "no chip"),
    (["--chip", "esp32h4"], DATA, "not known"),
    (["--address", "0x1001"], DATA, "no multiple of 16"),
    (["--address", "0x100000000"], USAGE, "--address"),
    (["--address", "-16"], USAGE, "--address"),
    (["--address", ""], USAGE, "--address"),
    (["--crypt-config", "0xf"], USAGE, "first ESP32's"),
    (["--chip", "esp32", "--crypt-config", "16"], USAGE, "--crypt-config"),
    (["--key", "short"], DATA, "takes 32"),
    (["--key", "twice"], DATA, "both halves"),
    (["--new-key", "k"], USAGE, "not both"),
])
def test_bad_encryption_is_refused(workdir, words, status, says):
    options = {"--chip": "esp32c3", "--address": "0x1000",
               "--key": str(FE / "TEST-ONLY-xts128.bin")}
    (workdir / "short").write_bytes(b"k" * 31)
    (workdir / "twice").write_bytes(b"k" * 32)
    for name, value in zip(words[::2], words[1::2]):
        options[name] = value if name != "--key" else str(workdir / value)
    done = mintmark("flash", "encrypt",
                    *[x for pair in options.items() for x in pair],
                    FE / "in" / "p16.bin", "-o", workdir / "out",
                    ok=(status,))
    assert says in done.stderr
    assert not (workdir / "out").exists()


def test_a_plan_encrypts_what_the_chip_will_decrypt(bench):
    """The script with the real mintmark: the file that esptool is given is
    the app, encrypted for its place."""
    script = bench / "flash.sh"
    plan(bench, "--app", bench / "app.bin", "--flash-encryption",
         bench / "flash.key", "--script", script)
    tool = bench / "tools" / "mintmark"
    tool.unlink()
    tool.symlink_to(MINTMARK)
    done, calls = execute(bench, script)
    assert done.returncode == 0, done.stderr
    out = calls[-1][-1]
    assert calls[-1][-2] == "0x20000"
    crypt("decrypt", "esp32c3", bench / "flash.key", "0x20000", out,
          bench / "again")
    digests = [sha256((bench / x).read_bytes()).digest()
               for x in ("again", "app.bin")]
    assert digests[0] == digests[1]

