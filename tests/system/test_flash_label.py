"""Labels, read back by a scanner: every way to draw them, what stands in a
code, what is refused, and that nothing is told that no template names."""

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timezone

import pytest

from mint import mintmark

SVG = "{http://www.w3.org/2000/svg}"
QUIET = 4
TEXT = "https://example.com/d/{serial}?x=1"


def label(*words, **more):
    return mintmark("flash", "label", *words, **more)


def refused(error, *words, status=64):
    done = label(*words, ok=(status,))
    line = done.stderr.strip().splitlines()[-1]
    assert f": {error}: " in line, line
    return line


def scan(path):
    """What the codes of a picture say, sorted."""
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable",
         str(path)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.decode().splitlines())


def picture(rows, path, scale=4):
    """Rows of modules, 1 is dark, as a picture that zbarimg takes."""
    width = max(len(row) for row in rows)
    lines = [[0 if x < len(row) and row[x] else 255 for x in range(width)]
             for row in rows]
    data = b"".join(
        bytes(v for v in line for _ in range(scale)) * scale
        for line in lines)
    path.write_bytes(b"P5 %d %d 255\n" % (width * scale, len(rows) * scale)
                     + data)
    return path


def placed(text):
    """(x, y, scale, path data) of an SVG's codes, in mm."""
    for path in ElementTree.fromstring(text).iter(f"{SVG}path"):
        x, y, scale = map(float, re.fullmatch(
            r"translate\((\S+) (\S+)\) scale\((\S+)\)",
            path.get("transform")).groups())
        yield x, y, scale, path.get("d")


def from_path(data, place):
    """The runs of dark modules of one code."""
    runs = [tuple(map(int, run)) for run in
            re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", data)]
    assert "".join(f"M{x} {y}h{w}v1h-{w}z" for x, y, w in runs) == data
    side = max(x + w for x, _, w in runs) + QUIET
    rows = [[0] * side for _ in range(side)]
    for x, y, w in runs:
        rows[y][x:x + w] = [1] * w
    return picture(rows, place / "svg.pgm")


def from_svg(text, place):
    [(x, y, _, data)] = placed(text)
    assert (x, y) == (0, 0)
    return from_path(data, place)


def from_zpl(text, place):
    """The graphic of one label."""
    total, again, wide, data = re.search(
        r"\^GFA,(\d+),(\d+),(\d+),([0-9A-F:]+)\^FS", text).groups()
    assert total == again
    rows, wide = [], int(wide)
    while data:
        if data[0] == ":":
            rows.append(rows[-1])
            data = data[1:]
            continue
        line, data = bytes.fromhex(data[:2 * wide]), data[2 * wide:]
        rows.append([byte >> (7 - i) & 1 for byte in line for i in range(8)])
    assert len(rows) * wide == int(total)
    return picture(rows, place / "zpl.pgm", 1)


def from_text(text, place, invert=False):
    """Half blocks; dark is what is not lit."""
    lit = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows = []
    for line in text.splitlines():
        if set(line) - set(lit) or len(line) < 21 + 2 * QUIET:
            continue
        pairs = [lit[c] for c in line]
        rows += [[a for a, _ in pairs], [b for _, b in pairs]]
    dark = 1 if invert else 0
    return picture([[v == dark for v in row] for row in rows],
                   place / "text.pgm")


def values(**items):
    return [word for name, value in items.items()
            for word in ("--value", f"{name}={value}")]


def test_png(workdir):
    out = workdir / "a.png"
    said = json.loads(label(
        "--template", TEXT, *values(serial="A-17"), "--format", "png",
        "--json", "-o", out).stdout)
    assert said == {"file": str(out), "labels": 1}
    assert scan(out) == ["https://example.com/d/A-17?x=1"]
    refused("file-exists", "--template", TEXT, *values(serial="B"),
            "--format", "png", "-o", out)
    label("--template", TEXT, *values(serial="B"), "--format", "png", "-o",
          out, "--force", "--scale", "1", "--level", "H")
    assert out.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_every_form_says_the_same(workdir):
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    words = ["--template", TEXT, *values(serial="A<&\">'^~_\\é")]
    want = ["https://example.com/d/A<&\">'^~_\\é?x=1"]
    svg = label(*words, "--format", "svg", "-o", "-").stdout
    lines = [e.text for e in
             ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert lines[0] == "A<&\">'^~_\\é"
    assert lines[1] in (today,
                        datetime.now(timezone.utc).strftime("%Y-%m-%d"))
    assert scan(from_svg(svg, workdir)) == want
    zpl = label(*words, "--format", "zpl", "-o", "-").stdout
    assert scan(from_zpl(zpl, workdir)) == want
    assert zpl.startswith("^XA") and zpl.endswith("^XZ\n")
    assert r"^FDA<&" in zpl and "_5E_7E_5F_5C_C3_A9^FS" in zpl
    assert zpl.count("^XA") == zpl.count("^XZ") == 1
    text = label(*words, "--format", "text", "-o", "-").stdout
    assert scan(from_text(text, workdir)) == want
    text = label(*words, "--format", "text", "--invert", "-o", "-").stdout
    assert scan(from_text(text, workdir, invert=True)) == want


@pytest.mark.parametrize("dots, size", [(6, 30), (8, 20), (12, 15)])
def test_printers(workdir, dots, size):
    zpl = label("--template", "S/N {serial}", *values(serial="0017"),
                "--format", "zpl", "--dots", dots, "--size", size, "-o",
                "-").stdout
    assert f"^PW{dots * size}\n" in zpl
    assert scan(from_zpl(zpl, workdir)) == ["S/N 0017"]


def code(workdir, *words):
    out = workdir / "code.png"
    label(*words, "--format", "png", "-o", out, "--force")
    [said] = scan(out)
    return said


def test_kinds(workdir):
    assert code(workdir, "--kind", "url", "--template",
                "https://example.com/{serial}?v={v}",
                *values(serial="a/b c&é", v="1-._~")) == \
        "https://example.com/a%2Fb%20c%26%C3%A9?v=1-._~"
    esp = code(workdir, "--kind", "esp",
               *values(name='PROV_"\\é', pop="abc", transport="ble"))
    assert json.loads(esp) == {"ver": "v1", "name": 'PROV_"\\é',
                               "pop": "abc", "transport": "ble"}
    assert list(json.loads(esp)) == ["ver", "name", "pop", "transport"]
    assert json.loads(code(workdir, "--kind", "esp", *values(
        name="P", transport="softap"))) == {
            "ver": "v1", "name": "P", "transport": "softap"}
    assert json.loads(code(
        workdir, "--kind", "esp", "--template",
        '{{"ver":"v1","name":"{name}","security":"2"}}',
        *values(name='a"b'))) == {"ver": "v1", "name": 'a"b',
                                  "security": "2"}
    payload = "MT:Y.K9042C00KA0648G00"
    assert code(workdir, "--kind", "matter", *values(payload=payload)) == \
        payload


def test_a_secret_is_told_by_no_label_and_no_error(workdir):
    secret = "geheim-4711"
    for form in ("svg", "zpl", "text"):
        done = label("--template", "{serial}",
                     *values(serial="1", pop=secret), "--format", form, "-o",
                     "-")
        assert secret not in done.stdout + done.stderr
    for error, words, status in (
            ("usage", ["--template", "{serial} {none}"], 64),
            ("usage", ["--template", "{serial"], 64),
            ("out-of-range", ["--template", "{pop}" * 300], 65),
            ("out-of-range", ["--template", "x", "--line", "{pop}" * 9], 65),
            ("bad-format", ["--kind", "url", "--template", "{pop}"], 65)):
        line = refused(error, *words, *values(serial="1", pop=secret),
                       "--format", "text", "-o", "-", status=status)
        assert secret not in line


def test_too_long(workdir):
    """A code of level L has room for 2953 bytes, and 7089 digits."""
    for size in (2952, 2953):
        words = ["--level", "L", "--template", "a" * size]
        assert code(workdir, *words, "--scale", "4") == "a" * size
    line = refused("out-of-range", "--level", "L", "--template", "a" * 2954,
                   "--format", "png", "-o", workdir / "x.png", status=65)
    assert "2954 bytes are too long" in line and "2953" in line
    assert not (workdir / "x.png").exists()
    line = refused("out-of-range", "--template", "a" * 2332, "--format",
                   "png", "-o", workdir / "x.png", status=65)
    assert "2331" in line
    assert code(workdir, "--level", "L", "--template", "7" * 7089,
                "--scale", "4") == "7" * 7089
    line = refused("out-of-range", "--template", "a" * 1000, "--format",
                   "zpl", "--size", "10", "-o", "-", status=65)
    assert "larger" in line


@pytest.mark.parametrize("words, error, status", [
    (["--kind", "url", "--template", "no scheme"], "bad-format", 65),
    (["--kind", "url", "--template", "https://a b"], "bad-format", 65),
    (["--kind", "url"], "usage", 64),
    (["--kind", "matter", "--value", "payload=XY:1"], "bad-format", 65),
    (["--kind", "matter", "--value", "payload=MT:a"], "bad-format", 65),
    (["--kind", "esp", "--value", "name=x"], "usage", 64),
    (["--kind", "esp", "--value", "name=x", "--value", "transport=ble",
      "--value", "pop="], "usage", 64),
    (["--kind", "esp", "--value", "name=x", "--value", "transport=wifi"],
     "bad-format", 65),
    (["--kind", "none", "--template", "x"], "usage", 64),
    (["--template", ""], "usage", 64),
    (["--template", "}"], "usage", 64),
    (["--template", "{}"], "usage", 64),
    (["--template", "x", "--value", "novalue"], "usage", 64),
    (["--template", "x", "--value", "a=1", "--value", "a=2"], "usage", 64),
    (["--template", "x", "--size", "7"], "usage", 64),
    (["--template", "x", "--size", "151"], "usage", 64),
    (["--template", "{a}", "--value", "a=\x1b[2J"], "bad-format", 65),
    (["--template", "x", "--line", "a" * 65], "out-of-range", 65),
    (["--template", "x"] + ["--line", "a"] * 5, "usage", 64),
    (["--template", "x", "--sheet"], "usage", 64),
])
def test_refused(words, error, status):
    refused(error, *words, "--format", "svg", "-o", "-", status=status)


def a_list(workdir, count, head="serial,pop,date\n"):
    path = workdir / "list.csv"
    path.write_text(head + "".join(
        f"S{i:04},secret{i},2024-01-31\n" for i in range(count)))
    return path


def test_a_file_a_row(workdir):
    path = workdir / "list.csv"
    path.write_bytes(b'\xef\xbb\xbfserial,note\r\n'
                     b'A/1,"a, ""b"""\r\n\r\n../B,c\r\n')
    said = json.loads(label(
        "--csv", path, "--template", "{serial} {note} {batch}", *values(
            batch="7", note="not this"), "--format", "png", "--json", "-o",
        workdir / "{serial}.png").stdout)
    assert said["labels"] == 2
    assert scan(workdir / "A_1.png") == ['A/1 a, "b" 7']
    assert scan(workdir / ".._B.png") == ["../B c 7"]


def test_a_sheet_of_an_order(workdir):
    out = workdir / "order.svg"
    said = json.loads(label(
        "--csv", a_list(workdir, 70), "--sheet", "--template", "{serial}",
        "--format", "svg", "--json", "-o", out).stdout)
    assert (said["labels"], said["pages"]) == (70, 2)
    pages = [out.read_text(), (workdir / "order-2.svg").read_text()]
    found, size = [], 25
    for page in pages:
        codes = list(placed(page))
        places = [(x, y) for x, y, _, _ in codes]
        assert all(x >= 10 and y >= 10 and x + size <= 200 and
                   y + size <= 287 for x, y in places)
        assert all(abs(x - u) >= size or abs(y - v) >= size + 6
                   for i, (x, y) in enumerate(places)
                   for u, v in places[:i])
        for _, _, scale, data in codes:
            assert round(scale * 29, 3) == size
            found += scan(from_path(data, workdir))
    assert found == [f"S{i:04}" for i in range(70)]
    for page in pages:
        assert 'width="210.000mm" height="297.000mm"' in page
        assert "secret" not in page
    assert "2024-01-31" in pages[0]


def test_one_job_of_an_order(workdir):
    out = workdir / "order.zpl"
    label("--csv", a_list(workdir, 5), "--sheet", "--template", "{serial}",
          "--format", "zpl", "-o", out)
    job = out.read_text()
    labels = re.findall(r"\^XA.*?\^XZ\n", job, re.DOTALL)
    assert "".join(labels) == job and "secret" not in job
    assert [scan(from_zpl(one, workdir)) for one in labels] == [
        [f"S{i:04}"] for i in range(5)]


@pytest.mark.parametrize("text, error, line, status", [
    ("serial\nA\n\nB,2\n", "bad-format", 4, 65),
    ("serial\nA\nA\n", "usage", None, 64),
    ('serial\n"A\n', "bad-format", 2, 65),
    ('serial\n"A"x\n', "bad-format", 2, 65),
    ('serial\nA"x\n', "bad-format", 2, 65),
    ("serial\nA\0\n", "bad-format", 2, 65),
    ("serial\nA\rB\n", "bad-format", 2, 65),
    ("serial\n\xff\n", "bad-format", 2, 65),
    ("serial,serial\nA,B\n", "bad-format", 1, 65),
    ("serial,\nA,B\n", "bad-format", 1, 65),
    ("serial\n", "bad-format", None, 65),
    ("", "bad-format", None, 65),
    ("serial,x\nA,1\n,2\n", "usage", 3, 64),
])
def test_a_wrong_list_makes_no_file(workdir, text, error, line, status):
    path = workdir / "list.csv"
    path.write_bytes(text.encode("latin-1"))
    said = refused(error, "--csv", path, "--template", "{serial}",
                   "--format", "png", "-o", workdir / "x-{serial}.png",
                   status=status)
    if line is not None:
        assert f"{path}, line {line}: " in said
    assert sorted(p.name for p in workdir.iterdir()) == ["list.csv"]


def test_a_list_that_cannot_be_read_twice(workdir):
    path = workdir / "pipe"
    os.mkfifo(path)
    line = refused("usage", "--csv", path, "--template", "{serial}",
                   "--format", "png", "-o", workdir / "x-{serial}.png")
    assert "read twice" in line
    assert [p.name for p in workdir.iterdir()] == ["pipe"]


@pytest.mark.parametrize("size, width", [
    (17, 16), (18, 16), (19, 15), (29, 10), (30, 10), (64, 10)])
def test_a_long_line_is_printed_narrow(size, width):
    """In 25 mm of 8 dots; ^A0 has 10 dots at least."""
    zpl = label("--template", "x", "--line", "a" * size, "--format", "zpl",
                "-o", "-").stdout
    assert f"^A0N,16,{width}^FH_" in zpl
