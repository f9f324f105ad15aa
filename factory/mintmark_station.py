"""A provisioning station's side of mintmark, for the scripts that factories
have: one file, the standard library of Python 3.8 or later, no threads. Copy
it beside your script.

    from pathlib import Path
    from mintmark_station import OrderError, Station

    with Station("line-1") as station:
        try:
            answer = station.issue(Path("unit.csr").read_bytes(),
                                   device="24:6F:28:00:00:07",
                                   order="batch-7")
        except OrderError as error:  # used up, closed, not for this device
            raise SystemExit(f"{error.name}: {error.text}")
        Path("unit.crt").write_text(answer.pem)
        Path("unit.receipt").write_bytes(answer.receipt)

"line-1" is an identity directory, as `mintmark station request` and `station
add` make it. Keep the receipt beside the certificate: it proves that the log
has it. Before `issue` returns, the receipt was verified by `mintmark receipt
verify`, the certificate is for this device, profile and key, and each
certificate of the chain has signed the one before it.

Where the connection breaks, or the appliance says to wait, the same request
goes out again under the same id for `patience` seconds: the answer is the one
that was lost, and costs nothing twice. So it is if a script ends and asks for
the same device with the same CSR again. What is raised is a StationError;
`retryable` says whether the same call may succeed later.

A Station is for one thread. Messages: protocol/mintmark.cddl.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unicodedata
from pathlib import Path
from typing import (Any, Dict, List, NamedTuple, Optional, Tuple, Type, Union,
                    get_type_hints)

__all__ = ["Station", "Certificate", "Order", "Scrap", "Status",
           "StationError", "MessageError", "CsrError", "RefusedError",
           "AccessError",
           "OrderError", "DeviceError", "LimitError", "NotFoundError",
           "ProofError", "ApplianceError", "ServiceError", "AwayError",
           "TlsError", "SetupError"]

FRAME_MAX = 131072
BLOB_MAX = 67108864
DEPTH_MAX = 16
NUMBER_MAX = (1 << 63) - 1
ID_SIZE = 16
AWAY_PAUSE = 1  # seconds until somebody who is away is asked again
STATUS, ISSUE, SHOW, BLOB, RENEW, ORDERS, CRL = 1, 2, 3, 14, 15, 17, 19
SCRAP = 23
CRL_ENTRY = 12
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")

# ------------------------------------------------------------------ errors

# protocol/mintmark.cddl, error-code: numbers never change their meaning.
CODES: Dict[str, int] = {
    name: first + i for first, names in (
        (1, "cbor-malformed cbor-not-deterministic cbor-too-deep "
         "message-malformed trailing-bytes frame-too-large unknown-message "
         "bad-text out-of-range bad-format"),
        (20, "csr-malformed csr-bad-signature key-unsupported key-weak "
         "bad-device-id certificate-not-to-profile "
         "certificate-not-to-standard"),
        (40, "unknown-principal role-not-allowed unknown-profile "
         "profile-not-allowed unknown-order order-closed "
         "order-does-not-cover order-exhausted device-already-issued "
         "key-already-used daily-limit request-id-reused"),
        (57, "not-found"),
        (60, "rate-limited reissue-exhausted certificate-revoked "
         "issuer-without-certificate"),
        (84, "certificate-not-of-order order-for-others"),
        (90, "note-malformed note-unknown-key note-bad-signature "
         "checkpoint-malformed checkpoint-other-log receipt-malformed "
         "proof-wrong tile-wrong bundle-malformed entry-malformed "
         "receipt-mismatch vkey-malformed log-inconsistent log-forked "
         "checkpoint-older cosignature-wrong quorum-missing blob-wrong "
         "file-unexpected witness-away policy-not-newest time-backwards "
         "batch-too-large disk-full store-failed store-rolled-back "
         "state-not-ours already-running"),
        (130, "module-missing token-absent token-ambiguous pin-wrong "
         "key-absent key-attributes token-failed token-unavailable "
         "token-refused token-bad-signature token-record"),
        (150, "starting stopping busy deadline clock-behind clock-jumped "
         "appliance-away tls-failed peer-broke-protocol"),
        (170, "usage bad-setting bad-policy file-exists file out-of-memory "
         "system bug"))
    for i, name in enumerate(names.split())}


class StationError(Exception):
    """Whatever went wrong. Decide by the class, `code` or `name`; `text` is
    for people. `retry_after`: seconds, 0 where the appliance names none."""

    def __init__(self, name: str, text: str, code: Optional[int] = None,
                 retry_after: int = 0) -> None:
        self.code: int = CODES.get(name, 0) if code is None else code
        self.name, self.text = name, text
        self.retry_after = retry_after
        super().__init__(f"{name}: {text}")

    @property
    def retryable(self) -> bool:
        """The same call may succeed later, with nothing changed by you."""
        return self.retry_after > 0 or self.code == CODES["appliance-away"]


class MessageError(StationError):
    """The request is none: a wrong text or length."""


class CsrError(StationError):
    """Another CSR, key or device id is needed."""


class RefusedError(StationError):
    """A rule says no."""


class AccessError(RefusedError):
    """This station may not do that."""


class OrderError(RefusedError):
    """The order is unknown, closed, used up, or not for this device or
    certificate."""


class DeviceError(RefusedError):
    """The device, or the key, has a certificate, or it is revoked."""


class LimitError(RefusedError):
    """So many a minute or a day; `retry_after` says how long."""


class NotFoundError(StationError):
    """There is no such thing."""


class ProofError(StationError):
    """A receipt does not prove what it should. Tell an auditor."""


class ApplianceError(StationError):
    """The appliance cannot log or sign now; nothing is lost."""


class ServiceError(StationError):
    """The appliance starts, stops, is busy, or makes no sense."""


class AwayError(ServiceError):
    """It cannot be reached, or the connection was lost."""


class TlsError(ServiceError):
    """Somebody else answers, or this station is not let in."""


class SetupError(StationError):
    """Something is wrong on this computer: a file, a program."""


FAMILIES: Tuple[Tuple[range, Type[StationError]], ...] = (
    (range(44, 48), OrderError), (range(48, 50), DeviceError),
    (range(50, 51), LimitError),
    (range(51, 52), MessageError), (range(57, 58), NotFoundError),
    (range(60, 61), LimitError), (range(61, 62), OrderError),
    (range(62, 63), DeviceError), (range(84, 86), OrderError),
    (range(156, 157), AwayError),
    (range(157, 158), TlsError), (range(175, 178), ApplianceError),
    (range(1, 20), MessageError), (range(20, 40), CsrError),
    (range(40, 44), AccessError), (range(44, 90), RefusedError),
    (range(90, 109), ProofError), (range(109, 150), ApplianceError),
    (range(150, 160), ServiceError), (range(160, 190), SetupError))


def _error(name: str, text: str, code: Optional[int] = None,
           retry_after: int = 0) -> StationError:
    code = CODES.get(name, 0) if code is None else code
    family = next((f for codes, f in FAMILIES if code in codes),
                  StationError)
    return family(name, text, code, retry_after)


def _broken(what: str) -> StationError:
    return _error("peer-broke-protocol", f"the appliance's answer: {what}")


# -------------------------------------------------------------------- CBOR

def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    for i, size in enumerate((1, 2, 4, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | 24 + i]) + value.to_bytes(size, "big")
    raise OverflowError("a number is too large")


def encode(item: Any) -> bytes:
    """Deterministic CBOR (RFC 8949 4.2.1) of what mintmark's messages have."""
    if isinstance(item, bool):
        return b"\xf5" if item else b"\xf4"
    if isinstance(item, int) and item >= 0:
        return _head(0, item)
    if isinstance(item, (bytes, bytearray)):
        return _head(2, len(item)) + item
    if isinstance(item, str):
        data = item.encode()
        return _head(3, len(data)) + data
    if isinstance(item, (list, tuple)):
        return _head(4, len(item)) + b"".join(map(encode, item))
    if isinstance(item, dict):
        pairs = sorted((encode(k), encode(v)) for k, v in item.items())
        return _head(5, len(pairs)) + b"".join(k + v for k, v in pairs)
    raise TypeError(f"{type(item).__name__} has no place in a message")


class _Reader:
    """Strict: what encode would not write is refused with ValueError."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("it ends in the midst of an item")
        self.at += size
        return self.data[self.at - size:self.at]

    def head(self) -> Tuple[int, int]:
        first = self.take(1)[0]
        major, value = first >> 5, first & 31
        if 24 <= value <= 27 and major < 6:
            size = 1 << value - 24
            value = int.from_bytes(self.take(size), "big")
            if value < (24 if size == 1 else 1 << 4 * size):
                raise ValueError("a number is not in its shortest form")
        elif value > 23:
            raise ValueError("an item of no kind that messages have")
        return major, value

    def item(self, depth: int = DEPTH_MAX) -> Any:
        if depth == 0:
            raise ValueError("it is nested too deeply")
        major, value = self.head()
        if major == 0 and value <= NUMBER_MAX:
            return value
        if major == 2:
            return self.take(value)
        if major == 3:
            return _text(self.take(value))
        if major == 4:
            self.bound(value)
            return [self.item(depth - 1) for _ in range(value)]
        if major == 5:
            return self.map(value, depth - 1)
        if major == 7 and value in (20, 21):
            return value == 21
        raise ValueError("an item of no kind that messages have")

    def bound(self, count: int) -> None:
        if count > len(self.data) - self.at:
            raise ValueError("it counts more items than it has")

    def map(self, count: int, depth: int) -> Dict[int, Any]:
        out: Dict[int, Any] = {}
        last = -1
        self.bound(count)
        for _ in range(count):
            key = self.item(1)
            if type(key) is not int or key <= last:
                raise ValueError("its keys are not ascending numbers")
            out[key] = self.item(depth)
            last = key
        return out


def _text(data: bytes) -> str:
    """Nothing that steers a terminal or hides in it."""
    text = data.decode()
    if any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in text):
        raise ValueError("a text has characters that cannot be seen")
    return text


def decode(data: bytes) -> Any:
    """The one item that these bytes are; ValueError where they are not."""
    reader = _Reader(data)
    item = reader.item()
    if reader.at != len(data):
        raise ValueError("there are bytes after the end of the item")
    return item


# ------------------------------------------------------------- DER and PEM

def _der(data: bytes, at: int) -> Tuple[int, int, int]:
    """(tag, where its contents begin, where they end)"""
    tag, size, start = data[at], data[at + 1], at + 2
    if size >= 128:
        count = size & 127
        size = int.from_bytes(data[start:start + count], "big")
        start += count
    if start + size > len(data):
        raise ValueError("it ends in the midst of an element")
    return tag, start, start + size


def _spki(der: bytes, before: int) -> bytes:
    """The SubjectPublicKeyInfo behind so many elements of the signed part; an
    explicit version, [0], is not counted."""
    try:
        at = _der(der, _der(der, 0)[1])[1]
        if der[at] == 0xa0:
            at = _der(der, at)[2]
        for _ in range(before):
            at = _der(der, at)[2]
        return der[at:_der(der, at)[2]]
    except IndexError as error:
        raise ValueError("it is too short") from error


def _wrap(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    if size < 128:
        return bytes([tag, size]) + contents
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + contents


def _pem_der(data: bytes, label: str) -> bytes:
    """The first such block; DER is left as it is."""
    if data[:1] == b"\x30":
        return data
    found = re.search(rf"-----BEGIN ({label})-----(.*?)-----END \1-----",
                      data.decode("latin-1"), re.DOTALL)
    if found is None:
        raise ValueError("it is neither DER nor PEM")
    return base64.b64decode("".join(found[2].split()), validate=True)


def _csr_key(csr: bytes) -> bytes:
    try:
        return _spki(_pem_der(csr, "(?:NEW )?CERTIFICATE REQUEST"), 2)
    except ValueError as error:
        raise _error("csr-malformed",
                     f"the CSR cannot be read: {error}") from error


def _certificate_serial(certificate: bytes) -> int:
    try:
        start = _der(certificate, _der(certificate, 0)[1])[1]
        if certificate[start] == 0xa0:
            start = _der(certificate, start)[2]
        tag, start, end = _der(certificate, start)
        if tag != 2:
            raise ValueError("it has no serial number")
        return int.from_bytes(certificate[start:end], "big", signed=True)
    except IndexError as error:
        raise ValueError("it is too short") from error


def _serial_octets(serial: int) -> bytes:
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)


def _certificate_key(certificate: bytes) -> bytes:
    """Empty where these bytes are no certificate."""
    try:
        return _spki(_pem_der(certificate, "CERTIFICATE"), 5)
    except ValueError:
        return b""


# ----------------------------------------------------------------- answers

class Certificate(NamedTuple):
    """A certificate and its proof."""
    index: int  #: of its entry in the log
    certificate: bytes  #: DER
    chain: Tuple[bytes, ...]  #: DER, issuer first, root left out
    receipt: bytes  #: C2SP tlog-proof: keep it beside the certificate

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return ssl.DER_cert_to_PEM_cert(self.certificate)

    @property
    def chain_pem(self) -> str:
        return "".join(map(ssl.DER_cert_to_PEM_cert, self.chain))

    @property
    def serial(self) -> int:
        """The serial number, as `show` and `scrap` take it."""
        return _certificate_serial(self.certificate)


class Order(NamedTuple):
    """What was ordered, and what became of it."""
    name: str
    profile: str
    revision: int
    index: int  #: entry of the terms in force
    first: int  #: entry of its first terms
    units: int
    reissue: int  #: allowed
    issued: int  #: units used
    reissued: int
    refused: int
    revoked: int
    until: int  #: POSIX seconds
    closed: bool
    scrapped: int  #: of its certificates

    @property
    def left(self) -> int:
        return max(0, self.units - self.issued)


class Scrap(NamedTuple):
    """A report of a unit that failed for good, and its proof."""
    index: int  #: of its entry in the log
    receipt: bytes  #: C2SP tlog-proof


class Status(NamedTuple):
    """The appliance, and who it takes this station for."""
    origin: str
    vkey: str
    size: int  #: of the log, entries
    checkpoint: bytes
    policy: int
    name: str
    role: str


def _fields(body: Any, kind: Any) -> List[Any]:
    """The values of an answer whose keys are the places of the fields."""
    hints = get_type_hints(kind)
    if type(body) is not dict or set(body) != set(range(len(hints))):
        raise _broken(f"it is no {kind.__name__}")
    for value, hint in zip(body.values(), hints.values()):
        if type(value) is not hint:
            raise _broken(f"a member of {kind.__name__} is no "
                          f"{hint.__name__}")
    return list(body.values())


def _certificate(body: Any) -> Certificate:
    chain = body.get(2, [b""]) if type(body) is dict else None
    if (type(chain) is not list or not chain
            or any(type(c) is not bytes for c in chain)
            or set(body) | {2} != {0, 1, 2, 3}
            or [type(body[k]) for k in (0, 1, 3)] != [int, bytes, bytes]):
        raise _broken("it is no certificate and receipt")
    return Certificate(body[0], body[1], tuple(body.get(2, ())), body[3])


# ------------------------------------------------------------- the identity

def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _error("file", f"cannot read {path}: {error.strerror}; is "
                     f"{path.parent} an identity directory?") from error


def _address(place: Path) -> Tuple[str, int, str]:
    """host, port and name of the line `host:port name`."""
    line = _read(place / "appliance").decode("latin-1")
    found = re.fullmatch(r"\s*(?:\[([^\]\s]+)\]|([^\s:\[\]]+)):(\d{1,5})\s+"
                         r"(\S+)\s*", line)
    if found is None or int(found[3]) > 65535:
        raise _error("file", f"{place}/appliance is not one line "
                     '"host:port name"')
    return found[1] or found[2], int(found[3]), found[4]


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def _context(place: Path) -> ssl.SSLContext:
    """TLS 1.3, both sides with a certificate, and no CA but the mint's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= 0x80000  # X509_V_FLAG_PARTIAL_CHAIN
    context.set_alpn_protocols(["mintmark/1"])
    for name in ("access-ca.pem", "certificate.pem", "key.pem"):
        _read(place / name)
    try:
        context.load_verify_locations(place / "access-ca.pem")
        context.load_cert_chain(place / "certificate.pem", place / "key.pem",
                                _no_passphrase)
    except (OSError, ValueError) as error:
        raise _error("bad-format", f"the identity {place} cannot be used "
                     f"(key.pem, certificate.pem, access-ca.pem): {error}",
                     CODES["file"]) from error
    return context


def _replace(path: Path, data: bytes) -> None:
    """The old file or the new one, never half of it."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


# -------------------------------------------------------------- the station

Text = Union[bytes, str]


class Station:
    """One station, by its identity directory. It connects when it first asks,
    and again when it has to.

    verify    whether receipts are verified, by the program `mintmark`
    order     what `issue` goes by where it is not told another one
    patience  seconds for which a request is made again
    timeout   seconds for one step of a connection
    """

    def __init__(self, identity: Union[str, "os.PathLike[str]"], *,
                 order: Optional[str] = None, verify: bool = True,
                 mintmark: Union[str, "os.PathLike[str]"] = "mintmark",
                 patience: float = 60, timeout: float = 30) -> None:
        self.identity, self.order = Path(identity), order
        self.verify, self.patience, self.timeout = verify, patience, timeout
        self._socket: Optional[ssl.SSLSocket] = None
        self._program = shutil.which(mintmark)
        if verify:
            self._check_program(mintmark)
        _address(self.identity)
        _context(self.identity)

    def _check_program(self, mintmark: Any) -> None:
        """Before a unit is used up for what cannot be verified then."""
        if self._program is None:
            raise _error("file", f"there is no program {mintmark}: say where "
                         "with mintmark=, or verify=False")
        _read(self.identity / "log.vkey")

    def __enter__(self) -> "Station":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    # --- what it can be asked

    def issue(self, csr: Text, device: str, order: Optional[str] = None,
              profile: str = "device", reissue: bool = False) -> Certificate:
        """A certificate for the CSR's key (PEM or DER). The same device and
        key get the same one again. `reissue`, for repair, voids the one that
        the device has for another key."""
        order = self.order if order is None else order
        if order is None:
            raise TypeError("say order, here or to the Station")
        csr = csr.encode() if isinstance(csr, str) else bytes(csr)
        key = _csr_key(csr)
        body = {0: order, 1: profile, 2: device, 3: csr}
        if reissue:
            body[4] = True
        answer = _certificate(self._ask(ISSUE, body))
        self._check(answer, {"subject": device, "profile": profile}, key)
        return answer

    def show(self, device: Optional[str] = None, profile: str = "device",
             serial: Optional[int] = None) -> Certificate:
        """The certificate that a device has, or that of a serial number."""
        if (device is None) == (serial is None):
            raise TypeError("say device or serial")
        if device is not None:
            answer = _certificate(self._ask(SHOW, {0: profile, 1: device}))
            self._check(answer, {"subject": device, "profile": profile})
            return answer
        assert serial is not None
        answer = _certificate(self._ask(SHOW, {2: _serial_octets(serial)}))
        self._check(answer, {"serial": serial})
        return answer

    def renew(self, csr: Optional[Text] = None) -> bool:
        """A new TLS certificate for this station's own key, when it is time:
        True where the identity has another one now. Without a CSR of that key
        the program mintmark makes one."""
        if csr is None:
            said = self._run("station", "renew", "--identity", self.identity,
                             "--wait", self._wait())
            renewed = said.get("renewed") is True
        else:
            renewed = self._renew(
                csr.encode() if isinstance(csr, str) else bytes(csr))
        if renewed:
            self.close()  # what comes next goes by the new one
        return renewed

    def _renew(self, csr: bytes) -> bool:
        path = self.identity / "certificate.pem"
        former, key = _read(path), _csr_key(csr)
        if _certificate_key(former) != key:
            raise _error("csr-malformed", "the CSR is of another key than "
                         f"that of {path}")
        answer = _certificate(self._ask(RENEW, {0: csr}))
        self._check(answer, {}, key)
        if _certificate_key(answer.certificate) != key:
            raise _mismatch("a key that is not this station's")
        if _pem_der(former, "CERTIFICATE") == answer.certificate:
            return False
        _replace(path, answer.pem.encode())
        return True

    def orders(self, name: Optional[str] = None) -> List[Order]:
        """All orders, or the one of this name: counts, and what is left."""
        out: List[Order] = []
        body: Dict[int, Any] = {} if name is None else {0: name}
        while True:
            answer = self._ask(ORDERS, body)
            if type(answer) is not dict or type(answer.get(0)) is not list:
                raise _broken("it is no list of orders")
            page = [Order(*_fields(row, Order)) for row in answer[0]]
            if page and out and page[0].name <= out[-1].name:
                raise _broken("the orders are not in order")
            out += page
            if not page or name is not None:
                return out
            body = {1: page[-1].name}

    def scrap(self, order: str, serial: int, reason: str) -> Scrap:
        """Reports that the unit with this certificate of the order failed for
        good; `reason`, for people, has at most 200 bytes. It stays used, and
        an officer may revoke the certificate. The first report counts: said
        again, it has the same answer."""
        answer = self._ask(SCRAP, {0: order, 1: _serial_octets(serial),
                                   2: reason})
        scrap = Scrap(*_fields(answer, Scrap))
        if self.verify:
            self._check_scrap(scrap, serial)
        return scrap

    def status(self) -> Status:
        """The log's name and size, and who this station is."""
        return Status(*_fields(self._ask(STATUS, {}), Status))

    def crl(self, issuer: str = "device-ca") -> bytes:
        """The newest CRL of that key, DER."""
        if not self.verify:
            return self._crl(issuer)
        with tempfile.TemporaryDirectory(prefix="mintmark-") as place:
            path = Path(place) / "crl"
            self._run("cert", "crl", "--identity", self.identity, "--issuer",
                      issuer, "--out", path, "--wait", self._wait())
            return path.read_bytes()

    def _crl(self, issuer: str) -> bytes:
        """From its entry and signature: protocol/README.md, Revocation."""
        answer = self._ask(CRL, {0: issuer})
        try:
            lines = answer[2].split(b"\n")
            entry = decode(base64.b64decode(lines[1][len(b"extra "):]))
            kind, body = entry[0], entry[3]
            tbs = body[6] if 6 in body else self._blob(body[7], body[8])
            if kind != CRL_ENTRY or body[0] != issuer:
                raise ValueError("it is another entry")
            return _wrap(0x30, tbs + ECDSA_SHA256
                         + _wrap(3, b"\0" + answer[1]))
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise _broken(f"it makes no CRL: {error}") from error

    def _blob(self, sha256: bytes, size: int) -> bytes:
        whole = b""
        if size > BLOB_MAX:
            raise ValueError("the blob is too large")
        while len(whole) < size:
            answer = self._ask(BLOB, {0: sha256, 1: len(whole)})
            if answer[0] != size or not answer[1]:
                raise ValueError("the blob is not what its entry says")
            whole += answer[1]
        if hashlib.sha256(whole).digest() != sha256:
            raise ValueError("the blob is not what its entry says")
        return whole

    # --- asking

    def _wait(self) -> int:
        return min(3600, max(0, int(self.patience)))

    def _ask(self, kind: int, body: Dict[int, Any]) -> Any:
        """The body of the answer; the same request, id and all, for as long
        as it makes sense."""
        request_id = os.urandom(ID_SIZE)
        try:
            request = encode({0: kind, 1: request_id, 2: body})
        except UnicodeEncodeError as error:
            raise _error("bad-text", f"no text: {error}") from error
        if len(request) > FRAME_MAX:
            raise _error("frame-too-large", "the request is too long")
        end = time.monotonic() + self.patience
        while True:
            had_connection = self._socket is not None
            try:
                return self._exchange(kind, request_id, request)
            except StationError as error:
                # One that lay idle may have been closed long ago.
                idle = had_connection and isinstance(error, AwayError)
                pause = 0 if idle else error.retry_after or AWAY_PAUSE
                if not error.retryable or time.monotonic() + pause > end:
                    raise
            time.sleep(pause)

    def _exchange(self, kind: int, request_id: bytes, request: bytes) -> Any:
        """A connection on which anything else came is of no more use."""
        try:
            connection = self._connect()
            connection.sendall(len(request).to_bytes(4, "big") + request)
            answer = self._receive(connection)
            if answer[0] == 0 and answer[1] in (request_id, bytes(ID_SIZE)):
                refusal = _refusal(answer[2])
            elif [answer[0], answer[1]] == [kind, request_id]:
                return answer[2]
            else:
                raise _broken("it is another request's")
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, UnicodeError)):
                raise self._lost(error) from error
            raise
        raise refusal

    def _connect(self) -> ssl.SSLSocket:
        if self._socket is not None:
            return self._socket
        host, port, name = _address(self.identity)
        context = _context(self.identity)
        raw = socket.create_connection((host, port), self.timeout)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        if self._socket.selected_alpn_protocol() != "mintmark/1":
            raise _error("tls-failed", "what answers is no mintmark")
        return self._socket

    def _receive(self, connection: ssl.SSLSocket) -> Dict[int, Any]:
        size = int.from_bytes(_exactly(connection, 4), "big")
        if not 1 <= size <= FRAME_MAX:
            raise _broken(f"a frame of {size} bytes")
        try:
            answer = decode(_exactly(connection, size))
        except ValueError as error:
            raise _broken(str(error)) from error
        if type(answer) is not dict or set(answer) != {0, 1, 2}:
            raise _broken("it is no message")
        return answer

    def _lost(self, error: Exception) -> StationError:
        host, port, _ = _address(self.identity)
        where = f"{host} port {port}"
        if isinstance(error, UnicodeError):
            return _error("file", f"{self.identity}/appliance names no host: "
                          f"{error}")
        gone = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
        if isinstance(error, ssl.SSLError) and not isinstance(error, gone):
            return _error("tls-failed", f"{where}: {error}; is "
                          f"{self.identity} an identity for what answers "
                          "there, and its certificate in date?")
        return _error("appliance-away", f"{where}: {error}; does mintmarkd "
                      "run there?")

    # --- verifying, by the program

    def _run(self, *words: Any) -> Dict[str, Any]:
        """What it prints with --json; its errors have our names."""
        if self._program is None:
            raise _error("file", "there is no program mintmark: say where "
                         "with mintmark=")
        noun, verb, *rest = map(str, words)
        try:
            done = subprocess.run(
                [self._program, noun, verb, "--json", *rest],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, check=False)
        except OSError as error:
            raise _error("file", f"cannot run {self._program}: "
                         f"{error.strerror}") from error
        if done.returncode == 0:
            return self._said(done.stdout)
        said = done.stderr.decode(errors="replace").strip()
        found = re.search(rf"^mintmark {noun} {verb}: ([a-z0-9-]+): (.*)\Z",
                          said, re.DOTALL | re.MULTILINE)
        if found is None:
            raise _error("bug", f"{self._program} {noun} {verb} ended with "
                         f"{done.returncode}: {said}")
        raise _error(found[1], found[2],
                     retry_after=AWAY_PAUSE if done.returncode == 75 else 0)

    def _said(self, output: bytes) -> Dict[str, Any]:
        try:
            said = json.loads(output)
        except ValueError:
            said = None
        if type(said) is not dict:
            raise _error("file", f"{self._program} is not the program "
                         "mintmark, or another release's: say with mintmark= "
                         "where that is")
        return said

    def _check(self, answer: Certificate, wanted: Dict[str, Any],
               key: Optional[bytes] = None) -> None:
        """The log has this certificate, signed by its issuer, and it is the
        one that was asked for."""
        if not self.verify:
            return
        said = self._verify(answer)
        wanted = {**wanted, "index": answer.index, "kind": "certificate",
                  "proved": "tbs+signature"}
        if "serial" in wanted:
            said["serial"] = int(said.get("serial", "0"), 16)
        for member, value in wanted.items():
            if said.get(member) != value:
                raise _mismatch(f"{member} {said.get(member)}, not {value}")
        if key is not None and _certificate_key(answer.certificate) != key:
            raise _mismatch("a key that is not the CSR's")

    def _check_scrap(self, scrap: Scrap, serial: int) -> None:
        with tempfile.TemporaryDirectory(prefix="mintmark-") as name:
            place = Path(name) / "receipt"
            place.write_bytes(scrap.receipt)
            said = self._run("receipt", "verify", "--key",
                             self.identity / "log.vkey", place)
        found = [said.get("kind"), said.get("index"),
                 int(said.get("serial", "0"), 16)]
        if found != ["scrap", scrap.index, serial]:
            raise _error("receipt-mismatch", "the appliance answered with "
                         "a report of another unit")

    def _verify(self, answer: Certificate) -> Dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="mintmark-") as name:
            place = Path(name)
            (place / "receipt").write_bytes(answer.receipt)
            (place / "crt").write_bytes(answer.certificate)
            words: List[Any] = ["--key", self.identity / "log.vkey"]
            if answer.chain:
                (place / "chain").write_text(answer.chain_pem)
                words += ["--certificate", place / "chain"]
            try:
                return self._run("receipt", "verify", *words,
                                 place / "receipt", place / "crt")
            except (MessageError, CsrError) as error:
                raise _broken(error.text) from error  # it, not the request


def _mismatch(what: str) -> StationError:
    return _error("receipt-mismatch",
                  f"the appliance answered with a certificate of {what}")


def _refusal(body: Any) -> StationError:
    if type(body) is not dict or [
            type(body.get(k, 0)) for k in range(4)] != [int, str, str, int]:
        return _broken("an error without code, name and text")
    return _error(body[1], body[2], body[0], body.get(3, 0))


def _exactly(connection: ssl.SSLSocket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("the connection is closed")
        parts += part
    return bytes(parts)
