"""Devices' esp_secure_cert partitions: signed under the order of the
certificate that lies in them, and nothing else."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

import auditor
import mintmark_client as mm
import secure_cert
from mint import (ROOT, VECTORS, Mint, fresh, mintmark, new_csr, new_key,
                  refusals, refused)

ECDSA, RSA = "secure-cert-ecdsa256:part", "secure-cert-rsa3072:rsa"
SIGNED = VECTORS / "esp/secure_cert"
PROFILES = '''
	partitions = {"secure-cert-ecdsa256:part", "secure-cert-rsa3072:rsa",
	              "secure-cert-ecdsa256:gone", "secure-cert-ecdsa256:rsa"}
}

profile "open" {
	purpose = device
	issuer = device-ca
	subject = {"CN={device}", "O=Example Devices"}
	validity = forever
	backdate = 1h
	keys = {P-256, P-384, RSA}
	key-usage = {digitalSignature}
	partitions = {"secure-cert-ecdsa256:part"}
	plain-keys = yes
}
'''


def policy():
    whole = (ROOT / "conf/policy.conf").read_text()
    begin = whole.index('profile "device" {')
    end = whole.index("\n}\n", begin)
    return whole[:end] + PROFILES + whole[end + 3:]


@pytest.fixture(scope="module")
def shared_mint():
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    (place / "policy.conf").write_text(policy())
    mint = Mint(options=("--policy", place / "policy.conf", "--signing-key",
                         "part,rsa:RSA-3072"))
    try:
        mint.start()
        mint.worker = mint.new_principal("station",
                                         profiles=["device", "open"])
        yield mint
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def station(mint):
    with mint.client(mint.worker) as client:
        yield client


class Device:
    """One that has its certificate, under an order of its own."""

    def __init__(self, mint, station, profile="device"):
        self.mint, self.profile = mint, profile
        self.id, self.order, self.key = fresh("lamp"), fresh("order"), (
            new_key())
        self.say("order", self.terms())
        answer = station.issue(self.order, self.id, new_csr(self.key),
                               profile)
        self.entry, self.certificate = answer[0], answer[1]
        self.serial = x509.load_der_x509_certificate(
            self.certificate).serial_number
        self.bytes = secure_cert.partition(self.certificate)

    def terms(self, **changes):
        return mm.order_body(self.order, 1, [self.mint.worker],
                             devices=[self.id], profile=self.profile,
                             **changes)

    def say(self, kind, body):
        with self.mint.client("officer") as officer:
            officer.statement([self.mint.state(kind, body)])

    def plain_key(self):
        return self.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption())

    def ask(self, station, data=None, scheme=ECDSA, **more):
        return station.partition(more.pop("order", self.order),
                                 more.pop("device", self.id), scheme,
                                 self.bytes if data is None else data,
                                 **more)


@pytest.fixture
def device(mint, station):
    return Device(mint, station)


def signed_entries(mint):
    return [e for e in mint.entries() if e[0] == auditor.PARTITION]


# ---------------------------------------------------------------- whose keys

def officer_key():
    return Ed25519PrivateKey.generate().public_key().public_bytes(
        serialization.Encoding.Raw,
        serialization.PublicFormat.Raw).hex()


@pytest.mark.parametrize("schemes, partitions, why", [
    ("sha256-ecdsa", "secure-cert-ecdsa256:part", None),
    ("sha256-ecdsa", "secure-cert-ecdsa256", "names no key"),
    ("sha256-ecdsa:part", "secure-cert-ecdsa256:part", "also signs images"),
    ("secure-boot-v2-rsa3072:part", "secure-cert-rsa3072:part",
     "also signs images")])
def test_no_key_signs_images_and_partitions(workdir, schemes, partitions,
                                            why):
    """A partition needs no release."""
    text = policy().replace(
        PROFILES[:PROFILES.index("}\n}")],
        f'\n\tpartitions = {{"{partitions}"', 1)
    text = text.replace("schemes = {sha256-ecdsa}",
                        f'schemes = {{"{schemes}"}}')
    (workdir / "policy.conf").write_text(
        text.replace('partitions = {"secure-cert-ecdsa256:part"}',
                     f'partitions = {{"{partitions}"}}')
        + f'\nofficer "ada" {{\n\tkey = "{officer_key()}"\n}}\n')
    done = mintmark("policy", "check", workdir / "policy.conf",
                    ok=(0,) if why is None else (78,))
    assert why is None or why in done.stderr and ": bad-policy: " in (
        done.stderr)


# ------------------------------------------------------------ what is signed

def test_the_answer(mint, station, device):
    """Index, signature, receipt, key: over the digest of just these bytes."""
    answer = device.ask(station)
    receipt = auditor.Receipt(answer[2], mint.vkey)
    assert receipt.index == answer[0] and answer[3] == "part"
    body = mm.decode(receipt.entry)[3]
    digest = hashlib.sha256(device.bytes).digest()
    assert [body[n] for n in (0, 1, 3, 4, 5, 6, 7, 8, 10)] == [
        "device", device.id, device.entry, len(device.bytes), digest, ECDSA,
        digest, "part", mint.worker]
    assert body[9] == hashlib.sha256(answer[4]).digest()


@pytest.mark.parametrize("scheme,key", [(ECDSA, "part"), (RSA, "rsa")])
def test_the_command_makes_what_a_device_takes(mint, station, workdir, device,
                                               scheme, key):
    (workdir / "in").write_bytes(device.bytes)
    said = partition(mint, device, workdir, "--scheme", scheme)
    signed = (workdir / "out").read_bytes()
    public = serialization.load_der_public_key(device.ask(
        station, scheme=scheme)[4])
    secure_cert.verify(signed, device.bytes, public)
    assert said["key"] == key and said["device"] == device.id
    (workdir / "key.pem").write_bytes(public.public_bytes(
        serialization.Encoding.PEM,
        serialization.PublicFormat.SubjectPublicKeyInfo))
    mintmark("image", "verify", "--scheme", "secure-cert", "--pubkey",
             workdir / "key.pem", workdir / "out")


@pytest.mark.parametrize("name,scheme", [("signed_p256.bin", ECDSA),
                                         ("signed_rsa.bin", RSA)])
def test_the_layout_is_the_vendors(mint, station, workdir, device, name,
                                   scheme):
    """Byte for byte, but for keys and numbers."""
    theirs, behind = secure_cert.rows((SIGNED / name).read_bytes())
    (workdir / "in").write_bytes(device.bytes)
    partition(mint, device, workdir, "--scheme", scheme)
    ours = secure_cert.rows((workdir / "out").read_bytes())
    assert ours[1] == behind
    assert [(r[0], r[1], len(r[2])) for r in ours[0][-2:]] == [
        (r[0], r[1], len(r[2])) for r in theirs[-2:]]


def partition(mint, device, place, *words, **more):
    done = mintmark("cert", "partition", "--identity",
                    mint.identity(mint.worker), "--order", device.order,
                    "--device", device.id, "--out", place / "out", "--json",
                    *words, place / "in", **more)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_the_receipt_proves_it_offline(mint, station, workdir, device):
    (workdir / "in").write_bytes(device.bytes)
    partition(mint, device, workdir, "--scheme", ECDSA)
    verify = ("receipt", "verify", "--key", mint.dir / "public/log.vkey",
              "--json")
    receipt = workdir / "out.receipt"
    for name, proved in (("out", "signature"), ("in", "partition")):
        said = json.loads(mintmark(*verify, receipt, workdir / name).stdout)
        assert (said["proved"], said["matched"]) == (proved, "partition")
    said = json.loads(mintmark(
        *verify, "--statements", workdir / "bundle", "--identity",
        mint.identity("auditor"), receipt, workdir / "out").stdout)
    assert said["proved"] == "signature"
    other = Device(mint, station)
    (workdir / "other").write_bytes(other.bytes)
    changed = bytearray((workdir / "out").read_bytes())
    changed[len(device.bytes) + 60] ^= 1
    (workdir / "changed").write_bytes(changed)
    for name in ("other", "changed"):
        mintmark(*verify, receipt, workdir / name, ok=(1, 77))


def test_erased_flash_behind_it_is_left_out(mint, workdir, device):
    """As tools up to 2.2 filled their files."""
    (workdir / "in").write_bytes(device.bytes.ljust(0x2000, b"\xff"))
    partition(mint, device, workdir, "--scheme", ECDSA)
    assert (workdir / "out").read_bytes().startswith(device.bytes)


def test_the_command_writes_nothing_where_it_is_refused(mint, workdir,
                                                        device):
    (workdir / "in").write_bytes(device.bytes)
    said = partition(mint, device, workdir, "--scheme",
                     "secure-cert-ecdsa256:other", ok=(77,))
    assert ": scheme-not-allowed: " in said
    said = partition(mint, device, workdir, ok=(64,))  # by which?
    assert "--scheme" in said
    assert sorted(p.name for p in workdir.iterdir()) == ["in"]


def test_the_same_again_is_the_same(mint, station, device):
    first = device.ask(station)
    before = len(signed_entries(mint))
    assert device.ask(station) == first
    assert device.ask(station, request_id=b"r" * 16) == first
    assert len(signed_entries(mint)) == before


def test_one_signing_each(mint, station, device):
    assert device.ask(station)[0] != device.ask(station, scheme=RSA)[0]


# -------------------------------------------------------- what is not signed

def test_other_bytes_of_the_same_certificate(station, device):
    device.ask(station)
    other = secure_cert.partition(device.certificate, ca=b"0" * 20)
    with refused("partition-already-signed"):
        device.ask(station, other)


def test_another_devices_certificate(mint, station, device):
    other = Device(mint, station)
    with refused("partition-refused") as it:
        device.ask(station, other.bytes)
    assert "another device certificate" in it.error.text


def wrong_partitions(device):
    good = device.bytes
    return {
        "no certificate": secure_cert.partition(None),
        "bytes behind it": good + b"x",
        "erased flash behind it": good.ljust(0x2000, b"\xff"),
        "a broken CRC": bytes([*good[:40], good[40] ^ 1, *good[41:]]),
        "no partition": b"\x11" * 100,
        "signed by another": (SIGNED / "signed_p256.bin").read_bytes(),
    }


@pytest.mark.parametrize("what", wrong_partitions(
    type("Any", (), {"bytes": secure_cert.partition(b"0" * 64)})))
def test_what_is_no_partition_of_it(mint, station, device, what):
    with refused("partition-refused"):
        device.ask(station, wrong_partitions(device)[what])
    assert refusals(mint, mint.worker, "partition-refused")


def test_a_signed_one(mint, station, workdir, device):
    (workdir / "in").write_bytes(device.bytes)
    partition(mint, device, workdir, "--scheme", ECDSA)
    with refused("partition-refused") as it:
        device.ask(station, (workdir / "out").read_bytes())
    assert "signed already" in it.error.text


def test_a_key_in_clear(mint, station, device):
    data = secure_cert.partition(device.certificate, device.plain_key())
    with refused("partition-refused") as it:
        device.ask(station, data)
    assert "in clear" in it.error.text
    allowed = Device(mint, station, "open")
    data = secure_cert.partition(allowed.certificate, allowed.plain_key())
    assert allowed.ask(station, data)[3] == "part"


def test_the_key_is_written_nowhere(mint, station):
    allowed = Device(mint, station, "open")
    key = allowed.plain_key()
    secret = key[8:32]
    allowed.ask(station, secure_cert.partition(allowed.certificate, key))
    for path in mint.dir.rglob("*"):
        if path.is_file() and "identities" not in path.parts:
            assert secret not in path.read_bytes(), path
    assert key.hex() not in mint.daemon.said()


@pytest.mark.parametrize("scheme,error", [
    ("secure-cert-ecdsa256", "scheme-not-allowed"),
    ("secure-boot-v2-rsa3072", "scheme-not-allowed"),
    ("nothing", "scheme-not-allowed"),
    ("secure-cert-ecdsa256:gone", "key-absent"),
    ("secure-cert-ecdsa256:rsa", "key-absent")])
def test_other_signings(station, device, scheme, error):
    with refused(error):
        device.ask(station, scheme=scheme)


def test_another_profiles_signing(mint, station):
    allowed = Device(mint, station, "open")
    with refused("scheme-not-allowed"):
        allowed.ask(station, scheme=RSA)


def test_a_revoked_certificate(mint, station, device):
    device.ask(station)
    device.say("revoke", mm.revoke_body([device.serial], 1))
    with refused("not-found"):
        device.ask(station)


def test_one_on_hold(mint, station, device):
    device.say("revoke", mm.revoke_body([device.serial], 6))
    with refused("certificate-revoked"):
        device.ask(station)
    device.say("revoke", mm.revoke_body([device.serial], 8))
    device.ask(station)


def test_a_device_without_certificate(station, device):
    with refused("order-does-not-cover"):
        device.ask(station, device=fresh("lamp"))


def test_an_unknown_order(station, device):
    with refused("unknown-order"):
        device.ask(station, order=fresh("order"))


def test_a_closed_order(mint, station, device):
    """What was signed may still be fetched."""
    first = device.ask(station)
    device.say("order", device.terms(revision=1, closed=True))
    assert device.ask(station) == first
    with refused("order-closed"):
        device.ask(station, scheme=RSA)


def test_another_order(mint, station, device):
    wide = mint.new_order(stations=[mint.worker])
    with refused("order-does-not-cover"):
        device.ask(station, order=wide)


def test_another_station(mint, device):
    with mint.client("station") as client:
        with refused("order-for-others"):
            device.ask(client)


def test_nobody_but_stations(mint, device):
    for name in ("officer", "release", "auditor"):
        with mint.client(name) as client, refused("role-not-allowed"):
            device.ask(client)


def test_a_request_id_is_one_request(mint, station, device):
    device.ask(station, request_id=b"one request here")
    with refused("request-id-reused"):
        device.ask(station, scheme=RSA, request_id=b"one request here")


def test_it_counts_for_no_unit(mint, station, device):
    with mint.client("officer") as officer:
        before = officer.orders(device.order)
        device.ask(station)
        assert officer.orders(device.order) == before


def test_a_reissued_device_has_a_new_one(mint, station, device):
    device.ask(station)
    device.say("order", device.terms(revision=1, reissue=1))
    answer = station.reissue(device.order, device.id, new_csr(new_key()))
    with refused("partition-refused"):
        device.ask(station)
    device.ask(station, secure_cert.partition(answer[1]))


def test_logs_tell_of_it(mint, station, device, workdir):
    index = device.ask(station)[0]
    at = ("--identity", mint.identity("auditor"), "--json")
    shown = json.loads(mintmark("log", "show", *at, index).stdout)
    assert shown["kind"] == "partition"
    assert shown["body"]["device"] == device.id
    rows = [json.loads(line) for line in mintmark(
        "log", "list", *at, "--kind", "partition", "--device",
        device.id).stdout.splitlines()]
    assert [(r["index"], r["state"], r["order"]) for r in rows] == [
        (index, "signed", device.order)]
    mintmark("log", "export", *at, "--format", "csv", "--device", device.id,
             "--out", workdir / "rows.csv")
    assert ",partition," in (workdir / "rows.csv").read_text()


def test_all_of_it_is_there_after_a_restart(mint, device):
    with mint.client(mint.worker) as station:
        first = device.ask(station)
    mint.restart("--rebuild")
    with mint.client(mint.worker) as station:
        assert device.ask(station) == first
