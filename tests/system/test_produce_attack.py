"""mintmark produce under attack: what a hook leaves behind, a journal that is
older than its units, a parent that wants no children, keys in memory after
their unit is done, a connection that is cut while it is made."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from test_produce_crash import small_disk
from produce_room import (MADE, SLOTS_AT, Room, devices, lamp, scalar)


@pytest.fixture
def room(mint, workdir):
    return Room(mint, workdir, mint.new_order())


@pytest.fixture
def hooked(mint, workdir):
    return Room(mint, workdir, mint.new_order(), MADE)


def soon(room, *more, **how):
    """It has to end by itself."""
    try:
        return room.go(*more, timeout=20, **how)
    except subprocess.TimeoutExpired:
        pytest.fail("it hangs, deaf to Ctrl-C")


def hooks_over(room):
    """What a run that was killed has left behind comes to its end."""
    for log in room.run.glob("units/*/hook.log"):
        if log.is_file():
            with log.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX)


def killed(room):
    """A run whose first hook kills it: one unit waits, its files are there."""
    room.rows(devices(1))
    room.go("--hook", "kill -9 $PPID", ok=(-signal.SIGKILL,))
    hooks_over(room)
    assert room.issued() == room.slots_used() == 1


# ---------------------------------------------------------------- the hook

LEFT = {
    "a directory": "mkdir -p logs/esptool",
    "a hidden file": "touch ../.directory",
    "a fifo called scrap": "mkfifo scrap",
    "a directory called scrap": "mkdir scrap",
    "a file called scrap": "echo 1 metal > scrap",
    "a fifo called hook.log": "rm hook.log; mkfifo hook.log",
    "nothing": "rm -rf $PWD",
}


@pytest.mark.parametrize("name", LEFT, ids=lambda n: n.replace(" ", "-"))
def test_what_a_hook_leaves(hooked, name):
    """The run that it killed is gone on with: the unit was no scrap."""
    wanted = devices(2)
    hooked.rows(wanted)
    once = hooked.place / "once"
    hook = (f"[ -e {once} ] || {{ touch {once}; {LEFT[name]}; "
            "kill -9 $PPID; }")
    soon(hooked, "--hook", hook, ok=(-signal.SIGKILL,))
    hooks_over(hooked)
    soon(hooked, "--hook", hook)
    assert [r["state"] for r in hooked.results()] == ["made", "made"]
    assert hooked.issued() == 2 and hooked.slots_used() == 0


IN_THE_WAY = {
    "hook.log": "rm hook.log; mkfifo hook.log; exit 1",
    "unit.json": "rm unit.json; mkfifo unit.json; exit 1",
    "scrap": "mkfifo scrap; exit 1",
}


def test_a_hook_for_all_or_for_none(hooked, mint, workdir):
    """Its words may be others, but no unit stands beside others that had
    none."""
    hooked.rows(devices(1))
    hooked.go("--hook", "true")
    hooked.rows(devices(2))
    hooked.go("--plain-keys", ok=(78,))
    assert "begun with a hook" in hooked.done.stderr
    hooked.go("--hook", "exit 0")
    hooked.over(devices(2), look=0)
    (workdir / "plain").mkdir()
    plain = Room(mint, workdir / "plain", mint.new_order())
    plain.rows(devices(1))
    plain.go()
    plain.go("--hook", "true", ok=(78,))
    assert "begun without a hook" in plain.done.stderr


def test_a_serial_number_of_an_earlier_list(room):
    first, second = devices(2)
    room.rows([first], ["serial"], ["LMP-7"])
    room.go()
    room.rows([second], ["serial"], ["LMP-7"])
    room.go(ok=(65,))
    assert "serial number LMP-7" in room.done.stderr
    room.rows([first], ["serial"], ["LMP-7"])
    room.go()
    assert room.total["before"] == 1 and room.issued() == 1


@pytest.mark.parametrize("name", IN_THE_WAY, ids=lambda n: n)
def test_a_fifo_in_the_way(hooked, name):
    hooked.rows(devices(1))
    soon(hooked, "--hook", IN_THE_WAY[name], "--retries", "1", ok=(1, 65))


def test_a_full_disk_is_no_scrap_yet(mint, workdir):
    """What cannot be kept is not told either: with room the unit is tried
    again."""
    small_disk(workdir, "40m")
    try:
        room = Room(mint, workdir, mint.new_order(), MADE)
        room.rows(devices(1))
        fills = "cat /dev/zero > ../../../ballast; exit 1"
        soon(room, "--hook", fills, "--retries", "0", ok=(75,))
        assert "disk-full" in room.done.stderr
        (workdir / "ballast").unlink()
        soon(room, "--hook", "true")
        assert [r["state"] for r in room.results()] == ["made"]
    finally:
        subprocess.run(["umount", "-l", workdir], check=True)


def test_a_parent_that_wants_no_children(hooked):
    """A hook's success is seen though SIGCHLD is ignored by inheritance."""
    hooked.rows(devices(2))
    words = hooked.words("--hook", "cat /dev/fd/21 > /dev/null")
    done = subprocess.run(
        [sys.executable, "-c", "import os, signal, sys\n"
         "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
         "os.execv(sys.argv[1], sys.argv[1:])", *words],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [r["state"] for r in hooked.results()] == ["made", "made"]


# ------------------------------------------------- a journal and its units

def test_an_older_journal(room):
    """Of a backup: what was made since is not forgotten, and no serial number
    is given twice."""
    room.rows(devices(10))
    room.go()
    old = (room.run / "journal").read_bytes()
    room.rows(devices(30))
    room.go()
    (room.run / "journal").write_bytes(old)
    before = room.bytes_of_all()
    soon(room, source=["--one", devices(31)[30]], ok=(65, 78))
    assert room.bytes_of_all() == before and room.issued() == 30


def test_a_bit_of_the_newest_header(room):
    """The other copy is a commit behind: its units are not cut off."""
    room.rows(devices(130))
    room.go()
    path = room.run / "journal"
    data = bytearray(path.read_bytes())
    numbers = [int.from_bytes(data[at + 16:at + 24], "little")
               for at in (0, 4096)]
    data[4096 * numbers.index(max(numbers)) + 200] ^= 1
    path.write_bytes(data)
    before = room.bytes_of_all()
    soon(room, ok=(65, 78))
    assert room.bytes_of_all() == before


def test_a_bit_of_a_slot(hooked):
    """A certificate stands for the key in it: it is no torn one, and is not
    thrown away."""
    killed(hooked)
    path = hooked.run / "journal"
    data = bytearray(path.read_bytes())
    data[SLOTS_AT + 100] ^= 1
    path.write_bytes(data)
    soon(hooked, "--hook", "true", ok=(65, 78))
    assert "nothing of" not in hooked.done.stderr
    data[SLOTS_AT + 100] ^= 1
    path.write_bytes(data)
    soon(hooked, "--hook", "true")
    assert hooked.results()[0]["state"] == "made"


def test_a_directory_of_somebody_else(room):
    """Nothing that the run has not made is removed."""
    theirs = room.run / "units/.git"
    theirs.mkdir(parents=True)
    for place in [room.run, room.run / "units"]:
        place.chmod(0o700)
    (theirs / "HEAD").write_text("theirs")
    room.rows(devices(1))
    soon(room, ok=None)
    assert (theirs / "HEAD").read_text() == "theirs"


# ------------------------------------------------------------------ secrets

def open_files(pid):
    names = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.append(os.readlink(fd))
        except OSError:
            continue
    return names


def test_a_piped_list_is_in_memory(room):
    """It may have secrets: no file below /tmp keeps it."""
    process = room.start(source=["--from", "-"], stdin=subprocess.PIPE)
    process.stdin.write("device,pop\n" + "".join(
        f"{device},SECRET22\n" for device in devices(900)))
    process.stdin.flush()
    until = time.monotonic() + 30
    names = []
    while not [n for n in names if n.startswith(("/memfd:list", "/tmp/#"))]:
        assert time.monotonic() < until, names
        names = open_files(process.pid)
    process.kill()
    process.communicate()
    assert not [n for n in names if n.endswith("(deleted)") and
                not n.startswith("/memfd:")], names


def memory_of(pid):
    """All that can be read of it."""
    out = []
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            try:
                memory.seek(begin)
                out.append(memory.read(end - begin))
            except (OSError, ValueError, OverflowError):
                continue
    return b"\0".join(out)


def test_keys_in_memory_when_a_unit_is_done(room):
    """While the next device is waited for, nothing of the last one is
    left."""
    if os.geteuid() != 0:
        pytest.skip("another process's memory is for root")
    process = room.start(source=[], stdin=subprocess.PIPE)
    wanted = [lamp(n) for n in range(3)]
    for device in wanted:
        process.stdin.write(device + "\n")
        process.stdin.flush()
        process.stdout.readline()
    secrets = {d: room.key_of(room.unit(d)) for d in wanted}
    memory = memory_of(process.pid)
    process.communicate()
    assert wanted[2].encode() in memory  # it was read at all
    left = []
    for device, (key, values) in secrets.items():
        left += [(device, "key")] * (scalar(key) in memory)
        left += [(device, "pop")] * (values["pop"].encode() in memory)
    assert left == []


LIMITED = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock",
           "sh", "-c", 'ulimit -l "$0"; exec "$@"']


def limited(kib):
    """Words before a command that may lock so much memory."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("limits that hold for root want setpriv")
    return [*LIMITED, str(kib)]


def unlocked(pid):
    """Regions that no core dump has, and that can be swapped out."""
    found, name = [], ""
    for line in open(f"/proc/{pid}/smaps"):
        words = line.split()
        if not words[0].endswith(":"):
            name = line
        elif words[0] == "VmFlags:" and "[v" not in name and (
                "dd" in words and "lo" not in words):
            found.append(name)
    return found


def test_memory_that_cannot_be_locked(room):
    """libsodium does not tell: it is found out, or needs less."""
    room.rows(devices(300))
    process = subprocess.Popen(
        [*limited(1024), *room.words()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(20):
        assert process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    left = unlocked(process.pid)
    process.kill()
    process.communicate()
    assert left == []


def test_memory_for_not_even_one_unit(room):
    room.rows(devices(1))
    done = subprocess.run(
        [*limited(64), *room.words()], capture_output=True, text=True,
        timeout=60)
    assert done.returncode == 70 and "raise the limit" in done.stderr
    assert room.issued() == 0
    room.go()
    room.over(devices(1))


# ----------------------------------------------------------- the connection

class Cutter:
    """Passes a connection on; the first ones end after so many bytes of the
    appliance's first flight."""

    def __init__(self, target, cuts):
        self.target, self.cuts = target, list(cuts)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            near = self.listener.accept()[0]
            far = socket.create_connection(self.target)
            left = self.cuts.pop(0) if self.cuts else None
            for pair in [(near, far, None), (far, near, left)]:
                threading.Thread(
                    target=self.pass_on, args=pair, daemon=True).start()

    @staticmethod
    def pass_on(here, there, left):
        try:
            while left is None or left > 0:
                data = here.recv(65536 if left is None else left)
                if not data:
                    break
                there.sendall(data)
                left = left if left is None else left - len(data)
        except OSError:
            pass
        for end in (here, there):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.mark.parametrize("cut", [3, 700])
def test_cut_in_the_handshake(mint, workdir, cut):
    """An appliance that starts again is waited for, wherever it stopped."""
    cutter = Cutter(mint.address, [cut])
    place = workdir / "identity"
    shutil.copytree(mint.identity("station"), place)
    told = (place / "appliance").read_text()
    (place / "appliance").write_text(
        told.replace(f":{mint.address[1]}", f":{cutter.port}"))
    proxied = types.SimpleNamespace(
        dir=mint.dir,
        identity=lambda n: place if n == "station" else mint.identity(n))
    room = Room(proxied, workdir, mint.new_order())
    room.rows(devices(2))
    soon(room, "--wait", "15")
    room.over(devices(2))
