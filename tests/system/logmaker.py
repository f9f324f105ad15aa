"""A log that tests write themselves, with a log key in their hands: honest
ones, and what the holder of that key could do. From C2SP and RFC 6962."""

import base64
import hashlib
import struct

from cryptography.hazmat.primitives import serialization

import auditor


def b64(data):
    return base64.b64encode(data).decode()


def raw(key):
    """The 32 bytes of an Ed25519 public key."""
    return key.public_key().public_bytes(serialization.Encoding.Raw,
                                         serialization.PublicFormat.Raw)


def inclusion(leaves, index):
    """RFC 6962 section 2.1.1, PATH."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return inclusion(leaves[:k], index) + [auditor.tree_root(leaves[k:])]
    return inclusion(leaves[k:], index - k) + [auditor.tree_root(leaves[:k])]


def log_vkey(name, key):
    """C2SP signed-note, type 0x01."""
    data = b"\x01" + raw(key)
    id_ = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    return f"{name}+{id_.hex()}+{b64(data)}"


class LogMaker:
    """Notes, directories and receipts by the key of a log."""

    def __init__(self, vkey, key):
        self.vkey, self.key = vkey, key

    def note(self, entries, also=None):
        """`also`: another LogMaker, which signs the same."""
        root = auditor.tree_root([auditor.leaf_hash(e) for e in entries])
        text = f"{self.vkey.name}\n{len(entries)}\n{b64(root)}\n"
        signature = self.vkey.id + self.key.sign(text.encode())
        line = f"\u2014 {self.vkey.name} {b64(signature)}\n"
        if also is not None:
            line += also.note(entries).decode().split("\n\n")[1]
        return f"{text}\n{line}".encode()

    def directory(self, entries, directory):
        for path, content in auditor.expected_tiles(entries).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        (directory / "checkpoint").write_bytes(self.note(entries))
        return directory

    def receipt(self, entries, index, extra=True, note=None):
        leaves = [auditor.leaf_hash(e) for e in entries]
        lines = ["c2sp.org/tlog-proof@v1"]
        if extra:
            lines.append(f"extra {b64(entries[index])}")
        lines += [f"index {index}", *map(b64, inclusion(leaves, index)), ""]
        return "\n".join(lines).encode() + b"\n" + (
            note or self.note(entries))


class Cosigner:
    """C2SP tlog-cosignature, Ed25519."""

    def __init__(self, name, key):
        public = raw(key)
        self.name, self.key = name, key
        self.id = hashlib.sha256(
            name.encode() + b"\n\x04" + public).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(bytes([4]) + public)}"

    def line(self, note, when=1700000000):
        text = note[:note.rindex(b"\n\n") + 1]
        signed = self.key.sign(
            b"cosignature/v1\ntime %d\n" % when + text)
        return (f"\u2014 {self.name} "
                f"{b64(self.id + struct.pack('>Q', when) + signed)}\n"
                ).encode()
