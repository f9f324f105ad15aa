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
import json
import re
import struct
import sys
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PublicKey)

from audit_base import (  # noqa: F401: tests take them from here
    AUDITOR, CA, CEREMONY, CERTIFICATE, CLIENT, CODE, CRL, CSR, DEVICE, EXPORT,
    FOREVER, GENESIS, IMAGE, IMPORT, INHERITED, KEY, KIND_NAMES, OFFICER,
    ORDER, PARTITION, PENDING, POLICY, PRINCIPAL, PROOF, REFUSAL, RELEASE,
    RELEASE_ENTRY, REVOCATION, S_CEREMONY, S_ORDER, S_POLICY, S_PRINCIPAL,
    S_RELEASE, S_REVOKE, S_WITHDRAW, SCRAP, SERVER, SIGNATURES, START, STATION,
    VOID, WITHDRAWAL, Wrong, assemble, der, der_head, must, not_after, sha256,
    strict_cbor, unbase64)
from audit_meaning import Auditor, Policy, covers  # noqa: F401


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
        """By sha256-ecdsa."""
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
    key = {GENESIS: 6, POLICY: 3, CRL: 7, PENDING: 6,
           INHERITED: 1}.get(item[0])
    if key is None or key not in item[3]:
        return None
    digest = item[3][key]
    return f"blob/{digest.hex()}", (digest, item[3][key + 1])


def audit_entries(entries, vkey, blobs=None):
    """`blobs`: their bytes by SHA-256, or None: none can be had."""
    auditor = Auditor(vkey, blobs)
    for entry in entries:
        auditor.add(entry)
    return auditor


def audit_directory(directory, vkey):
    """The whole check; gives the auditor, or raises Wrong."""
    entries = read_directory(directory, vkey)
    blobs = {}
    for path, (digest, _) in filter(None, map(blob_of, entries)):
        blobs[digest] = (Path(directory) / path).read_bytes()
    return audit_entries(entries, vkey, blobs)


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
