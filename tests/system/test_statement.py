"""What officers say: orders and principals, each statement once, and only
from those whose word counts."""

import os
import time

import pytest
from cryptography import x509

import auditor
import mintmark_client as mm
from mint import (fresh, new_csr, new_key, nothing_signed, refused,
                  spki_hash)

DAY = 86400


def an_order(**more):
    return mm.order_body(fresh("order"), 10, ["station"], pattern="*",
                         **more)


def test_an_order_is_logged_word_for_word(mint, officer):
    statement = mint.state("order", an_order())
    answer = officer.statement([statement])
    receipt = auditor.Receipt(answer[1], mint.vkey)
    assert receipt.index == answer[0]
    assert receipt.item[0] == auditor.ORDER
    assert receipt.item[3][0] == [statement]
    assert receipt.item[3][1] == "officer"


@pytest.mark.parametrize("kind, body", [
    ("order", an_order()), ("revoke", mm.revoke_body([7])),
    ("principal", mm.principal_body("line-9", "station", bytes(32))),
    ("policy", mm.policy_body(2, b"policy")),
    ("ceremony", {0: bytes(32), 3: ["root"]}),
    ("withdraw", {0: bytes(32)})], ids=lambda v: v if type(v) is str else "")
def test_who_releases_brings_statements_of_releases_alone(mint, release, kind,
                                                          body):
    """However good they are: the others are for officers to bring."""
    before = len(mint.entries())
    with refused("role-not-allowed"):
        release.statement([mint.state(kind, body)])
    made = mint.entries()[before:]
    assert {e[0] for e in made} <= {auditor.REFUSAL}
    release.statement([mint.approve(b"firmware", version=fresh("1"))])


def test_the_same_statement_twice_is_a_replay(mint, officer):
    statement = mint.state("order", an_order())
    officer.statement([statement])
    with refused("statement-replayed"):
        officer.statement([statement])


def test_the_same_id_gets_the_same_answer(mint, officer):
    statement, request = mint.state("order", an_order()), os.urandom(16)
    first = officer.statement([statement], request_id=request)
    assert officer.statement([statement], request_id=request) == first


def test_the_same_id_with_another_statement(mint, officer):
    request = os.urandom(16)
    officer.statement([mint.state("order", an_order())], request_id=request)
    with refused("request-id-reused"):
        officer.statement([mint.state("order", an_order())],
                          request_id=request)


def test_a_name_is_given_once(mint, officer):
    body = an_order()
    officer.statement([mint.state("order", body)])
    with refused("name-taken"):
        officer.statement([mint.state("order", body)])


def test_for_another_log(mint, officer):
    with refused("statement-wrong-log"):
        officer.statement([mint.officer.state("other.example/log", "order",
                                              an_order())])


@pytest.mark.parametrize("times", [
    {"made": -2 * DAY, "expiry": -DAY}, {"made": -2 * DAY, "expiry": -1},
    {"made": DAY, "expiry": 2 * DAY}], ids=["old", "just over", "future"])
def test_out_of_its_time(mint, officer, times):
    now = int(time.time())
    with refused("statement-expired"):
        officer.statement([mint.state("order", an_order(), **{
            k: now + v for k, v in times.items()})])


def test_of_an_unknown_officer(mint, officer):
    with refused("statement-unknown-officer"):
        officer.statement([mm.Officer().state(mint.origin, "order",
                                              an_order())])


def test_a_stranger_with_an_officers_key_id(mint, officer):
    stranger = mm.Officer()
    stranger.kid = mint.officer.kid
    with refused("statement-bad-signature"):
        officer.statement([stranger.state(mint.origin, "order",
                                          an_order())])


@pytest.mark.parametrize("part", ["payload", "signature"])
def test_a_flipped_bit(mint, officer, part):
    whole = mm.cbor2.loads(mint.state("order", an_order()))
    place = {"payload": 2, "signature": 3}[part]
    bad = bytearray(whole.value[place])
    bad[-1] ^= 1
    whole.value[place] = bytes(bad)
    with refused("statement-bad-signature", "statement-malformed"):
        officer.statement([mm.encode(whole)])


@pytest.mark.parametrize("kind", [0, 8, 255])
def test_kinds_that_there_are_not(mint, officer, kind):
    with refused("statement-wrong-kind", "statement-malformed",
                 "out-of-range"):
        officer.statement([mint.state(kind, an_order())])


@pytest.mark.parametrize("kind", ["release", "revoke", "principal", "policy",
                                  "ceremony", "withdraw"])
def test_an_orders_body_of_another_kind(mint, officer, kind):
    with refused("message-malformed", "out-of-range", "cbor-malformed"):
        officer.statement([mint.state(kind, an_order())])


@pytest.mark.parametrize("along", [
    {"csr": new_csr()}, {"policy": b"\xa0"}, {"text": b"a policy"},
    {"certificates": [b"x"]}], ids=lambda a: list(a)[0])
def test_what_does_not_belong_to_an_order(mint, officer, along):
    with refused("statement-differs"):
        officer.statement([mint.state("order", an_order())], **along)


def rebuilt(mint, change):
    whole = mm.cbor2.loads(mint.state("order", an_order()))
    change(whole.value)
    return mm.encode(whole)


# What the reader of CBOR says of a payload.
UNREADABLE = ("out-of-range", "cbor-malformed", "cbor-not-deterministic")

MALFORMED = {
    "no cbor": lambda m: b"\xff",
    "no tag": lambda m: mm.encode(
        mm.cbor2.loads(m.state("order", an_order())).value),
    "tag 98": lambda m: mm.encode(mm.cbor2.CBORTag(
        98, mm.cbor2.loads(m.state("order", an_order())).value)),
    "a fifth element": lambda m: rebuilt(m, lambda v: v.append(b"")),
    "three elements": lambda m: rebuilt(m, lambda v: v.pop()),
    "an unprotected header": lambda m: rebuilt(
        m, lambda v: v[1].update({4: b"x"})),
    "a short signature": lambda m: rebuilt(
        m, lambda v: v.__setitem__(3, v[3][:63])),
    "bytes behind": lambda m: m.state("order", an_order()) + b"\x00",
    "another algorithm": lambda m: m.officer.sign_payload(
        mm.claim(m.origin, "order", an_order()),
        header={1: -7, 4: m.officer.kid}),
    "no algorithm": lambda m: m.officer.sign_payload(
        mm.claim(m.origin, "order", an_order()),
        header={4: m.officer.kid}),
    "a critical header": lambda m: m.officer.sign_payload(
        mm.claim(m.origin, "order", an_order()),
        header={1: -8, 2: [1], 4: m.officer.kid}),
    "a payload that is none": lambda m: m.officer.sign_payload(b"\xff"),
    "a short nonce": lambda m: m.state("order", an_order(), nonce=b"x" * 15),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_statement(mint, officer, name):
    with refused("statement-malformed", *UNREADABLE):
        officer.statement([MALFORMED[name](mint)])
    assert officer.status()


@pytest.mark.parametrize("change", [
    {2: 0}, {4: []}, {3: {}}, {3: {0: ["a"], 3: "*"}}, {3: {1: "a"}},
    {3: {1: "b", 2: "a"}}, {3: {1: "a", 2: "bb"}}, {5: -1}, {9: 1}, {6: 0},
    {0: ""}, {0: "x" * 65}], ids=str)
def test_orders_that_make_no_sense(mint, officer, change):
    with refused("statement-malformed", "message-malformed", "out-of-range"):
        officer.statement([mint.state("order", {**an_order(), **change})])


def test_two_copies_of_one_officer_are_not_two_officers(mint, officer):
    """Where one is enough, a second copy changes nothing, or is refused."""
    payload = mm.claim(mint.origin, "order", an_order())
    both = [mint.officer.sign_payload(payload)] * 2
    try:
        officer.statement(both)
    except mm.Refused as e:
        assert e.name.startswith("statement-"), e


def test_statements_of_different_payloads(mint, officer):
    with refused("statement-differs", "statement-malformed"):
        officer.statement([mint.state("order", an_order()),
                           mint.state("order", an_order())])


# ------------------------------------------------------------------ principals

def register(mint, officer, name, role, key, csr=None, **more):
    return officer.statement([mint.state("principal", mm.principal_body(
        name, role, spki_hash(key), **more))], csr=csr)


@pytest.mark.parametrize("role", ["station", "release", "auditor",
                                  "officer"])
def test_a_new_principal_can_talk(mint, role):
    name = mint.new_principal(role)
    with mint.client(name) as client:
        status = client.status()
    assert (status[5], status[6]) == (name, role)


def test_its_certificate(mint, officer):
    key, name = new_key(), fresh("auditor")
    answer = register(mint, officer, name, "auditor", key, new_csr(key))
    certificate = x509.load_der_x509_certificate(answer[2])
    assert [a.value for a in certificate.subject][0] == name
    receipt = auditor.Receipt(answer[1], mint.vkey)
    assert receipt.item[0] == auditor.PRINCIPAL, (
        "index and receipt are the statement's entry's")


def test_a_csr_of_another_key_than_stated(mint, officer):
    with nothing_signed(mint), refused("statement-differs"):
        register(mint, officer, fresh("auditor"), "auditor", new_key(),
                 new_csr(new_key()))


def test_without_a_csr_there_is_no_certificate(mint, officer):
    answer = register(mint, officer, fresh("auditor"), "auditor", new_key())
    assert 2 not in answer


def disable(mint, officer, name, role):
    key = x509.load_pem_x509_certificate(
        (mint.identity(name) / "certificate.pem").read_bytes())

    class Key:  # of which the public half is enough
        public_key = staticmethod(key.public_key)
    more = {"profiles": ["device"]} if role == "station" else {}
    register(mint, officer, name, role, Key, disabled=True, **more)


def test_a_disabled_station_is_out_at_its_next_request(mint, officer):
    name = mint.new_principal("station")
    order = mint.new_order(stations=[name])
    with mint.client(name) as client:
        client.issue(order, fresh("lamp"), new_csr())
        disable(mint, officer, name, "station")
        with nothing_signed(mint), refused("unknown-principal"):
            client.issue(order, fresh("lamp"), new_csr())
        with refused("unknown-principal"):
            client.status()


def test_a_disabled_officer_is_out(mint, officer):
    name = mint.new_principal("officer")
    with mint.client(name) as other:
        disable(mint, officer, name, "officer")
        with refused("unknown-principal"):
            other.statement([mint.state("order", an_order())])


def test_a_station_that_nobody_knows(mint, officer):
    body = mm.order_body(fresh("order"), 10, ["station", "stat1on"],
                         pattern="*")
    with refused("unknown-principal") as no:
        officer.statement([mint.state("order", body)])
    assert "stat1on" in no.error.text


def test_the_last_officer_cannot_be_disabled(mint, officer):
    for name in [p[0] for p in officer.principals()
                 if p[1] == mm.ROLES["officer"] and p[0] != "officer"]:
        disable(mint, officer, name, "officer")
    with refused("policy-locks-out"):
        disable(mint, officer, "officer", "officer")


def test_disabled_and_enabled_again(mint, officer):
    name, key = fresh("auditor"), new_key()
    mint.new_principal("auditor", name=name, key=key)
    disable(mint, officer, name, "auditor")
    with mint.client(name) as client:
        with refused("unknown-principal"):
            client.status()
        register(mint, officer, name, "release", key, minute=1000)
        assert client.status()[6] == "release"


# ----------------------------------------------------------------- revocations

def a_serial(mint):
    order = mint.new_order()
    with mint.client() as station:
        der = station.issue(order, fresh("lamp"), new_csr())[1]
    return x509.load_der_x509_certificate(der).serial_number


def revoke(mint, officer, *serials, **more):
    return officer.statement([mint.state("revoke", mm.revoke_body(
        serials, **more))])


def test_a_certificate_is_revoked_once(mint, officer):
    serials = [a_serial(mint) for _ in range(3)]
    answer = revoke(mint, officer, *serials[:2], reason=1,
                    since=int(time.time()) - DAY)
    receipt = auditor.Receipt(answer[1], mint.vkey)
    assert receipt.item[0] == auditor.REVOCATION
    with refused("certificate-revoked"):
        revoke(mint, officer, serials[2], serials[0])
    revoke(mint, officer, serials[2])


@pytest.mark.parametrize("reasons", [(6, 1), (6, 8, 6, 4)])
def test_a_hold_is_not_for_ever(mint, officer, reasons):
    serial = a_serial(mint)
    for reason in reasons:
        revoke(mint, officer, serial, reason=reason)
    with refused("certificate-revoked"):
        revoke(mint, officer, serial, reason=1)


def test_what_cannot_be_revoked(mint, officer):
    serial = a_serial(mint)
    root = x509.load_pem_x509_certificate(
        (mint.dir / "public/ca.pem").read_bytes()).serial_number
    with refused("statement-malformed"):
        revoke(mint, officer, serial, serial)
    with refused("not-found"):
        revoke(mint, officer, 0x1234567890)
    with refused("statement-malformed"):
        revoke(mint, officer, root)
    with refused("statement-malformed", "out-of-range"):
        revoke(mint, officer, serial, reason=7)
    with refused("statement-malformed", "certificate-revoked"):
        revoke(mint, officer, serial, reason=8)
    revoke(mint, officer, serial)


def test_one_key_is_one_principal(mint, officer):
    key = new_key()
    register(mint, officer, fresh("auditor"), "auditor", key)
    with refused("name-taken", "key-already-used"):
        register(mint, officer, fresh("auditor"), "auditor", key)


def test_a_new_key_replaces_the_old_one(mint, officer):
    """The newest statement of a name counts."""
    name = mint.new_principal("auditor")
    with mint.client(name) as old:
        old.status()
        register(mint, officer, name, "auditor", new_key())
        with refused("unknown-principal"):
            old.status()


def test_all_of_it_holds_after_a_restart(mint, officer):
    name = mint.new_principal("auditor")
    gone = mint.new_principal("auditor")
    disable(mint, officer, gone, "auditor")
    statement = mint.state("order", an_order())
    officer.statement([statement])
    mint.restart()
    with mint.client(name) as client:
        assert client.status()[5] == name
    with mint.client(gone) as client, refused("unknown-principal"):
        client.status()
    with mint.client("officer") as client, refused("statement-replayed"):
        client.statement([statement])
