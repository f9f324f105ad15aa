"""Firmware images offline: what `mintmark image` says of the vendors' tools'
vectors, its exit codes, and `openssl dgst` beside it."""

import base64
import json
import os
import re
import subprocess
import zlib

import pytest

from mint import VECTORS, mintmark

YES, NO, USAGE, DATA, REFUSED = 0, 1, 64, 65, 77
ESP = VECTORS / "esp"
KEYS = ESP / "keys"


def rows(directory, index):
    """The rows of an index, of its paths the whole."""
    lines = (ESP / directory / index).read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def named(cases):
    return {"argvalues": cases, "ids": [case[0] for case in cases]}


def at(directory, name):
    return ESP / directory / name


def key(name):
    return KEYS / f"TEST-ONLY-{name}"


def verify(scheme, image, *more, **expect):
    return mintmark("image", "verify", "--scheme", scheme, *more, image,
                    **expect)


def result(expect):
    return {"ok": (YES if expect == "ok" else NO,)}


# --------------------------------------------------------- verify, by vectors

@pytest.mark.parametrize("case", **named(rows("secure_boot_v1",
                                              "verify.tsv")))
def test_secure_boot_v1(case):
    _, expect, pubkey, image = case
    done = verify("secure-boot-v1", at("secure_boot_v1", image), "--pubkey",
                  at("secure_boot_v1", pubkey), **result(expect))
    assert expect == "ok" or "image-signature-wrong" in done.stderr


@pytest.mark.parametrize("case", **named(rows("secure_boot_v2",
                                              "verify.tsv")))
def test_secure_boot_v2(case):
    _, expect, pubkey, image, _ = case
    done = verify("secure-boot-v2", at("secure_boot_v2", image), "--pubkey",
                  at("secure_boot_v2", pubkey), **result(expect))
    assert expect == "ok" or "image-signature-wrong" in done.stderr


@pytest.mark.parametrize("case", **named(rows("aws_ota", "verify.tsv")))
def test_ota_as_openssl_has_it(case, workdir):
    name, expect, certificate, image, signature = case
    certificate, image, signature = (
        at("aws_ota", x) for x in (certificate, image, signature))
    verify("sha256-ecdsa", image, "--cert", certificate, "--signature",
           signature, **result(expect))
    public = workdir / "pub.pem"
    public.write_bytes(subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-pubkey"],
        capture_output=True, check=True).stdout)
    verify("sha256-ecdsa", image, "--pubkey", public, "--signature",
           signature, **result(expect))
    openssl = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", public, "-signature",
         signature, image], capture_output=True, check=False)
    # openssl reads no more of the signature than it could need.
    if name != "bad_trailing":
        assert (openssl.returncode == 0) == (expect == "ok")


# The scheme is ES256 over a file without external data: EdDSA, external_aad
# and SUIT envelopes are left out.
@pytest.mark.parametrize("case", **named(
    [r for r in rows("cose_suit", "verify.tsv")
     if not r[0].startswith(("ed_", "suit_"))]))
def test_cose_sign1(case):
    name, expect, pubkey, payload, aad, message, _ = case
    if (ESP / "cose_suit" / aad).read_bytes():
        expect = "fail"
    payload = "cose_basic.payload" if payload == "-" else payload
    verify("cose-sign1", at("cose_suit", payload), "--pubkey",
           at("cose_suit", pubkey), "--signature", at("cose_suit", message),
           **result(expect))


# A hash alone is no signature, and imgtool, which leaves the key's hash to the
# bootloader, takes `fail_strict`.
@pytest.mark.parametrize("case", **named(
    [r for r in rows("mcuboot", "verify.tsv") if r[2] != "-"]))
def test_mcuboot(case):
    _, expect, pubkey, image = case
    verify("mcuboot", at("mcuboot", image), "--pubkey",
           at("mcuboot", pubkey), **result(expect))


def test_mcuboot_keys_by_their_hash():
    digest = at("mcuboot", "keyhash.bin").read_bytes().hex()
    image = at("mcuboot", "sig_p256_fullpub.bin")
    verify("mcuboot", image, "--key-digest", digest)
    verify("mcuboot", image, "--key-digest", "00" + digest[2:], ok=(NO,))
    # The others have the hash, but not the key that one needs.
    for other in ("sig_p256.bin", "hash_min.bin"):
        verify("mcuboot", at("mcuboot", other), "--key-digest", digest,
               ok=(NO,))


@pytest.mark.parametrize("name,pubkey", [
    ("signed_p256.bin", "sbv2-p256-1.pub.pem"),
    ("signed_rsa.bin", "sbv2-rsa1.pub.pem")])
def test_secure_cert_partitions(name, pubkey, workdir):
    image = at("secure_cert", name)
    verify("secure-cert", image, "--pubkey", key(pubkey))
    verify("secure-cert", image, "--pubkey", key("sbv2-rsa-other.pub.pem"),
           ok=(NO,))
    changed = bytearray(image.read_bytes())
    changed[100] ^= 1
    (workdir / "changed.bin").write_bytes(changed)
    verify("secure-cert", workdir / "changed.bin", "--pubkey", key(pubkey),
           ok=(NO,))


def test_a_job_documents_signature_verifies(workdir):
    for chip in ("esp32", "c3"):
        job = json.loads(at("aws_ota", f"app_{chip}.job.json").read_text())
        file = job["execution"]["jobDocument"]["afr_ota"]["files"][0]
        signature = workdir / "signature.b64"
        for text in (file["sig-sha256-ecdsa"],
                     file["sig-sha256-ecdsa"] + "\n"):
            signature.write_text(text)
            verify("sha256-ecdsa", at("aws_ota", f"in/app_{chip}.bin"),
                   "--cert", key("csk-p256.crt.pem"), "--signature",
                   signature)
        signature.write_text(text[:-5])
        verify("sha256-ecdsa", at("aws_ota", f"in/app_{chip}.bin"), "--cert",
               key("csk-p256.crt.pem"), "--signature", signature, ok=(NO,))


# ------------------------------------------------------- verify, its manners

def test_what_verified_is_told():
    image = at("secure_boot_v2", "rsa_x3.bin")
    good = verify("secure-boot-v2", image, "--json", "--pubkey",
                  key("sbv2-rsa2.pub.pem"))
    assert json.loads(good.stdout) == {
        "file": str(image), "scheme": "secure-boot-v2", "verified": True}
    bad = verify("secure-boot-v2", image, "--json", "--pubkey",
                 key("sbv2-p256-1.pub.pem"), ok=(NO,))
    told = json.loads(bad.stdout)
    assert told["verified"] is False
    assert "another key" in told["reason"]
    assert told["reason"] in bad.stderr


@pytest.mark.parametrize("case", **named(rows("secure_boot_v2",
                                              "digests.tsv")))
def test_a_key_by_its_digest(case):
    pubkey, _, digest = case
    images = {r[3] for r in rows("secure_boot_v2", "verify.tsv")
              if r[1] == "ok" and r[2] == pubkey}
    for image in sorted(images):
        verify("secure-boot-v2", at("secure_boot_v2", image), "--key-digest",
               digest)
    other = "00" + digest[2:]
    verify("secure-boot-v2", at("secure_boot_v2", "rsa_x3.bin"),
           "--key-digest", other, ok=(NO,))


def test_half_a_digest_is_the_c2s_alone():
    (digest,) = [r[2] for r in rows("secure_boot_v2", "digests.tsv")
                 if r[0].endswith("sbv2-p256-1.pub.pem")]
    done = verify("secure-boot-v2", at("secure_boot_v2", "p256_app.bin"),
                  "--key-digest", digest[:32], ok=(USAGE,))
    assert "ESP32-C2" in done.stderr
    for wrong in ("", "0", "zz", digest[:-2], digest + "00"):
        verify("secure-boot-v2", at("secure_boot_v2", "p256_app.bin"),
               "--key-digest", wrong, ok=(USAGE,))


def of_chip(path, number, name):
    """The image with another chip's id, its appended hash put right."""
    image = bytearray(path.read_bytes())
    image[12:14] = number.to_bytes(2, "little")
    image[-32:] = subprocess.run(
        ["openssl", "dgst", "-sha256", "-binary"], input=bytes(image[:-32]),
        capture_output=True, check=True).stdout
    name.write_bytes(image)
    return name


def sector(image, workdir):
    """The image with a V2 block of the vectors' key, by openssl and hand."""
    data = image.read_bytes()
    data += b"\xff" * (-len(data) % 4096)
    (workdir / "data").write_bytes(data)
    der = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key("sbv2-p256-1.key.pem"),
         workdir / "data"], capture_output=True, check=True).stdout
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-binary", workdir / "data"],
        capture_output=True, check=True).stdout
    r_size = der[3]
    numbers = [der[4:4 + r_size], der[6 + r_size:]]
    raw = [int.from_bytes(n, "big").to_bytes(32, "little") for n in numbers]
    model = at("secure_boot_v2", "p256_app.bin").read_bytes()[-4096:]
    block = bytearray(model[:1216])
    block[4:36] = digest
    block[101:165] = raw[0] + raw[1]
    block[1196:1200] = zlib.crc32(block[:1196]).to_bytes(4, "little")
    signed = workdir / "signed.bin"
    signed.write_bytes(data + bytes(block) + model[1216:])
    return signed


def test_the_c2_keeps_half_a_digest(workdir):
    (digest,) = [r[2] for r in rows("secure_boot_v2", "digests.tsv")
                 if r[0].endswith("sbv2-p256-1.pub.pem")]
    image = of_chip(at("aws_ota", "in/app_c3.bin"), 12, workdir / "c2.bin")
    signed = sector(image, workdir)
    assert inspect(signed)["chip"] == "esp32c2"
    verify("secure-boot-v2", signed, "--key-digest", digest[:32])
    verify("secure-boot-v2", signed, "--key-digest", digest)
    verify("secure-boot-v2", signed, "--key-digest", "00" + digest[2:32],
           ok=(NO,))


def test_a_rows_name_asks_for_its_algorithm():
    image = at("secure_boot_v2", "p256_app.bin")
    pubkey = ["--pubkey", key("sbv2-p256-1.pub.pem")]
    (digest,) = [r[2] for r in rows("secure_boot_v2", "digests.tsv")
                 if r[0].endswith("sbv2-p256-1.pub.pem")]
    verify("secure-boot-v2-ecdsa256", image, *pubkey)
    verify("secure-boot-v2-rsa3072", image, *pubkey, ok=(NO,))
    verify("secure-boot-v2-ecdsa256", image, "--key-digest", digest)
    verify("secure-boot-v2-rsa3072", image, "--key-digest", digest, ok=(NO,))


def test_what_the_command_line_must_say():
    image = at("secure_boot_v2", "p256_app.bin")
    pubkey = ["--pubkey", key("sbv2-p256-1.pub.pem")]
    mintmark("image", "verify", *pubkey, image, ok=(USAGE,))
    done = verify("md5-rsa", image, *pubkey, ok=(USAGE,))
    assert "sha256-ecdsa, secure-boot-v1, secure-boot-v2" in done.stderr
    verify("secure-boot-v2", image, ok=(USAGE,))
    verify("secure-boot-v2", image, *pubkey, "--cert",
           key("csk-p256.crt.pem"), ok=(USAGE,))
    verify("secure-boot-v2", image, *pubkey, "--signature", image,
           ok=(USAGE,))
    verify("sha256-ecdsa", image, *pubkey, ok=(USAGE,))
    verify("secure-boot-v1", image, "--key-digest", "00" * 32, ok=(NO,))


def test_files_that_cannot_be_read(workdir):
    image = at("secure_boot_v2", "p256_app.bin")
    pubkey = ["--pubkey", key("sbv2-p256-1.pub.pem")]
    empty = workdir / "empty"
    empty.touch()
    for wrong in (workdir / "absent", empty, workdir):
        verify("secure-boot-v2", wrong, *pubkey, ok=(DATA,))
        verify("secure-boot-v2", image, "--pubkey", wrong, ok=(DATA,))
        mintmark("image", "inspect", wrong, ok=(DATA,))
        mintmark("image", "digest", wrong, ok=(DATA,))
    verify("sha256-ecdsa", image, *pubkey, "--signature", workdir / "absent",
           ok=(DATA,))
    for other in ("cose-ed25519.pub.pem", "device-rsa2048.pub.pem",
                  "sbv2-p256-1.key.pem"):
        verify("secure-boot-v2", image, "--pubkey", key(other), ok=(DATA,))


@pytest.mark.parametrize("scheme,directory,name,pubkey", [
    ("secure-boot-v1", "secure_boot_v1", "data1000_signed.bin",
     "sbv1-p256.pub.pem"),
    ("secure-boot-v2", "secure_boot_v2", "pre_p256.bin",
     "sbv2-p256-1.pub.pem"),
    ("secure-boot-v2", "secure_boot_v2", "pre_rsa.bin", "sbv2-rsa1.pub.pem")])
def test_tampered_files(scheme, directory, name, pubkey, workdir):
    whole = at(directory, name).read_bytes()
    file = workdir / "image.bin"
    places = [0, 1, 63, len(whole) // 2, *range(0, len(whole), 997)]
    # Behind the blocks of V2 nothing covers the sector.
    end = len(whole) - 4096 + 1200 if scheme == "secure-boot-v2" else \
        len(whole)
    for place in sorted({p for p in places if p < end}):
        changed = bytearray(whole)
        changed[place] ^= 0x80
        file.write_bytes(changed)
        verify(scheme, file, "--pubkey", key(pubkey), ok=(NO,))
    for other in (whole[:-1], whole + b"\xff", whole + b"\0" * 4096,
                  whole[4096:] + b"x", whole + whole[:1000]):
        file.write_bytes(other)
        verify(scheme, file, "--pubkey", key(pubkey), ok=(NO,))


def test_v1_behind_more_than_the_image(workdir):
    """A good signature where the chip does not look for it is none."""
    signed = workdir / "signed.bin"
    for more, status in ((b"", YES), (b"\0", NO), (b"\xff" * 12, NO)):
        data = at("secure_boot_v1", "in/app.bin").read_bytes() + more
        der = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", key("sbv1-p256.key.pem")],
            input=data, capture_output=True, check=True).stdout
        numbers = [der[4:4 + der[3]], der[6 + der[3]:]]
        signed.write_bytes(data + bytes(4) + b"".join(
            int.from_bytes(n, "big").to_bytes(32, "big") for n in numbers))
        verify("secure-boot-v1", signed, "--pubkey",
               key("sbv1-p256.pub.pem"), ok=(status,))


def test_stdin_is_a_file_too():
    image = at("secure_boot_v2", "p256_app.bin").read_bytes()
    verify("secure-boot-v2", "-", "--pubkey", key("sbv2-p256-1.pub.pem"),
           input=image, text=False)


# ------------------------------------------------------------------- digests

@pytest.mark.parametrize("case", **named(rows("secure_boot_v2",
                                              "digests.tsv")))
def test_digests_are_the_tools(case, workdir):
    pubkey, digest_file, digest = case
    done = mintmark("image", "digest", "--json", "--out", workdir / "key",
                    at("secure_boot_v2", pubkey))
    told = json.loads(done.stdout)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", at("secure_boot_v2", pubkey),
         "-outform", "DER"], capture_output=True, check=True).stdout
    sha256 = subprocess.run(["openssl", "dgst", "-sha256", "-binary"],
                            input=der, capture_output=True,
                            check=True).stdout
    assert told["secure_boot_v2"] == digest
    assert told["spki_sha256"] == sha256.hex()
    assert (workdir / "key.digest.bin").read_bytes() == at(
        "secure_boot_v2", digest_file).read_bytes()
    assert (workdir / "key.pub.der").read_bytes() == der
    pem = (workdir / "key.pub.pem").read_text()
    assert base64.b64decode("".join(pem.splitlines()[1:-1])) == der
    p256 = told["algorithm"] == "P-256"
    assert (workdir / "key.v1.bin").exists() == p256
    assert (workdir / "key.mcuboot.c").exists() == p256
    if p256:
        assert told["mcuboot"] == sha256.hex()
        assert told["secure_boot_v2_esp32c2"] == digest[:32]
        assert (workdir / "key.keyhash.bin").read_bytes() == sha256
        assert (workdir / "key.v1.bin").read_bytes() == der[-64:]


def test_public_material_of_v1_and_no_file_twice(workdir):
    pubkey = key("sbv1-p256.pub.pem")
    mintmark("image", "digest", "--out", workdir / "v1", pubkey)
    assert (workdir / "v1.v1.bin").read_bytes() == at(
        "secure_boot_v1", "sbv1_pub_raw.bin").read_bytes()
    (workdir / "v1.digest.bin").unlink()
    done = mintmark("image", "digest", "--out", workdir / "v1", pubkey,
                    ok=(USAGE,))
    assert "file-exists" in done.stderr
    assert not (workdir / "v1.digest.bin").exists()
    mintmark("image", "digest", "--out", workdir / "v1", "--force", pubkey)
    assert (workdir / "v1.digest.bin").exists()


def test_a_certificate_has_its_keys_digest():
    told = [json.loads(mintmark("image", "digest", "--json", f).stdout)
            for f in (key("csk-p256.crt.pem"), key("csk-p256.crt.der"),
                      key("csk-p256.pub.pem"))]
    assert len({t["secure_boot_v2"] for t in told}) == 1


# ------------------------------------------------------------------- inspect

def inspect(*words):
    return json.loads(mintmark("image", "inspect", "--json", *words).stdout)


def test_inspect_tells_of_signatures():
    facts = inspect(at("secure_boot_v2", "rsa_x3.bin"))
    digests = {r[0].split("-")[-1]: r[2]
               for r in rows("secure_boot_v2", "digests.tsv")}
    assert facts["signatures"] == [
        {"family": "secure-boot-v2", "offset": 4096 + 1216 * i,
         "algorithm": "RSA-3072", "key": digests[f"rsa{i + 1}.pub.pem"],
         "sound": True} for i in range(3)]
    assert facts["length"] == 4096
    broken = inspect(at("secure_boot_v2", "bad_rsa_sig.bin"))
    assert [s["sound"] for s in broken["signatures"]] == [False]
    v1 = inspect(at("secure_boot_v1", "app_signed.bin"))
    assert v1["signatures"] == [
        {"family": "secure-boot-v1", "offset": 65456, "algorithm": "P-256",
         "sound": True}]


def test_inspect_tells_of_the_image():
    facts = inspect(at("aws_ota", "in/app_c3.bin"))
    assert facts["format"] == "esp-app"
    assert facts["chip"] == "esp32c3"
    assert facts["project"] == "demo-c3"
    assert [s["offset"] for s in facts["esp"]["segments"]][0] == 32
    assert facts["esp"]["idf"] == "v5.5.2"
    for absent in ("mcuboot", "table", "secure_cert", "signatures"):
        assert absent not in facts
    table = inspect(at("secure_boot_v1", "partition-table_signed.bin"))
    assert table["table"]["partitions"][0]["name"] == "nvs"
    said = mintmark("image", "inspect", at("aws_ota", "in/app_c3.bin")).stdout
    assert "chip: esp32c3\n" in said
    assert "    address 0x3c000020, offset 0x20, size 556\n" in said


def test_names_that_are_no_text_are_told(workdir):
    """A path is bytes; what is no UTF-8 is told in hex, and not left out."""
    image = workdir / os.fsdecode(b"a\xff.bin")
    image.write_bytes(at("secure_boot_v2", "p256_app.bin").read_bytes())
    told = {"unreadable": os.fsencode(image).hex()}
    assert inspect(image)["file"] == told
    done = mintmark("image", "inspect", image)
    assert "format: esp-app\n" in done.stdout
    done = verify("secure-boot-v2", image, "--json", "--pubkey",
                  key("sbv2-p256-1.pub.pem"))
    assert json.loads(done.stdout) == {
        "file": told, "scheme": "secure-boot-v2", "verified": True}
    public = workdir / os.fsdecode(b"\xfe.pem")
    public.write_bytes(key("sbv2-p256-1.pub.pem").read_bytes())
    done = mintmark("image", "digest", "--json", public)
    assert json.loads(done.stdout)["algorithm"] == "P-256"
    (workdir / "payload").write_bytes(b"x" * 100)
    done = mintmark("image", "mcuboot", "--json", "--version", "1",
                    workdir / "payload", workdir / os.fsdecode(b"\xfd"))
    assert json.loads(done.stdout)["size"] > 100


def keys_of(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set()


def test_every_key_is_documented():
    """The help is the schema: what may be in an answer stands there."""
    documented = set(re.findall(
        r"\w+", mintmark("image", "inspect", "--help").stdout))
    seen = set()
    for directory, names in {
            "app_image": ("c3_secure_pad_v2.bin", "esp32_irom.bin"),
            "secure_boot_v2": ("rsa_x3.bin", "p256_app.bin"),
            "secure_boot_v1": ("partition-table_signed.bin",
                               "app_signed.bin"),
            "mcuboot": ("sig_p256_seccnt.bin", "hash_deps.bin",
                        "hash_confirm.bin"),
            "secure_cert": ("signed_p256.bin", "tlv_ec_pem.bin")}.items():
        for name in names:
            seen |= keys_of(inspect(at(directory, name)))
    assert seen - documented == set()
    assert {"padded", "at_least", "key_hash", "readonly", "plain_key",
            "sound"} <= seen


def test_inspect_as_a_format(workdir):
    image = at("aws_ota", "in/app_c3.bin")
    assert inspect("--as", "esp-app", image)["format"] == "esp-app"
    assert inspect("--as", "plain", image)["format"] == "plain"
    mintmark("image", "inspect", "--as", "mcuboot", image, ok=(DATA,))
    mintmark("image", "inspect", "--as", "elf", image, ok=(DATA,))
    cut = workdir / "cut.bin"
    cut.write_bytes(image.read_bytes()[:-1])
    done = mintmark("image", "inspect", cut, ok=(DATA,))
    assert "cut.bin: at byte " in done.stderr
    assert inspect("--as", "plain", cut)["size"] == 831
