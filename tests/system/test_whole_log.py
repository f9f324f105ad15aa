"""A log that an appliance made by itself, with each of the things that people
can have in it, as both auditors and every receipt see it."""

import json
import os

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

import auditor
import mintmark_client as mm
from audit_base import KIND_NAMES
from logmaker import LogMaker
from mint import Mint, fresh, mintmark, new_csr, refused
from test_approvals import MISSING, by, change_policy, next_policy
from test_policy_change import certificate_of
from test_reissue import serial_of

HOLD, REMOVE = 6, 8
SEMVER = 1  # of a product's versions
# What a server never writes by itself in such a life; a device's partition
# is in test_partition.py.
ELSEWHERE = {"void", "csr", "import", "inherited", "partition"}
WORDS = {"genesis": "ceremony", "principal": "principal", "order": "order",
         "release": "release", "image": "release", "revocation": "revoke",
         "policy": "policy", "ceremony": "ceremony",
         "withdrawal": "withdraw"}


class Life:
    """Two of three officers for everything, and what they do."""

    def __init__(self, mint):
        self.mint = mint
        self.people = {"ada": mm.Officer(), "bob": mm.Officer(),
                       "first": mint.officer}
        self.ada, self.bob = self.people["ada"], self.people["bob"]

    def live(self):
        mint = self.mint
        policy = mm.decode(next_policy(mint, self.people))
        policy[3] = [{0: "demo", 1: ["sha256-ecdsa", "cose-sign1"], 6: SEMVER}]
        change_policy(mint, mm.encode(policy), mint.officer)
        order = self.order()
        first, second, third = self.devices(order)
        self.hold_and_lift(first)
        self.reissues(order, first, second)
        self.say("revoke", mm.revoke_body([serial_of(third[1])], 1))
        with mint.client() as client:
            client.scrap(order[0], serial_of(third[1]))
        self.withdrawn()
        self.release()
        with mint.client("auditor") as client:
            client.crl("device-ca")
        self.ceremony()
        self.disable()
        with refused("order-exhausted"), mint.client() as client:
            client.issue(order[0], fresh("lamp"), new_csr())
        with mint.client("auditor") as client:
            client.ask("export", {0: 0, 1: client.status()[2], 2: "csv",
                                  4: os.urandom(32), 5: 1234})
        # The last word waits for ever.
        self.bring("order", mm.order_body(
            fresh("order"), 1, ["station"], pattern="*"), self.ada)

    # --- the officers ---

    def bring(self, kind, body, *officers, **along):
        with self.mint.client("officer") as client:
            return client.statement(by(self.mint, kind, body, *officers),
                                    **along)

    def say(self, kind, body, **along):
        """By one, and then by the other who reads the same."""
        payload = mm.claim(self.mint.origin, kind, body)
        with self.mint.client("officer") as client:
            assert client.statement([self.ada.sign_payload(payload)],
                                    **along)[MISSING] == 1
            answer = client.statement([self.bob.sign_payload(payload)],
                                      **along)
        assert answer.get(MISSING, 0) == 0
        return answer

    def order(self):
        body = mm.order_body(fresh("order"), 2, ["station"], pattern="*",
                             reissue=2)
        self.say("order", body)
        body = {**body, 2: 3, 6: 1}
        self.say("order", body)
        self.say("order", {**body, 6: 2, 8: True})
        with refused("order-closed"), self.mint.client() as client:
            client.issue(body[0], fresh("lamp"), new_csr())
        self.say("order", {**body, 6: 3})
        return body

    def devices(self, order):
        made = []
        for _ in range(3):
            device = fresh("lamp")
            with self.mint.client() as client:
                made.append((device,
                             client.issue(order[0], device, new_csr())))
        return made

    def set(self, answer, reason):
        self.say("revoke", mm.revoke_body([serial_of(answer)], reason))

    def hold_and_lift(self, one):
        self.set(one[1], HOLD)
        self.set(one[1], REMOVE)

    def reissues(self, order, first, second):
        """One that is live, and one that is on hold."""
        self.set(second[1], HOLD)
        for device, _ in (first, second):
            with self.mint.client() as client:
                client.reissue(order[0], device, new_csr())

    def withdrawn(self):
        body = mm.order_body(fresh("order"), 1, ["station"], pattern="*")
        statements = by(self.mint, "order", body, self.ada)
        with self.mint.client("officer") as client:
            client.statement(statements)
        self.bring("withdraw", mm.withdraw_body(statements[0]), self.bob)

    def release(self):
        """Two versions by two signings each; one is stated by an officer and
        brought by who submits it."""
        self.submit("1.0.0-rc.1", "officer")
        self.submit("v1.0.0", "release")
        with self.mint.client("release") as client, \
                refused("image-against-rules"):
            client.release(client.upload(b"older"), [], version="0.9.0")

    def submit(self, version, by_whom):
        image = b"F" + os.urandom(4000)
        body = mm.release_body(image, version=version, digests={
            "sha256-ecdsa": auditor.sha256(image),
            "cose-sign1": auditor.sha256(mm.encode(
                ["Signature1", mm.encode({1: -7}), b"", image]))})
        statements = by(self.mint, "release", body, self.ada, self.bob)
        with self.mint.client("release") as client:
            client.submit(client.upload(image), version=version)
            with self.mint.client(by_whom) as other:
                for statement in statements:
                    other.statement([statement])
            for signing in ("sha256-ecdsa", "cose-sign1"):
                assert client.fetch(version=version, scheme=signing)

    def ceremony(self):
        policy = next(e for e in reversed(self.mint.entries())
                      if e[0] == auditor.POLICY)[3][0]
        answer = self.say("ceremony", {
            0: auditor.sha256(policy), 1: [{0: "device-ca-2", 1: 2}],
            2: [{0: "device-ca-2", 1: "root", 2: "device-ca",
                 3: "The second one"}]})
        certificate_of(self.mint, answer[0])

    def disable(self):
        key, name = os.urandom(32), fresh("station")
        self.say("principal", mm.principal_body(
            name, "station", key, profiles=["device"]))
        self.say("principal", mm.principal_body(
            name, "station", key, profiles=["device"], disabled=True))


class Lived:
    """The log of such a life, and whoever can give receipts of it."""

    def __init__(self, mint):
        self.vkey_file = mint.dir / "public/log.vkey"
        self.log = mint.dir / "log"
        key = Ed25519PrivateKey.from_private_bytes(
            (mint.dir / "log-key/log.key").read_bytes())
        self.maker = LogMaker(mint.vkey, key)
        self.entries = auditor.read_directory(self.log, mint.vkey)
        self.audited = mint.audit()

    def kind(self, index):
        return KIND_NAMES[cbor2.loads(self.entries[index])[0]]


@pytest.fixture(scope="module")
def lived():
    mint = Mint()
    try:
        mint.start()
        life = Life(mint)
        life.live()
        mint.unharmed()
        mint.stop()
        yield Lived(mint)
    finally:
        mint.remove()


def test_both_auditors_have_seen_all_of_it(lived):
    counts = lived.audited.counts
    assert set(counts) >= set(KIND_NAMES) - ELSEWHERE, counts
    assert counts["order"] == 5 and counts["withdrawal"] == 1
    assert counts["release"] == 2 and counts["image"] == 4
    assert sum(lived.audited.reissued.values()) == 2


def test_the_books_close(lived):
    done = mintmark("log", "verify", "--json", "--key", lived.vkey_file,
                    lived.log)
    assert json.loads(done.stdout)["size"] == len(lived.entries)


def test_each_statement_has_its_receipt(lived, workdir):
    """And a bundle with all that it rests on, which is enough by itself."""
    seen = set()
    for index in range(len(lived.entries)):
        (workdir / "receipt").write_bytes(
            lived.maker.receipt(lived.entries, index))
        words = ["receipt", "verify", "--json", "--key", lived.vkey_file,
                 "--statements", workdir / "bundle"]
        said = json.loads(mintmark(*words, "--force", "--log", lived.log,
                                   workdir / "receipt").stdout)
        assert said == json.loads(
            mintmark(*words, workdir / "receipt").stdout)
        kind = said["kind"]
        assert kind == lived.kind(index)
        if kind in WORDS:
            assert said["statement"] == WORDS[kind]
            seen.add(kind)
        if kind == "pending":
            assert said["stated"] and said["missing"] == 1
            seen.add(kind)
        if index > max(i for i in range(len(lived.entries))
                       if lived.kind(i) == "policy"):
            if kind in WORDS and kind != "withdrawal":
                assert said["officers"] == ["ada", "bob"], said
                assert said["threshold"] == 2
    assert seen == {*WORDS, "pending"}
