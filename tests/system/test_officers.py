"""Officers' keys: made sealed or not, opened by a passphrase from a file or
the terminal, kept from everybody else; and who is an officer."""

import json
import os
import termios

import pytest

from mint import MINTMARK, eventually, fresh, mintmark, run
from office import Terminal, open_office

PASSPHRASE = "correct horse battery staple"
ECHO = 3  # of termios' list: local modes


@pytest.fixture(scope="module")
def office():
    with open_office(threshold=1) as office:
        yield office


def secret(place, text=PASSPHRASE, name="passphrase", mode=0o600):
    path = place / name
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def sealed(workdir):
    """(key file, passphrase's file)"""
    phrase = secret(workdir)
    mintmark("officer", "keygen", "--passphrase-file", phrase,
             workdir / "sealed.key")
    return workdir / "sealed.key", phrase


def refusal(error, *words, status):
    done = mintmark(*words, ok=(status,))
    assert f": {error}: " in done.stderr, done.stderr
    return done


# --------------------------------------------------------------------- keygen

def test_a_sealed_key_shows_nothing(workdir):
    phrase = secret(workdir)
    done = mintmark("officer", "keygen", "--json", "--passphrase-file",
                    phrase, workdir / "k", "--name", "ada")
    said = json.loads(done.stdout)
    assert said["sealed"] is True and len(bytes.fromhex(said["key"])) == 32
    assert (workdir / "k").stat().st_mode & 0o7777 == 0o600
    line = (workdir / "k").read_text()
    assert line.startswith("mintmark-officer-sealed 1 ")
    assert PASSPHRASE not in line + done.stdout + done.stderr
    assert f'officer "ada" {{\n\tkey = "{said["key"]}"' in done.stderr


def test_an_unprotected_key_says_so(workdir):
    done = mintmark("officer", "keygen", "--unprotected", "--json",
                    workdir / "k")
    assert json.loads(done.stdout)["sealed"] is False
    assert "tests only" in done.stderr
    assert "unprotected" in (workdir / "k").read_text()


def test_a_key_is_never_overwritten(sealed):
    key, phrase = sealed
    before = key.read_bytes()
    said = refusal("file-exists", "officer", "keygen", "--passphrase-file",
                   phrase, key, status=64)
    assert "--force" not in said.stderr
    refusal("usage", "officer", "keygen", "--force", key, status=64)
    assert key.read_bytes() == before


@pytest.mark.parametrize("words", [
    ["-"], ["--name", 'a"b', "k"], ["--name", "a${HOME}", "k"],
    ["--name", "", "k"], ["--unprotected", "--passphrase-file", "p", "k"],
    [], ["k", "l"]], ids=" ".join)
def test_keygen_with_bad_words(workdir, words):
    done = mintmark("officer", "keygen", *words, ok=(64,), cwd=workdir)
    assert done.stdout == ""
    assert not list(workdir.iterdir())


@pytest.mark.parametrize("size,status", [(0, 65), (11, 65), (12, 0),
                                         (1024, 0), (1025, 65)])
def test_a_new_passphrase_s_length(workdir, size, status):
    phrase = secret(workdir, "x" * size + "\n")
    mintmark("officer", "keygen", "--passphrase-file", phrase, workdir / "k",
             ok=(status,))
    assert (workdir / "k").exists() == (status == 0)


def test_without_a_terminal_it_says_what_to_do(workdir):
    done = run("setsid", "-w", MINTMARK, "officer", "keygen",
               workdir / "k", ok=(64,), stdin=-3)
    assert "--passphrase-file" in done.stderr
    assert not (workdir / "k").exists()


def test_a_disk_without_room(workdir):
    refusal("file", "officer", "keygen", "--unprotected",
            workdir / "nowhere" / "k", status=65)


# ---------------------------------------------------------- opening a sealed

def order(office, key, *more, **expect):
    words = ["order", "create", "--name", fresh("order"), "--units", 1,
             "--station", "station", "--pattern", "*", "--officer", key]
    return office.say(*words, *more, **expect)


@pytest.fixture(scope="module")
def sealed_officer(office):
    """`cleo`, an officer whose key is sealed."""
    phrase = secret(office.place, name="cleo.pass")
    key = office.place / "cleo.key"
    said = mintmark("officer", "keygen", "--json", "--passphrase-file",
                    phrase, key)
    office.public["cleo"] = json.loads(said.stdout)["key"]
    office.number += 1
    path = office.file("cleo.conf", office.text(
        office.number, 1, names=("ada", "cleo", "first")))
    office.say("policy", "propose", path, by="first")
    return key, phrase


def test_a_sealed_key_signs(office, sealed_officer):
    key, phrase = sealed_officer
    order(office, key, "--passphrase-file", phrase)


def test_a_wrong_passphrase(office, sealed_officer, workdir):
    key, _ = sealed_officer
    done = order(office, key, "--passphrase-file",
                 secret(workdir, PASSPHRASE + "r"), ok=(77,))
    assert ": passphrase-wrong: " in done.stderr
    assert PASSPHRASE not in done.stderr


def test_a_sealed_key_that_was_changed(office, sealed_officer, workdir):
    key, phrase = sealed_officer
    words = key.read_text().split(" ")
    for at, other in ((2, "4"), (6, "A" * 43 + "="), (7, "A" * 64)):
        changed = [*words]
        changed[at] = other + ("\n" if at == 7 else "")
        copy = secret(workdir, " ".join(changed), f"changed{at}")
        done = order(office, copy, "--passphrase-file", phrase,
                     ok=(65, 77))
        assert ": passphrase-wrong: " in done.stderr or (
            ": bad-format: " in done.stderr), done.stderr


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602])
def test_what_others_can_reach_is_refused(office, sealed_officer, workdir,
                                          mode):
    key, phrase = sealed_officer
    copy = secret(workdir, key.read_text(), "copy", mode)
    done = order(office, copy, "--passphrase-file", phrase, ok=(65,))
    assert "chmod 600" in done.stderr
    done = order(office, key, "--passphrase-file",
                 secret(workdir, mode=mode), ok=(65,))
    assert "chmod 600" in done.stderr


def test_what_is_no_key(office, workdir):
    os.mkfifo(workdir / "fifo", 0o600)
    for name, text in (("empty", ""), ("words", "hello\n"),
                       ("long", "x" * 600 + "\n"),
                       ("short", "mintmark-officer-unprotected AAAA\n")):
        secret(workdir, text, name)
    for name in ("fifo", "empty", "words", "long", "short", "missing", "."):
        order(office, workdir / name, ok=(65,))


# ---------------------------------------------------------------- a terminal

def open_sealed(office, key, before=()):
    terminal = Terminal(
        *before, MINTMARK, "order", "create", "--name", fresh("order"), "--units", 1,
        "--station", "station", "--pattern", "*", "--officer", key,
        "--identity", office.mint.identity("officer"))
    terminal.wait_for("passphrase of")
    eventually(lambda: not shows(terminal), "hiding")
    return terminal


def shows(terminal):
    """Whether the terminal shows what is typed."""
    return bool(termios.tcgetattr(terminal.fd)[ECHO] & termios.ECHO)


def test_a_passphrase_is_typed_and_not_shown(office, sealed_officer):
    terminal = open_sealed(office, sealed_officer[0])
    terminal.type(PASSPHRASE + "\n")
    status, shown = terminal.end()
    assert status == 0 and "in-force" in shown
    assert PASSPHRASE not in shown


def test_a_wrong_one_is_typed(office, sealed_officer):
    terminal = open_sealed(office, sealed_officer[0])
    terminal.type("something else\n")
    status, shown = terminal.end()
    assert status == 77 and "passphrase-wrong" in shown


@pytest.mark.parametrize("typed,number", [("\x03", 2), ("\x1c", 3)],
                         ids=["ctrl-c", "ctrl-backslash"])
def test_an_interrupt_gives_the_terminal_back(office, sealed_officer, typed,
                                              number):
    terminal = open_sealed(office, sealed_officer[0])
    terminal.type("half a pass")
    terminal.type(typed)
    copy = os.dup(terminal.fd)
    status, shown = terminal.end()
    assert status == -number, shown
    assert termios.tcgetattr(copy)[ECHO] & termios.ECHO
    assert "half a pass" not in shown
    os.close(copy)


def test_stopped_and_gone_on(office, sealed_officer):
    """Ctrl-Z gives the terminal back, and it is asked for again."""
    shell = ('set -m; "$@"; echo "left with $?"; stty -a | grep -c " echo "; '
             'read -r go; fg')
    terminal = open_sealed(office, sealed_officer[0],
                           before=("bash", "-c", shell, "shell"))
    terminal.type("half\x1a")
    terminal.wait_for("left with 148")  # 128 + SIGTSTP
    eventually(lambda: shows(terminal), "the terminal as it was")
    terminal.type("go\n")
    terminal.wait_for("passphrase of", times=2)
    eventually(lambda: not shows(terminal), "hiding")
    terminal.type(PASSPHRASE + "\n")
    status, shown = terminal.end()
    assert status == 0 and "in-force" in shown, shown


def test_a_new_one_is_typed_twice(workdir):
    def keygen(first, second):
        terminal = Terminal(MINTMARK, "officer", "keygen", workdir / "k")
        terminal.wait_for("new passphrase")
        eventually(lambda: not shows(terminal), "hiding")
        terminal.type(first + "\n")
        terminal.wait_for("once more")
        eventually(lambda: not shows(terminal), "hiding")
        terminal.type(second + "\n")
        return terminal.end()

    status, shown = keygen(PASSPHRASE, PASSPHRASE + "x")
    assert status == 65 and "differ" in shown
    assert not (workdir / "k").exists()
    assert keygen(PASSPHRASE, PASSPHRASE)[0] == 0
    assert (workdir / "k").exists()


def test_it_is_in_no_other_place(office, sealed_officer):
    """Not in argv and environment of a command that has read it."""
    key, _ = sealed_officer
    terminal = open_sealed(office, key)
    for name in ("cmdline", "environ"):
        with open(f"/proc/{terminal.pid}/{name}", "rb") as file:
            assert PASSPHRASE.encode() not in file.read()
    terminal.type(PASSPHRASE + "\n")
    assert terminal.end()[0] == 0
    assert PASSPHRASE not in office.mint.daemon.said()


# -------------------------------------------------------------- who is one

def test_officer_list(office, sealed_officer):
    said = office.json("officer", "list")
    assert {o["officer"] for o in said["officers"]} == {
        "ada", "cleo", "first"}
    assert {o["key"] for o in said["officers"]} == {
        office.public[n] for n in ("ada", "cleo", "first")}
    assert said["thresholds"]["order"] == 1
    table = office.say("officer", "list").stdout
    assert "order: 1 of 3" in table and office.public["cleo"] in table
    first = office.json("officer", "list", "--at", 0)
    assert [o["officer"] for o in first["officers"]] == ["first"]
    assert first["policy"] == 1


def test_officer_list_offline(office):
    key = ["--key", office.mint.dir / "public/log.vkey"]
    said = json.loads(mintmark("officer", "list", "--json", "--at", 0, *key,
                               office.mint.dir / "log").stdout)
    assert said["policy"] == 1
    mintmark("officer", "list", "--at", 99999, *key,
             office.mint.dir / "log", ok=(1,))
    mintmark("officer", "list", "--at", "x", *key, office.mint.dir / "log",
             ok=(64,))
