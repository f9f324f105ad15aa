"""A client of mintmark written from protocol/mintmark.cddl and README.md.

It shares no code with the C programs: that is what it is for. Messages and
statements are plain dicts with the CDDL's small integers as keys; the
functions below give them names.
"""

import base64
import hashlib
import os
import socket
import ssl
import struct
import time
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

FRAME_MAX = 131072
ALPN = "mintmark/1"
ZERO_ID = bytes(16)

TYPES = {"error": 0, "status": 1, "issue": 2, "show": 3, "statement": 4,
         "upload": 5, "chunk": 6, "submit": 7, "fetch": 8, "entries": 9,
         "prove": 10, "consistency": 11, "cosign": 12, "export": 13,
         "blob": 14, "renew": 15, "pending": 16, "orders": 17,
         "principals": 18, "crl": 19, "releases": 20, "image": 21,
         "partition": 22, "scrap": 23}
RELEASE = {"refused": 1, "kept": 2, "approved": 3, "signed": 4}
PASSED, FAILED, SILENT = 1, 2, 3
KINDS = {"order": 1, "release": 2, "revoke": 3, "principal": 4, "policy": 5,
         "ceremony": 6, "withdraw": 7}
ROLES = {"station": 1, "release": 2, "auditor": 3, "officer": 4}


class Refused(Exception):
    """An error answer of the appliance."""

    def __init__(self, body, request_id):
        self.code = body[0]
        self.name = body[1]
        self.text = body[2]
        self.retry_after = body.get(3, 0)
        self.id = request_id
        super().__init__(f"{self.name} ({self.code}): {self.text}"
                         f" [retry after {self.retry_after}]")


class Broken(Refused):
    """An image that breaks rules of its product: the answer of submit."""

    def __init__(self, answer):
        self.rules = rules_of(answer)
        failed = [name for name, (verdict, _) in self.rules.items()
                  if verdict == FAILED]
        super().__init__({0: 67, 1: "image-against-rules",
                          2: ", ".join(failed)}, ZERO_ID)


def rules_of(answer):
    """name -> (verdict, why) of an answer of submit."""
    return {row[0]: (row[1], row.get(2, "")) for row in answer[4]}


class Closed(Exception):
    """The appliance has closed the connection."""


def encode(item):
    """Deterministic CBOR: the two orders of keys agree for 0..23."""
    return cbor2.dumps(item, canonical=True)


def decode(data):
    """One item, in the one encoding that it may have."""
    item = cbor2.loads(data)
    assert encode(item) == data, f"not deterministic: {data.hex()}"
    return item


def frame(data):
    return struct.pack(">I", len(data)) + data


def read_exactly(sock, size):
    parts = bytearray()
    while len(parts) < size:
        try:
            part = sock.recv(size - len(parts))
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as e:
            if isinstance(e, (ssl.SSLWantReadError, TimeoutError)):
                raise
            raise Closed(str(e)) from e
        if not part:
            raise Closed(f"{len(parts)} of {size} bytes came")
        parts += part
    return bytes(parts)


# ------------------------------------------------------------- connections

def tls_context(identity):
    """TLS 1.3 with the certificate of an identity directory."""
    identity = Path(identity)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(identity / "access-ca.pem")
    context.load_cert_chain(identity / "certificate.pem",
                            identity / "key.pem")
    context.set_alpn_protocols([ALPN])
    return context


def tls_connect(address, context, name="localhost", timeout=30):
    raw = socket.create_connection(address, timeout=timeout)
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(raw, server_hostname=name)
    except BaseException:
        raw.close()
        raise


class Client:
    """One connection; requests may be pipelined with send() and receive()."""

    def __init__(self, identity, address, timeout=30):
        self.sock = tls_connect(address, tls_context(identity),
                                timeout=timeout)
        assert self.sock.version() == "TLSv1.3"
        assert self.sock.selected_alpn_protocol() == ALPN
        self.early = {}

    @classmethod
    def over(cls, sock):
        """Over a TLS connection that is there already."""
        client = cls.__new__(cls)
        client.sock, client.early = sock, {}
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # --- frames and envelopes ---

    def send_bytes(self, data):
        try:
            self.sock.sendall(data)
        except (ConnectionResetError, BrokenPipeError,
                ssl.SSLEOFError) as e:
            raise Closed(str(e)) from e

    def send_item(self, data):
        """Whatever bytes as one frame."""
        self.send_bytes(frame(data))

    def receive_item(self):
        size, = struct.unpack(">I", read_exactly(self.sock, 4))
        assert 1 <= size <= FRAME_MAX, f"a frame of {size} bytes"
        return decode(read_exactly(self.sock, size))

    def receive(self):
        """The next answer: (type, id, body)."""
        answer = self.receive_item()
        assert sorted(answer) == [0, 1, 2], answer
        return answer[0], answer[1], answer[2]

    def send(self, kind, body, request_id=None):
        request_id = request_id or os.urandom(16)
        self.send_item(encode({0: TYPES.get(kind, kind), 1: request_id,
                               2: body}))
        return request_id

    def answer_to(self, request_id):
        """Waits for this answer; keeps others that come before it."""
        while request_id not in self.early:
            kind, answered, body = self.receive()
            if kind == 0 and answered == ZERO_ID:  # it could not be read
                raise Refused(body, answered)
            self.early[answered] = (kind, body)
        kind, body = self.early.pop(request_id)
        if kind == TYPES["error"]:
            raise Refused(body, request_id)
        return kind, body

    def ask(self, kind, body, request_id=None):
        kind = TYPES.get(kind, kind)
        answered, answer = self.answer_to(self.send(kind, body, request_id))
        assert answered == kind, f"type {answered} answers type {kind}"
        return answer

    # --- messages ---

    def status(self):
        return self.ask("status", {})

    def issue(self, order, device, csr, profile="device", request_id=None):
        return self.ask("issue", issue_body(order, device, csr, profile),
                        request_id)

    def reissue(self, order, device, csr, profile="device",
                request_id=None):
        """The device's certificate is replaced."""
        return self.ask("issue", {**issue_body(order, device, csr, profile),
                                  4: True}, request_id)

    def show(self, device=None, profile="device", serial=None, basis=None):
        if serial is not None:
            return self.ask("show", {2: serial})
        if basis is not None:
            return self.ask("show", {3: basis})
        return self.ask("show", {0: profile, 1: device})

    def statement(self, statements, csr=None, request_id=None, policy=None,
                  text=None, certificates=None):
        """The answer; [4] of it are the officers that are missing."""
        along = {1: csr, 2: policy, 3: text, 4: certificates}
        body = {0: list(statements)}
        body.update({k: v for k, v in along.items() if v is not None})
        return self.ask("statement", body, request_id)

    def pending(self, payload=None, after=None):
        """Rows of what waits for approvals."""
        body = {0: payload, 1: after}
        return self.ask("pending", {k: v for k, v in body.items()
                                    if v is not None})[0]

    def all_pending(self):
        rows = page = self.pending()
        while page:
            page = self.pending(after=page[-1][0])
            rows = rows + page
        return rows

    def orders(self, name=None, after=None):
        body = {0: name, 1: after}
        return self.ask("orders", {k: v for k, v in body.items()
                                   if v is not None})[0]

    def principals(self, name=None, after=None):
        body = {0: name, 1: after}
        return self.ask("principals", {k: v for k, v in body.items()
                                       if v is not None})[0]

    def renew(self, csr, request_id=None):
        return self.ask("renew", {0: csr}, request_id)

    def crl(self, issuer):
        return self.ask("crl", {0: issuer})

    def announce(self, image, size=None, sha256=None):
        """(the upload's number, bytes of it that are there already)"""
        size = len(image) if size is None else size
        answer = self.ask("upload", {
            0: size, 1: sha256 or hashlib.sha256(image).digest()})
        return answer[0], answer.get(1, 0)

    def upload(self, image, size=None, sha256=None, chunk=65536):
        """Announces and sends an image; gives the upload's number."""
        number, there = self.announce(image, size, sha256)
        waiting = []
        for offset in range(there, len(image), chunk):
            data = image[offset:offset + chunk]
            waiting.append((self.send("chunk", {0: number, 1: offset,
                                                2: data}),
                            offset + len(data)))
            if len(waiting) > 8:
                self.check_chunk(*waiting.pop(0))
        for one in waiting:
            self.check_chunk(*one)
        return number

    def check_chunk(self, request_id, received):
        assert self.answer_to(request_id)[1] == {0: received}

    def submit(self, upload, product="demo", version="1.0.0",
               request_id=None):
        """The answer: [0] is of RELEASE, [4] are all rules."""
        return self.ask("submit", {0: upload, 1: product, 2: version},
                        request_id)

    def release(self, upload, statements, product="demo", version="1.0.0",
                scheme="sha256-ecdsa", request_id=None):
        """Submits, states and fetches: an answer of fetch."""
        answer = self.submit(upload, product, version)
        if answer[0] == RELEASE["refused"]:
            raise Broken(answer)
        if statements and answer[0] == RELEASE["kept"]:
            self.statement(statements, request_id=request_id)
        return self.fetch(product, version, scheme)

    def fetch(self, product="demo", version="1.0.0", scheme="sha256-ecdsa"):
        """One signature; it is made now if it can be."""
        return self.ask("fetch", {0: product, 1: version, 2: scheme})

    def releases(self, product=None, version=None, after=None):
        body = {0: product, 1: version, 2: after}
        return self.ask("releases", {k: v for k, v in body.items()
                                     if v is not None})[0]

    def image(self, sha256):
        """An image that is kept, all its pieces."""
        whole, size = b"", 1
        while len(whole) < size:
            answer = self.ask("image", {0: sha256, 1: len(whole)})
            size = answer[0]
            assert answer[1]
            whole += answer[1]
        return whole

    def image_done(self, sha256):
        """It was written down; it may be forgotten."""
        return self.ask("image", {0: sha256, 1: 0, 2: True})

    def partition(self, order, device, scheme, data, request_id=None):
        return self.ask("partition", {0: order, 1: device, 2: scheme,
                                      3: data}, request_id)

    def scrap(self, order, serial, reason="no answer", request_id=None):
        """The serial's content octets; gives {0: index, 1: receipt}."""
        return self.ask("scrap", {0: order, 1: serial, 2: reason},
                        request_id)

    def entries(self, start, count):
        return self.ask("entries", {0: start, 1: count})

    def all_entries(self):
        """Every entry that there is now."""
        size = self.status()[2]
        out = []
        while len(out) < size:
            answer = self.entries(len(out), min(4096, size - len(out)))
            assert answer[0] == len(out) and answer[1]
            out += answer[1]
        return out

    def prove(self, index):
        return self.ask("prove", {0: index})[0]


def issue_body(order, device, csr, profile="device"):
    return {0: order, 1: profile, 2: device, 3: csr}


# -------------------------------------------------------------- statements

class Officer:
    """A person's Ed25519 key: one line `mintmark-officer-unprotected SEED`."""

    def __init__(self, key=None):
        self.key = key or Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.kid = hashlib.sha256(self.public).digest()[:8]

    @classmethod
    def read(cls, path):
        prefix, seed = Path(path).read_text().rstrip("\n").split(" ")
        assert prefix == "mintmark-officer-unprotected", prefix
        return cls(Ed25519PrivateKey.from_private_bytes(
            base64.b64decode(seed, validate=True)))

    def sign_payload(self, payload, header=None):
        """COSE_Sign1 (RFC 9052 section 4.2) over these payload bytes."""
        protected = encode({1: -8, 4: self.kid} if header is None
                           else header)
        to_sign = encode(["Signature1", protected, b"", payload])
        return encode(cbor2.CBORTag(18, [protected, {}, payload,
                                         self.key.sign(to_sign)]))

    def state(self, origin, kind, body, **changes):
        return self.sign_payload(claim(origin, kind, body, **changes))


def claim(origin, kind, body, nonce=None, made=None, expiry=None):
    made = int(time.time()) - 1 if made is None else made
    expiry = made + 3600 if expiry is None else expiry
    return encode({0: KINDS.get(kind, kind), 1: origin,
                   2: nonce or os.urandom(16), 3: made, 4: expiry, 5: body})


def order_body(name, units, stations, pattern=None, first=None, last=None,
               devices=None, until=None, profile="device", revision=0,
               reissue=0, closed=False):
    which = {0: devices, 1: first, 2: last, 3: pattern}
    more = {6: revision, 7: reissue, 8: closed}
    return {0: name, 1: profile, 2: units,
            3: {k: v for k, v in which.items() if v is not None},
            4: sorted(stations),
            5: int(time.time()) + 86400 if until is None else until,
            **{k: v for k, v in more.items() if v}}


def principal_body(name, role, key, profiles=(), daily=None, disabled=False,
                   minute=None):
    body = {0: name, 1: ROLES.get(role, role), 2: key, 5: disabled}
    if profiles:
        body[3] = sorted(profiles)
    if daily is not None:
        body[4] = daily
    if minute is not None:
        body[6] = minute
    return body


def revoke_body(serials, reason=0, since=None):
    """Serials as ints or as content octets."""
    def octets(serial):
        return serial if isinstance(serial, bytes) else serial.to_bytes(
            serial.bit_length() // 8 + 1, "big")
    more = {} if since is None else {2: since}
    return {0: [{0: octets(s), 1: reason, **more} for s in serials]}


def policy_body(number, document):
    return {0: number, 1: hashlib.sha256(document).digest()}


def payload_of(statement):
    """The payload bytes that a statement was signed over."""
    return cbor2.loads(statement).value[2]


def withdraw_body(statement):
    """Withdraws what this statement states."""
    return {0: hashlib.sha256(payload_of(statement)).digest()}


def release_body(image, product="demo", version="1.0.0",
                 scheme="sha256-ecdsa", digest=None, sha256=None, size=None,
                 digests=None):
    """Of one signing, whose digest is the file's; or `digests` by signing."""
    sha256 = sha256 or hashlib.sha256(image).digest()
    digests = digests or {scheme: digest or sha256}
    return {0: product, 1: version,
            2: len(image) if size is None else size, 3: sha256,
            4: [{0: name, 1: value} for name, value in digests.items()]}
