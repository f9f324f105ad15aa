"""Silence: who says nothing, or half of something, is let go in time."""

import os
import socket
import time

import pytest

import mintmark_client as mm
from mint import eventually, fresh, new_csr, refused

# Short, to be tested soon; and long enough for a healthy one on a busy machine.
LIMITS = {"handshake": "3s", "frame": "2s", "idle": "6s",
          "connections_per_source": 32}


def closed_after(sock, limit=20):
    """Seconds until the other side ends the connection."""
    began = time.monotonic()
    sock.settimeout(limit)
    try:
        while sock.recv(4096):
            pass
    except (ConnectionError, mm.ssl.SSLError):
        pass
    return time.monotonic() - began


def test_no_handshake(mint):
    with socket.create_connection(mint.address) as sock:
        assert 1.5 < closed_after(sock) < 20


def test_half_a_hello(mint):
    with socket.create_connection(mint.address) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert 1.5 < closed_after(sock) < 20


@pytest.mark.parametrize("part", [b"\x00", b"\x00\x00\x00",
                                  b"\x00\x00\x00\x17\xa3\x00"])
def test_half_a_frame(mint, part):
    with mint.client() as client:
        client.send_bytes(part)
        began = time.monotonic()
        told = client.receive()
        assert (told[0], told[1], told[2][1]) == (0, bytes(16), "deadline")
        assert 0.5 < time.monotonic() - began < 10
        assert closed_after(client.sock) < 10


def test_a_frame_that_trickles(mint):
    """A byte now and then does not put the deadline off."""
    frame = mm.frame(mm.encode({0: 1, 1: b"x" * 16, 2: {}}))
    with mint.client() as client:
        client.sock.settimeout(0.2)
        began = time.monotonic()
        for byte in frame * 4:
            try:
                client.send_bytes(bytes([byte]))
                told = client.receive()
                assert told[2][1] == "deadline"
                break
            except TimeoutError:
                continue
            except (mm.Closed, ConnectionError, mm.ssl.SSLError):
                break
        assert time.monotonic() - began < 10


def test_silence(mint):
    with mint.client() as client:
        client.status()
        assert 3 < closed_after(client.sock) < 20


def test_many_slow_ones_do_not_keep_a_healthy_one_out(mint, order):
    slow = [socket.create_connection(mint.address) for _ in range(16)]
    try:
        for sock in slow:
            sock.sendall(b"\x16\x03\x01\x02\x00")
        with mint.client() as client:
            assert client.issue(order, fresh("lamp"), new_csr())
    finally:
        for sock in slow:
            sock.close()


def served(mint):
    """True where a new connection is answered, None where it is closed."""
    try:
        with mint.client() as client:
            return bool(client.status())
    except (mm.Closed, ConnectionError, mm.ssl.SSLError):
        return None


def test_too_many_connections_of_one_source(mint):
    """Those over the limit are closed; when they leave, others are served."""
    gates = len(mint.daemon.children()["gate"])
    many = []

    def let_go():
        while many:
            many.pop().close()

    def crowded():
        """The last one ends long before its handshake's deadline. A slow
        machine may have let go of the first ones before it is there."""
        let_go()
        many.extend(
            socket.create_connection(mint.address)
            for _ in range(2 * gates * LIMITS["connections_per_source"]))
        return closed_after(many[-1]) < 1.5
    try:
        eventually(crowded, "a connection that is refused")
    finally:
        let_go()
    # The appliance sees one by one that they have left.
    eventually(lambda: served(mint), "an answer")


def test_an_authority_that_hangs(mint, order):
    """Who waits for it is told in time, and may go on with the connection
    and the same request when it is there again."""
    authority = mint.daemon.children()["authority"][0]
    device, request, csr = fresh("lamp"), os.urandom(16), new_csr()
    with mint.client(timeout=60) as client:
        client.status()
        authority.suspend()
        try:
            began = time.monotonic()
            with refused("deadline") as refusal:
                client.issue(order, device, csr, request_id=request)
            assert 0.5 < time.monotonic() - began < 30
            assert refusal.error.retry_after > 0
        finally:
            authority.resume()

        def answered():
            """A busy machine may be too slow for the deadline once more."""
            try:
                return client.issue(order, device, csr, request_id=request)
            except mm.Refused as e:
                assert e.name == "deadline", e
                return None
        answer = eventually(answered, "the certificate")
        assert client.show(device) == answer
