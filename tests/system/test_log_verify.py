"""
mintmark log verify, as an auditor types it: online and on a directory, with a
checkpoint kept from an earlier time, over copies that somebody changed.
"""
import json
import os
import random
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

from logmaker import Cosigner
from mint import mintmark, new_csr

NO, USAGE, DATA = 1, 64, 65


def key(mint):
    return ("--key", mint.dir / "public/log.vkey")


def verify(*words, ok=(0,)):
    return mintmark("log", "verify", *words, "--json", ok=ok)


def said(*words):
    return json.loads(verify(*words).stdout)


@pytest.fixture
def copy(mint, station, order, device, workdir):
    """A directory of the log at rest, in which something was issued."""
    station.issue(order, device, new_csr())
    mint.stop()
    try:
        shutil.copytree(mint.dir / "log", workdir / "log")
    finally:
        mint.start()
    return workdir / "log"


def files_of(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


# ------------------------------------------------------------------ what is good

def test_both_ways_say_the_same(mint, copy):
    offline = said(*key(mint), copy)
    online = said("--identity", mint.identity("auditor"))
    assert offline["log"] == online["log"] == mint.origin
    assert offline["size"] <= online["size"]
    assert offline["devices"] >= 1 and offline["unsigned"] == 0
    assert offline["files"] == len(files_of(copy))
    assert offline["bytes"] == sum(p.stat().st_size for p in files_of(copy))
    assert offline["first"] <= offline["last"] <= online["last"]


@pytest.mark.parametrize("jobs", ["1", "2", "5"])
def test_any_number_of_jobs(mint, copy, jobs):
    assert said(*key(mint), copy, "--jobs", jobs)["devices"] >= 1


def test_the_tree_alone(mint, copy):
    found = said(*key(mint), copy, "--tree")
    assert found["size"] > 0 and "certificates" not in found


def test_a_checkpoint_is_kept_and_gone_through(mint, copy, workdir):
    kept = workdir / "kept"
    first = said(*key(mint), copy, "--save", kept)
    assert kept.read_bytes() == (copy / "checkpoint").read_bytes()
    for source in [(*key(mint), copy), ("--identity", mint.identity("auditor"))]:
        assert said(*source, "--checkpoint", kept)["since"] == first["size"]


def test_what_is_kept_is_not_overwritten(mint, copy, workdir):
    kept = workdir / "kept"
    kept.write_text("mine")
    verify(*key(mint), copy, "--save", kept, ok=(USAGE,))
    verify(*key(mint), copy, "--save", "-", ok=(USAGE,))
    assert kept.read_text() == "mine"
    verify(*key(mint), copy, "--save", kept, "--force")
    assert kept.read_bytes() == (copy / "checkpoint").read_bytes()


# --------------------------------------------------------------------- witnesses

@pytest.fixture
def witnesses(workdir):
    out = []
    for i in range(3):
        key = Ed25519PrivateKey.from_private_bytes(bytes([i + 1] * 32))
        out.append(Cosigner(f"w{i}.example/witness", key))
        (workdir / f"w{i}").write_text(out[i].vkey + "\n")
    return out


def named(workdir, *numbers):
    return [w for i in numbers for w in ("--witness", workdir / f"w{i}")]


def refused(name, *words, ok=(NO,)):
    answer = verify(*words, ok=ok).stderr
    assert f": {name}: " in answer, answer
    return answer


def cosign(copy, *lines):
    (copy / "cosigned").write_bytes(
        (copy / "checkpoint").read_bytes() + b"".join(lines))


def test_witnesses_of_a_directory_are_counted(mint, copy, workdir, witnesses):
    note = (copy / "checkpoint").read_bytes()
    where = (*key(mint), copy)
    cosign(copy, witnesses[0].line(note, 1700000000),
           witnesses[1].line(note, 1700000001))
    found = said(*where, *named(workdir, 0, 1))
    assert found["quorum"] == 2 and found["cosigned"] == found["size"]
    assert found["witnesses"] == [
        {"name": "w0.example/witness", "time": "2023-11-14T22:13:20Z"},
        {"name": "w1.example/witness", "time": "2023-11-14T22:13:21Z"}]
    found = said(*where, *named(workdir, 0, 1, 2), "--quorum", 2, "--tree")
    assert found["quorum"] == len(found["witnesses"]) == 2
    answer = refused("quorum-missing", *where, *named(workdir, 0, 1, 2))
    assert "2 of the 3" in answer and "3 must" in answer
    refused("quorum-missing", *where, *named(workdir, 2))
    assert "quorum" not in said(*where)


def test_a_cosignature_that_is_wrong(mint, copy, workdir, witnesses):
    note = (copy / "checkpoint").read_bytes()
    other = note.replace(mint.origin.encode(), b"other.example")
    where = (*key(mint), copy)
    cosign(copy, witnesses[0].line(other), witnesses[1].line(note))
    refused("cosignature-wrong", *where, *named(workdir, 0, 1))
    refused("cosignature-wrong", *where, *named(workdir, 0, 1),
            "--quorum", 1)
    said(*where, *named(workdir, 1))  # nobody asked about the other


def test_nothing_is_cosigned(mint, copy, workdir, witnesses):
    (copy / "cosigned").unlink(missing_ok=True)
    for where in [(*key(mint), copy),
                  ("--identity", mint.identity("auditor"))]:
        answer = refused("quorum-missing", *where, *named(workdir, 0))
        assert "no witness has cosigned" in answer


def test_cosigned_is_of_another_log(mint, copy, workdir, witnesses):
    """A quorum of something else is none."""
    note = (copy / "checkpoint").read_bytes()
    other = note.replace(mint.origin.encode(), b"other.example")
    (copy / "cosigned").write_bytes(other + witnesses[0].line(other))
    verify(*key(mint), copy, *named(workdir, 0), ok=(NO, DATA))


@pytest.mark.parametrize("words", [
    ["--quorum", "1"], ["0", "--quorum", "2"], ["0", "0"]])
def test_quorums_that_cannot_be(mint, copy, workdir, witnesses, words):
    names = [int(w) for w in words if w == "0"]
    rest = [w for w in words if w != "0"]
    refused("usage", *key(mint), copy, *named(workdir, *names), *rest,
            ok=(USAGE,))


# ------------------------------------------------------------------- what is not

def test_a_shorter_log_than_before(mint, copy, workdir):
    """Rolled back: what is there is sound, and there was more."""
    kept = workdir / "kept"
    said("--identity", mint.identity("auditor"), "--save", kept)
    mint.stop()
    mint.start()
    mint.client("auditor").close()
    said("--identity", mint.identity("auditor"), "--save", kept, "--force")
    refused = verify(*key(mint), copy, "--checkpoint", kept, ok=(NO,))
    assert "checkpoint-older" in refused.stderr


def test_a_checkpoint_of_another_log(mint, copy, workdir):
    kept = workdir / "kept"
    note = (copy / "checkpoint").read_text()
    kept.write_text(note.replace(mint.origin, "other.example"))
    verify(*key(mint), copy, "--checkpoint", kept, ok=(NO, DATA))


def test_nothing_is_kept_of_a_bad_log(mint, copy, workdir):
    bundle = next(p for p in files_of(copy) if "entries" in str(p))
    bundle.write_bytes(bundle.read_bytes()[:-1])
    verify(*key(mint), copy, "--save", workdir / "kept", ok=(NO, DATA))
    assert not (workdir / "kept").exists()


def test_copies_that_somebody_changed(mint, copy):
    """Bits, lengths and places: no change of a file goes by, and the answer
    names a file of the log or an entry."""
    dice = random.Random(7)
    files = files_of(copy)
    for turn in range(120):
        path = dice.choice(files)
        good = path.read_bytes()
        bad = bytearray(good)
        change = turn % 4
        if change == 0:
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        elif change == 1:
            del bad[dice.randrange(len(bad)):]
        elif change == 2:
            at = dice.randrange(len(bad))
            bad[at:at] = dice.randbytes(1 + dice.randrange(8))
        else:
            other = dice.choice([f for f in files if f != path])
            bad = bytearray(other.read_bytes())
        path.write_bytes(bad)
        answer = verify(*key(mint), copy, ok=(NO, DATA))
        if path.name != "checkpoint":
            assert "tile/" in answer.stderr or "blob/" in answer.stderr \
                or "entry" in answer.stderr, answer.stderr
        path.write_bytes(good)
    verify(*key(mint), copy)


def test_files_that_are_missing(mint, copy):
    size = said(*key(mint), copy)["size"]
    for path in files_of(copy):
        # What a later width has superseded may go.
        if path.parent.suffix == ".p" and path.name != str(size):
            continue
        good = path.read_bytes()
        path.unlink()
        answer = verify(*key(mint), copy, ok=(NO, DATA))
        assert str(path.relative_to(copy))[:20] in answer.stderr
        path.write_bytes(good)


def test_files_that_do_not_belong(mint, copy):
    (copy / "tile/0/readme").write_text("hello")
    answer = verify(*key(mint), copy, ok=(NO,))
    assert "file-unexpected" in answer.stderr
    assert "tile/0/readme" in answer.stderr


def test_a_pipe_does_not_hold_it_up(mint, copy):
    (copy / "checkpoint").unlink()
    os.mkfifo(copy / "checkpoint")
    verify(*key(mint), copy, ok=(NO,))


def test_work_in_a_directory_that_is_not_there(mint, copy, workdir):
    """A small log needs none; that it is asked for is no fault."""
    verify(*key(mint), copy, "--work", workdir / "nowhere")


@pytest.mark.parametrize("words", [
    ["--jobs", "0"], ["--jobs", "65"], ["--jobs", "x"]])
def test_wrong_words(mint, copy, words):
    verify(*key(mint), copy, *words, ok=(USAGE,))
