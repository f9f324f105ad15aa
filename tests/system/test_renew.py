"""TLS certificates that their holders renew, and what revocation does."""

from cryptography import x509

import mintmark_client as mm
from mint import (fresh, new_csr, new_key, nothing_signed, refused,
                  spki_hash, to_pem)
from cryptography.hazmat.primitives import serialization


def key_of(mint, name):
    return serialization.load_pem_private_key(
        (mint.identity(name) / "key.pem").read_bytes(), None)


def serial_of(mint, name):
    number = x509.load_pem_x509_certificate(
        (mint.identity(name) / "certificate.pem").read_bytes()).serial_number
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def revoke(mint, serials, reason=0):
    with mint.client("officer") as officer:
        officer.statement([mint.state("revoke",
                                      mm.revoke_body(serials, reason))])


def test_a_young_certificate_is_given_again(mint):
    name = mint.new_principal("station")
    with mint.client(name) as client, nothing_signed(mint):
        answer = client.renew(new_csr(key_of(mint, name)))
    assert to_pem(answer[1]) == (
        mint.identity(name) / "certificate.pem").read_bytes()


def test_another_key_needs_a_statement(mint):
    name = mint.new_principal("station")
    with mint.client(name) as client, nothing_signed(mint):
        with refused("unknown-principal"):
            client.renew(new_csr())


def test_a_first_certificate_without_a_csr_in_the_statement(mint):
    """A changed statement begins anew: the next one rests on it."""
    name = mint.new_principal("station")
    key, request = key_of(mint, name), b"n" * 16
    with mint.client("officer") as officer:
        stated = officer.statement([mint.state("principal", mm.principal_body(
            name, "station", spki_hash(key), profiles=["device"],
            minute=1000))])
    with mint.client(name) as client:
        first = client.renew(new_csr(key), request_id=request)
        assert mm.decode(entry(mint, first[0]))[3][2] == stated[0]
        assert client.renew(new_csr(key), request_id=request) == first
        assert client.renew(new_csr(key)) == first
        assert client.show(basis=stated[0]) == first
    (mint.identity(name) / "certificate.pem").write_bytes(to_pem(first[1]))
    with mint.client(name) as client:
        client.status()


def entry(mint, index):
    with mint.client("auditor") as auditor:
        return auditor.entries(index, 1)[1][0]


def test_a_bad_csr_is_refused(mint):
    name = mint.new_principal("station")
    with mint.client(name) as client, refused("csr-malformed"):
        client.renew(b"no CSR")


def test_every_role_may_renew(mint):
    for role in mm.ROLES:
        name = mint.new_principal(role)
        with mint.client(name) as client:
            assert client.renew(new_csr(key_of(mint, name)))


def test_a_revoked_client_gets_no_further_answer(mint):
    name = mint.new_principal("station")
    order = mint.new_order(stations=[name])
    with mint.client(name) as client:
        client.issue(order, fresh("lamp"), new_csr())
        revoke(mint, [serial_of(mint, name)], 1)
        with nothing_signed(mint), refused("certificate-revoked"):
            client.issue(order, fresh("lamp"), new_csr())
        with refused("certificate-revoked"):
            client.status()
        with refused("certificate-revoked"):
            client.renew(new_csr(key_of(mint, name)))
    with mint.client(name) as client, refused("certificate-revoked"):
        client.status()


def test_a_new_key_comes_by_a_statement(mint):
    name, key = mint.new_principal("station"), new_key()
    revoke(mint, [serial_of(mint, name)], 1)
    with mint.client("officer") as officer:
        answer = officer.statement(
            [mint.state("principal", mm.principal_body(
                name, "station", spki_hash(key), profiles=["device"]))],
            csr=new_csr(key))
    place = mint.identity(name)
    (place / "certificate.pem").write_bytes(to_pem(answer[2]))
    (place / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    with mint.client(name) as client:
        client.status()


def test_a_hold_may_be_taken_back(mint):
    name = mint.new_principal("station")
    with mint.client(name) as client:
        revoke(mint, [serial_of(mint, name)], 6)
        with refused("certificate-revoked"):
            client.status()
        revoke(mint, [serial_of(mint, name)], 8)
        client.status()
