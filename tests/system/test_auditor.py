"""What an auditor asks of a log: status, list, show, export and backup, from
the appliance and from a directory, and what is refused on the way."""

import copy
import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import threading

import cbor2
import pytest

import auditor
from mint import MINTMARK, fresh, mintmark, new_csr
from paper_appliance import PaperAppliance
from paper_log import (CERTIFICATE, KINDS_WITH_ROWS, ORDER, REVOCATION, START,
                       PaperLog, serial)

YES, NO, USAGE, DATA = 0, 1, 64, 65
HEAD = ["index", "time", "kind", "what", "profile", "serial", "order",
        "station", "state", "reason", "count"]


@pytest.fixture
def paper(workdir):
    """A log with an entry of every kind, in `workdir / "log"`."""
    log = PaperLog().all_kinds()
    log.vkey = log.write(workdir / "log")
    log.place = workdir / "log"
    return log


def ask(log, *words, **expect):
    """A command of the noun `log` about the directory."""
    return mintmark("log", *words, "--key", log.vkey, log.place, **expect)


def rows(log, *words):
    return [json.loads(line) for line in
            ask(log, "list", "--json", *words).stdout.splitlines()]


def indices(log, *words):
    return [row["index"] for row in rows(log, *words)]


def first_of(log, kind):
    return next(i for i, e in enumerate(log.entries)
                if cbor2.loads(e)[0] == kind)


def show(log, index):
    return json.loads(ask(log, "show", str(index), "--json").stdout)


# ----------------------------------------------------------------------- show

def test_every_kind_is_shown(paper):
    """To the ground: nothing of it is left undecoded, but for what the paper
    log has only a word for."""
    for index, entry in enumerate(paper.entries):
        said = show(paper, index)
        assert said["index"] == index
        assert said["kind"] == auditor.KIND_NAMES[
            cbor2.loads(entry)[0]]
        assert said["leaf"] == auditor.leaf_hash(entry).hex()
        assert said["body"]
        for people in [ask(paper, "show", str(index)).stdout]:
            assert f"index: {index}\n" in people
            assert f"kind: {said['kind']}\n" in people


def test_statements_are_shown_with_their_officers(paper):
    order = show(paper, first_of(paper, ORDER))["body"]["statements"][0]
    assert order["kind"] == "order" and order["origin"] == paper.origin
    assert order["time"] == "2023-11-14T22:13:20Z"
    assert order["officers"] == [paper.officer.kid.hex()]
    assert order["body"]["units"] == 10
    assert order["body"]["stations"] == ["line-1"]
    revoked = show(paper, first_of(paper, REVOCATION))["body"]
    assert revoked["statements"][0]["body"]["revoked"] == [
        {"serial": f"{serial(1):040x}", "reason": "keyCompromise",
         "since": "2023-11-14T22:13:20Z"}]


def test_a_certificate_is_shown_with_its_tbs(paper):
    body = show(paper, first_of(paper, CERTIFICATE))["body"]
    assert body["tbs"]["serial"] == f"{serial(1):040x}"
    assert body["tbs"]["subject"] == [
        {"CN": "lamp-1"}, {"O": "Paper " * 8}]
    assert body["tbs"]["not_before"] == "2024-01-01T00:00:00Z"
    assert body["tbs"]["key"]["type"] == "P-256"


def test_raw_is_the_entry(paper):
    for index, entry in enumerate(paper.entries):
        done = ask(paper, "show", str(index), "--raw", text=False)
        assert done.stdout == entry


def test_a_blob(workdir):
    paper = PaperLog()
    text = b"# a long policy\n" * 4000
    paper.genesis(text)
    paper.vkey, paper.place = paper.write(workdir / "log"), workdir / "log"
    body = show(paper, 0)["body"]
    assert body["text_sha256"] == auditor.sha256(text).hex()
    assert body["text_size"] == len(text)
    ask(paper, "show", "0", "--blob", workdir / "text")
    assert (workdir / "text").read_bytes() == text
    ask(paper, "show", "0", "--blob", workdir / "text", ok=(USAGE,))
    assert ask(paper, "show", "0", "--blob", "-", text=False).stdout == text
    ask(paper, "show", "0", "--blob", "-", "--raw", ok=(USAGE,))
    blob = next((workdir / "log/blob").iterdir())
    blob.write_bytes(text[:-1] + b"!")
    done = ask(paper, "show", "0", "--blob", workdir / "other", ok=(NO,))
    assert "blob-wrong" in done.stderr
    assert not (workdir / "other").exists()
    blob.unlink()
    done = ask(paper, "show", "0", "--blob", workdir / "other", ok=(NO,))
    assert "blob-wrong" in done.stderr


def test_an_entry_without_a_blob(paper, workdir):
    done = ask(paper, "show", "3", "--blob", workdir / "b", ok=(NO,))
    assert "not-found" in done.stderr


@pytest.mark.parametrize("index, status, name", [
    ("99", NO, "not-found"), ("999999", NO, "not-found"),
    ("x", USAGE, "usage"), ("01", USAGE, "usage"), ("", USAGE, "usage")])
def test_an_index_that_is_none(paper, index, status, name):
    done = ask(paper, "show", index, ok=(status,))
    assert done.stdout == "" and f": {name}: " in done.stderr


def test_text_in_the_log_controls_no_terminal(workdir):
    """It is refused where it is read: there is no such entry."""
    paper = PaperLog()
    paper.genesis()
    paper.refusal(["line-1", "issue", "order-closed", 1, "\x1b[31mred"])
    paper.refusal(["line-1", "issue", "order-closed", 1, "a\u202eb"])
    paper.genesis(b"\x1b]0;title\x07")
    paper.vkey, paper.place = paper.write(workdir / "log"), workdir / "log"
    for index in (1, 2):
        done = ask(paper, "show", str(index), ok=(DATA,))
        assert "entry-malformed" in done.stderr and done.stdout == ""
        assert "\x1b" not in done.stderr and "\u202e" not in done.stderr
    assert "unreadable" in show(paper, 3)["body"]["text"]
    people = ask(paper, "show", "3", text=False).stdout
    assert not [c for c in people if c < 32 and c not in b"\n\t"]
    done = ask(paper, "list", ok=(DATA, NO))
    assert "entry 1: " in done.stderr and done.stdout == ""


# ----------------------------------------------------------------------- list

def test_a_row_for_every_matter(paper):
    found = rows(paper)
    assert {row["kind"] for row in found} == KINDS_WITH_ROWS
    assert all(list(row) == HEAD for row in found)
    assert [row["index"] for row in found] == sorted(
        row["index"] for row in found)


def test_the_help_has_every_kind():
    said = re.search(r"Kinds:\s([^;]*);", mintmark("log", "list",
                                                  "--help").stdout)
    assert set(re.findall(r"\w+", said[1])) == KINDS_WITH_ROWS


def test_states(paper):
    found = {row["what"]: row for row in rows(paper)
             if row["kind"] != "scrap"}
    assert found["lamp-1"]["state"] == "revoked"
    assert found["lamp-1"]["reason"] == "keyCompromise"
    assert found["lamp-1"]["order"] == "order-1"
    assert found["lamp-2"]["state"] == "void"
    assert found["lamp-2"]["reason"] == "order-closed"
    assert found["lamp-3"]["state"] == "refused"
    assert (found["lamp-3"]["reason"], found["lamp-3"]["count"]) == (
        "order-exhausted", 3)
    assert found["lamp 1.0"]["state"] == "signed"


def test_images_of_all_times(workdir):
    """Several signings of one version; before, somebody asked for each, and
    was refused by another word."""
    paper = PaperLog()
    paper.genesis()
    former = paper.former_image()
    again = [paper.image(), paper.image(signing="secure-boot-v2-rsa3072:boot")]
    paper.sign(former, *again)
    paper.refusal(["release-1", "release", "release-not-approved", 1, "lamp"])
    paper.vkey, paper.place = paper.write(workdir / "log"), workdir / "log"
    found = rows(paper, "--product", "lamp")
    assert [(row["what"], row["station"], row["state"]) for row in found] == [
        ("lamp 0.9", "release-1", "signed"), ("lamp 1.0", "", "signed"),
        ("lamp 1.0", "", "signed"), ("lamp", "release-1", "refused")]
    body = show(paper, again[1])["body"]
    assert body["scheme"] == "secure-boot-v2-rsa3072:boot"
    assert (body["chip"], body["project"], body["secure_version"]) == (
        "esp32c3", "lamp", 3)
    assert [one["scheme"] for one in body["statements"][0]["body"][
        "schemes"]] == ["sha256-ecdsa", "secure-boot-v2-rsa3072:boot"]


def test_the_last_word_on_a_serial_number_counts(workdir):
    paper = PaperLog()
    paper.genesis()
    for device, n in [("a", 11), ("b", 12), ("c", 13)]:
        paper.sign(paper.certificate(device, serial(n)))
    paper.certificate("d", serial(14))
    paper.revocation((serial(11), 6, None), (serial(12), 1, None))
    paper.revocation((serial(11), 8, None), (serial(12), 4, None))
    paper.vkey, paper.place = paper.write(workdir / "log"), workdir / "log"
    found = {row["what"]: (row["state"], row["reason"])
             for row in rows(paper, "--kind", "certificate")}
    assert found == {"a": ("signed", ""), "b": ("revoked", "superseded"),
                     "c": ("signed", ""), "d": ("unsigned", "")}


def test_what_is_replaced_is_superseded(workdir):
    """From the signature of the certificate in its place on."""
    paper = PaperLog()
    paper.genesis()
    first = paper.certificate("a", serial(11))
    paper.sign(first)
    second = paper.reissue("a", serial(12), first, serial(11))
    paper.vkey, paper.place = paper.write(workdir / "log"), workdir / "log"
    states = [row["state"] for row in rows(paper, "--device", "a")]
    assert states == ["signed", "unsigned"]
    paper.sign(second)
    paper.write(workdir / "log")
    found = rows(paper, "--device", "a")
    assert [(row["state"], row["reason"]) for row in found] == [
        ("revoked", "superseded"), ("signed", "")]


@pytest.mark.parametrize("words, wanted", [
    (["--device", "lamp-1"], ["lamp-1", "lamp-1"]),
    (["--device", "lamp-3"], ["lamp-3"]),
    (["--device", "lamp"], []),
    (["--serial", f"{serial(1):040x}", "--kind", "certificate"],
     ["lamp-1"]),
    (["--station", "release-1"], ["lamp"]),
    (["--serial", f"{serial(1):040x}", "--kind", "scrap"], ["lamp-1"]),
    (["--order", "order-1"],
     ["order-1", "lamp-1", "lamp-2", "lamp-4", "lamp-1"]),
    (["--kind", "partition"], ["lamp-4"]),
    (["--kind", "scrap", "--station", "line-1"], ["lamp-1"]),
    (["--order", "order-2"], []),
    (["--refused"], ["lamp-3", "lamp"]),
    (["--revoked"], ["lamp-1"]),
    (["--product", "lamp"], ["lamp 1.0", "lamp", "lamp 2.0"]),
    (["--product", "lam"], []),
    (["--kind", "image,start"], ["lamp 1.0", "1"]),
    (["--kind", "certificate", "--limit", "1"], ["lamp-1"]),
    (["--from", "5", "--kind", "certificate"], ["lamp-2"]),
    (["--to", "5", "--kind", "certificate"], ["lamp-1"]),
])
def test_filters(paper, words, wanted):
    assert [row["what"] for row in rows(paper, *words)] == wanted


def test_times(paper):
    """Both ends are included, whichever way a time is written."""
    last = len(paper.entries) - 1
    everything = indices(paper)
    assert indices(paper, "--since", str(START)) == everything
    assert indices(paper, "--until", str(START + last)) == everything
    assert indices(paper, "--since", "2023-11-14T22:13:23Z", "--until",
                   "2023-11-14T23:13:24+01:00") == [3, 4]
    assert indices(paper, "--since", str(START + last + 1)) == []
    assert indices(paper, "--until", str(START - 1)) == []


@pytest.mark.parametrize("time", [
    "yesterday", "2023-02-30T00:00:00Z", "2023-11-14", "2023-11-14T22:13:23",
    "2023-11-14T24:00:00Z", "-1", "+1", "01", "2023-11-14T22:13:23+1:00",
    "2023-11-14T22:13:23Zz", ""])
def test_what_is_no_time(paper, time):
    done = ask(paper, "list", "--since", time, ok=(USAGE,))
    assert "--since is a time" in done.stderr


@pytest.mark.parametrize("words", [
    ["--kind", "nonsense"], ["--kind", "signatures"], ["--kind", "order,"],
    ["--limit", "0"], ["--limit", "x"], ["--refused", "--revoked"],
    ["--csv", "--json"], ["--serial", "xyz"], ["--device", ""],
    ["--serial", "00" * 21], ["--from", "2", "--to", "1"],
    ["--since", "2", "--until", "1"]], ids=" ".join)
def test_a_filter_that_is_none(paper, words):
    done = ask(paper, "list", *words, ok=(USAGE,))
    assert done.stdout == ""


@pytest.mark.parametrize("words", [["list"], ["export", "--format", "csv"]],
                         ids=" ".join)
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_range_beyond_the_end(paper, workdir, words, option):
    """What is asked for by its number means the same everywhere."""
    out = ["--out", workdir / "x"] if words[0] == "export" else []
    end = len(paper.entries)
    ask(paper, *words, *out, option, str(end))
    done = ask(paper, *words, *out, "--force" if out else "--json", option,
               str(end + 1), ok=(NO,))
    assert "not-found" in done.stderr


def test_a_range_and_times_are_both_met(paper):
    assert indices(paper, "--from", "4", "--until", str(START + 5)) == [4, 5]
    assert indices(paper, "--since", str(START + 4), "--to", "6") == [4, 5]
    assert indices(paper, "--since", str(START + 6), "--to", "5") == []


def test_csv(paper):
    done = ask(paper, "list", "--csv", text=False)
    assert done.stdout.count(b"\r\n") == done.stdout.count(b"\n")
    table = list(csv.reader(io.StringIO(done.stdout.decode(), newline="")))
    assert table[0] == HEAD
    assert [dict(zip(HEAD, line)) for line in table[1:]] == [
        {k: str(v) for k, v in row.items()} for row in rows(paper)]


@pytest.mark.parametrize("hostile", [
    "=1+1", "+1", "-1", "@SUM(A1)", '=cmd|"/c calc"!A1', 'a,"b"'])
def test_csv_calculates_nothing(workdir, hostile):
    paper = PaperLog()
    paper.genesis()
    paper.refusal(["line-1", "issue", "order-closed", 1, hostile])
    paper.vkey, paper.place = paper.write(workdir / "log"), workdir / "log"
    text = ask(paper, "list", "--csv", "--refused").stdout
    cell = list(csv.reader(io.StringIO(text)))[1][3]
    assert cell == ("'" + hostile if hostile[0] in "=+-@" else hostile)
    assert rows(paper, "--refused")[0]["what"] == hostile


def test_orders_before_the_range_have_their_names(paper):
    after = first_of(paper, ORDER) + 1
    assert [row["order"] for row in rows(
        paper, "--from", str(after), "--kind", "certificate")] == [
        "order-1", "order-1"]


# -------------------------------------------------- what is not the log's

def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.fixture
def long_paper(workdir):
    """More than two tiles of entries."""
    log = PaperLog()
    log.genesis()
    order = log.order()
    for i in range(300):
        log.sign(log.certificate(f"lamp-{i}", serial(i + 1), basis=order))
    log.vkey, log.place = log.write(workdir / "log"), workdir / "log"
    return log


@pytest.mark.parametrize("file, at", [
    ("tile/entries/000", 5000), ("tile/entries/001", 40),
    ("tile/entries/002.p/90", -1)])
def test_an_altered_entry_gives_no_rows(long_paper, workdir, file, at):
    flip(long_paper.place / file, at)
    done = ask(long_paper, "list", ok=(NO, DATA))
    assert done.stdout == ""
    done = ask(long_paper, "export", "--format", "csv", "--out",
               workdir / "x", ok=(NO, DATA))
    assert not (workdir / "x").exists()
    assert not [p for p in workdir.iterdir() if p.name.startswith("x")]
    ask(long_paper, "export", "--to", workdir / "copy", ok=(NO, DATA))
    assert not (workdir / "copy/checkpoint").exists()


def test_entries_in_another_order_give_no_rows(long_paper, workdir):
    """The hashes are all right, one by one; their places are not."""
    path = long_paper.place / "tile/entries/001"
    entries = auditor.parse_bundle(path.read_bytes())
    entries[7], entries[9] = entries[9], entries[7]
    path.write_bytes(b"".join(len(e).to_bytes(2, "big") + e
                              for e in entries))
    more = ["export", "--format", "csv", "--out", workdir / "x"]
    for words in (["list"], ["list", "--from", "260"], more,
                  [*more, "--to", "300"],
                  [*more, "--from", "260", "--to", "300"]):
        done = ask(long_paper, *words, ok=(NO,))
        assert "log-inconsistent" in done.stderr and done.stdout == ""
        assert not (workdir / "x").exists()
    ask(long_paper, *more, "--from", "300")


def test_a_range_is_held_against_the_checkpoint_at_both_ends(long_paper):
    """A part of the log, whose tiles elsewhere are none of its business."""
    good = indices(long_paper, "--from", "300", "--kind", "certificate")
    assert len(good) == 151
    flip(long_paper.place / "tile/entries/000", 30000)
    assert indices(long_paper, "--from", "300", "--kind",
                   "certificate") == good
    flip(long_paper.place / "tile/0/001", 40 * 32)
    done = ask(long_paper, "list", "--from", "300", ok=(NO,))
    assert "proof-wrong" in done.stderr


def test_show_proves_its_entry(long_paper):
    ask(long_paper, "show", "400")
    flip(long_paper.place / "tile/0/001", (401 - 256) * 32)
    done = ask(long_paper, "show", "400", ok=(NO,))
    assert "proof-wrong" in done.stderr and done.stdout == ""


def test_a_checkpoint_of_another_log(long_paper, workdir):
    stranger = PaperLog(long_paper.origin).all_kinds()
    stranger.vkey = stranger.write(workdir / "other")
    done = mintmark("log", "list", "--key", stranger.vkey, long_paper.place,
                    ok=(NO,))
    assert "note-" in done.stderr


@pytest.mark.parametrize("spoil, name", [
    (lambda b: b.replace(b"\n", b"\r\n"), ("note-", "checkpoint-")),
    (lambda b: b[:len(b) // 2], ("note-", "checkpoint-")),
    (lambda b: b"", ("note-", "file", "checkpoint-"))])
def test_a_checkpoint_that_is_none(paper, spoil, name):
    path = paper.place / "checkpoint"
    path.write_bytes(spoil(path.read_bytes()))
    for words in (["status"], ["list"], ["show", "0"]):
        done = ask(paper, *words, ok=(NO, DATA))
        assert any(n in done.stderr for n in name), done.stderr


@pytest.mark.parametrize("words", [
    ["status"], ["list"], ["show", "0"],
    ["export", "--format", "csv", "--out", "x"], ["export", "--to", "x"]],
    ids=" ".join)
def test_either_an_appliance_or_a_directory(paper, mint, words):
    identity = ["--identity", mint.identity("auditor")]
    for more in ([], [paper.place], ["--key", paper.vkey],
                 [*identity, paper.place],
                 [*identity, "--key", paper.vkey, paper.place]):
        mintmark("log", *words, *more, ok=(USAGE,))


# --------------------------------------------------------------------- export

def export(log, out, *words, **expect):
    return ask(log, "export", "--format", "csv", "--out", out, *words,
               **expect)


def test_an_export_is_as_of_its_end(paper, workdir):
    """The revocation is not known yet where the range ends before it."""
    said = json.loads(export(paper, workdir / "all", "--json").stdout)
    assert said["rows"] == 6 and not said["recorded"]
    assert said["sha256"] == auditor.sha256(
        (workdir / "all").read_bytes()).hex()
    assert "lamp-1,device" in (workdir / "all").read_text()
    assert ",revoked,keyCompromise," in (workdir / "all").read_text()
    export(paper, workdir / "part", "--to", str(first_of(paper, REVOCATION)))
    assert ",revoked," not in (workdir / "part").read_text()


def test_an_export_is_the_same_at_any_time(paper, workdir):
    size = len(paper.entries)
    export(paper, workdir / "before", "--to", str(size))
    for i in range(300):
        paper.sign(paper.certificate(f"more-{i}", serial(i + 7)))
    paper.write(paper.place)
    export(paper, workdir / "after", "--to", str(size))
    assert (workdir / "before").read_bytes() == (
        workdir / "after").read_bytes()


@pytest.mark.parametrize("words, status", [
    (["--format", "xml", "--out", "x"], USAGE), (["--format", "csv"], USAGE),
    (["--out", "x"], USAGE), ([], USAGE),
    (["--format", "csv", "--out", "-"], USAGE),
    (["--format", "csv", "--out", "x", "--from", "3", "--to", "2"], USAGE),
    (["--format", "csv", "--out", "x", "--to", "99"], NO),
    (["--format", "csv", "--out", "no/where/x"], DATA),
    (["--to", "x", "--kind", "order"], USAGE)], ids=str)
def test_an_export_that_is_none(paper, workdir, words, status):
    ask(paper, "export", *words, ok=(status,), cwd=workdir)
    assert not (workdir / "x").exists()


def test_an_export_and_its_receipt_speak_alike(paper, workdir):
    """The same thing has one name in all that --json prints."""
    said = json.loads(export(paper, workdir / "x", "--json").stdout)
    assert said["export_size"] == (workdir / "x").stat().st_size
    assert "size" not in said


def test_an_export_overwrites_nothing(paper, workdir):
    (workdir / "x").write_text("mine")
    export(paper, workdir / "x", ok=(USAGE,))
    assert (workdir / "x").read_text() == "mine"
    export(paper, workdir / "x", "--force")
    assert (workdir / "x").read_text().startswith("index,")


# --------------------------------------------------------------------- backup

def files(place):
    return {str(p.relative_to(place)): p.read_bytes()
            for p in place.rglob("*") if p.is_file()}


def widest(place):
    """Without the partial tiles that wider ones have taken the place of."""
    size = int((place / "checkpoint").read_text().splitlines()[1])
    wanted = set(auditor.expected_tiles([b""] * size)) | {"checkpoint"}
    return {k: v for k, v in files(place).items()
            if k in wanted or k.startswith("blob/")}


@pytest.mark.parametrize("older", [0, 1, 255, 256, 257, 512, 600, 602])
def test_a_backup_grows(workdir, older):
    log = PaperLog()
    log.genesis(b"#" * 40000)
    order = log.order()
    for i in range(299):
        log.sign(log.certificate(f"lamp-{i}", serial(i + 1), basis=order))
    log.policy(b"%" * 30000)
    log.start()
    assert len(log.entries) == 602
    if older > 0:
        log.vkey, log.place = (log.write(workdir / "then", older),
                               workdir / "then")
        ask(log, "export", "--to", workdir / "copy")
        assert widest(workdir / "copy") == widest(workdir / "then")
    log.vkey, log.place = log.write(workdir / "now"), workdir / "now"
    said = json.loads(ask(log, "export", "--to", workdir / "copy",
                          "--json").stdout)
    assert (said["before"], said["size"]) == (older, 602)
    assert widest(workdir / "copy") == widest(workdir / "now")
    before = files(workdir / "copy")
    ask(log, "export", "--to", workdir / "copy")
    assert files(workdir / "copy") == before


def test_a_backup_does_not_go_back(long_paper, workdir):
    ask(long_paper, "export", "--to", workdir / "copy")
    before = files(workdir / "copy")
    long_paper.write(workdir / "old", 300)
    long_paper.place = workdir / "old"
    done = ask(long_paper, "export", "--to", workdir / "copy", ok=(NO,))
    assert "checkpoint-older" in done.stderr
    assert files(workdir / "copy") == before


@pytest.mark.parametrize("size", [300, 301])
def test_a_backup_follows_no_fork(long_paper, workdir, size):
    long_paper.write(workdir / "old", 300)
    long_paper.place = workdir / "old"
    ask(long_paper, "export", "--to", workdir / "copy")
    before = files(workdir / "copy")
    long_paper.entries[299] = long_paper.entries[1]
    long_paper.write(workdir / "fork", size)
    long_paper.place = workdir / "fork"
    done = ask(long_paper, "export", "--to", workdir / "copy", ok=(NO,))
    assert "log-forked" in done.stderr
    assert files(workdir / "copy") == before


def test_a_backup_of_another_log(long_paper, workdir):
    other = PaperLog("other.example/log").all_kinds()
    other.vkey, other.place = other.write(workdir / "o"), workdir / "o"
    ask(other, "export", "--to", workdir / "copy")
    done = ask(long_paper, "export", "--to", workdir / "copy", ok=(NO,))
    assert "note-" in done.stderr or "checkpoint-" in done.stderr


def test_a_backup_goes_where_nothing_else_is(long_paper, workdir):
    (workdir / "home").mkdir()
    (workdir / "home/thesis").write_text("mine")
    done = ask(long_paper, "export", "--to", workdir / "home", ok=(NO,))
    assert "file-unexpected" in done.stderr
    assert files(workdir / "home") == {"thesis": b"mine"}


@pytest.mark.parametrize("file, name", [
    ("tile/0/001", "tile-wrong"), ("tile/1/000.p/2", "tile-wrong")])
def test_a_backup_on_damaged_tiles(long_paper, workdir, file, name):
    ask(long_paper, "export", "--to", workdir / "copy")
    flip(workdir / "copy" / file, 5)
    long_paper.start()
    long_paper.write(long_paper.place)
    done = ask(long_paper, "export", "--to", workdir / "copy",
               ok=(YES, NO))
    if done.returncode == YES:  # a full tile that is not read again
        assert file == "tile/0/001"
    else:
        assert name in done.stderr


def test_a_backup_goes_on_after_a_kill(long_paper, workdir):
    """Cut short after each file of it: what is there is used, and checked."""
    ask(long_paper, "export", "--to", workdir / "whole")
    whole = files(workdir / "whole")
    for left in ("tile/entries/000", "tile/0/000", "tile/0/001"):
        copy = workdir / ("cut-" + left.replace("/", "-"))
        for path in sorted(whole):
            if path <= left:
                place = copy / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(whole[path])
        (copy / "checkpoint").unlink(missing_ok=True)
        (copy / ".new").write_bytes(b"half")
        ask(long_paper, "export", "--to", copy)
        assert widest(copy) == whole


def test_a_backup_believes_no_leftovers(long_paper, workdir):
    bundle = workdir / "copy/tile/entries/000"
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(
        (long_paper.place / "tile/entries/000").read_bytes())
    flip(bundle, 5000)
    done = ask(long_paper, "export", "--to", workdir / "copy",
               ok=(DATA, NO))
    assert "bundle-malformed" in done.stderr
    assert "interrupted" in done.stderr
    assert not (workdir / "copy/checkpoint").exists()


def test_a_backup_killed_at_any_write(long_paper, workdir):
    """strace kills it at its nth fsync: the next one finishes the work."""
    ask(long_paper, "export", "--to", workdir / "whole")
    whole = files(workdir / "whole")
    for nth in (1, 5, 9, 14):
        copy = workdir / f"copy-{nth}"
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e",
             f"inject=fsync:signal=SIGKILL:when={nth}", str(MINTMARK), "log",
             "export", "--key", str(long_paper.vkey), str(long_paper.place),
             "--to", str(copy)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False)
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        assert not (copy / "checkpoint").exists()
        ask(long_paper, "export", "--to", copy)
        assert widest(copy) == whole


# ------------------------------------------------------------------- terminal

def on_a_terminal(*words):
    """What a command writes to a terminal that is its stderr."""
    master, slave = pty.openpty()
    with subprocess.Popen([str(MINTMARK), *map(str, words)], stderr=slave,
                          stdout=subprocess.DEVNULL) as process:
        os.close(slave)
        said = b""
        try:
            while chunk := os.read(master, 65536):
                said += chunk
        except OSError:  # its end, as a pty has it
            pass
        os.close(master)
        assert process.wait() == 0
    return said


def test_progress_is_gone_at_the_end(long_paper):
    said = on_a_terminal("log", "list", "--key", long_paper.vkey,
                         long_paper.place)
    assert said == b"" or said.endswith(b"\r\x1b[K")



# --------------------------------------------------------------------- online

@pytest.fixture
def filled(mint):
    order = mint.new_order(name=fresh("batch"))
    with mint.client() as client:
        for _ in range(3):
            client.issue(order, fresh("lamp"), new_csr())
    mint.batch = order
    return mint


def online(mint, *words, who="auditor", **expect):
    return mintmark("log", *words, "--identity", mint.identity(who),
                    **expect)


def test_status_online(filled):
    said = json.loads(online(filled, "status", "--json").stdout)
    assert said["log"] == filled.origin and said["role"] == "auditor"
    assert said["size"] > 0 and said["time"].endswith("Z")
    said = json.loads(online(filled, "status", "--json",
                             who="station").stdout)
    assert said["role"] == "station" and "time" not in said


def test_list_online(filled):
    found = [json.loads(line) for line in online(
        filled, "list", "--order", filled.batch, "--kind", "certificate",
        "--json").stdout.splitlines()]
    assert [row["state"] for row in found] == ["signed"] * 3
    assert {row["station"] for row in found} == {"station"}


def test_a_station_may_not_list(filled):
    done = online(filled, "list", who="station", ok=(77,))
    assert "role-not-allowed" in done.stderr


def test_show_online(filled):
    said = json.loads(online(filled, "show", "0", "--json").stdout)
    assert said["kind"] == "genesis"
    assert said["body"]["origin"] == filled.origin


def test_an_export_goes_on_record(filled, workdir):
    said = json.loads(online(filled, "export", "--format", "csv", "--out",
                             workdir / "x.csv", "--order", filled.batch,
                             "--json").stdout)
    assert said["recorded"] and said["rows"] == 3
    entry = filled.entries()[said["index"]]
    assert entry[0] == 13
    assert entry[3][3] == f"--order {filled.batch}"
    assert entry[3][4] == auditor.sha256((workdir / "x.csv").read_bytes())
    receipt = auditor.Receipt((workdir / "x.csv.receipt").read_bytes(),
                              filled.vkey)
    assert receipt.index == said["index"]
    mintmark("receipt", "verify", "--key", filled.dir / "public/log.vkey",
             workdir / "x.csv.receipt", workdir / "x.csv")
    flip(workdir / "x.csv", 100)
    mintmark("receipt", "verify", "--key", filled.dir / "public/log.vkey",
             workdir / "x.csv.receipt", workdir / "x.csv", ok=(NO,))


def test_no_record(filled, workdir):
    before = filled.count(13)
    said = json.loads(online(filled, "export", "--format", "json", "--out",
                             workdir / "x", "--no-record", "--json").stdout)
    assert not said["recorded"] and filled.count(13) == before
    assert not (workdir / "x.receipt").exists()


@pytest.mark.parametrize("form", ["csv", "json"])
def test_online_and_offline_are_the_same(filled, workdir, form):
    said = json.loads(online(filled, "export", "--format", form, "--out",
                             workdir / "online", "--json").stdout)
    backup = json.loads(online(filled, "export", "--to", workdir / "log",
                               "--json").stdout)
    assert backup["size"] > said["to"]
    mintmark("log", "export", "--key", filled.dir / "public/log.vkey",
             workdir / "log", "--format", form, "--out", workdir / "offline",
             "--to", said["to"])
    assert (workdir / "online").read_bytes() == (
        workdir / "offline").read_bytes()
    auditor.audit_directory(workdir / "log", filled.vkey)
    filled.stop()
    shutil.copytree(filled.dir / "log", workdir / "tiles")
    filled.start()
    mintmark("log", "export", "--key", filled.dir / "public/log.vkey",
             workdir / "tiles", "--to", workdir / "log")


def test_a_backup_of_an_appliance_grows(filled, workdir):
    online(filled, "export", "--to", workdir / "log")
    order = filled.new_order()
    with filled.client() as client:
        asked = [client.send("issue", {0: order, 1: "device",
                                       2: fresh("lamp"), 3: new_csr()})
                 for _ in range(280)]
        for request in asked:
            client.answer_to(request)
    said = json.loads(online(filled, "export", "--to", workdir / "log",
                             "--json").stdout)
    assert said["size"] - said["before"] > 280
    auditor.audit_directory(workdir / "log", filled.vkey)


# ------------------------------------------------------ an appliance that lies

@pytest.fixture
def liar(workdir):
    """It does not lie yet."""
    log = PaperLog()
    log.genesis(b"# a long policy\n" * 8000)
    order = log.order()
    for i in range(200):
        log.sign(log.certificate(f"lamp-{i}", serial(i + 1), basis=order))
    with PaperAppliance(log, workdir / "liar") as appliance:
        appliance.order = order
        yield appliance


def of(liar, *words, **expect):
    return mintmark("log", *words, "--identity", liar.place, **expect)


def bundle_of(liar, workdir, **expect):
    """The bundle of the genesis, by a receipt of before."""
    (workdir / "receipt").write_bytes(liar.receipt(0, size=9))
    return mintmark("receipt", "verify", "--key", liar.place / "log.vkey",
                    "--statements", workdir / "bundle", "--identity",
                    liar.place, workdir / "receipt", ok=(NO,), **expect)


def test_receipts_against_another_checkpoint_than_asked_for(liar, workdir):
    # A paper log's ceremony is no real one: so far, and no further.
    assert ": log-inconsistent: " in bundle_of(liar, workdir).stderr
    other = copy.copy(liar.log)
    other.entries = [*liar.log.entries[:8], liar.log.entries[9]]
    for lie in (lambda body: liar.receipt(body[0]),
                lambda body: liar.receipt(body[0], other)):
        liar.answers[10] = lambda body, lie=lie: (
            {0: lie(body)} if 2 in body else liar.prove(body))
        done = bundle_of(liar, workdir)
        assert ": log-forked: " in done.stderr
        assert "against another checkpoint" in done.stderr
    assert not (workdir / "bundle").exists()


def test_a_paper_appliance_is_believed(liar, workdir):
    assert len(of(liar, "list", "--json").stdout.splitlines()) == 202
    assert len(of(liar, "list", "--json", "--from",
                  "302").stdout.splitlines()) == 50
    of(liar, "show", "0", "--blob", workdir / "blob")
    of(liar, "export", "--to", workdir / "copy")
    liar.log.write(workdir / "real")
    assert files(workdir / "copy") == files(workdir / "real")
    said = json.loads(of(liar, "export", "--format", "csv", "--out",
                         workdir / "x", "--json").stdout)
    assert said["recorded"]


def grow_with(liar, *kinds):
    """An entry more after each such answer."""
    def grown(answer):
        def then(body):
            said = answer(body)
            device = fresh("more")
            liar.log.sign(liar.log.certificate(
                device, serial(len(liar.log.entries)), basis=liar.order))
            return said
        return then

    for kind in kinds:
        liar.answers[kind] = grown(liar.answers[kind])


def test_a_log_that_grows_with_every_answer(liar, workdir):
    """No two answers about the newest checkpoint are of one."""
    grow_with(liar, 9, 10, 11)
    assert len(of(liar, "list", "--json").stdout.splitlines()) == 202
    of(liar, "list", "--from", "302")
    of(liar, "list", "--from", "250", "--to", "260")
    of(liar, "show", "150")
    of(liar, "prove", "150", "--out", workdir / "receipt")
    of(liar, "verify", "--tree")
    of(liar, "export", "--format", "csv", "--out", workdir / "x")
    of(liar, "export", "--to", workdir / "copy")
    said = json.loads(of(liar, "export", "--to", workdir / "copy",
                         "--json").stdout)
    assert said["size"] > said["before"] > 402
    liar.log.write(workdir / "real", said["size"])
    assert (workdir / "copy/checkpoint").read_bytes() == (
        workdir / "real/checkpoint").read_bytes()


def test_a_checkpoint_that_is_not_to_be_had_again(liar):
    """The newest one serves, and what leads to it."""
    prove = liar.prove
    asked = []

    def without(body):
        if 2 in body:
            asked.append(body[2])
            raise KeyError("not kept")
        return prove(body)

    liar.answers[10] = without
    honest = liar.answers[11]
    grow_with(liar, 11)
    grows, liar.answers[11] = liar.answers[11], honest

    def grow_once(body):
        liar.answers[11] = honest
        return grows(body)

    words = ["list", "--json", "--from", "302", "--to", "310"]
    found = of(liar, *words).stdout
    asked.clear()
    liar.answers[11] = grow_once
    assert of(liar, *words).stdout == found != "" and asked
    # One that grows all the time cannot be read so.
    liar.answers[11] = grows
    done = of(liar, *words, ok=(75,))
    assert "grows too fast" in done.stderr


def test_proofs_of_another_history(liar, workdir):
    """Of the size that was asked for, or of the newest."""
    other = copy.copy(liar.log)
    other.entries = [*liar.log.entries[:8], liar.log.entries[9],
                     *liar.log.entries[9:]]
    size = len(other.entries)
    for size, name in ((size, "log-forked"), (size - 1, "proof-wrong")):
        liar.answers[10] = lambda body, size=size: {
            0: liar.receipt(body[0], other, size)}
        for words in (["list", "--from", "250"], ["show", "250"],
                      ["prove", "250", "--out", workdir / "receipt"]):
            assert f": {name}: " in of(liar, *words, ok=(NO,)).stderr


def test_lists_and_exports_of_an_appliance_that_issues(filled, workdir):
    order = filled.new_order()
    enough = threading.Event()

    def issue():
        with filled.client() as client:
            while not enough.is_set():
                client.issue(order, fresh("lamp"), new_csr())

    threads = [threading.Thread(target=issue) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(6):
            online(filled, "list", "--from", 5)
            online(filled, "list", "--order", order, "--json")
            online(filled, "export", "--format", "csv", "--out",
                   workdir / f"{turn}")
            online(filled, "export", "--to", workdir / "log")
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def test_an_altered_entry_online(liar, workdir):
    honest = liar.entries

    def entries(body):
        answer = honest(body)
        answer[1] = [e.replace(b"lamp-150", b"lamp-666") for e in answer[1]]
        return answer

    liar.answers[9] = entries
    for words in (["list"], ["list", "--from", "250"],
                  ["export", "--format", "csv", "--out", workdir / "x"],
                  ["export", "--to", workdir / "copy"]):
        done = of(liar, *words, ok=(NO,))
        assert "log-inconsistent" in done.stderr and done.stdout == ""
    assert not (workdir / "x").exists()
    assert not (workdir / "copy/checkpoint").exists()
    assert not liar.log.entries[-1].startswith(b"\xa4\x00\x0d")


@pytest.mark.parametrize("lie", [
    lambda body: {0: body[0] + 1, 1: [b"\x00"]},
    lambda body: {0: body[0], 1: []}])
def test_a_page_of_something_else(liar, lie):
    liar.answers[9] = lie
    done = of(liar, "list", ok=(NO,))
    assert "log-inconsistent" in done.stderr


def test_a_receipt_of_another_entry(liar):
    liar.answers[10] = lambda body: {0: liar.receipt(body[0] + 1)}
    done = of(liar, "show", "5", ok=(NO, DATA))
    assert "receipt-malformed" in done.stderr and done.stdout == ""


def another_history(log):
    """The same key signs another log of the same origin."""
    other = PaperLog(log.origin)
    other.key, other.raw, other.id = log.key, log.raw, log.id
    other.entries = [*log.entries[:300], *log.entries[3:103]]
    return other


@pytest.mark.parametrize("size", [400, 402])
def test_a_receipt_of_another_history(liar, size):
    """Signed by the log's key and sound in itself, and still not believed."""
    other = another_history(liar.log)
    other.entries += [liar.log.entries[9]] * (size - len(other.entries))
    liar.answers[10] = lambda body: {0: liar.receipt(body[0], other)}
    done = of(liar, "show", "5", ok=(NO,))
    assert ("log-forked" if size == len(liar.log.entries) else
            "proof-wrong") in done.stderr
    assert done.stdout == ""


def test_a_receipt_of_an_older_checkpoint(liar):
    """A prefix is as good: the appliance may have grown meanwhile."""
    older = PaperLog(liar.log.origin)
    older.key, older.raw, older.id = liar.log.key, liar.log.raw, liar.log.id
    older.entries = liar.log.entries[:77]
    liar.answers[10] = lambda body: {0: liar.receipt(body[0], older)}
    of(liar, "show", "5")


def test_a_blob_that_is_another(liar, workdir):
    honest = liar.blob
    liar.answers[14] = lambda body: {0: honest(body)[0], 1: bytes(
        len(honest(body)[1]))}
    done = of(liar, "show", "0", "--blob", workdir / "b", ok=(NO,))
    assert "blob-wrong" in done.stderr and not (workdir / "b").exists()
    liar.answers[14] = lambda body: {0: 7, 1: b"another"}
    done = of(liar, "show", "0", "--blob", workdir / "b", ok=(NO,))
    assert "blob-wrong" in done.stderr


def test_another_export_on_record(liar, workdir):
    honest = liar.export
    liar.answers[13] = lambda body: honest(body | {4: bytes(31) + b"\x01"})
    done = of(liar, "export", "--format", "csv", "--out", workdir / "x",
              ok=(NO,))
    assert "receipt-mismatch" in done.stderr
    assert not (workdir / "x").exists()
    assert not (workdir / "x.receipt").exists()
