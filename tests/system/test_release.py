"""Firmware: what officers have approved is signed, and nothing else."""

import hashlib
import os

import pytest
from cryptography import x509

import auditor
import mintmark_client as mm
from mint import (BUILD, VECTORS, eventually, fresh, nothing_signed, refused,
                  run, to_pem)

MIB = 1 << 20


@pytest.fixture
def image():
    return os.urandom(100_000)


@pytest.fixture
def version():
    return fresh("1.0")


def sign(mint, client, image, version, **more):
    statement = mint.approve(image, version=version)
    return client.release(client.upload(image), [statement],
                          version=version, **more)


def test_an_image_is_signed(mint, release, version, workdir):
    """openssl verifies the signature by the root's code-signing key."""
    image = (VECTORS / "esp/esp32_irom.bin").read_bytes()
    answer = sign(mint, release, image, version)
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


def test_the_same_image_again_gives_the_same_bytes(mint, release, image,
                                                   version):
    statement = mint.approve(image, version=version)
    request = os.urandom(16)
    answers = [release.release(release.upload(image), [statement],
                               version=version, request_id=request)
               for _ in range(2)]
    assert answers[0] == answers[1]


def test_fetch_gives_it_again(mint, release, image, version):
    answer = sign(mint, release, image, version)
    for name in ("release", "auditor", "officer"):
        with mint.client(name) as client:
            assert client.fetch(version=version) == answer


def test_fetch_of_nothing(release):
    with refused("not-found"):
        release.fetch(version="never")


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537])
def test_images_about_the_size_of_a_chunk(mint, release, version, size):
    image = os.urandom(size)
    assert sign(mint, release, image, version)[5] == hashlib.sha256(
        image).digest()


def test_sixteen_mebibytes(mint, release, version):
    image = os.urandom(MIB) * 16
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
        number = release.upload(image, sha256=b"x" * 32)
        release.release(number, [mint.approve(image, version=version)],
                        version=version)


def test_an_image_that_is_not_whole(mint, release, image, version):
    number = release.ask("upload", {
        0: len(image), 1: hashlib.sha256(image).digest()})[0]
    release.ask("chunk", {0: number, 1: 0, 2: image[:1000]})
    with nothing_signed(mint), refused("upload-broken"):
        release.release(number, [mint.approve(image, version=version)],
                        version=version)


def test_a_sender_that_leaves_half_way(mint, image, version):
    """The upload goes with its connection; the next one is served."""
    for _ in range(6):  # more than may be on their way at a time
        with mint.client("release") as client:
            number = client.ask("upload", {
                0: len(image), 1: hashlib.sha256(image).digest()})[0]
            client.ask("chunk", {0: number, 1: 0, 2: image[:50_000]})

    def again():
        with mint.client("release") as client:
            try:
                return sign(mint, client, image, version)
            except mm.Refused as e:
                assert e.name == "busy", e
    assert eventually(again, "room for an upload")


def test_an_upload_belongs_to_its_connection(mint, release, image, version):
    number = release.upload(image)
    with mint.client("release") as other:
        with nothing_signed(mint), refused("upload-broken", "not-found"):
            other.release(number, [mint.approve(image, version=version)],
                          version=version)


# ------------------------------------------------------------------ statements

def test_without_a_statement(mint, release, image, version):
    with nothing_signed(mint), refused("release-not-approved",
                                       "statement-too-few"):
        release.release(release.upload(image), [], version=version)


def test_a_statement_of_a_stranger(mint, release, image, version):
    statement = mm.Officer().state(mint.origin, "release", mm.release_body(
        image, version=version))
    with nothing_signed(mint), refused("statement-unknown-officer"):
        release.release(release.upload(image), [statement], version=version)


@pytest.mark.parametrize("change", [
    {"version": "other"}, {"product": "other"}, {"size": 17},
    {"sha256": bytes(32)}, {"digest": bytes(32)}, {"scheme": "other"}])
def test_a_statement_of_something_else(mint, release, image, version,
                                       change):
    statement = mint.approve(image, **{"version": version, **change})
    with nothing_signed(mint), refused("release-not-approved",
                                       "statement-differs"):
        release.release(release.upload(image), [statement], version=version)


def test_a_statement_of_another_kind(mint, release, image, version):
    statement = mint.state("order", mm.order_body(
        fresh("order"), 1, ["station"], pattern="*"))
    with nothing_signed(mint), refused("statement-wrong-kind"):
        release.release(release.upload(image), [statement], version=version)


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
    with nothing_signed(mint), refused("release-not-approved",
                                       "release-already-signed"):
        release.release(release.upload(other), [statement], version=version)


def test_the_same_version_of_another_image(mint, release, image, version):
    sign(mint, release, image, version)
    with nothing_signed(mint), refused("release-already-signed"):
        sign(mint, release, image + b"!", version)


def test_an_unknown_product(mint, release, image, version):
    statement = mint.approve(image, version=version, product="toaster")
    with nothing_signed(mint), refused("unknown-product"):
        release.release(release.upload(image), [statement], version=version,
                        product="toaster")


def test_a_scheme_that_the_product_lacks(mint, release, image, version):
    statement = mint.approve(image, version=version, scheme="md5")
    with nothing_signed(mint), refused("scheme-not-allowed"):
        release.release(release.upload(image), [statement], version=version,
                        scheme="md5")


def test_a_reused_id_with_another_image(mint, release, image):
    request, one, two = os.urandom(16), fresh("1"), fresh("2")
    sign(mint, release, image, one, request_id=request)
    with nothing_signed(mint), refused("request-id-reused"):
        sign(mint, release, image, two, request_id=request)


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
