"""A mint whose products are signed by keys of their own, large images for
it, and the memory that its processes have."""

import hashlib
import os
import struct
import tempfile
import threading
from pathlib import Path

from mint import ROOT, Mint, eventually

MIB = 1 << 20
SECURE_BOOT = "secure-boot-v2-rsa3072:secure-boot"
SIGNINGS = ("sha256-ecdsa", SECURE_BOOT)


def image_mint(directory=None, **limits):
    """A mint whose product "demo" is signed for OTA and for Secure Boot."""
    text = (ROOT / "conf/policy.conf").read_text()
    signings = ", ".join(f'"{name}"' for name in SIGNINGS)
    wanted = text.replace("schemes = {sha256-ecdsa}",
                          f"schemes = {{{signings}}}")
    assert wanted != text
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as policy:
        policy.write(wanted)
        policy.flush()
        return Mint(limits=limits, directory=directory, options=(
            "--signing-key", "secure-boot:RSA-3072", "--policy",
            policy.name))


def esp_image(size):
    """An image for the ESP32-C3 of just this size, a multiple of 16."""
    data = size - 24 - 8 - 16 - 32
    header = struct.pack("<BBBBI16s", 0xE9, 1, 2, 0x40, 0x40380004,
                         bytes([0xEE, 0, 0, 0, 5] + [0] * 10 + [1]))
    segment = os.urandom(data)
    checksum = 0xEF
    for at in range(0, data, MIB):
        checksum ^= xor(segment[at:at + MIB])
    body = header + struct.pack("<II", 0x3C000020, data) + segment
    body += bytes(15) + bytes([checksum])
    assert len(body) == size - 32
    return body + hashlib.sha256(body).digest()


def xor(part):
    """Of all bytes, by halves of one large number."""
    size = 1 << max(0, (len(part) - 1).bit_length())
    value = int.from_bytes(part, "big")
    while size > 1:
        size //= 2
        value = (value >> 8 * size) ^ (value & ((1 << 8 * size) - 1))
    return value


def digests(image):
    """What an officer states: Secure Boot's are of whole sectors."""
    sectors = image + b"\xff" * (-len(image) % 4096)
    return {"sha256-ecdsa": hashlib.sha256(image).digest(),
            SECURE_BOOT: hashlib.sha256(sectors).digest()}


def sign(mint, image, version):
    """A whole release: what FETCH answers for each signing."""
    with mint.client("release") as client:
        answer = client.submit(client.upload(image), version=version)
        assert answer[0] == 2, answer
        statement = mint.approve(image, version=version,
                                 digests=digests(image))
        client.statement([statement])
        return [client.fetch(version=version, scheme=scheme)
                for scheme in SIGNINGS]


# ------------------------------------------------------------------- memory

def kib(path, *names):
    """The sum of these lines of a file of /proc, in bytes."""
    return 1024 * sum(int(line.split()[1])
                      for line in Path(path).read_text().splitlines()
                      if line.startswith(names))


def pss(pid):
    """What of a process is resident, memfds left out; what processes have in
    common (the libraries) counts once. Only root sees it of processes that
    cannot be dumped."""
    return kib(f"/proc/{pid}/smaps_rollup", "Pss_Anon:", "Pss_File:")


def anonymous(pid):
    """What anybody sees of it: neither memfds nor files."""
    return kib(f"/proc/{pid}/status", "RssAnon:")


def files(pid):
    """Libraries and other files that it has mapped, each time anew."""
    return kib(f"/proc/{pid}/status", "RssFile:")


def children(supervisor):
    path = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    return map(int, path.read_text().split())


def total(supervisor, measure):
    """Of the supervisor and all that it has started."""
    return sum(each(measure, [supervisor, *children(supervisor)]))


def each(measure, pids):
    for pid in pids:
        try:
            yield measure(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass  # an inspector that has left


def largest(supervisor, measure):
    """Of any one process that it has started."""
    return max(each(measure, children(supervisor)))


class Peak:
    """`with Peak(mint, pss) as peak:` the most that there was meanwhile."""

    def __init__(self, mint, measure, of=total):
        eventually(lambda: "inspector" not in mint.daemon.children(),
                   "the end of the last inspector")
        self.supervisor = mint.daemon.supervisor().pid
        self.measure, self.of = measure, of
        self.before = self.most = of(self.supervisor, measure)
        self.samples = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.ended.is_set():
            self.most = max(self.most, self.of(self.supervisor, self.measure))
            self.samples += 1

    @property
    def rise(self):
        return self.most - self.before

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
