"""Releases as people make them: submitted, approved from copies of one's own,
fetched with all that proves them."""

import base64
import hashlib
import json
import os
import shutil
import socket
import struct
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

import mintmark_client as mm
import products
from mint import MINTMARK, fresh, mintmark, refusals, run
from office import Office, Terminal

NO, USAGE, DATA, REFUSED = 1, 64, 65, 77


@pytest.fixture(scope="module")
def office():
    """A mint with all products and three officers; one is enough."""
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    mint = products.make(place)
    try:
        mint.start()
        yield Office(mint, place)
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def strict():
    """The same, where every statement wants two of three."""
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    mint = products.make(place)
    try:
        mint.start()
        office = Office(mint, place)
        office.strict()
        yield office
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def firmware(workdir):
    """Bytes that say nothing of themselves."""
    path = workdir / "firmware"
    path.write_bytes(b"F" + os.urandom(150_000))
    return path


@pytest.fixture
def version():
    return fresh("v")


def changed(image):
    return image[:-1] + bytes([image[-1] ^ 1])


def submit(office, image, *more, product="demo", by=None, **expect):
    return office.say("release", "submit", image, "--product", product,
                      *more, by=by, identity="release", **expect)


def fetch(office, release, out, *more, **expect):
    return office.say("release", "fetch", release, "--out", out, *more,
                      identity="release", **expect)


def approve(office, release, image, by, *more, **expect):
    return office.say("release", "approve", release, "--image", image,
                      "--yes", "--json", *more, by=by, **expect)


def keys(office, workdir):
    """The directory of the mint's public keys."""
    out = workdir / "keys"
    office.say("release", "keys", "--out", out, identity="auditor")
    return out


def verified(scheme, pubkey, image, *more, ok=(0,)):
    return mintmark("image", "verify", "--scheme", scheme, "--pubkey", pubkey,
                    *more, image, ok=ok)


# ------------------------------------------------------------------ one officer

def test_submitted_signed_and_fetched_at_once(office, firmware, workdir,
                                              version):
    out = workdir / "out"
    said = json.loads(submit(office, firmware, "--version", version, "--out",
                             out, "--json", by="first").stdout)
    assert said["state"] == "signed" and said["statement"]["missing"] == 0
    assert said["release"]["directory"] == str(out)
    assert {rule["rule"] for rule in said["rules"]} >= {"chip", "carries"}
    assert sorted(p.name for p in out.iterdir()) == [
        "create-ota-update.json", "firmware.bin", "ota-job.json",
        "release.json", "sha256-ecdsa.crt", "sha256-ecdsa.receipt",
        "sha256-ecdsa.sig", "sha256-ecdsa.sig.b64"]
    assert (out / "firmware.bin").read_bytes() == firmware.read_bytes()
    public = keys(office, workdir) / "codesign.pub.pem"
    run("openssl", "dgst", "-sha256", "-verify", public, "-signature",
        out / "sha256-ecdsa.sig", out / "firmware.bin")
    assert base64.b64decode((out / "sha256-ecdsa.sig.b64").read_text(),
                            validate=True) == (
        out / "sha256-ecdsa.sig").read_bytes()
    key = office.mint.dir / "public/log.vkey"
    mintmark("receipt", "verify", "--key", key, "--image",
             out / "firmware.bin", "--certificate", out / "sha256-ecdsa.crt",
             out / "sha256-ecdsa.receipt", out / "sha256-ecdsa.sig")
    (workdir / "other").write_bytes(firmware.read_bytes() + b"!")
    mintmark("receipt", "verify", "--key", key, "--image", workdir / "other",
             out / "sha256-ecdsa.receipt", ok=(NO,))


def test_what_is_in_the_documents(office, firmware, workdir, version):
    out = workdir / "out"
    submit(office, firmware, "--version", version, by="first")
    fetch(office, f"demo@{version}", out, "--job-id", "JOB-7", "--stream",
          "s7", "--bucket", "b7", "--target", "arn:1", "--target", "arn:2",
          "--role-arn", "arn:role", "--object", "o7", "--certfile", "CSK")
    signature = (out / "sha256-ecdsa.sig.b64").read_text()
    job = json.loads((out / "ota-job.json").read_text())["execution"]
    assert job["jobId"] == "JOB-7"
    assert job["jobDocument"] == {"afr_ota": {
        "protocols": ["MQTT"], "streamname": "s7", "files": [{
            "filepath": "/", "filesize": firmware.stat().st_size, "fileid": 0,
            "certfile": "CSK", "sig-sha256-ecdsa": signature}]}}
    update = json.loads((out / "create-ota-update.json").read_text())
    assert update["otaUpdateId"] == "JOB-7"
    assert update["targets"] == ["arn:1", "arn:2"]
    assert update["roleArn"] == "arn:role"
    file, = update["files"]
    assert file["fileName"] == "firmware.bin"
    assert file["fileVersion"] == version
    assert file["fileLocation"] == {"s3Location": {"bucket": "b7",
                                                   "key": "o7"}}
    assert file["codeSigning"] == {"customCodeSigning": {
        "signature": {"inlineDocument": signature},
        "certificateChain": {"certificateName": "CSK"},
        "hashAlgorithm": "SHA256", "signatureAlgorithm": "ECDSA"}}
    release = json.loads((out / "release.json").read_text())
    assert release["firmware"]["sha256"] == hashlib.sha256(
        firmware.read_bytes()).hexdigest()
    assert all((out / release["signings"][0][name]).is_file() for name in (
        "signature", "base64", "receipt", "certificate", "job", "update"))


def test_a_job_s_id_is_what_the_agent_takes(office, firmware, workdir,
                                            version):
    submit(office, firmware, "--version", version, by="first")
    for wrong in ("x" * 73, "a b", ""):
        fetch(office, f"demo@{version}", workdir / "out", "--job-id", wrong,
              ok=(USAGE,))
    fetch(office, f"demo@{version}", workdir / "out", "--job-id", "x" * 72)


def test_the_job_is_the_one_that_aws_makes_of_the_update(office, firmware,
                                                         workdir):
    """AWS calls an update's job AFR_OTA- and the update's id; the agent takes
    72 characters of that, and versions that end otherwise have other jobs."""
    seen = set()
    for last in "12":
        version = fresh("v").ljust(63, "x") + last
        out = workdir / f"out{last}"
        submit(office, firmware, "--version", version, by="first")
        fetch(office, f"demo@{version}", out)
        job = json.loads((out / "ota-job.json").read_text())["execution"]
        update = json.loads((out / "create-ota-update.json").read_text())
        assert job["jobId"] == "AFR_OTA-" + update["otaUpdateId"]
        assert len(job["jobId"]) <= 72
        assert update["otaUpdateId"].endswith(version)
        seen.add(job["jobId"])
    assert len(seen) == 2


def test_secure_boot_by_two_keys(office, workdir):
    out = workdir / "out"
    submit(office, products.LAMP, "--out", out, product="lamp", by="first")
    public = keys(office, workdir)
    for name in ("sb-1", "sb-2"):
        verified("secure-boot-v2", public / f"{name}.pub.pem",
                 out / "firmware.bin")
        raw = out / f"secure-boot-v2-rsa3072-{name}.sig"
        assert raw.stat().st_size == 384
        receipt = raw.with_suffix(".receipt")
        digest = json.loads(mintmark(
            "receipt", "verify", "--json", "--key",
            office.mint.dir / "public/log.vkey", "--image",
            products.LAMP, receipt).stdout)["digest"]
        (workdir / "digest").write_bytes(bytes.fromhex(digest))
        run("openssl", "pkeyutl", "-verify", "-pubin", "-inkey",
            public / f"{name}.pub.pem", "-in", workdir / "digest",
            "-sigfile", raw, "-pkeyopt", "digest:sha256", "-pkeyopt",
            "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32")
    verified("secure-boot-v2", public / "boot.pub.pem", out / "firmware.bin",
             ok=(NO,))
    a_receipt_of_an_rsa_key(office, out, workdir)
    a_receipt_of_a_signed_image(office, out, workdir)
    signed = bytearray((out / "firmware.bin").read_bytes())
    signed[100] ^= 1
    (workdir / "bad").write_bytes(signed)
    verified("secure-boot-v2", public / "sb-1.pub.pem", workdir / "bad",
             ok=(NO,))
    # The signature beside it is over the file as it was submitted.
    assert (out / "submitted.bin").read_bytes() == products.LAMP.read_bytes()
    run("openssl", "dgst", "-sha256", "-verify", public / "codesign.pub.pem",
        "-signature", out / "sha256-ecdsa.sig", out / "submitted.bin")
    document = json.loads((out / "ota-job.json").read_text())
    file, = document["execution"]["jobDocument"]["afr_ota"]["files"]
    assert file["filesize"] == products.LAMP.stat().st_size
    release = json.loads((out / "release.json").read_text())
    assert [s["over"] for s in release["signings"]] == [
        "firmware.bin", "firmware.bin", "submitted.bin"]
    assert release["version"] == "1.2.3" and release["chip"] == "esp32c3"


def test_an_image_that_is_signed_already(office, workdir):
    """Refused, a block appended, or replaced: as its product says."""
    public = keys(office, workdir)
    (workdir / "image").write_bytes(products.rebuilt(version="7.0.0"))
    submit(office, workdir / "image", "--out", workdir / "once",
           product="once", by="first")
    signed = workdir / "once/firmware.bin"
    said = json.loads(submit(office, signed, "--json", product="lamp",
                             ok=(REFUSED,)).stdout)
    assert "unsigned" in [rule["rule"] for rule in said["rules"]
                          if rule["verdict"] == "failed"]
    for product, former in (("more", 0), ("anew", NO)):
        submit(office, signed, "--out", workdir / product, product=product,
               by="first")
        made = workdir / product / "firmware.bin"
        verified("secure-boot-v2", public / "sb-2.pub.pem", made)
        verified("secure-boot-v2", public / "sb-1.pub.pem", made,
                 ok=(former,))
        # Once more, from a copy and the log: the very same file.
        fetch(office, f"{product}@7.0.0", workdir / f"{product}-2",
              "--image", signed)
        assert made.read_bytes() == (
            workdir / f"{product}-2/firmware.bin").read_bytes()


def a_receipt_of_an_rsa_key(office, out, workdir):
    """The log names the key by its hash: with a bundle it is at hand."""
    words = ["receipt", "verify", "--json", "--key",
             office.mint.dir / "public/log.vkey"]
    files = [out / "secure-boot-v2-rsa3072-sb-1.receipt",
             out / "secure-boot-v2-rsa3072-sb-1.sig"]
    done = mintmark(*words, *files, ok=(USAGE,))
    assert "--certificate" in done.stderr, done.stderr
    public = workdir / "keys"
    for name, ok in (("sb-1", 0), ("sb-2", NO), ("boot", NO)):
        mintmark(*words, "--certificate", public / f"{name}.pub.pem",
                 "--image", products.LAMP, *files, ok=(ok,))
    bundle = ["--statements", workdir / "bundle"]
    # Asked, and not from the tiles, which come a moment after the answer.
    mintmark(*words, *bundle, "--identity", office.mint.identity("auditor"),
             *files)
    said = json.loads(mintmark(*words, *bundle, *files).stdout)
    assert said["proved"] == "signature" and said["officers"] == ["first"]
    assert said["scheme"] == "secure-boot-v2-rsa3072:sb-1"
    other = workdir / "other.sig"
    other.write_bytes(changed(files[1].read_bytes()))
    mintmark(*words, *bundle, files[0], other, ok=(NO,))


def a_receipt_of_a_signed_image(office, out, workdir):
    """What is flashed is held against its receipt as it is; of Secure Boot V2
    the key lies in it."""
    words = ["receipt", "verify", "--json", "--key",
             office.mint.dir / "public/log.vkey",
             out / "secure-boot-v2-rsa3072-sb-2.receipt"]
    image = out / "firmware.bin"
    sb1, sb2 = (["--certificate", workdir / f"keys/{name}.pub.pem"]
                for name in ("sb-1", "sb-2"))
    for more in ([], sb2):
        said = json.loads(mintmark(*words, *more, image).stdout)
        assert (said["proved"], said["matched"]) == ("signature", "image")
    done = mintmark(*words, *sb1, image, ok=(NO,))
    assert "not the logged key" in done.stderr, done.stderr
    # The image as it was submitted carries nobody's signature.
    mintmark(*words, products.LAMP)
    mintmark(*words, *sb2, products.LAMP, ok=(NO,))
    signed = image.read_bytes()
    block = len(signed) - 4096 + 1216  # sb-2's
    for at in (100, block + 5, block + 40, block + 900, block + 1198):
        (workdir / "bad").write_bytes(
            signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1:])
        for more in ([], sb2):
            done = mintmark(*words, *more, workdir / "bad", ok=(NO,))
            assert "receipt-mismatch" in done.stderr, done.stderr


@pytest.mark.parametrize("product, image, scheme, key", [
    ("mcu", products.MCU, "mcuboot", "boot"),
    ("old", products.OLD, "secure-boot-v1", "boot")])
def test_signatures_in_the_file(office, workdir, product, image, scheme, key):
    out = workdir / "out"
    submit(office, image, "--out", out, product=product, by="first")
    public = keys(office, workdir)
    verified(scheme, public / f"{key}.pub.pem", out / "firmware.bin")
    verified(scheme, public / "codesign.pub.pem", out / "firmware.bin",
             ok=(NO,))
    words = ["receipt", "verify", "--key",
             office.mint.dir / "public/log.vkey",
             out / f"{scheme}-{key}.receipt", out / "firmware.bin"]
    assert "--certificate" in mintmark(*words, ok=(NO,)).stderr
    mintmark(*words, "--certificate", public / f"{key}.pub.pem")
    mintmark(*words, "--certificate", public / "codesign.pub.pem", ok=(NO,))


def test_cose(office, firmware, workdir, version):
    out = workdir / "out"
    submit(office, firmware, "--version", version, "--out", out,
           product="sealed", by="first")
    public = keys(office, workdir) / "codesign.pub.pem"
    verified("cose-sign1", public, firmware, "--signature",
             out / "cose-sign1.cose")
    (workdir / "other").write_bytes(changed(firmware.read_bytes()))
    verified("cose-sign1", public, workdir / "other", "--signature",
             out / "cose-sign1.cose", ok=(NO,))
    assert not (out / "ota-job.json").exists()


def test_the_certificate_and_the_keys(office, workdir):
    public = keys(office, workdir)
    run("openssl", "x509", "-inform", "DER", "-in", public / "codesign.crt",
        "-noout")
    run("openssl", "verify", "-x509_strict", "-CAfile",
        office.mint.dir / "public/ca.pem", public / "codesign.crt.pem")
    for name in ("codesign", "sb-1", "sb-2", "boot"):
        run("openssl", "pkey", "-pubin", "-in", public / f"{name}.pub.pem",
            "-noout")
        assert (public / f"{name}.digest.bin").stat().st_size == 32
    assert not (public / "sb-1.crt").exists()
    listed = {k["name"]: k for k in office.json(
        "release", "keys", identity="auditor")["keys"]}
    assert listed["sb-1"]["algorithm"] == "RSA-3072"
    assert listed["sb-1"]["certificate_until"] is None
    assert listed["sb-1"]["secure_boot_v2"] == (
        public / "sb-1.digest.bin").read_bytes().hex()
    assert listed["codesign"]["certificate_until"]


# ------------------------------------------------------------------------ rules

def test_every_rule_is_told_and_nothing_is_kept(office, workdir):
    done = submit(office, products.OTHER, "--out", workdir / "out",
                  product="lamp", by="first", ok=(REFUSED,))
    told = {line.split()[0]: line.split()[1]
            for line in done.stdout.splitlines()[:14]}
    assert told["chip"] == told["project"] == "failed"
    assert told["format"] == "passed" and told["carries"] == "-"
    assert ": image-against-rules: the image breaks " in done.stderr
    assert "of its product's 14 rules: chip, project" in done.stderr
    said = json.loads(submit(office, products.OTHER, "--json", product="lamp",
                             ok=(REFUSED,)).stdout)
    assert said["state"] == "refused" and len(said["rules"]) == 14
    assert not (workdir / "out").exists()
    assert not any(r["version"] == "0.9.0"
                   for r in office.json("release", "list")["releases"])


def test_the_version_is_the_image_s_own(office, firmware):
    done = submit(office, products.LAMP, "--version", "1.2.4",
                  product="lamp", by="first", ok=(USAGE,))
    assert "1.2.3" in done.stderr and "1.2.4" in done.stderr
    done = submit(office, firmware, by="first", ok=(USAGE,))
    assert "say --version" in done.stderr


@pytest.mark.parametrize("words, why", [
    (["--officer", "k", "--statement", "s"], "exclude each other"),
    (["--unread"], "nothing to do"), (["--out", "-"], "is a directory"),
    (["--expires", "0"], "--expires")])
def test_what_makes_no_sense(office, firmware, version, words, why):
    more = [] if "--officer" in words or "--unread" in words or (
        "--out" in words) else ["--officer", office.keys["first"]]
    done = submit(office, firmware, "--version", version, *words, *more,
                  ok=(USAGE,))
    assert why in done.stderr


def test_an_empty_image(office, workdir, version):
    (workdir / "empty").write_bytes(b"")
    submit(office, workdir / "empty", "--version", version, ok=(DATA,))


# ---------------------------------------------------------------- fetched again

def test_fetched_twice(office, firmware, workdir, version):
    said = json.loads(submit(
        office, firmware, "--version", version, "--out", workdir / "one",
        "--json", by="first").stdout)
    done = fetch(office, f"demo@{version}", workdir / "two", ok=(REFUSED,))
    assert "image-not-kept" in done.stderr and "--image" in done.stderr
    assert not (workdir / "two").exists()
    fetch(office, said["id"][:8], workdir / "two", "--image", firmware)
    for name in ("firmware.bin", "sha256-ecdsa.sig"):
        assert (workdir / "one" / name).read_bytes() == (
            workdir / "two" / name).read_bytes()
    (workdir / "other").write_bytes(firmware.read_bytes() + b"!")
    done = fetch(office, f"demo@{version}", workdir / "three", "--image",
                 workdir / "other", ok=(NO,))
    assert "another image" in done.stderr
    assert not (workdir / "three").exists()


def test_files_are_kept_without_force(office, firmware, workdir, version):
    out = workdir / "out"
    out.mkdir()
    (out / "firmware.bin").write_text("mine")
    done = submit(office, firmware, "--version", version, "--out", out,
                  by="first", ok=(USAGE,))
    assert ": file-exists: " in done.stderr
    assert (out / "firmware.bin").read_text() == "mine"
    assert office.json("release", "list", "--product", "demo")[
        "releases"] == [r for r in office.json("release", "list")["releases"]
                        if r["product"] == "demo" and r["version"] != version]
    submit(office, firmware, "--version", version, "--out", out, "--force",
           by="first")
    assert (out / "firmware.bin").read_bytes() == firmware.read_bytes()


@pytest.mark.parametrize("name, status", [
    ("demo@never", NO), ("demo", USAGE), ("abcdef0", USAGE), ("@1", USAGE),
    ("demo@", USAGE), ("0" * 64, NO), ("0" * 65, USAGE)])
def test_fetch_of_nothing(office, workdir, name, status):
    fetch(office, name, workdir / "out", ok=(status,))


# ---------------------------------------------------------------- without images

def test_fetched_for_people(office, firmware, workdir, version):
    """In a few lines; and never onto a file."""
    release = f"demo@{version}"
    submit(office, firmware, "--version", version, by="first")
    done = fetch(office, release, firmware, ok=(DATA,))
    assert f"{firmware} is not a directory" in done.stderr
    lines = fetch(office, release, workdir / "out").stdout.splitlines()
    assert "signings: sha256-ecdsa" in lines


def test_an_image_that_stays_away(office, firmware, workdir, version):
    out = workdir / "out"
    submit(office, firmware, "--version", version, "--unread", "--scheme",
           "sha256-ecdsa", "--out", out, product="away", by="first")
    assert json.loads((out / "release.json").read_text())[
        "format"] == "unread"
    run("openssl", "dgst", "-sha256", "-verify",
        keys(office, workdir) / "codesign.pub.pem", "-signature",
        out / "sha256-ecdsa.sig", firmware)


def test_who_may_not_read_the_policy_says_the_signings(office, firmware,
                                                       version):
    done = submit(office, firmware, "--version", version, "--unread",
                  product="away", by="first", ok=(REFUSED,))
    assert "role-not-allowed" in done.stderr and "--scheme" in done.stderr
    done = submit(office, firmware, "--version", version, "--unread",
                  "--scheme", "md5", product="away", by="first",
                  ok=(REFUSED,))
    assert "scheme-not-allowed" in done.stderr


# ---------------------------------------------------------------- cut connections

class Cutting:
    """Between a client and the appliance; its first connections end when so
    many bytes have come."""

    def __init__(self, address, *limits):
        self.address, self.limits = address, list(limits)
        self.came = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            limit = self.limits.pop(0) if self.limits else None
            self.came.append(0)
            threading.Thread(target=self.carry, daemon=True, args=(
                client, len(self.came) - 1, limit)).start()

    def carry(self, client, number, limit):
        with closing(client), closing(
                socket.create_connection(self.address)) as server:
            back = threading.Thread(target=self.give_back, daemon=True,
                                    args=(server, client))
            back.start()
            try:
                while data := client.recv(16384):
                    self.came[number] += len(data)
                    if limit is not None and self.came[number] > limit:
                        client.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
                        # Closing alone waits for who reads from it.
                        server.shutdown(socket.SHUT_RDWR)
                        return
                    server.sendall(data)
            except OSError:
                pass

    def give_back(self, server, client):
        try:
            while data := server.recv(16384):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


def test_an_upload_goes_on_behind_what_came(office, workdir, version):
    image = workdir / "big"
    image.write_bytes(b"F" + os.urandom(6_000_000))
    proxy = Cutting(office.mint.address, 2_000_000, 2_000_000)
    identity = workdir / "identity"
    shutil.copytree(office.mint.identity("release"), identity)
    (identity / "appliance").write_text(f"127.0.0.1:{proxy.port} localhost\n")
    try:
        mintmark("release", "submit", image, "--identity", identity,
                 "--product", "demo", "--version", version, "--officer",
                 office.keys["first"], "--out", workdir / "out")
    finally:
        proxy.close()
    # Some may have come too early, before the lost one's end was seen.
    first, second, third = [n for n in proxy.came if n > 100_000][:3]
    assert first > 2_000_000 and second > 2_000_000
    assert third < 5_000_000  # not from the beginning
    assert (workdir / "out/firmware.bin").read_bytes() == image.read_bytes()


def test_nobody_waits_for_ever_where_nothing_arrives(office, firmware,
                                                     workdir, version):
    proxy = Cutting(office.mint.address, *[20_000] * 100)
    identity = workdir / "identity"
    shutil.copytree(office.mint.identity("release"), identity)
    (identity / "appliance").write_text(f"127.0.0.1:{proxy.port} localhost\n")
    try:
        done = mintmark("release", "submit", firmware, "--identity", identity,
                        "--product", "demo", "--version", version, "--wait",
                        "1", ok=(69, 75))
    finally:
        proxy.close()
    assert ": appliance-away: " in done.stderr


def test_progress_on_a_terminal(office, workdir, version):
    image = workdir / "big"
    image.write_bytes(b"F" + os.urandom(16_000_000))
    terminal = Terminal(
        MINTMARK, "release", "submit", image, "--identity",
        office.mint.identity("release"), "--product", "demo", "--version",
        version)
    status, shown = terminal.end()
    assert status == 0 and "state: kept" in shown


# ------------------------------------------------------------------ two officers

def test_two_approve_from_builds_of_their_own(strict, firmware, workdir,
                                              version):
    release = f"demo@{version}"
    done = submit(strict, firmware, "--version", version)
    assert f"`mintmark release approve {release} --image FILE" in done.stderr
    assert f"`mintmark release fetch {release} --out DIR`" in done.stderr
    said = json.loads(submit(strict, firmware, "--version", version, "--json",
                             "--out", workdir / "fw", by="ada").stdout)
    assert said["state"] == "waiting" and said["statement"]["missing"] == 1
    assert not (workdir / "fw").exists()
    done = fetch(strict, release, workdir / "fw", ok=(NO,))
    assert "waits for 1 more" in done.stderr
    other = workdir / "other"
    other.write_bytes(changed(firmware.read_bytes()))
    strict.refused("statement-differs", "release", "approve", release,
                   "--image", other, "--yes", by="bob")
    strict.refused("statement-differs", "release", "approve",
                   said["id"][:12], "--image", other, "--yes", by="bob")
    done = strict.say("release", "approve", said["id"][:8], "--image",
                      firmware, "--yes", by="bob")
    assert hashlib.sha256(firmware.read_bytes()).hexdigest() in done.stderr
    assert "state: in-force" in done.stdout
    for officer in ("ada", "bob"):
        strict.refused("statement-replayed", "release", "approve", release,
                       "--image", firmware, "--yes", by=officer)
    fetch(strict, release, workdir / "fw")
    assert (workdir / "fw/firmware.bin").read_bytes() == (
        firmware.read_bytes())


def test_approved_before_it_is_submitted(strict, workdir):
    version = "2.0.0"
    image = workdir / "lamp"
    image.write_bytes(products.rebuilt(version=version))
    release = f"lamp@{version}"
    first = json.loads(approve(strict, release, image, "ada").stdout)
    assert first["state"] == "pending"
    assert json.loads(approve(strict, release, image, "bob").stdout)[
        "state"] == "in-force"
    done = fetch(strict, release, workdir / "fw", ok=(REFUSED,))
    assert "image-not-kept" in done.stderr
    submit(strict, image, "--out", workdir / "fw", product="lamp")
    assert (workdir / "fw/secure-boot-v2-rsa3072-sb-2.sig").is_file()


def test_approved_again_where_the_policy_wants_more(workdir):
    """What one officer had approved before it wanted two lacks one of them;
    what was signed lacks nobody."""
    version, former = "2.1.0", workdir / "former"
    former.write_bytes(products.rebuilt(version="2.0.0"))
    image = workdir / "lamp"
    image.write_bytes(products.rebuilt(version=version))
    mint = products.make(workdir)
    try:
        mint.start()
        office = Office(mint, workdir)
        submit(office, former, "--out", workdir / "one", product="lamp",
               by="first")
        assert json.loads(approve(office, f"lamp@{version}", image,
                                  "first").stdout)["state"] == "in-force"
        office.strict()
        done = submit(office, image, product="lamp")
        assert "state: kept" in done.stdout
        done = fetch(office, f"lamp@{version}", workdir / "fw", ok=(REFUSED,))
        assert "have it approved again" in done.stderr
        approve(office, f"lamp@{version}", image, "ada")
        approve(office, f"lamp@{version}", image, "bob")
        fetch(office, f"lamp@{version}", workdir / "fw")
        # The appliance has forgotten the image, and by the change the proof.
        assert office.json("release", "show", "lamp@2.0.0",
                           identity="release")["state"] == "signed"
        said = json.loads(submit(office, former, "--json", "--out",
                                 workdir / "two", product="lamp").stdout)
        assert said["state"] == "signed"
        for name in ("firmware.bin", "sha256-ecdsa.sig"):
            assert (workdir / "one" / name).read_bytes() == (
                workdir / "two" / name).read_bytes()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()


def test_one_scheme_s_digest_is_another(strict, workdir):
    """A statement that says the right image, and a wrong digest of it."""
    mint, version = strict.mint, "3.0.0"
    image = products.rebuilt(version=version)
    sha256 = hashlib.sha256(image).digest()
    statement = mint.state("release", mm.release_body(
        image, product="lamp", version=version, digests={
            "secure-boot-v2-rsa3072:sb-1": bytes(32),
            "secure-boot-v2-rsa3072:sb-2": bytes(32),
            "sha256-ecdsa": sha256}))
    with mint.client("officer") as client:
        client.statement([statement])
    (workdir / "image").write_bytes(image)
    line = strict.refused("statement-differs", "release", "approve",
                          f"lamp@{version}", "--image", workdir / "image",
                          "--yes", by="ada")
    assert "secure-boot-v2-rsa3072:sb-1" in line
    strict.say("release", "withdraw", f"lamp@{version}", "--yes", by="bob")


def test_a_version_that_the_image_does_not_say(strict):
    strict.refused("statement-differs", "release", "approve", "lamp@9.9.9",
                   "--image", products.LAMP, "--yes", by="ada")


def test_withdrawn(strict, firmware, workdir, version):
    release = f"demo@{version}"
    submit(strict, firmware, "--version", version, by="ada")
    assert any(r["version"] == version and r["state"] == "waiting"
               for r in strict.json("release", "list", "--state", "waiting")[
                   "releases"])
    shown = strict.json("release", "show", release)
    assert shown["state"] == "waiting" and shown["officers"] == ["ada"]
    assert shown["entry"]["index"] == shown["index"]
    # An engineer may not read the log, and is told what waits.
    before = refusals(strict.mint, "release", "role-not-allowed")
    del shown["entry"]
    for name in (release, shown["id"][:8]):
        assert strict.json("release", "show", name,
                           identity="release") == shown
    assert refusals(strict.mint, "release", "role-not-allowed") == before
    assert strict.json("release", "withdraw", release, "--yes",
                       by="bob")["state"] == "in-force"
    assert not any(r["version"] == version
                   for r in strict.json("release", "list")["releases"])
    fetch(strict, release, workdir / "fw", ok=(NO,))
    strict.say("release", "withdraw", release, "--yes", by="bob", ok=(NO,))


def test_show_of_what_nobody_has_stated(office, firmware, version):
    submit(office, firmware, "--version", version)
    for identity in ("officer", "release"):
        line = office.refused("not-found", "release", "show",
                              f"demo@{version}", identity=identity, status=NO)
        assert f"demo {version}" in line and "release list" in line


def test_what_is_signed_is_not_withdrawn(office, firmware, version):
    submit(office, firmware, "--version", version, by="first")
    line = office.refused("release-already-signed", "release", "withdraw",
                          f"demo@{version}", "--yes", by="first")
    assert "higher version" in line


def test_the_same_is_not_stated_twice(strict, firmware, version):
    submit(strict, firmware, "--version", version, by="ada")
    done = submit(strict, firmware, "--version", version, by="bob",
                  ok=(REFUSED,))
    assert "statement-replayed" in done.stderr
    assert "release approve" in done.stderr


def test_an_image_from_stdin(strict, firmware, version):
    submit(strict, firmware, "--version", version, by="ada")
    with open(firmware, "rb") as file:
        assert json.loads(approve(strict, f"demo@{version}", "-", "bob",
                                  stdin=file).stdout)["state"] == "in-force"


def test_shown_and_listed(office, firmware, workdir, version):
    submit(office, firmware, "--version", version, by="first")
    release = f"demo@{version}"
    for identity in ("officer", "auditor", "release"):
        shown = office.json("release", "show", release, identity=identity)
        assert shown["state"] in ("approved", "signed")
        assert shown["sha256"] == hashlib.sha256(
            firmware.read_bytes()).hexdigest()
    fetch(office, release, workdir / "fw")
    shown = office.json("release", "show", release)
    assert shown["state"] == "signed" and not shown["kept"]
    assert shown["entry"]["kind"] == "release"
    assert office.json("release", "show", shown["id"][:16]) == shown
    listed = [r for r in office.json("release", "list", "--product", "demo",
                                     "--state", "signed")["releases"]
              if r["version"] == version]
    assert listed == [{k: v for k, v in shown.items() if k != "entry"}]
    office.say("release", "list", "--state", "odd", ok=(USAGE,))


# ------------------------------------------------------------- statements brought

def test_statements_made_elsewhere(strict, firmware, workdir, version):
    mint = strict.mint
    image = firmware.read_bytes()
    payload = mm.claim(mint.origin, "release",
                       mm.release_body(image, version=version))
    paths = []
    for name in ("ada", "bob"):
        officer = mm.Officer.read(strict.keys[name])
        paths.append(workdir / name)
        paths[-1].write_bytes(officer.sign_payload(payload))
    both = f"{paths[0]},{paths[1]}"
    (workdir / "other").write_bytes(changed(image))
    done = submit(strict, workdir / "other", "--version", version,
                  "--statement", both, ok=(REFUSED,))
    assert "statement-differs" in done.stderr
    submit(strict, firmware, "--version", version, "--statement", both,
           "--out", workdir / "fw")
    assert (workdir / "fw/firmware.bin").read_bytes() == image
