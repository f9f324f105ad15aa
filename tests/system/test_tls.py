"""Who gets as far as a first message: TLS 1.3, ALPN, client certificates."""

import os
import random
import re
import socket
import ssl
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import mintmark_client as mm
from mint import new_csr, new_key, refused, run, spki_hash, write_key

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def context_of(mint, place=None, alpn=(mm.ALPN,)):
    """A context that trusts the mint and shows a certificate, or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(mint.dir / "public/access-ca.pem")
    if place is not None:
        context.load_cert_chain(place / "certificate.pem",
                                place / "key.pem")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def turned_away(mint, context):
    """The handshake fails, or the first read: nothing is answered."""
    try:
        sock = mm.tls_connect(mint.address, context)
    except (ssl.SSLError, ConnectionError) as e:
        return str(e)
    with sock:
        try:
            sock.sendall(mm.frame(mm.encode({0: 1, 1: b"x" * 16, 2: {}})))
            data = sock.recv(1)
        except (ssl.SSLError, ConnectionError) as e:
            return str(e)
        assert data == b"", "it was answered"
        return "closed"


def served(mint):
    """A healthy client has its answer."""
    with mint.client() as client:
        assert client.status()[6] == "station"


def test_a_registered_station_is_served(mint):
    served(mint)


def test_the_appliance_shows_a_server_certificate(mint):
    with mint.client() as client:
        shown = x509.load_der_x509_certificate(
            client.sock.getpeercert(binary_form=True))
    purposes = shown.extensions.get_extension_for_class(
        x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = shown.extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    lifetime = shown.not_valid_after - shown.not_valid_before
    assert lifetime <= timedelta(days=7, hours=1)


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x00" * 1000,
    b"\x16\x03\x01\xff\xff" + b"A" * 4096, b"\x16\x03\x01\x00\x00",
    b"\x80\x2e\x01\x00\x02", b"\xff" * 70000,
], ids=["http", "zeros", "long-record", "empty-record", "ssl2", "ones"])
def test_garbage_instead_of_tls(mint, garbage):
    with socket.create_connection(mint.address, timeout=30) as sock:
        try:
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
    served(mint)


def client_hello(mint):
    """The bytes with which a good client begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context_of(mint, mint.identity("station")).wrap_bio(
        incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_broken_hellos(mint):
    """Bits flipped and bytes cut in a good ClientHello, by a fixed seed."""
    good, dice = client_hello(mint), random.Random(7433)
    for _ in range(200):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        with socket.create_connection(mint.address, timeout=30) as sock:
            sock.sendall(bad[:dice.randint(1, len(bad))])
    served(mint)


def test_tls_1_2_is_refused(mint):
    context = context_of(mint, mint.identity("station"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "alert" in turned_away(mint, context).lower()


@pytest.mark.parametrize("alpn", [(), ("h2",), ("mintmark/2",)])
def test_another_alpn_is_refused(mint, alpn):
    turned_away(mint, context_of(mint, mint.identity("station"), alpn))


def test_no_client_certificate(mint):
    turned_away(mint, context_of(mint))


# ------------------------------------------------------- certificates of others

def certificate(place, key, issuer_key, issuer_name="Foreign CA",
                common_name="station", ca=False,
                eku=ExtendedKeyUsageOID.CLIENT_AUTH):
    """Writes an identity whose certificate is by a key of the test."""
    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    builder = (x509.CertificateBuilder().subject_name(name(common_name))
               .issuer_name(name(issuer_name)).public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(datetime.utcnow() - timedelta(days=1))
               .not_valid_after(datetime.utcnow() + timedelta(days=1))
               .add_extension(x509.BasicConstraints(ca, None), True)
               .add_extension(x509.ExtendedKeyUsage([eku]), False))
    write_key(place / "key.pem", key)
    (place / "certificate.pem").write_bytes(builder.sign(
        issuer_key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM))


def test_a_self_signed_certificate(mint, workdir):
    key = new_key()
    certificate(workdir, key, key, issuer_name="station")
    turned_away(mint, context_of(mint, workdir))


def test_a_certificate_of_a_foreign_ca(mint, workdir):
    certificate(workdir, new_key(), new_key())
    turned_away(mint, context_of(mint, workdir))


def test_a_foreign_certificate_over_a_registered_key(mint, workdir):
    """The key is known; that its certificate is not ours is enough."""
    key = serialization.load_pem_private_key(
        (mint.identity("station") / "key.pem").read_bytes(), None)
    certificate(workdir, key, new_key(), issuer_name="Example Access CA")
    turned_away(mint, context_of(mint, workdir))


def test_a_device_certificate_is_no_identity(mint, order, device, workdir):
    """It has clientAuth, too, but comes from the other root."""
    key = new_key()
    with mint.client() as client:
        answer = client.issue(order, device, new_csr(key))
    write_key(workdir / "key.pem", key)
    (workdir / "certificate.pem").write_bytes(b"".join(
        x509.load_der_x509_certificate(c).public_bytes(
            serialization.Encoding.PEM)
        for c in [answer[1], *answer[2]]))
    turned_away(mint, context_of(mint, workdir))


# ------------------------------- by the access CA, as if its key were misused

def by_access_ca(mint, place, *lines):
    """certtool signs with the token's own access CA key."""
    template = ["cn = stranger", *lines]
    if not any("expiration" in line for line in lines):
        template.append("expiration_days = 1")
    (place / "template").write_text("\n".join(template) + "\n")
    run("certtool", "--generate-privkey", "--key-type=ecdsa",
        "--curve=secp256r1", "--outfile", place / "key.pem")
    pin = (mint.dir / "token/pin").read_text().strip()
    run("certtool", "--provider", MODULE, "--generate-certificate",
        "--load-privkey", place / "key.pem", "--template",
        place / "template", "--load-ca-certificate",
        mint.dir / "public/access-ca.pem", "--load-ca-privkey",
        "pkcs11:token=mintmark;object=access-ca;type=private"
        f"?pin-value={pin}", "--outfile", place / "certificate.pem",
        env={**os.environ,
             "SOFTHSM2_CONF": str(mint.dir / "token/softhsm2.conf")})
    return context_of(mint, place)


def test_an_unregistered_key_with_a_good_certificate(mint, workdir):
    """It may shake hands; every request of it is refused."""
    context = by_access_ca(mint, workdir, "tls_www_client", "signing_key")
    with mm.tls_connect(mint.address, context) as sock:
        client = mm.Client.over(sock)
        for kind, body in (("status", {}), ("show", {2: b"\x01"})):
            with refused("unknown-principal"):
                client.ask(kind, body)


@pytest.mark.parametrize("lines", [
    ["tls_www_server", "signing_key"],
    ["code_signing_key", "signing_key"],
    ["tls_www_client", "ca", "cert_signing_key"],
    ["tls_www_client", "signing_key",
     'activation_date = "2020-01-01 00:00:00"',
     'expiration_date = "2020-02-01 00:00:00"'],
    ["tls_www_client", "signing_key",
     'activation_date = "2040-01-01 00:00:00"',
     'expiration_date = "2041-01-01 00:00:00"'],
], ids=["serverAuth", "codeSigning", "ca", "expired", "not-yet"])
def test_a_certificate_that_is_not_for_this(mint, workdir, lines):
    turned_away(mint, by_access_ca(mint, workdir, *lines))


def test_a_refused_certificate_is_told_with_its_fingerprint(own_mint,
                                                            workdir):
    """In a mint of its own: such lines are limited in number."""
    key = new_key()
    certificate(workdir, key, key, issuer_name="station")
    own_mint.start()
    turned_away(own_mint, context_of(own_mint, workdir))
    line = own_mint.daemon.wait_line("tls-refused")
    shown = x509.load_pem_x509_certificate(
        (workdir / "certificate.pem").read_bytes())
    assert shown.fingerprint(hashes.SHA256()).hex() in line


def test_a_certificate_out_of_its_time_is_told_with_the_clock(own_mint,
                                                              workdir):
    """It may be the clock that is wrong."""
    own_mint.start()
    turned_away(own_mint, by_access_ca(
        own_mint, workdir, "tls_www_client", "signing_key",
        'activation_date = "2040-01-01 00:00:00"',
        'expiration_date = "2041-01-01 00:00:00"'))
    line = own_mint.daemon.wait_line("tls-refused")
    assert re.search(r"not yet valid.*the clock here it is 20\d\d-", line), line


def test_resumption_does_not_outlive_registration(mint):
    """A resumed session is judged by its key at each request, too."""
    name = mint.new_principal("auditor")
    context = mm.tls_context(mint.identity(name))
    with mm.tls_connect(mint.address, context) as sock:
        client = mm.Client.over(sock)
        client.status()
        session = sock.session
    key = serialization.load_pem_private_key(
        (mint.identity(name) / "key.pem").read_bytes(), None)
    with mint.client("officer") as officer:
        officer.statement([mint.state("principal", mm.principal_body(
            name, "auditor", spki_hash(key), disabled=True))])
    raw = socket.create_connection(mint.address, timeout=30)
    with context.wrap_socket(raw, server_hostname="localhost",
                             session=session) as sock:
        client = mm.Client.over(sock)
        with refused("unknown-principal"):
            client.status()
