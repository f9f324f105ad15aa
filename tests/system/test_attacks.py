"""What a registered principal can do to the others with requests alone.

Each of these went through, or hurt, once.
"""

import os
import signal
import socket
import struct
import threading
import time

import pytest

import mintmark_client as mm
from mint import fresh, new_csr, new_key, refused, spki_hash

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
