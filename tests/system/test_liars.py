"""An appliance that lies to its people: what it tells of a principal, a
certificate or a CRL is held against the log and the signatures before an
officer signs it or a file is written."""

import datetime
import hashlib
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import mintmark_client as mm
from mint import mintmark
from paper_appliance import PaperAppliance
from paper_log import CERTIFICATE, CRL, GENESIS, START, PaperLog, serial

DER = serialization.Encoding.DER
SHOW, STATEMENT, PENDING, PRINCIPALS, CRL_OF = 3, 4, 16, 18, 19


def spki_of(key):
    return key.public_key().public_bytes(
        DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text),
                      x509.NameAttribute(NameOID.ORGANIZATION_NAME,
                                         "Paper " * 8)])


def authority_of(key):
    """RFC 7093 2 (1)"""
    point = key.public_key().public_bytes(
        serialization.Encoding.X962,
        serialization.PublicFormat.UncompressedPoint)
    return x509.AuthorityKeyIdentifier(
        hashlib.sha256(point).digest()[:20], None, None)


def time_of(seconds):
    return datetime.datetime.utcfromtimestamp(seconds)


class Liar(PaperAppliance):
    """It does not lie yet."""

    def __init__(self, place):
        log = PaperLog()
        self.ca = ec.generate_private_key(ec.SECP256R1())
        log.add(GENESIS, {0: log.origin, 1: log.raw, 2: [
            {0: "device-ca", 1: 2, 2: spki_of(self.ca)}], 3: b"policy",
            4: b"a = 1\n"})
        super().__init__(log, place)
        self.key = serialization.load_pem_private_key(
            (place / "key.pem").read_bytes(), None)
        self.said = []
        self.answers[STATEMENT] = self.hear
        self.answers[PENDING] = lambda body: {0: []}

    def hear(self, body):
        self.said.append(body)
        raise KeyError("not here")

    def register(self, key, disabled=False):
        """A principal, and what is told of it."""
        index = self.log.stated(2, 4, mm.principal_body(
            "line-1", "station", key, disabled=disabled))
        self.state = {0: "line-1", 1: 1, 2: key, 3: index, 4: disabled,
                      5: 0, 6: 0, 7: 0, 8: 0, 9: 0, 10: ["device"]}
        self.answers[PRINCIPALS] = lambda body: {0: [self.state]}
        return index

    def certify(self, basis, spki, name="line-1", by=None):
        """A certificate that rests on that, signed by the access CA."""
        by = by or self.key
        public = serialization.load_der_public_key(spki)
        made = x509.CertificateBuilder().subject_name(
            name_of(name)).issuer_name(name_of("access-ca")).public_key(
            public).serial_number(serial(1)).add_extension(
            x509.BasicConstraints(False, None), True).add_extension(
            authority_of(by), False).not_valid_before(
            time_of(START)).not_valid_after(time_of(START + 864000)).sign(
            by, hashes.SHA256())
        index = self.log.add(CERTIFICATE, {
            0: "tls-client", 1: name, 2: basis, 3: "access-ca",
            4: hashlib.sha256(spki).digest(), 5: made.tbs_certificate_bytes,
            6: name, 7: bytes(16)})
        self.answers[SHOW] = lambda body: {
            0: index, 1: made.public_bytes(DER), 3: self.receipt(index)}

    def revoke(self, by, count=1, numbers=(5,), authority=None):
        """A CRL of the device CA."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(
            name_of("device-ca")).last_update(time_of(START)).next_update(
            time_of(START + 86400)).add_extension(
            x509.CRLNumber(1), False).add_extension(
            authority_of(authority or by), False)
        for number in numbers:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(
                    number).revocation_date(time_of(START)).build())
        made = builder.sign(by, hashes.SHA256())
        index = self.log.add(CRL, {
            0: "device-ca", 1: 1, 2: START, 3: START + 86400, 4: 1,
            5: count, 6: made.tbs_certlist_bytes})
        self.answers[CRL_OF] = lambda body: {
            0: index, 1: made.signature, 2: self.receipt(index)}


@pytest.fixture
def liar(workdir):
    with Liar(workdir / "liar") as appliance:
        yield appliance


def told(liar, *words, ok=(1,)):
    done = mintmark(*words, "--identity", liar.place, "--wait", 0, ok=ok)
    return done.stderr


# -------------------------------------------------------------- what is signed

@pytest.fixture
def officer(workdir):
    path = workdir / "ada.key"
    mintmark("officer", "keygen", "--unprotected", "--name", "ada", path)
    return path


@pytest.mark.parametrize("verb, lie", [
    ("enable", {}), ("disable", {}),
    ("enable", {2: bytes(31) + b"\x02"}), ("disable", {2: bytes(32)}),
    ("enable", {3: 0}), ("disable", {4: False})])
def test_a_switch_says_what_the_log_says(liar, officer, verb, lie):
    """No other key, role or limit is ever signed for."""
    key = hashlib.sha256(spki_of(liar.ca)).digest()
    liar.register(key, disabled=verb == "enable" or lie.get(4) is False)
    honest = dict(liar.state)
    # Other members are not even looked at.
    liar.state |= {1: 4, 8: 9999, 10: ["codesign"]} | lie
    line = told(liar, "station", verb, "line-1", "--officer", officer)
    if lie:
        assert ": receipt-mismatch: " in line and liar.said == []
        return
    assert ": not-found: " in line
    claim = mm.decode(mm.payload_of(liar.said[0][0][0]))
    assert claim[5] == mm.principal_body(
        "line-1", "station", key, disabled=not honest[4])


# ------------------------------------------------- certificates of principals

def fetch(liar, workdir, **more):
    place = workdir / "place"
    line = told(liar, "station", "fetch", "line-1", "--out", place, **more)
    return line, place / "certificate.pem"


def test_an_honest_certificate_is_fetched(liar, workdir):
    key = ec.generate_private_key(ec.SECP256R1())
    basis = liar.register(hashlib.sha256(spki_of(key)).digest())
    liar.certify(basis, spki_of(key))
    assert fetch(liar, workdir, ok=(0,))[1].exists()


@pytest.mark.parametrize("lie", ["key", "state", "name", "ca", "signature"])
def test_a_certificate_of_something_else(liar, workdir, lie):
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    basis = liar.register(hashlib.sha256(spki_of(key)).digest())
    certified = other if lie in ("key", "state") else key
    if lie == "state":
        liar.state[2] = hashlib.sha256(spki_of(other)).digest()
    liar.certify(basis, spki_of(certified),
                 name="line-2" if lie == "name" else "line-1",
                 by=other if lie == "ca" else None)
    if lie == "signature":
        answer = liar.answers[SHOW](None)
        spoilt = bytearray(answer[1])
        spoilt[-1] ^= 1
        liar.answers[SHOW] = lambda body: answer | {1: bytes(spoilt)}
    line, certificate = fetch(liar, workdir, ok=(1,))
    assert not certificate.exists() and ": receipt-mismatch: " in line


# ------------------------------------------------------------------------ CRLs

def crl(liar, workdir, **more):
    out = workdir / "crl"
    line = told(liar, "cert", "crl", "--out", out, **more)
    return line, out


def test_an_honest_crl(liar, workdir):
    liar.revoke(liar.ca)
    assert crl(liar, workdir, ok=(0,))[1].exists()


@pytest.mark.parametrize("lie", ["key", "authority", "count", "role"])
def test_a_crl_of_another_key(liar, workdir, lie):
    """Without any certificate at hand: the log has the key."""
    other = ec.generate_private_key(ec.SECP256R1())
    if lie == "count":
        liar.revoke(liar.ca, count=2)
    else:
        liar.revoke(other, authority=None if lie == "key" else liar.ca)
    if lie == "role":  # one that may not read the log
        def denied(body):
            raise KeyError({0: 41, 1: "role-not-allowed", 2: "no"})
        liar.answers[9] = denied
    line, out = crl(liar, workdir, ok=(1,))
    assert not out.exists() and ": receipt-mismatch: " in line


