"""How often who may ask: refused by name, with the time to wait."""

import time

from mint import (fresh, new_csr, nothing_signed, refusals, refused,
                  eventually)
from test_reissue import serial_of

LIMITS = {"requests_a_minute": 20}


def test_a_principal_s_own_limit(mint):
    name = mint.new_principal("station", minute=3)
    with mint.client(name) as client:
        for _ in range(3):
            client.status()
        with refused("rate-limited") as r:
            client.status()
    assert 1 <= r.error.retry_after <= 60


def test_it_is_the_principal_s_over_all_connections(mint):
    name = mint.new_principal("auditor", minute=2)
    for _ in range(2):
        with mint.client(name) as client:
            client.status()
    with mint.client(name) as client, refused("rate-limited"):
        client.status()


def test_others_are_served(mint):
    name = mint.new_principal("auditor", minute=1)
    with mint.client(name) as client:
        client.status()
        with refused("rate-limited"):
            client.status()
    with mint.client(mint.new_principal("auditor")) as client:
        client.status()


def test_the_box_s_limit(mint):
    name = mint.new_principal("auditor")
    with mint.client(name) as client:
        for _ in range(LIMITS["requests_a_minute"]):
            client.status()
        with refused("rate-limited"):
            client.status()


def test_who_is_refused_does_not_wait_longer_for_it(mint):
    name = mint.new_principal("auditor", minute=1)
    with mint.client(name) as client:
        client.status()
        waits = []
        for _ in range(10):
            with refused("rate-limited") as r:
                client.status()
            waits.append(r.error.retry_after)
    assert waits == sorted(waits, reverse=True)


def test_it_is_logged_once(mint):
    name = mint.new_principal("auditor", minute=1)
    with mint.client(name) as client:
        client.status()
        for _ in range(5):
            with refused("rate-limited"):
                client.status()
    logged = eventually(lambda: refusals(mint, name, "rate-limited"),
                        "the refusal")
    assert len(logged) == 1


def test_chunks_do_not_count(mint):
    name = mint.new_principal("release", minute=2)
    with mint.client(name) as client:
        client.upload(b"x" * 100000, chunk=10000)
        client.status()
        with refused("rate-limited"):
            client.status()


def test_reports_of_scrap_count(mint):
    name = mint.new_principal("station", minute=3)
    order = mint.new_order(stations=[name])
    with mint.client(name) as client:
        serial = serial_of(client.issue(order, fresh("lamp"), new_csr()))
        first = client.scrap(order, serial)
        assert client.scrap(order, serial)[0] == first[0]
        with refused("rate-limited"):
            client.scrap(order, serial)


def test_the_daily_limit_ends_at_midnight(mint):
    name = mint.new_principal("station", daily=1)
    order = mint.new_order(stations=[name])
    with mint.client(name) as client:
        client.issue(order, fresh("lamp"), new_csr())
        with nothing_signed(mint), refused("daily-limit") as r:
            client.issue(order, fresh("lamp"), new_csr())
    left = 86400 - int(time.time()) % 86400
    assert abs(r.error.retry_after - left) <= 5


def test_seen_is_told_at_once(mint):
    name = mint.new_principal("auditor")
    officer = mint.new_principal("officer")
    with mint.client(officer) as client:
        assert client.principals(name=name)[0][5] == 0
        with mint.client(name) as other:
            other.status()
        assert abs(client.principals(name=name)[0][5] - time.time()) < 10


def test_limits_are_listed(mint):
    name = mint.new_principal("station", daily=5, minute=7)
    with mint.client(mint.new_principal("auditor")) as client:
        row = client.principals(name=name)[0]
        assert (row[0], row[1], row[8], row[9]) == (name, 1, 5, 7)
        assert row[10] == ["device"] and row[6] > time.time()
        with refused("not-found"):
            client.principals(name="nobody-of-this-name")
