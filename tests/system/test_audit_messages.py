"""What auditors and witnesses ask of a running appliance: that the log only
grew, cosignatures, exports on record, blobs."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

import auditor
import mintmark_client as mm
from logmaker import Cosigner
from mint import Mint, fresh, new_csr, refused
from test_start import CONFIG, refuses
from test_witness import subtree

CONSISTENCY, COSIGN, EXPORT, BLOB = 11, 12, 13, 14


def cosigner(name):
    return Cosigner(f"witness.example/{name}", Ed25519PrivateKey.generate())


def name_witnesses(mint, *witnesses):
    with mint.config.open("a") as f:
        f.write("log { witness = {%s} }\n" % ", ".join(
            f'"{w if isinstance(w, str) else w.vkey}"' for w in witnesses))


@pytest.fixture
def witnessed(own_mint):
    """A mint that knows two witnesses."""
    own_mint.north, own_mint.south = cosigner("north"), cosigner("south")
    name_witnesses(own_mint, own_mint.north, own_mint.south)
    own_mint.start()
    yield own_mint
    if own_mint.daemon is not None:
        own_mint.stop()
    own_mint.audit()


def grow(mint):
    with mint.client() as client:
        client.issue(mint.new_order(), fresh("lamp"), new_csr())


def newest(client):
    return client.ask(CONSISTENCY, {0: 0})[0]


# ------------------------------------------------------------- it only grew

def test_every_older_size_is_a_prefix(mint, auditor_client, order):
    for _ in range(5):
        with mint.client() as client:
            client.issue(order, fresh("lamp"), new_csr())
    leaves = [auditor.leaf_hash(e) for e in auditor_client.all_entries()]
    for older in range(len(leaves) + 1):
        answer = auditor_client.ask(CONSISTENCY, {0: older})
        size, root = auditor.open_checkpoint(answer[0], mint.vkey)
        assert (size, root) == (len(leaves), auditor.tree_root(leaves))
        assert answer.get(1, []) == ([] if older in (0, size) else
                         subtree(leaves, older, size, True))
    with refused("checkpoint-older"):
        auditor_client.ask(CONSISTENCY, {0: len(leaves) + 1})


def test_receipts_against_a_checkpoint_of_before(mint, auditor_client):
    grow(mint)
    note = newest(auditor_client)
    size, root = auditor.open_checkpoint(note, mint.vkey)
    grow(mint)
    for index in 0, size - 1:
        text = auditor_client.ask("prove", {0: index, 2: size})[0]
        receipt = auditor.Receipt(text, mint.vkey)
        assert (receipt.index, receipt.size) == (index, size)
        assert auditor.open_checkpoint(
            text.split(b"\n\n", 1)[1], mint.vkey) == (size, root)
    now = auditor.open_checkpoint(newest(auditor_client), mint.vkey)[0]
    text = auditor_client.ask("prove", {0: size, 2: now})[0]
    assert auditor.Receipt(text, mint.vkey).size == now
    for index, wrong in (size, size), (now, now), (0, now + 1), (0, 2**62):
        with refused("not-found"):
            auditor_client.ask("prove", {0: index, 2: wrong})
    with refused("message-malformed"):
        auditor_client.ask("prove", {0: 0, 1: True, 2: size})
    for wrong in 0, 2**63:
        with refused("out-of-range"):
            auditor_client.ask("prove", {0: 0, 2: wrong})


def test_anybody_may_ask_whether_it_only_grew(mint):
    for name in "station", "release", "auditor", "officer":
        with mint.client(name) as client:
            assert newest(client)


# ------------------------------------------------------------ cosignatures

def test_cosignatures_come_home(witnessed):
    mint = witnessed
    with mint.client("auditor") as client:
        with refused("not-found"):
            client.ask("prove", {0: 0, 1: True})
        first = newest(client)
        assert client.ask(COSIGN, {
            0: first + mint.north.line(first)})[1] == 1
        grow(mint)
        second = newest(client)
        size = auditor.open_checkpoint(second, mint.vkey)[0]
        # They come one by one; each counts once.
        for line, count in [(mint.north.line(second), 1),
                            (mint.south.line(second), 2),
                            (mint.south.line(second), 2)]:
            assert client.ask(COSIGN, {0: second + line}) == {
                0: size, 1: count}
        # An older one does not take the newest one's place.
        assert client.ask(COSIGN, {
            0: first + mint.south.line(first)}) == {0: size, 1: 2}
        grow(mint)
        cosigned = client.ask("prove", {0: 3, 1: True})[0]
        proven = auditor.Receipt(cosigned, mint.vkey)
        assert proven.size == size
        for witness in mint.north, mint.south:
            assert witness.line(second) in cosigned
        assert auditor.Receipt(client.prove(3), mint.vkey).size > size
    kept = (mint.dir / "log/cosigned").read_bytes()
    mint.restart()
    with mint.client("auditor") as client:
        assert client.ask("prove", {0: 3, 1: True})[0] == cosigned
    assert (mint.dir / "log/cosigned").read_bytes() == kept


def test_wrong_cosignatures_are_refused(witnessed):
    mint, stranger = witnessed, cosigner("stranger")
    with mint.client("officer") as client:
        note = newest(client)
        grow(mint)
        of_another = mint.north.line(newest(client))
        with refused("cosignature-wrong"):
            client.ask(COSIGN, {0: note + of_another})
        twice = mint.north.line(note, 1) + mint.north.line(note, 2)
        with refused("cosignature-wrong", "note-malformed"):
            client.ask(COSIGN, {0: note + twice})
        with refused("note-malformed", "note-bad-signature"):
            client.ask(COSIGN, {0: note.replace(b"\n", b"\r\n")})
        other = note.replace(mint.origin.encode(), b"other.example/log")
        with refused("note-unknown-key", "checkpoint-other-log",
                     "note-bad-signature"):
            client.ask(COSIGN, {0: other})
        # Lines of others are no cosignature.
        with refused("cosignature-wrong"):
            client.ask(COSIGN, {0: note + stranger.line(note)})
        with refused("not-found"):
            client.ask("prove", {0: 0, 1: True})


def test_a_station_brings_no_cosignatures(mint):
    with mint.client() as client, refused("role-not-allowed"):
        client.ask(COSIGN, {0: newest(client)})


@pytest.mark.parametrize("name, word", [
    ("junk", "witness"),
    ("log", "type"),
    ("twice", "one key"),
])
def test_a_wrong_witness_ends_the_start(own_mint, name, word):
    one = cosigner("north")
    again = Cosigner("witness.example/south", one.key)
    named = {"junk": ["junk"], "log": [own_mint.vkey_text],
             "twice": [one, again]}
    name_witnesses(own_mint, *named[name])
    said = refuses(own_mint, CONFIG, word)
    assert "appliance.conf" in said and "witness" in said, said


# ----------------------------------------------------------------- exports

def export_body(client, **changes):
    size = client.status()[2]
    body = {0: 0, 1: size, 2: "json", 3: "refused", 4: os.urandom(32),
            5: 4321}
    body.update({int(k[1:]): v for k, v in changes.items()})
    return body


def test_an_export_is_on_record(mint, auditor_client):
    body, request = export_body(auditor_client), os.urandom(16)
    answer = auditor_client.ask(EXPORT, body, request)
    receipt = auditor.Receipt(answer[1], mint.vkey)
    assert receipt.index == answer[0]
    kind, _, _, entry = receipt.item.values()
    assert kind == auditor.EXPORT
    assert [entry[k] for k in range(6)] == [body[k] for k in range(6)]
    assert entry[6] == "auditor" and entry[7] == request
    assert auditor_client.ask(EXPORT, body, request) == answer
    with refused("request-id-reused"):
        auditor_client.ask(EXPORT, {**body, 5: 1}, request)
    with refused("request-id-reused"), mint.client("station") as station:
        # Another principal's id is another request; a role is not.
        used = os.urandom(16)
        order, device = mint.new_order(), fresh("lamp")
        station.issue(order, device, new_csr(), request_id=used)
        station.issue(order, fresh("lamp"), new_csr(), request_id=used)


@pytest.mark.parametrize("changes", [
    {"_1": 1 << 40}, {"_0": 3, "_1": 3}, {"_0": 4, "_1": 3}, {"_2": "xml"}])
def test_an_export_is_of_what_is_there(mint, auditor_client, changes):
    count = mint.count(auditor.EXPORT)
    with refused("out-of-range"):
        auditor_client.ask(EXPORT, export_body(auditor_client, **changes))
    assert mint.count(auditor.EXPORT) == count


def test_a_hundred_exports_a_day(own_mint):
    own_mint.start()
    name = own_mint.new_principal("auditor")
    with own_mint.client(name) as client:
        asked = [client.send(EXPORT, export_body(client))
                 for _ in range(50)]
        for one in asked:
            client.answer_to(one)
        for _ in range(50):
            client.ask(EXPORT, export_body(client))
        with refused("daily-limit") as refusal:
            client.ask(EXPORT, export_body(client))
        assert refusal.error.retry_after > 0
    with own_mint.client("auditor") as client:
        assert client.ask(EXPORT, export_body(client))
    own_mint.restart("--rebuild")
    with own_mint.client(name) as client, refused("daily-limit"):
        client.ask(EXPORT, export_body(client))
    own_mint.stop()
    own_mint.audit()


def test_a_station_exports_nothing(mint):
    with mint.client() as client, refused("role-not-allowed"):
        client.ask(EXPORT, export_body(client))


# ------------------------------------------------------------------- blobs

def test_there_is_no_such_blob(auditor_client):
    with refused("not-found"):
        auditor_client.ask(BLOB, {0: os.urandom(32), 1: 0})


def test_a_station_reads_blobs_too(mint):
    """A CRL may be one."""
    with mint.client() as client, refused("not-found"):
        client.ask(BLOB, {0: bytes(32), 1: 0})
