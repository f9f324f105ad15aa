"""`mintmark flash partitions`: the vendor's tables byte for byte and back, where
a partition lies, and what is refused by its line."""

import json

import pytest

from mint import VECTORS, mintmark

NO, USAGE, DATA = 1, 64, 65
TABLES = VECTORS / "esp/partition_table"
USUAL = """\
# Name, Type, SubType, Offset, Size, Flags
nvs, data, nvs, 0x9000, 24K,
otadata, data, ota, , 0x2000,
app, 0, ota_0, , 1M,
"""


def rows():
    lines = (TABLES / "cases.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def options(row):
    _, _, offset, md5, secure, flash, bootloader, _, _ = row
    words = ["--offset", offset] + (["--no-md5"] if md5 == "0" else [])
    for name, value in (("--secure", secure), ("--flash-size", flash),
                        ("--primary-bootloader-offset", bootloader)):
        words += [name, value] if value != "-" else []
    return words


def partitions(*words, **more):
    return mintmark("flash", "partitions", *words, **more)


def table(workdir, text, name="table.csv"):
    path = workdir / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("row", rows(), ids=[row[0] for row in rows()])
def test_the_vendors_tables(row, workdir):
    out, again, back = (workdir / n for n in ("t.bin", "2.bin", "t.csv"))
    source = TABLES / row[7]
    if row[1] == "reject":
        done = partitions(source, out, *options(row), ok=(DATA,))
        assert f"{source}: line " in done.stderr
        assert not list(workdir.iterdir())
        return
    partitions(source, out, *options(row))
    assert out.read_bytes() == (TABLES / row[8]).read_bytes()
    partitions(out, back, *options(row))
    partitions(back, again, *options(row))
    assert again.read_bytes() == out.read_bytes()


def test_where_does_it_lie(workdir):
    source = table(workdir, USUAL)
    binary = workdir / "t.bin"
    told = json.loads(partitions(source, binary, "--json").stdout)
    assert told == {"out": str(binary), "form": "binary", "size": 0xc00,
                    "count": 3}
    for path in (source, binary):
        shown = partitions(path).stdout.splitlines()
        assert [line.split()[0] for line in shown[1:]] == [
            "nvs", "otadata", "app"]
        assert shown[3].split()[1:5] == ["app", "ota_0", "0x20000",
                                         "0x100000"]
        listed = json.loads(partitions(path, "--json").stdout)
        assert listed["partitions"][1] == {
            "name": "otadata", "type": "data", "subtype": "ota",
            "offset": 0xf000, "size": 0x2000, "encrypted": False,
            "readonly": False}
        assert partitions(path, "--find", "app").stdout == "0x20000\n"
        found = partitions(path, "--find", "app", "--json").stdout
        assert json.loads(found)["offset"] == 0x20000
        assert "\"ap\"" in partitions(path, "--find", "ap", ok=(NO,)).stderr


def test_the_seed_s_table(workdir):
    """As factories have it: what was typed by hand, 0x317000, is found."""
    source = table(workdir, """\
# Name,   Type, SubType, Offset,  Size, Flags
nvs,      data, nvs,     0x10000,  0x6000
otadata,  data, ota,     0x16000,  0x2000
phy_init, data, phy,     0x18000,  0x1000
ota_0,    0,    ota_0,   0x20000,  1500K
ota_1,    0,    ota_1,   ,         1500K
storage,  data, nvs,  ,         0x10000
""")
    binary = workdir / "t.bin"
    partitions(source, binary, "--secure", "v2", "--flash-size", "4MB")
    for path in (source, binary):
        for name, offset in (("ota_0", 0x20000), ("ota_1", 0x1a0000),
                             ("storage", 0x317000)):
            assert partitions(path, "--find",
                              name).stdout == f"{offset:#x}\n"


def test_crlf_bom_and_stdout(workdir):
    plain, other = workdir / "1", workdir / "2"
    partitions(table(workdir, USUAL), plain)
    partitions(table(workdir, b"\xef\xbb\xbf" +
                     USUAL.replace("\n", "\r\n").encode()), other)
    assert plain.read_bytes() == other.read_bytes()
    piped = partitions(table(workdir, USUAL), "-", text=False)
    assert piped.stdout == plain.read_bytes()


@pytest.mark.parametrize("text, line, why", [
    ("a,data,nvs,0x9000,0x6000,\nb,data,nvs,0xa000,0x6000,\n", 2, "0xf000"),
    ("a,data,nvs,0x9000,0x6000,\r\n\r\na,data,phy,,4K,\r\n", 3, "called"),
    ("a,data,nvs,0x9000,0x6000,\nf,app,factory,0x18000,1M,\n", 2, "multiples"),
    ("abcdefghijklmnopq,data,nvs,0x9000,0x6000,\n", 1, "17 bytes"),
    ("a,data,nvs,0x9000,6Q,\n", 1, "size"),
    ("a,data,what,0x9000,24K,\n", 1, "subtype"),
    ("a,data,nvs,0x9000,24K,secret\n", 1, "secret"),
    ("a,app,,0x10000,1M,\n", 1, "subtype"),
    ("\"a\nb\",data,nvs,0x9000,24K,\n", 1, ""),
])
def test_bad_lines(text, line, why, workdir):
    source = table(workdir, text)
    done = partitions(source, workdir / "t.bin", ok=(DATA,))
    assert f"{source}: line {line}: " in done.stderr
    assert why in done.stderr
    assert not (workdir / "t.bin").exists()


def test_bad_files(workdir):
    out = workdir / "t.bin"
    assert "none.csv" in partitions(workdir / "none.csv", out,
                                    ok=(DATA,)).stderr
    partitions(table(workdir, ""), out, ok=(DATA,))
    harmed = bytearray((TABLES / "singleapp.bin").read_bytes())
    harmed[12] ^= 1
    assert "MD5" in partitions(table(workdir, bytes(harmed)), out,
                               ok=(DATA,)).stderr
    blank = table(workdir, b"\xff" * 0xc00)
    assert "does not begin" in partitions(blank, out, ok=(DATA,)).stderr
    partitions(TABLES / "singleapp.csv", workdir / "no/t.bin", ok=(DATA,))
    assert not out.exists()


def test_a_binary_is_held_against_the_rules(workdir):
    out = workdir / "t.csv"
    done = partitions(TABLES / "two_ota_auto.bin", out, "--flash-size", "1MB",
                      ok=(DATA,))
    assert "behind the flash" in done.stderr
    partitions(TABLES / "two_ota_auto.bin", out, "--offset", "0x9000",
               ok=(DATA,))
    assert not out.exists()


def test_a_bootloader_takes_its_offset(workdir):
    source = table(workdir, "b,bootloader,primary,,,\n"
                            "t,partition_table,primary,,,\n" + USUAL)
    assert "--primary-bootloader-offset" in partitions(
        source, ok=(DATA,)).stderr
    chip = ("--primary-bootloader-offset", "0x1000")
    assert partitions(source, *chip, "--find", "b").stdout == "0x1000\n"
    assert partitions(source, *chip, "--find", "t").stdout == "0x8000\n"
    binary = workdir / "t.bin"
    partitions(source, binary, *chip)
    assert partitions(binary, "--find", "b").stdout == "0x1000\n"
    assert "not at 0x2000" in partitions(
        binary, "--primary-bootloader-offset", "0x2000", ok=(DATA,)).stderr


def test_the_csv_is_the_vendors(workdir):
    source = table(workdir, USUAL + "big,data,fat,,5120,encrypted:readonly\n"
                   "odd,0x40,0xfe,,0x123,readonly\nown,app,7,,64 K\n")
    binary, back = workdir / "t.bin", workdir / "t.csv"
    partitions(source, binary)
    partitions(binary, back)
    assert back.read_text() == """\
# ESP-IDF Partition Table
# Name, Type, SubType, Offset, Size, Flags
nvs,data,nvs,0x9000,24K,
otadata,data,ota,0xf000,8K,
app,app,ota_0,0x20000,1M,
big,data,fat,0x120000,5K,encrypted:readonly
odd,64,254,0x122000,0x123,readonly
own,app,7,0x130000,64K,
"""


def test_quotes_belong_to_the_name(workdir):
    """gen_esp32part.py takes a line apart at its commas, and knows no quotes:
    a partition of the same bytes has the same name. It is said."""
    source = table(workdir, USUAL.replace("nvs, data", '"nvs", data'))
    binary, back = workdir / "t.bin", workdir / "t.csv"
    done = partitions(source, binary)
    assert 'name, "nvs", as with' in done.stderr
    assert binary.read_bytes()[12:28] == b'"nvs"'.ljust(16, b"\0")
    assert partitions(binary, back).stderr == ""
    assert '\n"nvs",data,nvs,0x9000,24K,\n' in back.read_text()
    partitions(source, "--find", "nvs", ok=(NO,))
    assert partitions(source, "--find", '"nvs"').stdout == "0x9000\n"
    assert partitions(table(workdir, USUAL)).stderr == ""
    done = partitions(table(workdir, USUAL + '"a,b",data,fat,,4K\n'),
                      ok=(DATA,))
    assert "line 5: " in done.stderr


def test_no_file_is_overwritten(workdir):
    source, out = table(workdir, USUAL), workdir / "t.bin"
    out.write_text("kept")
    assert "--force" in partitions(source, out, ok=(USAGE,)).stderr
    assert out.read_text() == "kept"
    partitions(source, out, "--force")
    assert len(out.read_bytes()) == 0xc00
    assert sorted(p.name for p in workdir.iterdir()) == ["t.bin", "table.csv"]


@pytest.mark.parametrize("words", [
    (), ("--flash-size", "4"), ("--flash-size", "0MB"),
    ("--flash-size", "4GB"), ("--secure", "v3"), ("--offset", "8k"),
    ("--find", "nvs", "out"), ("a", "b")])
def test_usage(words, workdir):
    source = (table(workdir, USUAL),) if words else ()
    partitions(*source, *words, ok=(USAGE,))
