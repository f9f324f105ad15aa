"""Logs that the log's own key has signed, but that say what may not be: whoever
has taken over the notary still cannot get them past an auditor. Each case
changes one thing of an honest log and makes checkpoint and tiles anew."""

import base64
import copy
import datetime
import hashlib

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

import auditor
import mintmark_client as mm
from auditor import (CERTIFICATE, CRL, EXPORT, GENESIS, IMAGE, ORDER,
                     PRINCIPAL, REVOCATION, SIGNATURES, START, VOID)
from mint import MINTMARK, Mint, fresh, new_csr, run
from paper_appliance import PaperAppliance

BODY = 3


class History:
    """An honest history as decoded entries, and what is where in it."""

    def __init__(self):
        mint = Mint()
        try:
            mint.start()
            self.order = mint.new_order()
            self.spent = mint.new_order(units=1)
            with mint.client() as client:
                for order in (self.order, self.order, self.spent):
                    client.issue(order, fresh("lamp"), new_csr())
                with pytest.raises(mm.Refused):
                    client.issue(self.spent, fresh("lamp"), new_csr())
            with mint.client("release") as client:
                image, version = fresh("image").encode(), fresh("1")
                client.release(client.upload(image),
                               [mint.approve(image, version=version)],
                               version=version)
            mint.stop()
            self.vkey_text, self.vkey = mint.vkey_text, mint.vkey
            self.officer = mint.officer
            self.entries = [cbor2.loads(e) for e in auditor.read_directory(
                mint.dir / "log", mint.vkey)]
            self.key = Ed25519PrivateKey.from_private_bytes(
                (mint.dir / "log-key/log.key").read_bytes())
        finally:
            mint.remove()

    def at(self, kind, nth=0):
        """Where the nth entry of a kind is; -1 is the last."""
        return [i for i, e in enumerate(self.entries) if e[0] == kind][nth]

    def device(self, nth):
        """Where the nth device certificate is."""
        return [i for i, e in enumerate(self.entries)
                if e[0] == CERTIFICATE and e[BODY][0] == "device"][nth]

    def order_at(self, name):
        for i, e in enumerate(self.entries):
            if e[0] == ORDER and name in str(cbor2.loads(
                    cbor2.loads(e[BODY][0][0]).value[2])):
                return i
        raise AssertionError(f"no order {name}")

    def signature_of(self, index):
        """(entry, item) where an entry's signature is."""
        for i, e in enumerate(self.entries):
            if e[0] == SIGNATURES:
                for j, item in enumerate(e[BODY][0]):
                    if item[0] == index:
                        return i, j
        raise AssertionError(f"{index} is not signed")

    def note(self, data):
        root = auditor.tree_root([auditor.leaf_hash(e) for e in data])
        text = (f"{self.vkey.name}\n{len(data)}\n"
                f"{base64.b64encode(root).decode()}\n")
        signature = base64.b64encode(
            self.vkey.id + self.key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.vkey.name} {signature}\n".encode()

    def write(self, entries, directory):
        """The directory of a log with these entries, signed."""
        data = encode(entries)
        for path, content in auditor.expected_tiles(data).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        (directory / "checkpoint").write_bytes(self.note(data))


def encode(entries):
    return [cbor2.dumps(e, canonical=True) if isinstance(e, dict) else e
            for e in entries]


class Shown:
    """The log as an appliance on paper shows it."""

    def __init__(self, history, entries, blobs=()):
        self.history, self.entries = history, encode(entries)
        self.origin, self.id = history.vkey.name, history.vkey.id
        self.raw = history.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.blobs = [(len(entries), blob) for blob in blobs]

    def note(self, size=None):
        return self.history.note(self.entries[:size])


@pytest.fixture(scope="module")
def history():
    return History()


FORGERIES = []


def forgery(change):
    FORGERIES.append(change)
    return change


def last_like(log, kind, body):
    """A new entry at the end, under the policy in force."""
    log.append({**log[-1], 0: kind, BODY: body})


def serial_at(log, index):
    return x509.load_der_x509_certificate(auditor.assemble(
        log[index][BODY][5], b"\0")).serial_number


def revoke(h, log, serial, reason):
    body = {0: [{0: serial.to_bytes(20, "big"), 1: reason}]}
    last_like(log, REVOCATION, {
        0: [h.officer.state(h.vkey.name, "revoke", body, made=log[-1][1])],
        1: "officer", 2: hashlib.sha256(bytes(len(log))).digest()[:16]})


def make_crl(log, serials, number=1,
             reason=x509.ReasonFlags.key_compromise, late=0):
    """What is signed, of the device CA's CRL; `late`: seconds between an
    entry that revokes and what the list has as its date."""
    tbs = next(e[BODY][5] for e in log if e[0] == CERTIFICATE and
               e[BODY][0] == "device-ca")
    now = datetime.datetime.fromtimestamp(log[-1][1], datetime.timezone.utc)
    day = datetime.timedelta(1)
    issuer = x509.load_der_x509_certificate(auditor.assemble(tbs, b"\0"))
    identifier = issuer.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier).value
    builder = x509.CertificateRevocationListBuilder(
        issuer.subject, now, now + day).add_extension(
        x509.CRLNumber(number), False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            identifier), False)
    then = now + datetime.timedelta(seconds=late)
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(serial, then).add_extension(
                x509.CRLReason(reason), False).build())
    return builder.sign(ec.generate_private_key(ec.SECP256R1()),
                        hashes.SHA256()).tbs_certlist_bytes


def add_crl(log, tbs, count, blob=False, number=1, fewer=0):
    body = {0: "device-ca", 1: number, 2: log[-1][1], 3: log[-1][1] + 86400,
            4: len(log) - fewer, 5: count}
    body.update({7: auditor.sha256(tbs), 8: len(tbs)} if blob else {6: tbs})
    last_like(log, CRL, body)


# --- the forgeries: each changes `log`, a copy of h.entries ---

@forgery
def time_runs_backwards(h, log):
    log[-1][1] = log[-2][1] - 1


@forgery
def a_second_genesis(h, log):
    log.append(copy.deepcopy(log[0]))


@forgery
def no_genesis(h, log):
    del log[0]


@forgery
def another_origin(h, log):
    log[0][BODY][0] = "mint.example.org/other"


@forgery
def another_log_key(h, log):
    log[0][BODY][1] = bytes(32)


@forgery
def a_key_more_than_the_ceremony(h, log):
    log[0][BODY][2].append({**log[0][BODY][2][0], 0: "spare"})


@forgery
def a_policy_that_is_not_in_force(h, log):
    log[-1][2] = bytes(32)


@forgery
def a_kind_that_nobody_knows(h, log):
    log[-1][0] = 99


@forgery
def not_deterministic(h, log):
    log[-1] = b"\xb8\x04" + cbor2.dumps(log[-1], canonical=True)[1:]


@forgery
def bytes_after_the_entry(h, log):
    log[-1] = cbor2.dumps(log[-1], canonical=True) + b"\0"


@forgery
def a_tbs_twice(h, log):
    log.append(copy.deepcopy(log[h.device(0)]))


@forgery
def a_certificate_without_an_order(h, log):
    log[h.device(0)][BODY][2] = 0


@forgery
def a_certificate_under_what_comes_later(h, log):
    log[h.device(0)][BODY][2] = len(log) - 1


@forgery
def over_the_budget(h, log):
    log[h.device(1)][BODY][2] = h.order_at(h.spent)


@forgery
def another_device_than_its_tbs(h, log):
    log[h.device(0)][BODY][1] = "lamp-other"


@forgery
def another_key_than_its_tbs(h, log):
    log[h.device(0)][BODY][4] = bytes(32)


@forgery
def another_station(h, log):
    log[h.device(0)][BODY][6] = "stranger"


@forgery
def another_profile(h, log):
    log[h.device(0)][BODY][0] = "client"


@forgery
def another_issuer(h, log):
    log[h.device(0)][BODY][3] = "codesign"


@forgery
def one_request_two_certificates(h, log):
    log[h.device(1)][BODY][7] = log[h.device(0)][BODY][7]


@forgery
def a_flipped_bit_in_a_tbs(h, log):
    body = log[h.device(0)][BODY]
    tbs = bytearray(body[5])
    tbs[len(tbs) // 2] ^= 1
    body[5] = bytes(tbs)


@forgery
def a_wrong_signature(h, log):
    i, j = h.signature_of(h.device(0))
    signature = bytearray(log[i][BODY][0][j][1])
    signature[-1] ^= 1
    log[i][BODY][0][j][1] = bytes(signature)


@forgery
def another_ones_signature(h, log):
    i, j = h.signature_of(h.device(0))
    k, m = h.signature_of(h.device(1))
    log[i][BODY][0][j][1] = log[k][BODY][0][m][1]


@forgery
def signed_twice(h, log):
    i, j = h.signature_of(h.device(0))
    last_like(log, SIGNATURES, {0: [copy.deepcopy(log[i][BODY][0][j])]})


@forgery
def signed_and_void(h, log):
    last_like(log, VOID, {0: [{0: h.device(0), 1: "token-refused"}]})


@forgery
def signed_before_it_is_there(h, log):
    i, j = h.signature_of(h.device(0))
    log[i][BODY][0][j][0] = len(log) + 5


@forgery
def a_signature_of_no_certificate(h, log):
    i, j = h.signature_of(h.device(0))
    log[i][BODY][0][j][0] = 0


@forgery
def an_order_replayed(h, log):
    log.append(copy.deepcopy(log[h.at(ORDER, -1)]))


def broken_statement(h, log, kind):
    body = log[h.at(kind, -1)][BODY]
    key = 8 if kind == IMAGE else 0
    statement = bytearray(body[key][0])
    statement[-1] ^= 1
    body[key][0] = bytes(statement)


@forgery
def an_order_nobody_signed(h, log):
    broken_statement(h, log, ORDER)


@forgery
def a_principal_nobody_signed(h, log):
    broken_statement(h, log, PRINCIPAL)


@forgery
def an_image_nobody_signed(h, log):
    broken_statement(h, log, IMAGE)


@forgery
def an_image_without_statements(h, log):
    del log[h.at(IMAGE)][BODY][8]


@forgery
def another_image_than_approved(h, log):
    body = log[h.at(IMAGE)][BODY]
    body[3] = body[5] = bytes([1]) * 32


@forgery
def another_version_than_approved(h, log):
    log[h.at(IMAGE)][BODY][1] = "9.9.9"


@forgery
def another_scheme(h, log):
    log[h.at(IMAGE)][BODY][4] = "sha256-rsa"


@forgery
def another_signer_than_the_key(h, log):
    log[h.at(IMAGE)][BODY][11] = bytes(32)


@forgery
def an_image_by_the_device_key(h, log):
    log[h.at(IMAGE)][BODY][6] = "device-ca"


@forgery
def an_export_by_a_station(h, log):
    last_like(log, EXPORT, {0: 0, 1: 5, 2: "csv", 4: bytes(32), 5: 10,
                            6: "station", 7: bytes([7]) * 16})


@forgery
def an_export_of_the_future(h, log):
    last_like(log, EXPORT, {0: 0, 1: len(log) + 9, 2: "csv", 4: bytes(32),
                            5: 10, 6: "auditor", 7: bytes([7]) * 16})


@forgery
def an_export_in_no_format(h, log):
    last_like(log, EXPORT, {0: 0, 1: 5, 2: "exe", 4: bytes(32), 5: 10,
                            6: "auditor", 7: bytes([7]) * 16})


@forgery
def exports_that_fill_the_log(h, log):
    for i in range(101):
        last_like(log, EXPORT, {0: 0, 1: 5, 2: "csv", 4: bytes(32), 5: 10,
                                6: "auditor", 7: bytes([7]) * 15 + bytes([i])})


@forgery
def a_start_that_found_more(h, log):
    log[h.at(START, -1)][BODY][1] += 1


@forgery
def a_revocation_for_reason_7(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 7)


@forgery
def a_revocation_of_nobody(h, log):
    revoke(h, log, 1 << 157, 1)


@forgery
def a_revocation_again(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 1)
    revoke(h, log, serial_at(log, h.device(0)), 4)


@forgery
def a_crl_that_misses_one(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 1)
    add_crl(log, make_crl(log, []), 0)


@forgery
def a_crl_with_one_too_many(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 1)
    add_crl(log, make_crl(log, [serial_at(log, h.device(n)) for n in (0, 1)]),
            2)


@forgery
def a_crl_with_another_in_place_of_one(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 1)
    add_crl(log, make_crl(log, [serial_at(log, h.device(1))]), 1)


@forgery
def a_crl_with_the_number_of_a_void_one(h, log):
    add_crl(log, make_crl(log, []), 0)
    last_like(log, VOID, {0: [{0: len(log) - 1, 1: "token-refused"}]})
    add_crl(log, make_crl(log, []), 0)


@forgery
def a_crl_that_knows_less_than_the_last(h, log):
    add_crl(log, make_crl(log, []), 0)
    add_crl(log, make_crl(log, [], number=2), 0, number=2, fewer=2)


@forgery
def a_crl_with_another_count(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 1)
    add_crl(log, make_crl(log, [serial_at(log, h.device(0))]), 2)


@forgery
def a_crl_with_another_reason(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 1)
    add_crl(log, make_crl(log, [serial_at(log, h.device(0))],
                          reason=x509.ReasonFlags.superseded), 1)


@forgery
def a_crl_with_another_date(h, log):
    revoke(h, log, serial_at(log, h.device(0)), 1)
    add_crl(log, make_crl(log, [serial_at(log, h.device(0))], late=-9), 1)


@forgery
def a_crl_with_another_number(h, log):
    add_crl(log, make_crl(log, [], number=2), 0)


@forgery
def a_principal_with_a_key_of_the_mint(h, log):
    key = auditor.sha256(log[0][BODY][2][0][2])
    body = mm.principal_body("stranger", "auditor", key)
    last_like(log, PRINCIPAL, {
        0: [h.officer.state(h.vkey.name, "principal", body,
                            made=log[-1][1])],
        1: "officer", 2: bytes([9]) * 16})


@forgery
def a_statement_under_another_roster(h, log):
    """The policy's officers are others than those who signed."""
    policy = cbor2.loads(log[0][BODY][3])
    policy[4][0][1] = bytes([3]) * 32
    log[0][BODY][3] = cbor2.dumps(policy, canonical=True)


def verify(history, directory):
    key = directory / "vkey"
    log = directory / "log"
    log.mkdir()
    key.write_text(history.vkey_text + "\n")
    return key, log


def test_the_honest_one_passes(history, workdir):
    key, log = verify(history, workdir)
    history.write(history.entries, log)
    run(MINTMARK, "log", "verify", "--key", key, log)
    auditor.audit_directory(log, history.vkey)


def test_revocations_and_crls_pass(history, workdir):
    """In a directory and from an appliance; what is in a blob is read."""
    key, directory = verify(history, workdir)
    entries = copy.deepcopy(history.entries)
    serial = serial_at(entries, history.device(0))
    revoke(history, entries, serial, 1)
    good, bad = make_crl(entries, [serial]), make_crl(entries, [])
    for blob, ok, number in ((None, 0, 0), (good, 0, 1), (bad, 1, 2)):
        log = copy.deepcopy(entries)
        add_crl(log, blob or good, 1 if blob != bad else 0, bool(blob))
        history.write(log, directory)
        blobs = [blob] if blob else []
        for one in blobs:
            (directory / "blob").mkdir(exist_ok=True)
            for former in (directory / "blob").iterdir():
                former.unlink()
            (directory / "blob" / auditor.sha256(one).hex()).write_bytes(one)
        done = run(MINTMARK, "log", "verify", "--key", key, directory,
                   ok=(1, 65) if ok else (0,))
        with PaperAppliance(Shown(history, log, blobs),
                            workdir / f"identity-{number}"):
            online = run(MINTMARK, "log", "verify", "--identity",
                         workdir / f"identity-{number}",
                         ok=(1, 65) if ok else (0,))
        if ok:
            for answer in (done, online):
                assert "have revoked 1 of its CA" in answer.stderr


def test_an_appliance_without_the_crl_is_refused(history, workdir):
    log = copy.deepcopy(history.entries)
    add_crl(log, make_crl(log, []), 0, blob=True)
    with PaperAppliance(Shown(history, log), workdir / "identity"):
        done = run(MINTMARK, "log", "verify", "--identity",
                   workdir / "identity", ok=(1, 65))
    assert "not-found" in done.stderr or "blob" in done.stderr


def test_there_are_forgeries():
    assert len(FORGERIES) > 30


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda f: f.__name__)
def test_forged(history, workdir, forge):
    key, log = verify(history, workdir)
    entries = copy.deepcopy(history.entries)
    forge(history, entries)
    assert entries != history.entries, "nothing was forged"
    history.write(entries, log)
    done = run(MINTMARK, "log", "verify", "--key", key, log, ok=(1, 65))
    assert "entry " in done.stderr, done.stderr
    with pytest.raises(auditor.Wrong):
        auditor.audit_directory(log, history.vkey)


def test_genesis_is_first(history):
    assert history.at(GENESIS) == 0
