"""Starts that must not succeed: one clear line, 78 or 69, nothing touched;
and starts after the worst that must."""

import os
import shutil
import socket
import sqlite3
import subprocess

import pytest

import mintmark_client as mm
from mint import (MINTMARKD, Daemon, Mint, eventually, fresh, new_csr, run,
                  wait_gone)

CONFIG, AWAY = 78, 69


@pytest.fixture
def still(own_mint):
    """A mint that has run and stopped."""
    own_mint.start()
    order = own_mint.new_order()
    with own_mint.client() as client:
        client.issue(order, fresh("lamp"), new_csr())
    own_mint.stop()
    return own_mint


def refuses(mint, status, *words, options=()):
    """It ends with the status; one line says why."""
    daemon = Daemon(mint.config, *options)
    got = daemon.wait()
    said = [line for line in daemon.lines if line]
    assert got == status, f"it ended with {got}:\n{daemon.said()}"
    assert len(said) == 1, f"not one line:\n{daemon.said()}"
    assert any(w in said[0] for w in words), f"{said[0]!r}, not {words}"
    assert "PIN=" not in said[0]
    return said[0]


def works(mint):
    mint.start()
    order = mint.new_order()
    with mint.client() as client:
        assert client.issue(order, fresh("lamp"), new_csr())
    mint.stop()
    mint.audit()


def edit(mint, old, new):
    text = mint.config.read_text()
    assert old in text
    mint.config.write_text(text.replace(old, new))


# ------------------------------------------------------------------- the token

def test_a_wrong_pin(still):
    """One attempt: a real token locks itself after some."""
    pin = still.dir / "token/pin"
    good = pin.read_text()
    pin.write_text("0" * 32 + "\n")
    line = refuses(still, CONFIG, "PIN")
    assert "0" * 32 not in line
    pin.write_text(good)
    works(still)


def test_no_pin_file(still):
    (still.dir / "token/pin").unlink()
    refuses(still, CONFIG, "pin")


def test_a_pin_file_for_everybody(still):
    (still.dir / "token/pin").chmod(0o644)
    refuses(still, CONFIG, "pin")


def test_a_missing_module(still):
    edit(still, "libsofthsm2.so", "libnowhere.so")
    refuses(still, AWAY, "libnowhere.so")


def test_a_module_that_is_none(still):
    edit(still, "/usr/lib/softhsm/libsofthsm2.so",
         "/usr/lib/x86_64-linux-gnu/libc.so.6"
         if os.path.exists("/usr/lib/x86_64-linux-gnu/libc.so.6")
         else "/etc/hostname")
    refuses(still, AWAY, "module", "PKCS#11")


def test_a_token_that_is_not_there(still):
    edit(still, "token=mintmark;", "token=elsewhere;")
    refuses(still, AWAY, "token")


def test_an_ambiguous_uri(still):
    """Two tokens of one label, and no serial in the URI."""
    env = {**os.environ,
           "SOFTHSM2_CONF": str(still.dir / "token/softhsm2.conf")}
    run("softhsm2-util", "--init-token", "--free", "--label", "mintmark",
        "--so-pin", "12345678", "--pin", "12345678", env=env)
    works(still)  # label and serial are still one token
    text = still.config.read_text()
    serial = text.split(";serial=")[1].split('"')[0]
    edit(still, f";serial={serial}", "")
    refuses(still, CONFIG, "token")


def test_another_log_s_token(still):
    """A token with none of this log's keys, but the right PIN."""
    shutil.rmtree(still.dir / "token/tokens")
    (still.dir / "token/tokens").mkdir(mode=0o700)
    pin = (still.dir / "token/pin").read_text().strip()
    env = {**os.environ,
           "SOFTHSM2_CONF": str(still.dir / "token/softhsm2.conf")}
    run("softhsm2-util", "--init-token", "--free", "--label", "mintmark",
        "--so-pin", "12345678", "--pin", pin, env=env)
    text = still.config.read_text()
    serial = text.split(";serial=")[1].split('"')[0]
    edit(still, f";serial={serial}", "")
    refuses(still, CONFIG, "key")


# ------------------------------------------------------------------- the state

def test_a_state_directory_that_is_not_ours(still):
    """Empty, as if a disk had not been mounted."""
    shutil.rmtree(still.dir / "state")
    (still.dir / "state").mkdir(mode=0o700)
    refuses(still, CONFIG, "state", "log.db", "store")


def test_no_state_directory(still):
    (still.dir / "state").rename(still.dir / "gone")
    refuses(still, CONFIG, "state")


def test_a_state_directory_for_everybody(still):
    (still.dir / "state").chmod(0o777)
    refuses(still, CONFIG, "state")


def test_the_state_of_another_mint(still):
    other = Mint()
    try:
        shutil.rmtree(still.dir / "state")
        shutil.copytree(other.dir / "state", still.dir / "state")
        refuses(still, CONFIG, "state", "log", "store")
    finally:
        other.remove()


def test_a_store_that_was_rolled_back(still):
    """An old copy of the state is put back: the anchor remembers."""
    shutil.copytree(still.dir / "state", still.base / "old")
    works(still)
    newer = still.base / "newer"
    (still.dir / "state").rename(newer)
    shutil.copytree(still.base / "old", still.dir / "state")
    said = refuses(still, CONFIG, "rolled", "older", "anchor")
    assert "mintmarkd --restore" in said, said
    shutil.rmtree(still.dir / "state")
    newer.rename(still.dir / "state")
    works(still)


def store_rows(path):
    with sqlite3.connect(path) as db:
        return dict(db.execute(
            "select name, sql from sqlite_master where type = 'table'"))


def test_a_truncated_store(still):
    db = still.dir / "state/log.db"
    size = db.stat().st_size
    for name in ("log.db-wal", "log.db-shm"):
        (still.dir / "state" / name).unlink(missing_ok=True)
    os.truncate(db, size // 2)
    daemon = Daemon(still.config)
    status = daemon.wait()
    assert status in (CONFIG, AWAY), daemon.said()
    assert len([x for x in daemon.lines if x]) == 1, daemon.said()


def test_a_removed_tail(still):
    """The last entries deleted with SQL."""
    path = still.dir / "state/log.db"
    tables = store_rows(path)
    table = next((t for t in tables if t in ("entry", "entries", "log")),
                 None)
    if table is None:
        pytest.skip(f"the tables of the store are {sorted(tables)}")
    db = sqlite3.connect(path)
    db.execute(f"delete from {table} where rowid = "
               f"(select max(rowid) from {table})")
    db.commit()
    db.close()
    daemon = Daemon(still.config)
    assert daemon.wait() in (CONFIG, AWAY), daemon.said()
    assert len([x for x in daemon.lines if x]) == 1, daemon.said()


def test_no_anchor(still):
    for file in (still.dir / "anchor").iterdir():
        file.unlink()
    refuses(still, CONFIG, "anchor")


def test_another_log_key(still):
    file = still.dir / "log-key/log.key"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    daemon = Daemon(still.config)
    assert daemon.wait() in (CONFIG, AWAY), daemon.said()


def test_a_second_genesis(still):
    """A log begins only once."""
    refuses(still, CONFIG, "not empty", "begins only once",
            options=("--genesis", str(still.dir / "genesis.cbor")))
    works(still)


@pytest.mark.parametrize("name", ["index", "log"])
def test_what_can_be_deleted_comes_back(still, name):
    """Index and tiles are derived: the log is the database."""
    shutil.rmtree(still.dir / name)
    (still.dir / name).mkdir(mode=0o700)
    works(still)


def test_the_index_made_anew(still):
    still.start("--rebuild")
    still.stop()
    works(still)


# ---------------------------------------------------------------- the settings

@pytest.mark.parametrize("line, word", [
    ("nonsense = 1", "nonsense"), ("gates = many", "gates"),
    ("gates = -1", "gates"), ("gates = 100000", "gates"),
    ('listen = {"localhost:1"}', "listen"), ("limits { image = 0 }", "image"),
    ("limits { idle = forever }", "idle"),
    ("limits { reserve = 1 }", "reserve"), ("limits {", ""),
    ('state = "elsewhere"', "state is given twice"),
    ("gates = 1\ngates = 2", "gates"),
    ('users = {"gate=no-such-user-here"}', "user"),
    ('log { witness = {"nobody"} }', "witness"),
    ("log { nonsense = 1 }", "nonsense"),
], ids=lambda v: v.replace("\n", ";"))
def test_a_wrong_setting(still, line, word):
    with still.config.open("a") as f:
        f.write(line + "\n")
    said = refuses(still, CONFIG, word)
    assert "appliance.conf" in said or "user" in said, said


def test_one_directory_in_another(still):
    edit(still, 'anchor = "anchor"', 'anchor = "state/anchor"')
    refuses(still, CONFIG, "anchor")


def test_a_file_that_anybody_can_write(still):
    still.config.chmod(0o666)
    refuses(still, CONFIG, "writ")


def test_a_file_that_is_a_link(still):
    still.config.rename(still.dir / "real.conf")
    still.config.symlink_to(still.dir / "real.conf")
    refuses(still, CONFIG, "link")


def test_no_file(still):
    still.config.unlink()
    refuses(still, CONFIG, "appliance.conf")


def test_check_reads_the_settings_and_stops(still):
    run(MINTMARKD, "-c", still.config, "--check")
    with still.config.open("a") as f:
        f.write("nonsense = 1\n")
    run(MINTMARKD, "-c", still.config, "--check", ok=(CONFIG,))


@pytest.mark.parametrize("words", [["--nonsense"], [], ["-c"],
                                   ["-c", "x", "y"], ["--restore", "x"]])
def test_a_wrong_command_line(words):
    run(MINTMARKD, *words, ok=(64,))


def test_a_role_is_not_for_people():
    """Without a supervisor's channel a child ends at once."""
    done = run(MINTMARKD, "--role", "token", ok=None,
               stdin=subprocess.DEVNULL)
    assert done.returncode not in (0, -11, -6)


def test_an_address_that_is_taken(still):
    other = Mint()
    try:
        other.start()
        edit(still, "127.0.0.1:0", "%s:%d" % other.address)
        refuses(still, CONFIG, "listen")
        with other.client() as client:
            assert client.status()
    finally:
        other.remove()


# ------------------------------------------------------- two of them, death

def test_a_second_daemon_on_one_state(still):
    still.start()
    refuses(still, CONFIG, "another mintmarkd")
    order = still.new_order()
    with still.client() as client:
        assert client.issue(order, fresh("lamp"), new_csr())
    still.unharmed()
    still.stop()


def test_after_kill_nine_there_is_no_stale_lock(still):
    still.start()
    children = [c for cs in still.daemon.children().values() for c in cs]
    still.kill()
    wait_gone(children)
    works(still)


@pytest.mark.parametrize("role", ["authority", "archive", "gate", "token"])
def test_a_killed_process_is_replaced(still, role):
    still.start()
    order = still.new_order()
    for process in still.daemon.children()[role]:
        process.kill()

    def served():
        try:
            with still.client() as client:
                return client.issue(order, fresh("lamp"), new_csr())
        except (mm.Refused, mm.Closed, OSError) as e:
            assert not isinstance(e, mm.Refused) or e.retry_after > 0, e
            return None
    assert eventually(served, f"the service without its {role}")
    still.settled()
    still.stop()
    still.audit()


def test_a_killed_notary_ends_the_service(still):
    """systemd starts it again: one clear line, no half life."""
    still.start()
    daemon, still.daemon = still.daemon, None
    children = [c for cs in daemon.children().values() for c in cs]
    daemon.children()["notary"][0].kill()
    assert daemon.wait() not in (0, -6, -11)
    said = [x for x in daemon.lines if x and x.startswith("mintmarkd: ")]
    # The authority may have seen it first, and says so by itself.
    assert sum(x.startswith("mintmarkd: notary: ") for x in said) == 1, (
        daemon.said())
    wait_gone(children)
    works(still)


def test_a_stop_while_requests_wait(still):
    """SIGTERM under load: it drains, nothing is half done."""
    still.start()
    order = still.new_order()
    with still.client() as client:
        sent = [client.send("issue", mm.issue_body(order, fresh("lamp"),
                                                   new_csr()))
                for _ in range(64)]
        client.answer_to(sent[0])
        still.stop()
        answered = 1
        for request in sent[1:]:
            try:
                client.answer_to(request)
                answered += 1
            except mm.Refused as e:
                assert e.name in ("stopping", "starting"), e
            except (mm.Closed, OSError):
                break
    audited = still.audit()
    assert sum(audited.used.values()) >= answered


def test_the_released_port_is_gone_after_the_stop(still):
    still.start()
    assert (still.dir / "state/listen").read_text().strip() == \
        "%s:%d" % still.address
    still.stop()
    with pytest.raises(OSError):
        socket.create_connection(still.address, timeout=5).close()
