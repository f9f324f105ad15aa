"""What an auditor of mintmark's log is made of: kinds, strict CBOR, DER."""

import base64
import hashlib

import cbor2

(GENESIS, POLICY, PRINCIPAL, ORDER, CERTIFICATE, IMAGE, SIGNATURES, VOID,
 REFUSAL, START, KEY, REVOCATION, CRL, EXPORT, PENDING, WITHDRAWAL,
 RELEASE_ENTRY, CEREMONY, CSR, IMPORT, INHERITED, PARTITION,
 SCRAP) = range(23)
KIND_NAMES = ("genesis policy principal order certificate image signatures"
              " void refusal start key revocation crl export pending"
              " withdrawal release ceremony csr import inherited"
              " partition scrap").split()
# Kinds of statements, and purposes of profiles.
(S_ORDER, S_RELEASE, S_REVOKE, S_PRINCIPAL, S_POLICY, S_CEREMONY,
 S_WITHDRAW) = range(1, 8)
STATION, RELEASE, AUDITOR, OFFICER = range(1, 5)
DEVICE, CLIENT, SERVER, CA, CODE, PROOF = range(1, 7)
FOREVER = "99991231235959Z"
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


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


def assemble(tbs, signature, before=2):
    """The certificate of a TBS: its algorithm stands within, behind version
    and serial; a CRL's behind its version."""
    _, at, _ = der_head(tbs)
    for _ in range(before):
        at = der_head(tbs, at)[2]
    algorithm = tbs[at:der_head(tbs, at)[2]]
    return der(0x30, tbs + algorithm + der(0x03, b"\x00" + signature))


def not_after(certificate):
    return certificate.not_valid_after.strftime("%Y%m%d%H%M%SZ")
