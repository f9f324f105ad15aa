#!/usr/bin/python3
"""Makes the CSRs beside this file and cases.tsv: file, expected error.

    /usr/bin/python3 tests/vectors/csr/make.py

Every signature is good, unless the case is about the signature: what is
refused is refused for its own fault. The keys are fresh in each run.
"""

import base64
import hashlib
import pathlib
import secrets

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    dsa, ec, ed448, ed25519, padding, rsa)

HERE = pathlib.Path(__file__).resolve().parent
CASES = []


# DER

def tlv(tag, *contents):
    body = b"".join(contents)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def seq(*contents):
    return tlv(0x30, *contents)


def set_of(*contents):
    return tlv(0x31, *contents)


def integer(number):
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def bits(contents):
    return tlv(3, b"\0", contents)


def octets(contents):
    return tlv(4, contents)


def oid(text):
    arcs = [int(arc) for arc in text.split(".")]
    body = b""
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        part = bytes([arc & 0x7f])
        while arc := arc >> 7:
            part = bytes([0x80 | arc & 0x7f]) + part
        body += part
    return tlv(6, body)


NULL = tlv(5)
TRUE = tlv(1, b"\xff")
UTF8, PRINTABLE, TELETEX, IA5 = 0x0c, 0x13, 0x14, 0x16
UNIVERSAL, BMP = 0x1c, 0x1e
CN, C, O, OU, SN = "2.5.4.3", "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.5"
DC, EMAIL = "0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1"
ECDSA = {"sha1": "1.2.840.10045.4.1", "sha256": "1.2.840.10045.4.3.2",
         "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4"}
RSA = {"md5": "1.2.840.113549.1.1.4", "sha1": "1.2.840.113549.1.1.5",
       "sha256": "1.2.840.113549.1.1.11", "sha512": "1.2.840.113549.1.1.13"}
HASH = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


# Keys: each gives its SubjectPublicKeyInfo and signs

class Key:
    def __init__(self, spki, algorithm, sign):
        self.spki, self.algorithm, self.sign = spki, algorithm, sign


def spki_of(private):
    return private.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def ec_key(curve, digest="sha256", spki=None):
    private = ec.generate_private_key(curve)
    return Key(spki(private) if spki else spki_of(private),
               seq(oid(ECDSA[digest])),
               lambda tbs: private.sign(tbs, ec.ECDSA(HASH[digest])))


def ec_point(private):
    return private.public_key().public_bytes(
        serialization.Encoding.X962,
        serialization.PublicFormat.UncompressedPoint)


def ec_spki(point, curve="1.2.840.10045.3.1.7"):
    return seq(seq(oid("1.2.840.10045.2.1"), oid(curve)), bits(point))


def explicit_spki(private):
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
    a, b = p - 3, 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
    g = ("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
         "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
    parameters = seq(
        integer(1), seq(oid("1.2.840.10045.1.1"), integer(p)),
        seq(octets(a.to_bytes(32, "big")), octets(b.to_bytes(32, "big"))),
        octets(bytes.fromhex(g)), integer(order), integer(1))
    return seq(seq(oid("1.2.840.10045.2.1"), parameters),
               bits(ec_point(private)))


def compressed_spki(private):
    return ec_spki(private.public_key().public_bytes(
        serialization.Encoding.X962,
        serialization.PublicFormat.CompressedPoint))


def off_curve_spki(private):
    point = bytearray(ec_point(private))
    point[-1] ^= 1
    return ec_spki(bytes(point))


def infinity_spki(_):
    return ec_spki(b"\0")


DIGEST_INFO = {
    "md5": bytes.fromhex("3020300c06082a864886f70d020505000410"),
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440")}


def rsa_numbers(n, e, d, digest="sha256", parameters=NULL):
    """A key of any numbers; signs PKCS#1 v1.5 by hand."""
    size = (n.bit_length() + 7) // 8

    def sign(tbs):
        info = DIGEST_INFO[digest] + hashlib.new(digest, tbs).digest()
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return pow(int.from_bytes(padded, "big"), d, n).to_bytes(size, "big")
    spki = seq(seq(oid("1.2.840.113549.1.1.1"), parameters),
               bits(seq(integer(n), integer(e))))
    return Key(spki, seq(oid(RSA[digest]), NULL), sign)


def rsa_key(size, e=65537, **more):
    numbers = rsa.generate_private_key(e, size).private_numbers()
    return rsa_numbers(numbers.public_numbers.n, e, numbers.d, **more)


def rsa_primes(p, q, e=65537):
    return rsa_numbers(p * q, e, pow(e, -1, (p - 1) * (q - 1)))


def is_prime(n):
    if any(n % p == 0 for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)):
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(24):
        x = pow(secrets.randbelow(n - 3) + 2, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def next_prime(n):
    n |= 1
    while not is_prime(n) or (n - 1) % 65537 == 0:
        n += 2
    return n


def prime(size):
    """With the two highest bits set, so that products are of full size."""
    return next_prime(secrets.randbits(size - 2) | 3 << (size - 2))


def roca_prime():
    """1024 bits as CVE-2017-15361 makes them: k M + (65537^a mod M)."""
    small = [n for n in range(2, 702) if all(n % d for d in range(2, n))]
    assert len(small) == 126
    m = 1
    for p in small:
        m *= p
    lowest, highest = (3 << 1022) // m + 1, (1 << 1024) // m - 1
    while True:
        k = lowest + secrets.randbelow(highest - lowest)
        p = k * m + pow(65537, secrets.randbits(64), m)
        if is_prime(p):
            return p


def huge_exponent():
    p, q = prime(1024), prime(1024)
    d = next_prime(secrets.randbits(1024))
    return rsa_numbers(p * q, pow(d, -1, (p - 1) * (q - 1)), d)


def pss_key():
    private = rsa.generate_private_key(65537, 2048)
    algorithm = seq(oid("1.2.840.113549.1.1.10"), seq(
        tlv(0xa0, seq(oid("2.16.840.1.101.3.4.2.1"), NULL)),
        tlv(0xa1, seq(oid("1.2.840.113549.1.1.8"),
                      seq(oid("2.16.840.1.101.3.4.2.1"), NULL))),
        tlv(0xa2, integer(32))))
    return Key(spki_of(private), algorithm, lambda tbs: private.sign(
        tbs, padding.PSS(padding.MGF1(hashes.SHA256()), 32),
        hashes.SHA256()))


def plain_key(private, algorithm):
    return Key(spki_of(private), seq(oid(algorithm)), private.sign)


def dsa_key():
    private = dsa.generate_private_key(2048)
    return Key(spki_of(private), seq(oid("2.16.840.1.101.3.4.3.2")),
               lambda tbs: private.sign(tbs, hashes.SHA256()))


P256 = ec_key(ec.SECP256R1())


# CSRs

def attribute(kind, text, string=UTF8):
    return seq(oid(kind), tlv(string, text))


def name(*attributes):
    return seq(*(set_of(a) for a in attributes))


def extension(kind, value, critical=False):
    return seq(oid(kind), TRUE if critical else b"", octets(value))


def wish(*extensions):
    return seq(oid("1.2.840.113549.1.9.14"), set_of(seq(*extensions)))


CA_TRUE = extension("2.5.29.19", seq(TRUE), True)
CERT_SIGN = extension("2.5.29.15", tlv(3, b"\2\4"), True)
CODE_SIGNING = extension("2.5.29.37", seq(oid("1.3.6.1.5.5.7.3.3")))
ANY_EKU = extension("2.5.29.37", seq(oid("2.5.29.37.0")))
SAN = extension("2.5.29.17", seq(tlv(0x82, b"root.example")))
CHALLENGE = seq(oid("1.2.840.113549.1.9.7"), set_of(tlv(UTF8, b"secret")))
DEVICE = attribute(CN, b"device-1")


def info(key, subject=name(DEVICE), attributes=(), version=0):
    return seq(integer(version), subject, key.spki,
               tlv(0xa0, *attributes))


def csr(key=P256, **more):
    tbs = info(key, **more)
    return seq(tbs, key.algorithm, bits(key.sign(tbs)))


def pem(der, label="CERTIFICATE REQUEST"):
    text = base64.encodebytes(der).replace(b"\n", b"")
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN %s-----" % label.encode(), *lines,
                       b"-----END %s-----" % label.encode(), b""])


def case(stem, error, contents):
    suffix = ".pem" if b"-----" in contents and b"\0" not in contents \
        else ".der"
    (HERE / (stem + suffix)).write_bytes(contents)
    CASES.append((stem + suffix, error))


def subject_case(stem, error, *attributes):
    case(stem, error, csr(subject=name(*attributes)))


OK, BAD, SIGNATURE = "ok", "csr-malformed", "csr-bad-signature"
TYPE, WEAK = "key-unsupported", "key-weak"


def good():
    for digest in ("sha256", "sha384", "sha512"):
        case("ok-p256-" + digest, OK, csr(ec_key(ec.SECP256R1(), digest)))
    case("ok-p384", OK, csr(ec_key(ec.SECP384R1(), "sha384")))
    case("ok-rsa2048", OK, csr(rsa_key(2048)))
    case("ok-rsa4096-sha512", OK, csr(rsa_key(4096, digest="sha512")))
    p, q = prime(1024), prime(1024)
    case("rsa-exponent-64-bits", WEAK, csr(rsa_primes(p, q, 2**64 - 59)))
    case("ok-ed25519", OK, csr(plain_key(
        ed25519.Ed25519PrivateKey.generate(), "1.3.101.112")))
    case("ok-empty-subject", OK, csr(subject=name()))
    subject_case("ok-rich-subject", OK, attribute(C, b"DE", PRINTABLE),
                 attribute(DC, b"example", IA5), attribute(DC, b"org", IA5),
                 attribute(O, "M\u00fcnze".encode()), attribute(OU, b"a"),
                 attribute(OU, b"b"), attribute(SN, b"0815", PRINTABLE),
                 attribute(EMAIL, b"a@example.org", IA5), DEVICE)
    subject_case("ok-cn-64", OK, attribute(CN, b"x" * 64))
    case("ok-challenge-password", OK, csr(attributes=[CHALLENGE]))
    case("ok-pem", OK, pem(csr()))
    case("ok-pem-new", OK, pem(csr(), "NEW CERTIFICATE REQUEST"))
    case("ok-pem-text-before", OK, b"Version: 1\n\tSubject: x\n" + pem(csr()))
    case("ok-pem-crlf", OK, b"\r\n" + pem(csr()).replace(b"\n", b"\r\n"))


def stripped():
    case("strip-ca-true", OK, csr(attributes=[wish(CA_TRUE)]))
    case("strip-cert-sign", OK, csr(attributes=[wish(CA_TRUE, CERT_SIGN)]))
    case("strip-code-signing", OK, csr(attributes=[wish(CODE_SIGNING)]))
    case("strip-any-eku", OK, csr(attributes=[wish(ANY_EKU)]))
    case("strip-san", OK, csr(attributes=[wish(SAN)]))


def signatures():
    tbs = info(P256)
    other = info(P256, subject=name(attribute(CN, b"device-2")))
    case("signature-of-another", SIGNATURE,
         seq(tbs, P256.algorithm, bits(P256.sign(other))))
    case("signature-zero", SIGNATURE,
         seq(tbs, P256.algorithm, bits(seq(integer(0), integer(0)))))
    case("signature-empty", SIGNATURE, seq(tbs, P256.algorithm, bits(b"")))
    case("signature-trailing", SIGNATURE,
         seq(tbs, P256.algorithm, bits(P256.sign(tbs) + b"\0")))
    case("signature-unused-bits", BAD,
         seq(tbs, P256.algorithm, tlv(3, b"\1", P256.sign(tbs))))
    case("signature-parameters", SIGNATURE,
         seq(tbs, seq(oid(ECDSA["sha256"]), NULL), bits(P256.sign(tbs))))
    case("signature-other-algorithm", SIGNATURE,
         seq(tbs, seq(oid(RSA["sha256"]), NULL), bits(P256.sign(tbs))))
    case("sha1-ecdsa", SIGNATURE, csr(ec_key(ec.SECP256R1(), "sha1")))
    case("sha1-rsa", SIGNATURE, csr(rsa_key(2048, digest="sha1")))
    case("md5-rsa", SIGNATURE, csr(rsa_key(2048, digest="md5")))
    case("pss-rsa", SIGNATURE, csr(pss_key()))


def rsa_keys():
    case("rsa-512", WEAK, csr(rsa_key(512)))
    case("rsa-1024", WEAK, csr(rsa_key(1024)))
    case("rsa-2047", WEAK, csr(rsa_primes(prime(1024), next_prime(
        secrets.randbits(1021) | 1 << 1022))))
    case("rsa-4097", TYPE, csr(rsa_primes(prime(2049), prime(2048))))
    case("rsa-8192", TYPE, csr(rsa_key(8192)))
    n = prime(1024) * prime(1024)
    case("rsa-e1", WEAK, csr(rsa_numbers(n, 1, 1)))
    case("rsa-e3", WEAK, csr(rsa_key(2048, 3)))
    p, q = prime(1024), prime(1024)
    while (p - 1) % 17 == 0 or (q - 1) % 17 == 0:
        p, q = prime(1024), prime(1024)
    case("rsa-e17", WEAK, csr(rsa_primes(p, q, 17)))
    case("rsa-e-even", WEAK, csr(rsa_numbers(n, 65538, 1)))
    case("rsa-e-huge", WEAK, csr(huge_exponent()))
    case("rsa-even-modulus", WEAK, csr(rsa_primes(2, prime(2047))))
    case("rsa-factor-3", WEAK, csr(rsa_primes(3, prime(2047))))
    case("rsa-factor-751", WEAK, csr(rsa_primes(751, prime(2039))))
    p = prime(1024)
    case("rsa-close-primes", WEAK, csr(rsa_primes(p, next_prime(p + 2))))
    case("rsa-close-primes-4096", WEAK, csr(
        rsa_primes(p := prime(2048), next_prime(p + (1 << 1000)))))
    case("rsa-square", WEAK, csr(rsa_numbers(p * p, 65537, 1)))
    case("rsa-roca", WEAK, csr(rsa_primes(roca_prime(), roca_prime())))
    case("rsa-no-parameters", BAD, csr(rsa_key(2048, parameters=b"")))
    case("rsa-negative-modulus", BAD, csr(Key(
        seq(seq(oid("1.2.840.113549.1.1.1"), NULL), bits(seq(
            tlv(2, b"\x80" + secrets.token_bytes(255)), integer(65537)))),
        P256.algorithm, P256.sign)))


def other_keys():
    case("ec-p224", TYPE, csr(ec_key(ec.SECP224R1())))
    case("ec-p521", TYPE, csr(ec_key(ec.SECP521R1(), "sha512")))
    case("ec-secp256k1", TYPE, csr(ec_key(ec.SECP256K1())))
    p256 = ec.SECP256R1()
    case("ec-explicit", TYPE, csr(ec_key(p256, spki=explicit_spki)))
    case("ec-compressed", TYPE, csr(ec_key(p256, spki=compressed_spki)))
    case("ec-off-curve", WEAK, csr(ec_key(p256, spki=off_curve_spki)))
    case("ec-infinity", WEAK, csr(ec_key(p256, spki=infinity_spki)))
    case("ec-short-point", BAD, csr(
        ec_key(p256, spki=lambda key: ec_spki(ec_point(key)[:-1]))))
    case("ec-long-point", BAD, csr(
        ec_key(p256, spki=lambda key: ec_spki(ec_point(key) + b"\0"))))
    case("ec-wrong-curve", BAD, csr(
        ec_key(p256, spki=lambda key: ec_spki(ec_point(key),
                                              "1.3.132.0.34"))))
    case("ed25519-small-order", WEAK, csr(Key(
        seq(seq(oid("1.3.101.112")), bits(b"\1" + b"\0" * 31)),
        seq(oid("1.3.101.112")), lambda tbs: b"\1" + b"\0" * 63)))
    case("ed448", TYPE, csr(plain_key(
        ed448.Ed448PrivateKey.generate(), "1.3.101.113")))
    case("dsa", TYPE, csr(dsa_key()))


def subjects():
    subject_case("cn-nul", BAD, attribute(CN, b"device\0.example"))
    subject_case("cn-newline", BAD, attribute(CN, b"device\nroot"))
    subject_case("cn-delete", BAD, attribute(CN, b"device\x7f"))
    subject_case("cn-utf8-invalid", BAD, attribute(CN, b"device\xff"))
    subject_case("cn-utf8-overlong", BAD, attribute(CN, b"device\xc0\xaf"))
    subject_case("cn-bmp", BAD,
                 attribute(CN, "device".encode("utf-16-be"), BMP))
    subject_case("cn-teletex", BAD, attribute(CN, b"device", TELETEX))
    subject_case("cn-universal", BAD,
                 attribute(CN, "device".encode("utf-32-be"), UNIVERSAL))
    subject_case("cn-ia5", BAD, attribute(CN, b"device", IA5))
    subject_case("cn-octets", BAD, attribute(CN, b"device", 4))
    subject_case("cn-not-printable", BAD, attribute(CN, b"a@b", PRINTABLE))
    subject_case("cn-empty", BAD, attribute(CN, b""))
    subject_case("cn-65", BAD, attribute(CN, b"x" * 65))
    subject_case("cn-16k", BAD, attribute(CN, b"x" * 15000))
    subject_case("cn-64k", BAD, attribute(CN, b"x" * 65536))
    subject_case("cn-twice", BAD, DEVICE, attribute(CN, b"device-2"))
    subject_case("email-utf8", BAD, attribute(EMAIL, b"a@example.org"))
    subject_case("country-3", BAD, attribute(C, b"DEU", PRINTABLE))
    subject_case("rdns-17", BAD, *[attribute(OU, b"%d" % i)
                                   for i in range(17)])
    case("rdn-empty", BAD, csr(subject=seq(set_of())))
    case("rdn-not-set", BAD, csr(subject=seq(DEVICE)))
    case("oid-padded", BAD, csr(subject=name(
        seq(tlv(6, b"\x55\x80\x04\x03"), tlv(UTF8, b"x")))))


def attributes():
    case("extensions-twice-the-same", BAD,
         csr(attributes=[wish(CODE_SIGNING, SAN, ANY_EKU)]))
    case("extension-requests-two", BAD,
         csr(attributes=[wish(CODE_SIGNING), wish(SAN)]))
    case("extension-request-two-values", BAD, csr(attributes=[
        seq(oid("1.2.840.113549.1.9.14"), set_of(seq(SAN), seq(ANY_EKU)))]))
    case("extension-request-empty", BAD, csr(attributes=[wish()]))
    case("extension-critical-false", BAD, csr(attributes=[wish(seq(
        oid("2.5.29.17"), tlv(1, b"\0"), octets(seq())))]))
    case("extension-value-broken", BAD,
         csr(attributes=[wish(extension("2.5.29.17", b"\x30\x05\1"))]))
    case("challenge-twice", BAD, csr(attributes=[CHALLENGE, CHALLENGE]))
    case("attribute-empty", BAD, csr(attributes=[
        seq(oid("1.2.840.113549.1.9.7"), set_of())]))
    case("attributes-17", BAD, csr(attributes=[
        seq(oid("1.2.3.%d" % i), set_of(NULL)) for i in range(17)]))
    deep = NULL
    for _ in range(200):
        deep = seq(deep)
    case("attribute-deep", BAD, csr(attributes=[
        seq(oid("1.2.3"), set_of(deep))]))
    tbs = seq(integer(0), name(DEVICE), P256.spki)
    case("attributes-absent", BAD,
         seq(tbs, P256.algorithm, bits(P256.sign(tbs))))


def forms():
    der = csr()
    case("version-2", BAD, csr(version=1))
    case("trailing-byte", BAD, der + b"\0")
    case("truncated", BAD, der[:-1])
    case("truncated-head", BAD, der[:3])
    case("only-a-zero", BAD, b"\0")
    head = 2 + (der[1] & 0x7f)
    body, size = der[head:], (len(der) - head).to_bytes(2, "big")
    case("indefinite", BAD, b"\x30\x80" + body + b"\0\0")
    case("length-not-minimal", BAD, b"\x30\x83\0" + size + body)
    case("length-overflow", BAD, b"\x30\x84\xff\xff\xff\xff" + body)
    rest = name(DEVICE) + P256.spki + tlv(0xa0)
    for stem, version in (("integer-not-minimal", b"\2\2\0\0"),
                          ("integer-empty", b"\2\0"),
                          ("length-long-form", b"\2\x81\1\0")):
        tbs = seq(version, rest)
        case(stem, BAD, seq(tbs, P256.algorithm, bits(P256.sign(tbs))))
    case("certificate-label", BAD, pem(der, "CERTIFICATE"))
    case("pem-two-blocks", BAD, pem(der) + pem(der))
    case("pem-labels-differ", BAD, pem(der).replace(
        b"END CERTIFICATE", b"END NEW CERTIFICATE"))
    case("pem-no-end", BAD, pem(der).split(b"-----END")[0])
    case("pem-not-base64", BAD, pem(der).replace(b"\nMI", b"\n!I"))
    case("pem-bits-left", BAD, pem(b"\x30\x00").replace(b"MAA=", b"MAB="))
    case("pem-after", BAD, pem(der) + b"more\n")
    case("pem-binary-before", BAD, b"\x1b[31m\n" + pem(der))
    case("pem-other-block-before", BAD,
         pem(P256.spki, "PUBLIC KEY") + pem(der))


def main():
    for group in (good, stripped, signatures, rsa_keys, other_keys,
                  subjects, attributes, forms):
        group()
    lines = ["%s\t%s\n" % row for row in CASES]
    (HERE / "cases.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
