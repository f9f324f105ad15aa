"""A policy comes into force, a ceremony adds a CA: under load, many of them,
and with kill -9 in between."""

import copy
import hashlib
import os
import random
import time

import psutil
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import mintmark_client as mm
from mint import eventually, fresh, new_csr, new_key, refused, spki_hash
from test_crash import SEED, WAITS, Load, ask_again, check

KIND_POLICY, KIND_KEY, KIND_CEREMONY = 1, 10, 17
DEVICE_CA = 2  # the use of a key


def policies(mint):
    """All documents so far, as the log has them."""
    entries = [e for e in mint.entries() if e[0] in (0, KIND_POLICY)]
    return [e[3][3] if e[0] == 0 else e[3][0] for e in entries]


def next_policy(mint, change=lambda document: None):
    """The newest one's successor, compiled."""
    document = copy.deepcopy(mm.decode(policies(mint)[-1]))
    document[0] += 1
    change(document)
    return mm.encode(document)


def state_policy(mint, document):
    number = mm.decode(document)[0]
    return mint.state("policy", mm.policy_body(number, document))


def change_policy(mint, change=lambda document: None):
    document = next_policy(mint, change)
    with mint.client("officer") as officer:
        return officer.statement([state_policy(mint, document)],
                                 policy=document, text=b"# by a test\n")


def ask_until_answered(mint, *words, **more):
    """The same request again, as long as something is being replaced."""
    def ask():
        try:
            with mint.client("officer", timeout=10) as officer:
                return officer.statement(*words, **more)
        except mm.Refused as e:
            assert e.name in WAITS, e
        except (mm.Closed, OSError, TimeoutError):
            pass
        return None
    return eventually(ask, "the statement's answer")


def new_ca(mint, name, **more):
    """A ceremony's statement: one more CA for devices, below the root."""
    digest = hashlib.sha256(policies(mint)[-1]).digest()
    return mint.state("ceremony", {
        0: digest,
        1: [{0: name, 1: DEVICE_CA}],
        2: [{0: name, 1: "root", 2: "device-ca", 3: f"Devices of {name}"}],
        **more})


def certificate_of(mint, basis):
    """What rests on a ceremony, as soon as it is signed."""
    def ask():
        try:
            with mint.client("officer", timeout=10) as officer:
                return officer.show(basis=basis)
        except mm.Refused as e:
            assert e.name in WAITS | {"not-found"}, e
        except (mm.Closed, OSError, TimeoutError):
            pass
        return None
    return x509.load_der_x509_certificate(
        eventually(ask, "the ceremony's certificate")[1])


def issue_with(document, name):
    """A second profile for devices, whose CA is `name`."""
    profiles = document[2]
    second = copy.deepcopy(next(p for p in profiles if p[0] == "device"))
    second[0], second[2] = "device-2", name
    document[2] = sorted(profiles + [second], key=lambda p: p[0])


def verify(certificate, issuer):
    assert certificate.issuer == issuer.subject
    issuer.public_key().verify(
        certificate.signature, certificate.tbs_certificate_bytes,
        ec.ECDSA(certificate.signature_hash_algorithm))


def issued_by(mint, profile):
    """The issuer of a certificate of this profile, asked for just now."""
    key, order = new_key(), fresh("order")
    name = mint.new_principal("station", key=key, profiles=[profile])
    statement = mint.state("order", mm.order_body(
        order, 5, [name], pattern="*", profile=profile))
    with mint.client("officer") as officer:
        officer.statement([statement])
    with mint.client(name) as station:
        answer = station.issue(order, fresh("lamp"), new_csr(),
                               profile=profile)
    issuer = x509.load_der_x509_certificate(answer[2][0])
    verify(x509.load_der_x509_certificate(answer[1]), issuer)
    return issuer


def in_order(mint):
    """Each entry is of the newest policy before it, or brings its own."""
    force = None
    for entry in mint.entries():
        if entry[0] == 0:
            force = hashlib.sha256(entry[3][3]).digest()
        if entry[0] == KIND_POLICY:
            force = hashlib.sha256(entry[3][0]).digest()
        assert entry[2] == force


def test_a_policy_changes_under_load_and_nobody_notices(own_mint):
    own_mint.start()
    order = own_mint.new_order(units=1_000_000)
    with Load(own_mint, order) as load:
        for number in range(2, 7):
            load.wait_for(10)
            answer = change_policy(own_mint)
            assert answer.get(4, 0) == 0
            with own_mint.client("officer") as officer:
                assert officer.status()[4] == number
        load.wait_for(10)
    assert not load.unexpected, load.unexpected
    assert not load.open
    assert own_mint.count(7) == 0  # nothing was voided
    in_order(own_mint)
    own_mint.unharmed()
    check(own_mint, load)


def test_seventy_policies_are_followed_at_a_start(own_mint):
    own_mint.start()
    for _ in range(70):
        change_policy(own_mint)
    own_mint.restart()
    with own_mint.client("officer") as officer:
        assert officer.status()[4] == 71
    order = own_mint.new_order()
    with own_mint.client() as station:
        assert station.issue(order, fresh("lamp"), new_csr())
    own_mint.daemon.children()["token"][0].kill()

    def again():
        try:
            with own_mint.client() as station:
                return station.issue(order, fresh("lamp"), new_csr())
        except mm.Refused as e:
            assert e.name in WAITS, e
            return None
    eventually(again, "the next token")
    own_mint.stop()
    own_mint.audit()


def test_killed_around_a_policys_entry(own_mint):
    dice = random.Random(SEED)
    print(f"MINTMARK_SEED={SEED}")  # shown where it fails
    own_mint.start()
    order = own_mint.new_order(units=1_000_000)
    with Load(own_mint, order) as load:
        for victim in ["authority", "token", "supervisor", "authority"]:
            load.wait_for(5)
            document = next_policy(own_mint)
            statement, request = state_policy(own_mint, document), os.urandom(16)
            with own_mint.client("officer") as officer:
                officer.send("statement", {0: [statement], 2: document},
                             request)
                time.sleep(dice.uniform(0, 0.02))
                if victim == "supervisor":
                    own_mint.kill()
                    own_mint.start()
                else:
                    for process in own_mint.daemon.children()[victim]:
                        process.kill()
            answer = ask_until_answered(own_mint, [statement],
                                        request_id=request, policy=document)
            assert answer.get(4, 0) == 0
            eventually(lambda: policies_or_none(own_mint), "the archive")
        load.wait_for(5)
    assert not load.unexpected, load.unexpected
    assert mm.decode(policies(own_mint)[-1])[0] == 5
    in_order(own_mint)
    ask_again(own_mint, load)
    check(own_mint, load)


def policies_or_none(mint):
    try:
        return policies(mint)
    except mm.Refused as e:
        assert e.name in WAITS, e
    except (mm.Closed, OSError):
        pass
    return None


def identity_of(document, purpose):
    """The profile of TLS clients (2) or of the appliance (3)."""
    return next(p for p in document[2] if p[1] == purpose)


def test_a_policy_that_locks_everybody_out_is_refused(own_mint):
    own_mint.start()

    def without_clients(document):
        document[2] = [p for p in document[2] if p[1] != 2]
    with refused("policy-locks-out"):
        change_policy(own_mint, without_clients)

    # The token makes TLS certificates by an access CA alone, and none is
    # valid for longer than that.
    for purpose in (2, 3):
        def by_the_device_ca(document):
            identity_of(document, purpose)[2] = "device-ca"
        with refused("policy-locks-out"):
            change_policy(own_mint, by_the_device_ca)

    def clients_for_ever(document):
        identity_of(document, 2).pop(4)
    with refused("policy-locks-out"):
        change_policy(own_mint, clients_for_ever)
    assert own_mint.count(KIND_POLICY) == 0

    # Keys of another kind than the appliance's own lock nobody out.
    def keys_of_one_kind(document):
        identity_of(document, 2)[6] = 1 << 3
    change_policy(own_mint, keys_of_one_kind)
    assert own_mint.count(KIND_POLICY) == 1


def test_two_device_cas_are_in_service(own_mint):
    own_mint.start()
    with own_mint.client("officer") as officer:
        answer = officer.statement([new_ca(own_mint, "device-ca-2")])
    certificate = certificate_of(own_mint, answer[0])
    assert own_mint.count(KIND_KEY) == 1
    change_policy(own_mint, lambda d: issue_with(d, "device-ca-2"))
    first, second = issued_by(own_mint, "device"), issued_by(own_mint,
                                                             "device-2")
    assert second == certificate
    assert first.public_key() != second.public_key()
    # Both are still there after a start, and for a token that is new.
    own_mint.restart()
    assert issued_by(own_mint, "device") == first
    assert issued_by(own_mint, "device-2") == second
    own_mint.unharmed()
    own_mint.stop()
    own_mint.audit()


def test_killed_within_a_ceremony(own_mint):
    dice = random.Random(SEED)
    print(f"MINTMARK_SEED={SEED}")  # shown where it fails
    own_mint.start()
    for i, victim in enumerate(["authority", "token", "supervisor"]):
        name = f"device-ca-{i + 2}"
        statement, request = new_ca(own_mint, name), os.urandom(16)
        with own_mint.client("officer") as officer:
            officer.send("statement", {0: [statement]}, request)
            time.sleep(dice.uniform(0, 0.05))
            if victim == "supervisor":
                own_mint.kill()
                own_mint.start()
            else:
                for process in own_mint.daemon.children()[victim]:
                    try:
                        process.kill()
                    except psutil.NoSuchProcess:
                        pass
        answer = ask_until_answered(own_mint, [statement], request_id=request)
        certificate = certificate_of(own_mint, answer[0])
        assert f"Devices of {name}" in certificate.subject.rfc4514_string()
        eventually(lambda: policies_or_none(own_mint), "the archive")
    assert own_mint.count(KIND_CEREMONY) == 3
    assert own_mint.count(KIND_KEY) == 3
    change_policy(own_mint, lambda d: issue_with(d, "device-ca-4"))
    assert issued_by(own_mint, "device-2") == certificate
    own_mint.stop()
    own_mint.audit()


def test_a_proof_of_possession_for_a_cloud(own_mint):
    """The code that a cloud gave stands in a certificate of the CA's."""
    own_mint.start()

    def with_proofs(document):
        profiles = [p for p in document[2] if p[0] != "proof"]
        model = copy.deepcopy(next(p for p in profiles if p[0] == "device"))
        proof = {0: "proof", 1: 6, 2: "device-ca",
                 3: [{0: "2.5.4.3", 1: "{name}"}],
                 4: 86400, 6: model[6], 7: model[7]}
        document[2] = sorted(profiles + [proof], key=lambda p: p[0])
    change_policy(own_mint, with_proofs)
    key, code = new_key(), "f" * 40
    statement = own_mint.state("ceremony", {
        0: hashlib.sha256(policies(own_mint)[-1]).digest(),
        6: [{0: "device-ca", 1: "proof", 2: code, 3: spki_hash(key)}]})
    with own_mint.client("officer") as officer:
        with refused("statement-differs"):
            officer.statement([statement])
        answer = officer.statement([statement], csr=new_csr(key))
    certificate = certificate_of(own_mint, answer[0])
    assert certificate.subject.rfc4514_string() == f"CN={code}"
    verify(certificate, issued_by(own_mint, "device"))
