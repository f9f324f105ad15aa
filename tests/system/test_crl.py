"""CRLs: what was revoked is on the next one, numbers go up, and other
people's tools read it."""

import os
import re
import tempfile
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import mintmark_client as mm
from mint import (ROOT, Mint, eventually, fresh, new_csr, nothing_signed,
                  refused, run)

LONG = bool(os.environ.get("MINTMARK_FAULTS"))
A_STATEMENT = 256  # certificates that one may revoke
CRL = 12


def short_policy(place, seconds=60):
    """The example policy with CRLs of the device CA that last so long."""
    text = (ROOT / "conf/policy.conf").read_text()
    begin = text.index('profile "device-ca" {')
    end = text.index("}\n", text.index("path-length", begin))
    path = place / "policy.conf"
    path.write_text(f"{text[:end]}\tcrl = {seconds}s\n{text[end:]}")
    return path


def serial_of(certificate):
    number = x509.load_der_x509_certificate(certificate).serial_number
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def revoke(mint, serials, reason=0, since=None):
    with mint.client("officer") as officer:
        return officer.statement([mint.state("revoke", mm.revoke_body(
            serials, reason, since))])


def tlv(tag, body):
    size = len(body)
    head = bytes([size]) if size < 128 else (
        bytes([0x80 + (size.bit_length() + 7) // 8])
        + size.to_bytes((size.bit_length() + 7) // 8, "big"))
    return bytes([tag]) + head + body


ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def blob(client, sha256, size):
    """A blob beside the log, in pieces of 64 KiB."""
    out = b""
    while len(out) < size:
        answer = client.ask("blob", {0: sha256, 1: len(out)})
        assert answer[0] == size
        out += answer[1]
    return out


def fetch_crl(mint, issuer="device-ca", client="auditor"):
    """(the DER, the entry's body) of the newest CRL."""
    with mint.client(client) as c:
        answer = c.crl(issuer)
        with mint.client("auditor") as auditor:
            entry = mm.decode(auditor.entries(answer[0], 1)[1][0])
        assert entry[0] == CRL
        body = entry[3]
        tbs = body[6] if 6 in body else blob(c, body[7], body[8])
    return tlv(0x30, tbs + ECDSA_SHA256 + tlv(3, b"\0" + answer[1])), body


def verify(mint, der):
    """The device CA has signed it, says the cryptography package."""
    crl = x509.load_der_x509_crl(der)
    with mint.client("auditor") as auditor:
        for entry in map(mm.decode, auditor.all_entries()):
            if entry[0] == 4 and entry[3][0] == "device-ca":
                tbs = entry[3][5]
    # The key stands in the TBS, whatever else that has.
    point = tbs.index(bytes.fromhex("03420004")) + 3
    key = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), tbs[point:point + 65])
    key.verify(crl.signature, crl.tbs_certlist_bytes,
               ec.ECDSA(hashes.SHA256()))
    return crl


def numbers_of(crl):
    return {r.serial_number for r in crl}


def to_int(serials):
    return {int.from_bytes(s, "big") for s in serials}


def newer_than(mint, number, issuer="device-ca"):
    def look():
        der, body = fetch_crl(mint, issuer)
        return (der, body) if body[1] > number else None
    return eventually(look, f"a CRL after {number}", timeout=120)


def issue(mint, count):
    order = mint.new_order(units=count)
    out = []
    with mint.client() as client:
        for _ in range(count):
            out.append(serial_of(
                client.issue(order, fresh("lamp"), new_csr())[1]))
    return out


def test_the_first_one_is_made_on_demand(mint):
    der, body = fetch_crl(mint, "access-ca")
    # A key may have signed CRLs in a log that this one succeeds.
    assert body[1] == body[2] and body[5] == 0
    assert len(x509.load_der_x509_crl(der)) == 0
    with nothing_signed(mint):
        assert fetch_crl(mint, "access-ca") == (der, body)


@pytest.mark.parametrize("issuer", ["codesign", "nobody"])
def test_a_key_that_signs_no_crls(mint, issuer):
    with mint.client() as client, refused("not-found"):
        client.crl(issuer)


def test_many_ask_for_the_first_one(mint):
    """One is made, and all get it."""
    clients = [mint.client() for _ in range(8)]
    asked = [c.send("crl", {0: "root"}) for c in clients]
    answers = [c.answer_to(i)[1] for c, i in zip(clients, asked)]
    assert all(a == answers[0] for a in answers)
    for client in clients:
        client.close()


def test_what_was_revoked_is_on_it(mint, workdir):
    serials = issue(mint, 3)
    revoke(mint, serials[:1], 1, since=1_700_000_000)
    der, body = newer_than(mint, 0)
    crl = verify(mint, der)
    revoked = crl.get_revoked_certificate_by_serial_number(
        int.from_bytes(serials[0], "big"))
    assert revoked.extensions.get_extension_for_class(
        x509.CRLReason).value.reason == x509.ReasonFlags.key_compromise
    assert revoked.extensions.get_extension_for_class(x509.InvalidityDate)
    assert not numbers_of(crl) & to_int(serials[1:])
    (workdir / "crl.der").write_bytes(der)
    said = run("openssl", "crl", "-inform", "DER", "-in",
               workdir / "crl.der", "-noout", "-text", "-nextupdate").stdout
    assert serials[0].hex().upper().lstrip("0") in said
    assert "Key Compromise" in said
    said = run("certtool", "--crl-info", "--inder", "--infile",
               workdir / "crl.der").stdout
    assert "CRL Number" in said


@pytest.fixture(scope="module")
def big_mint():
    """CRLs of a minute, so that the next one comes after half of it."""
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    mint = Mint(units=200000, options=("--policy", short_policy(place)))
    try:
        mint.start()
        yield mint
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()


def test_next_update_is_kept_by_itself(big_mint):
    _, first = fetch_crl(big_mint)
    assert first[3] - first[2] == 60
    _, second = newer_than(big_mint, first[1])
    assert second[1] == first[1] + 1
    assert 30 <= second[2] - first[2] <= 40
    assert second[5] == first[5]


def make_many(mint, count):
    """Certificates by many stations' worth of pipelined requests."""
    order, out = mint.new_order(units=count), []
    csr_of = cheap_csrs()
    with mint.client() as client:
        waiting = []
        for _ in range(count):
            waiting.append(client.send("issue", mm.issue_body(
                order, fresh("lamp"), next(csr_of))))
            if len(waiting) > 48:
                out.append(serial_of(client.answer_to(waiting.pop(0))[1][1]))
        for one in waiting:
            out.append(serial_of(client.answer_to(one)[1][1]))
    return out


def cheap_csrs():
    while True:
        yield new_csr()


def revoke_all(mint, serials):
    """Statements pipelined; the answers' bodies."""
    with mint.client("officer") as officer:
        waiting = []
        for start in range(0, len(serials), A_STATEMENT):
            part = sorted(serials[start:start + A_STATEMENT])
            waiting.append(officer.send("statement", {0: [mint.state(
                "revoke", mm.revoke_body(part, 4))]}))
        for one in waiting:
            officer.answer_to(one)


def listed(mint, count):
    """The first CRL with so many; how long that took."""
    begin = time.monotonic()

    def look():
        der, body = fetch_crl(mint)
        return (der, body) if body[5] >= count else None
    found = eventually(look, f"a CRL of {count}", timeout=180)
    return found, time.monotonic() - begin


def ping(mint, stop, worst):
    """The longest that a status took meanwhile."""
    with mint.client("release") as client:
        while not stop.is_set():
            begin = time.monotonic()
            client.status()
            worst.append(time.monotonic() - begin)


def test_a_crl_that_is_a_blob(big_mint, workdir):
    """5,000 of them; 100,000 with MINTMARK_FAULTS=1."""
    import threading
    count = 100_000 if LONG else 5_000
    begin = time.monotonic()
    serials = make_many(big_mint, count)
    print(f"{count} certificates: {time.monotonic() - begin:.1f} s")
    stop, worst = threading.Event(), []
    pinger = threading.Thread(target=ping, args=(big_mint, stop, worst))
    pinger.start()
    try:
        begin = time.monotonic()
        revoke_all(big_mint, serials)
        print(f"{count} revoked: {time.monotonic() - begin:.1f} s;"
              f" worst status {max(worst):.3f} s")
        worst.clear()
        (der, body), took = listed(big_mint, count)
    finally:
        stop.set()
        pinger.join()
    print(f"CRL of {body[5]}, {len(der)} bytes, after {took:.1f} s;"
          f" worst status {max(worst):.3f} s")
    print(big_mint.daemon.wait_line(f": {body[5]} certificates"))
    assert 7 in body and body[8] > 32768
    crl = verify(big_mint, der)
    assert to_int(serials) <= numbers_of(crl) and len(crl) == body[5]
    path = workdir / "crl.der"
    path.write_bytes(der)
    for words in (("openssl", "crl", "-inform", "DER", "-in", path, "-noout",
                   "-text", "-nextupdate"),
                  ("certtool", "--crl-info", "--inder", "--infile", path)):
        begin = time.monotonic()
        said = run(*words, timeout=3600).stdout
        print(f"{words[0]}: {time.monotonic() - begin:.1f} s")
        assert len(re.findall(r"Serial Number", said, re.I)) >= count


def test_it_outlives_a_restart(big_mint):
    _, before = fetch_crl(big_mint)
    big_mint.kill()
    big_mint.start()
    der, after = fetch_crl(big_mint)
    assert after[1] >= before[1] and after[5] >= before[5]
    verify(big_mint, der)
