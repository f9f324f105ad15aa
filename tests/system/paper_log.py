"""A log on paper: entries as a test wants them, in a directory that a key of
the test's own has signed. Nothing of it need be allowed by anything; for
whoever reads logs."""

import base64
import datetime
import hashlib

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)
from cryptography.x509.oid import NameOID

import auditor
import mintmark_client as mm

START = 1700000000
POLICY = hashlib.sha256(b"policy").digest()
(GENESIS, POLICY_KIND, PRINCIPAL, ORDER, CERTIFICATE, IMAGE, SIGNATURES, VOID,
 REFUSAL, STARTED, KEY, REVOCATION, CRL, EXPORT, PENDING, WITHDRAWAL,
 RELEASE, CEREMONY, CSR, IMPORT, INHERITED, PARTITION, SCRAP) = range(23)
# All but those whose word is the state of others.
KINDS_WITH_ROWS = {"genesis", "policy", "principal", "order", "certificate",
                   "image", "refusal", "start", "key", "revocation", "crl",
                   "export", "pending", "withdrawal", "release", "ceremony",
                   "csr", "import", "inherited", "partition", "scrap"}
ID = b"0123456789abcdef"


def serial(n):
    """A serial number of 20 bytes, as ours are."""
    return (1 << 158) + n


def new_tbs(subject, number, key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    # Long enough for a length of two bytes, which all of ours have.
    name = x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, subject),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Paper " * 8)])
    day = datetime.datetime(2024, 1, 1)
    return x509.CertificateBuilder().subject_name(name).issuer_name(
        name).public_key(key.public_key()).serial_number(number).add_extension(
        x509.BasicConstraints(False, None), True).not_valid_before(
        day).not_valid_after(day + datetime.timedelta(days=9)).sign(
        key, hashes.SHA256()).tbs_certificate_bytes


class PaperLog:
    """Appends return the index; every entry is a second after the last."""

    def __init__(self, origin="paper.example/log"):
        self.origin = origin
        self.key = Ed25519PrivateKey.generate()
        self.raw = self.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.id = hashlib.sha256(origin.encode() + b"\n\x01" +
                                 self.raw).digest()[:4]
        self.officer = mm.Officer(Ed25519PrivateKey.generate())
        self.spki = ec.generate_private_key(
            ec.SECP256R1()).public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        self.entries, self.blobs = [], []
        self.device_key = ec.generate_private_key(ec.SECP256R1())

    def add(self, kind, body, time=None):
        index = len(self.entries)
        self.entries.append(mm.encode(
            {0: kind, 1: START + index if time is None else time,
             2: POLICY, 3: body}))
        return index

    # --- an entry of each kind ---

    def genesis(self, text=b"a = 1\n"):
        body = {0: self.origin, 1: self.raw, 2: [{0: "root", 1: 1,
                                                  2: self.spki}],
                3: b"policy"}
        return self.add(GENESIS, body | self.text_or_blob(text, 4, 6))

    def policy(self, text=b"a = 2\n"):
        state = self.state(5, {0: 2, 1: POLICY})
        return self.add(POLICY_KIND, {0: b"policy", 2: [state]} |
                        self.text_or_blob(text, 1, 3))

    def text_or_blob(self, text, at, blob_at):
        if len(text) <= 24576:
            return {at: text}
        self.blobs.append((len(self.entries), text))
        return {blob_at: hashlib.sha256(text).digest(),
                blob_at + 1: len(text)}

    def state(self, kind, body):
        return self.officer.state(self.origin, kind, body, made=START,
                                  nonce=ID)

    def stated(self, entry_kind, kind, body):
        return self.add(entry_kind, {0: [self.state(kind, body)],
                                     1: "officer-1", 2: ID})

    def principal(self, name="line-1", **more):
        return self.stated(PRINCIPAL, 4, mm.principal_body(
            name, "station", bytes(31) + b"\x01", **more))

    def order(self, name="order-1", units=10):
        return self.stated(ORDER, 1, mm.order_body(
            name, units, ["line-1"], pattern="*", until=START + 9999))

    def certificate(self, device, number, basis=0, station="line-1"):
        tbs = new_tbs(device, number, self.device_key)
        return self.add(CERTIFICATE, {
            0: "device", 1: device, 2: basis, 3: "device-ca",
            4: hashlib.sha256(b"key").digest(), 5: tbs, 6: station, 7: ID})

    def image(self, product="lamp", version="1.0", signing="sha256-ecdsa"):
        digest = hashlib.sha256(version.encode()).digest()
        return self.add(IMAGE, {
            0: product, 1: version, 2: 4096, 3: digest, 4: signing,
            5: digest, 6: "codesign", 7: "esp-app",
            8: [self.state(2, self.claim(product, version))], 11: digest,
            12: "esp32c3", 13: "lamp", 14: 3})

    def former_image(self, product="lamp", version="0.9"):
        """As it was in logs of before: somebody asked for it."""
        digest = hashlib.sha256(version.encode()).digest()
        return self.add(IMAGE, {
            0: product, 1: version, 2: 4096, 3: digest, 4: "sha256-ecdsa",
            5: digest, 6: "codesign", 7: "plain", 9: "release-1", 10: ID,
            11: digest})

    @staticmethod
    def claim(product, version):
        digest = hashlib.sha256(version.encode()).digest()
        return {0: product, 1: version, 2: 4096, 3: digest,
                4: [{0: name, 1: digest} for name in (
                    "sha256-ecdsa", "secure-boot-v2-rsa3072:boot")]}

    def partition(self, device, basis, certificate):
        digest = hashlib.sha256(device.encode()).digest()
        return self.add(PARTITION, {
            0: "device", 1: device, 2: basis, 3: certificate, 4: 8192,
            5: digest, 6: "secure-cert-rsa3072:boot", 7: digest, 8: "boot",
            9: digest, 10: "line-1", 11: ID})

    def scrap(self, device, number, basis, certificate, reason="no answer"):
        return self.add(SCRAP, {
            0: basis, 1: certificate, 2: number.to_bytes(20, "big"),
            3: device, 4: reason, 5: "line-1", 6: ID})

    def sign(self, *indices):
        return self.add(SIGNATURES, {0: [{0: i, 1: b"signature"}
                                         for i in sorted(indices)]})

    def void(self, index, reason="order-closed"):
        return self.add(VOID, {0: [{0: index, 1: reason}]})

    def refusal(self, *rows):
        return self.add(REFUSAL, {0: [
            {k: v for k, v in enumerate(row) if v} for row in rows]})

    def start(self):
        return self.add(STARTED, {0: "1", 1: 0})

    def key_entry(self, retired=False, basis=0):
        return self.add(KEY, {0: "device-ca-2", 1: 2, 2: self.spki,
                              3: retired, 4: basis})

    def ceremony(self):
        return self.stated(CEREMONY, 6, {
            0: POLICY, 1: [{0: "device-ca-2", 1: 2}], 3: ["device-ca"]})

    def csr(self, basis):
        info = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Paper CA")])
        ).sign(self.device_key, hashes.SHA256()).tbs_certrequest_bytes
        return self.add(CSR, {0: "device-ca-2", 1: "device-ca",
                              2: "Paper CA", 3: basis, 4: info})

    def imported(self, basis):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Outside")])
        day = datetime.datetime(2024, 1, 1)
        certificate = x509.CertificateBuilder().subject_name(
            name).issuer_name(name).public_key(
            self.device_key.public_key()).serial_number(serial(9)).add_extension(
            x509.BasicConstraints(True, None), True).not_valid_before(
            day).not_valid_after(day + datetime.timedelta(days=9)).sign(
            self.device_key, hashes.SHA256())
        return self.add(IMPORT, {0: "device-ca-2", 1: basis,
                                 2: certificate.public_bytes(
                                     serialization.Encoding.DER)})

    def pending(self, kind=1, body=None, **along):
        """`along`: members by their key, as in k4=b"policy"."""
        body = body or mm.order_body("order-9", 5, ["line-1"], pattern="*",
                                     until=START + 9999)
        return self.add(PENDING, {
            0: [self.state(kind, body)], 1: "officer-1", 2: ID,
            **{int(k[1:]): v for k, v in along.items()}})

    def withdrawal(self):
        return self.stated(WITHDRAWAL, 7, {
            0: hashlib.sha256(b"payload").digest()})

    def release(self, product="lamp", version="2.0"):
        return self.stated(RELEASE, 2, self.claim(product, version))

    def inherited(self, things=b"things"):
        self.blobs.append((len(self.entries), things))
        return self.add(INHERITED, {0: 3, 1: hashlib.sha256(things).digest(),
                                    2: len(things)})

    def reissue(self, device, number, former, former_number, basis=0):
        index = self.certificate(device, number, basis)
        entry = cbor2.loads(self.entries[index])
        entry[3][8] = [{0: former, 1: former_number.to_bytes(20, "big")}]
        self.entries[index] = mm.encode(entry)
        return index

    def revocation(self, *revoked):
        """(number, reason, since or None)"""
        rows = [{0: number.to_bytes(20, "big"), 1: reason} |
                ({2: since} if since else {})
                for number, reason, since in revoked]
        return self.stated(REVOCATION, 3, {0: rows})

    def crl(self, tbs=b"\x30\x00"):
        body = {0: "device-ca", 1: 1, 2: START, 3: START + 86400, 4: 9, 5: 1}
        if len(tbs) <= 32768:
            return self.add(CRL, body | {6: tbs})
        self.blobs.append((len(self.entries), tbs))
        return self.add(CRL, body | {7: hashlib.sha256(tbs).digest(),
                                     8: len(tbs)})

    def export(self):
        return self.add(EXPORT, {0: 0, 1: 5, 2: "csv", 4: POLICY, 5: 100,
                                 6: "auditor-1", 7: ID})

    def all_kinds(self):
        self.genesis()
        self.policy()
        self.principal()
        order = self.order()
        first = self.certificate("lamp-1", serial(1), basis=order)
        second = self.image()
        self.sign(first, second)
        third = self.certificate("lamp-2", serial(2), basis=order)
        self.void(third)
        self.refusal(["line-1", "issue", "order-exhausted", 3, "lamp-3"],
                     ["release-1", "submit", "image-against-rules", 1,
                      "lamp"])
        self.start()
        basis = self.ceremony()
        self.key_entry(basis=basis)
        self.sign(self.csr(basis))
        self.imported(basis)
        self.pending()
        self.withdrawal()
        self.release()
        self.inherited()
        self.revocation((serial(1), 1, START))
        self.crl()
        self.export()
        self.sign(self.partition("lamp-4", order, first))
        self.scrap("lamp-1", serial(1), order, first)
        return self

    # --- on the disk ---

    def note(self, size=None):
        size = len(self.entries) if size is None else size
        root = auditor.tree_root(
            [auditor.leaf_hash(e) for e in self.entries[:size]])
        text = (f"{self.origin}\n{size}\n"
                f"{base64.b64encode(root).decode()}\n")
        signature = base64.b64encode(
            self.id + self.key.sign(text.encode())).decode()
        return f"{text}\n— {self.origin} {signature}\n".encode()

    def write(self, directory, size=None):
        """The log of its first entries, and its verifier key beside it."""
        size = len(self.entries) if size is None else size
        files = auditor.expected_tiles(self.entries[:size])
        files["checkpoint"] = self.note(size)
        for index, blob in self.blobs:
            if index < size:
                files["blob/" + hashlib.sha256(blob).hexdigest()] = blob
        for path, data in files.items():
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        vkey = directory.parent / f"{directory.name}.vkey"
        vkey.write_text(f"{self.origin}+{self.id.hex()}+" + base64.b64encode(
            b"\x01" + self.raw).decode() + "\n")
        return vkey
