"""mintmark produce and everything that ends it: kill -9 at random moments, an
appliance that leaves, an order that is used up, Ctrl-C, a full disk; and the
same said again until it is done. MINTMARK_FAULTS=1 makes it long."""

import json
import os
import random
import re
import subprocess
import time

import pytest

from mint import mintmark, run
from produce_room import MADE, Room, devices, end
from test_order import strace_works

LONG = bool(os.environ.get("MINTMARK_FAULTS"))
SEED = int(os.environ.get("MINTMARK_SEED", "0")) or random.randrange(1 << 30)
UNITS = 1000 if LONG else 300
LOOK = None if LONG else 60
# What every key of P-256 begins with: RFC 5958, RFC 5915.
PKCS8 = bytes.fromhex("020100301306072a8648ce3d020106082a8648ce3d030107")


def test_killed_at_random_moments(mint, workdir):
    """The order counts exactly the units that there are."""
    print("MINTMARK_SEED", SEED)
    dice = random.Random(SEED)
    room = Room(mint, workdir, mint.new_order(units=UNITS))
    wanted = devices(UNITS)
    room.rows(wanted)
    kills = 0
    while True:
        process = room.start()
        try:
            process.communicate(timeout=dice.uniform(0.02, 0.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            # Nor is a key in clear in what it left half done.
            if room.run.exists():
                assert not any(PKCS8 in data or b"PRIVATE KEY" in data
                               for data in room.bytes_of_all().values())
            continue
        assert process.returncode == 0
        break
    print("killed", kills, "times")
    assert kills > 0
    room.go()
    assert room.total["before"] == UNITS
    room.over(wanted, look=LOOK)


def test_killed_with_hooks(mint, workdir):
    """No unit counts whose hook has not run to its end."""
    count = 60 if LONG else 12
    dice = random.Random(SEED)
    room = Room(mint, workdir, mint.new_order(units=count), MADE)
    wanted = devices(count)
    room.rows(wanted)
    hook = (f'echo begin $MINTMARK_DEVICE >> {room.place}/ran; sleep 0.0$(('
            '$$ % 10)); cat /dev/fd/21 > /dev/null || exit 1; '
            f'echo end $MINTMARK_DEVICE >> {room.place}/ran')
    while True:
        process = room.start("--hook", hook)
        try:
            out, err = process.communicate(timeout=dice.uniform(0.1, 1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            continue
        if process.returncode == 75:
            assert "still at" in err  # the hook of the one that was killed
            continue
        assert process.returncode == 0, err
        break
    room.over(wanted, look=0)
    ran = (room.place / "ran").read_text().split("\n")
    assert all(f"end {device}" in ran for device in wanted)


# What changes something on the disk.
CALLS = ["pwrite64", "write", "renameat", "rename", "fsync", "fdatasync",
         "syncfs", "mkdirat", "ftruncate", "unlinkat"]


def traced(room, *injected, more=()):
    """The run under strace; its exit status and how often it made a call."""
    log = room.place / "trace"
    done = run("strace", "-qq", "-o", log, "-e", "trace=" + ",".join(CALLS),
               *injected, *room.words(*more), ok=None, timeout=120,
               env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    made = [line.split("(")[0] for line in log.read_text().splitlines()]
    return done, {call: made.count(call) for call in CALLS}


@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO",
                                   "error=ENOSPC"])
def test_a_fault_at_each_call(mint, workdir, fault):
    """Of two units; a sample of the calls, with MINTMARK_FAULTS=1 each."""
    why = strace_works()
    if why:
        pytest.skip(f"strace cannot be used here: {why}")
    print("MINTMARK_SEED", SEED)
    order = mint.new_order(units=100000)
    made = 0

    def fresh_room():
        place = workdir / str(made)
        place.mkdir()
        room = Room(mint, place, order)
        room.rows(devices(2))
        return room

    room = fresh_room()
    done, counts = traced(room)
    assert done.returncode == 0, done.stderr
    made += 2
    room.over(devices(2), issued=made)
    points = [(call, n) for call in CALLS for n in range(1, counts[call] + 1)]
    assert len(points) > 40
    if not LONG:
        points = random.Random(SEED).sample(points, 15)
    ended = 0
    for call, n in points:
        room = fresh_room()
        done, _ = traced(room, "-e", f"inject={call}:{fault}:when={n}")
        # Where it went on all the same, the call was not of importance.
        assert done.returncode != 70, (call, n, done.stderr)
        ended += done.returncode != 0
        if done.returncode not in (0, -9, 137):
            assert done.stderr.startswith("mintmark produce: "), done.stderr
        room.go()
        made += 2
        room.over(devices(2), issued=made)
    print(ended, "of", len(points), "ended")
    assert ended > len(points) / 2


def test_what_a_power_cut_must_find(mint, workdir):
    """A kill keeps what was written; a power cut what was flushed: the key
    before its CSR leaves, the files before their name, the name and the rows
    before they count, all of it before the key is erased."""
    why = strace_works()
    if why:
        pytest.skip(f"strace cannot be used here: {why}")
    room = Room(mint, workdir, mint.new_order())
    room.rows(devices(1))
    log = workdir / "trace"
    run("strace", "-qq", "-y", "-s", "0", "-o", log, "-e",
        "trace=" + ",".join([*CALLS, "sendmsg"]), *room.words(),
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    steps = "".join(step for line in log.read_text().splitlines()
                    for what, step in STEPS if re.match(what, line))
    slot = steps.index("K")
    # Files may be flushed by themselves, and rows in any order.
    assert re.fullmatch(r"Kjs+w+ynu(?:Rr)+Hj(?:Kj)s*", steps[slot:]), steps


STEPS = [(what.replace("RUN", r"\(\d+<[^>]*/run"), step) for what, step in [
    (r"pwrite64RUN/journal>.* (?:8192|[1-9]\d{4,})\)", "K"),
    (r"pwrite64RUN/journal>.* (?:0|4096)\)", "H"),
    (r"f(?:data)?syncRUN/journal>", "j"), (r"sendmsg\(", "s"),
    (r"writeRUN/units/", "w"), (r"syncfsRUN>", "y"),
    (r"renameat\(\d+<[^>]*/units>", "n"), (r"fsyncRUN/units>", "u"),
    (r"pwrite64RUN/(?:done|res|reg)", "R"),
    (r"f(?:data)?syncRUN/(?:done|res|reg)", "r")]]


def test_scrap_at_each_call(mint, workdir):
    """What the appliance was told is scrap in the files, too, and nothing
    else is, though the next run's hook would make it good."""
    why = strace_works()
    if why:
        pytest.skip(f"strace cannot be used here: {why}")
    print("MINTMARK_SEED", SEED)
    order = mint.new_order(units=100000)
    officer = mint.identity("officer")

    def scrapped():
        return json.loads(mintmark("order", "show", "--identity", officer,
                                   "--json", order).stdout)["scrapped"]

    def fresh_room(name):
        place = workdir / name
        place.mkdir()
        room = Room(mint, place, order, MADE)
        room.rows(devices(1))
        return room

    bad = ["--hook", "false", "--retries", "0"]
    done, counts = traced(fresh_room("first"), more=bad)
    assert done.returncode == 1 and scrapped() == 1
    points = [(call, n) for call in CALLS for n in range(1, counts[call] + 1)]
    if not LONG:
        points = random.Random(SEED).sample(points, 12)
    told, fates = 1, set()
    for call, n in points:
        room = fresh_room(f"{call}-{n}")
        kill = ["-e", f"inject={call}:signal=KILL:when={n}"]
        assert traced(room, *kill, more=bad)[0].returncode != 1
        # And once more where it is gone on with.
        traced(room, *kill, more=["--hook", "true"])
        room.go("--hook", "true", ok=(0, 1))
        fate = room.results()[0]["state"]
        fates.add(fate)
        told += fate == "scrap"
        assert scrapped() == told, (call, n)
        room.over(devices(1), scrap=devices(1) if fate == "scrap" else (),
                  issued=room.issued(), look=0)
    assert not LONG or fates == {"made", "scrap"}


def test_ctrl_c(mint, workdir):
    room = Room(mint, workdir, mint.new_order(units=UNITS))
    wanted = devices(UNITS)
    room.rows(wanted)
    process = room.start()
    process.stdout.readline()
    code, out, err = end(process)
    last = json.loads(out.splitlines()[-1])
    assert code == 75, err
    assert err == ("mintmark produce: stopped: what was begun is finished: "
                   "say the same again to go on\n")
    assert last["end"] == "stopped" and last["held"] == 0
    assert room.issued() == last["made"] < UNITS
    room.go()
    room.over(wanted, look=3)


def test_an_order_that_is_used_up(mint, workdir):
    """Extended, the run goes on; what had no unit left keeps its key."""
    room = Room(mint, workdir, mint.new_order(units=100))
    wanted = devices(150)
    room.rows(wanted)
    total = room.go(ok=(77,))
    assert "order-exhausted" in room.done.stderr
    assert "extends it with mintmark order extend" in room.done.stderr
    assert total["end"] == "order-exhausted" and total["made"] == 100
    assert total["held"] > 0 and room.issued() == 100
    room.go(ok=(77,))
    assert room.total["made"] == 0 and room.issued() == 100
    mintmark("order", "extend", "--identity", mint.identity("officer"),
             "--officer", mint.dir / "officer/officer.key", "--units", 150,
             room.order)
    room.go()
    room.over(wanted, look=5)
    room.rows(devices(151))
    room.go(ok=(77,))
    assert "extends it" in room.done.stderr and room.total["made"] == 0


def test_an_order_that_is_closed(mint, workdir):
    room = Room(mint, workdir, mint.new_order(units=100))
    officer = ["--identity", mint.identity("officer"), "--officer",
               mint.dir / "officer/officer.key", room.order]
    mintmark("order", "close", *officer)
    room.rows(devices(2))
    room.go(ok=(77,))
    assert "order-closed" in room.done.stderr and room.issued() == 0
    mintmark("order", "reopen", *officer)
    room.go()
    room.over(devices(2))


def test_the_appliance_leaves_and_comes_back(own_mint, workdir):
    own_mint.start()
    room = Room(own_mint, workdir, own_mint.new_order(units=UNITS))
    wanted = devices(UNITS)
    room.rows(wanted)
    process = room.start("--wait", "120")
    port = own_mint.address[1]
    own_mint.own_settings = own_mint.own_settings.replace(
        '"127.0.0.1:0"', f'"127.0.0.1:{port}"')
    own_mint.limit()
    process.stdout.readline()
    for kill in [own_mint.stop, own_mint.kill]:
        kill()
        time.sleep(0.5)
        own_mint.start()
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "trying again" in err
    room.over(wanted, look=10)
    own_mint.settled()
    own_mint.stop()
    own_mint.audit()


def test_the_appliance_is_away(own_mint, workdir):
    own_mint.start()
    room = Room(own_mint, workdir, own_mint.new_order(units=UNITS))
    wanted = devices(UNITS)
    room.rows(wanted)
    process = room.start("--wait", "1")
    process.stdout.readline()
    own_mint.stop()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 69, err
    last = json.loads(out.splitlines()[-1])
    assert last["end"] == "appliance-away" and last["held"] > 0
    assert len(room.results()) == last["made"]
    room.go("--wait", "0", ok=(69,))
    own_mint.start()
    room.go()
    room.over(wanted, look=10)
    own_mint.stop()
    own_mint.audit()


def test_stopped_while_the_appliance_is_away(own_mint, workdir):
    own_mint.start()
    room = Room(own_mint, workdir, own_mint.new_order(units=UNITS))
    room.rows(devices(UNITS))
    process = room.start("--wait", "600")
    process.stdout.readline()
    own_mint.stop()
    line = process.stderr.readline()
    while "trying again" not in line:
        assert line, "it ended"
        line = process.stderr.readline()
    code, out, err = end(process)
    assert code == 75 and "waited for" in err
    assert json.loads(out.splitlines()[-1])["held"] > 0
    own_mint.start()
    room.go()
    room.over(devices(UNITS), look=3)
    own_mint.stop()


@pytest.mark.skipif(not LONG, reason="a minute: make test-faults")
def test_a_station_that_asks_too_often(own_mint, workdir):
    """It waits for its next minute, whatever --wait says."""
    own_mint.limit(requests_a_minute=40)
    own_mint.start()
    room = Room(own_mint, workdir, own_mint.new_order(units=60))
    room.rows(devices(60))
    room.go("--wait", "1", timeout=200)
    assert "rate-limited" in room.done.stderr
    room.over(devices(60), look=2)
    own_mint.stop()


def small_disk(place, size):
    if os.geteuid() != 0:
        pytest.skip("a file system of the test's own wants root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}",
                           "tmpfs", place], capture_output=True)
    if done.returncode != 0:
        pytest.skip("mounting is not permitted here")


def fill(ballast, leave):
    """Somebody else writes there, too: to the last byte, if need be."""
    disk = os.statvfs(ballast.parent)
    try:
        ballast.write_bytes(bytes(disk.f_bavail * disk.f_frsize - leave))
    except OSError:
        pass


def test_a_disk_that_fills(mint, workdir):
    """The unit that does not fit is not half there; with room it goes on."""
    place = workdir / "disk"
    place.mkdir()
    small_disk(place, "40m")
    try:
        room = Room(mint, place, mint.new_order(units=500))
        wanted = devices(400)
        room.rows(wanted)
        ballast = place / "ballast"
        ballast.write_bytes(bytes(14 << 20))
        room.go(ok=(75,))
        assert "the disk has room for" in room.done.stderr
        assert not (room.run / "journal").exists()
        ballast.unlink()
        process = room.start()
        process.stdout.readline()
        fill(ballast, leave=1 << 20)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 75 and "disk-full" in err
        last = json.loads(out.splitlines()[-1])
        assert len(room.results()) == last["made"] < 400
        assert last["held"] > 0
        ballast.unlink()
        room.rows(wanted)
        room.go()
        room.over(wanted, look=10)
    finally:
        # Whoever is still at work there loses it.
        subprocess.run(["umount", "-l", place], check=True)


def test_torn_slots(mint, workdir):
    """Of what is torn in the journal nothing is there: it is made anew, and
    its bytes are kept."""
    room = Room(mint, workdir, mint.new_order(units=10))
    room.rows(devices(10))
    room.go()
    journal = room.run / "journal"
    data = bytearray(journal.read_bytes())
    data[8192 + 5 * 16384:8192 + 5 * 16384 + 700] = os.urandom(700)
    journal.write_bytes(data)
    room.go()
    assert "not whole" in room.done.stderr
    torn = room.run / "torn"
    assert torn.read_bytes() == data[8192 + 5 * 16384:8192 + 6 * 16384]
    assert torn.stat().st_mode & 0o777 == 0o600
    torn.unlink()
    room.over(devices(10), look=0)


def test_what_an_earlier_run_was_writing(mint, workdir):
    room = Room(mint, workdir, mint.new_order(units=10))
    room.rows(devices(5))
    room.go()
    first, second = (room.unit(d) for d in devices(2))
    for name in [".x.new", f".{first.name}.old"]:
        (room.run / "units" / name).mkdir()
        (room.run / "units" / name / "key.pem").write_text("half")
    # The new one had not come yet.
    second.rename(second.parent / f".{second.name}.old")
    with (room.run / "results.csv").open("a") as file:
        file.write("half a row")
    room.go()
    room.over(devices(5))
