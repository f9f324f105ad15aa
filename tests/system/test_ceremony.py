"""The real thing: a mint by the word of two officers, with a token that is
there already; what comes later to its keys; and what is left after a fire."""

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import auditor
import mintmark_client as mm
from mint import (MINTMARK, ROOT, Mint, eventually, fresh, mintmark, new_csr, new_key,
                  run, spki, spki_hash, to_pem)

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "123456"
PLACES = ("state", "anchor", "log-key", "log", "index", "record", "tokens")
PEOPLE = {"ada": "officer", "bob": "officer", "station": "station",
          "auditor": "auditor"}
ORIGIN = "mint.example.com/test"

SETTINGS = """listen = {{"127.0.0.1:0"}}
state = "state"
anchor = "anchor"
log-key = "log-key"
tiles = "log"
index = "index"
token {{
	module = "{module}"
	uri = "pkcs11:token=mint"
	pin-file = "pin"
	record = "record"
	environment = {{"SOFTHSM2_CONF={dir}/softhsm2.conf"}}
	paths = {{"{dir}/softhsm2.conf", "{dir}/tokens"}}
}}
limits {{
	requests-a-minute = 0
}}
"""

KEYS = """
key "root" { use = root-ca }
key "access-ca" { use = access-ca }
key "device-ca" { use = device-ca }
key "codesign" { use = code-signing }
"""
ACCESS = """
certificate "access-ca" {
	issuer = access-ca
	profile = access-ca
	subject = "Test Access CA"
}
"""
CERTIFICATES = """
certificate "root" {
	issuer = root
	profile = root-ca
	subject = "Test Root CA"
}
certificate "device-ca" {
	issuer = root
	profile = device-ca
	subject = "Test Device CA"
}
certificate "codesign" {
	issuer = root
	profile = codesign
	subject = "Test Code Signing"
}
"""


def certificate(key, issuer, profile, subject):
    return (f'certificate "{key}" {{\n\tissuer = {issuer}\n'
            f'\tprofile = {profile}\n\tsubject = "{subject}"\n}}\n')


def request(key, profile, subject):
    return (f'request "{key}" {{\n\tprofile = {profile}\n'
            f'\tsubject = "{subject}"\n}}\n')


class House:
    """What there is before a ceremony: a token, two officers, CSRs."""

    def __init__(self, threshold=2):
        self.dir = Path(tempfile.mkdtemp(prefix="mintmark-")).resolve()
        self.mint = None
        self.make_token()
        for name in ("ada", "bob", "eve"):
            mintmark("officer", "keygen", self.key(name),
                     "--unprotected")
        for name in PEOPLE:
            mintmark("station", "request", "--identity",
                     self.dir / "homes" / name, "--csr",
                     self.dir / f"{name}.csr")
        self.write_policy(threshold)
        self.settle()

    def key(self, name):
        return self.dir / f"{name}.key"

    def make_token(self):
        (self.dir / "homes").mkdir()
        (self.dir / "tokens").mkdir()
        conf = self.dir / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.dir}/tokens\n"
                        "objectstore.backend = file\nlog.level = ERROR\n"
                        "slots.removable = false\n")
        (self.dir / "pin").write_text(PIN + "\n")
        (self.dir / "pin").chmod(0o600)
        run("softhsm2-util", "--init-token", "--free", "--label", "mint",
            "--so-pin", "12345678", "--pin", PIN,
            env={**os.environ, "SOFTHSM2_CONF": str(conf)})

    def officer(self, name):
        return mm.Officer.read(self.key(name))

    def write_policy(self, threshold):
        text = (ROOT / "conf/policy.conf").read_text()
        for kind in ("policy", "ceremony"):
            text = re.sub(rf"(\t{kind} = )1\b", rf"\g<1>{threshold}", text)
        for name in ("ada", "bob"):
            text += (f'officer "{name}" {{\n\tkey = '
                     f'"{self.officer(name).public.hex()}"\n}}\n')
        (self.dir / "policy.conf").write_text(text)

    def settle(self):
        """Empty directories and the settings of an appliance."""
        for name in PLACES:
            (self.dir / name).mkdir(mode=0o700, exist_ok=True)
        (self.dir / "appliance.conf").write_text(
            SETTINGS.format(module=MODULE, dir=self.dir))

    def people(self):
        return "".join(
            f'principal "{name}" {{\n\trole = {role}\n\tcsr = "{name}.csr"\n'
            + ("\tprofiles = {device}\n" if role == "station" else "")
            + "}\n" for name, role in PEOPLE.items())

    def write(self, *sections, name="ceremony.conf", origin=ORIGIN):
        path = self.dir / name
        path.write_text(f'origin = "{origin}"\npolicy = "policy.conf"\n'
                        'settings = "appliance.conf"\n'
                        'notes = {"Held in a test.", "Nobody was there."}\n'
                        + "".join(sections or (KEYS, ACCESS, CERTIFICATES))
                        + self.people())
        return path

    def prepare(self, file, name="payloads", **more):
        return mintmark("ceremony", "prepare", "--out", self.dir / name,
                        file, **more)

    def sign(self, *names, payloads="payloads", **more):
        """Each officer's file of signatures."""
        for name in names:
            mintmark("ceremony", "sign", "--officer", self.key(name), "--yes",
                     "--force", "--out", self.dir / f"{name}.signed",
                     self.dir / payloads, **more)
        return [self.dir / f"{name}.signed" for name in names]

    def hold(self, file, statements, payloads="payloads", out="out", **more):
        words = [w for s in statements for w in ("--statements", s)]
        return mintmark("ceremony", "run", "--payloads", self.dir / payloads,
                        *words, "--out", self.dir / out, file, **more)

    def whole(self, *sections):
        """From the file to a mint, as two officers want it."""
        file = self.write(*sections)
        self.prepare(file)
        self.hold(file, self.sign("ada", "bob"))
        return self.open()

    def open(self, out="out"):
        self.mint = Ceremonial(self, out)
        return self.mint

    def remove(self):
        if self.mint is not None and self.mint.daemon is not None:
            self.mint.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Ceremonial(Mint):
    """A mint that a ceremony made."""

    def __init__(self, house, out):
        self.house, self.out = house, house.dir / out
        self.base = self.dir = house.dir
        self.config = house.dir / "appliance.conf"
        shutil.copytree(self.out / "public", self.dir / "public",
                        dirs_exist_ok=True)
        for name in PEOPLE:
            place = self.dir / "identities" / name
            shutil.copytree(self.out / "identities" / name, place,
                            dirs_exist_ok=True)
            shutil.copy(house.dir / "homes" / name / "key.pem", place)
        self.vkey_text = (self.out / "public/log.vkey").read_text().strip()
        self.vkey = auditor.Vkey(self.vkey_text)
        self.origin = self.vkey.name
        self.officer = house.officer("ada")
        self.daemon = self.address = None
        self.heard = 0

    def client(self, name="station", **more):
        return super().client("ada" if name == "officer" else name, **more)

    def amend(self, verb, *words, officer="ada", **more):
        return mintmark("ceremony", verb, "--identity", self.identity("ada"),
                        "--officer", self.house.key(officer), *words, **more)

    def order_and_issue(self, device, key=None, profile="device", name=None):
        """A device's certificate, and the order it is under."""
        name = name or self.new_order(profile=profile)
        with self.client("station") as station:
            return station.issue(name, device, new_csr(key or new_key()),
                                 profile)

    def new_order(self, profile="device", **more):
        name = fresh("order")
        statement = self.state("order", mm.order_body(
            name, 100, ["station"], pattern="*", profile=profile, **more))
        with self.client("officer") as officer:
            officer.statement([statement])
        return name


@pytest.fixture
def house():
    place = House()
    try:
        yield place
    finally:
        place.remove()


def nothing_begun(house):
    assert not (house.dir / "out").exists()
    for name in ("state", "log", "log-key", "index"):
        assert list((house.dir / name).iterdir()) == []


def to_der(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(
        serialization.Encoding.DER)


def verify(chain, leaf, root):
    """openssl's word for it."""
    run("openssl", "verify", "-x509_strict", "-CAfile", root,
        *(w for c in chain for w in ("-untrusted", c)), leaf)


def test_from_nothing_to_a_device(house):
    mint = house.whole()
    public = mint.out / "public"
    assert sorted(p.name for p in public.iterdir()) == [
        "access-ca.pem", "codesign.pem", "device-ca.pem", "log.vkey",
        "root.pem"]
    verify([], public / "device-ca.pem", public / "root.pem")
    verify([], public / "codesign.pem", public / "root.pem")
    mint.start()
    answer = mint.order_and_issue("device-1")
    leaf = house.dir / "device-1.pem"
    leaf.write_bytes(to_pem(answer[1]))
    verify([public / "device-ca.pem"], leaf, public / "root.pem")
    mint.stop()
    mint.audit()


RSA_KEY = 'key "sb-rsa" { use = code-signing algorithm = RSA-3072 }\n'
BOOT_KEYS = RSA_KEY + 'key "sb-ec" { use = code-signing }\n'


def hash_on_record(text, name):
    """SHA-256 of a key's SubjectPublicKeyInfo, as the paper has it."""
    return re.search(rf"^  {name}, entry \d+\n    ([0-9a-f]{{64}})$", text,
                     re.M).group(1)


def test_keys_of_secure_boot_have_no_certificate(house):
    """At the birth and later; the log's other auditor knows their kind."""
    mint = house.whole(KEYS, BOOT_KEYS, ACCESS, CERTIFICATES)
    text = (mint.out / "record.txt").read_text()
    assert "  sb-rsa, for code-signing, RSA-3072\n" in text
    assert "  sb-ec, for code-signing\n" in text
    assert hash_on_record(text, "sb-rsa") != hash_on_record(text, "sb-ec")
    assert not list((mint.out / "public").glob("sb-*"))
    mint.start()
    index = in_force(mint, later(house, RSA_KEY.replace("sb-rsa", "sb-2")))
    fetch(mint, index, "made")
    text = mintmark("ceremony", "record", "--identity",
                    mint.identity("auditor"), "--at", index).stdout
    assert "  sb-2, for code-signing, RSA-3072\n" in text
    assert hash_on_record(text, "sb-2")
    mint.order_and_issue("device-1")
    # It cannot sign a CSR, of which a later file cannot know.
    done = mint.amend("amend", later(house, request(
        "sb-2", "codesign", "Secure Boot")), ok=None)
    assert done.returncode != 0 and "key-unsupported" in done.stderr, done.stderr
    mint.restart()
    mint.order_and_issue("device-2")
    mint.stop()
    mint.audit()


def test_quickstart_makes_keys_of_secure_boot():
    mint = Mint(options=["--signing-key", "sb-1:RSA-3072,sb-2"])
    try:
        public = mint.dir / "public"
        keys = {name: serialization.load_pem_public_key(
            (public / f"{name}.pub.pem").read_bytes())
            for name in ("sb-1", "sb-2")}
        assert keys["sb-1"].key_size == 3072
        assert keys["sb-1"].public_numbers().e == 65537
        assert keys["sb-2"].curve.name == "secp256r1"
        text = mintmark("ceremony", "record", "--key", public / "log.vkey",
                        mint.dir / "log").stdout
        for name, key in keys.items():
            der = key.public_bytes(
                serialization.Encoding.DER,
                serialization.PublicFormat.SubjectPublicKeyInfo)
            assert hash_on_record(text, name) == sha256(der).hexdigest()
        mint.audit()
    finally:
        mint.remove()


def test_what_is_to_be_signed_is_shown(house):
    said = house.prepare(house.write()).stderr
    for text in (ORIGIN, "root, for root-ca", '"Test Device CA"',
                 "Nobody was there.", "Principal station, station",
                 house.officer("ada").public.hex(),
                 house.officer("bob").kid.hex()):
        assert text in said, text
    seen = mintmark("ceremony", "sign", "--officer", house.key("ada"),
                    "--yes", "--out", house.dir / "ada.signed",
                    house.dir / "payloads").stderr
    assert seen == said


def test_one_of_two_is_not_enough(house):
    file = house.write()
    house.prepare(file)
    said = house.hold(file, house.sign("ada"), ok=(77,)).stderr
    assert "statement-too-few" in said
    nothing_begun(house)


def test_an_interrupt_is_told(house):
    """The mint is there with its papers, or is not and that is said."""
    file = house.write()
    house.prepare(file)
    words = [w for s in house.sign("ada", "bob") for w in ("--statements", s)]
    with subprocess.Popen(
            [MINTMARK, "ceremony", "run", "--payloads",
             house.dir / "payloads", *words, "--out", house.dir / "out", file],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True) as running:
        eventually(lambda: any((house.dir / "state").iterdir()), "a log")
        os.killpg(running.pid, signal.SIGINT)
        said = running.communicate()[1]
    made = (house.dir / "out").exists()
    assert running.returncode == (0 if made else 69), said
    assert ("record.txt" if made else "before another try") in said


def test_one_officer_does_not_count_twice(house):
    file = house.write()
    house.prepare(file)
    house.hold(file, house.sign("ada") * 2, ok=(77,))
    nothing_begun(house)


def test_no_signature_at_all(house):
    file = house.write()
    house.prepare(file)
    house.hold(file, [], ok=(64,))
    nothing_begun(house)


def test_somebody_else_cannot_sign(house):
    file = house.write()
    house.prepare(file)
    done = mintmark("ceremony", "sign", "--officer", house.key("eve"),
                    "--yes", "--out", house.dir / "eve.signed",
                    house.dir / "payloads", ok=(77,))
    assert "statement-unknown-officer" in done.stderr
    assert not (house.dir / "eve.signed").exists()


def test_somebody_else_who_signs_anyway(house):
    """With a program of her own."""
    file = house.write()
    house.prepare(file)
    payloads = mm.decode((house.dir / "payloads").read_bytes())[4]
    eve = house.officer("eve")
    (house.dir / "eve.signed").write_bytes(mm.encode(
        {0: "mintmark ceremony statements 1",
         1: [eve.sign_payload(p[0]) for p in payloads]}))
    said = house.hold(file, house.sign("ada") + [house.dir / "eve.signed"],
                      ok=(77,)).stderr
    assert "statement-unknown-officer" in said
    nothing_begun(house)


def test_payloads_that_changed_after_signing(house):
    file = house.write()
    house.prepare(file)
    signed = house.sign("ada", "bob")
    house.prepare(file, "again")  # the same, with other nonces
    said = house.hold(file, signed, "again", ok=(77,)).stderr
    assert "statement-differs" in said
    nothing_begun(house)


def test_a_file_that_changed_after_signing(house):
    file = house.write()
    house.prepare(file)
    signed = house.sign("ada", "bob")
    good = file.read_text()
    for before, after in (("Test Device CA", "Other Device CA"),
                          ("Nobody was", "Somebody was"),
                          (ORIGIN, ORIGIN + "2")):
        file.write_text(good.replace(before, after))
        said = house.hold(file, signed, ok=(77,)).stderr
        assert "statement-differs" in said
    file.write_text(good)
    shutil.copy(house.dir / "ada.csr", house.dir / "saved.csr")
    mintmark("station", "request", "--identity", house.dir / "homes/other",
             "--csr", house.dir / "ada.csr", "--force")
    house.hold(file, signed, ok=(77,))
    nothing_begun(house)
    shutil.copy(house.dir / "saved.csr", house.dir / "ada.csr")
    house.hold(file, signed)


def test_payloads_with_another_key_inside(house):
    """The principal's key in them is the one that its claim names."""
    house.prepare(house.write())
    place = house.dir / "payloads"
    paper = mm.decode(place.read_bytes())
    paper[4][1][1] = spki(new_key())
    place.write_bytes(mm.encode(paper))
    done = mintmark("ceremony", "sign", "--officer", house.key("ada"),
                    "--yes", "--out", house.dir / "ada.signed", place,
                    ok=(77,))
    assert "statement-differs" in done.stderr


@pytest.mark.parametrize("broken, word", [
    (lambda t: t.replace('key "device-ca" { use = device-ca }', ""),
     "no key"),
    (lambda t: t.replace("profile = codesign", "profile = nobody"),
     "nobody"),
    (lambda t: t.replace("profile = codesign", "profile = device-ca"),
     "does not fit"),
    (lambda t: t.replace("issuer = root\n\tprofile = device-ca",
                         "issuer = codesign\n\tprofile = device-ca"),
     "code signing"),
    (lambda t: t.replace("use = root-ca", "use = root-ca algorithm = RSA-3072"),
     "only a key for code signing may be RSA-3072"),
    (lambda t: t.replace("use = code-signing",
                         "use = code-signing algorithm = RSA-3072").replace(
         "issuer = root\n\tprofile = codesign",
         "issuer = codesign\n\tprofile = codesign"),
     "neither certificates nor CSRs"),
    (lambda t: t.replace("use = code-signing",
                         "use = code-signing algorithm = RSA-4096"),
     "P-256, RSA-3072"),
    (lambda t: t.replace("role = officer", "role = auditor"), "officer"),
    (lambda t: t.replace('"policy.conf"', '"nowhere.conf"'), "nowhere"),
    (lambda t: t + 'retire = {"root"}\n', "retire"),
    (lambda t: t + "surprise = 1\n", "surprise"),
])
def test_a_file_that_makes_no_mint(house, broken, word):
    file = house.write()
    file.write_text(broken(file.read_text()))
    done = house.prepare(file, ok=None)
    assert done.returncode in (65, 77, 78), done.stderr
    assert word in done.stderr
    assert not (house.dir / "payloads").exists()


def test_the_record_is_the_same_at_any_time(house):
    mint = house.whole()
    paper = (mint.out / "record.txt").read_bytes()
    text = paper.decode()
    fingerprint = run("openssl", "x509", "-in", mint.out / "public/root.pem",
                      "-noout", "-fingerprint", "-sha256").stdout
    fingerprint = fingerprint.split("=")[1].strip().replace(":", "").lower()
    for part in (ORIGIN, mint.vkey_text, fingerprint, "Held in a test.",
                 house.officer("ada").kid.hex(),
                 house.officer("bob").kid.hex(), "(signature, date)"):
        assert part in text, part
    for name, role in (("station", "station"), ("ada", "officer")):
        key = (mint.identity(name) / "certificate.pem").read_bytes()
        key = x509.load_pem_x509_certificate(key).public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        assert (f"Principal {name}, {role}\n  key      "
                f"{sha256(key).hexdigest()}\n") in text, text
    mint.start()
    mint.order_and_issue("device-1")
    again = mintmark("ceremony", "record", "--identity",
                     mint.identity("auditor"), text=False).stdout
    assert again == paper
    mint.restart()
    mint.order_and_issue("device-2")
    mint.stop()
    offline = mintmark("ceremony", "record", "--key",
                       mint.dir / "public/log.vkey", mint.dir / "log",
                       text=False).stdout
    assert offline == paper


# --- on a running mint ---

def in_force(mint, file, *words):
    """Two officers state it; gives the ceremony's entry."""
    mint.amend("amend", file, *words)
    return approve(mint)


def approve(mint, officer="bob"):
    with mint.client("officer") as client:
        rows = client.pending()
    said = mintmark("ceremony", "approve", "--identity",
                    mint.identity("bob"), "--officer",
                    mint.house.key(officer), "--yes", "--json",
                    rows[0][0].hex())
    answer = json.loads(said.stdout)
    assert answer["state"] == "in-force", answer
    return answer["index"]


def fetch(mint, index, where):
    """What a ceremony made, as soon as it is carried out."""
    where = mint.house.dir / where
    eventually(lambda: mintmark(
        "ceremony", "fetch", "--identity", mint.identity("auditor"), "--at",
        index, "--out", where, ok=None).returncode == 0,
        f"the ceremony of entry {index}")
    return where


def later(house, *sections):
    path = house.dir / f"{fresh('later')}.conf"
    path.write_text("".join(sections))
    return path


def change_policy(mint, change):
    """Another policy, as ada and bob want it."""
    path = mint.house.dir / "policy.conf"
    number = int(re.search(r"^number = (\d+)", path.read_text(),
                           re.M).group(1)) + 1
    text = re.sub(r"^number = \d+", f"number = {number}",
                  change(path.read_text()), flags=re.M)
    path.write_text(text)
    mintmark("policy", "propose", "--identity", mint.identity("ada"),
             "--officer", mint.house.key("ada"), path)
    with mint.client("officer") as client:
        payload = client.pending()[0][0].hex()
    mintmark("policy", "approve", "--identity", mint.identity("bob"),
             "--officer", mint.house.key("bob"), "--yes", payload)
    with mint.client("auditor") as client:
        eventually(lambda: client.status()[4] == number, "the new policy")


def second_profile(text):
    """The same as `device`, by device-ca-2."""
    device = re.search(r'^profile "device" \{.*?^\}\n', text, re.M | re.S)
    return text + device.group(0).replace(
        '"device"', '"device-2"').replace("= device-ca", "= device-ca-2")


def may_ask_for(mint, *profiles):
    """The station, registered for these."""
    key = serialization.load_pem_private_key(
        (mint.identity("station") / "key.pem").read_bytes(), None)
    statement = mint.state("principal", mm.principal_body(
        "station", "station", spki_hash(key), profiles=profiles))
    with mint.client("officer") as client:
        client.statement([statement])


def test_two_device_cas_in_service(house):
    mint = house.whole()
    mint.start()
    old = mint.order_and_issue("device-1")
    file = later(house, 'key "device-ca-2" { use = device-ca }\n',
                 certificate("device-ca-2", "root", "device-ca",
                             "Test Device CA 2"))
    place = fetch(mint, in_force(mint, file), "second")
    assert sorted(p.name for p in place.iterdir()) == [
        "device-ca-2.pem", "log.vkey", "record.txt"]
    root = mint.out / "public/root.pem"
    verify([], place / "device-ca-2.pem", root)
    change_policy(mint, second_profile)
    may_ask_for(mint, "device", "device-2")
    for i, (profile, ca) in enumerate(
            [("device", mint.out / "public/device-ca.pem"),
             ("device-2", place / "device-ca-2.pem")]):
        answer = mint.order_and_issue(f"device-1{i}", profile=profile)
        leaf = house.dir / f"leaf-{i}.pem"
        leaf.write_bytes(to_pem(answer[1]))
        verify([ca], leaf, root)
    mint.restart()
    with mint.client("station") as station:
        assert station.show("device-1")[1] == old[1]
    record = mintmark("ceremony", "record", "--identity",
                      mint.identity("auditor"), "--at",
                      mm_index(mint, 17)).stdout
    assert record == (place / "record.txt").read_text()
    mint.stop()
    mint.audit()


def mm_index(mint, kind):
    """Of the newest entry of a kind."""
    return [i for i, e in enumerate(mint.entries()) if e[0] == kind][-1]


def test_a_key_that_a_profile_needs_is_not_retired(house):
    mint = house.whole()
    mint.start()
    file = later(house, 'retire = {"device-ca"}\n')
    done = mint.amend("amend", file, ok=(77,))
    assert "policy-locks-out" in done.stderr
    mint.order_and_issue("device-1")


def test_a_retired_key_signs_nothing_more(house):
    mint = house.whole()
    mint.start()
    place = fetch(mint, in_force(
        mint, later(house, 'retire = {"codesign"}\n')), "gone")
    assert "Retired keys" in (place / "record.txt").read_text()
    again = later(house, certificate("codesign", "root", "codesign", "Again"))
    done = mint.amend("amend", again, ok=None)
    assert done.returncode == 77 and "retired" in done.stderr, done.stderr
    mint.stop()
    mint.audit()


def test_a_later_file_has_no_beginning(house):
    mint = house.whole()
    mint.start()
    done = mint.amend("amend", later(house, 'origin = "a.example/b"\n'),
                      ok=(65,))
    assert "origin" in done.stderr


# --- a root outside ---

EXTENSIONS = """basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = {ski}
authorityKeyIdentifier = keyid
"""


def outside_root(where):
    key, crt = where / "corporate.key", where / "corporate.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", crt,
        "-subj", "/CN=Corporate Root", "-days", "3650", "-addext",
        "basicConstraints=critical,CA:true", "-addext",
        "keyUsage=critical,keyCertSign,cRLSign")
    return key, crt


def answer_csr(where, csr, root, name="answer.pem"):
    """What the CA outside makes of a CSR."""
    ski = x509.load_pem_x509_csr(csr.read_bytes()).extensions \
        .get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    extensions = where / "extensions.cnf"
    extensions.write_text(EXTENSIONS.format(ski=ski.hex()))
    run("openssl", "x509", "-req", "-in", csr, "-CA", root[1], "-CAkey",
        root[0], "-days", "1000", "-out", where / name, "-extfile",
        extensions, "-set_serial", "0x1234567890abcdef")
    return where / name


def test_a_root_outside(house):
    policy = house.dir / "policy.conf"  # no device outlives that CA
    policy.write_text(re.sub(
        r'(profile "device" \{.*?validity = )forever', r"\g<1>100d",
        policy.read_text(), flags=re.S))
    mint = house.whole(
        'key "access-ca" { use = access-ca }\n'
        'key "device-ca" { use = device-ca }\n', ACCESS,
        request("device-ca", "device-ca", "Test Device CA"))
    csr = mint.out / "public/device-ca.csr"
    run("openssl", "req", "-verify", "-noout", "-in", csr)
    mint.start()
    with pytest.raises(mm.Refused) as no:
        mint.order_and_issue("device-0")
    assert no.value.name == "issuer-without-certificate"
    mintmark("ceremony", "csr", "--identity", mint.identity("ada"), "--of",
             "device-ca", "--out", house.dir / "again.csr")
    assert (house.dir / "again.csr").read_bytes() == csr.read_bytes()
    root = outside_root(house.dir)
    answer = answer_csr(house.dir, csr, root)
    mint.amend("import", "--of", "device-ca", "--certificate", answer)
    fetch(mint, approve(mint), "imported")
    imported = house.dir / "imported/device-ca.pem"
    assert to_der(imported) == to_der(answer)
    leaf = house.dir / "leaf.pem"
    leaf.write_bytes(to_pem(mint.order_and_issue("device-1")[1]))
    verify([answer], leaf, root[1])
    mint.restart()
    leaf.write_bytes(to_pem(mint.order_and_issue("device-2")[1]))
    verify([answer], leaf, root[1])
    mint.stop()
    mint.audit()


def test_an_answer_for_another_key(house):
    mint = house.whole(
        'key "access-ca" { use = access-ca }\n'
        'key "device-ca" { use = device-ca }\n', ACCESS,
        request("device-ca", "device-ca", "Test Device CA"))
    mint.start()
    root = outside_root(house.dir)
    done = mint.amend("import", "--of", "device-ca", "--certificate",
                      root[1], ok=None)
    assert done.returncode == 77, done.stderr
    with mint.client("officer") as client:
        assert client.pending() == []
    done = mint.amend("import", "--of", "device-ca", "--certificate",
                      house.key("ada"), ok=(65,))


# --- proofs ---

def test_a_proof_for_a_cloud(house):
    house.write_policy(1)
    mint = house.whole()
    mint.start()
    prefix = house.dir / "proof"
    mint.amend("prove", "--issuer", "device-ca", "--code", "0123456789abcdef",
               "--out", prefix)
    leaf = Path(f"{prefix}.crt")
    verify([mint.out / "public/device-ca.pem"], leaf,
           mint.out / "public/root.pem")
    cert = x509.load_pem_x509_certificate(leaf.read_bytes())
    assert cert.subject.rfc4514_string() == "CN=0123456789abcdef"
    # The key is of no further use, and is kept nowhere.
    assert {p.name for p in house.dir.glob("proof*")} == {
        "proof.crt", "proof.chain.pem", "proof.receipt"}
    mint.stop()
    mint.audit()


def test_a_proof_that_waits_for_the_other_officer(house):
    mint = house.whole()
    mint.start()
    prefix = house.dir / "proof"
    mint.amend("prove", "--code", "4711", "--out", prefix)
    assert not list(house.dir.glob("proof*"))
    place = fetch(mint, approve(mint), "proofs")
    verify([mint.out / "public/device-ca.pem"], place / "proof-4711.pem",
           mint.out / "public/root.pem")
    mint.stop()
    mint.audit()


def test_a_proof_by_what_is_no_ca(house):
    mint = house.whole()
    mint.start()
    done = mint.amend("prove", "--issuer", "codesign", "--code", "4711",
                      "--out", house.dir / "proof", ok=None)
    assert done.returncode == 77, done.stderr
    assert not list(house.dir.glob("proof*"))


# --- after a fire ---

SECOND = "mint.example.com/second"
LOST = ("state", "anchor", "log-key", "log", "index", "record")


def key_hash(pem):
    return spki_hash(x509.load_pem_x509_certificate(pem.read_bytes()))


def kept_keys(public):
    """The sections of the keys that the token still has."""
    uses = {"root": "root-ca", "access-ca": "access-ca",
            "device-ca": "device-ca", "codesign": "code-signing"}
    return "".join(
        f'key "{name}" {{\n\tuse = {use}\n\texisting = '
        f'"{key_hash(public / (name + ".pem")).hex()}"\n}}\n'
        for name, use in uses.items())


def burn(house):
    for name in LOST:
        shutil.rmtree(house.dir / name)
    shutil.rmtree(house.dir / "identities")
    house.settle()


def succeed(house, file, *words, **more):
    return mintmark("ceremony", "succeed", "--key", house.dir / "old.vkey",
                    "--force", "--out", house.dir / "payloads", *words, file,
                    house.dir / "copy", **more)


def copy_log(house, mint):
    mintmark("log", "export", "--identity", mint.identity("auditor"), "--to",
             house.dir / "copy")
    shutil.copy(house.dir / "public/log.vkey", house.dir / "old.vkey")


def refused_as(mint, name, device, key=None):
    with pytest.raises(mm.Refused) as no:
        mint.order_and_issue(device, key)
    assert no.value.name == name, no.value


def test_a_successor(house):
    mint = house.whole()
    public = mint.out / "public"
    mint.start()
    keys = {n: new_key() for n in (1, 2, 3, 4)}
    answers = {n: mint.order_and_issue(f"device-{n}", keys[n])
               for n in (1, 2)}
    gone = x509.load_der_x509_certificate(answers[2][1]).serial_number
    with mint.client("officer") as officer:
        officer.statement([mint.state("revoke", mm.revoke_body([gone], 1))])
    copy_log(house, mint)
    answers[3] = mint.order_and_issue("device-3", keys[3])  # not in the copy
    mint.order_and_issue("device-4", keys[4])  # nobody kept a receipt
    (house.dir / "receipts").mkdir()
    (house.dir / "receipts/3").write_bytes(answers[3][3])
    mint.stop()
    burn(house)

    file = house.write(kept_keys(public), ACCESS, CERTIFICATES, origin=SECOND)
    said = succeed(house, file, "--receipt", house.dir / "receipts").stderr
    assert "3 certificates (1 of them revoked)" in said
    assert "1 entries from receipts alone" in said
    assert "orders" in said
    house.hold(file, house.sign("ada", "bob"), out="out-2")
    mint = house.open("out-2")
    for name in ("root", "access-ca", "device-ca", "codesign"):
        assert key_hash(mint.out / f"public/{name}.pem") == key_hash(
            public / f"{name}.pem")
    record = (mint.out / "record.txt").read_text()
    assert ORIGIN in record and SECOND in record
    mint.start()
    for n in (1, 3):
        refused_as(mint, "device-already-issued", f"device-{n}")
        refused_as(mint, "key-already-used", fresh("device"), keys[n])
    refused_as(mint, "key-already-used", fresh("device"), keys[2])
    leaf = house.dir / "leaf.pem"
    for der in (mint.order_and_issue("device-5")[1],
                mint.order_and_issue("device-2")[1],  # it was revoked
                answers[1][1], answers[3][1]):
        leaf.write_bytes(to_pem(der))
        verify([mint.out / "public/device-ca.pem"], leaf,
               mint.out / "public/root.pem")
    mintmark("cert", "crl", "--identity", mint.identity("auditor"), "--out",
             house.dir / "crl")
    crl = x509.load_der_x509_crl((house.dir / "crl").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(gone) is not None
    mint.restart("--rebuild")
    refused_as(mint, "device-already-issued", "device-1")
    mint.stop()
    mintmark("log", "verify", "--jobs", "1", "--key",
             mint.dir / "public/log.vkey", mint.dir / "log")


def test_a_successor_takes_keys_of_their_kind(house):
    mint = house.whole(KEYS, RSA_KEY, ACCESS, CERTIFICATES)
    public = mint.out / "public"
    there = hash_on_record((mint.out / "record.txt").read_text(), "sb-rsa")
    mint.start()
    copy_log(house, mint)
    mint.stop()
    burn(house)
    taken = RSA_KEY.replace(" }", f' existing = "{there}" }}')
    file = house.write(kept_keys(public),
                       taken.replace("algorithm = RSA-3072", ""), ACCESS,
                       CERTIFICATES, origin=SECOND)
    succeed(house, file)
    done = house.hold(file, house.sign("ada", "bob"), out="out-2", ok=None)
    assert done.returncode != 0 and "one of RSA-3072" in done.stderr
    for name in LOST:
        shutil.rmtree(house.dir / name)
    house.settle()
    file = house.write(kept_keys(public), taken, ACCESS, CERTIFICATES,
                       origin=SECOND)
    succeed(house, file)
    house.hold(file, house.sign("ada", "bob"), out="out-2")
    mint = house.open("out-2")
    assert hash_on_record((mint.out / "record.txt").read_text(),
                          "sb-rsa") == there
    mint.start()
    mint.order_and_issue("device-1")
    mint.stop()


def blob_items(house):
    """What is taken over, by (profile, subject, revoked)."""
    out = {}
    for blob in (house.dir / "payloads.blobs").iterdir():
        data = io.BytesIO(blob.read_bytes())
        items = []
        while data.tell() < len(data.getbuffer()):
            items.append(cbor2.load(data))
        assert [mm.encode(i) for i in items] == sorted(
            mm.encode(i) for i in items)
        for i in items:
            out[(i[0], i[1], i.get(5, 0))] = i
    return out


def serial_of(der):
    return x509.load_der_x509_certificate(der).serial_number


def test_what_is_taken_over(house):
    """Live, revoked, held, held no more, replaced; TLS clients only where
    they are revoked; images."""
    mint = house.whole()
    mint.start()
    order = mint.new_order(reissue=2)
    answers = {n: mint.order_and_issue(f"device-{n}", name=order)
               for n in range(5)}
    serials = {n: serial_of(a[1]) for n, a in answers.items()}
    client = serial_of(x509.load_pem_x509_certificate(
        (mint.identity("station") / "certificate.pem").read_bytes())
        .public_bytes(serialization.Encoding.DER))
    key = new_key()
    with mint.client("station") as station:
        again = station.reissue(order, "device-0", new_csr(key))
    with mint.client("officer") as officer:
        for serial, reason in ((serials[1], 1), (serials[2], 6),
                               (serials[3], 6), (serials[3], 8),
                               (client, 4)):
            officer.statement([mint.state(
                "revoke", mm.revoke_body([serial], reason))])
    copy_log(house, mint)
    mint.stop()
    file = house.write(kept_keys(mint.out / "public"), ACCESS, CERTIFICATES,
                       origin=SECOND)
    succeed(house, file)
    items = blob_items(house)
    assert sorted(items) == [
        ("device", "device-0", 0), ("device", "device-0", 5),
        ("device", "device-1", 2), ("device", "device-2", 7),
        ("device", "device-3", 0), ("device", "device-4", 0),
        ("tls-client", "station", 5)]
    live = items[("device", "device-0", 0)]
    assert live[2] == spki_hash(key) and live[4] == "device-ca"
    assert int.from_bytes(live[3], "big") == serial_of(again[1])
    assert live[8] == order
    old = items[("device", "device-0", 5)]
    assert int.from_bytes(old[3], "big") == serials[0] and old[6] > 0
    said = mm.decode((house.dir / "payloads").read_bytes())[4][0][0]
    former = mm.decode(said)[5][7][0]
    assert former[0] == ORIGIN and former[1] == mint.vkey.raw
    assert former[4][0][2] == len(items)


def test_the_newest_checkpoint_is_named(house):
    mint = house.whole()
    mint.start()
    mint.order_and_issue("device-1")
    copy_log(house, mint)
    receipt = mint.order_and_issue("device-2")[3]
    (house.dir / "receipt").write_bytes(receipt)
    mint.stop()
    size, root = receipt.decode().split("\n\n")[1].split("\n")[1:3]
    file = house.write(kept_keys(mint.out / "public"), ACCESS, CERTIFICATES,
                       origin=SECOND)
    succeed(house, file, "--receipt", house.dir / "receipt", "--receipt",
            house.dir / "receipt")
    said = mm.decode((house.dir / "payloads").read_bytes())[4][0][0]
    former = mm.decode(said)[5][7][0]
    assert former[2] == int(size)
    assert former[3] == base64.b64decode(root)
    assert ("device", "device-2", 0) in blob_items(house)


def test_a_succession_that_is_none(house):
    mint = house.whole()
    public = mint.out / "public"
    mint.start()
    receipt = mint.order_and_issue("device-1")[3]
    copy_log(house, mint)
    mint.stop()
    (house.dir / "payloads").unlink()
    good = kept_keys(public), ACCESS, CERTIFICATES
    same = house.write(*good, origin=ORIGIN)
    assert "another origin" in succeed(house, same, ok=(65,)).stderr
    none = house.write(KEYS, ACCESS, CERTIFICATES, origin=SECOND)
    assert "existing" in succeed(house, none, ok=(65,)).stderr
    strange = house.write(
        good[0].replace(key_hash(public / "root.pem").hex(), "ab" * 32),
        *good[1:], origin=SECOND)
    assert "root" in succeed(house, strange, ok=None).stderr
    assert not (house.dir / "payloads").exists()
    file = house.write(*good, origin=SECOND)
    (house.dir / "bad").write_bytes(
        re.sub(rb"^index \d+", b"index 7", receipt, flags=re.M))
    succeed(house, file, "--receipt", house.dir / "bad", ok=(1, 65))
    house.prepare(file, ok=(65,))  # only a succession takes keys over
    copied = house.dir / "copy/tile"
    bundle = next(p for p in copied.rglob("*") if "entries" in str(p)
                  and p.is_file())
    bundle.write_bytes(bundle.read_bytes()[:-1])
    succeed(house, file, ok=(1, 65))


def test_a_changed_inheritance(house):
    mint = house.whole()
    public = mint.out / "public"
    mint.start()
    mint.order_and_issue("device-1")
    copy_log(house, mint)
    mint.stop()
    burn(house)
    file = house.write(kept_keys(public), ACCESS, CERTIFICATES, origin=SECOND)
    succeed(house, file)
    signed = house.sign("ada", "bob")
    blob, = (house.dir / "payloads.blobs").iterdir()
    blob.write_bytes(blob.read_bytes()[:-1] + b"\0")
    said = house.hold(file, signed, out="out-2", ok=None)
    assert said.returncode == 1 and "blob-wrong" in said.stderr
    assert list((house.dir / "log").iterdir()) == []
