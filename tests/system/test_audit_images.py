"""Firmware as both auditors see it: several keys and signings, versions that
go up, and a log in which one thing is not so."""

import copy
from types import SimpleNamespace

import pytest

import auditor
import mintmark_client as mm
import products
from audit_images import (
    DOTTED, MCUBOOT, NUMBER, P_CARRIES, P_PARTITIONS, P_SCHEMES, SEMVER, Wrong,
    check_history, check_partition_keys, check_signing, rank)
from audit_meaning import spki_of
from mint import new_key
from test_approvals import change_policy, document

SCHEMES, VERSIONS, UNREAD = 1, 6, 12


# ------------------------------------------------------------------ versions

ASCENDING = [
    (SEMVER, "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta"
             " 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 v1.0.1 1.2.0"
             " 1.10.0 2.0.0"),
    (DOTTED, "1 1.0.1 v1.2 1.2-3-gabcdef0 1.2-14-g0123 1.2.1 1.10 2"),
    (NUMBER, "0 1 9 10 18446744073709551617"),
    (MCUBOOT, "0.0.0 0.0.0+1 0.0.1 1 1.2.3 1.2.3+4 255.255.65535+9")]


@pytest.mark.parametrize("way, text", ASCENDING)
def test_versions_ascend(way, text):
    ranks = [rank(way, version) for version in text.split()]
    assert ranks == sorted(ranks) and len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("way, text", [
    (SEMVER, "1"), (SEMVER, "1.2"), (SEMVER, "01.2.3"), (SEMVER, "1.2.3-01"),
    (SEMVER, "1.2.3-"), (SEMVER, "1.2.3+"), (DOTTED, "1..2"), (DOTTED, "1."),
    (DOTTED, "1.2.3.4.5.6.7.8.9"), (DOTTED, "1-2"), (NUMBER, "01"),
    (NUMBER, ""), (NUMBER, "\u0661"), (MCUBOOT, "256.0.0"),
    (MCUBOOT, "1.2.65536"), (MCUBOOT, "1.2.3+4294967296"),
    (MCUBOOT, "v1.2.3")])
def test_what_is_no_version(way, text):
    with pytest.raises(Wrong):
        rank(way, text)


def entry(version, secure=0, form="esp-app"):
    return {0: "lamp", 1: version, 7: form, **({14: secure} if secure else {})}


@pytest.mark.parametrize("versions, good", [
    ([("1.0.0", 1), ("1.0.0", 1), ("1.0.1", 1)], True),
    ([("1.0.1", 0), ("1.0.0", 0)], False),
    ([("1.0.0", 0), ("v1.0.0", 0)], False),
    ([("1.0.0", 2), ("1.0.1", 1)], False),
    ([("as it was", 9), ("1.0.0", 9)], True),
    ([("as it was", 9), ("1.0.0", 8)], False)])
def test_a_history(versions, good):
    former = [entry(*one) for one in versions]
    try:
        check_history({VERSIONS: SEMVER}, former[-1], former[:-1])
    except Wrong:
        assert not good
        return
    assert good


def test_a_history_without_an_order():
    check_history({}, entry("1.0.0", 3), [entry("2.0.0", 3)])
    check_history({}, entry("1.0.0", 0, "unread"), [entry("2.0.0", 3)])
    with pytest.raises(Wrong):
        check_history({}, entry("3.0.0", 2), [entry("2.0.0", 3)])


# ----------------------------------------------------------------------- keys

IMAGES = [{P_SCHEMES: ["secure-boot-v2-rsa3072:boot", "sha256-ecdsa"]},
          {P_SCHEMES: ["sha256-ecdsa:ota"],
           P_CARRIES: ["secure-boot-v2-rsa3072:old"]}]


@pytest.mark.parametrize("partition, good", [
    ("secure-cert-rsa3072:part", True), ("secure-cert-rsa3072", False),
    ("secure-cert-rsa3072:boot", False), ("secure-cert-ecdsa256:ota", False),
    ("secure-cert-rsa3072:old", False)])
def test_keys_of_partitions(partition, good):
    try:
        named = check_partition_keys([{}, {P_PARTITIONS: [partition]}],
                                     IMAGES)
    except Wrong:
        assert not good
        return
    assert good and named == {"boot", "ota", "old", "part"}


@pytest.mark.parametrize("signing, named, good", [
    ("sha256-ecdsa", {"part"}, True), ("sha256-ecdsa", {"ota"}, False),
    ("sha256-ecdsa:ota", {"ota"}, True)])
def test_a_named_key_signs_only_what_names_it(signing, named, good):
    public = new_key().public_key()
    spki = spki_of(public)
    key = SimpleNamespace(name="ota", use=4, public=public, spki=spki,
                          certificates=["one"])
    try:
        check_signing(signing, key, auditor.sha256(spki), False, named)
    except Wrong:
        assert not good
        return
    assert good


# ---------------------------------------------------------------- a whole log

class Signed:
    def __init__(self, place):
        self.mint = products.make(place)
        self.mint.start()

    def release(self, product, image, version, digests):
        """By all signings; the digests are the inspector's."""
        statement = self.mint.approve(image, product=product,
                                      version=version, digests=digests)
        with self.mint.client("release") as client:
            return [client.release(client.upload(image), [statement],
                                   product=product, version=version,
                                   scheme=scheme) for scheme in digests]


@pytest.fixture
def signed(workdir):
    one = Signed(workdir)
    try:
        yield one
    finally:
        one.mint.remove()


def both(mint):
    """Both auditors are content with it."""
    mint.unharmed()
    mint.stop()
    return mint.audit()


def boot_digest(image):
    """Of Secure Boot V2: the image, filled up to a whole sector with 0xFF."""
    return auditor.sha256(image + b"\xff" * (-len(image) % 4096))


def test_one_release_by_two_rsa_keys_and_one_of_a_curve(signed):
    image = products.LAMP.read_bytes()
    signed.release("lamp", image, "1.2.3", {
        "secure-boot-v2-rsa3072:sb-1": boot_digest(image),
        "secure-boot-v2-rsa3072:sb-2": boot_digest(image),
        "sha256-ecdsa": auditor.sha256(image)})
    audited = both(signed.mint)
    assert audited.counts["image"] == 3 and audited.counts["release"] == 1
    assert {e[12] for e in audited.images.values()} == {"esp32c3"}


def test_a_product_that_nobody_reads_any_more(signed):
    """What it says of its secure_version nobody knows then."""
    image = products.rebuilt(secure_version=5)
    sign = {"sha256-ecdsa": auditor.sha256(image)}
    signed.release("guard", image, "1.2.3", sign)
    policy = copy.deepcopy(document(signed.mint))
    policy[0] += 1
    for product in policy[3]:
        if product[0] == "guard":
            product.clear()
            product.update({0: "guard", SCHEMES: ["sha256-ecdsa"],
                            VERSIONS: SEMVER, UNREAD: True})
    change_policy(signed.mint, mm.encode(policy), signed.mint.officer)
    other = b"sealed elsewhere"
    statement = signed.mint.approve(other, product="guard", version="1.3.0")
    with signed.mint.client("release") as client:
        client.statement([statement])
        assert client.fetch("guard", "1.3.0")
    audited = both(signed.mint)
    assert [e[7] for e in audited.images.values()] == ["esp-app", "unread"]


HARM = {
    "another-product": {0: "once"}, "another-version": {1: "1.2.4"},
    "another-size": {2: 17}, "another-image": {3: bytes(32)},
    "another-signing": {4: "sha256-ecdsa:boot"}, "a-partition-s": {
        4: "secure-cert-rsa3072"}, "another-digest": {5: bytes(32)},
    "another-key": {6: "sb-2"}, "of-no-key": {6: "nobody"},
    "nobody-has-read-it": {7: "unread"}, "another-format": {7: "plain"},
    "no-statement": {8: []}, "another-signer": {11: bytes(32)},
    "another-chip": {12: "esp32"}, "another-project": {13: "fan"},
    "somebody-who-is-nobody": {9: "ghost", 10: bytes(16)}}


def test_a_log_where_one_thing_is_not_so(signed):
    """The last image's entry, changed in one member."""
    image = products.LAMP.read_bytes()
    signed.release("lamp", image, "1.2.3", {
        "secure-boot-v2-rsa3072:sb-1": boot_digest(image),
        "secure-boot-v2-rsa3072:sb-2": boot_digest(image),
        "sha256-ecdsa": auditor.sha256(image)})
    both(signed.mint)
    vkey = signed.mint.vkey
    entries = auditor.read_directory(signed.mint.dir / "log", vkey)
    at = next(i for i, e in enumerate(entries)
              if mm.decode(e)[0] == auditor.IMAGE)
    auditor.audit_entries(entries[:at + 1], vkey)
    for what, harm in HARM.items():
        item = mm.decode(entries[at])
        item[3] |= harm
        with pytest.raises(auditor.Wrong):
            auditor.audit_entries(entries[:at] + [mm.encode(item)], vkey)
            print(what)
