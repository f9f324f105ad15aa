"""factory/mintmark_station.py, as the scripts of a factory use it."""

import importlib.util
import os
import re
import shutil
import socket
import sys
import textwrap
import threading
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import mintmark_client as mm
from mint import BUILD, MINTMARK, ROOT, fresh, new_csr, new_key, run
from test_liars import Liar, serial, spki_of

FILE = ROOT / "factory/mintmark_station.py"
ISSUE, SHOW, RENEW, ORDERS = 2, 3, 15, 17
PEM = serialization.Encoding.PEM


def load():
    spec = importlib.util.spec_from_file_location("mintmark_station", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ms = load()


@pytest.fixture
def line(mint):
    with ms.Station(mint.identity("station"), mintmark=MINTMARK) as station:
        yield station


def parts(answer):
    return [answer.index, answer.certificate, list(answer.chain),
            answer.receipt]


def same_as(answer, theirs):
    return parts(answer) == [theirs.get(k) for k in range(4)]


# ------------------------------------------------------------------- answers

def test_issue_and_the_same_again(mint, line, station, order, device):
    key = new_key()
    answer = line.issue(new_csr(key), device=device, order=order)
    certificate = x509.load_pem_x509_certificate(answer.pem.encode())
    assert (certificate.public_key().public_numbers()
            == key.public_key().public_numbers())
    assert certificate.public_bytes(serialization.Encoding.DER) == (
        answer.certificate)
    assert answer.chain_pem.count("BEGIN") == len(answer.chain) == 1
    assert line.issue(new_csr(key), device=device, order=order) == answer
    assert line.show(device) == answer
    assert line.show(serial=certificate.serial_number) == answer
    assert same_as(answer, station.show(device))
    assert line.orders(order)[0].issued == 1


def test_an_order_for_the_whole_shift(mint, line, order, device):
    csr, other = new_csr(), mint.new_order()
    with ms.Station(mint.identity("station"), mintmark=MINTMARK,
                    order=order) as s:
        answer = s.issue(csr, device=device)
        assert s.issue(csr, device=device, order=order) == answer
        s.issue(new_csr(), fresh("lamp"), other)
    assert [line.orders(o)[0].issued for o in (order, other)] == [1, 1]
    with pytest.raises(TypeError):
        line.issue(csr, device=device)


@pytest.mark.parametrize("form", [bytes, bytes.decode])
def test_a_csr_as_pem(line, order, device, form):
    der = new_csr()
    pem = form(x509.load_der_x509_csr(der).public_bytes(PEM))
    assert line.issue(pem, device, order) == line.issue(der, device, order)


def test_a_device_gets_no_second_certificate(line, order, device):
    line.issue(new_csr(), device, order)
    with pytest.raises(ms.DeviceError) as e:
        line.issue(new_csr(), device, order)
    assert (e.value.code, e.value.name) == (48, "device-already-issued")
    assert not e.value.retryable and line.status()


def test_a_reissue(mint, line, device):
    order = mint.new_order(pattern="*", reissue=1)
    first = line.issue(new_csr(), device, order)
    second = line.issue(new_csr(), device, order, reissue=True)
    assert second != first and line.show(device) == second
    with pytest.raises(ms.OrderError) as e:
        line.issue(new_csr(), device, order, reissue=True)
    assert e.value.name == "reissue-exhausted"


def test_a_device_that_the_order_does_not_cover(mint, line):
    order = mint.new_order(devices=["lamp-1"], units=1)
    with pytest.raises(ms.OrderError) as e:
        line.issue(new_csr(), "lamp-2", order)
    assert e.value.name == "order-does-not-cover" and e.value.text


def test_an_order_for_another_station(mint, line, device):
    name = mint.new_principal("station")
    order = mint.new_order(stations=(name,))
    with pytest.raises(ms.OrderError) as e:
        line.issue(new_csr(), device, order)
    assert e.value.name == "order-for-others" and not e.value.retryable


def test_a_used_up_order_is_nothing_to_wait_for(mint, line):
    order = mint.new_order(units=1)
    line.issue(new_csr(), fresh("lamp"), order)
    with pytest.raises(ms.OrderError) as e:
        line.issue(new_csr(), fresh("lamp"), order)
    assert (e.value.code, e.value.retryable, e.value.retry_after) == (
        47, False, 0)
    assert line.orders(order)[0].left == 0


def test_a_daily_limit_is_something_to_wait_for(mint):
    name = mint.new_principal("station", daily=1)
    order = mint.new_order(stations=[name])
    with ms.Station(mint.identity(name), mintmark=MINTMARK,
                    patience=0) as line:
        line.issue(new_csr(), fresh("lamp"), order)
        with pytest.raises(ms.LimitError) as e:
            line.issue(new_csr(), fresh("lamp"), order)
    assert e.value.retryable and e.value.retry_after > 0


@pytest.mark.parametrize("device, error", [
    ("lamp 1", ms.CsrError), ("", ms.MessageError),
    ("lamp\ud800", ms.MessageError), ("lamp\n", ms.MessageError),
    ("x" * 65, ms.MessageError), ("x" * 200000, ms.MessageError)],
    ids=["space", "none", "half", "line", "65", "frame"])
def test_a_bad_device_id(line, order, device, error):
    with pytest.raises(error):
        line.issue(new_csr(), device, order)
    assert line.status()


@pytest.mark.parametrize("csr", [b"", b"nothing", b"0", b"0\x82",
                                 new_csr()[:20], "-----BEGIN"],
                         ids=["empty", "word", "tag", "length", "cut", "pem"])
def test_a_csr_that_is_none(line, order, device, csr):
    with pytest.raises(ms.CsrError) as e:
        line.issue(csr, device, order)
    assert e.value.name == "csr-malformed"


def test_of_what_there_is_not(line):
    with pytest.raises(ms.NotFoundError):
        line.show(fresh("lamp"))
    with pytest.raises(TypeError):
        line.show()


def test_status_and_orders(mint, line):
    status = line.status()
    assert (status.origin, status.vkey) == (mint.origin, mint.vkey_text)
    assert (status.name, status.role) == ("station", "station")
    names = {mint.new_order() for _ in range(70)}
    with mint.client("auditor") as client:
        page = client.orders()
    assert len(page) == 64
    listed = [o.name for o in line.orders()]
    assert listed == sorted(listed) and names <= set(listed)


@pytest.mark.parametrize("verify", [True, False])
def test_a_unit_that_failed(mint, order, device, verify):
    with ms.Station(mint.identity("station"), mintmark=MINTMARK,
                    verify=verify) as line:
        answer = line.issue(new_csr(), device, order)
        certificate = x509.load_der_x509_certificate(answer.certificate)
        assert answer.serial == certificate.serial_number
        assert line.show(serial=answer.serial) == answer
        first = line.scrap(order, answer.serial, "no answer")
        again = line.scrap(order, answer.serial, "once more")
        assert first.index == again.index and first.receipt
        made = line.orders(order)[0]
        assert (made.issued, made.scrapped) == (1, 1)
        for serial in (answer.serial + 1, 1, -1):
            with pytest.raises(ms.OrderError) as e:
                line.scrap(order, serial, "no answer")
            assert (e.value.code, e.value.name, e.value.retryable) == (
                84, "certificate-not-of-order", False)
        for reason in ("", "x" * 201, "two\nlines"):
            with pytest.raises(ms.MessageError):
                line.scrap(order, answer.serial, reason)


def test_a_report_of_a_liar_is_refused(liar):
    liar.answers[ms.SCRAP] = lambda _: {0: 0, 1: liar.receipt(0)}
    with ms.Station(liar.place, verify=False) as line:
        assert line.scrap("order", 1, "word").index == 0
    with ms.Station(liar.place, mintmark=MINTMARK) as line:
        with pytest.raises(ms.ProofError) as e:
            line.scrap("order", 1, "word")
    assert e.value.name == "receipt-mismatch"


@pytest.mark.parametrize("verify", [True, False])
def test_a_crl(mint, order, device, workdir, verify):
    with ms.Station(mint.identity("station"), mintmark=MINTMARK,
                    verify=verify) as line:
        crl = x509.load_der_x509_crl(line.crl())
        ca = line.issue(new_csr(), device, order).chain[0]
    assert crl.is_signature_valid(
        x509.load_der_x509_certificate(ca).public_key())


def test_renewal(mint):
    """Of a certificate that is young: the same one again."""
    name, key = fresh("station"), new_key()
    mint.new_principal("station", name=name, key=key)
    place = mint.identity(name)
    before = (place / "certificate.pem").read_bytes()
    with ms.Station(place, mintmark=MINTMARK) as line:
        assert line.renew() is False and line.renew(new_csr(key)) is False
        with pytest.raises(ms.CsrError):
            line.renew(new_csr())
        assert line.status().name == name
    assert (place / "certificate.pem").read_bytes() == before


@pytest.mark.parametrize("verify", [True, False])
def test_renewal_when_it_is_time(liar, verify):
    """It is this station's key, or the identity stays as it is."""
    path = liar.place / "certificate.pem"
    before, csr = path.read_bytes(), new_csr(liar.key)
    with ms.Station(liar.place, mintmark=MINTMARK, verify=verify) as line:
        liar.certify(0, spki_of(liar.ca))
        liar.answers[RENEW] = liar.answers[SHOW]
        with pytest.raises(ms.ProofError):
            line.renew(csr)
        assert path.read_bytes() == before
        liar.certify(0, spki_of(liar.key))
        liar.answers[RENEW] = liar.answers[SHOW]
        assert line.renew(csr) is True
        assert line.renew(csr) is False
    after = x509.load_pem_x509_certificate(path.read_bytes())
    assert path.read_bytes() != before
    assert spki_of(liar.key) == after.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    assert {f.name for f in liar.place.iterdir()} == {
        "access-ca.pem", "appliance", "certificate.pem", "key.pem",
        "log.vkey", "server.pem"}


# ----------------------------------------------------------- lost connections

class Cutter:
    """A proxy: once `cut` is set, the next bytes of the appliance are lost,
    and the connection with them."""

    def __init__(self, address):
        self.address, self.cut, self.opened = address, False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            self.opened += 1
            far = socket.create_connection(self.address)
            for pair in ((near, far, False), (far, near, True)):
                threading.Thread(target=self.carry, args=pair,
                                 daemon=True).start()

    def carry(self, source, target, loses):
        try:
            while data := source.recv(65536):
                if loses and self.cut:
                    self.cut = False
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def identity(self, mint, place):
        shutil.copytree(mint.identity("station"), place)
        (place / "appliance").write_text(
            "127.0.0.1:%d localhost\n" % self.listener.getsockname()[1])
        return place


def test_a_lost_answer_comes_again(mint, station, order, device, workdir):
    proxy = Cutter(mint.address)
    with ms.Station(proxy.identity(mint, workdir / "id"),
                    mintmark=MINTMARK) as line:
        line.status()
        proxy.cut = True
        answer = line.issue(new_csr(), device, order)
        assert proxy.opened == 2 and not proxy.cut
        assert same_as(answer, station.show(device))
        assert line.orders(order)[0].issued == 1
    proxy.listener.close()


def test_an_appliance_that_starts_again(own_mint):
    """The connection of before is gone; nobody has to care."""
    own_mint.start()
    order, device, csr = own_mint.new_order(), fresh("lamp"), new_csr()
    with ms.Station(own_mint.identity("station"),
                    mintmark=MINTMARK) as line:
        answer = line.issue(csr, device, order)
        own_mint.kill()
        line.patience = 0
        with pytest.raises(ms.AwayError) as e:
            line.status()
        assert e.value.retryable and e.value.code == 156
        own_mint.start()
        line.patience = 60
        assert line.issue(csr, device, order) == answer


class Paper(Liar):
    """Answers in turn what a test says: a function, or None to hang up."""

    def script(self, *answers):
        self.turns, self.ids = list(answers), []

    def talk(self, stream):
        while True:
            size = int.from_bytes(mm.read_exactly(stream, 4), "big")
            request = mm.decode(mm.read_exactly(stream, size))
            self.ids.append(request[1])
            turn = self.turns.pop(0)
            if turn is None:
                return
            kind, body = turn
            stream.sendall(mm.frame(body if isinstance(body, bytes) else
                           mm.encode({0: kind, 1: request[1], 2: body})))


@pytest.fixture
def paper(workdir):
    with Paper(workdir / "paper") as appliance:
        yield appliance


BUSY = (0, {0: 152, 1: "busy", 2: "too much", 3: 1})


def test_the_same_id_until_there_is_an_answer(paper):
    paper.script(None, BUSY, None, (ORDERS, {0: []}), (ORDERS, {0: []}))
    with ms.Station(paper.place, verify=False) as line:
        assert line.orders("none") == []
        assert len(paper.ids) == 4 and len(set(paper.ids)) == 1
        line.orders("none")
    assert paper.ids[4] != paper.ids[3]


def test_patience_ends(paper):
    paper.script(BUSY)
    with ms.Station(paper.place, verify=False, patience=0.9) as line:
        with pytest.raises(ms.ServiceError) as e:
            line.orders()
    assert e.value.retryable and e.value.retry_after == 1


@pytest.mark.parametrize("body", [
    {}, {0: 1}, {0: [{}]}, {0: [1]}, [], b"\xff", b"\xa0", b"\x00\x00",
    mm.encode({0: ORDERS, 1: bytes(16), 2: {0: []}}),
    b"\xa3\x00\x18\x11\x01\x50" + bytes(16) + b"\x02\xa0",
    b"\x9f\xff", b"\x81" * 17 + b"\x00", b"\xbb" + b"\xff" * 8,
    b"\xfb" + bytes(8), b"\x1b" + b"\xff" * 8, b"\xa2\x01\x00\x00\x00",
    b"\x61\x1b", b"\x63\xe2\x80\xae", b"\x61\xff", b"\x18\x17", b""],
    ids=repr)
def test_an_answer_that_is_none(paper, body):
    """Told, not taken; and the connection is not used again."""
    paper.script((ORDERS, body), (ORDERS, {0: []}))
    with ms.Station(paper.place, verify=False, patience=2) as line:
        with pytest.raises(ms.ServiceError) as e:
            line.orders("none")
        assert e.value.name == "peer-broke-protocol"
        assert not e.value.retryable
        assert line.orders("none") == []


# --------------------------------------------------------------------- liars

@pytest.fixture
def liar(workdir):
    with Liar(workdir / "liar") as appliance:
        yield appliance


LIES = {
    "nothing": (),
    "device": ("receipt-mismatch", {"name": "line-2"}),
    "key": ("receipt-mismatch", {"other_key": True}),
    "profile": ("receipt-mismatch", {"profile": "device"}),
    "index": ("receipt-mismatch", {0: 0}),
    "signature": ("receipt-mismatch", {1: None}),
    "entry": ("receipt-mismatch", {3: None}),
    "garbage": ("receipt-malformed", {3: b"nothing\n"}),
}


@pytest.mark.parametrize("call", ["issue", "show"])
@pytest.mark.parametrize("lie", LIES)
def test_a_receipt_of_a_liar_is_refused(liar, lie, call):
    key = new_key()
    name, change = LIES[lie] or (None, {})
    if call == "show" and "other_key" in change:
        return  # whoever asks for a device knows no key
    liar.certify(0, spki_of(new_key() if change.get("other_key") else key),
                 name=change.get("name", "line-1"))
    body = dict(liar.answers[SHOW]({}))
    if 0 in change:
        body[0] = 0
    if 1 in change:
        body[1] = body[1][:-1] + bytes([body[1][-1] ^ 1])
    if 3 in change:
        body[3] = change[3] or liar.receipt(0)
    liar.answers[ISSUE] = liar.answers[SHOW] = lambda _: body
    profile = change.get("profile", "tls-client")

    def ask(line):
        if call == "show":
            return line.show("line-1", profile=profile)
        return line.issue(new_csr(key), "line-1", "order", profile=profile)

    with ms.Station(liar.place, verify=False) as line:
        believed = ask(line)
    with ms.Station(liar.place, mintmark=MINTMARK) as line:
        if name is None:
            assert ask(line) == believed
            return
        with pytest.raises(ms.ProofError) as e:
            ask(line)
    assert e.value.name == name and not e.value.retryable


def ca_of(key, by, name="ca", above="root"):
    """DER of a CA's certificate for this key, by that one."""
    now = datetime.now(timezone.utc)
    return x509.CertificateBuilder().subject_name(named(name)).issuer_name(
        named(above)).public_key(key.public_key()).serial_number(
        serial(7)).not_valid_before(now).not_valid_after(
        now + timedelta(days=1)).add_extension(
        x509.BasicConstraints(True, None), True).sign(
        by, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


CHAINS = {
    "whole": ((0, 1), (1, 2), (2, 2)), "one": ((0, 1),), "none": (),
    "not the issuer": ((1, 2),), "not above it": ((0, 1), (2, 2)),
    "turned round": ((1, 2), (0, 1)), "a stranger": ((0, 1), (1, 2), (3, 3)),
    "too long": ((0, 0),) * 9, "no certificate": None}


@pytest.mark.parametrize("chain", CHAINS)
def test_each_of_a_chain_has_signed_the_one_before(liar, chain):
    key, keys = new_key(), [liar.key, new_key(), new_key(), new_key()]
    liar.certify(0, spki_of(key))
    links = CHAINS[chain]
    body = dict(liar.answers[SHOW]({}))
    if links != ():
        body[2] = [b"0 is no certificate"] if links is None else [
            ca_of(keys[of], keys[by]) for of, by in links]
    liar.answers[ISSUE] = lambda _: body
    with ms.Station(liar.place, mintmark=MINTMARK) as line:
        if chain in ("whole", "one", "none"):
            assert len(line.issue(new_csr(key), "line-1", "order",
                                  "tls-client").chain) == len(links)
            return
        with pytest.raises((ms.ProofError, ms.ServiceError)) as e:
            line.issue(new_csr(key), "line-1", "order", "tls-client")
    assert not e.value.retryable


def test_a_log_of_another_key(liar, workdir):
    key = new_key()
    liar.certify(0, spki_of(key))
    liar.answers[ISSUE] = liar.answers[SHOW]
    with Liar(workdir / "other") as other:
        shutil.copy(other.place / "log.vkey", liar.place / "log.vkey")
    with ms.Station(liar.place, mintmark=MINTMARK) as line:
        with pytest.raises(ms.ProofError) as e:
            line.issue(new_csr(key), "line-1", "order", "tls-client")
    assert e.value.name in ("note-unknown-key", "checkpoint-other-log")


# --------------------------------------------------------------- the identity

@pytest.mark.parametrize("line", [
    "", "localhost", "localhost:1", "::1:1 name", "h:65536 n", "h:1 n m",
    "h:x n"])
def test_an_address_that_is_none(mint, workdir, line):
    place = workdir / "id"
    shutil.copytree(mint.identity("station"), place)
    (place / "appliance").write_text(line)
    with pytest.raises(ms.SetupError):
        ms.Station(place, mintmark=MINTMARK)


@pytest.mark.parametrize("line, error", [
    ("[::1]:1 n", ms.AwayError), ("127.0.0.1:1 n\n", ms.AwayError),
    ("x" * 70 + ":1 n", ms.SetupError)], ids=["v6", "v4", "long"])
def test_where_nobody_is(mint, workdir, line, error):
    place = workdir / "id"
    shutil.copytree(mint.identity("station"), place)
    (place / "appliance").write_text(line)
    with ms.Station(place, mintmark=MINTMARK, patience=0) as station:
        with pytest.raises(error):
            station.status()


def test_without_the_program(mint):
    place = mint.identity("station")
    with pytest.raises(ms.SetupError) as e:
        ms.Station(place, mintmark="/nowhere/mintmark")
    assert "verify=False" in str(e.value)
    with ms.Station(place, mintmark="/nowhere/mintmark",
                    verify=False) as line:
        assert line.status()


@pytest.mark.parametrize("says", ["", "no JSON", "[]", "\\377"])
def test_another_program(mint, line, order, device, workdir, says):
    """The unit is made; with the right program it is the same one again."""
    place, csr = workdir / "mintmark", new_csr()
    place.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    place.chmod(0o755)
    with ms.Station(mint.identity("station"), mintmark=place) as station:
        with pytest.raises(ms.SetupError) as e:
            station.issue(csr, device, order)
    assert str(place) in e.value.text and "mintmark=" in e.value.text
    assert not e.value.retryable
    assert line.issue(csr, device, order)
    assert line.orders(order)[0].issued == 1


@pytest.mark.parametrize("file", ["appliance", "key.pem", "certificate.pem",
                                  "access-ca.pem", "log.vkey"])
def test_an_identity_that_lacks_something(mint, workdir, file):
    place = workdir / "id"
    shutil.copytree(mint.identity("station"), place)
    (place / file).unlink()
    with pytest.raises(ms.SetupError) as e:
        ms.Station(place, mintmark=MINTMARK)
    assert file in e.value.text


def test_another_mint_is_not_talked_to(mint, liar, workdir):
    place = workdir / "id"
    shutil.copytree(mint.identity("station"), place)
    shutil.copy(liar.place / "appliance", place / "appliance")
    with ms.Station(place, mintmark=MINTMARK) as line:
        with pytest.raises(ms.TlsError) as e:
            line.status()
    assert not e.value.retryable


def test_a_key_with_a_passphrase_is_not_asked_for(mint, workdir):
    place = workdir / "id"
    shutil.copytree(mint.identity("station"), place)
    (place / "key.pem").write_bytes(new_key().private_bytes(
        PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret")))
    with pytest.raises(ms.SetupError):
        ms.Station(place, mintmark=MINTMARK)


# ------------------------------------------------------------------- the file

def test_the_errors_are_those_of_the_protocol():
    text = (ROOT / "protocol/mintmark.cddl").read_text()
    table = text[text.index("error-code = &("):]
    theirs = {name: int(code) for name, code in re.findall(
        r"^\t([a-z-]+): (\d+),", table[:table.index("\n)")], re.MULTILINE)}
    assert len(theirs) > 100
    assert {n: c for n, c in ms.CODES.items() if theirs.get(n) != c} == {}
    for name, code in theirs.items():
        assert type(ms._error(name, "", code)) is not ms.StationError, name


@pytest.mark.parametrize("item", [
    0, 23, 24, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1,
    b"", bytes(23), bytes(24), bytes(65536), "", "lämp", [], [1, [b""]],
    {}, {0: True, 1: False, 23: {24: "x"}, 300: []}],
    ids=lambda i: repr(i)[:9])
def test_cbor_is_as_others_write_it(item):
    assert ms.encode(item) == mm.encode(item)
    assert ms.decode(ms.encode(item)) == item


@pytest.mark.parametrize("item", [
    "", "1800", "1817", "1900ff", "1a0000ffff", "1b00000000ffffffff",
    "1b8000000000000000", "20", "5f4100ff", "9f00ff", "f6", "f93c00", "c100",
    "4100ff", "42ff", "6180", "610a", "63e280ae", "8200", "9bffffffffffffffff",
    "a1", "a201000000", "a200000001", "a10001ff", "a1410000",
    "81" * 16 + "00"])
def test_cbor_in_another_form_is_refused(item):
    with pytest.raises(ValueError):
        ms.decode(bytes.fromhex(item))


def test_nesting_of_cbor_has_an_end():
    assert ms.decode(b"\x81" * 15 + b"\x00")


PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import mintmark_station
ours = {{"mintmark_station"}}
strange = {{m.split(".")[0] for m in sys.modules}} - set(
    sys.stdlib_module_names) - ours - {{"__main__"}}
assert not strange, strange
"""


def alone(text, **more):
    """In an interpreter that has only what it brings itself."""
    return run("python3", "-I", "-S", "-c", text, **more)


def test_it_needs_the_standard_library_alone():
    alone(PROGRAM.format(folder=str(FILE.parent)))


def test_its_example_runs(mint, workdir):
    """Word for word, as the docstring has it."""
    example = textwrap.dedent(re.search(
        r"\n\n((?:    .*\n|\n)+)", ms.__doc__)[1])
    shutil.copytree(mint.identity("station"), workdir / "line-1")
    (workdir / "unit.csr").write_bytes(new_csr())
    mint.new_order(name="batch-7", units=16, first="24:6F:28:00:00:00",
                   last="24:6F:28:00:00:0F")
    alone(f"import sys; sys.path.insert(0, {str(FILE.parent)!r})\n" + example,
          cwd=workdir, env={**os.environ,
                            "PATH": f"{BUILD}:{os.environ['PATH']}"})
    run(MINTMARK, "receipt", "verify", "--key", workdir / "line-1/log.vkey",
        workdir / "unit.receipt", workdir / "unit.crt")
