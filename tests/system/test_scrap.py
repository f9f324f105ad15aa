"""Units that failed for good: a station of their order says so, once for each
certificate, whatever happens to the appliance; and what others see of it."""

import json
import threading

import pytest
from cryptography import x509

import auditor
import mintmark_client as mm
from mint import (Mint, fresh, mintmark, new_csr, nothing_signed, refusals,
                  refused)
from office import open_office
from paper_log import serial as paper_serial
from test_liars import Liar
from test_reissue import make_order, row, serial_of, state

SCRAP, SCRAPPED = auditor.KIND_NAMES.index("scrap"), 13
MESSAGE = mm.TYPES["scrap"]
HOLD = 6


def entry_of(mint, answer):
    """The entry's body, proven by the answer's receipt."""
    receipt = auditor.Receipt(answer[1], mint.vkey)
    assert receipt.index == answer[0]
    entry = mm.decode(receipt.entry)
    assert entry[0] == SCRAP
    return entry[3]


def scraps(mint):
    with mint.client("auditor") as client:
        return [e for e in map(mm.decode, client.all_entries())
                if e[0] == SCRAP]


@pytest.fixture
def unit(station, order, device):
    """(order, device, its certificate's entry, its serial)"""
    answer = station.issue(order, device, new_csr())
    return order, device, answer[0], serial_of(answer)


def test_a_report_is_an_entry(mint, station, unit):
    order, device, certificate, serial = unit
    answer = station.scrap(order, serial, "no answer on UART0",
                           request_id=b"0" * 16)
    found = row(mint, order)
    assert entry_of(mint, answer) == {
        0: found[3], 1: certificate, 2: serial, 3: device,
        4: "no answer on UART0", 5: "station", 6: b"0" * 16}
    # The unit is used, and its certificate as good as it was.
    assert (found[7], found[10], found[SCRAPPED]) == (1, 0, 1)
    assert station.show(device)[0] == certificate


def test_the_first_report_counts(mint, station, unit):
    order, _, _, serial = unit
    first = station.scrap(order, serial, "the first word")
    before = len(scraps(mint))
    for reason in ("the first word", "another word"):
        again = station.scrap(order, serial, reason)
        assert again[0] == first[0]
        assert entry_of(mint, again)[4] == "the first word"
    assert len(scraps(mint)) == before
    assert row(mint, order)[SCRAPPED] == 1


def test_another_station_of_the_order(mint, station, device):
    other = mint.new_principal("station")
    order = mint.new_order(stations=["station", other])
    serial = serial_of(station.issue(order, device, new_csr()))
    with mint.client(other) as line:
        first = line.scrap(order, serial)
    assert station.scrap(order, serial)[0] == first[0]
    assert entry_of(mint, first)[5] == other


def test_one_id_is_one_report(mint, station, unit, order):
    _, _, _, serial = unit
    again = serial_of(station.issue(order, fresh("lamp"), new_csr()))
    first = station.scrap(order, serial, "word", request_id=b"1" * 16)
    assert station.scrap(order, serial, "word",
                         request_id=b"1" * 16)[0] == first[0]
    with refused("request-id-reused"):
        station.scrap(order, serial, "other", request_id=b"1" * 16)
    with refused("request-id-reused"):
        station.scrap(order, again, "word", request_id=b"1" * 16)
    station.issue(order, fresh("lamp"), new_csr(), request_id=b"2" * 16)
    with refused("request-id-reused"):
        station.scrap(order, again, "word", request_id=b"2" * 16)
    station.scrap(order, again, "word")


def test_what_the_order_never_issued(mint, station, unit):
    order, _, _, serial = unit
    other = mint.new_order()
    for of, number in ((order, b"\x01" * 20), (order, b"\x7f"),
                       (other, serial)):
        with refused("certificate-not-of-order"):
            station.scrap(of, number)
    with refused("unknown-order"):
        station.scrap("no-such-order", serial)
    # Nor is a certificate of the mint's own a unit.
    own = x509.load_pem_x509_certificate(
        (mint.identity("station") / "certificate.pem").read_bytes())
    with refused("certificate-not-of-order"):
        station.scrap(order, own.serial_number.to_bytes(20, "big"))
    assert row(mint, order)[SCRAPPED] == row(mint, other)[SCRAPPED] == 0
    assert refusals(mint, "station", "certificate-not-of-order")


def test_a_station_that_the_order_does_not_name(mint, unit):
    order, _, _, serial = unit
    other = mint.new_principal("station")
    with nothing_signed(mint), mint.client(other) as line:
        with refused("order-for-others"):
            line.scrap(order, serial)
    for role in ("officer", "auditor", "release"):
        with mint.client(role) as client, refused("role-not-allowed"):
            client.scrap(order, serial)
    assert row(mint, order)[SCRAPPED] == 0


@pytest.mark.parametrize("size, good", [(0, False), (1, True), (200, True),
                                        (201, False)])
def test_reasons(station, unit, size, good):
    order, _, _, serial = unit
    if good:
        assert station.scrap(order, serial, "x" * size)[0]
        return
    with refused("message-malformed", "out-of-range"):
        station.scrap(order, serial, "x" * size)


def test_a_reason_in_two_lines(station, unit):
    with refused("bad-text", "message-malformed"):
        station.scrap(unit[0], unit[3], "one\ntwo")


@pytest.mark.parametrize("size", [0, 21])
def test_serials_that_are_none(station, unit, size):
    with refused("message-malformed", "out-of-range"):
        station.scrap(unit[0], b"\x01" * size)


def test_when_the_order_is_closed_since(mint, station, device):
    order = make_order(mint, units=1)
    serial = serial_of(station.issue(order, device, new_csr()))
    terms = {**mm.order_body(order, 1, ["station"], pattern="*"), 6: 1}
    state(mint, "order", {**terms, 8: True})
    station.scrap(order, serial)
    found = row(mint, order)
    assert (found[12], found[SCRAPPED]) == (True, 1)
    # What is scrap makes no room in the order.
    state(mint, "order", {**terms, 6: 2})
    with refused("order-exhausted"):
        station.issue(order, fresh("lamp"), new_csr())


def test_a_station_that_was_taken_out_of_the_order(mint, station, device):
    other = mint.new_principal("station")
    order = make_order(mint)
    serial = serial_of(station.issue(order, device, new_csr()))
    state(mint, "order", {**mm.order_body(order, 100, [other], pattern="*"),
                          6: 1})
    with refused("order-for-others"):
        station.scrap(order, serial)
    with mint.client(other) as line:
        assert entry_of(mint, line.scrap(order, serial))[3] == device


def test_certificates_that_are_revoked_or_replaced(mint, station, device):
    order = make_order(mint, reissue=1)
    first = station.issue(order, device, new_csr())
    second = station.reissue(order, device, new_csr())
    state(mint, "revoke", mm.revoke_body([serial_of(second)], HOLD))
    for answer in (first, second):
        assert entry_of(mint, station.scrap(
            order, serial_of(answer)))[1] == answer[0]
    found = row(mint, order)
    assert (found[7], found[8], found[SCRAPPED]) == (1, 1, 2)


def test_a_scrapped_unit_may_be_repaired(mint, station, device):
    order = make_order(mint, reissue=1)
    station.scrap(order, serial_of(station.issue(order, device, new_csr())))
    again = station.reissue(order, device, new_csr())
    assert station.show(device) == again
    assert row(mint, order)[SCRAPPED] == 1


def test_many_at_once(mint, station, unit):
    """Reported by eight connections at the same moment: one entry."""
    order, _, _, serial = unit
    found, lock = [], threading.Lock()

    def report():
        with mint.client() as line:
            while True:
                try:
                    answer = line.scrap(order, serial)
                    break
                except mm.Refused as e:
                    assert e.name == "busy"
        with lock:
            found.append(answer[0])
    threads = [threading.Thread(target=report) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert row(mint, order)[SCRAPPED] == 1


@pytest.mark.parametrize("how", [(), ("--rebuild",)],
                         ids=["start", "rebuild"])
def test_after_kill_9_it_is_the_same_entry(how):
    """What was answered stays, what was not is reported again."""
    mint = Mint()
    try:
        mint.start()
        order = mint.new_order()
        with mint.client() as line:
            serials = [serial_of(line.issue(order, fresh("lamp"), new_csr()))
                       for _ in range(6)]
            first = [line.scrap(order, serial) for serial in serials[:3]]
            # Their answers are never read.
            for serial in serials[3:]:
                line.send("scrap", {0: order, 1: serial, 2: "cut off"})
            mint.kill()
        mint.start(*how)
        with mint.client() as line:
            again = [line.scrap(order, serial) for serial in serials]
        assert [a[0] for a in again[:3]] == [a[0] for a in first]
        assert len({a[0] for a in again}) == 6
        assert row(mint, order)[SCRAPPED] == len(scraps(mint)) == 6
        mint.stop()
        mintmark("log", "verify", "--key", mint.dir / "public/log.vkey",
                 mint.dir / "log")
        mint.audit()
    finally:
        mint.remove()


# ------------------------------------------------------------- the commands

@pytest.fixture(scope="module")
def office():
    with open_office(threshold=1) as office:
        yield office


@pytest.fixture
def made(office):
    """(order, device, serial as hex)"""
    order, device = office.mint.new_order(units=5), fresh("lamp")
    with office.mint.client("station") as line:
        answer = line.issue(order, device, new_csr())
    return order, device, serial_of(answer).hex()


def scrap(office, order, *words, **more):
    if "--reason" not in words:
        words += "--reason", "no answer, twice"
    return office.json("order", "scrap", "--order", order, *words,
                       identity="station", **more)


def test_order_scrap_by_device_and_serial(office, made, workdir):
    order, device, serial = made
    said = scrap(office, order, "--device", device, "--receipt",
                 workdir / "scrap.receipt")
    assert (said["kind"], said["order"], said["device"], said["serial"],
            said["reason"], said["principal"]) == (
        "scrap", order, device, serial, "no answer, twice", "station")
    again = scrap(office, order, "--serial", serial)
    assert (again["index"], again["reason"]) == (said["index"],
                                                 said["reason"])
    verified = json.loads(mintmark(
        "receipt", "verify", "--json", "--key",
        office.mint.dir / "public/log.vkey",
        workdir / "scrap.receipt").stdout)
    assert (verified["kind"], verified["device"], verified["serial"],
            verified["reason"]) == ("scrap", device, serial,
                                    "no answer, twice")


def test_order_show_and_list(office, made):
    order, device, _ = made
    scrap(office, order, "--device", device)
    for identity in ("officer", "station"):
        shown = office.json("order", "show", order, identity=identity)
        assert (shown["units"], shown["issued"], shown["scrapped"],
                shown["left"]) == (5, 1, 1, 4)
    listed = office.json("order", "list")["orders"]
    assert next(r for r in listed if r["order"] == order)["scrapped"] == 1
    assert "scrapped" in office.say("order", "list").stdout.split("\n")[0].lower()
    assert "scrapped: 1" in office.say("order", "show", order).stdout


def test_auditors_see_it(office, made):
    order, device, serial = made
    said = scrap(office, order, "--device", device)
    mint = office.mint
    listed = mintmark("log", "list", "--json", "--kind", "scrap", "--order",
                      order, "--identity", mint.identity("auditor"))
    found = json.loads(listed.stdout)
    assert (found["index"], found["what"], found["serial"], found["station"],
            found["reason"]) == (said["index"], device, serial, "station",
                                 "no answer, twice")
    shown = json.loads(mintmark(
        "log", "show", "--json", "--identity", mint.identity("auditor"),
        said["index"]).stdout)
    assert shown["kind"] == "scrap"
    assert (shown["body"]["device"], shown["body"]["serial"],
            shown["body"]["reason"]) == (device, serial, "no answer, twice")


def test_a_long_reason_in_a_list(office, made):
    """All of it; and in a spreadsheet it calculates nothing."""
    order, _, serial = made
    reason = "=" + "ä" * 99 + "x"
    scrap(office, order, "--serial", serial, "--reason", reason)
    words = ("log", "list", "--kind", "scrap", "--order", order)
    listed = office.say(*words, "--csv", identity="auditor").stdout
    assert f"\"'{reason}\"" in listed
    found = json.loads(office.say(*words, "--json", "--serial", serial,
                                  identity="auditor").stdout)
    assert found["reason"] == reason
    assert reason in office.say(*words, identity="auditor").stdout


@pytest.mark.parametrize("words, status, says", [
    (["--serial", "00" * 20], 77, "certificate-not-of-order"),
    (["--device", "no-such-lamp"], 1, "not-found"),
    (["--device", "no lamp"], 77, "bad-device-id"),
    ([], 64, "usage"),
    (["--serial", "00" * 21], 64, "usage"),
    (["--serial", "xyz"], 64, "usage"),
    (["--device", "lamp", "--serial", "00"], 64, "usage"),
    (["--serial", "01", "--reason", ""], 65, "out-of-range"),
    (["--serial", "01", "--reason", "x" * 201], 65, "out-of-range"),
    (["--serial", "01", "--reason", "a\nb"], 65, "out-of-range"),
], ids=["never-issued", "no-device", "no-id", "neither", "long", "no-hex",
        "both", "no-reason", "201", "two-lines"])
def test_refusals_of_the_command(office, made, words, status, says):
    if "--reason" not in words:
        words = [*words, "--reason", "word"]
    done = office.say("order", "scrap", "--order", made[0], *words,
                      identity="station", ok=(status,))
    assert f"{says}: " in done.stderr and done.stdout == ""


def test_orders_of_others(office, made):
    order, device, serial = made
    other = office.mint.new_order()
    office.refused("certificate-not-of-order", "order", "scrap", "--order",
                   other, "--serial", serial, "--reason", "x",
                   identity="station")
    office.refused("not-found", "order", "scrap", "--order", "no-order",
                   "--device", device, "--reason", "x", identity="station",
                   status=1)
    office.refused("role-not-allowed", "order", "scrap", "--order", order,
                   "--serial", serial, "--reason", "x", identity="officer")


def test_a_receipt_is_not_overwritten(office, made, workdir):
    order, device, _ = made
    (workdir / "r").write_text("mine")
    office.say("order", "scrap", "--order", order, "--device", device,
               "--reason", "x", "--receipt", workdir / "r",
               identity="station", ok=(64,))
    assert office.json("order", "show", order)["scrapped"] == 0
    assert (workdir / "r").read_text() == "mine"


@pytest.mark.parametrize("lie, says", [
    (None, ""), ("serial", "serial number"), ("index", "index"),
    ("kind", "kind genesis"), ("receipt", "receipt")])
def test_a_report_of_a_liar(workdir, lie, says):
    with Liar(workdir / "liar") as liar:
        index = liar.log.scrap(
            "lamp-1", paper_serial(2 if lie == "serial" else 1), 0, 0)
        answer = {0: index, 1: liar.receipt(0 if lie == "kind" else index)}
        if lie == "index":
            answer[0] = 0
        if lie == "receipt":
            answer[1] = b"nothing\n"
        liar.answers[MESSAGE] = lambda _: answer
        done = mintmark(
            "order", "scrap", "--identity", liar.place, "--wait", 0, "--order",
            "order-1", "--serial", f"{paper_serial(1):040x}", "--reason", "x",
            "--receipt", workdir / "r", ok=(1, 65) if lie else (0,))
    assert says in done.stderr
    assert (workdir / "r").exists() == (lie is None)
