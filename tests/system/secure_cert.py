"""esp_secure_cert partitions made of TLVs, from the vendor's documents: a
second opinion about what the C programs read and write."""

import hashlib
import struct
import zlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives import hashes

CA, DEVICE, KEY, SIGNATURE, INTEGRITY, USER = 0, 1, 2, 8, 9, 51
FUSED = 0x08
MAGIC, END = 0xBA5EBA11, b"\xff\xff\0\0"
P256, SALT = 2, 32


def crc(data):
    return zlib.crc32(data, 0xFFFFFFFF)


def tlv(kind, value, subtype=0, flags=0):
    out = struct.pack("<IB3xBBH", MAGIC, flags, kind, subtype, len(value))
    out += value + bytes(-len(value) % 16)
    return out + struct.pack("<I", crc(out))


def integrity(data, subtype=0):
    return tlv(INTEGRITY, hashlib.sha256(data).digest(), subtype)


def partition(certificate, key=None, ca=None, more=b"", fused=True):
    """As the vendor's tool makes it: CA, device certificate (DER), its private
    key (None: in the eFuses)."""
    out = tlv(CA, ca) if ca else b""
    out += tlv(DEVICE, certificate) if certificate else b""
    if key is not None:
        out += tlv(KEY, key)
    elif fused:
        out += tlv(KEY, b"", flags=FUSED)
    out += more
    return out + integrity(out)


def rows(data):
    """Each TLV as (type, subtype, value, offset), and what is behind them."""
    out, at = [], 0
    while data[at:at + 4] == struct.pack("<I", MAGIC):
        _, _, kind, subtype, size = struct.unpack_from("<IB3xBBH", data, at)
        end = at + 12 + size + -size % 16
        assert struct.unpack_from("<I", data, end)[0] == crc(data[at:end])
        out.append((kind, subtype, data[at + 12:at + 12 + size], at))
        at = end + 4
    return out, data[at:]


def signature_of(signed, unsigned):
    """The value of its one signature TLV, which stands as it should."""
    assert signed[:len(unsigned)] == unsigned
    found, behind = rows(signed)
    (kind, subtype, value, at), last = found[-2], found[-1]
    assert (kind, subtype, at) == (SIGNATURE, 0, len(unsigned))
    assert behind == END
    assert last[:2] == (INTEGRITY, 1)
    assert last[2] == hashlib.sha256(signed[:last[3]]).digest()
    version, offset, covered, algorithm = struct.unpack_from(
        "<B3xIIB3x", value)
    assert (version, offset, covered) == (1, 0, len(unsigned))
    return algorithm, value[16:]


def little(data):
    return int.from_bytes(data, "little")


def verify(signed, unsigned, public):
    """By the public key that should have signed it."""
    algorithm, value = signature_of(signed, unsigned)
    digest = hashlib.sha256(unsigned).digest()
    if isinstance(public, ec.EllipticCurvePublicKey):
        assert (algorithm, value[0], len(value)) == (2, P256, 129)
        x, y, r, s = (little(value[1 + i:33 + i])
                      for i in range(0, 128, 32))
        numbers = public.public_numbers()
        assert (x, y) == (numbers.x, numbers.y)
        public.verify(utils.encode_dss_signature(r, s), digest,
                      ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        return
    assert algorithm == 0 and len(value) == 1216 and value[0] == 0xE7
    assert value[4:36] == digest
    numbers = public.public_numbers()
    assert little(value[36:420]) == numbers.n
    assert little(value[420:424]) == numbers.e
    public.verify(value[812:1196][::-1], digest,
                  padding.PSS(padding.MGF1(hashes.SHA256()), SALT),
                  utils.Prehashed(hashes.SHA256()))


def public_of(certificate):
    return x509.load_der_x509_certificate(certificate).public_key()
