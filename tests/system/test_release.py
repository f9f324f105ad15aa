"""Firmware over the wire: what officers have approved, and keeps its product's
rules, is signed, and nothing else."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from cryptography import x509

import auditor
import mintmark_client as mm
import products
from mint import (BUILD, VECTORS, eventually, fresh, nothing_signed, refused,
                  run, to_pem)

MIB = 1 << 20


@pytest.fixture(scope="module")
def shared_mint():
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    mint = products.make(place)
    try:
        mint.start()
        yield mint
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def image():
    return b"F" + os.urandom(100_000)


@pytest.fixture
def version():
    return fresh("1.0")


def sign(mint, client, image, version, **more):
    statement = mint.approve(image, version=version)
    return client.release(client.upload(image), [statement],
                          version=version, **more)


def test_an_image_is_signed(mint, release, workdir):
    """openssl verifies the signature by the root's code-signing key."""
    image = (VECTORS / "esp/esp32_irom.bin").read_bytes()
    answer = sign(mint, release, image, "v2.0-rc1")
    (workdir / "image").write_bytes(image)
    (workdir / "signature").write_bytes(answer[1])
    (workdir / "codesign.crt").write_bytes(to_pem(answer[2]))
    key = run("openssl", "x509", "-in", workdir / "codesign.crt", "-noout",
              "-pubkey").stdout
    (workdir / "key").write_text(key)
    run("openssl", "dgst", "-sha256", "-verify", workdir / "key",
        "-signature", workdir / "signature", workdir / "image")
    run("openssl", "verify", "-x509_strict", "-CAfile",
        mint.dir / "public/ca.pem", workdir / "codesign.crt")
    assert answer[5] == hashlib.sha256(image).digest()


def test_the_code_signing_certificate(mint, release, image, version):
    answer = sign(mint, release, image, version)
    certificate = x509.load_der_x509_certificate(answer[2])
    usage = certificate.extensions.get_extension_for_class(
        x509.KeyUsage).value
    purposes = certificate.extensions.get_extension_for_class(
        x509.ExtendedKeyUsage).value
    assert usage.digital_signature and not usage.key_cert_sign
    assert [p._name for p in purposes] == ["codeSigning"]


def test_the_receipt_proves_it(mint, release, image, version):
    answer = sign(mint, release, image, version)
    receipt = auditor.Receipt(answer[4], mint.vkey)
    assert receipt.index == answer[0]
    receipt.proves_image(image, answer[1], answer[2])


def test_all_of_it_again_gives_the_same_bytes(mint, release, image, version):
    first = sign(mint, release, image, version)
    with nothing_signed(mint):
        assert sign(mint, release, image, version) == first


def test_fetch_gives_it_again(mint, release, image, version):
    answer = sign(mint, release, image, version)
    for name in ("release", "auditor", "officer"):
        with mint.client(name) as client:
            assert client.fetch(version=version) == answer


def test_fetch_of_nothing(release):
    with refused("not-found", "release-not-approved"):
        release.fetch(version="never")


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537])
def test_images_about_the_size_of_a_chunk(mint, release, version, size):
    image = b"F" + os.urandom(size - 1)
    assert sign(mint, release, image, version)[5] == hashlib.sha256(
        image).digest()


def test_sixteen_mebibytes(mint, release, version):
    image = b"F" + os.urandom(MIB - 1) * 16 + bytes(15)
    answer = sign(mint, release, image, version)
    auditor.Receipt(answer[4], mint.vkey).proves_image(
        image, answer[1], answer[2])


def test_one_byte_over_the_limit(mint, release):
    with nothing_signed(mint), refused("image-too-large"):
        release.ask("upload", {0: 16 * MIB + 1, 1: b"x" * 32})
    assert release.status()


def test_more_chunks_than_announced(mint, release):
    number = release.ask("upload", {0: 10, 1: b"x" * 32})[0]
    with nothing_signed(mint), refused("upload-broken", "image-too-large"):
        release.ask("chunk", {0: number, 1: 0, 2: bytes(11)})


def test_a_gap_between_chunks(release):
    number = release.ask("upload", {0: 10, 1: b"x" * 32})[0]
    with refused("upload-broken"):
        release.ask("chunk", {0: number, 1: 5, 2: bytes(5)})


def test_a_chunk_without_an_upload(release):
    with refused("upload-broken", "not-found"):
        release.ask("chunk", {0: 0, 1: 0, 2: b"x"})


def test_another_hash_than_announced(mint, release, image, version):
    with nothing_signed(mint), refused("upload-broken"):
        release.submit(release.upload(image, sha256=b"x" * 32),
                       version=version)


def test_an_image_that_is_not_whole(mint, release, image, version):
    number, _ = release.announce(image)
    release.ask("chunk", {0: number, 1: 0, 2: image[:1000]})
    with nothing_signed(mint), refused("upload-broken"):
        release.submit(number, version=version)


def test_senders_that_leave_half_way(mint, version):
    """However many leave their images half there, the next one is served."""
    for _ in range(6):  # more than may be on their way at a time
        with mint.client("release") as client:
            image = os.urandom(100_000)
            number, _ = client.announce(image)
            client.ask("chunk", {0: number, 1: 0, 2: image[:50_000]})

    image = b"F" + os.urandom(100_000)

    def again():
        with mint.client("release") as client:
            try:
                return sign(mint, client, image, version)
            except mm.Refused as e:
                assert e.name == "busy", e
    assert eventually(again, "room for an upload")


def test_an_upload_goes_on_where_it_ended(mint, image, version):
    with mint.client("release") as client:
        number, there = client.announce(image)
        assert there == 0
        assert client.ask("chunk", {0: number, 1: 0, 2: image[:65536]}) == {
            0: 65536}

    def parked():
        with mint.client("release") as client:
            number, there = client.announce(image)
            if there == 0:
                return False
            assert there == 65536
            client.ask("chunk", {0: number, 1: there, 2: image[there:]})
            return client.submit(number, version=version)
    answer = eventually(parked, "the part of an upload")
    assert answer[0] == mm.RELEASE["kept"]
    assert answer[1] == hashlib.sha256(image).digest()


def test_an_upload_belongs_to_its_connection(mint, release, image, version):
    number = release.upload(image)
    with mint.client("release") as other:
        with nothing_signed(mint), refused("upload-broken", "not-found"):
            other.submit(number, version=version)


# ----------------------------------------------------------------------- rules

def lamp(release, image, version):
    return release.submit(release.upload(image), product="lamp",
                          version=version)


def test_every_rule_is_told(mint, release):
    image = products.OTHER.read_bytes() + b"behind"
    with nothing_signed(mint):
        answer = lamp(release, image, "v.9")
    rules = mm.rules_of(answer)
    assert answer[0] == mm.RELEASE["refused"]
    assert list(rules) == [
        "format", "chip", "project", "whole", "size", "slot", "version",
        "version-order", "clean", "secure-version", "schemes", "unsigned",
        "carries", "certificate"]
    failed = {name for name, (verdict, _) in rules.items()
              if verdict == mm.FAILED}
    assert {"chip", "project", "whole", "version", "version-order"} <= failed
    assert rules["format"][0] == mm.PASSED
    assert rules["certificate"][0] == mm.SILENT
    assert "esp32s3" in rules["chip"][1] and "esp32c3" in rules["chip"][1]
    with refused("image-not-kept"):
        release.image(answer[1])


def test_the_product_s_signings_are_told(mint, release, image):
    answer = lamp(release, products.LAMP.read_bytes(), "1.2.3")
    assert answer[0] == mm.RELEASE["kept"]
    assert answer[5] == ["secure-boot-v2-rsa3072:sb-1",
                         "secure-boot-v2-rsa3072:sb-2", "sha256-ecdsa"]


@pytest.mark.parametrize("harm", [
    lambda image: image[:-1], lambda image: image[:100],
    lambda image: b"\xe8" + image[1:],
    lambda image: image[:40] + bytes([image[40] ^ 1]) + image[41:],
    lambda image: image[:1] + b"\xff" + image[2:]])
def test_an_image_that_is_harmed(mint, release, harm):
    """A named refusal, or a rule that failed."""
    with nothing_signed(mint):
        try:
            answer = lamp(release, harm(products.LAMP.read_bytes()),
                          "1.2.3")
        except mm.Refused as e:
            assert e.name == "image-malformed", e
        else:
            assert answer[0] == mm.RELEASE["refused"]


def guard(mint, release, version, secure_version):
    image = products.rebuilt(version=version, secure_version=secure_version)
    return release.release(
        release.upload(image),
        [mint.approve(image, product="guard", version=version)],
        product="guard", version=version)


def test_versions_go_up_and_secure_versions_never_down(mint, release):
    guard(mint, release, "1.0.0", 3)
    for version, secure, rule in (
            ("0.9.9", 3, "version-order"), ("1.0.0-rc.1", 3, "version-order"),
            ("1.1.0", 2, "secure-version"), ("1.1.0", 0, "secure-version")):
        with nothing_signed(mint), refused("image-against-rules") as no:
            guard(mint, release, version, secure)
        assert no.error.text == rule
    guard(mint, release, "1.1.0", 3)


def test_an_unknown_product(mint, release, image, version):
    with nothing_signed(mint), refused("unknown-product"):
        release.submit(release.upload(image), product="toaster",
                       version=version)


# ------------------------------------------------------------------ statements

def test_without_a_statement(mint, release, image, version):
    with nothing_signed(mint), refused("release-not-approved"):
        release.release(release.upload(image), [], version=version)


def test_approved_before_it_is_submitted(mint, release, image, version):
    answer = release.statement([mint.approve(image, version=version)])
    assert answer.get(4, 0) == 0
    row, = release.releases("demo", version)
    assert row[3] == mm.RELEASE["approved"] and not row[7]
    with nothing_signed(mint), refused("image-not-kept"):
        release.fetch(version=version)
    assert release.release(release.upload(image), [], version=version)
    row, = release.releases("demo", version)
    assert row[3] == mm.RELEASE["signed"]


def test_a_statement_of_a_stranger(mint, release, image, version):
    statement = mm.Officer().state(mint.origin, "release", mm.release_body(
        image, version=version))
    with nothing_signed(mint), refused("statement-unknown-officer"):
        release.release(release.upload(image), [statement], version=version)


@pytest.mark.parametrize("change", [
    {"size": 17}, {"sha256": bytes(32)}, {"digest": bytes(32)},
    {"digests": {"cose-sign1": bytes(32)}}, {"product": "toaster"},
    {"digests": {"sha256-ecdsa": bytes(32), "md5": bytes(32)}}])
def test_a_statement_of_something_else(mint, release, image, version,
                                       change):
    statement = mint.approve(image, **{"version": version, **change})
    with nothing_signed(mint), refused(
            "release-not-approved", "statement-differs", "unknown-product",
            "scheme-not-allowed", "image-not-kept"):
        release.release(release.upload(image), [statement], version=version)


def test_a_statement_of_another_kind(mint, release):
    statement = mint.state("order", mm.order_body(
        fresh("order"), 1, ["station"], pattern="*"))
    with nothing_signed(mint), refused("role-not-allowed",
                                       "statement-wrong-kind"):
        release.statement([statement])


def test_a_statement_for_another_log(mint, release, image, version):
    statement = mint.officer.state("other.example/log", "release",
                                   mm.release_body(image, version=version))
    with nothing_signed(mint), refused("statement-wrong-log"):
        release.release(release.upload(image), [statement], version=version)


def test_an_approval_is_for_one_image(mint, release, image, version):
    """What was approved is signed; its statement opens no other door."""
    statement = mint.approve(image, version=version)
    release.release(release.upload(image), [statement], version=version)
    other = image + b"!"
    with nothing_signed(mint), refused(
            "release-not-approved", "release-already-signed",
            "image-against-rules"):
        release.release(release.upload(other), [statement], version=version)


def test_the_same_version_of_another_image(mint, release, image, version):
    sign(mint, release, image, version)
    with nothing_signed(mint), refused("release-already-signed",
                                       "image-against-rules"):
        sign(mint, release, image + b"!", version)


def test_a_reused_id_with_another_image(mint, release, image):
    request, one, two = os.urandom(16), fresh("1"), fresh("2")
    release.statement([mint.approve(image, version=one)], request_id=request)
    with nothing_signed(mint), refused("request-id-reused"):
        release.statement([mint.approve(image + b"!", version=two)],
                          request_id=request)


# ---------------------------------------------------------------- kept images

def test_a_kept_image_and_its_end(mint, release, image, version):
    sha256 = hashlib.sha256(image).digest()
    release.submit(release.upload(image), version=version)
    assert release.image(sha256) == image
    with refused("image-not-kept", "not-found"):
        release.image(bytes(32))
    release.image_done(sha256)  # it is not signed: it stays
    assert release.image(sha256) == image
    release.statement([mint.approve(image, version=version)])
    release.fetch(version=version)
    assert release.releases("demo", version)[0][7]
    release.image_done(sha256)
    with refused("image-not-kept"):
        release.image(sha256)
    assert not release.releases("demo", version)[0][7]
    assert release.fetch(version=version)


def test_an_auditor_gets_no_image(mint, release, image, version):
    release.submit(release.upload(image), version=version)
    with mint.client("auditor") as client, refused("role-not-allowed"):
        client.image(hashlib.sha256(image).digest())


def test_releases_by_product_and_behind_one(mint, release, image, version):
    sign(mint, release, image, version)
    row, = release.releases("demo", version)
    assert (row[1], row[2], row[3]) == ("demo", version, 4)
    assert row[5] == len(image) and row[6] == hashlib.sha256(image).digest()
    (signing,) = row[10]
    assert signing[0] == "sha256-ecdsa" and signing[2]
    assert all(r[1] == "demo" for r in release.releases("demo"))
    assert row[0] not in [r[0] for r in release.releases(after=row[0])]


# ------------------------------------------------------------------ unread

def test_digests_of_an_image_that_stays_away(mint, release, image, version):
    statement = mint.approve(image, product="away", version=version)
    assert release.statement([statement]).get(4, 0) == 0
    answer = release.fetch("away", version)
    receipt = auditor.Receipt(answer[4], mint.vkey)
    receipt.proves_image(image, answer[1], answer[2])
    assert receipt.item[3][7] == "unread"
    assert not release.releases("away", version)[0][7]


def test_an_image_of_a_reading_product_does_not_stay_away(mint, release,
                                                          image, version):
    release.statement([mint.approve(image, version=version)])
    with nothing_signed(mint), refused("image-not-kept"):
        release.fetch(version=version)


def peaks(mint):
    """The most address space that each lasting process has ever had."""
    return {(role, process.pid): int(next(
        line.split()[1] for line in open(f"/proc/{process.pid}/status")
        if line.startswith("VmPeak:"))) * 1024
        for role, processes in mint.daemon.children().items()
        for process in processes if role != "inspector"}


@pytest.mark.skipif("sanitize" in str(BUILD),
                    reason="a sanitizer keeps what was freed")
def test_no_process_ever_holds_an_image(mint):
    """The image is in its memfd and nowhere else."""
    def sign(size):
        image = os.urandom(size)
        version = fresh("1.0")
        with mint.client("release") as client:
            assert client.release(
                client.upload(image), [mint.approve(image, version=version)],
                version=version)
    for _ in range(8):  # until each gate has had a small one
        sign(100_000)
    before = peaks(mint)
    sign(1 << 24)
    after = peaks(mint)
    assert before.keys() == after.keys()
    grown = {who: after[who] - before[who] for who in before}
    assert all(more < 2 << 20 for more in grown.values()), grown
