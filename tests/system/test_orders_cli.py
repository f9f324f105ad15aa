"""Orders by the commands, where every statement wants two of three officers:
made, pending, approved by another, in force; withdrawn; extended, closed,
opened again."""

import pytest

from mint import MINTMARK, fresh, mintmark, new_csr, run
from office import Terminal, open_office


@pytest.fixture(scope="module")
def office():
    with open_office() as office:
        yield office


def create(office, *more, by="ada", name=None, units=10, devices=None, **how):
    return office.json(
        "order", "create", "--name", name or fresh("order"), "--units", units,
        "--station", "station", *(devices or ["--pattern", "*"]), *more,
        by=by, **how)


def in_force(office, *more, **how):
    """The name of an order that two have signed."""
    said = create(office, *more, **how)
    office.say("order", "approve", said["order"], "--yes", by="bob")
    return said["order"]


def issue(office, name, workdir, device=None, *more, ok=(0,)):
    device = device or fresh("lamp")
    csr = office.file(f"{fresh('csr')}.der", new_csr())
    return device, office.say(
        "cert", "issue", "--order", name, "--device", device, "--out",
        workdir / fresh("out"), *more, csr, identity="station", ok=ok)


# ---------------------------------------------------------------- the good way

def test_from_pending_to_in_force(office, workdir):
    said = create(office)
    assert said["state"] == "pending" and said["missing"] == 1
    name, payload = said["order"], said["payload"]
    _, done = issue(office, name, workdir, ok=(77,))
    assert ": unknown-order: " in done.stderr
    row = next(r for r in office.pending() if r["payload"] == payload)
    assert (row["subject"], row["kind"], row["officers"],
            row["missing"]) == (name, "order", ["ada"], 1)
    shown = office.json("pending", "show", payload[:8])
    assert shown["payload"] == payload and shown["index"] == said["index"]
    assert name in office.say("pending", "show", name).stdout
    now = office.json("order", "approve", name, "--yes", by="bob")
    assert now["state"] == "in-force" and now["payload"] == payload
    assert all(r["payload"] != payload for r in office.pending())
    issue(office, name, workdir)
    assert office.json("order", "show", name)["issued"] == 1


def test_receipts_of_both(office, workdir):
    said = create(office, "--receipt", workdir / "a")
    office.say("order", "approve", said["order"], "--yes", "--receipt",
               workdir / "b", by="bob")
    key = ["--key", office.mint.dir / "public/log.vkey"]
    for name in ("a", "b"):
        mintmark("receipt", "verify", *key, workdir / name)
    again = create(office, "--receipt", workdir / "c")
    before = (workdir / "a").read_bytes()
    office.refused("file-exists", "order", "approve", again["order"],
                   "--yes", "--receipt", workdir / "a", by="bob", status=64)
    assert (workdir / "a").read_bytes() == before
    assert any(r["payload"] == again["payload"] for r in office.pending())


def test_who_has_signed_counts_once(office):
    said = create(office)
    done = office.say("order", "approve", said["order"], "--yes", by="ada",
                      ok=(0, 77))
    assert done.returncode == 77 or "in-force" not in done.stdout
    assert any(r["payload"] == said["payload"] and r["missing"] == 1
               for r in office.pending())


def test_it_is_asked_at_the_terminal(office):
    name = create(office)["order"]
    words = [MINTMARK, "order", "approve", name, "--identity",
             office.mint.identity("officer"), "--officer",
             office.keys["bob"]]
    terminal = Terminal(*words)
    terminal.wait_for("[yes/no]")
    assert name in terminal.shown.decode()
    terminal.type("no\n")
    status, shown = terminal.end()
    assert status == 1 and "nothing was signed" in shown
    terminal = Terminal(*words)
    terminal.wait_for("[yes/no]")
    terminal.type("yes\n")
    status, shown = terminal.end()
    assert status == 0 and "in-force" in shown


def test_without_a_terminal_nothing_is_signed(office):
    name = create(office)["order"]
    done = run("setsid", "-w", MINTMARK, "order", "approve", name,
               "--identity", office.mint.identity("officer"), "--officer",
               office.keys["bob"], ok=(64,), stdin=-3)
    assert "--yes" in done.stderr
    assert any(r["subject"] == name for r in office.pending())


def test_withdrawn_is_for_ever(office):
    said = create(office)
    office.say("pending", "withdraw", said["payload"], "--yes", by="first")
    office.refused("not-found", "order", "approve", said["order"], "--yes",
                   by="bob", status=1)
    assert all(r["payload"] != said["payload"] for r in office.pending())
    create(office, name=said["order"])  # another statement may say the same


def test_several_of_one_name(office):
    name = fresh("order")
    first, second = create(office, name=name), create(office, name=name)
    line = office.refused("usage", "order", "approve", name, "--yes",
                          by="bob", status=64)
    assert "digits of the payload" in line
    office.say("order", "approve", second["payload"], "--yes", by="bob")
    office.say("pending", "withdraw", first["payload"], "--yes", by="ada")


def test_a_wrong_noun_finds_nothing(office):
    said = create(office)
    office.refused("not-found", "policy", "approve", said["order"], "--yes",
                   by="bob", status=1)
    office.say("pending", "approve", said["order"], "--yes", by="bob")


def test_an_empty_list_says_so(office):
    for row in office.pending():
        office.say("pending", "withdraw", row["payload"], "--yes", by="ada")
    done = office.say("pending", "list")
    assert done.stdout == "" and "nothing waits" in done.stderr
    assert office.pending() == []


# ------------------------------------------------------------- reconciliation

def test_the_reconciliation(office, workdir):
    name = in_force(office, "--reissue", "50%", units=3)
    for device in ("x1", "x2", "x3"):
        issue(office, name, workdir, name + device)
    issue(office, name, workdir, name + "x1", "--reissue")
    issue(office, name, workdir, name + "x4", ok=(77,))
    said = office.json("cert", "revoke", "--device", name + "x2",
                       "--reason", "keyCompromise", by="ada")
    assert said["pending"] == 1 and said["revoked"] == 0
    office.say("pending", "approve", said["statements"][0]["payload"],
               "--yes", by="bob")
    found = office.json("order", "show", name)
    assert [found[k] for k in ("units", "issued", "left", "reissue",
                               "reissued", "reissues_left", "refused",
                               "revoked")] == [3, 3, 0, 1, 1, 0, 1, 2]
    table = office.say("order", "list").stdout
    assert name in table
    assert any(o == found for o in office.json("order", "list")["orders"])


def test_terms_are_shown_by_a_receipt(office):
    name = in_force(office, devices=["--first", "24:6F:28:00:00:00",
                                     "--last", "24:6F:28:00:00:09"])
    terms = office.json("order", "show", name, "--terms")["terms"]
    assert terms["name"] == name and terms["units"] == 10
    text = office.say("order", "show", name, "--terms").stdout
    assert "24:6F:28:00:00:09" in text
    office.refused("not-found", "order", "show", "nothing", status=1)


def test_extend_close_reopen(office, workdir):
    name = in_force(office, units=1)
    issue(office, name, workdir)
    issue(office, name, workdir, ok=(77,))

    def revise(*words, **expect):
        said = office.json("order", *words, by="bob", **expect)
        assert said["state"] == "pending"
        office.say("order", "approve", said["payload"], "--yes", by="first")
        return said

    assert revise("extend", name, "--units", 2)["revision"] == 1
    issue(office, name, workdir)
    assert revise("close", name)["closed"] is True
    issue(office, name, workdir, ok=(77,))
    office.refused("order-closed", "order", "extend", name, "--units", 9,
                   by="ada")
    office.refused("order-closed", "order", "close", name, by="ada")
    revise("reopen", name, "--until", 3)
    office.refused("usage", "order", "reopen", name, by="ada", status=64)
    office.refused("usage", "order", "extend", name, by="ada", status=64)
    found = office.json("order", "show", name)
    assert (found["state"], found["units"], found["issued"],
            found["revision"]) == ("open", 2, 2, 3)


@pytest.mark.parametrize("words", [["close"], ["extend", "--units", 9],
                                   ["reopen", "--until", 3]])
def test_the_very_same_is_not_stated_twice(office, words):
    name = in_force(office, units=1)
    if words[0] == "reopen":
        said = office.json("order", "close", name, by="ada")
        office.say("order", "approve", said["payload"], "--yes", by="bob")
        words = [*words[:-1], "2040-01-01T00:00:00Z"]
    said = office.json("order", *words, name, by="ada")
    waits = office.pending()
    for officer in ("ada", "bob"):
        line = office.refused("statement-replayed", "order", *words, name,
                              by=officer)
        assert said["payload"][:16] in line and "waits already" in line
        assert "pending approve" in line
    assert office.pending() == waits
    office.say("pending", "approve", said["payload"][:16], "--yes", by="bob")


def test_what_differs_is_stated_and_told(office):
    """A closing does not wait for what somebody wants to extend."""
    name = in_force(office, units=1)
    said = office.json("order", "extend", name, "--units", 5, by="ada")
    done = office.say("order", "close", name, by="bob")
    assert "something else waits" in done.stderr
    assert said["payload"][:16] in done.stderr
    office.say("pending", "withdraw", said["payload"], "--yes", by="ada")


# ----------------------------------------------------------------- bad words

@pytest.mark.parametrize("more", [
    ["--until", "0"], ["--until", "36501"], ["--until", "yesterday"],
    ["--until", "2001-01-01T00:00:00Z"], ["--reissue", "101%"],
    ["--reissue", "-1"], ["--reissue", "%"], ["--reissue", "1.5%"],
    ["--expires", "0"], ["--expires", "367"], ["--first", "a"],
    ["--station", "a,,b"]], ids=" ".join)
def test_bad_terms(office, more):
    units = ["--units", "10"]
    station = [] if "--station" in more else ["--station", "station"]
    office.refused("usage", "order", "create", "--name", fresh("order"),
                   *units, *station, "--pattern", "*", *more, by="ada",
                   status=64)


@pytest.mark.parametrize("units", ["0", "10000001", "x", ""])
def test_bad_units(office, units):
    office.refused("usage", "order", "create", "--name", fresh("order"),
                   "--units", units, "--station", "station", "--pattern",
                   "*", by="ada", status=64)


def test_more_units_than_devices(office):
    done = office.say("order", "create", "--name", fresh("order"), "--units",
                      11, "--station", "station", "--first", "lamp-00",
                      "--last", "lamp-09", by="ada", ok=(64, 65, 77))
    assert done.stdout == ""
    create(office, units=10, devices=["--first", "lamp-00", "--last",
                                      "lamp-09"])


def test_a_list_of_devices(office, workdir):
    listed = office.file("devices", "lamp-a\r\n\nlamp-b\n")
    name = in_force(office, units=2, devices=["--devices", listed])
    issue(office, name, workdir, "lamp-a")
    issue(office, name, workdir, "lamp-c", ok=(77,))
    bad = office.file("bad", "lamp-a\n\nlamp-\x1b[31mb\n")
    line = office.refused("bad-device-id", "order", "create", "--name",
                          fresh("order"), "--units", 1, "--station",
                          "station", "--devices", bad, by="ada")
    assert ":3:" in line and "\x1b" not in line
    twice = office.file("twice", "lamp-a\nlamp-b\n\nlamp-a\n")
    line = office.refused("bad-format", "order", "create", "--name",
                          fresh("order"), "--units", 3, "--station",
                          "station", "--devices", twice, by="ada", status=65)
    assert ":4:" in line and "lamp-a" in line
    empty = office.file("empty", "\n\n")
    office.refused("bad-format", "order", "create", "--name", fresh("order"),
                   "--units", 1, "--station", "station", "--devices", empty,
                   by="ada", status=65)
    office.refused("file", "order", "create", "--name", fresh("order"),
                   "--units", 1, "--station", "station", "--devices",
                   "/nowhere", by="ada", status=65)


def test_a_station_may_not_approve(office):
    name = create(office)["order"]
    done = office.say("order", "approve", name, "--yes", by="bob",
                      identity="station", ok=(77,))
    assert ": role-not-allowed: " in done.stderr


def test_no_officer_at_all(office, workdir):
    mintmark("officer", "keygen", "--unprotected", workdir / "k")
    done = office.say("order", "create", "--name", fresh("order"), "--units",
                      1, "--station", "station", "--pattern", "*",
                      "--officer", workdir / "k", ok=(77,))
    assert ": statement-unknown-officer: " in done.stderr
