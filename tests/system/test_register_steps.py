"""Lists in steps, held against a reading of the log that knows nothing of
them: whatever happens to devices, lists that follow one another are complete,
and each says what changed between the entries that it names."""

import base64
import hashlib
import json
import random

import pytest

import auditor
import mintmark_client as mm
from mint import fresh, new_csr
from office import open_office

DEVICES, STEPS = 24, 5
SUPERSEDED, HOLD, REMOVE = 4, 6, 8
REASONS = [0, 1, 5, HOLD]


@pytest.fixture(scope="module")
def office():
    with open_office(threshold=1) as office:
        yield office


def serial_of(tbs):
    """tbsCertificate: [0] version, then the serial number."""
    body = tbs[2 + (tbs[1] & 0x7f if tbs[1] & 0x80 else 0):]
    assert body[0] == 0xa0
    body = body[2 + body[1]:]
    assert body[0] == 2
    return int.from_bytes(body[2:2 + body[1]], "big")


class Reading:
    """What a log's entries say of an order's certificates, one by one."""

    def __init__(self, order):
        self.order, self.orders = order, set()
        self.made, self.by_serial, self.ended = {}, {}, {}
        self.signed = {}

    def take(self, index, entry):
        kind, body = entry[0], entry[3]
        if kind == auditor.ORDER:
            claim = mm.decode(mm.payload_of(body[0][0]))
            if claim[5][0] == self.order:
                self.orders.add(index)
        elif kind == auditor.CERTIFICATE and body[2] in self.orders:
            self.made[index] = body
            self.by_serial[serial_of(body[5])] = index
        elif kind == auditor.SIGNATURES:
            for one in body[0]:
                if one[0] in self.made:
                    self.sign(one[0], one[1])
        elif kind == auditor.REVOCATION:
            for one in mm.decode(mm.payload_of(body[0][0]))[5][0]:
                self.end(int.from_bytes(one[0], "big"), one[1])

    def sign(self, index, signature):
        self.signed[index] = hashlib.sha256(auditor.assemble(
            self.made[index][5], signature)).hexdigest()
        for former in self.made[index].get(8, []):
            serial = int.from_bytes(former[1], "big")
            if self.ended.get(serial) in (None, HOLD):
                self.end(serial, SUPERSEDED)

    def end(self, serial, reason):
        self.ended[serial] = None if reason == REMOVE else reason

    def valid(self):
        """{sha256 of a certificate: its device}"""
        return {self.signed[i]: self.made[i][1]
                for serial, i in self.by_serial.items()
                if i in self.signed and self.ended.get(serial) is None}


def valid_at(entries, order, size):
    reading = Reading(order)
    for index, entry in enumerate(entries[:size]):
        reading.take(index, entry)
    return reading.valid()


class Line:
    """Devices that get, lose and change their certificates at random."""

    def __init__(self, office, seed):
        self.office, self.dice = office, random.Random(seed)
        body = mm.order_body(fresh("order"), 10 * DEVICES, ["station"],
                             pattern="*", reissue=10 * DEVICES)
        with office.mint.client("officer") as officer:
            officer.statement([office.mint.state("order", body)])
        self.order, self.made = body[0], 0
        self.serials, self.held = {}, set()

    def step(self):
        with self.office.mint.client("station") as station:
            for _ in range(DEVICES // STEPS + 1):
                self.made += 1
                name = f"lamp-{self.made}"
                self.take(name, station.issue(self.order, name, new_csr()))
            for name in self.dice.sample(sorted(self.serials), 3):
                self.take(name, station.reissue(self.order, name, new_csr()))
        for name in self.dice.sample(sorted(self.serials), 3):
            self.revoke(name)

    def take(self, name, answer):
        certificate = auditor.x509.load_der_x509_certificate(answer[1])
        self.serials[name] = certificate.serial_number
        self.held.discard(name)

    def revoke(self, name):
        """One that is revoked for ever is left alone from then on."""
        reason = self.dice.choice(REASONS)
        if name in self.held:
            reason = REMOVE
        self.say(self.serials[name], reason)
        if reason == HOLD:
            self.held.add(name)
        else:
            self.held.discard(name)
        if reason not in (HOLD, REMOVE):
            del self.serials[name]

    def say(self, serial, reason):
        with self.office.mint.client("officer") as officer:
            officer.statement([self.office.mint.state(
                "revoke", mm.revoke_body([serial], reason))])


def listed(office, line, workdir, since):
    """(what is new, what is gone, up to where), by sha256."""
    out = workdir / fresh("list")
    said = office.json("flash", "register", "aws-bulk", "--order", line.order,
                       "--since", since, "-o", out, identity="auditor")
    new = {}
    for row in map(json.loads, out.read_text().splitlines()):
        der = base64.b64decode("".join(
            row["CertificatePem"].splitlines()[1:-1]))
        new[hashlib.sha256(der).hexdigest()] = row["ThingName"]
    covers = json.loads(
        out.with_name(f"{out.name}.range.json").read_text())
    gone = {row["sha256"]: row["device"] for row in covers["gone"]}
    assert (covers["since"], covers["to"]) == (since, said["to"])
    return new, gone, said["to"]


def changes(entries, line):
    """Before and after entries that change who is valid, some of each kind."""
    found = {auditor.SIGNATURES: [], auditor.REVOCATION: []}
    reading = Reading(line.order)
    for index, entry in enumerate(entries):
        before = reading.valid()
        reading.take(index, entry)
        if reading.valid() != before:
            found[entry[0]].append(index)
    return [index + after for some in found.values()
            for index in line.dice.sample(some, 3) for after in (0, 1)]


def minus(these, those):
    return {k: v for k, v in these.items() if k not in those}


def test_lists_in_steps_are_what_the_log_says(office, workdir):
    line, sizes, have = Line(office, 7), [0], {}
    steps = []
    for _ in range(STEPS):
        line.step()
        new, gone, to = listed(office, line, workdir, sizes[-1])
        assert not new.keys() & have.keys()
        assert gone.keys() <= have.keys()
        have = {**minus(have, gone), **new}
        steps.append((new, gone))
        sizes.append(to)
    entries = office.mint.entries()
    states = [valid_at(entries, line.order, size) for size in sizes]
    assert len(states[-1]) >= DEVICES // 3 and have == states[-1]
    assert any(gone for _, gone in steps)
    for (new, gone), before, after in zip(steps, states, states[1:]):
        assert new == minus(after, before)
        assert gone == minus(before, after)
    # From any of them to the end, and from where something changed.
    for since in [*sizes, *changes(entries, line)]:
        before = valid_at(entries, line.order, since)
        new, gone, to = listed(office, line, workdir, since)
        after = valid_at(office.mint.entries(), line.order, to)
        assert new == minus(after, before)
        assert gone == minus(before, after)
