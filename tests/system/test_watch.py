"""`log watch`: a log that grows is followed and its hooks are run; a log that
does anything else is told on, with the evidence."""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

import auditor
import mintmark_client as mm
from auditor import CERTIFICATE, REFUSAL, SCRAP
from logmaker import LogMaker
from mint import (MINTMARK, PATIENCE, VECTORS, Mint, die_with_parent,
                  eventually, fresh, mintmark, new_csr)
from test_reissue import serial_of

YES, NO, USAGE, DATA, AWAY, LATER, CONFIG = 0, 1, 64, 65, 69, 75, 78
MISBEHAVIOUR = json.loads((VECTORS / "tlog/misbehaviour.json").read_text())
SEED = bytes.fromhex(json.loads(
    (VECTORS / "tlog/checkpoint.json").read_text())["log_key"]["seed_hex"])


class Followed:
    """A log that a test writes to any length, and a watch of it."""

    def __init__(self, entries, maker, place):
        self.entries, self.maker, self.place = entries, maker, place
        self.log, self.state = place / "log", place / "state"
        (place / "vkey").write_text(maker.vkey.text + "\n")

    def grow(self, size, entries=None):
        shutil.rmtree(self.log, ignore_errors=True)
        self.maker.directory((entries or self.entries)[:size], self.log)

    def watch(self, *words, ok=(YES,), once=True):
        return mintmark("log", "watch", "--key", self.place / "vkey",
                        "--state", self.state,
                        *(["--once"] if once else []), *words, self.log,
                        ok=ok)

    def told(self, done):
        return [json.loads(line)["index"]
                for line in done.stdout.splitlines()]

    def kept(self, what):
        return sorted(self.place.glob(f"state.{what}-*"))


@pytest.fixture(scope="module")
def history():
    mint = Mint()
    try:
        mint.start()
        order, spent = mint.new_order(), mint.new_order(units=1)
        with mint.client() as client:
            client.issue(order, "lamp-1", new_csr())
            client.issue(order, "lamp-2", new_csr())
            client.scrap(order, serial_of(
                client.issue(order, "lamp-5", new_csr())))
            client.issue(spent, "lamp-3", new_csr())
            with pytest.raises(mm.Refused):
                client.issue(spent, "lamp-4", new_csr())
        mint.stop()
        vkey = auditor.Vkey(mint.vkey_text)
        vkey.text = mint.vkey_text
        key = Ed25519PrivateKey.from_private_bytes(
            (mint.dir / "log-key/log.key").read_bytes())
        return (auditor.read_directory(mint.dir / "log", vkey),
                LogMaker(vkey, key))
    finally:
        mint.remove()


@pytest.fixture
def log(history, workdir):
    return Followed(*history, workdir)


def refused(done, name):
    assert f": {name}: " in done.stderr, done.stderr


def indexes(log, *kinds):
    return [i for i, e in enumerate(log.entries)
            if cbor2.loads(e)[0] in kinds]


# --------------------------------------------------------------------- following

def test_each_entry_is_told_of_once(log):
    size = len(log.entries)
    told = []
    for grown in (1, 2, 7, 8, size - 1, size):
        log.grow(grown)
        done = log.watch("--json")
        told += log.told(done)
        assert f"{grown} entries" in done.stderr
        done = log.watch("--json")
        assert done.stdout == "" and "nothing new" in done.stderr
    assert told == list(range(size))


def test_what_is_told_is_what_is_shown(log):
    log.grow(None)
    line = log.watch("--json").stdout.splitlines()[3]
    done = mintmark("log", "show", "--json", "--key", log.place / "vkey", 3,
                    log.log)
    assert json.loads(line) == json.loads(done.stdout)
    log.state.unlink()
    words = log.watch().stdout.splitlines()[0].split()
    assert words[0] == "0" and words[2] == "genesis"


@pytest.mark.parametrize("more", [[], ["--once"]], ids=" ".join)
def test_what_nobody_heard_is_told_again(log, more):
    log.grow(5)
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [str(MINTMARK), "log", "watch", "--json", "--key",
             str(log.place / "vkey"), "--state", str(log.state), *more,
             str(log.log)], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=PATIENCE, check=False)
    assert done.returncode == DATA and "stdout" in done.stderr
    assert "consistent" not in done.stderr
    assert log.told(log.watch("--json")) == [0, 1, 2, 3, 4]


def test_the_first_round_may_be_quiet(log):
    log.grow(5)
    assert log.watch("--json", "--from-now").stdout == ""
    log.grow(8)
    assert log.told(log.watch("--json", "--from-now")) == [5, 6, 7]


def test_only_what_was_asked_for(log):
    log.grow(None)

    def told(*words):
        log.state.unlink(missing_ok=True)
        return log.told(log.watch("--json", *words))

    assert told("--kind", "refusal") == indexes(log, REFUSAL)
    assert told("--refused") == indexes(log, REFUSAL)
    assert told("--refused", "--device", "lamp-4") == indexes(log, REFUSAL)
    assert told("--refused", "--device", "lamp-1") == []
    assert told("--kind", "certificate,refusal") == indexes(
        log, CERTIFICATE, REFUSAL)
    lamps = [i for i in indexes(log, CERTIFICATE)
             if cbor2.loads(log.entries[i])[3][1] == "lamp-2"]
    assert told("--device", "lamp-2") == lamps and len(lamps) == 1
    assert told("--station", "nobody") == []
    units = [i for i in indexes(log, CERTIFICATE, SCRAP)
             if "lamp-5" in cbor2.loads(log.entries[i])[3].values()]
    assert told("--device", "lamp-5") == units and len(units) == 2
    for words in ((), ("--device", "lamp-5"), ("--station", "station")):
        assert told("--kind", "scrap", *words) == indexes(log, SCRAP)
    assert told("--kind", "scrap", "--device", "lamp-2") == []


# -------------------------------------------------------------------------- hooks

def test_a_hook_knows_its_entry(log):
    log.grow(None)
    out = log.place / "out"
    done = log.watch("--device", "lamp-1", "--hook",
                     f"cat > {out}; env | grep ^MINTMARK_[IKTL] >> {out}")
    assert done.stdout == ""
    entry, *variables = out.read_text().splitlines()
    shown = json.loads(entry)
    assert shown["body"]["subject"] == "lamp-1"
    assert dict(v.split("=", 1) for v in variables) == {
        "MINTMARK_INDEX": str(shown["index"]),
        "MINTMARK_KIND": "certificate", "MINTMARK_TIME": shown["time"],
        "MINTMARK_LOG": log.maker.vkey.name}


def test_a_hook_need_not_read(log):
    log.grow(None)
    log.watch("--hook", "exec < /dev/null")
    log.watch("--hook", "exit 1")  # nothing is new


def test_a_hook_that_fails_is_run_again(log):
    log.grow(None)
    out = log.place / "out"
    hook = f'echo $MINTMARK_INDEX >> {out}; test "$MINTMARK_INDEX" != 2'
    refused(log.watch("--hook", hook, ok=(LATER,)), "hook-failed")
    assert out.read_text().split() == ["0", "1", "2"]
    assert b"\ntold 2\n" in log.state.read_bytes()
    refused(log.watch("--hook", hook, ok=(LATER,)), "hook-failed")
    assert out.read_text().split() == ["0", "1", "2", "2"]
    done = log.watch("--keep-going", "--hook", hook)
    assert "hook for entry 2" in done.stderr
    assert out.read_text().split()[4:] == [
        str(i) for i in range(2, len(log.entries))]
    assert "nothing new" in log.watch("--hook", hook).stderr


def test_a_hook_that_a_signal_ends(log):
    log.grow(1)
    done = log.watch("--hook", "kill -9 $$", ok=(LATER,))
    assert "signal 9" in done.stderr


def test_a_crash_repeats_and_skips_nothing(log):
    log.grow(4)
    log.watch("--from-now")
    log.grow(9)
    out = log.place / "out"
    log.watch("--hook", f"echo $MINTMARK_INDEX >> {out}; "
              "test $MINTMARK_INDEX != 6 || kill -9 $PPID",
              ok=(-signal.SIGKILL,))
    told = int(log.state.read_bytes().split(b"\ntold ")[1].split()[0])
    assert told in (5, 6)
    log.watch("--hook", f"echo $MINTMARK_INDEX >> {out}")
    assert out.read_text().split() == ["4", "5", "6"] + [
        str(i) for i in range(told, 9)]


def test_a_round_that_is_always_killed_gets_on(log):
    """In its second hook, each time."""
    log.grow(None)
    out = log.place / "out"
    hook = (f"echo $MINTMARK_INDEX >> {out}; echo >> {log.place}/run-$PPID; "
            f"test $(wc -l < {log.place}/run-$PPID) = 1 || kill -9 $PPID")
    size = len(log.entries)
    for _ in range(size - 1):
        log.watch("--hook", hook, ok=(-signal.SIGKILL,))
    log.watch("--hook", hook)
    assert out.read_text().split() == ["0"] + [
        str(i) for i in range(1, size) for _ in range(2)]
    assert "nothing new" in log.watch().stderr


def test_a_long_round_that_is_always_ended_gets_on(log):
    """By a signal to its whole group, as timeout and a terminal send it."""
    log.grow(None)
    out = log.place / "out"
    hook = (f"echo $MINTMARK_INDEX >> {out}; "
            "if test $((MINTMARK_INDEX % 3)) = 2 && "
            f"mkdir {log.place}/ended-$MINTMARK_INDEX 2>&-; "
            "then kill -TERM 0; fi")
    ended = 0
    while True:
        done = subprocess.run(
            [str(MINTMARK), "log", "watch", "--once", "--keep-going",
             "--key", str(log.place / "vkey"), "--state", str(log.state),
             "--hook", hook, str(log.log)], stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
            start_new_session=True)
        if done.returncode == YES:
            break
        assert done.returncode == LATER, done.stderr
        refused(done, "stopping")
        ended += 1
        assert ended <= len(log.entries)
    size = len(log.entries)
    assert ended == size // 3
    # Each that was broken off was told of twice.
    assert out.read_text().split() == [
        str(i) for i in range(size) for _ in range(2 if i % 3 == 2 else 1)]


def test_a_round_under_way_is_held_against_a_log(log):
    """A fork of what was verified is seen before another hook runs."""
    log.grow(9)
    log.watch("--hook", "test $MINTMARK_INDEX != 4", ok=(LATER,))
    log.grow(9, other_history(log, 6))
    alarm(log, "log-forked")
    log.grow(8)
    log.watch(ok=(NO,))
    # Entries that hooks wait for are proven again, though they were before.
    log.grow(9)
    bundle, = (log.log / "tile/entries").rglob("9")
    bundle.write_bytes(b"".join(
        len(e).to_bytes(2, "big") + e for e in other_history(log, 6)[:9]))
    out = log.place / "out"
    refused(log.watch("--hook", f"touch {out}", ok=(NO,)),
            "log-inconsistent")
    assert not out.exists()


def test_a_round_under_way_takes_in_what_is_new(log):
    log.grow(5)
    log.watch("--hook", "test $MINTMARK_INDEX != 3", ok=(LATER,))
    log.grow(9)
    done = log.watch("--json", "--from-now")
    assert log.told(done) == [3, 4, 5, 6, 7, 8]
    assert "9 entries, 6 of them new" in done.stderr
    assert log.state.read_bytes().startswith(b"mintmark-watch@v1\n")


# --------------------------------------------------------------- what no log does

def alarm(log, name, *words, status=NO):
    """The watch tells on the log, twice the same, and remembers nothing."""
    state = log.state.read_bytes()
    files = []
    for _ in range(2):
        done = log.watch(*words, ok=(status,))
        refused(done, name)
        assert log.state.read_bytes() == state
        files.append([(p, p.stat().st_ino)
                      for p in sorted(log.place.glob("state.*-*"))])
    assert files[0] == files[1] and len(files[0]) == 3
    older, newer = log.kept("older"), log.kept("newer")
    text, = log.kept("evidence")
    assert len(older) == len(newer) == 1
    assert state.endswith(older[0].read_bytes())
    assert newer[0].read_bytes() == (log.log / "checkpoint").read_bytes()
    assert text.read_text() in done.stderr
    for note in (older[0], newer[0]):
        for line in note.read_text(errors="replace").splitlines():
            assert f"\t{line}\n" in text.read_text() or line == ""
    return text.read_text()


def test_a_log_that_has_shrunk(log):
    log.grow(9)
    log.watch()
    log.grow(8)
    text = alarm(log, "checkpoint-older")
    assert "8 entries; it had 9 before" in text


def other_history(log, at):
    entries = list(log.entries)
    entries[at] = entries[at - 1]
    return entries


def test_two_roots_of_one_size(log):
    log.grow(9)
    log.watch()
    log.grow(9, other_history(log, 4))
    text = alarm(log, "log-forked")
    assert "neither extends the other" in text


@pytest.mark.parametrize("size", [8, 9])
def test_another_history_that_is_longer(log, size):
    """The text proves it: the other tree's root, and what leads from it."""
    log.grow(size)
    log.watch()
    forked = other_history(log, 4)
    log.grow(14, forked)
    text = alarm(log, "log-forked")
    leaves = [auditor.leaf_hash(e) for e in forked[:14]]
    root = base64.b64encode(auditor.tree_root(leaves[:size])).decode()
    assert f"at size {size}" in text and f"\t{root}\n" in text
    hashes = text.split("by the hashes\n\n")[1].split("\n\n")[0].split()
    assert [base64.b64decode(h) for h in hashes] == consistency(
        leaves, size, 14)


def consistency(leaves, older, newer, whole=True):
    """RFC 6962 section 2.1.2, SUBPROOF."""
    if older == newer:
        return [] if whole else [auditor.tree_root(leaves[:older])]
    k = 1
    while 2 * k < newer:
        k *= 2
    if older <= k:
        return consistency(leaves[:k], older, k, whole) + [
            auditor.tree_root(leaves[k:newer])]
    return consistency(leaves[k:newer], older - k, newer - k, False) + [
        auditor.tree_root(leaves[:k])]


def test_entries_that_are_not_in_the_tree(log):
    log.grow(6)
    log.watch()
    log.grow(None)
    bundle, = (log.log / "tile/entries").rglob(str(len(log.entries)))
    entries = other_history(log, 8)
    bundle.write_bytes(b"".join(
        len(e).to_bytes(2, "big") + e for e in entries))
    out = log.place / "out"
    alarm(log, "log-inconsistent", "--hook", f"touch {out}")
    assert not out.exists()


def test_a_signature_that_is_wrong(log):
    log.grow(6)
    log.watch()
    log.grow(7)
    note = bytearray((log.log / "checkpoint").read_bytes())
    at = note.rindex(b" ") + 20
    note[at] = ord("A") if note[at] != ord("A") else ord("B")
    (log.log / "checkpoint").write_bytes(note)
    alarm(log, "note-bad-signature")


def test_the_key_of_another(log, history):
    log.grow(6)
    log.watch()
    stranger = LogMaker(log.maker.vkey, Ed25519PrivateKey.generate())
    stranger.directory(log.entries[:7], log.log)
    alarm(log, "note-bad-signature")


def test_a_checkpoint_that_is_none(log):
    log.grow(6)
    log.watch()
    (log.log / "checkpoint").write_bytes(b"nonsense\n")
    alarm(log, "note-malformed", status=DATA)


def test_evidence_is_not_overwritten(log):
    log.grow(9)
    log.watch()
    log.grow(9, other_history(log, 4))
    log.watch(ok=(NO,))
    log.grow(9, other_history(log, 5))
    log.watch(ok=(NO,))
    for what in ("older", "newer", "evidence"):
        assert len(log.kept(what)) == 2


@pytest.mark.parametrize("case", MISBEHAVIOUR["cases"],
                         ids=lambda c: c["name"])
def test_misbehaviour_of_the_vectors(workdir, case):
    """Entries of no mint: where the log is consistent, that is said next."""
    vkey = auditor.Vkey(MISBEHAVIOUR["vkey"])
    vkey.text = MISBEHAVIOUR["vkey"]
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    entries = [f"entry {i}".encode() for i in range(300)]
    log = Followed(entries, LogMaker(vkey, key), workdir)
    evil = [*entries[:100], b"evil", *entries[101:]]
    for note, words in ((case["older"], ["--from-now"]), (case["newer"], [])):
        size = int(MISBEHAVIOUR[note].split("\n")[1])
        log.grow(size, evil if "_B_" in note else entries)
        assert (log.log / "checkpoint").read_text() == MISBEHAVIOUR[note]
        done = log.watch(*words, ok=(YES, NO, DATA))
    if case["expect"] == "consistent":
        refused(done, "entry-malformed")
    else:
        assert done.returncode == NO
        assert ": log-forked: " in done.stderr or (
            ": checkpoint-older: " in done.stderr)


# -------------------------------------------------------------------- the state

def test_a_state_that_is_damaged(log):
    log.grow(9)
    log.watch()
    good = log.state.read_bytes()
    lines = good.splitlines(True)
    for bad in (b"", good[:30], good[:-1], lines[0] + b"".join(lines[2:]),
                lines[0] + lines[2] + lines[1] + b"".join(lines[3:]),
                good.replace(b"\n9\n", b"\n8\n"),
                good.replace(b"watch@v1", b"watch@v2"),
                good.replace(b"\n", b"\r\n"), lines[0] + good):
        log.state.write_bytes(bad)
        log.watch(ok=(NO, DATA))
        assert log.state.read_bytes() == bad


def test_every_bit_of_a_state(log):
    """Sampled; each of the number that no signature covers."""
    log.grow(9)
    log.watch()
    every_bit(log, 0)
    log.state.unlink()
    log.watch("--hook", "test $MINTMARK_INDEX != 4", ok=(LATER,))
    told = log.state.read_bytes().index(b"told 4\n")
    every_bit(log, 8 * told)


def every_bit(log, first):
    good = log.state.read_bytes()
    for bit in (*range(0, 8 * len(good), 37), *range(first, first + 56)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        log.state.write_bytes(bad)
        log.watch(ok=(NO, DATA))


@pytest.mark.parametrize("told", ["9", "10", "04", "+4", "", "4 ", "4\n"])
def test_a_number_that_cannot_be(log, told):
    """Under a hash that is right."""
    log.grow(9)
    log.watch("--hook", "test $MINTMARK_INDEX != 4", ok=(LATER,))
    head, _, rest = log.state.read_bytes().split(b"\n", 2)
    assert hashed(head, rest) == log.state.read_bytes()
    log.state.write_bytes(hashed(
        head, rest.replace(b"told 4\n", f"told {told}\n".encode())))
    log.watch(ok=(NO, DATA))


def hashed(head, rest):
    return b"\n".join(
        (head, base64.b64encode(hashlib.sha256(rest).digest()), rest))


def test_two_watches_of_one_state(log):
    log.grow(2)
    log.watch("--from-now")
    log.grow(3)
    inner = (f"{MINTMARK} log watch --once --key {log.place}/vkey --state "
             f"{log.state} {log.log} 2> {log.place}/inner; "
             f"echo $? >> {log.place}/inner; true")
    log.watch("--hook", inner)
    said = (log.place / "inner").read_text()
    assert "already-running" in said and said.endswith(f"{CONFIG}\n")


@pytest.mark.parametrize("words", [
    ["--keep-going"], ["--interval", "5"], ["--wait", "x"],
    ["--kind", "nonsense"]])
def test_words_that_do_not_go_together(log, words):
    log.grow(2)
    refused(log.watch(*words, ok=(USAGE,)), "usage")
    assert not log.state.exists()


def test_neither_or_both_sources(log):
    log.grow(2)
    for words in ([log.log], ["--identity", "x", "--key",
                              log.place / "vkey", log.log]):
        done = mintmark("log", "watch", "--once", "--state", log.state,
                        *words, ok=(USAGE,))
        refused(done, "usage")


# ------------------------------------------------------------- lasting, and online

class Watching:
    """`log watch` as it runs on and on."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [str(MINTMARK), "log", "watch", "--interval", "1",
             *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(log, number):
    log.grow(3)
    with Watching("--key", log.place / "vkey", "--state", log.state,
                  log.log) as watching:
        told = [watching.process.stdout.readline() for _ in range(3)]
        status, out, _ = watching.end(number)
    assert status == YES and all(told) and out == ""


def test_it_ends_after_the_hook_that_runs(log):
    """What the hook began is finished, and that it was is remembered."""
    log.grow(3)
    out = log.place / "out"
    fifo = log.place / "fifo"
    os.mkfifo(fifo)
    with Watching("--key", log.place / "vkey", "--state", log.state, "--hook",
                  f"read x < {fifo}; echo $MINTMARK_INDEX >> {out}",
                  log.log) as watching:
        with open(fifo, "w", encoding="ascii") as go:  # the hook runs
            watching.process.send_signal(signal.SIGTERM)
            go.write("\n")
        watching.process.communicate(timeout=PATIENCE)
        assert watching.process.returncode == YES
    assert out.read_text().split() == ["0"]
    log.watch("--hook", f"echo $MINTMARK_INDEX >> {out}")
    assert out.read_text().split() == ["0", "1", "2"]


def test_a_lasting_watch_tells_on_a_log(log):
    log.grow(3)
    with Watching("--key", log.place / "vkey", "--state", log.state,
                  log.log) as watching:
        assert all(watching.process.stdout.readline() for _ in range(3))
        other = log.place / "other"
        log.maker.directory(other_history(log, 1)[:3], other)
        for path in sorted(other.rglob("*")):
            if path.is_file():
                to = log.log / path.relative_to(other)
                to.write_bytes(path.read_bytes())
        _, err = watching.process.communicate(timeout=PATIENCE)
        assert watching.process.returncode == NO
    assert ": log-forked: " in err and log.kept("evidence")


def test_a_directory_that_was_never_there(log):
    """A lasting watch does not wait for a name that is wrong."""
    log.grow(1)
    done = mintmark("log", "watch", "--key", log.place / "vkey", "--state",
                    log.state, log.place / "nowhere", ok=(DATA,))
    refused(done, "file")


def test_an_appliance_that_is_away(own_mint, workdir):
    done = mintmark("log", "watch", "--once", "--wait", 0, "--identity",
                    own_mint.identity("auditor"), "--state",
                    workdir / "state", ok=(AWAY,))
    refused(done, "appliance-away")
    assert not list(workdir.glob("state.[eon]*"))


def test_it_follows_an_appliance(own_mint, workdir):
    """Through its restart; a certificate is told of, once."""
    own_mint.start()
    out = workdir / "out"
    order = own_mint.new_order()
    with Watching("--identity", own_mint.identity("auditor"), "--state",
                  workdir / "state", "--kind", "certificate", "--from-now",
                  "--hook", f"cat >> {out}") as watching:
        eventually((workdir / "state").exists, "the first round")
        devices = []
        for i in range(2):
            devices.append(fresh("lamp"))
            with own_mint.client() as client:
                client.issue(order, devices[-1], new_csr())
            eventually(lambda: out.exists() and devices[-1] in
                       out.read_text(), "the certificate's hook")
            if i == 0:
                own_mint.stop()
                line = watching.process.stderr.readline()
                while "still watching" not in line:
                    assert line, "it has ended"
                    line = watching.process.stderr.readline()
                own_mint.start()
        status, _, err = watching.end()
    assert status == YES, err
    told = [json.loads(line)["body"]["subject"]
            for line in out.read_text().splitlines()]
    assert [d for d in told if d in devices] == devices
