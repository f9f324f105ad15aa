"""A log.db that rots: whoever finds it, nothing more is signed, the reason is
told once, and everything that is whole is still read."""

import os
import sqlite3

import pytest

import auditor
import mintmark_client as mm
from mint import (MINTMARKD, Daemon, fresh, mintmark, new_csr, refused,
                  run)
from test_start import CONFIG

ISSUED = 900  # so many that no start reads all of them again
AT = 520      # the entry that is damaged, in one of the later bundles


@pytest.fixture
def busy(own_mint):
    """A mint that has signed a lot, and stopped."""
    own_mint.start()
    own_mint.order, own_mint.known = own_mint.new_order(units=10_000), {}
    with own_mint.client() as client:
        for _ in range(ISSUED // 30):
            asked = {fresh("lamp"): new_csr() for _ in range(30)}
            sent = {device: client.send("issue", mm.issue_body(
                own_mint.order, device, csr))
                for device, csr in asked.items()}
            for device, request in sent.items():
                own_mint.known[device] = client.answer_to(request)[1]
    own_mint.stop()
    return own_mint


def entry_in_file(mint, index):
    """Where some of an entry's bytes lie in log.db, and what they are."""
    db = sqlite3.connect(mint.dir / "state/log.db")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = db.execute("SELECT bytes FROM entry WHERE idx = ?",
                      (index,)).fetchone()[0]
    db.close()
    piece = data[-80:-60]
    whole = (mint.dir / "state/log.db").read_bytes()
    assert whole.count(piece) == 1
    return whole.index(piece), piece


def turn_a_bit(mint, at, piece):
    with (mint.dir / "state/log.db").open("r+b") as f:
        f.seek(at)
        assert f.read(len(piece)) == piece
        f.seek(at)
        f.write(bytes([piece[0] ^ 1]) + piece[1:])


def size_of(mint):
    with mint.client("auditor") as client:
        return client.status()[2]


def reads_only(mint):
    """Nothing is signed or logged; the rest goes on."""
    before = size_of(mint)
    with mint.client() as client:
        with refused("log-inconsistent"):
            client.issue(mint.order, fresh("lamp"), new_csr())
        for device, answer in list(mint.known.items())[-5:]:
            assert client.show(device) == answer
    image = b"F" + os.urandom(500)
    with mint.client("release") as client, refused("log-inconsistent"):
        client.release(client.upload(image), [mint.approve(image)])
    with mint.client("officer") as client, refused("log-inconsistent"):
        client.statement([mint.state("order", mm.order_body(
            fresh("order"), 1, ["station"], pattern="*"))])
    with mint.client("auditor") as client:
        assert client.entries(0, AT)[1]
        assert client.entries(AT + 1, 100)[1]
        with refused("log-inconsistent"):
            client.entries(AT, 1)
        with refused("log-inconsistent"):
            client.prove(AT)
        assert auditor.Receipt(client.prove(AT + 1), mint.vkey)
    assert size_of(mint) == before
    told = [line for line in mint.daemon.lines
            if line and "nothing is signed any more" in line]
    assert len(told) == 1 and "--restore" in told[0], told


def test_what_is_read_damaged_stops_signing(busy):
    """It rots under a mintmarkd that runs, and an auditor comes across it."""
    place = entry_in_file(busy, AT)
    busy.start()
    with busy.client("auditor") as client:
        assert client.entries(AT, 1)[1]
    turn_a_bit(busy, *place)
    with busy.client() as client:  # a commit: what was cached is read again
        client.issue(busy.order, fresh("lamp"), new_csr())
    with busy.client("auditor") as client, refused("log-inconsistent"):
        client.entries(AT, 1)
    reads_only(busy)
    busy.stop()


def test_a_start_on_a_damaged_log_is_refused(busy):
    """Or signing ends as soon as the review gets there."""
    turn_a_bit(busy, *entry_in_file(busy, AT))
    daemon = Daemon(busy.config)
    said = daemon.wait_line("nothing is signed any more")
    assert "--restore" in said
    if "so this start ends" in said:
        assert daemon.wait() == CONFIG
        return
    busy.daemon, busy.address = daemon, daemon.wait_ready()
    reads_only(busy)
    busy.stop()


def test_the_directory_brings_it_back(busy):
    """Written before the damage: the copy that the advice speaks of."""
    turn_a_bit(busy, *entry_in_file(busy, AT))
    for path in (busy.dir / "state").glob("log.db*"):
        path.rename(busy.base / path.name)
    mintmark("log", "verify", "--key", busy.dir / "public/log.vkey",
             busy.dir / "log")
    run(MINTMARKD, "-c", busy.config, "--restore", busy.dir / "log")
    busy.start()
    with busy.client("auditor") as client:
        assert client.entries(AT, 1)[1]
    with busy.client() as client:
        client.issue(busy.order, fresh("lamp"), new_csr())
        for device, answer in list(busy.known.items())[::20]:
            assert client.show(device)[1] == answer[1]
    busy.stop()
    busy.audit()
