"""A device's certificate is replaced: within the order's allowance, the
former one revoked as superseded, exactly once whatever happens."""

import threading

import pytest
from cryptography import x509

import mintmark_client as mm
from mint import Mint, fresh, new_csr, new_key, nothing_signed, refused

SUPERSEDED, HOLD, REMOVE = 4, 6, 8


def serial_of(answer):
    number = x509.load_der_x509_certificate(answer[1]).serial_number
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def make_order(mint, **more):
    """An order with its terms: (name, body)."""
    body = mm.order_body(fresh("order"), more.pop("units", 100),
                         ["station"], pattern="*", **more)
    state(mint, "order", body)
    return body[0]


def state(mint, kind, body):
    with mint.client("officer") as officer:
        return officer.statement([mint.state(kind, body)])


def row(mint, order):
    with mint.client("officer") as officer:
        return officer.orders(name=order)[0]


def test_the_new_certificate_replaces_the_former(mint, station, device):
    order = make_order(mint, reissue=1)
    first = station.issue(order, device, new_csr())
    second = station.reissue(order, device, new_csr())
    assert serial_of(first) != serial_of(second)
    assert station.show(device) == second
    entry = mm.decode(
        [e for e in all_entries(mint)][second[0]])
    assert entry[3][8] == [{0: first[0], 1: serial_of(first)}]
    # What is revoked can still be shown.
    assert station.show(serial=serial_of(first)) == first


def all_entries(mint):
    with mint.client("auditor") as auditor:
        return auditor.all_entries()


def test_it_counts_against_the_allowance_and_no_unit(mint, station, device):
    order = make_order(mint, units=1, reissue=1)
    station.issue(order, device, new_csr())
    station.reissue(order, device, new_csr())
    with nothing_signed(mint), refused("reissue-exhausted"):
        station.reissue(order, device, new_csr())
    found = row(mint, order)
    assert (found[7], found[8], found[10]) == (1, 1, 1)


def test_without_an_allowance_there_is_none(mint, station, device):
    order = make_order(mint)
    station.issue(order, device, new_csr())
    with nothing_signed(mint), refused("reissue-exhausted"):
        station.reissue(order, device, new_csr())


def test_without_asking_for_it_there_is_none(mint, station, device):
    order = make_order(mint, reissue=1)
    station.issue(order, device, new_csr())
    with nothing_signed(mint), refused("device-already-issued"):
        station.issue(order, device, new_csr())


def test_a_device_without_a_certificate_has_none_to_replace(mint, station,
                                                            device):
    order = make_order(mint, reissue=1)
    with nothing_signed(mint), refused("not-found"):
        station.reissue(order, device, new_csr())
    station.issue(order, device, new_csr())
    found = row(mint, order)
    assert (found[7], found[8]) == (1, 0)


def test_the_same_key_is_the_same_certificate(mint, station, device):
    order, key = make_order(mint, reissue=1), new_key()
    first = station.issue(order, device, new_csr(key))
    with nothing_signed(mint):
        assert station.reissue(order, device, new_csr(key)) == first


def test_a_retried_reissue_is_answered_again(mint, station, device):
    order, csr, request = make_order(mint, reissue=1), new_csr(), b"r" * 16
    station.issue(order, device, new_csr())
    first = station.reissue(order, device, csr, request_id=request)
    with nothing_signed(mint):
        assert station.reissue(order, device, csr,
                               request_id=request) == first


def test_a_retry_does_not_mind_a_new_revision(mint, station, device):
    body = mm.order_body(fresh("order"), 100, ["station"], pattern="*",
                         reissue=1)
    state(mint, "order", body)
    csr, request = new_csr(), b"v" * 16
    first = station.issue(body[0], device, csr, request_id=request)
    state(mint, "order", {**body, 2: 200, 6: 1})
    with nothing_signed(mint):
        assert station.issue(body[0], device, csr,
                             request_id=request) == first
        assert station.issue(body[0], device, csr) == first


def test_a_repaired_device_may_bring_its_first_key_back(mint, station,
                                                        device):
    order, key = make_order(mint, reissue=2), new_key()
    first = station.issue(order, device, new_csr(key))
    station.reissue(order, device, new_csr())
    third = station.reissue(order, device, new_csr(key))
    assert serial_of(third) != serial_of(first)
    with refused("key-already-used"):
        station.issue(order, fresh("lamp"), new_csr(key))


def test_a_revoked_key_is_never_certified_again(mint, station, device):
    order, key = make_order(mint, reissue=2), new_key()
    answer = station.issue(order, device, new_csr(key))
    state(mint, "revoke", mm.revoke_body([serial_of(answer)], 1))
    with nothing_signed(mint), refused("key-already-used",
                                       "certificate-revoked"):
        station.issue(order, device, new_csr(key))
    # The device itself may have another one.
    station.issue(order, device, new_csr())


def hold(mint, answer):
    state(mint, "revoke", mm.revoke_body([serial_of(answer)], HOLD))


def lift(mint, answer):
    state(mint, "revoke", mm.revoke_body([serial_of(answer)], REMOVE))


def test_a_device_on_hold_gets_no_other_certificate(mint, station, device):
    order, other, key = make_order(mint), make_order(mint), new_key()
    first = station.issue(order, device, new_csr(key), request_id=b"h" * 16)
    hold(mint, first)
    with nothing_signed(mint):
        for elsewhere in (order, other):
            with refused("device-already-issued") as said:
                station.issue(elsewhere, device, new_csr())
            assert "is on hold" in said.error.text
        # Nor the one that is on hold, in whatever words.
        for request in (None, b"h" * 16):
            with refused("certificate-revoked") as said:
                station.issue(order, device, new_csr(key),
                              request_id=request)
            assert "on hold" in said.error.text
        with refused("not-found"):
            station.show(device)
        assert station.show(serial=serial_of(first)) == first
        lift(mint, first)
        assert station.issue(order, device, new_csr(key)) == first
        assert station.show(device) == first
    assert row(mint, order)[10] == 0


def test_a_device_on_hold_is_reissued_for_ever(mint, station, device):
    order, key = make_order(mint, reissue=1), new_key()
    first = station.issue(order, device, new_csr(key))
    hold(mint, first)
    with nothing_signed(mint), refused("certificate-revoked"):
        station.reissue(order, device, new_csr(key))
    second = station.reissue(order, device, new_csr())
    assert station.show(device) == second
    found = row(mint, order)
    assert (found[7], found[8], found[10]) == (1, 1, 1)
    with refused("certificate-revoked"):
        lift(mint, first)
    hold(mint, second)
    with nothing_signed(mint), refused("reissue-exhausted"):
        station.reissue(order, device, new_csr())


def test_what_is_revoked_is_given_to_nobody(mint, station, device):
    order, key = make_order(mint, reissue=1), new_key()
    first = station.issue(order, device, new_csr(key), request_id=b"g" * 16)
    state(mint, "revoke", mm.revoke_body([serial_of(first)], 1))
    with nothing_signed(mint):
        with refused("certificate-revoked"):
            station.issue(order, device, new_csr(key), request_id=b"g" * 16)
        with refused("key-already-used"):
            station.issue(order, device, new_csr(key))


def test_a_closed_order_issues_and_reissues_nothing(mint, station, device):
    body = mm.order_body(fresh("order"), 100, ["station"], pattern="*",
                         reissue=1)
    state(mint, "order", body)
    station.issue(body[0], device, new_csr())
    state(mint, "order", {**body, 6: 1, 8: True})
    with nothing_signed(mint):
        with refused("order-closed"):
            station.reissue(body[0], device, new_csr())
        with refused("order-closed"):
            station.issue(body[0], fresh("lamp"), new_csr())


def test_many_race_for_one_reissue(mint, device):
    order, results = make_order(mint, reissue=1), []
    with mint.client() as client:
        client.issue(order, device, new_csr())

    def race():
        with mint.client() as client:
            try:
                results.append(client.reissue(order, device, new_csr()))
            except mm.Refused as e:
                assert e.name in ("reissue-exhausted",
                                  "device-already-issued", "busy"), e

    racers = [threading.Thread(target=race) for _ in range(20)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(results) == 1
    found = row(mint, order)
    assert (found[7], found[8], found[10]) == (1, 1, 1)


def test_the_reconciliation_adds_up(mint, station):
    order = make_order(mint, units=3, reissue=1)
    answers = [station.issue(order, fresh("lamp"), new_csr())
               for _ in range(3)]
    name = x509.load_der_x509_certificate(answers[0][1]).subject
    station.reissue(order, list(name)[0].value, new_csr())
    for _ in range(2):
        with refused("order-exhausted"):
            station.issue(order, fresh("lamp"), new_csr())
    state(mint, "revoke", mm.revoke_body([serial_of(answers[1])], 4))
    found = row(mint, order)
    # units, reissue; issued, reissued, refused, revoked
    assert [found[i] for i in (5, 6, 7, 8, 9, 10)] == [3, 1, 3, 1, 2, 2]


@pytest.mark.parametrize("when", range(4))
def test_kill_9_in_the_midst_of_reissues(when):
    """Never two that live, never more than the allowance."""
    mint = Mint()
    try:
        mint.start()
        order, devices = make_order(mint, reissue=3), []
        with mint.client() as client:
            for _ in range(6):
                devices.append(fresh("lamp"))
                client.issue(order, devices[-1], new_csr())
            for device in devices[:3]:
                client.send("issue", {**mm.issue_body(
                    order, device, new_csr()), 4: True})
            for _ in range(when):
                client.receive()
            mint.kill()
        mint.start()
        with mint.client() as client:
            for device in devices:
                assert client.show(device)
                try:
                    client.reissue(order, device, new_csr())
                except mm.Refused as e:
                    assert e.name == "reissue-exhausted", e
        found = row(mint, order)
        assert (found[7], found[8], found[10]) == (6, 3, 3)
        mint.stop()
        mint.audit()
    finally:
        mint.remove()
