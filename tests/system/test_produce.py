"""mintmark produce over a real mint: lists, one device, a scanner; what is
refused before anything begins, and what is made."""

import json
import os
import re
import shutil
import stat
import subprocess
import types

import pytest
from cryptography import x509

from mint import fresh, mintmark, new_csr, new_key
from office import Terminal
from produce_room import MADE, TEMPLATE, Room, devices, lamp, scalar
from test_flash_label import from_path, from_svg, placed, scan


@pytest.fixture
def room(mint, workdir, order):
    return Room(mint, workdir, order)


# ------------------------------------------------------------- what is made

def test_a_list(room):
    wanted = devices(200)
    room.rows(wanted)
    total = room.go()
    assert (total["made"], total["scrap"], total["refused"],
            total["before"], total["held"], total["end"]) == (
        200, 0, 0, 0, 0, "complete")
    assert [u["device"] for u in room.units] == wanted
    one = room.units[7]
    assert one["state"] == "made" and one["why"] is None
    assert one["attempts"] == 0
    assert one["directory"] == str(room.unit(wanted[7]))
    told = json.loads((room.unit(wanted[7]) / "unit.json").read_text())
    assert told["index"] == one["index"]
    assert told["serial"] == one["serial"]
    room.over(wanted, look=20)
    assert [r["serial"] for r in room.results()][:3] == [
        "LMP-001000", "LMP-001001", "LMP-001002"]


def test_the_same_again_makes_nothing(room):
    wanted = devices(10)
    room.rows(wanted)
    room.go()
    before = room.bytes_of_all()
    total = room.go()
    assert (total["made"], total["before"]) == (0, 10)
    assert room.bytes_of_all() == before
    room.rows(devices(15))
    total = room.go()
    assert (total["made"], total["before"]) == (5, 10)
    room.over(devices(15), look=15)


def test_a_list_from_a_pipe(room):
    text = f'\ufeffdevice,batch\r\n"{lamp(1)}","a, b"\r\n{lamp(2)},c\r\n'
    room.go(source=["--from", "-"], input=text)
    assert room.total["made"] == 2
    room.over([lamp(1), lamp(2)])


def test_one_device_and_values(room):
    room.go("--value", "serial=X 7", "--value", "pop=SECRET22",
            source=["--one", lamp(1)])
    _, values = room.whole_unit(lamp(1))
    assert values["serial"] == "X 7" and values["pop"] == "SECRET22"
    room.go(source=["--one", lamp(2)])
    room.over([lamp(1), lamp(2)])


def test_columns_win_over_the_template(room):
    room.list.write_text(f"device,serial\n{lamp(1)},A-1\n{lamp(2)},A-2\n")
    room.go()
    assert [r["serial"] for r in room.results()] == ["A-1", "A-2"]
    assert room.whole_unit(lamp(2))[1]["serial"] == "A-2"


def test_a_scanner(room):
    """Each device is made before the next one is scanned; what is no device
    id, or done, is told and harms nothing."""
    process = room.start(source=[], stdin=subprocess.PIPE)
    for device in [lamp(1), lamp(2)]:
        process.stdin.write(device + "\r\n")
        process.stdin.flush()
        line = json.loads(process.stdout.readline())
        assert (line["device"], line["state"]) == (device, "made")
        room.whole_unit(device)
    process.stdin.write(f"no id\n\n {lamp(1)} \n{'x' * 65}\n{lamp(3)}")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert [(u["device"], u["state"], u["error"]) for u in told[:-1]] == [
        ("no id", "refused", "bad-device-id"), (lamp(1), "made", None),
        ("x" * 64 + "...", "refused", "bad-device-id"),
        (lamp(3), "made", None)]
    assert told[1]["why"] == "already" and told[0]["serial"] is None
    assert told[1]["directory"] == str(room.unit(lamp(1)))
    assert told[-1]["made"] == 3 and told[-1]["refused"] == 0
    assert "no id: bad-device-id: " in err
    assert f"{lamp(1)}: made already" in err
    room.over([lamp(1), lamp(2), lamp(3)])


def test_one_that_is_none_or_made(room):
    room.go(source=["--one", "no id"], ok=(77,))
    assert [(u["device"], u["state"], u["error"]) for u in room.units] == [
        ("no id", "refused", "bad-device-id")]
    assert "no id: bad-device-id: " in room.done.stderr
    room.go(source=["--one", lamp(1)])
    room.go(source=["--one", lamp(1)])
    assert [(u["device"], u["state"], u["error"], u["why"])
            for u in room.units] == [(lamp(1), "made", None, "already")]
    assert room.total["before"] == 1


def test_names_that_nothing_names(room):
    """A value, or a column, that is spelt otherwise in the template."""
    room.rows([lamp(1)])
    room.go("--value", "serail=7", ok=(64,))
    assert "--value serail: nothing in" in room.done.stderr
    assert not (room.run / "journal").exists()
    room.rows([lamp(1)], ["Serial", "pop", "batch"], ["7", "ABCDEFGH", "9"])
    room.go()
    assert "list.csv: nothing names its column(s) Serial, batch;" \
        in room.done.stderr
    assert room.results()[0]["serial"] == "LMP-001000"
    room.rows([lamp(2)], ["serial"], ["7"])
    room.go()
    assert "column(s)" not in room.done.stderr


def test_a_passphrase(room):
    secret = room.write("passphrase", "five words are quite enough\n")
    secret.chmod(0o600)
    key = ["--passphrase-file", secret]
    room.rows(devices(3))
    room.go(key=key)
    wrong = room.write("wrong", "five other words are there\n")
    wrong.chmod(0o600)
    room.rows(devices(6))
    room.go(key=["--passphrase-file", wrong], ok=(77,))
    assert "passphrase-wrong" in room.done.stderr
    room.go(ok=(64,))
    assert "begun with a passphrase" in room.done.stderr
    assert len(room.results()) == 3
    room.go(key=key)
    room.over(devices(6))


def test_another_run_key(room):
    room.rows(devices(2))
    room.go()
    other = room.write("other", os.urandom(32))
    other.chmod(0o600)
    room.go(key=["--run-key", other], ok=(77,))
    assert "run key does not open" in room.done.stderr
    for size, ok in [(31, 65), (32, 77), (4096, 77), (4097, 65)]:
        other.write_bytes(os.urandom(size))
        room.go(key=["--run-key", other], ok=(ok,))
    other.chmod(0o644)
    room.go(key=["--run-key", other], ok=(65,))
    assert "chmod 600" in room.done.stderr
    room.go(key=["--run-key", room.place / "none"], ok=(65,))
    assert "head -c 32" in room.done.stderr


# -------------------------------------------------------------- private keys

def test_no_private_key_in_clear(room):
    """Of every device's key: nothing in any file of the run."""
    wanted = devices(20)
    room.rows(wanted)
    room.go()
    everything = b"\0".join(room.bytes_of_all().values())
    for device in wanted:
        key, values = room.key_of(room.unit(device))
        assert scalar(key) not in everything
        assert scalar(key).hex().encode() not in everything
        assert values["pop"].encode() not in everything
    assert b"PRIVATE KEY" not in everything
    for name in ["key.pem", "hmac.key"]:
        assert not list(room.run.rglob(name))


def test_plain_keys(mint, workdir, order):
    room = Room(mint, workdir, order, MADE)
    room.rows(devices(2))
    room.go("--plain-keys")
    room.over(devices(2))
    unit = room.unit(devices(1)[0])
    for name in ["key.pem", "hmac.key", "creds.bin"]:
        assert stat.S_IMODE((unit / name).stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in (unit / "key.pem").read_bytes()


WITHOUT_KEY = TEMPLATE.replace('hmac-key = "hmac.key"\n', "")
REFUSED_TEMPLATES = {
    "an eFuse key is lost": (MADE, "HMAC key would be lost"),
    "nvs in clear": (WITHOUT_KEY.replace(' keys = "hmac"', ""),
                     "--plain-keys"),
    "no image holds it": (WITHOUT_KEY[:WITHOUT_KEY.index("image creds")],
                          "--plain-keys"),
    "a setting that is none": (TEMPLATE + "colour = 7\n", "colour"),
    "half a brace": (TEMPLATE.replace("LMP-{count}", "LMP-{count"), "brace"),
    "a name of nothing": (TEMPLATE.replace("LMP-{count}", "{colour}"),
                          "{colour}"),
    "a topic for all": (TEMPLATE.replace(
        '"aws-bulk"', '"mosquitto" topic = "devices/#"'),
        "has neither {device} nor {name}"),
    "a file that is not there": (TEMPLATE.replace("creds.csv", "none.csv"),
                                 "none.csv"),
}


@pytest.mark.parametrize("name", REFUSED_TEMPLATES, ids=lambda n: n)
def test_refused_templates(room, name):
    template, why = REFUSED_TEMPLATES[name]
    room.template.write_text(template)
    room.rows(devices(1))
    room.go(ok=(64 if why in ["HMAC key would be lost", "--plain-keys"]
                else 65,))
    assert why in room.done.stderr
    assert room.issued() == 0 and not (room.run / "journal").exists()


# --------------------------------------------------------------------- lists

BAD_LISTS = {
    "no column device": ("name\nlamp-1\n", 1, "no column is called device"),
    "a device twice": ("device\nlamp-1\nlamp-2\nlamp-1\n", 4, "line 2"),
    "one directory": ("device\nlamp:1\nlamp_1\n", 3, "directory"),
    "a serial twice": ("device,serial\na,7\nb,8\nc,7\n", 4, "serial"),
    "no device id": ("device\nlamp-1\nno id\n", 3, "device id"),
    "an id of 65": ("device\n" + "a" * 64 + "\n" + "b" * 65 + "\n", 3,
                    "device id"),
    "a cell too many": ("device\r\nlamp-1\r\nlamp-2,\r\n", 3, "cells"),
    "a quote within": ("device,x\nlamp-1,a\nlamp-2,b\"c\n", 3, "quote"),
    "no end of a quote": ("device\nlamp-1\n\"lamp-2\n", 3, "no end"),
    "an empty value": ("device,serial\nlamp-1,A\nlamp-2,\n", 3, "serial"),
    "over two lines": ("device,x\n\"lamp-1\",\"a\nb\"\n\nlamp-1,c\n", 5,
                       "line 2"),
    "a column twice": ("device,x,x\nlamp-1,1,2\n", 1, "same name"),
}


@pytest.mark.parametrize("name", BAD_LISTS, ids=lambda n: n)
def test_bad_lists(room, name):
    text, line, why = BAD_LISTS[name]
    room.list.write_text(text, newline="")
    room.go(ok=(65,))
    assert f"list.csv, line {line}: " in room.done.stderr
    assert why in room.done.stderr
    assert room.issued() == 0
    assert not (room.run / "journal").exists()


def test_an_empty_list(room):
    for text in ["", "device\n"]:
        room.list.write_text(text)
        room.go(ok=(65,))
        assert not (room.run / "journal").exists()


def test_a_list_that_ends_well(room):
    """CRLF, a BOM, quotes, empty lines, no end of the last line."""
    room.list.write_bytes((
        '\ufeff"device",note\r\n\r\n'
        f'"{lamp(1)}","say ""hi"""\r\n\r\n{lamp(2)},').encode())
    room.go()
    room.over([lamp(1), lamp(2)])


def test_names_of_directories(mint, workdir, order):
    room = Room(mint, workdir, order,
                TEMPLATE[:TEMPLATE.index("register")])
    names = [".", "..", ".hidden", "a" * 64, "-rf", "a:b"]  # no other test's
    room.rows(names)
    room.go()
    assert {p.name for p in (room.run / "units").iterdir()} == {
        "_", "_.", "_hidden", "a" * 64, "-rf", "a_b"}
    # In another list, and by a scanner, too.
    room.rows(["a_b"])
    room.go(ok=(65,))
    assert "another device has the directory" in room.done.stderr
    room.go(source=[], input="a_b\n")
    assert "another device has the directory" in room.done.stderr
    assert room.issued() == len(names)


WRONG_WORDS = {
    "both sources": (["--one", "a"], "say one of the two"),
    "a value without name": (["--value", "=1"], "NAME=TEXT"),
    "an empty value": (["--value", "x="], "NAME=TEXT"),
    "a value twice": (["--value", "x=1", "--value", "x=2"], "said twice"),
    "the device": (["--value", "device=x"], "--one"),
    "a column, too": (["--value", "serial=x"], "--value says too"),
    "retries": (["--retries", "101"], "--retries"),
    "timeout": (["--hook-timeout", "0"], "--hook-timeout"),
    "two keys": (["--passphrase-file", "x"], "say one of the two"),
}


@pytest.mark.parametrize("name", WRONG_WORDS, ids=lambda n: n)
def test_wrong_words(room, name):
    words, why = WRONG_WORDS[name]
    room.list.write_text("device,serial\nlamp-1,7\n")
    room.go(*words, ok=(64,))
    assert why in room.done.stderr
    assert room.issued() == 0


# ----------------------------------------------------- orders and directories

def test_no_such_order(room):
    room.order = fresh("none")
    room.rows(devices(1))
    room.go(ok=(77,))
    assert "unknown-order" in room.done.stderr
    assert not (room.run / "journal").exists()


def test_another_profile(room):
    room.rows(devices(1))
    room.go("--profile", "tree", ok=(77,))
    assert "is for the profile device" in room.done.stderr
    room.go("--profile", "device")
    room.over(devices(1))


def test_what_the_run_was_begun_with(room, mint):
    room.rows(devices(2))
    room.go()
    kept = room.bytes_of_all()
    for name, text in [("creds.csv", "second,data,string,x{serial}\n"),
                       ("production.conf", "\n# other words\n")]:
        path = room.place / name
        before = path.read_text()
        path.write_text(before + text)
        room.go(ok=(78,))
        assert "another template" in room.done.stderr
        path.write_text(before)
    own, room.order = room.order, mint.new_order()
    room.go(ok=(78,))
    assert f"another order: {own}" in room.done.stderr
    room.order = own
    assert room.bytes_of_all() == kept
    assert room.go()["before"] == 2


CHANGES = {
    "a column more": (TEMPLATE + 'value x { text = "7" }\n',
                      "was begun with the columns device,"),
    "no registration": (TEMPLATE.replace(
        'register { kind = "aws-bulk" }\n', ""), 'registration "aws-bulk"'),
    "another registration": (TEMPLATE.replace(
        "aws-bulk", "azure-dps"), '"azure-dps" now'),
}


@pytest.mark.parametrize("name", CHANGES, ids=lambda n: n)
def test_a_template_that_changed_too_much(room, name):
    text, why = CHANGES[name]
    room.rows(devices(2))
    room.go()
    kept = room.bytes_of_all()
    room.template.write_text(text)
    room.rows(devices(3))
    room.go("--changed-template", ok=(78,))
    assert why in room.done.stderr
    assert room.bytes_of_all() == kept
    room.template.write_text(TEMPLATE)
    room.go()
    room.over(devices(3))


def test_a_template_that_changed(room):
    """The new one is the run's from then on, the old one is not."""
    room.rows(devices(2))
    room.go()
    room.template.write_text(TEMPLATE.replace("LMP-", "NEW-"))
    room.rows(devices(3))
    room.go(ok=(78,))
    assert "say --changed-template" in room.done.stderr
    room.go("--changed-template")
    assert [r["serial"] for r in room.results()] == [
        "LMP-001000", "LMP-001001", "NEW-001002"]
    room.rows(devices(4))
    room.go()
    room.over(devices(4))
    room.template.write_text(TEMPLATE)
    room.go(ok=(78,))


def test_a_directory_for_everybody(room):
    room.rows(devices(1))
    room.run.mkdir()
    room.run.chmod(0o755)
    room.go(ok=(65,))
    assert "chmod" in room.done.stderr
    room.run.chmod(0o700)
    room.go()
    room.over(devices(1))


THREE = ["done", "results.csv", "registration.ndjson"]


@pytest.mark.parametrize("name", THREE)
def test_a_file_that_was_changed(room, name):
    """Shorter, or other bytes before its committed end: nothing is cut,
    nothing written; more bytes behind it come from a crash."""
    room.rows(devices(5))
    room.go()
    path = room.run / name
    whole = path.read_bytes()
    room.rows(devices(6))
    at = max(0, len(whole) - 4096)  # what is looked at begins here
    for changed in [whole[:-1], b"", whole[:-1] + b"x",
                    whole[:at] + b"\0" + whole[at + 1:], b"x" + whole, whole[1:] + b"xy",
                    whole.replace(b"\n", b"\r\n") + b"more"]:
        path.write_bytes(changed)
        kept = room.bytes_of_all()
        room.go(ok=(65,))
        assert f"{name} was changed since: put it back" in room.done.stderr
        assert ("move it away" in room.done.stderr) == (name != "done")
        assert room.bytes_of_all() == kept
    path.write_bytes(whole + b"of a crash")
    room.go()
    room.over(devices(6))


@pytest.mark.parametrize("name", THREE[1:])
def test_a_file_that_was_moved_away(room, name):
    """It begins anew, with its head."""
    room.rows(devices(3))
    room.go()
    path, aside = room.run / name, room.place / "aside"
    head = room.results()[0].keys()
    path.rename(aside)
    assert room.go()["before"] == 3
    assert f"{name} is not there any more: a new one" in room.done.stderr
    assert room.results() == [] or name != "results.csv"
    room.rows(devices(5))
    room.go()
    assert "not there any more" not in room.done.stderr
    assert len(room.results()) + len(room.registered()) == 7
    assert room.results()[0].keys() == head
    if name == "results.csv":
        assert [r["device"] for r in room.results()] == devices(5)[3:]
    path.write_bytes(aside.read_bytes() + path.read_bytes().removeprefix(
        aside.read_bytes().split(b"\n")[0] + b"\n"
        if name == "results.csv" else b""))
    room.go(ok=(65,))


def test_done_that_was_moved_away(room):
    room.rows(devices(3))
    room.go()
    (room.run / "done").rename(room.place / "aside")
    room.go(ok=(65,))
    assert "done is not there any more" in room.done.stderr
    assert not (room.run / "done").exists()
    (room.place / "aside").rename(room.run / "done")
    assert room.go()["before"] == 3


@pytest.mark.parametrize("name", THREE)
def test_a_file_that_goes_during_the_run(room, name):
    """As an editor does it that saves: another file has its name."""
    process = room.start(source=[], stdin=subprocess.PIPE)
    process.stdin.write(lamp(1) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["state"] == "made"
    path = room.run / name
    copy = room.write("copy", path.read_bytes())
    copy.chmod(0o600)
    copy.rename(path)
    out, err = process.communicate(lamp(2) + "\n", timeout=60)
    assert process.returncode == 65, err
    assert f"{name} was removed, or replaced" in err
    last = json.loads(out.splitlines()[-1])
    assert (last["held"], last["end"]) == (1, "file")
    room.go(source=[], input="")
    room.over([lamp(1), lamp(2)])


def test_units_that_are_in_an_archive(room):
    room.rows(devices(4))
    assert room.go()["missing"] == 0
    for device in devices(4)[1:3]:
        room.unit(device).rename(room.place / device.replace(":", "_"))
    total = room.go()
    assert (total["before"], total["missing"], total["made"]) == (4, 2, 0)
    first = room.unit(devices(4)[1]).name
    assert f"2 units that are done have no directory any more, units/{first}" \
        in room.done.stderr
    room.rows(devices(5))
    assert room.go()["made"] == 1 and room.total["missing"] == 2


def test_a_journal_that_is_gone(room):
    room.rows(devices(2))
    room.go()
    journal = room.run / "journal"
    whole = journal.read_bytes()
    journal.unlink()
    room.go(ok=(78,))
    assert "no journal" in room.done.stderr
    journal.write_bytes(b"x" * len(whole))
    room.go(ok=(65,))
    assert "damaged" in room.done.stderr
    journal.write_bytes(whole)
    room.go()
    room.over(devices(2))


@pytest.mark.parametrize("name", ["results.csv", "notes", "units/lamp-1",
                                  "units/.lamp-1.new"])
def test_a_directory_of_somebody_else(room, name):
    """Nothing is written there; what we leave ourselves does not count."""
    room.rows(devices(1))
    path = room.run / name
    path.parent.mkdir(parents=True, mode=0o700)
    room.run.chmod(0o700)
    path.write_text("theirs")
    room.go(ok=(78,))
    assert "begin another directory" in room.done.stderr
    assert path.name in room.done.stderr
    assert [p for p in room.run.rglob("*") if p.is_file()] == [path]
    assert (room.run / "units").exists() == name.startswith("units")
    path.unlink()
    (room.run / "journal.new").write_text("half")
    room.go()
    room.over(devices(1))


def test_one_at_a_time(room):
    process = room.start(source=[], stdin=subprocess.PIPE)
    process.stdin.write(lamp(1) + "\n")
    process.stdin.flush()
    process.stdout.readline()
    room.rows([lamp(2)])
    room.go(ok=(75,))
    assert "another `mintmark produce` is at work" in room.done.stderr
    process.communicate(timeout=60)
    room.go()
    room.over([lamp(1), lamp(2)])


def test_devices_that_are_refused(room, station, workdir):
    """The others go on; a later run tries them again."""
    wanted = devices(70)
    station.issue(room.order, wanted[5], new_csr())
    room.rows(wanted)
    total = room.go(ok=(1,))
    assert (total["made"], total["refused"], total["held"]) == (69, 1, 0)
    assert "units-failed" in room.done.stderr
    told = next(u for u in room.units if u["state"] == "refused")
    assert told["device"] == wanted[5] and told["serial"] is None
    assert told["why"].startswith("device-already-issued")
    assert told["error"] == "device-already-issued"
    assert "take another device; or" in told["why"]
    assert "cert issue --reissue" in told["why"]
    assert told["directory"] is None
    rest = wanted[:5] + wanted[6:]
    room.over(rest, issued=70, look=3)
    total = room.go(ok=(1,))
    assert (total["made"], total["before"], total["refused"]) == (0, 69, 1)
    room.over(rest, issued=70, look=0)


def test_a_value_that_the_list_lacks(room):
    for value in ["value serial { }\n", ""]:
        room.template.write_text(TEMPLATE.replace(
            'value serial { text = "LMP-{count}" }\n', value))
        room.rows(devices(2))
        room.go(ok=(65,))
        assert "list.csv, line 2: " in room.done.stderr
        assert "serial" in room.done.stderr
    room.rows(devices(1))
    room.go("--value", "serial=7")
    room.over(devices(1), look=0)


def test_an_order_of_another_station(mint, workdir):
    """True of every device: none is refused, the first one's key waits."""
    other = mint.new_principal("station")
    room = Room(mint, workdir, mint.new_order(stations=(other,)))
    room.rows(devices(3))
    total = room.go(ok=(77,))
    assert (total["made"], total["refused"], total["held"]) == (0, 0, 1)
    assert total["end"] == "order-for-others"
    assert "is not for station" in room.done.stderr
    assert "mintmark order extend" in room.done.stderr
    assert room.units == [] and room.slots_used() == 1
    mintmark("order", "extend", "--identity", mint.identity("officer"),
             "--officer", mint.dir / "officer/officer.key", "--station",
             f"{other},station", room.order)
    room.go()
    room.over(devices(3))


def test_an_order_that_is_closed_meanwhile(mint, workdir):
    room = Room(mint, workdir, mint.new_order())
    officer = ["--identity", mint.identity("officer"), "--officer",
               mint.dir / "officer/officer.key", room.order]
    process = room.start(source=[], stdin=subprocess.PIPE)
    process.stdin.write(lamp(1) + "\n")
    process.stdin.flush()
    process.stdout.readline()
    mintmark("order", "close", *officer)
    out, err = process.communicate(lamp(2) + "\n" + lamp(3), timeout=60)
    assert process.returncode == 77 and "order reopen" in err
    told = json.loads(out.splitlines()[-1])
    assert (told["end"], told["held"], told["refused"]) == (
        "order-closed", 1, 0)
    mintmark("order", "reopen", *officer)
    room.go(source=[], input=lamp(3))
    room.over([lamp(1), lamp(2), lamp(3)])


def test_devices_that_no_order_covers(mint, workdir):
    Room.batch = os.urandom(3).hex(":").upper()
    wanted = devices(4)
    room = Room(mint, workdir, mint.new_order(
        units=3, first=wanted[0], last=wanted[2]), batch=Room.batch)
    room.rows(wanted)
    room.go(ok=(1,))
    assert (room.total["made"], room.total["refused"]) == (3, 1)
    told = next(u for u in room.units if u["device"] == wanted[3])
    assert told["why"].startswith("order-does-not-cover")
    room.over(wanted[:3])


def test_keys_of_every_kind(mint, workdir):
    for kind in ["P-384", "RSA-2048"]:
        place = workdir / kind
        place.mkdir()
        room = Room(mint, place, mint.new_order(),
                    TEMPLATE.replace('"P-256"', f'"{kind}"'))
        names = [fresh(kind) for _ in range(3)]
        room.rows(names)
        room.go()
        room.over(names)


def test_a_key_that_stays_in_its_device(room):
    """Only its CSR came: its certificate is for it, and no key is here."""
    room.template.write_text(
        'key = "csr"\ncsr = "{device}.csr"\nregister { kind = "aws-bulk" }\n')
    keys = {device: new_key() for device in (lamp(1), lamp(2))}
    for device, key in keys.items():
        room.write(f"{room.unit(device).name}.csr", new_csr(key))
    room.rows(keys)
    assert room.go()["made"] == 2
    for device, key in keys.items():
        certificate = x509.load_pem_x509_certificate(
            (room.unit(device) / "device.crt").read_bytes())
        assert (certificate.public_key().public_numbers()
                == key.public_key().public_numbers())
        mintmark("receipt", "verify", "--key",
                 room.mint.dir / "public/log.vkey",
                 room.unit(device) / "device.receipt",
                 room.unit(device) / "device.crt")
    assert sorted(room.registered()) == sorted(keys)
    assert not any(b"PRIVATE KEY" in x for x in room.bytes_of_all().values())
    room.rows([lamp(3)])
    room.go(ok=(65,))
    assert f"{room.unit(lamp(3)).name}.csr" in room.done.stderr
    assert room.issued() == 2


def test_a_terminal_sees_how_far_it_is(room):
    """One line with a bar and the rate, which is gone in the end."""
    room.rows(devices(300))
    run = Terminal(*[w for w in room.words() if w != "--json"])
    code, shown = run.end()
    assert code == 0, shown
    drawn = re.findall(r"\r\x1b\[K\[(#* *)\]  (\d+) of 300 units, "
                       r"[\d.]+/s(?:, \d+ s left)?", shown)
    assert drawn, shown
    for bar, over in drawn:
        assert bar.count("#") == len(bar) * int(over) // 300
    assert "\r\x1b[Korder: " in shown and "made: 300" in shown


def test_labels_are_read_back(room):
    """Each unit's own, with what the template names; and a sheet of the order,
    of the results."""
    room.template.write_text(TEMPLATE + """label {
\tkind = "text"
\ttemplate = "{device} {serial} {pop}"
\tlines = {"S/N {serial}", "{date}"}
\tformat = "svg"
}
""")
    room.rows(devices(30))
    room.go()
    for device in devices(3):
        _, values = room.whole_unit(device)
        label = (room.unit(device) / "label.svg").read_text()
        assert scan(from_svg(label, room.place)) == [
            f"{device} {values['serial']} {values['pop']}"]
        assert f"S/N {values['serial']}<" in label
    sheet = room.place / "sheet.svg"
    mintmark("flash", "label", "--csv", room.run / "results.csv", "--sheet",
             "--template", "{device} {serial}", "--line", "S/N {serial}",
             "--format", "svg", "-o", sheet)
    codes = [scan(from_path(data, room.place))
             for _, _, _, data in placed(sheet.read_text())]
    assert codes == [[f"{r['device']} {r['serial']}"]
                     for r in room.results()] and len(codes) == 30


def test_help_and_text(room):
    said = mintmark("produce", "--help").stdout
    for word in ["--hook", "--run-key", "held", "units/DEVICE"]:
        assert word in said
    room.rows(devices(2))
    words = [w for w in room.words() if w != "--json"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "made: 2\n" in done.stdout
    assert f"order: {room.order}\n" in done.stdout


# ------------------------------------------------- one device after the other

def test_a_device_that_is_scrap_already(mint, workdir):
    room = Room(mint, workdir, mint.new_order())
    one = ["--one", lamp(1), "--hook", "exit 7", "--retries", "0"]
    room.go(*one, source=[], ok=(1,))
    assert room.total["scrap"] == 1
    room.go(*one, source=[], ok=(1,))
    assert "scrap already" in room.done.stderr
    assert (room.total["scrap"], room.total["end"]) == (0, "complete")


def test_a_serial_number_that_was_given_before(mint, workdir):
    """By whatever way devices come; scrap leaves its own for another one."""
    room = Room(mint, workdir, mint.new_order())
    room.template.write_text(TEMPLATE.replace(
        'value serial { text = "LMP-{count}" }', "value serial { }"))
    given = ["--value", "serial=S1"]
    room.go(*given, source=[], input=f"{lamp(1)}\n{lamp(2)}\n")
    assert [u["state"] for u in room.units] == ["made", "refused"]
    assert "just made" in room.units[1]["why"]
    room.go(*given, source=[], input=lamp(3))
    assert "results.csv, line 2" in room.units[0]["why"]
    room.go(*given, "--one", lamp(4), source=[], ok=(65,))
    assert "results.csv, line 2" in room.done.stderr
    room.go("--value", "serial=S2", "--one", lamp(4), source=[])
    assert [r["serial"] for r in room.results()] == ["S1", "S2"]


def test_the_last_line_is_always_there(mint, workdir):
    room = Room(mint, workdir, mint.new_order())
    room.go("--one", "not an id", source=[], ok=(77,))
    assert (room.total["made"], room.total["end"]) == (0, "bad-device-id")
    away = workdir / "away"
    shutil.copytree(mint.identity("station"), away)
    (away / "appliance").write_text("127.0.0.1:1 localhost\n")
    room.mint = types.SimpleNamespace(identity=lambda name: away)
    room.rows(devices(1))
    total = room.go("--wait", "0", ok=(69,))
    assert (total["end"], total["held"]) == ("appliance-away", 0)
    assert total["seconds"] < 60
