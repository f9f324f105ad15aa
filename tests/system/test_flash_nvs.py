"""NVS images on the command line: the vendor's bytes, an independent reader,
exit codes, and no file where something was wrong."""

import base64
import json
import os
import stat
import struct
import subprocess
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mint import BUILD, MINTMARK, VECTORS, mintmark, run

YES, USAGE, DATA = 0, 64, 65
ESP = VECTORS / "esp"
NVS = ESP / "nvs"
ENCRYPTED = ESP / "nvs_encrypted"
HEADER = "key,type,encoding,value\n"
NUMBERS = {0x01: "<B", 0x11: "<b", 0x02: "<H", 0x12: "<h", 0x04: "<I",
           0x14: "<i", 0x08: "<Q", 0x18: "<q"}


def rows(path):
    lines = path.read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def crc(data):
    return zlib.crc32(data, 0xFFFFFFFF)


# ------------------------------------------------- a reader of its own

def decrypt(entry, key, place):
    cipher = Cipher(algorithms.AES(key),
                    modes.XTS(place.to_bytes(16, "little"))).decryptor()
    return cipher.update(entry)


def entries(image, key):
    """Written entries in their order, decrypted: (place, 32 bytes)."""
    for page in range(0, len(image), 4096):
        if image[page:page + 4] == b"\xff" * 4:
            assert image[page:page + 4096] == b"\xff" * 4096
            continue
        assert crc(image[page + 4:page + 28]) == struct.unpack_from(
            "<I", image, page + 28)[0]
        for n in range(126):
            state = image[page + 32 + n // 4] >> 2 * (n % 4) & 3
            place = page + 64 + 32 * n
            entry = image[place:place + 32]
            if state == 3:
                assert entry == b"\xff" * 32
                continue
            assert state == 2
            yield decrypt(entry, key, place) if key else entry


def read_nvs(image, key=None):
    """{(namespace, key): value} by the rules of the format alone."""
    names, values, chunks = {}, {}, {}
    stream = entries(image, key)
    for head in stream:
        index, kind, span, chunk = head[:4]
        assert crc(head[:4] + head[8:]) == struct.unpack_from(
            "<I", head, 4)[0]
        name = head[8:24].split(b"\0")[0].decode()
        body = b"".join(next(stream) for _ in range(span - 1))
        if index == 0:
            names[head[24]] = name
            continue
        where = (names[index], name)
        assert where not in values
        if kind in NUMBERS:
            values[where] = struct.unpack_from(NUMBERS[kind], head, 24)[0]
        elif kind == 0x48:
            total, count, first = struct.unpack_from("<IBB", head, 24)
            values[where] = b"".join(
                chunks.pop((where, first + i)) for i in range(count))
            assert len(values[where]) == total
        else:
            size, data_crc = struct.unpack_from("<H2xI", head, 24)
            body = body[:size]
            assert len(body) == size and crc(body) == data_crc
            if kind == 0x42:
                chunks[where, chunk] = body
            else:
                assert kind in (0x21, 0x41)
                values[where] = body[:-1].decode() if kind == 0x21 else body
    assert not chunks
    return values


def nvs(*words, **more):
    return mintmark("flash", "nvs", *words, **more)


# --------------------------------------------------------------- vectors

@pytest.mark.parametrize("case", rows(NVS / "cases.tsv"),
                         ids=lambda case: case[0])
def test_vectors(case, workdir):
    _, expect, size, version, csv, _, output = case
    out = workdir / "out.bin"
    done = nvs(NVS / csv, out, size, "--version", version,
               ok=(YES,) if expect == "exact" else (DATA,))
    if expect == "exact":
        assert out.read_bytes() == (NVS / output).read_bytes()
        read_nvs(out.read_bytes())
    else:
        assert csv in done.stderr and "line " in done.stderr
        assert not list(workdir.iterdir())


@pytest.mark.parametrize("case", rows(ENCRYPTED / "cases.tsv"),
                         ids=lambda case: case[0])
def test_encrypted_vectors(case, workdir):
    _, _, size, version, csv, keys, output = case
    out = workdir / "out.bin"
    nvs(csv, out, size, "--version", version, "--keys", keys, cwd=ENCRYPTED)
    assert out.read_bytes() == (ENCRYPTED / output).read_bytes()
    key = (ENCRYPTED / keys).read_bytes()[:64]
    assert read_nvs(out.read_bytes(), key)
    nvs("--dump", out, "--keys", ENCRYPTED / keys)


def test_key_partitions(workdir):
    for option, given, wanted in (
            ("--raw", "TEST-ONLY-nvs_key_raw64.bin", "TEST-ONLY-nvs_keys.bin"),
            ("--hmac", "TEST-ONLY-hmac_key.bin",
             "TEST-ONLY-nvs_keys_hmac.bin")):
        out = workdir / given
        mintmark("flash", "nvs-keys", out, option, ENCRYPTED / given)
        assert out.read_bytes() == (ENCRYPTED / wanted).read_bytes()
        assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_keys_made_here(workdir):
    made = [workdir / "a.bin", workdir / "b.bin"]
    for out in made:
        mintmark("flash", "nvs-keys", out)
        file = out.read_bytes()
        assert len(file) == 4096 and file[68:] == b"\xff" * 4028
        assert crc(file[:64]) == struct.unpack_from("<I", file, 64)[0]
    assert made[0].read_bytes() != made[1].read_bytes()
    mintmark("flash", "nvs-keys", made[0], ok=(USAGE,))  # it is there
    mintmark("flash", "nvs-keys", workdir / "c", "--raw", made[0],
             ok=(DATA,))
    mintmark("flash", "nvs-keys", workdir / "c", "--hmac", made[0],
             ok=(DATA,))
    equal = workdir / "equal"
    equal.write_bytes(bytes(64))
    mintmark("flash", "nvs-keys", workdir / "c", "--raw", equal, ok=(DATA,))
    mintmark("flash", "nvs-keys", workdir / "c", "--raw", equal, "--hmac",
             equal, ok=(USAGE,))
    assert not (workdir / "c").exists()


# ------------------------------------------------------------ the command

def test_an_independent_reader_agrees(workdir):
    """Values of every size around pages and entries, in one image."""
    wanted, lines = {}, ["n,namespace,,"]
    for i, size in enumerate([0, 1, 31, 32, 33, 63, 64, 900, 3999, 4000,
                              4001, 9000]):
        value = os.urandom(size)
        wanted["n", f"b{i}"] = value
        lines.append(f"b{i},data,base64,{base64.b64encode(value).decode()}")
    lines.append("m,namespace,,")
    for i, size in enumerate([0, 1, 30, 31, 32, 3966, 3967]):
        wanted["m", f"s{i}"] = "x" * size
        lines.append(f"s{i},data,string,{'x' * size}")
        wanted["m", f"i{i}"] = -i
        lines.append(f"i{i},data,i64,{-i}")
    csv, out = workdir / "in.csv", workdir / "out.bin"
    csv.write_text(HEADER + "\n".join(lines))
    keys = workdir / "keys.bin"
    mintmark("flash", "nvs-keys", keys)
    nvs(csv, out, "0x20000")
    assert read_nvs(out.read_bytes()) == wanted
    nvs(csv, out, "128K", "--keys", keys, "--force")
    assert read_nvs(out.read_bytes(), keys.read_bytes()[:64]) == wanted
    shown = json.loads(nvs("--dump", out, "--keys", keys, "--json").stdout)
    assert not shown["damage"]
    got = {(e["namespace"], e["key"]):
           bytes.fromhex(e["value"]) if e["type"] == "blob" else e["value"]
           for e in shown["entries"]}
    assert got == wanted


def test_forms_of_the_command_line(workdir):
    one, two = workdir / "1.csv", workdir / "2.csv"
    one.write_text(HEADER + "a,namespace,,\nk,data,u8,1\n")
    two.write_text(HEADER + "b,namespace,,\nf,file,binary,value\n")
    (workdir / "value").write_bytes(b"\x01")  # beside the CSV
    outs = [workdir / name for name in ("x", "y", "z")]
    report = json.loads(nvs(f"{one},{two}", outs[0], "0x3000",
                            "--json").stdout)
    assert report == {
        "file": str(outs[0]), "size": 0x3000, "encrypted": False,
        "namespaces": 2, "keys": 2, "pages_used": 1, "pages": 2,
        "entries_left": 252 - 6}
    nvs(one, two, outs[1], "12288")
    nvs(one, two, "-o", outs[2], "12288")
    assert len({out.read_bytes() for out in outs}) == 1
    assert stat.S_IMODE(outs[0].stat().st_mode) == 0o600
    piped = nvs(f"{one},{two}", "-", "0x3000", text=False).stdout
    assert piped == outs[0].read_bytes()


def test_refusals_leave_no_file(workdir):
    csv, out = workdir / "in.csv", workdir / "out.bin"
    csv.write_text(HEADER + "a,namespace,,\nk,data,u8,256\n")
    before = sorted(workdir.iterdir())
    for words, status in (
            ((csv, out, "0x3000"), DATA),
            ((csv, out, "0x3001"), DATA),
            ((csv, out), USAGE),
            ((csv, out, "0x3000", "--version", "3"), USAGE),
            ((csv, out, "0x3000", "--name", "k"), USAGE),
            ((csv, out, "0x3000", "--keys", csv), DATA),
            ((workdir / "none.csv", out, "0x3000"), DATA),
            ((f"{csv},", out, "0x3000"), DATA),
            (("--dump", csv), DATA),
            (("--dump", "--many", csv), USAGE)):
        nvs(*words, ok=(status,))
        assert sorted(workdir.iterdir()) == before
    assert f"{csv} line 3: the value" in nvs(
        csv, out, "0x3000", ok=(DATA,)).stderr
    # What is there is kept, too.
    csv.write_text(HEADER + "a,namespace,,\nk,data,u8,255\n")
    out.write_bytes(b"old")
    nvs(csv, out, "0x3000", ok=(USAGE,))
    assert out.read_bytes() == b"old"
    nvs(csv, out, "0x3000", "--force")
    assert read_nvs(out.read_bytes()) == {("a", "k"): 255}


def test_dump_tells_damage(workdir):
    image = bytearray((NVS / "creds.bin").read_bytes())
    image[200] ^= 1  # in the certificate
    out = workdir / "bad.bin"
    out.write_bytes(image)
    done = nvs("--dump", out, "--json", ok=(DATA,))
    shown = json.loads(done.stdout)
    assert {"page": 0, "entry": 1,
            "what": "the CRC of the data is wrong"} in shown["damage"]
    assert {e["key"] for e in shown["entries"]} == {"P11_Key", "P11_CSK"}
    assert "damaged in" in done.stderr
    wrong = workdir / "keys.bin"
    mintmark("flash", "nvs-keys", wrong)
    done = nvs("--dump", ENCRYPTED / "basic.bin", "--keys", wrong, ok=(DATA,))
    assert "no entry can be read" in done.stderr
    nvs("--dump", ENCRYPTED / "basic.bin", ok=(DATA,))


def test_dump_shows_numbers_to_their_limits(workdir):
    """From 2^63 on a number is text, lest a reader of JSON rounds it."""
    csv, out = workdir / "in.csv", workdir / "out.bin"
    numbers = {"a": ("u64", 2**64 - 1), "b": ("u64", 2**63),
               "c": ("u64", 2**63 - 1), "d": ("i64", -2**63),
               "e": ("i64", 2**63 - 1), "f": ("i8", -128), "g": ("u8", 255)}
    csv.write_text(HEADER + "n,namespace,,\n" + "".join(
        f"{k},data,{kind},{n}\n" for k, (kind, n) in numbers.items()))
    nvs(csv, out, "0x3000")
    shown = json.loads(nvs("--dump", out, "--json").stdout)
    assert {e["key"]: (e["type"], e["value"]) for e in shown["entries"]} == {
        k: (kind, n if n < 2**63 else str(n))
        for k, (kind, n) in numbers.items()}
    assert nvs("--dump", out).stdout == "".join(
        f"n\t{k}\t{kind}\t{n}\n" for k, (kind, n) in numbers.items())


# --------------------------------------------------------- one a device

def many_files(workdir, devices):
    template, values = workdir / "template.csv", workdir / "values.csv"
    template.write_text("app,namespace,\nserial,data,string\n"
                        "token,data,hex2bin\nmodel,data,u8,REPEAT\n")
    values.write_text("mac,serial,token,model\n" + "".join(
        f"aa:bb:{i:06x},S{i},{i:064x},7\n" for i in range(devices)))
    return template, values


def test_an_image_a_device(workdir):
    template, values = many_files(workdir, 1000)
    out, keys = workdir / "out", workdir / "keys.bin"
    mintmark("flash", "nvs-keys", keys)
    report = json.loads(nvs("--many", template, values, "0x3000", "-o", out,
                            "--name", "mac", "--keys", keys,
                            "--json").stdout)
    assert report == {"directory": str(out), "images": 1000, "size": 0x3000,
                      "encrypted": True}
    files = {path.name for path in out.iterdir()}
    assert files == {f"aa_bb_{i:06x}.bin" for i in range(1000)}
    for i in (0, 1, 499, 999):
        path = out / f"aa_bb_{i:06x}.bin"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_nvs(path.read_bytes(), keys.read_bytes()[:64]) == {
            ("app", "serial"): f"S{i}", ("app", "model"): 7,
            ("app", "token"): i.to_bytes(32, "big")}


def test_a_misspelt_column_is_told(workdir):
    """The template's value would go out for all, and nobody would know."""
    template, values = many_files(workdir, 2)
    words = ("--many", template, values, "4m")
    template.write_text("key,type,encoding,value\napp,namespace,,\n"
                        "serial,data,string,\nmode,data,u8,7\n")
    done = nvs(*words, "-o", workdir / "1", "--name", "mac")
    assert (workdir / "1/aa_bb_000000.bin").stat().st_size == 4 << 20
    assert done.stderr == (
        f"{values}: no row of {template} takes its column(s) token, model: a "
        "row with a value keeps that one, for all devices\n")
    values.write_text("serial,serial\n1,2\n")
    done = nvs(*words, "-o", workdir / "2", ok=(DATA,))
    assert f'{values} line 1: the column "serial" is there' in done.stderr
    assert not (workdir / "2").exists()
    values.write_text("serial\n1\n")
    assert nvs(*words, "-o", workdir / "2").stderr == ""
    done = nvs("--many", template, values, "5K", "-o", workdir / "3",
               ok=(DATA,))
    assert "the size 5K is no multiple of 4K" in done.stderr


def test_stations_side_by_side_in_one_directory(workdir):
    """Each device's image is its own, whoever writes beside or over it."""
    template, values = many_files(workdir, 150)
    out = workdir / "out"
    words = [MINTMARK, "flash", "nvs", "--many", template, values, "0x3000",
             "-o", out, "--name", "mac", "--force"]
    running = [subprocess.Popen(words, stdout=subprocess.DEVNULL)
               for _ in range(4)]
    assert [process.wait(timeout=120) for process in running] == [0] * 4
    assert len(list(out.iterdir())) == 150
    for i in range(150):
        read = read_nvs((out / f"aa_bb_{i:06x}.bin").read_bytes())
        assert read["app", "serial"] == f"S{i}"


@pytest.mark.skipif("sanitize" in str(BUILD),
                    reason="a sanitizer's own memory is more than that")
def test_no_image_stays_in_memory(workdir):
    """Forty of 4 MiB are made in the room of a few."""
    template, values = many_files(workdir, 40)
    limit = ["prlimit", f"--data={48 << 20}"]
    run(*limit, MINTMARK, "flash", "nvs", "--many", template, values, "4096K",
        "-o", workdir / "out")
    assert len(list((workdir / "out").iterdir())) == 40
    # It is a limit: one image has to have room.
    run("prlimit", f"--data={2 << 20}", MINTMARK, "flash", "nvs", "--many",
        template, values, "4096K", "-o", workdir / "none", ok=(75,))


def test_a_bad_device_stops_all(workdir):
    template, values = many_files(workdir, 10)
    out = workdir / "out"
    good = values.read_text()
    for line, why in (("aa:bb:000003,S3,00,7", "the name of line 5's"),
                      ("AA-BB,S3,123,7", "hex digits"),
                      ("AA-BB,S3,00", "there are 3 cells")):
        values.write_text(good + line + "\n")
        done = nvs("--many", template, values, "0x3000", "-o", out, "--name",
                   "mac", ok=(DATA,))
        assert f"{values} line 12: " in done.stderr and why in done.stderr
        assert not out.exists() or not list(out.iterdir())
    values.write_text(good)
    nvs("--many", template, values, "0x3000", "-o", out, "--name", "none",
        ok=(DATA,))
    nvs("--many", template, values, "0x3000", ok=(USAGE,))
    # A file of one of them is there: nothing is begun.
    out.mkdir(exist_ok=True)
    (out / "aa_bb_000009.bin").write_bytes(b"old")
    nvs("--many", template, values, "0x3000", "-o", out, "--name", "mac",
        ok=(USAGE,))
    assert [path.read_bytes() for path in out.iterdir()] == [b"old"]
    nvs("--many", template, values, "0x3000", "-o", out, "--name", "mac",
        "--force")
    assert len(list(out.iterdir())) == 10
