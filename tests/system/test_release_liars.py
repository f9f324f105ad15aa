"""An appliance that lies about firmware: what it tells of a release, of a key
or of an image is held against receipts, digests and signatures before a file
is written, and what it tells of rules never makes an officer sign for another
image."""

import datetime
import hashlib
import json

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

import mintmark_client as mm
import products
from mint import mintmark
from paper_appliance import PaperAppliance
from paper_log import GENESIS, IMAGE, RELEASE, START, PaperLog, serial

DER = serialization.Encoding.DER
(STATUS, STATEMENT, UPLOAD, CHUNK, SUBMIT, FETCH, PROVE, PENDING, RELEASES,
 IMAGE_OF) = 1, 4, 5, 6, 7, 8, 10, 16, 20, 21
REFUSED, KEPT, APPROVED, SIGNED = 1, 2, 3, 4
PASSED, FAILED = 1, 2
FIRMWARE = b"firmware " * 20_000


def cose_digest(image):
    return hashlib.sha256(mm.encode(
        ["Signature1", mm.encode({1: -7}), b"", image])).digest()


SIGNINGS = {"sha256-ecdsa": lambda image: hashlib.sha256(image).digest(),
            "cose-sign1": cose_digest}


def spki_of(key):
    return key.public_key().public_bytes(
        DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_of(key, purpose=x509.ExtendedKeyUsageOID.CODE_SIGNING):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "codesign")])
    day = datetime.datetime(2024, 1, 1)
    return x509.CertificateBuilder().subject_name(name).issuer_name(
        name).public_key(key.public_key()).serial_number(
        serial(7)).add_extension(
        x509.BasicConstraints(False, None), True).add_extension(
        x509.KeyUsage(True, False, False, False, False, False, False, False,
                      False), True).add_extension(
        x509.ExtendedKeyUsage([purpose]), False).not_valid_before(
        day).not_valid_after(datetime.datetime(2094, 1, 1)).sign(
        key, hashes.SHA256()).public_bytes(DER)


class Liar(PaperAppliance):
    """lamp 1.0 is signed by two signings. It does not lie yet."""

    def __init__(self, place):
        log = PaperLog()
        self.code, self.other = (ec.generate_private_key(ec.SECP256R1())
                                 for _ in range(2))
        log.add(GENESIS, {0: log.origin, 1: log.raw, 2: [
            {0: "codesign", 1: 4, 2: spki_of(self.code)}], 3: b"policy",
            4: b"a = 1\n"})
        super().__init__(log, place)
        self.signed = {name: self.sign(name) for name in SIGNINGS}
        statement = self.state("1.0", FIRMWARE)
        self.row = {0: 1, 1: "lamp", 2: "1.0", 3: SIGNED, 4: START,
                    5: len(FIRMWARE), 6: hashlib.sha256(FIRMWARE).digest(),
                    7: True, 8: START + 3600, 9: hashlib.sha256(
                        mm.payload_of(statement)).digest(),
                    10: [{0: name, 1: answer[0], 2: True}
                         for name, answer in self.signed.items()]}
        self.image, self.said, self.uploaded = FIRMWARE, [], b""
        self.submission = {0: KEPT, 1: hashlib.sha256(FIRMWARE).digest(),
                           2: len(FIRMWARE), 3: "plain",
                           4: [{0: "size", 1: PASSED}],
                           5: list(SIGNINGS)}
        self.answers |= {
            RELEASES: lambda body: {0: [] if 2 in body else [self.row]},
            FETCH: lambda body: self.signed[body[2]],
            IMAGE_OF: self.piece, PENDING: lambda body: {0: []},
            UPLOAD: lambda body: {0: 0}, CHUNK: self.take,
            SUBMIT: lambda body: self.submission, STATEMENT: self.hear}

    def state(self, version, image):
        return self.log.state(2, mm.release_body(
            image, product="lamp", version=version, digests={
                name: digest(image) for name, digest in SIGNINGS.items()}))

    def sign(self, name, image=FIRMWARE, version="1.0", key=None,
             digest=None, signing=None):
        """An image entry, and the honest answer that goes with it."""
        key = key or self.code
        digest = digest or SIGNINGS[name](image)
        signature = key.sign(digest, ec.ECDSA(
            utils.Prehashed(hashes.SHA256())))
        index = self.log.add(IMAGE, {
            0: "lamp", 1: version, 2: len(image),
            3: hashlib.sha256(image).digest(), 4: signing or name, 5: digest,
            6: "codesign", 7: "plain", 8: [self.state(version, image)],
            11: hashlib.sha256(spki_of(self.code)).digest()})
        return {0: index, 1: signature, 2: certificate_of(key),
                4: self.receipt(index), 5: hashlib.sha256(image).digest(),
                6: "codesign", 7: spki_of(key)}

    def piece(self, body):
        if 2 in body:
            return {0: len(self.image)}
        return {0: len(self.image),
                1: self.image[body[1]:body[1] + 65536]}

    def take(self, body):
        self.uploaded += body[2]
        return {0: len(self.uploaded)}

    def hear(self, body):
        self.said.append(body)
        raise KeyError("not here")


@pytest.fixture
def liar(workdir):
    with Liar(workdir / "liar") as appliance:
        yield appliance


def fetch(liar, workdir, *more, ok=(1,)):
    done = mintmark("release", "fetch", "lamp@1.0", "--identity", liar.place,
                    "--wait", 0, "--out", workdir / "out", *more, ok=ok)
    return done


def refuses(liar, workdir, *names):
    """No file is written, and one of these errors is named."""
    done = fetch(liar, workdir, ok=(1, 65, 77))
    line = done.stderr.strip().splitlines()[-1]
    assert any(f": {name}: " in line for name in names), done.stderr
    assert not (workdir / "out").exists() and done.stdout == ""


# ------------------------------------------------------------------- fetching

def test_an_honest_release_is_fetched(liar, workdir):
    fetch(liar, workdir, ok=(0,))
    assert (workdir / "out/firmware.bin").read_bytes() == FIRMWARE
    for name in SIGNINGS:
        assert (workdir / "out" / f"{name}.receipt").exists()


@pytest.mark.parametrize("role", ["officer", "release"])
def test_another_release_is_shown(liar, role):
    """Whoever may read the log is shown the approval, others the image."""
    def show(ok):
        return mintmark("release", "show", "lamp@1.0", "--identity",
                        liar.place, "--wait", 0, ok=(ok,))

    def not_yours(body):
        raise KeyError({0: 41, 1: "role-not-allowed", 2: "not yours"})

    entries = {v: liar.log.add(RELEASE, {0: [liar.state(v, FIRMWARE)]})
               for v in ("1.0", "2.0")}
    if role == "release":
        liar.answers[STATUS] = lambda body: {
            0: liar.log.origin, 1: "vkey", 2: len(liar.log.entries),
            3: liar.log.note(), 4: 1, 5: "engineer", 6: role}
        liar.answers[PROVE] = not_yours
    liar.row[0] = entries["1.0"]
    assert "version" in show(0).stdout
    liar.row[0] = entries["2.0"]
    liar.signed = {name: liar.sign(name, version="2.0") for name in SIGNINGS}
    assert ": receipt-mismatch: " in show(1).stderr


def changed(data):
    return data[:-1] + bytes([data[-1] ^ 1])


ANSWERS = {
    "another-signature": lambda l, a: a | {1: l.other.sign(
        FIRMWARE, ec.ECDSA(hashes.SHA256()))},
    "of-another-image": lambda l, a: a | {1: l.code.sign(
        FIRMWARE + b"!", ec.ECDSA(hashes.SHA256()))},
    "no-signature": lambda l, a: a | {1: b"\x30\x00"},
    "another-key": lambda l, a: a | {7: spki_of(l.other)},
    "another-key-that-signed": lambda l, a: l.sign("sha256-ecdsa",
                                                   key=l.other),
    "another-name-of-the-key": lambda l, a: a | {6: "codesign-2"},
    "no-key": lambda l, a: a | {7: b"\x30\x00"},
    "another-certificate": lambda l, a: a | {2: certificate_of(l.other)},
    "a-certificate-for-tls": lambda l, a: a | {2: certificate_of(
        l.code, x509.ExtendedKeyUsageOID.SERVER_AUTH)},
    "a-chain-of-others": lambda l, a: a | {3: [{0: certificate_of(l.other)}]},
    "another-image-s-hash": lambda l, a: a | {5: bytes(32)},
    "another-entry": lambda l, a: a | {0: a[0] + 1},
    "a-receipt-of-another-version": lambda l, a: a | {4: l.sign(
        "sha256-ecdsa", version="0.9")[4]},
    "all-of-another-version": lambda l, a: l.sign("sha256-ecdsa",
                                                  version="0.9"),
    "all-of-another-image": lambda l, a: l.sign("sha256-ecdsa",
                                                FIRMWARE + b"!"),
    "another-signing": lambda l, a: l.signed["cose-sign1"],
    "another-digest-in-the-log": lambda l, a: l.sign(
        "sha256-ecdsa", digest=bytes(32)),
    "the-other-s-digest": lambda l, a: l.sign(
        "sha256-ecdsa", digest=cose_digest(FIRMWARE)),
    "a-receipt-of-something-else": lambda l, a: a | {4: l.receipt(
        l.log.order())},
    "a-receipt-of-nothing": lambda l, a: a | {4: b"c2sp.org/tlog-proof@v1\n"},
    "a-receipt-that-proves-nothing": lambda l, a: a | {4: changed(a[4][:-9])},
}


@pytest.mark.parametrize("lie", ANSWERS)
def test_an_answer_that_lies(liar, workdir, lie):
    liar.signed["sha256-ecdsa"] = ANSWERS[lie](
        liar, liar.signed["sha256-ecdsa"])
    done = fetch(liar, workdir, ok=(1, 65, 77))
    assert not (workdir / "out").exists() and done.stdout == "", done.stderr


def test_another_log_s_receipt(liar, workdir):
    """Sound in itself, by a key that this identity does not have."""
    with Liar(workdir / "second") as second:
        liar.signed["sha256-ecdsa"] = second.signed["sha256-ecdsa"]
        refuses(liar, workdir, "note-unknown-key", "receipt-mismatch",
                "note-bad-signature")


@pytest.mark.parametrize("key, lie", [
    (1, "fan"), (2, "2.0"), (6, bytes(32)), (10, []),
    (10, [{0: "sha256-ecdsa", 1: 1, 2: True}]),
    (10, [{0: "sha256-ecdsa", 1: 1, 2: True}] * 2),
    (10, [{0: "md5", 1: 1, 2: True}])],
    ids=["product", "version", "sha256", "no-signings", "one-left-out",
         "one-twice", "unknown-signing"])
def test_a_row_that_lies(liar, workdir, key, lie):
    """What officers have approved is in the receipts: all of it is fetched."""
    liar.row[key] = lie
    done = fetch(liar, workdir, ok=(1, 65, 70, 77))
    assert not (workdir / "out").exists() and done.stdout == "", done.stderr


@pytest.mark.parametrize("key, lie", [
    (0, 99), (3, APPROVED), (4, 1), (5, 17), (8, 1), (9, bytes(32))],
    ids=["index", "state", "time", "size", "expiry", "payload"])
def test_a_row_whose_lies_come_to_nothing(liar, workdir, key, lie):
    """Nothing of these goes into a file: the files are the honest ones."""
    fetch(liar, workdir, ok=(0,))
    honest = {f.name: f.read_bytes() for f in (workdir / "out").iterdir()}
    liar.row[key] = lie
    done = mintmark("release", "fetch", "lamp@1.0", "--identity", liar.place,
                    "--wait", 0, "--out", workdir / "again", ok=None)
    if done.returncode != 0:
        assert not (workdir / "again").exists()
        return
    assert {f.name: f.read_bytes()
            for f in (workdir / "again").iterdir()} == honest


IMAGES = {"a-byte": lambda i: b"F" + i[1:], "shorter": lambda i: i[:-1],
          "longer": lambda i: i + b"!", "empty": lambda i: b"",
          "last-byte": changed}


@pytest.mark.parametrize("lie", IMAGES)
def test_another_image_is_kept(liar, workdir, lie):
    liar.image = IMAGES[lie](FIRMWARE)
    done = fetch(liar, workdir, ok=(1, 65, 70, 77))
    assert not (workdir / "out").exists() and done.stdout == "", done.stderr


def test_pieces_without_end(liar, workdir):
    """As large as it was, but of single bytes that go on for ever."""
    liar.answers[IMAGE_OF] = lambda body: {
        0: len(FIRMWARE), 1: bytes(min(65536, len(FIRMWARE) - body[1] + 1))}
    refuses(liar, workdir, "receipt-mismatch")


# ----------------------------------------------------------------- submitting

@pytest.fixture
def officer(workdir):
    path = workdir / "ada.key"
    mintmark("officer", "keygen", "--unprotected", "--name", "ada", path)
    return path


@pytest.fixture
def firmware(workdir):
    path = workdir / "fw.bin"
    path.write_bytes(FIRMWARE)
    return path


def submit(liar, firmware, *more, ok):
    return mintmark("release", "submit", firmware, "--product", "lamp",
                    "--version", "2.0", "--identity", liar.place, "--wait",
                    0, "--json", *more, ok=ok)


def claimed(liar):
    """What the officer has signed."""
    return mm.decode(mm.payload_of(liar.said[0][0][0]))[5]


def test_an_honest_submission(liar, firmware, officer):
    done = submit(liar, firmware, "--officer", officer, ok=(1,))
    assert liar.uploaded == FIRMWARE and liar.said, done
    assert claimed(liar) == mm.release_body(
        FIRMWARE, product="lamp", version="2.0", digests={
            name: digest(FIRMWARE) for name, digest in SIGNINGS.items()})


@pytest.mark.parametrize("key, lie", [
    (1, bytes(32)), (2, 17), (3, "esp-app"), (3, "unheard-of"),
    (5, ["cose-sign1"]), (5, ["sha256-ecdsa:another"])],
    ids=["sha256", "size", "format", "no-format", "fewer", "another-key"])
def test_an_officer_signs_for_the_own_image_alone(liar, firmware, officer,
                                                  key, lie):
    """Or for nothing at all; the digests are of the own file."""
    liar.submission[key] = lie
    submit(liar, firmware, "--officer", officer, ok=None)
    if liar.said:
        body = claimed(liar)
        assert (body[2], body[3]) == (
            len(FIRMWARE), hashlib.sha256(FIRMWARE).digest())
        for one in body[4]:
            name = one[0].partition(":")[0]
            assert one[1] == SIGNINGS[name](FIRMWARE)


@pytest.mark.parametrize("state, rules", [
    (REFUSED, [{0: "size", 1: FAILED, 2: "too large"}]),
    (REFUSED, [{0: "size", 1: PASSED}]), (REFUSED, []),
    (KEPT, [{0: "size", 1: PASSED}, {0: "chip", 1: FAILED, 2: "another"}]),
    (SIGNED, [{0: "chip", 1: FAILED, 2: "another"}])],
    ids=["honest", "refused-without-a-rule", "no-rules", "kept-in-spite",
         "signed-in-spite"])
def test_a_rule_that_failed_is_never_passed_over(liar, firmware, officer,
                                                 state, rules):
    """No officer signs where the answer says that something is wrong, and
    who asked is told."""
    liar.submission |= {0: state, 4: rules}
    done = submit(liar, firmware, "--officer", officer, ok=(1, 70, 77))
    assert liar.said == [] and done.returncode != 0
    if done.stdout:
        told = json.loads(done.stdout)
        assert [r["rule"] for r in told["rules"]] == [r[0] for r in rules]


def test_an_upload_that_is_there_already(liar, firmware):
    """More than there is of it, or bytes that were never sent."""
    liar.answers[UPLOAD] = lambda body: {0: 0, 1: len(FIRMWARE) + 1}
    done = submit(liar, firmware, ok=(70,))
    assert done.stdout == "" and liar.uploaded == b""


def test_signed_already_by_its_word_alone(liar, firmware, workdir):
    """It says that this version is signed; what it gives out is another."""
    liar.submission[0] = SIGNED
    submit(liar, firmware, "--out", workdir / "out", ok=(1, 65, 77))
    assert not (workdir / "out").exists()


# ------------------------------------------------------------------ approving

def pending(liar, image=FIRMWARE, version="3.0"):
    """A release that waits, and the row that tells of it."""
    index = liar.log.pending(kind=2, body=mm.release_body(
        image, product="lamp", version=version, digests={
            name: digest(image) for name, digest in SIGNINGS.items()}))
    payload = cbor2.loads(cbor2.loads(
        liar.log.entries[index])[3][0][0]).value[2]
    row = {0: hashlib.sha256(payload).digest(), 1: 2, 2: index, 3: START,
           4: START + 3600, 5: ["bob"], 6: 1, 7: f"lamp {version}"}
    liar.answers[PENDING] = lambda body: {0: [] if 1 in body else [row]}
    liar.answers[RELEASES] = lambda body: {0: []}
    return row


def approve(liar, firmware, officer, name="lamp@3.0"):
    return mintmark("release", "approve", name, "--image", firmware,
                    "--identity", liar.place, "--wait", 0, "--officer",
                    officer, "--yes", ok=(1, 65, 77))


def test_what_waits_is_approved_by_the_own_build(liar, firmware, officer):
    row = pending(liar)
    done = approve(liar, firmware, officer)
    assert ": not-found: " in done.stderr, done.stderr
    payload = mm.payload_of(liar.said[0][0][0])
    assert hashlib.sha256(payload).digest() == row[0]


def test_another_image_waits_under_this_name(liar, firmware, officer):
    pending(liar, FIRMWARE + b"!")
    done = approve(liar, firmware, officer)
    assert ": statement-differs: " in done.stderr and liar.said == []


def test_it_waits_as_another_version_than_it_says(liar, workdir, officer):
    """Rules are the appliance's to ask: the officer's own copy tells, too."""
    lamp = products.rebuilt(version="1.0.0")
    image = workdir / "lamp.bin"
    image.write_bytes(lamp)
    pending(liar, lamp, version="9.0.0")
    done = approve(liar, image, officer, "lamp@9.0.0")
    assert ": statement-differs: " in done.stderr and liar.said == []
    assert "it is version 1.0.0" in done.stderr
    pending(liar, lamp, version="1.0.0")
    approve(liar, image, officer, "lamp@1.0.0")
    assert len(liar.said) == 1


def test_another_version_waits_under_this_name(liar, firmware, officer):
    row = pending(liar, version="0.9")
    row[7] = "lamp 3.0"
    done = approve(liar, firmware, officer)
    assert done.stdout == "" and liar.said == []
