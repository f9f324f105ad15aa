"""Witnesses: a cosigner by HTTP and on a stick, the collector between it and
the appliance, and a log with two histories that none of them signs."""

import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey, Ed25519PublicKey)

import auditor
from mint import (MINTMARK, PATIENCE, VECTORS, Mint, die_with_parent, fresh,
                  mintmark, new_csr)

YES, NO, USAGE, DATA, LATER, CONFIG = 0, 1, 64, 65, 75, 78
VECTOR = json.loads((VECTORS / "tlog/cosignature.json").read_text())
SEED = bytes.fromhex(json.loads(
    (VECTORS / "tlog/checkpoint.json").read_text())["log_key"]["seed_hex"])


# ------------------------------------------------- a log, written from RFC 6962

def subtree(leaves, old, new, whole):
    """RFC 6962 section 2.1.2, SUBPROOF."""
    if old == new:
        return [] if whole else [auditor.tree_root(leaves[:new])]
    k = 1
    while 2 * k < new:
        k *= 2
    if old <= k:
        return subtree(leaves[:k], old, k, whole) + [
            auditor.tree_root(leaves[k:new])]
    return subtree(leaves[k:new], old - k, new - k, False) + [
        auditor.tree_root(leaves[:k])]


class Log:
    """A log in memory; `evil` is the first entry that is another one."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    vkey = auditor.Vkey(VECTOR["log_vkey"])

    def __init__(self, size, evil=None):
        entries = [f"entry {i}".encode() for i in range(size)]
        if evil is not None:
            entries[evil:] = [b"evil %d" % i for i in range(evil, size)]
        self.leaves = [auditor.leaf_hash(e) for e in entries]

    def note(self, size):
        root = base64.b64encode(auditor.tree_root(self.leaves[:size]))
        text = f"{self.vkey.name}\n{size}\n{root.decode()}\n"
        line = base64.b64encode(self.vkey.id + self.key.sign(text.encode()))
        return f"{text}\n\u2014 {self.vkey.name} {line.decode()}\n"

    def request(self, old, new):
        proof = subtree(self.leaves, old, new, True) if old else []
        lines = "".join(base64.b64encode(h).decode() + "\n" for h in proof)
        return f"old {old}\n{lines}\n{self.note(new)}".encode()


LOG, FORGED = Log(400), Log(400, evil=2)
HEX = hashlib.sha256(LOG.vkey.name.encode()).hexdigest()


def cosigned(vkey_text, note, lines):
    """The time of a cosignature over the note; the line is verified."""
    name, key_id, key = vkey_text.split("+", 2)
    key = base64.b64decode(key)
    assert key[0] == 4
    text = note.rpartition("\n\n")[0] + "\n"
    for line in lines.splitlines():
        _, who, data = line.split(" ")
        data = base64.b64decode(data)
        if who != name or data[:4].hex() != key_id:
            continue
        when, = struct.unpack(">Q", data[4:12])
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(
            data[12:], f"cosignature/v1\ntime {when}\n{text}".encode())
        return when
    raise AssertionError(f"no line by {name}: {lines!r}")


@pytest.mark.parametrize("verb", [
    "create", "follow", "show", "cosign", "serve", "collect", "request",
    "deliver"])
def test_help(verb):
    said = mintmark("witness", verb, "--help").stdout
    assert f"mintmark witness {verb}" in said
    assert all(len(line) <= 80 for line in said.splitlines()[1:])
    assert verb in mintmark("--help").stdout
    assert mintmark("witness", verb, ok=(USAGE,)).stdout == ""


# ------------------------------------------------------------------- a witness

class Witness:
    """A witness's directory, and the process that serves it."""

    def __init__(self, place, name=None, follow=VECTOR["log_vkey"]):
        self.dir = place / fresh("witness")
        self.name = name or f"witness.example/{fresh('w')}"
        mintmark("witness", "create", "--dir", self.dir, "--name", self.name)
        self.vkey = (self.dir / "vkey").read_text().strip()
        self.process, self.address, self.said = None, None, []
        if follow:
            self.follow(follow)

    def follow(self, vkey):
        (self.dir / "log.vkey").write_text(vkey + "\n")
        mintmark("witness", "follow", "--dir", self.dir,
                 self.dir / "log.vkey")

    def start(self):
        self.process = subprocess.Popen(
            [str(MINTMARK), "witness", "serve", "--dir", str(self.dir),
             "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)
        line = self.process.stderr.readline()
        assert line.startswith("ready: 127.0.0.1:"), line
        host, port = line.split()[1].rsplit(":", 1)
        self.address = (host, int(port))
        return self

    @property
    def url(self):
        return "http://%s:%d/prefix" % self.address

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == YES
        self.said += self.process.stderr.read().splitlines()
        self.process.stderr.close()
        self.process = None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
            self.process = None

    def ask(self, method, path, body=None):
        """(status, body, content type)."""
        connection = http.client.HTTPConnection(
            *self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return (answer.status, answer.read(),
                    answer.getheader("Content-Type"))
        finally:
            connection.close()

    def post(self, request):
        return self.ask("POST", "/prefix/add-checkpoint", request)

    def cosigns(self, log, old, new):
        status, body, _ = self.post(log.request(old, new))
        assert status == 200, (status, body)
        return cosigned(self.vkey, log.note(new), body.decode())

    def show(self):
        return json.loads(mintmark("witness", "show", "--dir", self.dir,
                                   "--json").stdout)

    def evidence(self):
        return sorted(self.dir.glob("*/evidence/*"))


@pytest.fixture
def place(workdir):
    """A directory; what the test starts by `serve` ends with it."""
    return workdir


@pytest.fixture
def witness(workdir):
    one = Witness(workdir).start()
    try:
        yield one
    finally:
        one.kill()


# --------------------------------------------------------------- over HTTP

def test_every_status(witness):
    text, size = "text/plain; charset=utf-8", "text/x.tlog.size"
    stranger = LOG.request(0, 3).replace(b"example.com", b"example.net")
    unsigned = LOG.request(0, 3).replace(b"test\n3\n", b"test\n4\n")
    assert witness.post(b"nonsense")[0::2] == (400, text)
    assert witness.post(b"")[0] == 400
    assert witness.post(stranger)[0::2] == (404, text)
    assert witness.post(unsigned)[0::2] == (403, text)
    assert witness.post(LOG.request(4, 5)) == (409, b"0\n", size)
    now = int(time.time())
    assert now <= witness.cosigns(LOG, 0, 5) <= int(time.time())
    assert witness.post(LOG.request(3, 8)) == (409, b"5\n", size)
    assert witness.post(LOG.request(0, 8)) == (409, b"5\n", size)
    assert witness.post(
        LOG.request(5, 8).replace(b"old 5", b"old 9"))[0] == 400
    assert witness.post(FORGED.request(5, 8))[0::2] == (422, text)
    assert witness.post(FORGED.request(5, 5))[0] == 422
    witness.cosigns(LOG, 5, 5)
    witness.cosigns(LOG, 5, 300)
    assert witness.post(LOG.request(300, 300))[2] == text


def test_the_vectors_request(witness):
    """A stranger's bytes, through a whole process."""
    witness.cosigns(LOG, 0, 3)
    request = VECTOR["witness_add_checkpoint"]["request_body"].encode()
    assert request == LOG.request(3, 8)
    assert witness.post(request)[0] == 200


def test_where_the_clock_is_behind(witness):
    """The state says that the last cosignature is from the future."""
    witness.cosigns(LOG, 0, 3)
    witness.stop()
    note, when = LOG.note(3), int(time.time()) + 3600
    seed = (witness.dir / "key").read_bytes()
    name, key_id, _ = witness.vkey.split("+", 2)
    message = f"cosignature/v1\ntime {when}\n" + note.rpartition("\n\n")[0]
    line = (bytes.fromhex(key_id) + struct.pack(">Q", when)
            + Ed25519PrivateKey.from_private_bytes(seed).sign(
                message.encode() + b"\n"))
    (witness.dir / HEX / "checkpoint").write_text(
        f"{note}\u2014 {name} {base64.b64encode(line).decode()}\n")
    witness.start()
    status, body, _ = witness.post(LOG.request(3, 8))
    assert status == 500 and b"clock" in body
    assert witness.show()["logs"][0]["size"] == 3


def test_what_a_monitor_gets(witness):
    path = f"/any/prefix/{HEX}/checkpoint"
    assert witness.ask("GET", path)[0] == 404
    when = witness.cosigns(LOG, 0, 7)
    status, body, kind = witness.ask("GET", path)
    assert status == 200 and kind.startswith("text/plain")
    assert auditor.open_checkpoint(body, LOG.vkey)[0] == 7
    assert cosigned(witness.vkey, LOG.note(7),
                    body.decode().split("\n\n")[1]) == when


@pytest.mark.parametrize("method, path", [
    ("GET", "/"), ("GET", "/add-checkpoint"), ("POST", "/"),
    ("PUT", "/add-checkpoint"), ("DELETE", f"/{HEX}/checkpoint"),
    ("POST", f"/{HEX}/checkpoint"), ("GET", "/key"), ("GET", "/../key"),
    ("GET", f"/{HEX}/../key"), ("GET", "/checkpoint"),
    ("GET", f"/{HEX.upper()}/checkpoint"), ("GET", "/%2e%2e/checkpoint"),
    ("POST", "/add-checkpoint/"), ("GET", f"/{HEX}/evidence"),
    ("OPTIONS", "/add-checkpoint")])
def test_there_is_nothing_else(shared_witness, method, path):
    assert shared_witness.ask(method, path, b"")[0] == 404


@pytest.fixture(scope="module")
def shared_witness(tmp_path_factory):
    one = Witness(tmp_path_factory.mktemp("mintmark")).start()
    try:
        one.cosigns(LOG, 0, 3)
        yield one
    finally:
        one.kill()


def test_a_request_that_is_too_long(shared_witness):
    request = LOG.request(3, 8)
    limit = 131072
    junk = b"x" * (limit - len(request))
    assert shared_witness.post(junk)[1] != b"the request is too long\n"
    for size in (limit + 1, 50 * limit):
        status, body, _ = shared_witness.post(b"x" * size)
        assert (status, body) == (400, b"the request is too long\n")
    assert shared_witness.show()["logs"][0]["size"] == 3


def test_connections_have_limits(shared_witness):
    """In number, when silent, and when they dawdle."""
    guests = [socket.create_connection(shared_witness.address)
              for _ in range(66)]
    silent, dawdler = guests[:2]
    try:
        # Those over the limit are closed at once.
        closed = 0
        for one in guests[60:]:
            one.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                closed += one.recv(1) == b""
        assert closed >= 2
        for one in guests[2:]:
            one.close()
        start = time.monotonic()
        silent.settimeout(PATIENCE)
        dawdler.settimeout(1)
        dawdler.sendall(b"POST /add-checkpoint HTTP/1.1\r\n")
        gone = False
        while not gone and time.monotonic() < start + PATIENCE:
            try:
                dawdler.sendall(b"x")
                gone = dawdler.recv(1000) == b""
            except TimeoutError:
                continue
            except OSError:
                gone = True
        assert gone and silent.recv(1) == b""
    finally:
        for one in guests:
            one.close()
    assert shared_witness.post(b"nonsense")[0] == 400


def test_it_is_confined(shared_witness):
    with open(f"/proc/{shared_witness.process.pid}/status",
              encoding="ascii") as file:
        status = dict(line.split(":\t") for line in file if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    with open(f"/proc/{shared_witness.process.pid}/limits",
              encoding="ascii") as file:
        core = next(l for l in file if l.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    assert psutil.Process(shared_witness.process.pid).num_threads() == 1


def test_sigterm_ends_it(witness):
    witness.cosigns(LOG, 0, 3)
    done = mintmark("witness", "cosign", "--dir", witness.dir, "-",
                    ok=(CONFIG,), input="")
    assert "already-running" in done.stderr
    with socket.create_connection(witness.address):
        witness.stop()
    witness.start()
    witness.cosigns(LOG, 3, 8)


def test_the_key_is_never_told(witness):
    witness.cosigns(LOG, 0, 3)
    witness.post(FORGED.request(3, 8))
    witness.stop()
    seed = (witness.dir / "key").read_bytes()
    assert (witness.dir / "key").stat().st_mode & 0o7777 == 0o600
    said = "\n".join(witness.said) + json.dumps(witness.show())
    for path in witness.dir.rglob("*"):
        if path.is_file() and path.name != "key":
            said += path.read_text()
    for form in (seed.hex(), base64.b64encode(seed).decode()[:-2],
                 seed.decode("latin-1")):
        assert form not in said


@pytest.mark.parametrize("address", [
    "127.0.0.1", "localhost:0", ":0", "127.0.0.1:", "127.0.0.1:70000",
    "::1:0", "[::1", "1.2.3.4.5:0"])
def test_addresses_that_are_none(place, address):
    one = Witness(place)
    done = mintmark("witness", "serve", "--dir", one.dir, "--listen", address,
                    ok=(USAGE, CONFIG))
    assert "ready" not in done.stderr


# ------------------------------------------------------------ many at once

def answers_of(witness, requests):
    """All at the same time; what was answered: (request, status, body)."""
    out, gate = [], threading.Barrier(len(requests))

    def one(request):
        gate.wait()
        with contextlib.suppress(OSError, http.client.HTTPException):
            out.append((request, *witness.post(request)[:2]))

    threads = [threading.Thread(target=one, args=(r,)) for r in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def test_many_at_once_see_one_history(witness):
    """One of each round is cosigned, and the next one starts from there."""
    size = 0
    for _ in range(8):
        sizes = random.sample(range(size + 1, size + 40), 16)
        heard = answers_of(witness, [LOG.request(size, s) for s in sizes])
        assert len(heard) == 16
        statuses = sorted(status for _, status, _ in heard)
        assert statuses == [200] + 15 * [409]
        size = witness.show()["logs"][0]["size"]
        assert size in sizes
        assert {body for _, status, body in heard if status == 409} == {
            b"%d\n" % size}


def test_two_histories_at_once(witness):
    """Whichever comes first is the log; the other is never cosigned."""
    heard = answers_of(witness, [log.request(0, 10) for log in
                                 10 * [LOG, FORGED]])
    given = {request for request, status, _ in heard if status == 200}
    assert len(given) == 1
    assert witness.evidence()


def test_killed_at_any_time_it_signs_one_history(witness):
    """kill -9 while both histories are offered, again and again: all that was
    ever cosigned is in one of them."""
    mine, seen, size = [], set(), 2
    witness.cosigns(LOG, 0, 2)
    for _ in range(12):
        requests = [log.request(size, size + 1 + n % 3)
                    for n in range(6) for log in (LOG, FORGED)]
        killer = threading.Timer(random.uniform(0, 0.02),
                                 witness.process.kill)
        killer.start()
        heard = answers_of(witness, requests)
        killer.join()
        witness.process.wait()
        witness.kill()
        mine += [r for r, status, _ in heard if status == 200]
        witness.start()
        size = witness.show()["logs"][0]["size"]
    for request in mine:
        new = int(request.split(b"\n\n", 1)[1].split(b"\n")[1])
        note = request.split(b"\n\n", 1)[1].decode()
        seen |= {name for name, log in (("good", LOG), ("forged", FORGED))
                 if note == log.note(new)}
    assert len(seen) <= 1, f"it signed both ({len(mine)} lines)"


# ---------------------------------------------------------------- on a stick

def test_a_stick(place):
    one = Witness(place)
    (place / "request").write_bytes(LOG.request(0, 5))
    mintmark("witness", "cosign", "--dir", one.dir, place / "request",
             "--out", place / "answer")
    answer = (place / "answer").read_text()
    cosigned(one.vkey, LOG.note(5), answer)
    # What is there is kept; by pipes it goes as well.
    mintmark("witness", "cosign", "--dir", one.dir, place / "request",
             "--out", place / "answer", ok=(USAGE,))
    assert (place / "answer").read_text() == answer
    done = mintmark("witness", "cosign", "--dir", one.dir, "-",
                    input=LOG.request(5, 9).decode())
    cosigned(one.vkey, LOG.note(9), done.stdout)


@pytest.mark.parametrize("request_bytes, code, name", [
    (b"nonsense", DATA, "bad-format"),
    (LOG.request(3, 8), NO, "checkpoint-older"),
    (LOG.request(5, 8).replace(b"\n8\n", b"\n7\n"), NO, "note-bad-signature"),
    (LOG.request(5, 8).replace(b".com", b".org"), NO, "not-found"),
    (FORGED.request(5, 8), NO, "log-forked")],
    ids=["format", "conflict", "signature", "log", "fork"])
def test_what_a_stick_may_bring(place, request_bytes, code, name):
    one = Witness(place)
    for data, ok, word in ((LOG.request(0, 5), YES, ""),
                           (request_bytes, code, name)):
        (place / "request").write_bytes(data)
        done = mintmark("witness", "cosign", "--dir", one.dir,
                        place / "request", ok=(ok,))
        assert word in done.stderr
    assert done.stdout == ""
    assert "--older 5" in done.stderr or name != "checkpoint-older"


# ------------------------------------------------------------------ its making

def test_create_and_follow(place):
    one = Witness(place, name="w.example/one")
    before = {p: p.read_bytes() for p in one.dir.rglob("*") if p.is_file()}
    done = mintmark("witness", "create", "--dir", one.dir, "--name",
                    "w.example/two", ok=(USAGE,))
    assert "never overwritten" in done.stderr
    mintmark("witness", "follow", "--dir", one.dir, one.dir / "log.vkey",
             ok=(USAGE,))
    assert before == {p: p.read_bytes() for p in one.dir.rglob("*")
                      if p.is_file()}
    shown = one.show()
    assert shown["name"] == "w.example/one" and shown["vkey"] == one.vkey
    assert [(x["log"], x["size"]) for x in shown["logs"]] == [
        (LOG.vkey.name, 0)]
    assert "time" not in shown["logs"][0]  # never
    text = mintmark("witness", "show", "--dir", one.dir).stdout
    assert text.splitlines()[2:] == [
        f"log: {LOG.vkey.name}", "size: 0", "cosigned: never"]
    mintmark("witness", "create", "--dir", place / "bad", "--name",
             "Not a name", ok=(DATA,))
    assert not (place / "bad").exists()


def test_a_witness_that_lost_its_state(place):
    """It does not begin again with whatever it is shown."""
    one = Witness(place)
    (place / "request").write_bytes(LOG.request(0, 5))
    mintmark("witness", "cosign", "--dir", one.dir, place / "request")
    (one.dir / HEX / "checkpoint").unlink()
    (place / "request").write_bytes(FORGED.request(0, 5))
    done = mintmark("witness", "cosign", "--dir", one.dir, place / "request",
                    ok=(CONFIG,))
    assert "state-not-ours" in done.stderr and done.stdout == ""


# ------------------------------------------- an appliance and its witnesses

class Told(Mint):
    """A mint that takes the cosignatures of these witnesses."""

    def __init__(self, *vkeys, **more):
        super().__init__(**more)
        listed = ", ".join(f'"{v}"' for v in vkeys)
        self.own_settings += f"log {{\n\twitness = {{{listed}}}\n}}\n"
        self.limit()

    def grow(self, count=1):
        order = self.new_order()
        with self.client() as client:
            return [client.issue(order, fresh("lamp"), new_csr())
                    for _ in range(count)]

    def collect(self, *witnesses, ok=(YES,), more=()):
        words = []
        for one in witnesses:
            words += ["--witness", f"{one.vkey}={one.url}"]
        done = mintmark("witness", "collect", "--identity",
                        self.identity("auditor"), *words, *more, "--json",
                        ok=ok)
        return json.loads(done.stdout), done.stderr

    def cosigned_file(self):
        return (self.dir / "log/cosigned").read_text()


@contextlib.contextmanager
def told(place, count=1, follow=True):
    """A mint and its witnesses, all running."""
    witnesses = [Witness(place, follow=None) for _ in range(count)]
    mint = None
    try:
        mint = Told(*(one.vkey for one in witnesses))
        mint.start()
        for one in witnesses:
            if follow:
                one.follow(mint.vkey_text)
            one.start()
        yield (mint, *witnesses)
        if mint.daemon is not None:
            mint.unharmed()
    finally:
        for one in witnesses:
            one.kill()
        if mint is not None:
            mint.remove()


def outcomes(said):
    return [one["outcome"] for one in said["witnesses"]]


def test_two_by_http_and_one_by_stick(place):
    with told(place, 3) as (mint, a, b, stick):
        stick.stop()
        mint.grow(3)
        said, _ = mint.collect(a, b)
        assert outcomes(said) == ["cosigned", "cosigned"]
        assert said["keys"] == 2 and said["cosigned"] > 3
        for one in (a, b):
            assert said["cosigned"] == one.show()["logs"][0]["size"]

        request, answer = place / "request", place / "answer"
        identity = ["--identity", mint.identity("auditor")]
        mintmark("witness", "request", *identity, "--out", request)
        mintmark("witness", "cosign", "--dir", stick.dir, request, "--out",
                 answer)
        done = json.loads(mintmark(
            "witness", "deliver", *identity, "--witness", stick.vkey,
            request, answer, "--json").stdout)
        assert done["keys"] == 3 and done["cosigned"] == said["cosigned"]
        times = [x["time"] for x in said["witnesses"]] + [done["time"]] + [
            one.show()["logs"][0]["time"] for one in (a, b, stick)]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", t)
                   for t in times)
        status = json.loads(mintmark("log", "status", *identity,
                                     "--json").stdout)
        assert (status["keys"], status["cosigned"]) == (3, done["cosigned"])
        backup = json.loads(mintmark(
            "log", "export", *identity, "--to", place / "backup",
            "--json").stdout)
        assert backup["cosigned"] == done["cosigned"]
        note = mint.cosigned_file()
        assert auditor.open_checkpoint(note, mint.vkey)[0] == done["size"]
        for one in (a, b, stick):
            cosigned(one.vkey, note, note.split("\n\n")[1])

        # Further: the witnesses know where they are.
        mint.grow(2)
        said, _ = mint.collect(a, b)
        assert said["cosigned"] > done["cosigned"]
        done = mintmark("witness", "request", *identity, "--older",
                        done["size"], "--out", place / "second")
        mintmark("witness", "cosign", "--dir", stick.dir, place / "second",
                 "--out", place / "lines")
        mintmark("witness", "deliver", *identity, "--witness",
                 stick.dir / "vkey", place / "second", place / "lines")
        quorum_of_receipts(mint, place, a, b, stick)
        mint.stop()
        mint.audit()


def test_what_a_stick_brings_home(place):
    """Requests and answers that were swapped, changed or cut."""
    with told(place, 2) as (mint, one, other):
        mint.grow()
        for each in (one, other):
            each.stop()
        identity = ["--identity", mint.identity("auditor")]
        request, answer = place / "request", place / "answer"
        mintmark("witness", "request", *identity, "--out", request)
        mintmark("witness", "request", *identity, "--out", request,
                 ok=(USAGE,))
        done = mintmark("witness", "request", *identity, "--older", 10 ** 9,
                        "--out", place / "more", ok=(NO,))
        assert "checkpoint-older" in done.stderr
        assert not (place / "more").exists()
        mintmark("witness", "cosign", "--dir", one.dir, request, "--out",
                 answer)
        lines = answer.read_bytes()

        def deliver(asked, heard, *codes, who=one):
            (place / "r").write_bytes(asked)
            (place / "a").write_bytes(heard)
            return mintmark("witness", "deliver", *identity, "--witness",
                            who.vkey, place / "r", place / "a", ok=codes)

        good = request.read_bytes()
        for at in range(0, len(lines), 9):
            bad = bytearray(lines)
            bad[at] ^= 1
            deliver(good, bad, NO, DATA)
        deliver(good, b"", NO)
        deliver(good, lines[:-1], NO)
        deliver(good, lines, NO, who=other)
        deliver(good[4:], lines, DATA)
        deliver(good.replace(b"\n\n", b"\nAAAA\n\n", 1), lines, DATA)
        # A line over another checkpoint, and another log's.
        deliver(LOG.request(0, 5), lines, NO)
        assert not (mint.dir / "log/cosigned").exists()
        deliver(good, lines, YES)
        assert (mint.dir / "log/cosigned").exists()


def quorum_of_receipts(mint, place, *witnesses):
    """A receipt against the cosigned checkpoint, verified offline."""
    mintmark("log", "prove", "--identity", mint.identity("auditor"),
             "--cosigned", 1, "--out", place / "receipt")
    words = [w for one in witnesses
             for w in ("--witness", one.dir / "vkey")]
    key = ["--key", mint.dir / "public/log.vkey"]
    mintmark("receipt", "verify", *key, *words, "--quorum", len(witnesses),
             place / "receipt")
    stranger = Witness(place, follow=None)
    mintmark("receipt", "verify", *key, *words, "--witness",
             stranger.dir / "vkey", "--quorum", len(witnesses) + 1,
             place / "receipt", ok=(NO,))
    log = ["log", "verify", "--identity", mint.identity("auditor"), *words]
    said = json.loads(mintmark(*log, "--json").stdout)
    assert said["quorum"] == len(said["witnesses"]) == len(witnesses)
    assert 0 < said["cosigned"] <= said["size"]
    done = mintmark(*log, "--witness", stranger.dir / "vkey", ok=(NO,))
    assert ": quorum-missing: " in done.stderr


def test_one_who_is_away_stops_nobody(place):
    with told(place, 2) as (mint, here, away):
        away.stop()
        said, talk = mint.collect(away, here, ok=(LATER,))
        assert outcomes(said) == ["away", "cosigned"]
        assert "witness-away" in talk
        assert said["keys"] == 1
        away.start()
        assert mint.collect(away, here)[0]["keys"] == 2


def test_one_who_does_not_follow(place):
    with told(place, 2, follow=False) as (mint, a, b):
        b.stop()
        b.follow(mint.vkey_text)
        b.start()
        said, talk = mint.collect(a, b, ok=(CONFIG,))
        assert outcomes(said) == ["failed", "cosigned"]
        assert "does not follow" in talk


def test_collecting_goes_on(place):
    with told(place) as (mint, one):
        process = subprocess.Popen(
            [str(MINTMARK), "witness", "collect", "--identity",
             str(mint.identity("auditor")), "--witness",
             f"{one.vkey}={one.url}", "--interval", "1", "--json"],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        try:
            first = json.loads(process.stdout.readline())["cosigned"]
            mint.grow()
            while json.loads(process.stdout.readline())["cosigned"] <= first:
                pass
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def test_a_fork_is_loud(place):
    """The machine is copied, and both copies go on: neither can hide it."""
    with told(place) as (mint, one):
        mint.grow()
        mint.collect(one)
        mint.stop()
        shutil.copytree(mint.dir, mint.base / "copy", symlinks=True)
        mint.start()
        mint.grow(2)
        mint.collect(one)
        size = one.show()["logs"][0]["size"]
        mint.stop()
        # The copy takes the place of the original, anchor and all.
        mint.dir.rename(mint.base / "original")
        (mint.base / "copy").rename(mint.dir)
        mint.start()
        mint.grow(4)
        said, talk = mint.collect(one, ok=(NO,))
        assert outcomes(said) == ["fork"]
        assert "ALARM" in talk and "log-forked" in talk
        assert one.show()["logs"][0]["size"] == size
        # The witness has both notes, and so has the collector.
        names = [p.suffix for p in one.evidence()]
        assert names == [".cosigned", ".request"]
        kept = sorted((mint.identity("auditor") / "evidence").iterdir())
        assert [p.suffix for p in kept] == [".answer", ".cosigned",
                                            ".request"]
        ours = auditor.open_checkpoint(kept[1].read_text(), mint.vkey)
        theirs = auditor.open_checkpoint(
            kept[2].read_text().split("\n\n", 1)[1], mint.vkey)
        assert ours[0] == size and ours != theirs
        # Asked again it says the same, and keeps what it has.
        mint.collect(one, ok=(NO,))
        assert [p.suffix for p in one.evidence()] == names


def test_a_rollback_is_loud(place):
    """An old copy of the whole machine has less than the witness saw."""
    with told(place) as (mint, one):
        mint.grow()
        mint.stop()
        shutil.copytree(mint.dir, mint.base / "copy", symlinks=True)
        mint.start()
        mint.grow(8)
        mint.collect(one)
        mint.stop()
        mint.dir.rename(mint.base / "original")
        (mint.base / "copy").rename(mint.dir)
        mint.start()
        said, talk = mint.collect(one, ok=(NO,), more=(
            "--evidence", place / "evidence"))
        assert outcomes(said) == ["rollback"]
        assert "ALARM" in talk and "rolled back" in talk
        assert sorted(p.suffix for p in (place / "evidence").iterdir()) == [
            ".answer", ".cosigned", ".request"]


class Liar(http.server.BaseHTTPRequestHandler):
    """Answers what the test says."""
    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.server.say(request)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def liar(say):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    server.say = say
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield "http://127.0.0.1:%d" % server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_a_false_witness_says(place):
    """Nothing of it comes home."""
    with told(place, 2) as (mint, one, other):
        real = {}

        def ask_real(request, witness=one):
            status, body, _ = witness.post(request)
            real["status"] = status
            return status, {}, body

        def flipped(request):
            status, _, body = ask_real(request)
            if status != 200:
                return status, {}, body
            bad = bytearray(body)
            bad[-20] = ord("A") if bad[-20] != ord("A") else ord("B")
            return 200, {}, bytes(bad)

        cases = [
            (lambda r: ask_real(r, other), NO, "cosignature-wrong"),
            (flipped, NO, "cosignature-wrong"),
            (lambda r: (200, {}, b""), NO, "cosignature-wrong"),
            (lambda r: (200, {}, b"\xff\x00\n"), NO, "cosignature-wrong"),
            (lambda r: (200, {}, b"x" * 100000), LATER, "witness-away"),
            (lambda r: (409, {}, b"many\n"), CONFIG, "bad-setting"),
            (lambda r: (409, {}, b"9999999\n"), NO, "checkpoint-older"),
            (lambda r: (422, {}, b"no\n"), NO, "log-forked"),
            (lambda r: (500, {}, b"no\n"), LATER, "witness-away"),
            (lambda r: (403, {}, b"no\n"), CONFIG, "bad-setting"),
            # Redirects are not followed, to no scheme.
            (lambda r: (302, {"Location": one.url + "/add-checkpoint"}, b""),
             LATER, "witness-away"),
            (lambda r: (302, {"Location": "file:///etc/passwd"}, b""),
             LATER, "witness-away"),
        ]
        for say, code, word in cases:
            with liar(say) as url:
                done = mintmark(
                    "witness", "collect", "--identity",
                    mint.identity("auditor"), "--witness",
                    f"{one.vkey}={url}", ok=(code,))
                assert word in done.stderr, done.stderr
        assert not (mint.dir / "log/cosigned").exists()


@pytest.mark.parametrize("words", [
    [], ["--witness", VECTOR["witnesses"][0]["vkey"]],
    ["--witness", VECTOR["witnesses"][0]["vkey"] + "=ftp://127.0.0.1/"],
    ["--witness", "nonsense=http://127.0.0.1:1"],
    ["--witness", VECTOR["log_vkey"] + "=http://127.0.0.1:1"]])
def test_witnesses_that_are_none(place, words):
    done = mintmark("witness", "collect", "--identity", place, *words,
                    ok=(USAGE, DATA))
    assert done.stdout == ""
