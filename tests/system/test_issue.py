"""Device certificates: who gets one, who does not, and exactly once."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import auditor
import mintmark_client as mm
from mint import (VECTORS, eventually, fresh, new_csr, new_key,
                  nothing_signed, refusals, refused, run, to_pem)


def openssl_csr(place, *how):
    run("openssl", "req", "-new", *how, "-nodes", "-subj", "/CN=ignored",
        "-keyout", place / "key.pem", "-out", place / "csr.pem")
    return (place / "csr.pem").read_bytes()


def certtool_csr(place, *how):
    (place / "template").write_text("cn = ignored\n")
    run("certtool", "--generate-privkey", *how, "--outfile",
        place / "key.pem")
    run("certtool", "--generate-request", "--load-privkey",
        place / "key.pem", "--template", place / "template", "--outfile",
        place / "csr.pem")
    return (place / "csr.pem").read_bytes()


def check_answer(mint, answer, place, device):
    """openssl, certtool and the receipt agree about a certificate."""
    (place / "device.crt").write_bytes(to_pem(answer[1]))
    (place / "chain.pem").write_bytes(b"".join(map(to_pem, answer[2])))
    root = mint.dir / "public/ca.pem"
    run("openssl", "verify", "-x509_strict", "-CAfile", root, "-untrusted",
        place / "chain.pem", place / "device.crt")
    whole = b"".join([to_pem(answer[1]), *map(to_pem, answer[2]),
                      root.read_bytes()])
    run("certtool", "--verify-chain", input=whole.decode())
    receipt = auditor.Receipt(answer[3], mint.vkey)
    receipt.proves_certificate(answer[1])
    assert receipt.index == answer[0]
    certificate = x509.load_der_x509_certificate(answer[1])
    assert [a.value for a in certificate.subject][0] == device
    return certificate


MAKERS = {
    "openssl-p256": (openssl_csr, ec.EllipticCurvePublicKey,
                     "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "openssl-p384": (openssl_csr, ec.EllipticCurvePublicKey,
                     "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "openssl-rsa": (openssl_csr, rsa.RSAPublicKey, "-newkey", "rsa:2048"),
    "certtool-p256": (certtool_csr, ec.EllipticCurvePublicKey,
                      "--key-type=ecdsa", "--curve=secp256r1"),
    "certtool-p384": (certtool_csr, ec.EllipticCurvePublicKey,
                      "--key-type=ecdsa", "--curve=secp384r1"),
    "certtool-rsa": (certtool_csr, rsa.RSAPublicKey, "--key-type=rsa",
                     "--bits=2048"),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_a_csr_becomes_a_certificate(mint, station, order, device, workdir,
                                     maker):
    make, kind, *how = MAKERS[maker]
    answer = station.issue(order, device, make(workdir, *how))
    certificate = check_answer(mint, answer, workdir, device)
    assert isinstance(certificate.public_key(), kind)


def test_der_and_pem_of_a_csr_are_the_same_request(station, order, device):
    key = new_key()
    csr = new_csr(key)
    pem = x509.load_der_x509_csr(csr).public_bytes(
        serialization.Encoding.PEM)
    assert station.issue(order, device, csr) == station.issue(
        order, device, pem)


def test_the_certificate_is_forever_and_never_older_than_its_issuer(
        station, order, device):
    """Backdated by an hour, but this CA is younger than that."""
    answer = station.issue(order, device, new_csr())
    leaf, issuer = map(x509.load_der_x509_certificate,
                       [answer[1], answer[2][0]])
    assert auditor.not_after(leaf) == auditor.FOREVER
    hour_ago = datetime.utcnow() - timedelta(hours=1)
    assert leaf.not_valid_before >= issuer.not_valid_before
    assert (leaf.not_valid_before - max(issuer.not_valid_before, hour_ago)
            < timedelta(minutes=1))


def test_same_device_same_key_gives_the_same_bytes(station, order, device):
    csr = new_csr()
    first = station.issue(order, device, csr)
    again = station.issue(order, device, csr)
    assert mm.encode(first) == mm.encode(again)


def test_another_csr_of_the_same_key_gives_the_same_bytes(
        mint, station, order, device):
    key = new_key()
    first = station.issue(order, device, new_csr(key))
    with nothing_signed(mint):
        assert station.issue(order, device, new_csr(key)) == first


def test_the_same_request_costs_no_second_unit(mint, station):
    order = mint.new_order(units=2)
    csr, device = new_csr(), fresh("lamp")
    for _ in range(3):
        station.issue(order, device, csr)
    station.issue(order, fresh("lamp"), new_csr())
    with refused("order-exhausted"):
        station.issue(order, fresh("lamp"), new_csr())


def test_the_same_device_with_another_key_is_refused(mint, station, order,
                                                     device):
    station.issue(order, device, new_csr())
    with nothing_signed(mint), refused("device-already-issued"):
        station.issue(order, device, new_csr())


def test_another_order_does_not_reissue(mint, station, order, device):
    csr = new_csr()
    station.issue(order, device, csr)
    with nothing_signed(mint), refused("device-already-issued"):
        station.issue(mint.new_order(), device, csr)


def test_a_key_is_never_used_for_two_devices(mint, station, order):
    key = new_key()
    station.issue(order, fresh("lamp"), new_csr(key))
    with nothing_signed(mint), refused("key-already-used"):
        station.issue(order, fresh("lamp"), new_csr(key))


def test_a_used_up_order_says_so(mint, station):
    order = mint.new_order(units=1)
    station.issue(order, fresh("lamp"), new_csr())
    with nothing_signed(mint), refused("order-exhausted") as r:
        station.issue(order, fresh("lamp"), new_csr())
    assert r.error.retry_after == 0


def test_a_used_up_order_still_answers_again(mint, station, device):
    order, csr = mint.new_order(units=1), new_csr()
    first = station.issue(order, device, csr)
    assert station.issue(order, device, csr) == first


def test_fifty_race_for_the_last_unit(mint):
    order, count = mint.new_order(units=1), 50
    requests = [(fresh("lamp"), new_csr()) for _ in range(count)]
    barrier, results = threading.Barrier(count), [None] * count

    def contend(i):
        try:
            with mint.client() as client:
                barrier.wait(60)
                results[i] = client.issue(order, *requests[i])
        except mm.Refused as e:
            results[i] = e.name
        except Exception as e:
            results[i] = repr(e)

    threads = [threading.Thread(target=contend, args=(i,))
               for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [r for r in results if isinstance(r, dict)]
    others = [r for r in results if not isinstance(r, dict)]
    assert len(winners) == 1, others
    assert others == ["order-exhausted"] * (count - 1)


def test_two_race_for_one_device(mint, order, device):
    """With two keys: one gets it, the other is told so."""
    with mint.client() as a, mint.client() as b:
        first = a.send("issue", mm.issue_body(order, device, new_csr()))
        second = b.send("issue", mm.issue_body(order, device, new_csr()))
        results = []
        for client, request in ((a, first), (b, second)):
            try:
                client.answer_to(request)
                results.append("issued")
            except mm.Refused as e:
                results.append(e.name)
    assert sorted(results) == ["device-already-issued", "issued"]


def test_the_daily_limit(mint):
    name = mint.new_principal("station", daily=2)
    order = mint.new_order(stations=[name])
    with mint.client(name) as client:
        csr, device = new_csr(), fresh("lamp")
        first = client.issue(order, device, csr)
        client.issue(order, fresh("lamp"), new_csr())
        with nothing_signed(mint), refused("daily-limit") as r:
            client.issue(order, fresh("lamp"), new_csr())
        assert r.error.retry_after > 0
        assert client.issue(order, device, csr) == first


# ---------------------------------------------------------------- not covered

def test_an_unknown_profile(mint, station, order, device):
    with nothing_signed(mint), refused("unknown-profile"):
        station.issue(order, device, new_csr(), profile="nothing")


@pytest.mark.parametrize("profile", ["root-ca", "codesign", "tls-client",
                                     "tls-server"])
def test_no_profile_but_a_device_is_for_orders(mint, station, order, device,
                                               profile):
    with nothing_signed(mint), refused("profile-not-allowed"):
        station.issue(order, device, new_csr(), profile=profile)


def test_a_station_without_the_profile(mint, device):
    name = mint.new_principal("station", profiles=["other"])
    order = mint.new_order(stations=[name])
    with mint.client(name) as client:
        with nothing_signed(mint), refused("profile-not-allowed"):
            client.issue(order, device, new_csr())


def test_an_unknown_order(mint, station, device):
    with nothing_signed(mint), refused("unknown-order"):
        station.issue(fresh("order"), device, new_csr())


def test_an_order_that_is_over(mint, station, device):
    end = int(time.time()) + 2
    order = mint.new_order(until=end)
    eventually(lambda: time.time() >= end + 1, "the order's end")
    with nothing_signed(mint), refused("order-closed"):
        station.issue(order, device, new_csr())


def test_an_order_for_another_station(mint, device):
    name = mint.new_principal("station")
    order = mint.new_order()
    with mint.client(name) as client:
        with nothing_signed(mint), refused("order-for-others"):
            client.issue(order, device, new_csr())


@pytest.mark.parametrize("devices, inside, outside", [
    ({"pattern": "{x}-??"}, "{x}-01", "{x}-001"),
    ({"pattern": "{x}*"}, "{x}", "y{x}"),
    ({"first": "{x}-10", "last": "{x}-20"}, "{x}-20", "{x}-21"),
    ({"first": "{x}-10", "last": "{x}-20"}, "{x}-10", "{x}-09"),
    ({"first": "{x}-10", "last": "{x}-20"}, "{x}-15", "{x}-150"),
    ({"devices": ["{x}-a", "{x}-b"]}, "{x}-b", "{x}-c"),
])
def test_which_devices_an_order_covers(mint, station, devices, inside,
                                       outside):
    x = fresh("d")
    order = mint.new_order(units=2, **{
        k: [i.format(x=x) for i in v] if isinstance(v, list)
        else v.format(x=x) for k, v in devices.items()})
    station.issue(order, inside.format(x=x), new_csr())
    with nothing_signed(mint), refused("order-does-not-cover"):
        station.issue(order, outside.format(x=x), new_csr())


# ----------------------------------------------------------------- device ids

@pytest.mark.parametrize("device, names", [
    ("lamp,O=Other", ["bad-device-id"]),
    ("lamp+1", ["bad-device-id"]),
    ("lamp 1", ["bad-device-id"]),
    ("lämp", ["bad-device-id"]),
    ("../lamp", ["bad-device-id"]),
    ("lamp\x00", ["bad-text", "bad-device-id"]),
    ("lamp\n", ["bad-text", "bad-device-id"]),
    ("lamp\u202e", ["bad-text", "bad-device-id"]),
    ("x" * 65, ["out-of-range", "message-malformed", "bad-device-id"]),
    ("x" * 10000, ["out-of-range", "message-malformed", "bad-device-id"]),
    ("", ["out-of-range", "message-malformed", "bad-device-id"]),
], ids=lambda v: repr(v[:8]) if isinstance(v, str) else "")
def test_a_bad_device_id(mint, station, order, device, names):
    with nothing_signed(mint), refused(*names):
        station.issue(order, device, new_csr())
    assert station.status()


def test_the_longest_device_id(station, order):
    device = fresh("x").ljust(64, ":")
    assert station.issue(order, device, new_csr())


# -------------------------------------------------------------- hostile CSRs

def csr_cases():
    for line in (VECTORS / "csr/cases.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")[:2]


def test_hostile_csrs_get_their_named_error(mint, station, order):
    """All of the corpus; nothing is signed for any of them."""
    wrong, bad = [], [c for c in csr_cases() if c[1] != "ok"]
    assert len(bad) > 50
    with nothing_signed(mint):
        for name, expected in bad:
            got = outcome(station, order, name)
            allowed = {expected}
            if (VECTORS / "csr" / name).stat().st_size > 16384:
                allowed = {"out-of-range", "message-malformed"}
            if got not in allowed:
                wrong.append(f"{name}: {got}, not {expected}")
    assert not wrong, "\n".join(wrong)


def outcome(station, order, name):
    try:
        station.issue(order, fresh("lamp"),
                      (VECTORS / "csr" / name).read_bytes())
        return "issued"
    except mm.Refused as e:
        return e.name


@pytest.mark.parametrize("name", [n for n, e in csr_cases() if e == "ok"
                                  and n != "ok-ed25519.der"])
def test_a_good_csr_gives_only_its_key(mint, order, device, name):
    """Whatever it asks for, the profile alone says what is certified."""
    with mint.client() as station:
        try:
            answer = station.issue(
                order, device, (VECTORS / "csr" / name).read_bytes())
        except mm.Refused as e:
            # The vectors share a few keys.
            assert e.name == "key-already-used", e
            return
    certificate = x509.load_der_x509_certificate(answer[1])
    assert len(list(certificate.subject)) == 2
    kinds = {e.oid._name for e in certificate.extensions}
    assert kinds <= {"basicConstraints", "keyUsage", "extendedKeyUsage",
                     "subjectKeyIdentifier", "authorityKeyIdentifier"}


def test_ed25519_is_refused_unless_the_profile_allows_it(mint, station,
                                                         order, device):
    csr = (VECTORS / "csr/ok-ed25519.der").read_bytes()
    with nothing_signed(mint), refused("key-unsupported"):
        station.issue(order, device, csr)


# ---------------------------------------------------------------- asked again

def test_a_lost_answer_is_given_again(mint, order, device):
    """The connection breaks after the request has gone out."""
    csr, request = new_csr(), bytes(15) + b"\x07"
    body = mm.issue_body(order, device, csr)
    with mint.client() as client:
        client.send("issue", body, request)
    with mint.client() as client:
        first = client.ask("issue", body, request)
    with mint.client() as client:
        assert client.ask("issue", body, request) == first
        assert client.show(device) == first


def test_one_id_is_one_request_for_ever(mint, station, order, device):
    request = bytes(15) + b"\x08"
    first = station.issue(order, device, new_csr(), request_id=request)
    with nothing_signed(mint), refused("request-id-reused"):
        station.issue(order, fresh("lamp"), new_csr(), request_id=request)
    assert station.show(device) == first


def test_a_reused_id_is_logged_as_a_refusal(mint):
    name = mint.new_principal("station")
    order = mint.new_order(stations=[name])
    request = bytes(15) + b"\x09"
    with mint.client(name) as client:
        client.issue(order, fresh("lamp"), new_csr(), request_id=request)
        with refused("request-id-reused"):
            client.issue(order, fresh("lamp"), new_csr(),
                         request_id=request)
    logged = eventually(
        lambda: refusals(mint, name, "request-id-reused"), "the refusal")
    assert logged[0][1] == "issue" and logged[0][3] == 1


def test_ids_belong_to_the_principal(mint, station, order):
    """Another station with the same id is judged as itself."""
    name = mint.new_principal("station")
    other, request = mint.new_order(stations=[name]), bytes(15) + b"\x0a"
    station.issue(order, fresh("lamp"), new_csr(), request_id=request)
    with mint.client(name) as client:
        assert client.issue(other, fresh("lamp"), new_csr(),
                            request_id=request)


def test_the_first_refusal_is_logged_at_once(mint):
    name = mint.new_principal("station")
    with mint.client(name) as client:
        for _ in range(5):
            with refused("unknown-order"):
                client.issue("no-such", "lamp-refused", new_csr())
    logged = eventually(lambda: refusals(mint, name, "unknown-order"),
                        "the refusal")
    assert len(logged) == 1 and logged[0][4] == "lamp-refused"


# ----------------------------------------------------------------------- show

def test_show_by_device_and_by_serial(mint, station, order, device):
    answer = station.issue(order, device, new_csr())
    serial = x509.load_der_x509_certificate(answer[1]).serial_number
    octets = serial.to_bytes((serial.bit_length() + 8) // 8, "big")
    assert station.show(device) == answer
    assert station.show(serial=octets) == answer


def test_show_of_nothing(station):
    with refused("not-found"):
        station.show(fresh("lamp"))
    with refused("not-found"):
        station.show(serial=b"\x01" * 20)


def test_serials_are_twenty_random_octets(station, order):
    for _ in range(8):
        answer = station.issue(order, fresh("lamp"), new_csr())
        serial = x509.load_der_x509_certificate(answer[1]).serial_number
        assert 0 < serial < 1 << 159 and serial.bit_length() > 100
