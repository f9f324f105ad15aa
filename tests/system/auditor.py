#!/usr/bin/python3
"""An auditor of mintmark's log, independent of the C programs.

    auditor.py --key VKEY DIR       VKEY is a verifier key or a file with one

It reads a directory in the tlog-tiles layout: the checkpoint's signature,
every tile and bundle, the RFC 6962 tree, and what the entries say: who
authorised what, and that every signature is by the key and over the bytes
that were logged before. Written from formats of C2SP, RFC 6962, RFC 9162
and protocol/mintmark.cddl.
"""

import argparse
import base64
import fnmatch
import hashlib
import json
import re
import struct
import sys
from collections import Counter
from pathlib import Path

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PublicKey)

(GENESIS, POLICY, PRINCIPAL, ORDER, CERTIFICATE, IMAGE, SIGNATURES, VOID,
 REFUSAL, START, KEY, REVOCATION, CRL, EXPORT) = range(14)
KIND_NAMES = ("genesis policy principal order certificate image signatures"
              " void refusal start key revocation crl export").split()
# Kinds of statements, and purposes of profiles.
S_ORDER, S_RELEASE, S_REVOKE, S_PRINCIPAL, S_POLICY, S_CEREMONY = range(1, 7)
STATION, RELEASE, AUDITOR, OFFICER = range(1, 5)
DEVICE, CLIENT, SERVER, CA, CODE = 1, 2, 3, 4, 5
FOREVER = "99991231235959Z"


class Wrong(Exception):
    """The log is not what it should be."""


def must(condition, why):
    if not condition:
        raise Wrong(why)


def sha256(data):
    return hashlib.sha256(data).digest()


def strict_cbor(data, what):
    """One deterministic item without what the CDDL forbids."""
    try:
        item = cbor2.loads(data)
    except Exception as e:
        raise Wrong(f"{what}: not CBOR: {e}") from e
    must(cbor2.dumps(item, canonical=True) == data,
         f"{what}: not deterministic")
    return item


def unbase64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as e:
        raise Wrong(f"{what}: not base64") from e
    must(base64.b64encode(data).decode() == text, f"{what}: loose base64")
    return data


# -------------------------------------------------------- notes, checkpoints

class Vkey:
    """C2SP signed-note verifier key, type 0x01."""

    def __init__(self, text):
        parts = text.strip().split("+", 2)
        must(len(parts) == 3, "vkey: not name+id+key")
        self.name = parts[0]
        self.id = bytes.fromhex(parts[1])
        key = unbase64(parts[2], "vkey")
        must(len(key) == 33 and key[0] == 1, "vkey: not Ed25519")
        must(sha256(self.name.encode() + b"\n" + key)[:4] == self.id,
             "vkey: wrong key id")
        self.raw = key[1:]
        self.key = Ed25519PublicKey.from_public_bytes(self.raw)

    @classmethod
    def read(cls, text_or_path):
        path = Path(text_or_path)
        if "+" not in str(text_or_path) or path.exists():
            return cls(path.read_text())
        return cls(text_or_path)


def open_note(note, vkey):
    """The verified text of a signed note."""
    if isinstance(note, bytes):
        note = note.decode()
    text, gap, signatures = note.rpartition("\n\n")
    must(gap and signatures.endswith("\n"), "note: no signatures")
    text += "\n"
    good = False
    for line in signatures.splitlines():
        match = re.fullmatch(r"\u2014 (\S+) (\S+)", line)
        must(match, f"note: a wrong line {line!r}")
        signature = unbase64(match[2], "note")
        if match[1] != vkey.name or signature[:4] != vkey.id:
            continue
        try:
            vkey.key.verify(signature[4:], text.encode())
        except InvalidSignature as e:
            raise Wrong("note: the signature does not verify") from e
        must(not good, "note: two signatures by one key")
        good = True
    must(good, "note: not signed by this key")
    return text


def open_checkpoint(note, vkey):
    """(size, root) of a verified checkpoint."""
    lines = open_note(note, vkey).split("\n")
    must(len(lines) == 4 and lines[3] == "", "checkpoint: not three lines")
    must(lines[0] == vkey.name, "checkpoint: another origin")
    must(re.fullmatch(r"0|[1-9][0-9]*", lines[1]), "checkpoint: size")
    root = unbase64(lines[2], "checkpoint")
    must(len(root) == 32, "checkpoint: root")
    return int(lines[1]), root


# ------------------------------------------------------------ Merkle, RFC 6962

def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def tree_root(leaves):
    if not leaves:
        return sha256(b"")
    level = list(leaves)
    # Pairs from the left, the odd one goes up: the same tree as splitting
    # at the largest power of two.
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1])
                  for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1:]
    return level[0]


def proof_root(index, size, leaf, proof):
    """RFC 9162 section 2.1.3.2."""
    must(index < size, "proof: the index is beyond the tree")
    fn, sn, root = index, size - 1, leaf
    for step in proof:
        must(sn != 0, "proof: too long")
        if fn & 1 or fn == sn:
            root = node_hash(step, root)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, step)
        fn, sn = fn >> 1, sn >> 1
    must(sn == 0, "proof: too short")
    return root


class Receipt:
    """C2SP tlog-proof v1, verified: index, size, root, entry."""

    def __init__(self, text, vkey):
        if isinstance(text, bytes):
            text = text.decode()
        head, gap, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        must(gap and lines[0] == "c2sp.org/tlog-proof@v1",
             "receipt: not a tlog-proof")
        must(lines[1].startswith("extra "), "receipt: no entry in it")
        must(re.fullmatch(r"index (0|[1-9][0-9]*)", lines[2]),
             "receipt: index")
        self.entry = unbase64(lines[1][6:], "receipt")
        self.index = int(lines[2][6:])
        proof = [unbase64(line, "receipt") for line in lines[3:]]
        must(all(len(h) == 32 for h in proof), "receipt: a wrong hash")
        self.size, self.root = open_checkpoint(checkpoint, vkey)
        must(proof_root(self.index, self.size, leaf_hash(self.entry),
                        proof) == self.root, "receipt: the proof is wrong")
        self.item = strict_cbor(self.entry, "receipt's entry")

    def proves_certificate(self, der):
        certificate = x509.load_der_x509_certificate(der)
        must(self.item[0] == CERTIFICATE, "receipt: not of a certificate")
        must(self.item[3][5] == certificate.tbs_certificate_bytes,
             "receipt: of another certificate")

    def proves_image(self, image, signature, codesign):
        body = self.item[3]
        must(self.item[0] == IMAGE, "receipt: not of an image")
        must(body[3] == body[5] == sha256(image), "receipt: another image")
        must(body[2] == len(image), "receipt: another size")
        certificate = x509.load_der_x509_certificate(codesign)
        certificate.public_key().verify(signature, image,
                                        ec.ECDSA(hashes.SHA256()))


# ------------------------------------------------------------------- tiles

def tile_number(n):
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    return "/".join(groups)


def tile_path(level, n, width):
    level = "entries" if level is None else level
    partial = f".p/{width}" if width < 256 else ""
    return f"tile/{level}/{tile_number(n)}{partial}"


def parse_bundle(data):
    entries = []
    while data:
        must(len(data) >= 2, "bundle: cut")
        size, = struct.unpack_from(">H", data)
        must(len(data) >= 2 + size, "bundle: cut")
        entries.append(data[2:2 + size])
        data = data[2 + size:]
    return entries


def expected_tiles(entries):
    """path -> bytes of the widest version of every tile and bundle."""
    out = {}
    levels = [[leaf_hash(e) for e in entries]]
    while len(levels[-1]) >= 256:
        last = levels[-1]
        levels.append([tree_root(last[i:i + 256])
                       for i in range(0, len(last) & ~255, 256)])
    for level, level_hashes in enumerate(levels):
        for n in range(0, len(level_hashes), 256):
            part = level_hashes[n:n + 256]
            out[tile_path(level, n // 256, len(part))] = b"".join(part)
    for n in range(0, len(entries), 256):
        part = entries[n:n + 256]
        out[tile_path(None, n // 256, len(part))] = b"".join(
            struct.pack(">H", len(e)) + e for e in part)
    return out


def narrowed(path, wanted):
    """What an older, narrower partial tile must hold; None: nothing."""
    match = re.fullmatch(r"(tile/(entries|\d+)/[x0-9/]+)\.p/(\d+)", path)
    if not match:
        return None
    width = int(match[3])
    for whole, data in wanted.items():
        if whole != match[1] and not whole.startswith(match[1] + ".p/"):
            continue
        if match[2] == "entries":
            entries = parse_bundle(data)
            return None if width >= len(entries) else b"".join(
                struct.pack(">H", len(e)) + e for e in entries[:width])
        return None if width * 32 >= len(data) else data[:width * 32]
    return None


def read_directory(directory, vkey):
    """All entries; every file of the directory is checked."""
    directory = Path(directory)
    note = (directory / "checkpoint").read_bytes()
    size, root = open_checkpoint(note, vkey)
    entries = []
    for n in range(0, size, 256):
        path = tile_path(None, n // 256, min(256, size - n))
        must((directory / path).is_file(), f"{path} is missing")
        part = parse_bundle((directory / path).read_bytes())
        must(len(part) == min(256, size - n), f"{path}: its entries")
        entries += part
    must(tree_root([leaf_hash(e) for e in entries]) == root,
         "the entries do not make the checkpoint's root")
    wanted = expected_tiles(entries)
    for path, data in wanted.items():
        must((directory / path).is_file(), f"{path} is missing")
        must((directory / path).read_bytes() == data, f"{path} is wrong")
    blobs = dict(blob for blob in map(blob_of, entries) if blob)
    for path, (digest, length) in blobs.items():
        must((directory / path).is_file(), f"{path} is missing")
        data = (directory / path).read_bytes()
        must(len(data) == length and sha256(data) == digest,
             f"{path} is not what its entry says")
    cosigned = directory / "cosigned"
    if cosigned.exists():
        older, older_root = open_checkpoint(cosigned.read_bytes(), vkey)
        must(older <= size and older_root == tree_root(
            [leaf_hash(e) for e in entries[:older]]), "cosigned: a fork")
    for file in sorted(p for p in directory.rglob("*") if p.is_file()):
        path = str(file.relative_to(directory))
        if path in ("checkpoint", "cosigned") or path in wanted:
            continue
        if path in blobs:
            continue
        must(file.read_bytes() == narrowed(path, wanted),
             f"{path} does not belong there")
    return entries


def blob_of(entry):
    """(path, (SHA-256, size)) of the blob that an entry names."""
    item = strict_cbor(entry, "entry")
    key = {GENESIS: 6, POLICY: 3, CRL: 7}.get(item[0])
    if key is None or key not in item[3]:
        return None
    digest = item[3][key]
    return f"blob/{digest.hex()}", (digest, item[3][key + 1])


# ------------------------------------------------------------------ meaning

def der_head(data, at=0):
    """(tag, begin, end) of the TLV at `at`."""
    tag, length, begin = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[begin:begin + count], "big")
        begin += count
    return tag, begin, begin + length


def der(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    head = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(head)]) + head + content


def assemble(tbs, signature):
    """The certificate of a TBS: its algorithm stands within."""
    _, at, _ = der_head(tbs)
    for _ in range(2):  # version, serial
        at = der_head(tbs, at)[2]
    algorithm = tbs[at:der_head(tbs, at)[2]]
    return der(0x30, tbs + algorithm + der(0x03, b"\x00" + signature))


def not_after(certificate):
    return certificate.not_valid_after.strftime("%Y%m%d%H%M%SZ")


class Policy:
    """A policy document of the log."""

    def __init__(self, data):
        item = strict_cbor(data, "policy")
        self.digest = sha256(data)
        self.number = item[0]
        self.profiles = {p[0]: p for p in item[2]}
        self.products = {p[0]: p for p in item.get(3, [])}
        self.officers = {sha256(o[1])[:8]: o for o in item[4]}
        self.thresholds = {t[0]: t[1] for t in item[5]}


class Auditor:
    """Takes the entries one by one and says what is wrong with them."""

    def __init__(self, vkey):
        self.vkey = vkey
        self.index = -1
        self.time = 0
        self.policy = None
        self.policy_index = 0
        self.keys = {}          # name -> public key
        self.key_uses = {}
        self.certificates = {}  # index -> entry body, of all
        self.images = {}
        self.signatures = {}    # index -> bytes
        self.voids = {}
        self.tbs_seen = {}
        self.serials = {}
        self.payloads = set()
        self.principals = {}    # name -> claim
        self.principal_entries = {}
        self.orders = {}        # index -> claim
        self.used = Counter()   # order index -> units
        self.ceremony = None
        self.counts = Counter()
        self.der = {}           # index -> certificate
        self.live = {}          # (profile, device) -> index
        self.key_devices = {}   # key -> {device: how many}
        self.requests = set()   # (principal, request id)
        self.crls = Counter()   # issuer -> number
        self.revoked = {}       # serial -> [(index, reason)]
        self.exports = Counter()  # (principal, day) -> how many

    def add(self, data):
        self.index += 1
        try:
            self.add_entry(data)
        except Wrong as e:
            raise Wrong(f"entry {self.index}: {e}") from e
        except InvalidSignature as e:
            raise Wrong(f"entry {self.index}: a signature does not"
                        " verify") from e
        except (ValueError, KeyError) as e:
            raise Wrong(f"entry {self.index}: it cannot be read: {e}") from e

    def add_entry(self, data):
        entry = strict_cbor(data, "entry")
        must(sorted(entry) == [0, 1, 2, 3], "not an entry")
        kind, time, policy, body = (entry[k] for k in range(4))
        must((kind == GENESIS) == (self.index == 0), "genesis is entry 0")
        must(kind < len(KIND_NAMES), f"kind {kind}")
        must(time >= self.time, "its time runs backwards")
        self.time = time
        self.counts[KIND_NAMES[kind]] += 1
        getattr(self, "add_" + KIND_NAMES[kind])(body)
        must(policy == self.policy.digest, "not the policy in force")

    # --- people ---

    def check_statements(self, statements, kind, logged=True):
        """All sign one payload; enough officers; gives the claim's body."""
        payloads, signers = set(), set()
        for data in statements:
            tagged = strict_cbor(data, "statement")
            must(getattr(tagged, "tag", 0) == 18, "not a COSE_Sign1")
            protected, unprotected, payload, signature = tagged.value
            header = strict_cbor(protected, "statement's header")
            must(header.keys() == {1, 4} and header[1] == -8
                 and unprotected == {}, "a statement's header")
            must(header[4] in self.policy.officers, "unknown officer")
            officer = self.policy.officers[header[4]]
            Ed25519PublicKey.from_public_bytes(officer[1]).verify(
                signature, cbor2.dumps(
                    ["Signature1", protected, b"", payload], canonical=True))
            payloads.add(payload)
            signers.add(officer[0])
        must(len(payloads) == 1, "statements of different payloads")
        must(len(signers) >= self.policy.thresholds[kind], "too few officers")
        payload = payloads.pop()
        claim = strict_cbor(payload, "statement's payload")
        must(claim[0] == kind, "a statement of another kind")
        must(claim[1] == self.vkey.name, "a statement for another log")
        # Who made it may have a clock that is a little ahead.
        must(claim[3] - 300 <= self.time <= claim[4], "a statement's time")
        if logged:
            must(payload not in self.payloads, "a replayed statement")
        self.payloads.add(payload)
        return claim[5]

    def add_genesis(self, body):
        must(body[0] == self.vkey.name, "another origin")
        must(body[1] == self.vkey.raw, "another log key")
        for key in body[2]:
            self.keys[key[0]] = serialization.load_der_public_key(key[2])
            self.key_uses[key[0]] = key[1]
        must(len(self.keys) == len(body[2]), "keys of one name")
        self.policy = Policy(body[3])
        must(self.policy.number == 1, "the first policy's number")
        self.ceremony = self.check_statements(body.get(5, []), S_CEREMONY)
        must(self.ceremony[0] == self.policy.digest, "another policy")
        must([[k[0], k[1]] for k in body[2]]
             == [[k[0], k[1]] for k in self.ceremony.get(1, [])],
             "other keys than the ceremony's")

    def add_policy(self, body):
        claim = self.check_statements(body[2], S_POLICY)
        new = Policy(body[0])
        must(claim == {0: new.number, 1: new.digest}, "another policy")
        must(new.number == self.policy.number + 1, "the policy's number")
        self.policy, self.policy_index = new, self.index

    def add_principal(self, body):
        claim = self.check_statements(body[0], S_PRINCIPAL)
        own = {sha256(k.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo))
            for k in self.keys.values()}
        must(claim[5] or claim[2] not in own, "its key is the mint's own")
        holders = {c[2]: n for n, c in self.principals.items() if not c[5]}
        must(claim[5] or holders.get(claim[2], claim[0]) == claim[0],
             "its key is another principal's")
        self.principals[claim[0]] = claim
        self.principal_entries[self.index] = claim

    def add_order(self, body):
        claim = self.check_statements(body[0], S_ORDER)
        must(claim[0] not in {o[0] for o in self.orders.values()},
             "an order of this name is there")
        self.orders[self.index] = claim

    # --- what is signed ---

    def add_certificate(self, body):
        tbs, issuer = body[5], self.keys.get(body[3])
        must(issuer is not None, f"no key is called {body[3]}")
        must(tbs not in self.tbs_seen, "this TBS is in the log already")
        self.tbs_seen[tbs] = self.index
        certificate = x509.load_der_x509_certificate(assemble(tbs, b"\x00"))
        must(certificate.tbs_certificate_bytes == tbs, "TBS: its form")
        serial = certificate.serial_number
        must(serial > 0 and serial.bit_length() > 64, "a weak serial")
        must(serial not in self.serials, "this serial is in the log already")
        self.serials[serial] = self.index
        spki = certificate.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        must(sha256(spki) == body[4], "another key is in the TBS")
        self.certificates[self.index] = body
        if 7 in body:
            self.request(body[6], body[7])
        profile = self.policy.profiles.get(body[0])
        must(profile is not None, f"no profile {body[0]}")
        self.check_profile(certificate, profile, body)
        {DEVICE: self.check_device, CLIENT: self.check_client,
         SERVER: self.check_server, CA: self.check_ceremony,
         CODE: self.check_ceremony}[profile[1]](body)

    def check_profile(self, certificate, profile, body):
        def extension(kind):
            try:
                return certificate.extensions.get_extension_for_class(
                    kind).value
            except x509.ExtensionNotFound:
                return None
        constraints = extension(x509.BasicConstraints)
        is_ca = constraints is not None and constraints.ca
        must(is_ca == (profile[1] == CA), "basicConstraints")
        eku = extension(x509.ExtendedKeyUsage)
        must([u.dotted_string for u in eku or []] == profile.get(8, []),
             "extended key usages")
        usage = extension(x509.KeyUsage)
        must(usage.key_cert_sign == (profile[1] == CA), "keyUsage")
        subject = [(a.oid.dotted_string, a.value)
                   for a in certificate.subject]
        must(subject == [(p[0], p[1].replace("{device}", body[1])
                          .replace("{name}", body[1])) for p in profile[3]],
             f"the subject {subject}")
        if 4 not in profile:
            must(not_after(certificate) == FOREVER, "its notAfter")

    def check_device(self, body):
        order = self.orders.get(body[2])
        must(order is not None, "it rests on no order")
        must(order[1] == body[0], "the order is for another profile")
        must(self.time <= order[5], "the order is over")
        must(body.get(6) in order[4], "the order is not for this station")
        must(covers(order[3], body[1]), "the order is not for this device")
        station = self.principals.get(body[6])
        must(station and station[1] == 1 and not station[5],
             "the station may not")
        must(body[0] in station.get(3, []), "the station's profiles")
        must((body[0], body[1]) not in self.live,
             "the device has a certificate")
        self.live[body[0], body[1]] = self.index
        owners = self.key_devices.setdefault(body[4], Counter())
        owners[body[1]] += 1
        must(len(+owners) == 1, "its key is another device's")
        self.used[body[2]] += 1
        must(self.used[body[2]] <= order[2], "over the order's units")

    def check_client(self, body):
        claim = self.principal_entries.get(body[2])
        must(claim is not None, "it rests on no principal")
        must(claim[0] == body[1] and claim[2] == body[4],
             "another principal")

    def check_server(self, body):
        must(body[2] == self.policy_index, "not the newest policy's")

    def check_ceremony(self, body):
        must(body[2] == 0, "it does not rest on the ceremony")
        key = next((n for n, k in self.keys.items()
                    if sha256(k.public_bytes(
                        serialization.Encoding.DER,
                        serialization.PublicFormat.SubjectPublicKeyInfo))
                    == body[4]), None)
        must({0: key, 1: body[3], 2: body[0], 3: body[1]}
             in self.ceremony.get(2, []), "the ceremony did not say so")

    def add_image(self, body):
        if 10 in body:
            self.request(body[9], body[10])
        claim = self.check_statements(body.get(8, []), S_RELEASE,
                                      logged=False)
        for member in range(4):
            must(claim[member] == body[member], "the statement differs")
        must({0: body[4], 1: body[5]} in claim[4], "another digest")
        must(self.key_uses.get(body[6]) == 4, "not a code-signing key")
        must(body[11] == sha256(self.keys[body[6]].public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)),
            "another signer than its key")
        product = self.policy.products.get(body[0])
        must(product and body[4] in product[1], "product or scheme")
        must(body[2] <= product.get(2, 1 << 62), "the image's size")
        must(body[5] == body[3], "sha256-ecdsa signs the file's hash")
        for index, other in self.images.items():
            must(index in self.voids or other[3] == body[3]
                 or (other[0], other[1]) != (body[0], body[1]),
                 f"entry {index} is another image of this version")
        self.images[self.index] = body

    # --- signatures ---

    def signable(self, index, last):
        must(index > last, "its items do not ascend")
        must(index < self.index, "it speaks of the future")
        must(index in self.certificates or index in self.images,
             f"entry {index} is nothing to sign")
        must(index not in self.signatures, f"entry {index} is signed twice")
        must(index not in self.voids, f"entry {index} is void")
        return index

    def add_signatures(self, body):
        last = -1
        for item in body[0]:
            last = self.signable(item[0], last)
            self.check_signature(last, item[1])
            self.signatures[last] = item[1]

    def check_signature(self, index, signature):
        algorithm = hashes.SHA256()
        if index in self.images:
            body = self.images[index]
            self.keys[body[6]].verify(
                signature, body[5], ec.ECDSA(utils.Prehashed(algorithm)))
            return
        body = self.certificates[index]
        data = assemble(body[5], signature)
        certificate = x509.load_der_x509_certificate(data)
        must(certificate.signature_hash_algorithm.name == "sha256",
             "another hash")
        self.keys[body[3]].verify(
            certificate.signature, certificate.tbs_certificate_bytes,
            ec.ECDSA(certificate.signature_hash_algorithm))
        self.der[index] = data

    def add_void(self, body):
        last = -1
        for item in body[0]:
            last = self.signable(item[0], last)
            self.voids[last] = item[1]
            certificate = self.certificates.get(last)
            # Whoever asked may ask again, in the same words.
            if certificate:
                self.requests.discard((certificate.get(6),
                                       certificate.get(7)))
            else:
                image = self.images[last]
                self.requests.discard((image.get(9), image.get(10)))
            if certificate and certificate[2] in self.orders:
                self.used[certificate[2]] -= 1
                del self.live[certificate[0], certificate[1]]
                self.key_devices[certificate[4]][certificate[1]] -= 1

    # --- the rest ---

    def add_refusal(self, body):
        for item in body[0]:
            must(item[0] in self.principals, f"who is {item[0]}?")
            must(item[3] >= 1, "a refusal's count")

    def add_start(self, body):
        must(body[0], "a start without a version")
        must(body[1] == len(self.pending()), "what it found unsigned")

    def add_export(self, body):
        must(body[6] in self.principals, f"who is {body[6]}?")
        must(self.principals[body[6]][1] in (AUDITOR, OFFICER), "its role")
        must(body[0] < body[1] <= self.index, "its range")
        must(body[2] in ("csv", "json"), "its format")
        self.exports[body[6], self.time // 86400] += 1
        must(self.exports[body[6], self.time // 86400] <= 100,
             "too many exports on a day")
        self.request(body[6], body[7])

    def add_revocation(self, body):
        for item in self.check_statements(body[0], S_REVOKE)[0]:
            serial = int.from_bytes(item[0], "big")
            must(serial in self.serials, "a certificate nobody issued")
            must(item[1] <= 10 and item[1] != 7, "its reason")
            acts = self.revoked.setdefault(serial, [])
            last = acts[-1][1] if acts else 8
            must(last == 6 and item[1] != 6 or last == 8 and item[1] != 8,
                 "it is revoked already, or not held")
            acts.append((self.index, item[1]))

    def add_crl(self, body):
        must(body[0] in self.keys, f"no key is called {body[0]}")
        must(body[1] > self.crls[body[0]], "its number")
        must(body[4] <= self.index, "its size")
        self.crls[body[0]] = body[1]
        if 6 in body:
            self.check_crl(body)

    def check_crl(self, body):
        """RFC 5280 5.1.2; what is a blob is not read here."""
        crl = x509.load_der_x509_crl(assemble(body[6], b"\x00"))
        must(crl.extensions.get_extension_for_class(
            x509.CRLNumber).value.crl_number == body[1], "its CRL's number")
        listed = sorted(one.serial_number for one in crl)
        must(len(listed) == body[5], "its CRL's count")
        there = []
        for serial, acts in self.revoked.items():
            acts = [reason for index, reason in acts if index < body[4]]
            issuer = self.certificates[self.serials[serial]][3]
            if acts and acts[-1] != 8 and issuer == body[0]:
                there.append(serial)
        must(listed == sorted(there), "its CRL lists others than are revoked")

    def add_key(self, body):
        self.check_statements(body[4], S_CEREMONY)
        if not body[3]:
            self.keys[body[0]] = serialization.load_der_public_key(body[2])
            self.key_uses[body[0]] = body[1]

    def request(self, principal, request):
        must((principal, request) not in self.requests,
             "this request made an entry already")
        self.requests.add((principal, request))

    # --- in the end ---

    def pending(self):
        """Entries that are neither signed nor void."""
        return [i for i in sorted({**self.certificates, **self.images})
                if i not in self.signatures and i not in self.voids]

    def report(self):
        return {"size": self.index + 1, "entries": dict(self.counts),
                "signatures": len(self.signatures),
                "voids": len(self.voids), "pending": self.pending()}


def covers(devices, device):
    if 0 in devices:
        return device in devices[0]
    if 1 in devices:
        first, last = devices[1].encode(), devices[2].encode()
        return (len(device) == len(first)
                and first <= device.encode() <= last)
    # Device ids have no brackets, but a pattern might.
    pattern = devices[3].replace("[", "[[]")
    return fnmatch.fnmatchcase(device, pattern)


def audit_entries(entries, vkey):
    auditor = Auditor(vkey)
    for entry in entries:
        auditor.add(entry)
    return auditor


def audit_directory(directory, vkey):
    """The whole check; gives the auditor, or raises Wrong."""
    return audit_entries(read_directory(directory, vkey), vkey)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--key", required=True, metavar="VKEY",
                        help="the log's verifier key, or a file with it")
    parser.add_argument("--receipt", action="append", default=[],
                        help="verify this receipt too")
    parser.add_argument("directory", metavar="DIR")
    arguments = parser.parse_args()
    try:
        vkey = Vkey.read(arguments.key)
        auditor = audit_directory(arguments.directory, vkey)
        for path in arguments.receipt:
            receipt = Receipt(Path(path).read_bytes(), vkey)
            print(f"{path}: entry {receipt.index} of {receipt.size}")
    except (Wrong, OSError) as e:
        print(f"auditor: {e}", file=sys.stderr)
        return 1
    print(json.dumps(auditor.report()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
