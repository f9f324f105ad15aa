"""A full disk: nothing is signed, the reason is told, reads go on, and
service resumes by itself when there is room again."""

import os

import pytest

import mintmark_client as mm
from mint import (Daemon, Mint, eventually, fresh, new_csr, nothing_signed,
                  refused)
from small_disk import NoDisk, SmallDisk


@pytest.fixture
def small():
    mint = Mint(limits={"reserve": "1M"})
    disk = None
    try:
        try:
            disk = SmallDisk(mint, "state")
        except NoDisk as e:
            pytest.skip(str(e))
        mint.disk = disk
        mint.start()
        yield mint
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        if disk is not None and mint.daemon is not None:
            mint.kill()
        if disk is not None:
            disk.remove()
        mint.remove()


def issue_if_room(client, order):
    try:
        return client.issue(order, fresh("lamp"), new_csr())
    except mm.Refused as e:
        assert e.name == "disk-full", e
        return None


def short_of_room(small, client, order, known):
    """Nothing is signed, and why is told; reads go on, what was promised is
    kept, and where there is room again, so does the service."""
    device, csr, first = known
    with nothing_signed(small):
        for _ in range(3):
            with refused("disk-full") as r:
                client.issue(order, fresh("lamp"), new_csr())
            assert r.error.retry_after > 0
    assert client.show(device) == first
    assert client.issue(order, device, csr) == first
    assert client.status()
    small.disk.free()
    assert eventually(lambda: issue_if_room(client, order),
                      "the service without a restart", 90)


def issued(client, order):
    device, csr = fresh("lamp"), new_csr()
    return device, csr, client.issue(order, device, csr)


def test_a_full_disk(small):
    order = small.new_order()
    with small.client() as client:
        known = issued(client, order)
        small.disk.fill()
        short_of_room(small, client, order, known)


def test_a_request_refused_for_the_disk_is_done_later(small):
    """With the same id: it was not used up by the refusal."""
    order, request = small.new_order(), os.urandom(16)
    body = mm.issue_body(order, fresh("lamp"), new_csr())
    with small.client() as client:
        small.disk.fill()
        with refused("disk-full"):
            client.ask("issue", body, request)
        small.disk.free()

        def done():
            try:
                return client.ask("issue", body, request)
            except mm.Refused as e:
                assert e.name == "disk-full", e
                return None
        first = eventually(done, "its certificate", 90)
        assert client.ask("issue", body, request) == first


def test_a_start_below_the_reserve(small):
    """Its own TLS certificate has room, and nobody else's."""
    order = small.new_order()
    with small.client() as client:
        known = issued(client, order)
    small.stop()
    small.limit(reserve="4M")
    small.disk.fill(leave=3 << 20)
    small.start()
    with small.client() as client:
        short_of_room(small, client, order, known)


def test_a_start_with_a_full_disk(small):
    """It starts and reads, or says in one line why not; then it works."""
    order = small.new_order()
    with small.client() as client:
        device, _, first = issued(client, order)
    small.stop()
    small.disk.fill()
    daemon = Daemon(small.config)
    eventually(lambda: daemon.lines, "a line")
    if any("ready" in (x or "") for x in daemon.lines):
        daemon.process.terminate()
        assert daemon.wait() == 0, daemon.said()
    else:
        assert daemon.wait() in (69, 75, 78), daemon.said()
        assert len([x for x in daemon.lines if x]) == 1, daemon.said()
    small.disk.free()
    small.start()
    with small.client() as client:
        assert client.show(device) == first
