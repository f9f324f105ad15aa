"""What the log says of firmware: how images and devices' partitions are
signed, by which keys, and which version is above which. Written from
protocol/mintmark.cddl, conf/policy.conf, semver.org and RFC 8017, not from the
C programs."""

import datetime
import re

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from audit_base import Wrong, must, sha256

P256, RSA3072 = 1, 2
# Of the policy, and of the CDDL's `product`.
SEMVER, DOTTED, NUMBER, MCUBOOT = range(1, 5)
REPLACE = 2
(P_NAME, P_SCHEMES, P_SIZE, P_FORMAT, P_CHIP, P_PROJECT, P_VERSIONS, P_SLOT,
 P_SECURE, P_DIRTY, P_CERTIFICATE, P_RESIGN, P_UNREAD, P_CARRIES) = range(14)
P_PARTITIONS = 14  # of a profile
UNREAD = "unread"
CLOCK = 60  # seconds between a decision and its entry

# name -> (algorithm, whether it is of a device's partition)
SCHEMES = {"sha256-ecdsa": (P256, False), "secure-boot-v1": (P256, False),
           "secure-boot-v2-ecdsa256": (P256, False),
           "secure-boot-v2-rsa3072": (RSA3072, False),
           "mcuboot": (P256, False), "cose-sign1": (P256, False),
           "secure-cert-ecdsa256": (P256, True),
           "secure-cert-rsa3072": (RSA3072, True)}


# ---------------------------------------------------------------------- keys

def algorithm_of(public):
    if isinstance(public, rsa.RSAPublicKey):
        must((public.key_size, public.public_numbers().e) == (3072, 65537),
             "an RSA key of another size or exponent")
        return RSA3072
    must(isinstance(public, ec.EllipticCurvePublicKey)
         and public.curve.name == "secp256r1", "a key of another kind")
    return P256


def algorithm_of_spki(spki):
    return algorithm_of(serialization.load_der_public_key(spki))


def listed(key):
    """A ceremony's key as (name, use, algorithm)."""
    must(3 not in key or key[1] == 4, "RSA keys sign images alone")
    return key[0], key[1], key.get(3, P256)


def verify_digest(key, digest, signature):
    """In the log RSA's is big-endian, and always PSS (RFC 8017 8.1)."""
    of = utils.Prehashed(hashes.SHA256())
    if algorithm_of(key.public) == RSA3072:
        must(len(signature) == 384, "an RSA signature of another size")
        key.public.verify(signature, digest, padding.PSS(
            padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size), of)
    else:
        key.public.verify(signature, digest, ec.ECDSA(of))


def named_keys(signings):
    """Those that come as SCHEME:KEY."""
    return {of for _, _, of in (s.partition(":") for s in signings)} - {""}


def check_partition_keys(profiles, products):
    """A partition needs no release: no image's key signs one. Returns the
    keys that the policy names."""
    images = named_keys(s for p in products for s in [
        *p.get(P_SCHEMES, []), *p.get(P_CARRIES, [])])
    signings = [s for p in profiles for s in p.get(P_PARTITIONS, [])]
    for signing in signings:
        of = signing.partition(":")[2]
        must(of, f"{signing}, of partitions, names no key")
        must(of not in images, f"{of} signs images and partitions")
    return images | named_keys(signings)


def check_signing(text, key, signer, is_partition, named):
    """SCHEME or SCHEME:KEY, made by this key; `named`: the keys that the
    policy's signings name."""
    must(len(text.encode()) <= 64, "a signing of more than 64 bytes")
    name, colon, of = text.partition(":")
    must(name in SCHEMES, f"no scheme is called {name}")
    algorithm, partition = SCHEMES[name]
    must(partition == is_partition,
         f"{name} is for {'partitions' if partition else 'images'}")
    must(key.use == 4, "not a code-signing key")
    must(algorithm_of(key.public) == algorithm, "a key of another kind")
    must(signer == sha256(key.spki), "another signer than its key")
    if colon:
        must(of == key.name, "another key than the signing names")
    else:
        must(key.certificates, "a key without a certificate, and not named")
        must(key.name not in named, "a key for signings that name it")
    return name


# ------------------------------------------------------------------ versions

NUMBERS = "(0|[1-9][0-9]*)"
WORDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
SEMVER_FORM = re.compile(
    rf"v?{NUMBERS}\.{NUMBERS}\.{NUMBERS}(?:-({WORDS}))?(?:\+{WORDS})?")
DOTTED_FORM = re.compile(
    r"v?([0-9]+(?:\.[0-9]+){0,7})(?:-(0|[0-9]+)-g[0-9a-f]{4,64})?(?:-dirty)?")
MCUBOOT_FORM = re.compile(
    rf"{NUMBERS}(?:\.{NUMBERS}(?:\.{NUMBERS}(?:\+{NUMBERS})?)?)?")
MCUBOOT_MOST = (255, 255, 65535, 4294967295)


def identifier(word):
    """semver.org 11.4: numbers by value and below all words."""
    if word.isdigit():
        must(word == "0" or word[0] != "0", "a version with a padded number")
        return 0, int(word), ""
    return 1, 0, word


def semver(match):
    numbers, words = tuple(map(int, match.groups()[:3])), match[4]
    # 11.3: a release is above its pre-releases.
    return numbers, (1,) if words is None else (
        0, tuple(map(identifier, words.split("."))))


def dotted(match):
    numbers = [int(n) for n in match[1].split(".")]
    return tuple(numbers + [0] * (8 - len(numbers))), int(match[2] or 0)


def mcuboot(match):
    numbers = tuple(int(n or 0) for n in match.groups())
    must(all(n <= most for n, most in zip(numbers, MCUBOOT_MOST)),
         "a version whose numbers are too large")
    return numbers


WAYS = {SEMVER: (SEMVER_FORM, semver), DOTTED: (DOTTED_FORM, dotted),
        NUMBER: (re.compile(NUMBERS), lambda match: int(match[0])),
        MCUBOOT: (MCUBOOT_FORM, mcuboot)}


def rank(way, version):
    """What versions of a way are compared by."""
    form, read = WAYS[way]
    match = form.fullmatch(version)
    must(match, f"a version that is not written so: {version}")
    return read(match)


def rank_or_none(way, version):
    """Of one that was written under another policy, maybe."""
    try:
        return rank(way, version)
    except Wrong:
        return None


# --------------------------------------------------------------------- rules

def check_claimed(product, claim):
    """What a release's statements say of its signings."""
    named = [one[0] for one in claim[4]]
    must(len(set(named)) == len(named), "a signing is named twice")
    must(set(named) <= set(product[P_SCHEMES]), "product or scheme")


def check_digest(signing, digest, sha):
    """The others' digests nobody can tell without the image."""
    must(signing.partition(":")[0] != "sha256-ecdsa" or digest == sha,
         "sha256-ecdsa signs the file's hash")


def check_facts(product, body):
    """What the image says, against what its product asks for."""
    must(not body[1].partition("+")[0].endswith("-dirty")
         and not body[1].endswith("-dirty") or product.get(P_DIRTY),
         "a version that is dirty")
    if body[7] == UNREAD:
        must(product.get(P_UNREAD), "nobody has read the image")
        must(not body.keys() & {12, 13, 14}, "facts that nobody has read")
        return
    for wanted, said in ((P_FORMAT, 7), (P_CHIP, 12), (P_PROJECT, 13)):
        must(wanted not in product or product[wanted] == body.get(said),
             f"its {body.get(said)} is not the product's {wanted}")
    must(body.get(14, 0) >= product.get(P_SECURE, 0),
         "its secure_version is below the product's")
    must(product.get(P_RESIGN) == REPLACE or P_SLOT not in product
         or body[2] <= product[P_SLOT], "it does not fit into the slot")


def check_certificate(product, key, time):
    wanted = time + product.get(P_CERTIFICATE, 0) - CLOCK
    must(P_CERTIFICATE not in product or any(
        c.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
        >= wanted for c in key.certificates),
        "its key's certificate ends too early")


def check_history(product, body, former):
    """`former`: image entries of the product, signed or on their way."""
    for other in former:
        must(body[7] == UNREAD or body.get(14, 0) >= other.get(14, 0),
             "its secure_version is lower than one before it")
    way = product.get(P_VERSIONS)
    if way is None:
        return
    mine = rank(way, body[1])
    for other in former:
        theirs = rank_or_none(way, other[1])
        must(theirs is None or other[1] == body[1] or mine > theirs,
             f"its version is not above {other[1]}")
