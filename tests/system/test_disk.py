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


def test_a_full_disk(small):
    order, csr, device = small.new_order(), new_csr(), fresh("lamp")
    with small.client() as client:
        first = client.issue(order, device, csr)
        small.disk.fill()
        with nothing_signed(small):
            for _ in range(3):
                with refused("disk-full") as r:
                    client.issue(order, fresh("lamp"), new_csr())
                assert r.error.retry_after > 0
        # Reads go on, and what was promised is kept.
        assert client.show(device) == first
        assert client.issue(order, device, csr) == first
        assert client.status()
        small.disk.free()

        assert eventually(lambda: issue_if_room(client, order),
                          "the service without a restart", 90)


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
    """It reads and tells why it signs nothing, until there is room."""
    order, csr, device = small.new_order(), new_csr(), fresh("lamp")
    with small.client() as client:
        first = client.issue(order, device, csr)
    small.stop()
    small.limit(reserve="4M")
    small.disk.fill(leave=3 << 20)
    small.start()
    with small.client() as client:
        for _ in range(3):
            with refused("disk-full"):
                client.issue(order, fresh("lamp"), new_csr())
        assert client.show(device) == first
        assert client.issue(order, device, csr) == first
        assert client.status()
        small.disk.free()
        assert eventually(lambda: issue_if_room(client, order),
                          "the service without a restart", 90)


def test_a_start_with_a_full_disk(small):
    """It starts and reads, or says in one line why not; then it works."""
    order, csr, device = small.new_order(), new_csr(), fresh("lamp")
    with small.client() as client:
        first = client.issue(order, device, csr)
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
