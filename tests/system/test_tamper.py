"""Copies of a log that somebody has worked on: each is refused by `log
verify`, by name, and so is each receipt. MINTMARK_FAULTS=1 makes it thousands
of copies."""

import os
import random
import re
import shutil
import struct

import pytest

import auditor
import mintmark_client as mm
from mint import MINTMARK, Mint, fresh, new_csr, run

COPIES = 4000 if os.environ.get("MINTMARK_FAULTS") else 160
SEED = int(os.environ.get("MINTMARK_SEED", "0")) or random.randrange(1 << 30)
DEVICES = 270  # more than a bundle, so that there are full tiles
# What a tampered file may be called; anything else is a fault of its own.
NAMES = ("tile-wrong", "bundle-malformed", "entry-malformed",
         "log-inconsistent", "log-forked", "checkpoint-malformed",
         "checkpoint-other-log", "note-malformed", "note-unknown-key",
         "note-bad-signature", "blob-wrong", "file-unexpected", "file")


def fill(mint, devices):
    """A history with some of everything; gives the answers."""
    order, spent = mint.new_order(), mint.new_order(units=1)
    answers = []
    with mint.client() as client:
        for _ in range(devices):
            answers.append(client.issue(order, fresh("lamp"), new_csr()))
        client.issue(spent, fresh("lamp"), new_csr())
        with pytest.raises(mm.Refused):
            client.issue(spent, fresh("lamp"), new_csr())
    with mint.client("release") as client:
        image, version = fresh("image").encode(), fresh("1")
        client.release(client.upload(image),
                       [mint.approve(image, version=version)],
                       version=version)
    return answers


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Two logs of one key which agree for a while, and one of another."""
    base = tmp_path_factory.mktemp("logs")
    with_answers = {}
    for name in ("ours", "foreign"):
        mint = Mint()
        try:
            mint.start()
            answers = fill(mint, DEVICES if name == "ours" else 2)
            mint.stop()
            mint.audit()
            shutil.copytree(mint.dir / "log", base / name)
            shutil.copy(mint.dir / "public/log.vkey", base / f"{name}.vkey")
            with_answers[name] = answers
            if name == "ours":
                vkey = mint.vkey
        finally:
            mint.remove()
    (base / "receipt").write_bytes(with_answers["ours"][7][3])
    (base / "crt").write_bytes(with_answers["ours"][7][1])
    return base, vkey


def verify(directory, vkey, **more):
    return run(MINTMARK, "log", "verify", "--key", vkey, directory,
               ok=None, **more)


def named(done):
    """It was refused, and says by which name."""
    assert done.returncode in (1, 65), (done.returncode, done.stderr)
    match = re.match(r"mintmark log verify: ([a-z0-9-]+): ", done.stderr)
    assert match and match[1] in NAMES, done.stderr


def files(directory):
    return sorted(p for p in directory.rglob("*") if p.is_file())


# --- what somebody may do to a copy; each gives what was done, or None ---

def flip_a_bit(dice, log, _):
    path = dice.choice(files(log))
    data = bytearray(path.read_bytes())
    at = dice.randrange(len(data))
    data[at] ^= 1 << dice.randrange(8)
    path.write_bytes(data)
    return f"{path.name}: bit {at}"


def cut(dice, log, _):
    path = dice.choice(files(log))
    data = path.read_bytes()
    path.write_bytes(data[:dice.randrange(len(data))])
    return f"{path}: cut"


def append(dice, log, _):
    path = dice.choice(files(log))
    path.write_bytes(path.read_bytes() + dice.randbytes(
        dice.choice((1, 2, 32, 34))))
    return f"{path}: longer"


def remove(dice, log, _):
    """The narrow forms of a tile that has grown may go, and do."""
    path = dice.choice(files(log))
    wider = [p for p in path.parent.glob("*") if p.name.isdigit()
             and path.name.isdigit() and int(p.name) > int(path.name)]
    if path.parent.name.endswith(".p") and wider:
        return None
    path.unlink()
    return f"{path}: removed"


def swap(dice, log, _):
    one, two = dice.sample(files(log), 2)
    a, b = one.read_bytes(), two.read_bytes()
    if a == b:
        return None
    one.write_bytes(b)
    two.write_bytes(a)
    return f"{one} and {two}: swapped"


def take_from_another(dice, log, base):
    other = dice.choice(files(base / "foreign"))
    path = dice.choice(files(log))
    if path.read_bytes() == other.read_bytes():
        return None
    path.write_bytes(other.read_bytes())
    return f"{path}: another log's {other.name}"


def bundles(log):
    return [p for p in files(log / "tile/entries")]


def change_the_bundle(dice, log, change):
    path = dice.choice(bundles(log))
    entries = auditor.parse_bundle(path.read_bytes())
    before = list(entries)
    if len(entries) < 2:
        return None
    change(entries)
    if entries == before:
        return None
    path.write_bytes(b"".join(struct.pack(">H", len(e)) + e
                              for e in entries))
    return f"{path}: other entries"


def reorder_entries(dice, log, _):
    def change(entries):
        i, j = dice.sample(range(len(entries)), 2)
        entries[i], entries[j] = entries[j], entries[i]
    return change_the_bundle(dice, log, change)


def leave_an_entry_out(dice, log, _):
    def change(entries):
        del entries[dice.randrange(len(entries))]
    return change_the_bundle(dice, log, change)


def double_an_entry(dice, log, _):
    def change(entries):
        i, j = dice.sample(range(len(entries)), 2)
        entries[i] = entries[j]
    return change_the_bundle(dice, log, change)


def rewrite_an_entry_and_its_leaf(dice, log, _):
    """The tile says what the bundle says; the tree above does not."""
    bundle = dice.choice(bundles(log))
    entries = auditor.parse_bundle(bundle.read_bytes())
    i = dice.randrange(len(entries))
    entry = bytearray(entries[i])
    entry[dice.randrange(len(entry))] ^= 1
    entries[i] = bytes(entry)
    bundle.write_bytes(b"".join(struct.pack(">H", len(e)) + e
                                for e in entries))
    tile = log / "tile/0" / bundle.relative_to(log / "tile/entries")
    tile.write_bytes(b"".join(map(auditor.leaf_hash, entries)))
    return f"{bundle} and {tile}"


def swap_hashes(dice, log, _):
    path = dice.choice([p for p in files(log / "tile")
                        if "entries" not in p.parts])
    data = path.read_bytes()
    rows = [data[i:i + 32] for i in range(0, len(data), 32)]
    if len(rows) < 2:
        return None
    i, j = dice.sample(range(len(rows)), 2)
    rows[i], rows[j] = rows[j], rows[i]
    path.write_bytes(b"".join(rows))
    return f"{path}: hashes swapped"


def add_a_file(dice, log, _):
    """Whole tiles of a larger log may lie there: a copy of a living log has
    them, and `log verify` counts them as ahead."""
    path = log / dice.choice((
        "tile/0/x000/005", "tile/00/000", "tile/0/000.p/0",
        "tile/entries/000.p/0", "tile/0/000.p/256", "tile/9/000.p/1",
        "tile/readme", "blob/" + "0" * 64, "tile/entries/junk"))
    if path.exists():
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dice.randbytes(32))
    return f"{path}: added"


def edit_the_checkpoint(dice, log, _):
    path = log / "checkpoint"
    text = path.read_text()
    origin, size, root, _, line = text.split("\n")[:5]
    size = int(size)
    other = dice.choice((
        lambda: f"{origin}\n0{size}\n{root}\n\n{line}\n",
        lambda: f"{origin}\n{size - 1}\n{root}\n\n{line}\n",
        lambda: f"{origin}\n{size + 1}\n{root}\n\n{line}\n",
        lambda: text + line + "\n",
        lambda: text.replace("\n", "\r\n"),
        lambda: f"{origin}\n{size}\n{root}\n\n",
        lambda: f"{origin}\n{size}\n{root[:-2]}{'B' if root[-2] == 'A' else 'A'}=\n\n{line}\n",
        lambda: f"{origin}\n\n{size}\n{root}\n\n{line}\n",
        lambda: f"{origin}\n{size}\n{root}\n{line}\n",
        lambda: f"{origin}x\n{size}\n{root}\n\n{line}\n",
        lambda: text.rstrip("\n"),
        lambda: " " + text,
    ))()
    path.write_bytes(other.encode())
    return f"checkpoint: {other!r}"


TRICKS = [flip_a_bit, flip_a_bit, flip_a_bit, cut, append, remove, swap,
          take_from_another, reorder_entries, leave_an_entry_out,
          double_an_entry, rewrite_an_entry_and_its_leaf, swap_hashes,
          add_a_file, edit_the_checkpoint]


def test_the_log_itself_is_clean(logs):
    base, _ = logs
    done = verify(base / "ours", base / "ours.vkey")
    assert done.returncode == 0, done.stderr


def restore(base, log):
    """Only what differs: a copy of all would be slow."""
    good = {p.relative_to(base / "ours"): p for p in files(base / "ours")}
    for path in files(log):
        name = path.relative_to(log)
        if name not in good:
            path.unlink()
    for path in sorted(p for p in log.rglob("*") if p.is_dir())[::-1]:
        if not any(path.iterdir()):
            path.rmdir()
    for name, path in good.items():
        mine = log / name
        if not mine.exists() or mine.read_bytes() != path.read_bytes():
            mine.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, mine)


def test_tampered_copies_are_refused(logs, workdir):
    base, vkey = logs
    dice = random.Random(SEED)
    log = workdir / "log"
    shutil.copytree(base / "ours", log)
    for i in range(COPIES):
        trick = TRICKS[i % len(TRICKS)]
        what = trick(dice, log, base)
        if what is None:
            continue
        done = verify(log, base / "ours.vkey")
        assert done.returncode != 0, f"seed {SEED}: not seen: {what}"
        named(done)
        with pytest.raises((auditor.Wrong, OSError, ValueError)):
            auditor.read_directory(log, vkey)
        restore(base, log)
    assert verify(log, base / "ours.vkey").returncode == 0


def test_a_foreign_log_is_not_ours(logs):
    base, _ = logs
    done = verify(base / "foreign", base / "ours.vkey")
    assert done.returncode == 1, done.stderr


def test_tampered_receipts_are_refused(logs, workdir):
    base, _ = logs
    dice = random.Random(SEED)
    good = (base / "receipt").read_bytes()
    lines = good.decode().split("\n")
    hash_lines = range(3, lines.index(""))
    for i in range(COPIES // 2):
        bad = bytearray(good)
        if i % 4 == 0:
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        elif i % 4 == 1:
            bad = bad[:dice.randrange(len(bad))]
        elif i % 4 == 2:
            a, b = dice.sample(list(hash_lines), 2)
            other = list(lines)
            other[a], other[b] = other[b], other[a]
            bad = "\n".join(other).encode()
        else:
            bad = good.replace(b"\n", b"\r\n") if i % 8 == 3 else (
                good.replace(b"index ", b"index 0"))
        if bytes(bad) == good:
            continue
        (workdir / "receipt").write_bytes(bad)
        done = run(MINTMARK, "receipt", "verify", "--key",
                   base / "ours.vkey", workdir / "receipt", base / "crt",
                   ok=None)
        assert done.returncode in (1, 65), (SEED, bytes(bad), done.stderr)
