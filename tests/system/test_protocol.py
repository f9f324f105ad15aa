"""Frames, CBOR and envelopes: what is not a message gets its named error,
and everybody else goes on being served."""

import os
import random
import re
import struct

import pytest

import mintmark_client as mm
from mint import ROOT, VECTORS, fresh, new_csr, nothing_signed, refused

ID = bytes(range(16))
ID_CBOR = b"\x50" + ID


def envelope(kind=b"\x01", request=ID_CBOR, body=b"\xa0"):
    """Pieces of CBOR put together as they are."""
    return b"\xa3\x00" + kind + b"\x01" + request + b"\x02" + body


GOOD = envelope()
FORM, CBOR, SHAPE = ("cbor-not-deterministic", "cbor-malformed",
                     "message-malformed")
DEEP, RANGE, TEXT = "cbor-too-deep", "out-of-range", "bad-text"
TRAILING, UNKNOWN = "trailing-bytes", "unknown-message"
DEVICE = b"\xa2\x00\x66device\x01"  # the head of a show-request


def show(device):
    return envelope(b"\x03", body=DEVICE + device)


# name: (item, the names of errors that say it)
BROKEN = {
    # THREATS 48: not the shortest
    "type-in-two-bytes": (envelope(b"\x18\x01"), FORM),
    "type-in-nine-bytes": (envelope(b"\x1b" + bytes(7) + b"\x01"), FORM),
    "key-in-two-bytes": (b"\xa3\x18\x00\x01\x01" + ID_CBOR + b"\x02\xa0",
                         FORM),
    "map-head-long": (b"\xb8\x03" + GOOD[1:], FORM),
    "id-head-long": (envelope(request=b"\x58\x10" + ID), FORM),
    "text-head-long": (show(b"\x78\x04lamp"), FORM),
    # 48: what the protocol has no use for
    "half-float": (envelope(b"\xf9\x3c\x00"), FORM, SHAPE, CBOR),
    "nan": (envelope(b"\xf9\x7e\x00"), FORM, SHAPE, CBOR),
    "double": (envelope(b"\xfb\x3f\xf0" + bytes(6)), FORM, SHAPE, CBOR),
    "null-body": (envelope(body=b"\xf6"), FORM, SHAPE, CBOR),
    "undefined-body": (envelope(body=b"\xf7"), FORM, SHAPE, CBOR),
    "true-body": (envelope(body=b"\xf5"), SHAPE),
    "simple-value": (envelope(body=b"\xe5"), FORM, SHAPE, CBOR),
    "tagged-type": (envelope(b"\xc1\x01"), FORM, SHAPE, CBOR),
    "tag-18-body": (envelope(body=b"\xd2\xa0"), FORM, SHAPE, CBOR),
    "self-described": (b"\xd9\xd9\xf7" + GOOD, FORM, SHAPE, CBOR),
    "bignum": (envelope(b"\xc2\x41\x01"), FORM, SHAPE, CBOR),
    # 47: indefinite lengths
    "indefinite-map": (b"\xbf" + GOOD[1:] + b"\xff", FORM, CBOR),
    "indefinite-id": (envelope(request=b"\x5f" + ID_CBOR + b"\xff"), FORM,
                      CBOR),
    "indefinite-text": (show(b"\x7f\x64lamp\xff"), FORM, CBOR),
    "indefinite-array": (envelope(body=b"\x9f\xff"), FORM, CBOR),
    "break-alone": (b"\xff", CBOR, FORM),
    # 46: keys
    "duplicate-key": (b"\xa4\x00\x01\x00\x01\x01" + ID_CBOR + b"\x02\xa0",
                      FORM),
    "keys-descend": (b"\xa3\x01" + ID_CBOR + b"\x00\x01\x02\xa0", FORM,
                     SHAPE),
    "duplicate-in-body": (envelope(
        b"\x03", body=b"\xa2\x00\x61a\x00\x61b"), FORM),
    "text-key": (b"\xa3\x61a\x01\x61b" + ID_CBOR + b"\x61c\xa0", SHAPE),
    # 50: unknown keys, bytes behind
    "unknown-key": (b"\xa4" + GOOD[1:] + b"\x03\x00", SHAPE),
    "unknown-key-in-body": (envelope(body=b"\xa1\x00\x01"), SHAPE),
    "no-id": (b"\xa2\x00\x01\x02\xa0", SHAPE),
    "no-body": (b"\xa2\x00\x01\x01" + ID_CBOR, SHAPE),
    "empty-map": (b"\xa0", SHAPE),
    "one-byte-behind": (GOOD + b"\x00", TRAILING),
    "two-items": (GOOD + GOOD, TRAILING),
    # 45: huge counts
    "huge-array": (b"\x9a\x10\x00\x00\x00", CBOR, SHAPE),
    "huge-map": (b"\xbb" + b"\xff" * 8, CBOR, SHAPE),
    "huge-bytes": (b"\x5b\x7f" + b"\xff" * 7, CBOR, SHAPE),
    "huge-text": (b"\x7a\xff\xff\xff\xff", CBOR, SHAPE),
    "huge-array-in-body": (envelope(
        b"\x04", body=b"\xa1\x00\x9b\x00\x00\x00\x01" + bytes(4)), CBOR),
    # 44: depth
    "seventeen-deep": (b"\x81" * 17 + b"\x00", DEEP, SHAPE),
    "a-bomb": (b"\x81" * 100_000 + b"\x00", DEEP, SHAPE),
    "a-bomb-of-maps": (b"\xa1\x00" * 50_000 + b"\x00", DEEP, SHAPE),
    "a-bomb-of-tags": (b"\xd2" * 100_000 + b"\x00", DEEP, FORM, CBOR,
                       SHAPE),
    "a-bomb-in-the-body": (envelope(body=b"\x81" * 60_000 + b"\x00"),
                           DEEP),
    # cut and reserved
    "cut-map": (GOOD[:-1], CBOR),
    "cut-id": (GOOD[:10], CBOR),
    "reserved-info": (envelope(b"\x1c"), CBOR, FORM),
    # wrong types and sizes
    "a-number": (b"\x00", SHAPE),
    "an-array": (b"\x83\x01" + ID_CBOR + b"\xa0", SHAPE),
    "text-type": (envelope(b"\x611"), SHAPE),
    "negative-type": (envelope(b"\x20"), SHAPE, RANGE),
    "short-id": (envelope(request=b"\x4f" + ID[1:]), SHAPE, RANGE),
    "long-id": (envelope(request=b"\x51\x00" + ID), SHAPE, RANGE),
    "text-id": (envelope(request=b"\x70" + b"0" * 16), SHAPE),
    "type-256": (envelope(b"\x19\x01\x00"), SHAPE, RANGE, UNKNOWN),
    "array-body": (envelope(body=b"\x80"), SHAPE),
    # 49: text
    "invalid-utf8": (show(b"\x62\xc3\x28"), TEXT),
    "overlong-utf8": (show(b"\x62\xc0\x80"), TEXT),
    "surrogate": (show(b"\x63\xed\xa0\x80"), TEXT),
    "nul-in-text": (show(b"\x63a\x00b"), TEXT),
    "newline-in-text": (show(b"\x63a\nb"), TEXT),
    "delete-in-text": (show(b"\x61\x7f"), TEXT),
    "c1-in-text": (show(b"\x62\xc2\x85"), TEXT),
    "bidi-in-text": (show(b"\x63\xe2\x80\xae"), TEXT),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_cbor_gets_its_error_and_the_connection_lives(station, name):
    item, *names = BROKEN[name]
    station.send_item(item)
    kind, request, body = station.receive()
    assert kind == 0 and body[1] in names, f"{body}, not {names}"
    assert request in (mm.ZERO_ID, ID)
    assert station.status()


def test_the_id_comes_back_where_it_could_be_read(station):
    station.send_item(envelope(body=b"\xa1\x00\x01"))
    assert station.receive()[1] == ID


@pytest.mark.parametrize("kind", [0, 24, 25, 255])
def test_an_unknown_message(station, kind):
    with refused("unknown-message"):
        station.ask(kind, {})
    assert station.status()


def test_the_examples_of_the_cddl_are_read(mint):
    """Each `example request` gets an answer that is not about its form."""
    text = (ROOT / "protocol/mintmark.cddl").read_text()
    found = re.findall(r"; example request: (\w+)\n((?:;\t[0-9a-f]+\n)+)",
                       text)
    assert len(found) >= 8
    for name, lines in found:
        data = bytes.fromhex(re.sub(r"[;\s]", "", lines))
        assert struct.unpack(">I", data[:4])[0] == len(data) - 4
        with mint.client() as client:
            client.send_bytes(data)
            kind, request, body = client.receive()
        assert request == bytes(range(16)), name
        assert kind == mm.TYPES[name] or body[0] >= 20, (name, body)


def test_garbage_of_a_fixed_seed(mint, order):
    """A good request with a few bits changed: an answer, or the end."""
    dice = random.Random(7433)
    good = mm.encode({0: 2, 1: ID, 2: mm.issue_body(
        "no-such-order", "lamp-0001", new_csr())})
    client, answers = mint.client(), 0
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 3)):
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        try:
            client.send_item(bytes(bad[:dice.randint(1, len(bad))]))
            assert client.receive()[0] == 0
            answers += 1
        except mm.Closed:
            client.close()
            client = mint.client()
    client.close()
    assert answers > 200


def test_what_the_fuzzers_found_interesting(mint):
    corpus = ROOT / "tests/fuzz/corpus/fuzz_message"
    if not corpus.is_dir():
        pytest.skip("there is no corpus of messages")
    client = mint.client("auditor")
    for file in sorted(corpus.iterdir())[:400]:
        data = file.read_bytes()[:mm.FRAME_MAX]
        try:
            client.send_item(data or b"\x00")
            client.receive()
        except mm.Closed:
            client.close()
            client = mint.client("auditor")
    client.close()


def test_a_connection_that_sends_only_garbage_is_closed(mint):
    with mint.client() as client, pytest.raises(mm.Closed):
        for _ in range(1000):
            client.send_item(b"\xff")
            assert client.receive()[0] == 0


# ---------------------------------------------------------------------- frames

@pytest.mark.parametrize("size", [0, mm.FRAME_MAX + 1, 1 << 20, 2**31,
                                  2**32 - 1])
def test_a_length_that_is_no_length(mint, size):
    """The error has an id of zeros; then the connection is closed."""
    with mint.client() as client:
        client.send_bytes(struct.pack(">I", size))
        kind, request, body = client.receive()
        assert (kind, request) == (0, mm.ZERO_ID)
        assert body[1] == "frame-too-large"
        with pytest.raises(mm.Closed):
            client.receive()


def test_the_longest_frame(station):
    """131072 bytes are read, and refused for what they are."""
    item = b"\x5a\x00\x01\xff\xfb" + bytes(mm.FRAME_MAX - 5)
    assert len(item) == mm.FRAME_MAX
    station.send_item(item)
    assert station.receive()[2][1] in (SHAPE, TRAILING)
    assert station.status()


def test_a_frame_in_single_bytes(station):
    for byte in mm.frame(GOOD):
        station.send_bytes(bytes([byte]))
    assert station.receive()[:2] == (1, ID)


def test_frames_in_one_piece(station):
    station.send_bytes(mm.frame(GOOD) * 20)
    for _ in range(20):
        assert station.receive()[:2] == (1, ID)


def test_a_broken_frame_between_good_ones(station):
    station.send_bytes(mm.frame(GOOD) + mm.frame(b"\xff") + mm.frame(GOOD))
    kinds = sorted(station.receive()[0] for _ in range(3))
    assert kinds == [0, 1, 1]


# ------------------------------------------------------------------ pipelining

def test_two_hundred_requests_at_once(mint, station, order):
    """All answered, each once; what came first is logged first."""
    wanted = {}
    for _ in range(200):
        device = fresh("lamp")
        request = station.send("issue", mm.issue_body(order, device,
                                                      new_csr()))
        wanted[request] = device
    for request in wanted:
        station.answer_to(request)
    assert not station.early
    assert sorted(station.show(d)[0] for d in wanted.values())


def test_different_requests_in_one_pipeline(station, order, device):
    csr = new_csr()
    sent = [station.send("status", {}), station.send("show", {
        0: "device", 1: fresh("lamp")}), station.send(
            "issue", mm.issue_body(order, device, csr)), station.send(
                "entries", {0: 0, 1: 1})]
    assert station.answer_to(sent[0])[0] == 1
    with refused("not-found"):
        station.answer_to(sent[1])
    assert station.answer_to(sent[2])[0] == 2
    with refused("role-not-allowed"):
        station.answer_to(sent[3])


def test_a_reader_that_does_not_read_loses_nobody_else(mint, order):
    """Its answers wait for it; others are served meanwhile."""
    with mint.client("auditor") as deaf:
        for _ in range(64):
            deaf.send("entries", {0: 0, 1: 4096})
        with mint.client() as other:
            assert other.issue(order, fresh("lamp"), new_csr())


# ----------------------------------------------------------------------- roles

def matrix():
    """(message, role, whether it may), as the CDDL has it."""
    text = (ROOT / "protocol/mintmark.cddl").read_text()
    for name, allowed in re.findall(
            r"message<\d+, [\w-]+> ; (\w+): ([a-z, ]+)\n", text):
        for role in ("station", "release", "auditor", "officer"):
            yield name, role, role in allowed.split(", ")


BODIES = {
    "status": {}, "issue": {0: "o", 1: "device", 2: "d", 3: None},
    "show": {0: "device", 1: "lamp"}, "statement": {0: [b"x"]},
    "upload": {0: 1, 1: b"x" * 32}, "chunk": {0: 0, 1: 0, 2: b"x"},
    "submit": {0: 0, 1: "demo", 2: "9"},
    "fetch": {0: "demo", 1: "9", 2: "sha256-ecdsa"},
    "entries": {0: 0, 1: 1}, "prove": {0: 0},
    "consistency": {0: 0}, "cosign": {0: b"x"}, "blob": {0: bytes(32), 1: 0},
    "export": {0: 0, 1: 1, 2: "csv", 4: bytes(32), 5: 1},
    "renew": {0: b"no CSR"}, "pending": {}, "orders": {}, "principals": {},
    "crl": {0: "device-ca"}, "releases": {}, "image": {0: bytes(32), 1: 0},
    "partition": {0: "o", 1: "d", 2: "secure-cert-ecdsa256", 3: b"x"},
    "scrap": {0: "o", 1: b"\x01", 2: "no answer"},
}


def test_the_matrix_is_whole():
    assert len(list(matrix())) == 92


@pytest.mark.parametrize("message, role, may", matrix())
def test_each_role_and_message(mint, message, role, may):
    body = dict(BODIES[message])
    if message == "issue":
        body[3] = (VECTORS / "csr/ok-p256-sha256.der").read_bytes()
    with nothing_signed(mint), mint.client(role) as client:
        try:
            client.ask(message, body)
            got = "answered"
        except mm.Refused as e:
            got = e.name
    if may:
        assert got != "role-not-allowed"
    elif message in ("chunk", "submit"):
        # Without an upload, which needs the role, these come to nothing.
        assert got in ("role-not-allowed", "upload-broken"), got
    else:
        assert got == "role-not-allowed", got


def test_show_wants_either_way(station):
    for body in ({}, {0: "device"}, {1: "lamp"},
                 {0: "device", 1: "lamp", 2: b"\x01"}):
        with refused("message-malformed", "not-found", "out-of-range"):
            station.ask("show", body)


def test_an_id_of_zeros(mint, station, order, device):
    """It is for answers to what could not be read, not for requests."""
    with nothing_signed(mint), refused("message-malformed", "out-of-range"):
        station.issue(order, device, new_csr(), request_id=bytes(16))


def test_status_says_who_you_are(mint):
    for name in ("station", "release", "auditor", "officer"):
        with mint.client(name) as client:
            status = client.status()
        assert status[0] == mint.origin and status[1] == mint.vkey_text
        assert (status[5], status[6]) == (name, name)
        assert status[4] == 1


def test_random_ids_do_not_meet(station):
    assert station.send("status", {}) != station.send("status", {})
    assert os.urandom(16) != ID
