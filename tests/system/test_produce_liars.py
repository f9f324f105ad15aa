"""An appliance that lies to mintmark produce: an answer that is not what was
asked for makes no unit, and the key that was asked with stays."""

import hashlib
import json
import os
import random
import select
import subprocess
import threading
import time
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import mintmark_client as mm
from paper_appliance import PaperAppliance
from paper_log import CERTIFICATE, GENESIS, START, PaperLog, serial
from mint import BUILD, die_with_parent, eventually, run
from produce_room import TEMPLATE, Room, devices, end, tell
from test_liars import DER, authority_of, name_of, spki_of, time_of

ISSUE, ORDERS = 2, 17


class LyingMint(PaperAppliance):
    """It issues; `lie` is what is not so. One lock: requests come at once."""

    def __init__(self, place):
        log = PaperLog()
        self.ca = ec.generate_private_key(ec.SECP256R1())
        log.add(GENESIS, {0: log.origin, 1: log.raw, 2: [
            {0: "device-ca", 1: 2, 2: spki_of(self.ca)}], 3: b"policy",
            4: b"a = 1\n"})
        super().__init__(log, place)
        self.lie, self.given, self.lock = "", {}, threading.Lock()
        self.answers[ORDERS] = lambda body: {0: [{
            0: "order-1", 1: "device", 2: 0, 3: 1, 4: 1, 5: 1000, 6: 0,
            7: 0, 8: 0, 9: 0, 10: 0, 11: START + 10 ** 9, 12: False,
            13: 0}]}
        self.answers[ISSUE] = self.issue

    def issue(self, body):
        with self.lock:
            return self.certify(body)

    def certify(self, body):
        csr = x509.load_der_x509_csr(body[3])
        device, key, by, profile = body[2], csr.public_key(), self.ca, body[1]
        if self.lie == "another device":
            device = "24:00:00:00:00:00"
        if self.lie == "another key":
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
        if self.lie == "another profile":
            profile = "tree"
        if self.lie == "another CA's signature":
            by = ec.generate_private_key(ec.SECP256R1())
        spki = key.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        self.given.setdefault(body[2], set()).add(spki)
        made = x509.CertificateBuilder().subject_name(
            name_of(device)).issuer_name(name_of("device-ca")).public_key(
            key).serial_number(serial(len(self.log.entries))).add_extension(
            x509.BasicConstraints(False, None), True).add_extension(
            authority_of(self.ca), False).not_valid_before(
            time_of(START)).not_valid_after(time_of(START + 864000)).sign(
            by, hashes.SHA256())
        index = self.log.add(CERTIFICATE, {
            0: profile, 1: device, 2: 0, 3: "device-ca",
            4: hashlib.sha256(spki).digest(), 5: made.tbs_certificate_bytes,
            6: "station", 7: bytes(16)})
        told = index - 1 if self.lie == "another index" else index
        proof = self.receipt(
            0 if self.lie == "another entry's receipt" else index)
        if self.lie == "a damaged receipt":
            proof = proof[:-10] + bytes([proof[-10] ^ 1]) + proof[-9:]
        return {0: told, 1: made.public_bytes(DER), 3: proof}


class MoodyMint(LyingMint):
    """It answers some of what it was asked, in any order, and hangs up
    whenever it likes; but whoever asks again gets the same."""

    PIPELINE = 64

    def __init__(self, place):
        super().__init__(place)
        self.told, self.most, self.hung_up = {}, 0, 0
        self.chance = random.Random(6)

    def certify(self, body):
        if body[2] not in self.told:
            self.told[body[2]] = super().certify(body)
        return self.told[body[2]]

    def has_more(self, stream):
        return stream.pending() > 0 or select.select(
            [stream], [], [], 0.005)[0]

    def ask(self, stream):
        size = int.from_bytes(mm.read_exactly(stream, 4), "big")
        return mm.decode(mm.read_exactly(stream, size))

    def talk(self, stream):
        waiting, patience = [], self.chance.randrange(30, 150)
        while True:
            while not waiting or self.has_more(stream):
                waiting.append(self.ask(stream))
            self.most = max(self.most, len(waiting))
            self.chance.shuffle(waiting)
            for _ in range(self.chance.randrange(len(waiting)) + 1):
                request = waiting.pop()
                stream.sendall(mm.frame(mm.encode({
                    0: request[0], 1: request[1],
                    2: self.answers[request[0]](request[2])})))
                patience -= 1
                if patience == 0:
                    self.hung_up += 1
                    return


@pytest.fixture
def liar(workdir):
    with LyingMint(workdir / "liar") as appliance:
        yield appliance


@pytest.fixture
def room(liar, workdir):
    mint = types.SimpleNamespace(identity=lambda name: liar.place)
    return Room(mint, workdir, "order-1",
                TEMPLATE[:TEMPLATE.index("register")])


def test_an_honest_one(room):
    room.rows(devices(70))
    assert room.go()["made"] == 70


def test_in_any_order_and_over_many_connections(workdir):
    """Two windows are under way at a time, and all of one connection's
    answers are lost with it; as many wait for one as the appliance takes."""
    wanted = devices(400)
    with MoodyMint(workdir / "moody") as moody:
        room = Room(types.SimpleNamespace(identity=lambda name: moody.place),
                    workdir, "order-1", TEMPLATE[:TEMPLATE.index("register")])
        room.rows(wanted)
        total = room.go()
        assert total["made"] == 400 and moody.hung_up >= 3
        assert moody.most == moody.PIPELINE
        assert sorted(moody.given) == sorted(wanted)
        assert {len(keys) for keys in moody.given.values()} == {1}
        assert [r["device"] for r in room.results()] == wanted
        assert [int(r["index"]) for r in room.results()] == [
            moody.told[device][0] for device in wanted]


# ------------------------------------------------- one that is short of things

class ShortMint(LyingMint):
    """It answers what `may` lets through; whatever else it says of it."""

    def __init__(self, place, may):
        super().__init__(place)
        self.may, self.refused = may, 0
        self.ready = threading.Event()  # somebody waits
        self.go_on = threading.Event()  # for this

    def __exit__(self, *why):
        self.go_on.set()
        super().__exit__(*why)

    def certify(self, body):
        why = self.may(self, body[2])
        if why is not None:
            self.refused += 1
            raise KeyError(why)
        return super().certify(body)


def error(code, name, wait=None):
    return {0: code, 1: name, 2: "for a test"} | (
        {} if wait is None else {3: wait})


def short_room(mint, workdir, count):
    room = Room(types.SimpleNamespace(identity=lambda name: mint.place),
                workdir, "order-1", TEMPLATE[:TEMPLATE.index("register")])
    room.rows(devices(count))
    return room


def one_key_each(mint, count):
    assert len(mint.given) == count
    assert {len(keys) for keys in mint.given.values()} == {1}


def test_trouble_is_sat_out(workdir):
    """Both windows' requests may be refused, once; then one is sent to see."""
    class Hundred:  # of them, and then a second's pause
        left, until = 100, None

    def may(mint, device):
        if Hundred.until is not None and time.monotonic() > Hundred.until:
            Hundred.left, Hundred.until = 100, None
        if Hundred.left > 0:
            Hundred.left -= 1
            return None
        Hundred.until = Hundred.until or time.monotonic() + 1
        return error(60, "rate-limited", 2)
    with ShortMint(workdir / "short", may) as mint:
        room = short_room(mint, workdir, 300)
        assert room.go()["made"] == 300
        one_key_each(mint, 300)
        assert 2 <= mint.refused <= 2 * 64 + 8, mint.refused


def test_what_is_issued_is_finished(workdir):
    """One has to wait, and then the order is used up: no answer is lost."""
    def may(mint, device):
        if len(mint.given) == 30 and mint.refused == 0:
            return error(60, "rate-limited", 1)
        if len(mint.given) >= 100 and device not in mint.given:
            return error(47, "order-exhausted")
        return None
    with ShortMint(workdir / "short", may) as mint:
        room = short_room(mint, workdir, 300)
        total = room.go(ok=(77,))
        assert (len(mint.given), total["made"]) == (100, 100)
        mint.may = lambda mint, device: None
        assert room.go()["made"] == 200
        one_key_each(mint, 300)


def stalling(mint, device):
    if len(mint.given) >= 80:
        mint.ready.set()
        mint.go_on.wait(300)


def test_stopped_twice_while_the_appliance_is_slow(workdir):
    with ShortMint(workdir / "short", stalling) as mint:
        room = short_room(mint, workdir, 200)
        process = room.start()
        assert mint.ready.wait(60)
        tell(process)
        code, out, err = end(process)
        assert code == 75 and "twice" in err
        last = json.loads(out.splitlines()[-1])
        assert last["end"] == "stopped" and 0 < last["held"] <= 128
        assert last["held"] == room.slots_used()
        mint.go_on.set()
        room.go()
        assert len(room.results()) == 200
        one_key_each(mint, 200)


@pytest.mark.skipif("sanitize" in str(BUILD),
                    reason="a sanitizer locks no memory")
def test_going_on_with_little_memory(workdir):
    """More units wait in the journal than can be locked at a time."""
    def limited(kib):
        no_root = ["setpriv", "--bounding-set=-ipc_lock"]
        return [*(no_root if os.geteuid() == 0 else []), "prlimit",
                f"--memlock={kib << 10}"]
    if subprocess.run([*limited(8192), "true"]).returncode != 0:
        pytest.skip("what a process may lock cannot be limited here")
    with ShortMint(workdir / "short", stalling) as mint:
        room = short_room(mint, workdir, 200)
        process = subprocess.Popen(
            [*limited(8192), *room.words()], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        assert mint.ready.wait(60)
        eventually(lambda: room.slots_used() > 30, "units that are begun")
        process.kill()
        process.communicate()
        mint.go_on.set()
        run(*limited(768), *room.words(), timeout=300)
        assert len(room.results()) == 200 and room.slots_used() == 0
        one_key_each(mint, 200)
        room.rows(devices(201))
        done = run(*limited(256), *room.words(), ok=(70,))
        assert "ulimit -l" in done.stderr


def test_what_never_fits_costs_one_unit(liar, room):
    """AWS wants the CA's certificate, and none comes."""
    room.template.write_text(TEMPLATE)
    room.rows(devices(70))
    total = room.go(ok=(65,))
    assert (total["made"], total["held"]) == (0, 1)
    assert len(liar.given) == 1 and "ca = no" in room.done.stderr
    kept = {d: set(k) for d, k in liar.given.items()}
    # The template has to be changed for it; its key and values stay.
    room.template.write_text(TEMPLATE.replace(
        '"aws-bulk"', '"aws-bulk" ca = no') + 'value x { text = "7" }\n')
    room.go("--changed-template", ok=(65,))
    assert devices(1)[0] in room.done.stderr
    assert "{x}" in room.done.stderr and room.slots_used() == 1
    room.template.write_text(TEMPLATE.replace(
        '"aws-bulk"', '"aws-bulk" ca = no').replace("LMP-", "NEW-"))
    assert room.go("--changed-template")["made"] == 70
    assert liar.given[devices(1)[0]] == kept[devices(1)[0]]
    assert [r["serial"] for r in room.results()[:2]] == [
        "LMP-001000", "NEW-001001"]


@pytest.mark.parametrize("lie", [
    "another device", "another key", "another profile",
    "another CA's signature", "another index", "another entry's receipt",
    "a damaged receipt"])
def test_what_is_not_so_makes_no_unit(liar, room, lie):
    room.rows(devices(3))
    liar.lie = lie
    total = room.go(ok=(1, 65, 77))
    assert (total["made"], total["held"]) == (0, 1)
    assert not list((room.run / "units").iterdir())
    assert room.results() == [] and room.slots_used() == 1
    # And who tells the truth then gets the same keys.
    kept = {d: set(k) for d, k in liar.given.items()}
    assert list(kept) == devices(1)
    liar.lie = ""
    assert room.go()["made"] == 3
    if lie != "another key":
        assert liar.given[devices(1)[0]] == kept[devices(1)[0]]
