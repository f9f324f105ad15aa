"""What a registered principal can do to the others with requests alone.

Each of these went through, or hurt, once.
"""

import hashlib
import os
import signal
import socket
import struct
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

import auditor
import mintmark_client as mm
from logmaker import Cosigner
from mint import (MINTMARK, fresh, new_csr, new_key, refused, run,
                  spki_hash)

MIB = 1 << 20
LINGER_NOT = struct.pack("ii", 1, 0)  # close() resets


@pytest.fixture
def stopped(mint):
    """Stops processes of a role; they go on at the end of the test."""
    held = []

    def stop(role):
        for process in mint.daemon.children()[role]:
            process.suspend()
            held.append(process)

    yield stop
    for process in held:
        if process.is_running():
            process.send_signal(signal.SIGCONT)


def test_a_stalled_disk_is_no_way_to_the_memory(mint, station, stopped):
    """What waits for the notary is bounded in bytes, not in number alone."""
    body = {0: [os.urandom(16000) for _ in range(8)]}
    clients = [mint.client("station") for _ in range(20)]
    busy = []

    def feed(client):
        for _ in range(50):
            client.send("statement", body)
        client.sock.settimeout(2)
        try:
            while True:
                kind, _, answer = client.receive()
                if kind == 0 and answer[1] == "busy":
                    busy.append(answer)
        except TimeoutError:
            pass

    stopped("notary")
    station.send("issue", mm.issue_body("quickstart", fresh("lamp"),
                                        new_csr()))
    threads = [threading.Thread(target=feed, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    waiting = 20 * 50 - len(busy)
    assert 0 < waiting * len(mm.encode(body)) < 32 * MIB, waiting


@pytest.mark.parametrize("kind", ["RSA", "P-384"])
def test_a_refused_principal_is_not_registered(mint, officer, kind):
    """A statement whose certificate cannot be made changes nothing."""
    key, name, request = new_key(kind), fresh("station"), os.urandom(16)
    statement = mint.state("principal", mm.principal_body(
        name, "station", spki_hash(key), profiles=["device"]))
    try:
        answer = officer.statement([statement], csr=new_csr(key),
                                   request_id=request)
    except mm.Refused as refusal:
        assert refusal.name == "key-unsupported"
        with refused("key-unsupported"):
            officer.statement([statement], csr=new_csr(key),
                              request_id=request)
    else:
        assert answer[2]
        return
    assert not [e for e in mint.entries()
                if name.encode() in mm.encode(e) and e[0] == 2]


def test_requests_and_resets_leave_no_descriptor(mint):
    """THREATS 40: reset in the handshake, and with requests on their way."""
    gates = mint.daemon.children()["gate"]

    def count():
        return sum(gate.num_fds() for gate in gates)

    before = count()
    status = mm.frame(mm.encode({0: 1, 1: os.urandom(16), 2: {}}))
    context = mm.tls_context(mint.identity("station"))
    for i in range(300):
        if i % 2:
            sock = socket.create_connection(mint.address)
            sock.sendall(b"\x16\x03\x01\x02\x00"[:i % 6])
        else:
            sock = mm.tls_connect(mint.address, context)
            sock.sendall(status * (1 + i % 70) + status[:i % 20])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        sock.close()
    end = time.monotonic() + 15
    while count() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert count() <= before


def test_a_disabled_name_takes_no_key_along(own_mint):
    """A statement that disables may name any key, also one that is another
    principal's since. Back again under that key, there were two of one key,
    and no auditor took the log any more."""
    mint = own_mint
    mint.start()
    shared, other = new_key(), new_key()

    def state(name, key, disabled=False):
        with mint.client("officer") as officer:
            officer.statement([mint.state("principal", mm.principal_body(
                name, "auditor", spki_hash(key), disabled=disabled))])

    state("first", shared)
    state("first", other)
    state("second", shared)
    state("first", shared, disabled=True)
    with refused("key-already-used"):
        state("first", shared)
    state("first", other)
    mint.stop()
    mint.audit()
    run(MINTMARK, "log", "verify", "--key", mint.dir / "public/log.vkey",
        mint.dir / "log")


def test_the_mints_own_keys_are_nobodys(mint, officer):
    for key in auditor.strict_cbor(mint.client("auditor").entries(0, 1)[1][0],
                                   "genesis")[3][2]:
        with refused("key-already-used"):
            officer.statement([mint.state("principal", mm.principal_body(
                fresh("mint"), "auditor",
                hashlib.sha256(key[2]).digest()))])


def test_a_log_does_not_witness_itself(mint, station, workdir):
    """Whoever has the log's key could make a quorum of it by other names."""
    issued = station.issue("quickstart", fresh("lamp"), new_csr())
    key = Ed25519PrivateKey.from_private_bytes(
        (mint.dir / "log-key/log.key").read_bytes())
    witness = Cosigner("witness.example/1", key)
    (workdir / "witness").write_text(witness.vkey + "\n")
    (workdir / "crt").write_bytes(issued[1])
    receipt = issued[3]
    note = receipt.split(b"\n\n", 1)[1]
    (workdir / "receipt").write_bytes(receipt + witness.line(note))
    words = [MINTMARK, "receipt", "verify", "--key",
             mint.dir / "public/log.vkey"]
    run(*words, workdir / "receipt", workdir / "crt")
    done = run(*words, "--witness", workdir / "witness",
               workdir / "receipt", workdir / "crt", ok=(64,))
    assert "does not witness itself" in done.stderr
