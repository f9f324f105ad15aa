"""The hook of mintmark produce: what it gets, and what comes of a unit whose
hook fails, hangs, or is interrupted."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from mint import BUILD, ROOT, eventually, mintmark
from produce_room import MADE, Room, devices, end, tell


@pytest.fixture
def room(mint, workdir, order):
    room = Room(mint, workdir, order, MADE)
    room.rows(devices(3))
    return room


def test_the_example(mint, workdir, order):
    """conf/production.conf, as it is; its hook burns one key."""
    room = Room(mint, workdir, order)
    room.template = ROOT / "conf/production.conf"
    first, second = devices(2)
    room.list.write_text(f"device,mac\n{first},{first}\n{second},{second}\n")
    keys = workdir / "keys"
    keys.mkdir()
    room.go("--hook", f'cat /dev/fd/20 > "{keys}/$MINTMARK_DEVICE"; '
            'sh -n flash.sh && grep -q /dev/fd/20 flash.sh')
    assert room.total["made"] == 2
    for device in [first, second]:
        unit, key = room.unit(device), keys / device
        assert key.stat().st_size == 32
        # Decrypted with the key that the hook got, the keys of the NVS.
        table = json.loads((unit / "unit.json").read_text())["images"]
        plain = {}
        for image in table:
            plain[image["partition"]] = unit / image["file"]
            if not image["encrypted"]:
                continue
            plain[image["partition"]] = room.place / f"{image['file']}.plain"
            mintmark("flash", "decrypt", "--chip", "esp32c3", "--key", key,
                     "--address", hex(image["offset"]), "--force", "--out",
                     plain[image["partition"]], unit / image["file"])
        dump = json.loads(mintmark(
            "flash", "nvs", "--dump", plain["creds"], "--keys",
            plain["nvs_keys"], "--json").stdout)
        assert dump["damage"] == [] and dump["entries"]
    assert len({p.read_bytes() for p in keys.iterdir()}) == 2


TOOL = """#!/bin/sh
printf '%s ' "${{0##*/}}" "$@" >> {calls}/"$MINTMARK_DEVICE"
echo >> {calls}/"$MINTMARK_DEVICE"
for word; do case $word in /dev/fd/*)
\tcat $word > {calls}/"$MINTMARK_DEVICE.${{word##*/}}" ;; esac; done
"""


def test_the_script_burns_the_unit_s_own_key(mint, workdir, order):
    """./flash.sh in the hook, with tools that write down what they get: the
    key comes to espefuse as the plan names it, and the image to its place."""
    room = Room(mint, workdir, order)
    room.template = ROOT / "conf/production.conf"
    tools, calls = workdir / "tools", workdir / "calls"
    for place in (tools, calls):
        place.mkdir()
    for name in ("esptool", "espefuse"):
        (tools / name).write_text(TOOL.format(calls=calls))
        (tools / name).chmod(0o755)
    room.list.write_text("".join(f"{d},{d}\n" for d in [
        "device", *devices(2)]).replace("device,device", "device,mac"))
    room.go("--hook", f'PATH="{tools}:{BUILD}:$PATH" ./flash.sh burn-efuses')
    assert room.total["made"] == 2
    for device in devices(2):
        lines = (calls / device).read_text().splitlines()
        assert lines[0].startswith("esptool ") and "creds.bin" in lines[0]
        assert all(line.startswith("espefuse ") for line in lines[1:])
        assert "/dev/fd/20 XTS_AES_128_KEY" in lines[1]
    keys = {(calls / f"{device}.20").read_bytes() for device in devices(2)}
    assert [len(key) for key in keys] == [32, 32]


def scrapped(room):
    return json.loads(mintmark(
        "order", "show", "--identity", room.mint.identity("officer"),
        "--json", room.order).stdout)["scrapped"]


def test_what_a_hook_gets(room):
    """Where it is, unit.json on stdin, its environment, the key and no other
    descriptor; what it says is in hook.log."""
    seen = room.place / "seen"
    seen.mkdir()
    hook = (f'd={seen}/$(basename "$PWD"); cat > $d.json; env > $d.env; '
            'ls -l /proc/self/fd > $d.fds; cat /dev/fd/21 > $d.key; '
            'cp $d.key hmac.key; cat /dev/fd/21 | wc -c; ps -o pgid= -p $$ '
            '> $d.group; echo $$ >> $d.group; echo to stderr >&2')
    room.go("--hook", hook)
    room.over(devices(3), look=0)
    for device, told in zip(devices(3), room.units):
        unit = room.unit(device)
        path = str(seen / unit.name)
        given = open(path + ".json").read()
        assert given == (unit / "unit.json").read_text()
        lines = open(path + ".env").read().splitlines()
        environment = dict(x.split("=", 1) for x in lines if "=" in x)
        assert environment["MINTMARK_DEVICE"] == device
        assert environment["MINTMARK_ORDER"] == room.order
        assert environment["MINTMARK_ATTEMPT"] == "1"
        assert environment["MINTMARK_INDEX"] == str(told["index"])
        fds = dict(re.findall(r" (\d+) -> (.*)", open(path + ".fds").read()))
        assert [n for n in sorted(fds) if "/proc/" not in fds[n]] == [
            "0", "1", "2", "21"]
        group, own = open(path + ".group").read().split()
        assert group == own
        assert len(open(path + ".key", "rb").read()) == 32
        log = (unit / "hook.log").read_text()
        assert log == "--- attempt 1\n32\nto stderr\n"
        # The key that it got opens the image.
        room.whole_unit(device)
        (unit / "hmac.key").unlink()
    everything = b"\0".join(room.bytes_of_all().values())
    keys = {open(seen / name, "rb").read() for name in os.listdir(seen)
            if name.endswith(".key")}
    assert len(keys) == 3 and not any(k in everything for k in keys)


def test_success_at_the_third_attempt(room):
    room.go("--hook", '[ "$MINTMARK_ATTEMPT" = 3 ]')
    assert [u["attempts"] for u in room.units] == [3, 3, 3]
    room.over(devices(3), look=0)
    assert [r["attempts"] for r in room.results()] == ["3"] * 3
    log = (room.unit(devices(1)[0]) / "hook.log").read_text()
    assert log == "--- attempt 1\n--- attempt 2\n--- attempt 3\n"
    assert scrapped(room) == 0


def test_failure_is_scrap(room):
    first, second, third = devices(3)
    total = room.go("--hook", f'[ "$MINTMARK_DEVICE" != {second} ]',
                    "--retries", "1", ok=(1,))
    assert (total["made"], total["scrap"], total["end"]) == (2, 1, "complete")
    told = room.units[1]
    assert (told["device"], told["state"], told["attempts"]) == (
        second, "scrap", 2)
    assert told["why"] == "the hook ended with status 1"
    room.over([first, second, third], scrap=[second], look=0)
    assert room.results()[1]["why"] == told["why"]
    assert (room.unit(second) / "scrap").read_text().startswith(
        f"2 {told['why']}\n")
    assert scrapped(room) == 1
    # Scrap is over: it is not made again.
    total = room.go("--hook", "true")
    assert (total["made"], total["before"]) == (0, 3)
    assert scrapped(room) == 1


@pytest.mark.parametrize("hook, why", [
    ("exit 7", "ended with status 7"),
    ("kill -SEGV $$", "ended by signal 11"),
    ("exit 125", "ended with status 125"),
    ("exit 128", "ended with status 128"),
], ids=["status", "signal", "125", "128"])
def test_why_it_failed(room, hook, why):
    room.go("--hook", hook, "--retries", "0", ok=(1,))
    assert all(u["state"] == "scrap" and why in u["why"]
               for u in room.units)
    room.over(devices(3), scrap=devices(3), look=0)


@pytest.mark.parametrize("hook, why", [
    ("no-such-program", "status 127"),
    ("./unit.json", "status 126"),
], ids=["absent", "not executable"])
def test_a_hook_that_cannot_be_run(room, hook, why):
    """No fault of the unit: it waits in the journal, with its key."""
    total = room.go("--hook", hook, ok=(78,))
    assert why in room.done.stderr and "mend the hook" in room.done.stderr
    assert (total["made"], total["scrap"], total["held"]) == (0, 0, 1)
    assert total["end"] == "bad-setting" and scrapped(room) == 0
    unit = room.unit(devices(1)[0])
    assert (unit / "hook.log").read_text().count("--- attempt") == 1
    before = (unit / "device.crt").read_bytes()
    room.go("--hook", "true")
    assert (unit / "device.crt").read_bytes() == before
    room.over(devices(3), look=0)


def test_a_hook_that_hangs(room):
    """Its whole process group is ended."""
    room.rows(devices(1))
    children = room.place / "children"
    began = time.monotonic()
    room.go("--hook", f"sleep 987 & echo $! $$ >> {children}; wait",
            "--retries", "1", "--hook-timeout", "1", ok=(1,))
    assert 2 <= time.monotonic() - began < 60
    assert room.units[0]["why"] == "the hook took more than 1 s"
    for pid in children.read_text().split():
        eventually(lambda: not alive(pid), "the end of the hook's processes")
    room.over(devices(1), scrap=devices(1), look=0)


def alive(pid):
    try:
        return "\nState:\tZ" not in open(f"/proc/{pid}/status").read()
    except FileNotFoundError:
        return False


def waiting_hook(room):
    """A hook that says where it is and waits for a word."""
    os.mkfifo(room.place / "go")
    return (f'echo "$MINTMARK_DEVICE" >> {room.place}/begun; '
            f'read word < {room.place}/go; [ "$word" = good ]')


def begun(room, count):
    path = room.place / "begun"
    eventually(lambda: path.exists()
               and len(path.read_text().split()) >= count, "a hook")


def test_stopped_once(room):
    """What is begun is finished, the hook is not hit; nothing else begins."""
    process = room.start("--hook", waiting_hook(room))
    begun(room, 1)
    process.send_signal(signal.SIGINT)
    (room.place / "go").write_text("good\n")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75 and "stopped" in err
    last = json.loads(out.splitlines()[-1])
    assert (last["made"], last["held"], last["end"]) == (1, 0, "stopped")
    room.go("--hook", "true")
    room.over(devices(3), look=0)


def test_stopped_twice(room):
    """The hook is ended, and the unit stays in the journal."""
    process = room.start("--hook", waiting_hook(room))
    begun(room, 1)
    tell(process, signal.SIGTERM)
    code, out, err = end(process, signal.SIGTERM)
    assert code == 75, err
    last = json.loads(out.splitlines()[-1])
    assert (last["made"], last["scrap"], last["held"]) == (0, 0, 1)
    assert room.issued() == 1 and room.slots_used() == 1
    before = (room.unit(devices(1)[0]) / "device.crt").read_bytes()
    room.go("--hook", "true")
    room.over(devices(3), look=0)
    assert (room.unit(devices(1)[0]) / "device.crt").read_bytes() == before
    log = (room.unit(devices(1)[0]) / "hook.log").read_text()
    assert log == "--- attempt 1\n--- attempt 1\n"


def test_a_hook_that_outlives_its_run(room):
    """kill -9 leaves the hook: it is waited for, not run beside itself."""
    process = room.start("--hook", waiting_hook(room))
    begun(room, 1)
    process.kill()
    process.communicate()
    room.go("--hook", "true", ok=(75,))
    assert "still at" in room.done.stderr
    assert room.total["held"] == 1
    (room.place / "go").write_text("good\n")
    eventually(lambda: subprocess.run(
        ["flock", "-n", room.unit(devices(1)[0]) / "hook.log", "true"]
    ).returncode == 0, "the old hook's end")
    room.go("--hook", "true")
    room.over(devices(3), look=0)


def test_scrap_that_could_not_be_told(own_mint, workdir):
    """It stays scrap: the next run's hook does not make it good."""
    own_mint.start()
    room = Room(own_mint, workdir, own_mint.new_order(), MADE)
    room.rows(devices(1))
    process = room.start("--hook", waiting_hook(room), "--retries", "0",
                         "--wait", "0")
    begun(room, 1)
    own_mint.stop()
    (room.place / "go").write_text("bad\n")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 69, err
    assert json.loads(out.splitlines()[-1])["held"] == 1
    own_mint.start()
    total = room.go("--hook", "true", ok=(1,))
    assert (total["made"], total["scrap"]) == (0, 1)
    assert room.units[0]["attempts"] == 1
    room.over(devices(1), scrap=devices(1), look=0)
    assert scrapped(room) == 1
    own_mint.stop()
    own_mint.audit()
