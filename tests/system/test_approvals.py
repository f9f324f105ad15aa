"""Two officers for everything: statements are gathered until there are
enough, in any order and over a crash; what is withdrawn, has expired or was
signed by somebody who is no officer any more does not count."""

import hashlib
import os
import time

import pytest
from cryptography import x509

import auditor
import mintmark_client as mm
from mint import (MINTMARK, Mint, eventually, fresh, new_csr, new_key,
                  refusals, refused, run, spki_hash)

PENDING, WITHDRAWAL, RELEASE_ENTRY = 14, 15, 16
KINDS = ("order", "release", "revoke", "principal", "policy", "ceremony")
MISSING = 4  # of the answer to a statement


def document(mint):
    """The policy in force, decoded."""
    newest = [e for e in mint.entries()
              if e[0] in (auditor.GENESIS, auditor.POLICY)][-1]
    return mm.decode(newest[3][3 if newest[0] == auditor.GENESIS else 0])


def next_policy(mint, officers, threshold=2):
    """The document after the one in force, with these officers alone."""
    policy = document(mint)
    policy[0] += 1
    policy[4] = [{0: name, 1: officer.public}
                 for name, officer in sorted(officers.items())]
    policy[5] = [{0: kind, 1: threshold}
                 for kind in range(1, len(KINDS) + 1)]
    return mm.encode(policy)


def by(mint, kind, body, *officers, **changes):
    """One payload, signed by each of them."""
    payload = mm.claim(mint.origin, kind, body, **changes)
    return [officer.sign_payload(payload) for officer in officers]


def change_policy(mint, policy, *officers):
    number = mm.decode(policy)[0]
    with mint.client("officer") as client:
        answer = client.statement(
            by(mint, "policy", mm.policy_body(number, policy), *officers),
            policy=policy, text=b"policy %d, as somebody wrote it" % number)
        assert answer.get(MISSING, 0) == 0
        eventually(lambda: client.status()[4] == number, "the new policy")


def serve_strict(threshold):
    mint = Mint()
    try:
        mint.start()
        mint.people = {"ada": mm.Officer(), "bob": mm.Officer(),
                       "first": mint.officer}
        change_policy(mint, next_policy(mint, mint.people, threshold),
                      mint.officer)
        yield mint
        mint.unharmed()
        mint.stop()
        run(MINTMARK, "log", "verify", "--key",
            mint.dir / "public/log.vkey", mint.dir / "log")
    finally:
        mint.remove()


@pytest.fixture(scope="module")
def strict():
    """A mint where every kind of statement wants two of three officers."""
    yield from serve_strict(2)


@pytest.fixture
def full():
    """One that wants all three, for a test that leaves no room in it."""
    yield from serve_strict(3)


@pytest.fixture
def mint(strict):
    yield strict
    strict.unharmed()


@pytest.fixture
def ada(strict):
    return strict.people["ada"]


@pytest.fixture
def bob(strict):
    return strict.people["bob"]


@pytest.fixture
def first(strict):
    return strict.people["first"]


def an_order(**more):
    return mm.order_body(fresh("order"), 10, ["station"], pattern="*", **more)


def in_force(mint, order, ada, bob):
    with mint.client("officer") as client:
        client.statement(by(mint, "order", order, ada, bob))


def a_certificate(mint, ada, bob):
    """Serial of a device's new certificate."""
    order = an_order()
    in_force(mint, order, ada, bob)
    with mint.client("station") as station:
        der = station.issue(order[0], fresh("lamp"), new_csr())[1]
    return x509.load_der_x509_certificate(der).serial_number


def a_body(mint, kind, ada, bob):
    """What could be stated just now, and what has to come along."""
    if kind == "order":
        return an_order(), {}
    if kind == "release":
        return mm.release_body(os.urandom(100), version=fresh("1")), {}
    if kind == "revoke":
        return mm.revoke_body([a_certificate(mint, ada, bob)], reason=1), {}
    if kind == "principal":
        key = new_key()
        return (mm.principal_body(fresh("auditor"), "auditor",
                                  spki_hash(key)), {"csr": new_csr(key)})
    if kind == "policy":
        policy = next_policy(mint, mint.people)
        return (mm.policy_body(mm.decode(policy)[0], policy),
                {"policy": policy, "text": b"as somebody wrote it"})
    digest = hashlib.sha256(mm.encode(document(mint))).digest()
    name = fresh("device-ca")[:20]
    return {0: digest, 1: [{0: name, 1: 2}],
            2: [{0: name, 1: "root", 2: "device-ca", 3: name}]}, {}


ENTRY = {"order": auditor.ORDER, "release": RELEASE_ENTRY,
         "revoke": auditor.REVOCATION, "principal": auditor.PRINCIPAL,
         "policy": auditor.POLICY, "ceremony": 17}
STATEMENTS = {auditor.POLICY: 2}  # where they stand in an entry's body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["ab", "ba"])
def test_two_officers_one_after_the_other(mint, ada, bob, kind, order):
    body, along = a_body(mint, kind, ada, bob)
    statements = by(mint, kind, body, ada, bob)
    with mint.client("officer") as client:
        answer = client.statement([statements[order[0]]], **along)
        assert answer[MISSING] == 1
        waiting = auditor.Receipt(answer[1], mint.vkey)
        assert waiting.item[0] == PENDING
        assert waiting.item[3][0] == [statements[order[0]]]
        answer = client.statement([statements[order[1]]])
        assert MISSING not in answer
    receipt = auditor.Receipt(answer[1], mint.vkey)
    assert receipt.item[0] == ENTRY[kind]
    held = receipt.item[3][STATEMENTS.get(receipt.item[0], 0)]
    assert sorted(held) == sorted(statements)
    if kind == "principal":
        assert x509.load_der_x509_certificate(answer[2])


def test_the_list(mint, ada, bob):
    order = an_order()
    statement, = by(mint, "order", order, bob)
    payload = hashlib.sha256(mm.payload_of(statement)).digest()
    with mint.client("officer") as client:
        index = client.statement([statement])[0]
        row, = [r for r in client.all_pending() if r[0] == payload]
        assert client.pending(payload) == [row]
    assert (row[1], row[2]) == (mm.KINDS["order"], index)
    assert (row[5], row[6], row[7]) == (["bob"], 1, order[0])


def test_a_station_may_not_look(mint):
    with mint.client("station") as client, refused("role-not-allowed"):
        client.pending()


def test_an_order_works_when_it_is_approved(mint, ada, bob):
    order = an_order()
    statements = by(mint, "order", order, ada, bob)
    with mint.client("officer") as client, \
            mint.client("station") as station:
        client.statement(statements[:1])
        with refused("unknown-order"):
            station.issue(order[0], fresh("lamp"), new_csr())
        client.statement(statements[1:])
        assert station.issue(order[0], fresh("lamp"), new_csr())


def test_an_image_is_signed_by_what_was_approved(mint, ada, bob):
    image, version = b"F" + os.urandom(5000), fresh("1.0")
    statements = by(mint, "release", mm.release_body(image, version=version),
                    ada, bob)
    with mint.client("officer") as client, \
            mint.client("release") as release:
        upload = release.upload(image)
        with refused("release-not-approved") as no:
            release.release(upload, [], version=version)
        assert "have officers approve it" in no.error.text
        client.statement(statements[:1])
        with refused("release-not-approved"):
            release.release(release.upload(image), [], version=version)
        client.statement(statements[1:])
        answer = release.release(release.upload(image), [], version=version)
        entry = auditor.Receipt(answer[4], mint.vkey).item
        assert sorted(entry[3][8]) == sorted(statements)
        # Another image is not what was approved, nor can it be now.
        with refused("release-not-approved", "release-already-signed"):
            release.release(release.upload(image + b"x"), [],
                            version=version)
        with refused("release-already-signed"):
            client.statement(by(mint, "release", mm.release_body(
                image + b"x", version=version), ada))


def test_an_approval_that_has_expired(mint, ada, bob):
    image, version = b"F" + os.urandom(500), fresh("1.0")
    end = int(time.time()) + 2
    with mint.client("officer") as client, \
            mint.client("release") as release:
        client.statement(by(mint, "release", mm.release_body(
            image, version=version), ada, bob, expiry=end))
        eventually(lambda: time.time() > end + 1, "the end of the approval")
        with refused("statement-expired"):
            release.release(release.upload(image), [], version=version)
        client.statement(by(mint, "release", mm.release_body(
            image, version=version), ada, bob))
        with refused("statement-replayed"):
            client.statement(by(mint, "release", mm.release_body(
                image, version=version), ada, bob))
        release.release(release.upload(image), [], version=version)


def test_withdrawn(mint, ada, bob, first):
    statements = by(mint, "order", an_order(), ada, bob)
    with mint.client("officer") as client:
        client.statement(statements[:1])
        answer = client.statement(by(
            mint, "withdraw", mm.withdraw_body(statements[0]), first))
        assert MISSING not in answer
        receipt = auditor.Receipt(answer[1], mint.vkey)
        assert receipt.item[0] == WITHDRAWAL
        for again in (statements[:1], statements[1:], statements):
            with refused("statement-withdrawn"):
                client.statement(again)


def test_a_withdrawal_by_a_stranger(mint, ada, bob):
    statements = by(mint, "order", an_order(), ada, bob)
    with mint.client("officer") as client:
        client.statement(statements[:1])
        with refused("statement-unknown-officer"):
            client.statement(by(mint, "withdraw", mm.withdraw_body(
                statements[0]), mm.Officer()))
        assert MISSING not in client.statement(statements[1:])


def test_approvals_expire(mint, ada, bob):
    end = int(time.time()) + 2
    statements = by(mint, "order", an_order(), ada, bob, expiry=end)
    payload = hashlib.sha256(mm.payload_of(statements[0])).digest()
    with mint.client("officer") as client:
        client.statement(statements[:1])
        eventually(lambda: payload not in [
            r[0] for r in client.all_pending()], "the end of the statement")
        with refused("statement-expired"):
            client.statement(statements[1:])
        with refused("not-found"):
            client.pending(payload)


def test_in_force_it_is_a_replay(mint, ada, bob, first):
    statements = by(mint, "order", an_order(), ada, bob, first)
    with mint.client("officer") as client:
        client.statement(statements[:1])
        client.statement(statements[1:2])
        for one in statements:
            with refused("statement-replayed"):
                client.statement([one])


def test_the_same_id_is_the_same_request(mint, ada, bob):
    statements = by(mint, "order", an_order(), ada, bob)
    ids = os.urandom(16), os.urandom(16)
    with mint.client("officer") as client:
        waiting = client.statement(statements[:1], request_id=ids[0])
        again = client.statement(statements[:1], request_id=ids[0])
        assert (again[0], again[MISSING]) == (waiting[0], 1)
        done = client.statement(statements[1:], request_id=ids[1])
        assert client.statement(statements[1:], request_id=ids[1]) == done
        assert client.statement(statements[:1], request_id=ids[0]) == done
        with refused("request-id-reused"):
            client.statement(by(mint, "order", an_order(), ada),
                             request_id=ids[0])


@pytest.mark.parametrize("who", ["one twice", "a stranger", "another log",
                                 "two payloads"])
def test_who_does_not_count(mint, ada, bob, who):
    order = an_order()
    bad, name = {
        "one twice": (by(mint, "order", order, ada, ada),
                      "statement-too-few"),
        "a stranger": (by(mint, "order", order, ada, mm.Officer()),
                       "statement-unknown-officer"),
        "another log": ([ada.state("other.example/log", "order", order)],
                        "statement-wrong-log"),
        "two payloads": (by(mint, "order", order, ada) +
                         by(mint, "order", order, bob),
                         "statement-differs")}[who]
    with mint.client("officer") as client:
        with refused(name):
            client.statement(bad)
        eventually(lambda: refusals(mint, "officer", name), "its record")
        assert MISSING not in client.statement(
            by(mint, "order", order, ada, bob))


def test_what_comes_along_stays_what_it_was(mint, ada, bob):
    key = new_key()
    statements = by(mint, "principal", mm.principal_body(
        fresh("auditor"), "auditor", spki_hash(key)), ada, bob)
    with mint.client("officer") as client:
        client.statement(statements[:1], csr=new_csr(key))
        with refused("statement-differs"):
            client.statement(statements[1:], csr=new_csr())
        assert 2 in client.statement(statements[1:], csr=new_csr(key))


@pytest.mark.parametrize("lines", [4, 4000], ids=["short", "long"])
def test_a_policys_text(mint, ada, bob, lines):
    """One that no entry holds is stored beside the log, and named by both."""
    policy = next_policy(mint, mint.people)
    number = mm.decode(policy)[0]
    text = b"# why it is so\n" * lines
    digest = hashlib.sha256(text).digest()
    statements = by(mint, "policy", mm.policy_body(number, policy), bob, ada)
    with mint.client("officer") as client:
        answer = client.statement(statements[:1], policy=policy, text=text)
        waiting = auditor.Receipt(answer[1], mint.vkey).item[3]
        with refused("statement-differs"):
            client.statement(statements[1:], text=text + b"\n")
        with refused("statement-differs"):
            client.statement(statements[1:], policy=policy + b"\n")
        answer = client.statement(statements[1:], text=text)
        done = auditor.Receipt(answer[1], mint.vkey).item[3]
        eventually(lambda: client.status()[4] == number, "the new policy")
    if lines == 4:
        assert (waiting[5], done[1]) == (text, text)
        return
    assert (waiting[6], waiting[7]) == (digest, len(text))
    assert (done[3], done[4]) == (digest, len(text))
    blob = mint.dir / "log/blob" / digest.hex()
    eventually(blob.exists, "the text beside the log")
    assert blob.read_bytes() == text


def test_all_at_the_same_moment(mint, ada, bob, first):
    """Approvals that meet in one batch make one order."""
    order = an_order()
    statements = by(mint, "order", order, ada, bob, first)
    with mint.client("officer") as client:
        ids = [client.send("statement", {0: [s]}) for s in statements * 2]
        names = []
        for one in ids:
            try:
                answer = client.answer_to(one)[1]
                names.append("missing" if MISSING in answer else "in force")
            except mm.Refused as e:
                names.append(e.name)
    assert names.count("in force") == 1
    assert set(names) <= {"in force", "missing", "statement-replayed",
                          "busy"}
    orders = [e for e in mint.entries() if e[0] == auditor.ORDER and
              mm.decode(mm.payload_of(e[3][0][0]))[5][0] == order[0]]
    assert len(orders) == 1 and len(orders[0][3][0]) == 2


def test_a_policy_that_wants_fewer(mint, ada, bob):
    """What waits has enough then; whoever says it again brings it about."""
    order, request = an_order(), os.urandom(16)
    statements = by(mint, "order", order, ada)
    with mint.client("officer") as client:
        client.statement(statements, request_id=request)
        change_policy(mint, next_policy(mint, mint.people, threshold=1),
                      ada, bob)
        try:
            assert client.statement(
                statements, request_id=request)[MISSING] == 1
            assert MISSING not in client.statement(statements)
        finally:
            change_policy(mint, next_policy(mint, mint.people), ada)


def fill(client, statements):
    """Names of the refusals, in their order; None where it waits."""
    out = []
    for some in range(0, len(statements), 32):
        ids = [client.send("statement", {0: [s]})
               for s in statements[some:some + 32]]
        for one in ids:
            try:
                assert client.answer_to(one)[1][MISSING] == 2
                out.append(None)
            except mm.Refused as e:
                out.append(e.name)
    return out


def test_so_much_may_wait(full):
    """100 of one principal, 1,024 in all; a withdrawal makes room."""
    mint, people = full, full.people.values()
    ada, bob, first = people
    names = []
    for _ in range(11):
        key, name = new_key(), fresh("officer")
        with mint.client("officer") as client:
            names.append((name, key, client.statement(by(
                mint, "principal", mm.principal_body(
                    name, "officer", spki_hash(key), minute=100000),
                *people), csr=new_csr(key))[2]))
    waiting = 0
    for name, key, certificate in names:
        mint.move_in(name, key, certificate)
        with mint.client(name) as client:
            statements = [by(mint, "order", an_order(), ada)[0]
                          for _ in range(101)]
            answers = fill(client, statements)
            room = min(100, 1024 - waiting)
            last = statements[room - 1]
            assert answers == [None] * room + ["pending-full"] * (101 - room)
            waiting += room
    assert waiting == 1024
    with mint.client("officer") as client:
        rows = client.all_pending()
        assert len(rows) == 1024
        assert [r[0] for r in rows] == sorted({r[0] for r in rows})
        statement, = by(mint, "order", an_order(), ada)
        with refused("pending-full"):
            client.statement([statement])
        # What has enough signatures waits for nobody; an approval of what
        # waits takes no more room; a withdrawal gives some back.
        client.statement(by(mint, "order", an_order(), *people))
        approval = bob.sign_payload(mm.payload_of(last))
        assert client.statement([approval])[MISSING] == 1
        client.statement(by(mint, "withdraw", mm.withdraw_body(last), first))
        assert client.statement([statement])[MISSING] == 2


def test_kill_between_approvals(mint, ada, bob):
    order = an_order()
    statements = by(mint, "order", order, ada, bob)
    with mint.client("officer") as client:
        waiting = client.statement(statements[:1])
    mint.kill()
    mint.start()
    with mint.client("officer") as client:
        row, = [r for r in client.all_pending() if r[2] == waiting[0]]
        assert row[7] == order[0]
        assert MISSING not in client.statement(statements[1:])
    mint.restart("--rebuild")
    with mint.client("officer") as client:
        with refused("statement-replayed"):
            client.statement(statements[1:])
        with refused("name-taken"):
            client.statement(by(mint, "order", order, ada))


def test_a_removed_officer(mint, ada, bob, first):
    """What he had signed waits without him; the others may go on."""
    waiting = by(mint, "order", an_order(), bob, ada, first)
    done = an_order()
    in_force(mint, done, ada, bob)
    with mint.client("officer") as client:
        client.statement(waiting[:1])
    without = {k: v for k, v in mint.people.items() if k != "bob"}
    change_policy(mint, next_policy(mint, without), ada, first)
    try:
        with mint.client("officer") as client, \
                mint.client("station") as station:
            with refused("statement-unknown-officer"):
                client.statement(by(mint, "order", an_order(), bob))
            with refused("statement-unknown-officer"):
                client.statement(waiting[:1])
            assert client.statement(waiting[1:2])[MISSING] == 1
            answer = client.statement(waiting[2:])
            receipt = auditor.Receipt(answer[1], mint.vkey)
            assert sorted(receipt.item[3][0]) == sorted(waiting[1:])
            # What he signed when he was one stays in force.
            assert station.issue(done[0], fresh("lamp"), new_csr())
    finally:
        change_policy(mint, next_policy(mint, mint.people), ada, first)


def long_order(mint, officers, size):
    """One payload by each of them, in statements of just this size."""
    def state(last):
        body = mm.order_body("order-long", 1, ["station"],
                             devices=[*devices, "z" * last])
        return by(mint, "order", body, *officers, nonce=bytes(16), made=made)
    made, devices = int(time.time()) - 1, []
    while len(state(24)[0]) < size - 40:
        devices.append(f"d-{len(devices):03}-".ljust(29, "x"))
    # A text of 24 bytes and more has a head of two bytes.
    return next(s for s in (state(n) for n in range(24, 65))
                if len(s[0]) == size)


def test_what_no_entry_could_hold_does_not_wait(full):
    """Three signatures of it are to be in one entry, in the end."""
    officers = list(full.people.values())
    with full.client("officer") as client:
        with refused("out-of-range") as said:
            client.statement(long_order(full, officers, 13334)[:1])
        assert "make several of it" in said.error.text
        assert client.all_pending() == []
        just = long_order(full, officers, 13333)
        for missing, statement in zip((2, 1, 0), just):
            answer = client.statement([statement])
            assert answer.get(MISSING, 0) == missing
        assert client.orders(name="order-long")[0][5] == 1
