"""mintmarkd --restore: a lost log.db comes back from a copy of the log's
directory, the newest one only, and everybody gets the same answers again."""

import os
import pwd
import random
import shutil
import sqlite3

import pytest

from mint import (MINTMARKD, Mint, fresh, mintmark, new_csr, refused, run)
from test_start import CONFIG, refuses, works
from test_users import USERS, give

SEED = int(os.environ.get("MINTMARK_SEED", "0")) or random.randrange(1 << 30)
NO, DATA = 1, 65


class Issued:
    """Certificates, and what it takes to ask for them again."""

    def __init__(self, mint):
        self.mint, self.order, self.all = mint, mint.new_order(), []

    def more(self, count):
        with self.mint.client() as client:
            for _ in range(count):
                device, request, csr = fresh("lamp"), os.urandom(16), new_csr()
                answer = client.issue(self.order, device, csr,
                                      request_id=request)
                self.all.append((device, request, csr, answer))

    def check(self):
        with self.mint.client() as client:
            for device, request, csr, answer in self.all:
                again = client.issue(self.order, device, csr,
                                     request_id=request)
                assert (again[0], again[1]) == (answer[0], answer[1])
                assert client.show(device)[1] == answer[1]
            with refused("device-already-issued"):
                client.issue(self.order, self.all[0][0], new_csr())


def backup(mint, name):
    """A copy of the log's directory, as anybody may make one."""
    copy = mint.base / name
    shutil.copytree(mint.dir / "log", copy)
    return copy


def lose_store(mint):
    for path in (mint.dir / "state").glob("log.db*"):
        path.unlink()


def restore(mint, copy, ok=(0,)):
    done = run(MINTMARKD, "-c", mint.config, "--restore", copy, ok=ok)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def rows(mint):
    """How many rows each table of the store has."""
    db = sqlite3.connect(mint.dir / "state/log.db")
    names = [n for n, in db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    counts = {n: db.execute(f"SELECT count(*) FROM {n}").fetchone()
              for n in names}
    db.close()
    return counts


def nothing_restored(mint):
    assert not list((mint.dir / "state").glob("log.db*"))
    # The work on it is not left behind either.
    assert sorted(p.name for p in (mint.dir / "state").iterdir()) in (
        [], ["listen"]), list((mint.dir / "state").iterdir())


@pytest.fixture
def copied(own_mint):
    """A mint that has run and stopped; its newest copy; what it issued."""
    own_mint.start()
    issued = Issued(own_mint)
    issued.more(3)
    own_mint.stop()
    own_mint.copy, own_mint.issued = backup(own_mint, "copy"), issued
    return own_mint


def test_the_newest_copy_brings_all_of_it_back(copied):
    mint, issued = copied, copied.issued
    mint.start()
    issued.more(300)  # more than one tile
    mint.stop()
    newest = backup(mint, "newest")
    mint.audit()
    size = (newest / "checkpoint").read_text().splitlines()[1]
    lose_store(mint)
    refuses(mint, CONFIG, "--restore")
    said = restore(mint, newest)
    assert f"{size} entries" in said and "started" in said, said
    works(mint)
    mint.start()
    issued.check()
    device, _, _, answer = issued.all[-1]
    out = mint.base / "again"
    mintmark("cert", "show", "--identity", mint.identity("station"),
             "--device", device, "--out", out)
    shown = mintmark("receipt", "verify", "--key",
                     mint.dir / "public/log.vkey", f"{out}.receipt",
                     f"{out}.crt")
    assert shown.returncode == 0
    mint.stop()
    mint.audit()


def test_an_index_that_is_older_or_gone_comes_back_too(copied):
    old_index = copied.base / "index"
    shutil.copytree(copied.dir / "index", old_index)
    copied.start()
    copied.issued.more(5)
    copied.stop()
    newest = backup(copied, "newest")
    for index in old_index, None:
        lose_store(copied)
        shutil.rmtree(copied.dir / "index")
        if index is not None:
            shutil.copytree(index, copied.dir / "index")
        restore(copied, newest)
        copied.start()
        copied.issued.check()
        copied.stop()
        newest = backup(copied, fresh("newest"))
    copied.audit()


def test_an_old_copy_is_refused(copied):
    """It would fork the log: nothing is made of it, and nothing signed."""
    works(copied)
    newest = backup(copied, "newest")
    lose_store(copied)
    said = restore(copied, copied.copy, ok=(CONFIG,))
    assert "newer copy" in said and "fork" in said, said
    nothing_restored(copied)
    refuses(copied, CONFIG, "--restore")
    restore(copied, newest)
    works(copied)


def test_an_old_store_is_refused_with_what_to_do(copied):
    """However it got there: the anchor remembers."""
    old = copied.base / "old"
    shutil.copytree(copied.dir / "state", old)
    works(copied)
    newest = backup(copied, "newest")
    lose_store(copied)
    for path in old.glob("log.db*"):
        shutil.copy2(path, copied.dir / "state")
    before = rows(copied), (copied.dir / "anchor/anchor").read_bytes()
    line = refuses(copied, CONFIG, "anchor")
    assert "--restore" in line and "fork" in line, line
    assert before == (rows(copied),
                      (copied.dir / "anchor/anchor").read_bytes())
    lose_store(copied)
    restore(copied, newest)
    works(copied)


def test_a_store_that_is_there_is_kept(copied):
    before = (copied.dir / "state/log.db").read_bytes()
    said = restore(copied, copied.copy, ok=(CONFIG,))
    assert "log.db" in said and "move" in said, said
    assert (copied.dir / "state/log.db").read_bytes() == before
    works(copied)


def test_a_link_in_the_place_of_its_work(copied):
    """What it leads to is not emptied."""
    elsewhere = copied.base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("not ours")
    lose_store(copied)
    (copied.dir / "state/.restore").symlink_to(elsewhere)
    restore(copied, copied.copy, ok=(CONFIG,))
    assert (elsewhere / "precious").exists()
    (copied.dir / "state/.restore").unlink()
    restore(copied, copied.copy)


def test_a_mintmarkd_that_runs_is_left_alone(copied):
    copied.start()
    said = restore(copied, copied.copy, ok=(CONFIG,))
    assert "another mintmarkd" in said, said
    copied.issued.check()
    copied.stop()


def test_a_copy_of_another_log(copied):
    other = Mint()
    try:
        lose_store(copied)
        said = restore(copied, other.dir / "log", ok=(NO,))
        assert "another log" in said, said
        nothing_restored(copied)
    finally:
        other.remove()


def test_no_copy_at_all(copied):
    lose_store(copied)
    restore(copied, copied.base / "nowhere", ok=(DATA,))
    (copied.base / "empty").mkdir()
    restore(copied, copied.base / "empty", ok=(DATA,))
    nothing_restored(copied)


def damage(path, dice):
    """One file of the copy cut, lengthened, with another bit, or gone."""
    data = bytearray(path.read_bytes())
    how = dice.randrange(4)
    if how == 0:
        data = data[:dice.randrange(len(data))]
    elif how == 1:
        data += b"\0"
    elif how == 2:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    if how == 3:
        path.unlink()
    else:
        path.write_bytes(data)


def test_a_damaged_copy_is_refused(copied):
    dice = random.Random(SEED)
    print(f"MINTMARK_SEED={SEED}")  # shown where it fails
    lose_store(copied)
    # What a restore reads; the hashes' tiles follow from the entries.
    bundles = copied.copy / "tile/entries/000.p"
    widest = max(bundles.iterdir(), key=lambda p: int(p.name)).relative_to(
        copied.copy)
    for name in ["checkpoint", widest] * 6:
        place = copied.base / fresh("damaged")
        shutil.copytree(copied.copy, place)
        damage(place / name, dice)
        restore(copied, place, ok=(NO, DATA, CONFIG))
        nothing_restored(copied)
    restore(copied, copied.copy)
    works(copied)


@pytest.mark.parametrize("name", ["anchor/anchor", "log-key/log.key"])
def test_without_anchor_or_key(copied, name):
    lose_store(copied)
    (copied.dir / name).rename(copied.base / "away")
    restore(copied, copied.copy, ok=(CONFIG,))
    nothing_restored(copied)
    (copied.base / "away").rename(copied.dir / name)
    restore(copied, copied.copy)
    works(copied)


@pytest.mark.parametrize("words", [["--rebuild"], ["--check"],
                                   ["--accept-time"], ["--genesis", "x"]])
def test_it_is_done_alone(copied, words):
    run(MINTMARKD, "-c", copied.config, "--restore", copied.copy, *words,
        ok=(64,))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
def test_it_is_the_notarys(copied):
    """The archive reads it through the group of the directory."""
    place = copied.dir
    for upper in copied.base, place:
        os.chmod(upper, 0o711)
    for name, role in [("anchor", "notary"), ("log-key", "notary"),
                       ("log", "archive"), ("index", "authority"),
                       ("record", "token"), ("token", "token")]:
        give(place / name, role)
    lose_store(copied)
    give(place / "state", "notary", "archive")
    os.chmod(place / "state", 0o2750)
    copied.config.write_text(
        copied.config.read_text() + "users = {%s}\n" % ", ".join(
            f'"{role}={user}"' for role, user in USERS.items()))
    copied.copy.chmod(0o755)
    restore(copied, copied.copy)
    made = (place / "state/log.db").stat()
    assert made.st_uid == pwd.getpwnam(USERS["notary"]).pw_uid
    assert made.st_gid == pwd.getpwnam(USERS["archive"]).pw_gid
    assert made.st_mode & 0o777 == 0o640
    copied.start()
    copied.issued.check()
    copied.stop()
    copied.audit()
