"""The log is the database: whatever has been derived from it can be deleted,
cut or overwritten at any point of a busy history and comes back the same.
MINTMARK_SEED repeats a run, MINTMARK_FAULTS=1 makes it long."""

import os
import random
import shutil
import sqlite3

import pytest

import mintmark_client as mm
from mint import (Daemon, eventually, fresh, new_csr, new_key, refused,
                  spki_hash, wait_gone)
from test_reissue import serial_of

LONG = bool(os.environ.get("MINTMARK_FAULTS"))
POINTS, OPERATIONS = (12, 80) if LONG else (4, 30)
SEED = int(os.environ.get("MINTMARK_SEED", "0")) or random.randrange(1 << 30)
# What a client meets while something is being replaced.
WAITS = {"starting", "stopping", "busy", "deadline", "token-unavailable",
         "token-failed", "store-failed", "upload-broken"}
EXPORT = 13
HOLD, LIFTED = 6, 8  # RFC 5280 5.3.1
# So much room no disk has: a start then reads the log and adds nothing.
NO_ROOM = "1048576G"


# --------------------------------------------------------- what is derived

def tables(mint):
    """Every row of every table of the index, and the tables' own text."""
    with sqlite3.connect(f"file:{mint.dir}/index/index.db?mode=ro",
                         uri=True) as db:
        names = db.execute(
            "SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
        out = {"schema": names}
        for name, sql in names:
            if sql and sql.startswith("CREATE TABLE"):
                out[name] = sorted(
                    db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
    db.close()
    return out


def files(mint):
    """path -> bytes of what the newest checkpoint needs of the log's
    directory: of a tile's partial forms the widest, which has the others
    in it."""
    top = mint.dir / "log"
    found = {str(p.relative_to(top)): p.read_bytes()
             for p in sorted(top.rglob("*")) if p.is_file()}
    widest = {}
    for name in found:
        tile, _, width = name.partition(".p/")
        widest[tile] = max(widest.get(tile, 0), int(width or 1 << 30))
    return {name: data for name, data in found.items()
            if int(name.partition(".p/")[2] or 1 << 30)
            == widest[name.partition(".p/")[0]]}


def same_tables(living, rebuilt):
    assert living.keys() == rebuilt.keys()
    for name, rows in living.items():
        assert rebuilt[name] == rows, (
            f"{name}: only living {[r for r in rows if r not in rebuilt[name]]}"
            f", only rebuilt {[r for r in rebuilt[name] if r not in rows]}")


def same_files(before, mint):
    now = files(mint)
    assert before.keys() == now.keys(), before.keys() ^ now.keys()
    assert not [name for name in now if now[name] != before[name]]


# ----------------------------------------------------------- a busy history

class History:
    """Stations, officers, engineers and auditors at work, at random. A second
    officer signs what more than one should."""

    def __init__(self, mint, dice):
        self.mint, self.dice = mint, dice
        self.second = mm.Officer()
        self.orders = [mint.new_order(units=1_000_000)]
        self.issued = []   # (order, device, id, csr, answer)
        self.stations = []
        self.terms = []    # orders that are revised
        self.fated = []    # (device, certificate, order, what it is)
        self.waiting = []  # payloads that one officer has signed
        self.two_officers()
        self.exports = []  # (id, body, answer)
        self.scrapped = {}  # serial number -> its report's entry

    def retry(self, who, what):
        """Asks until something else than wait is answered."""
        def answered():
            try:
                with self.mint.client(who, timeout=20) as client:
                    return (what(client),)
            except mm.Refused as e:
                if e.name not in WAITS:
                    raise
            except (mm.Closed, OSError):
                pass
            return None
        return eventually(answered, "an answer")[0]

    # --- each is one step of the history ---

    def issue(self):
        order, device = self.dice.choice(self.orders), fresh("lamp")
        request, csr = os.urandom(16), new_csr()
        answer = self.retry("station", lambda c: c.issue(
            order, device, csr, request_id=request))
        self.issued.append((order, device, request, csr, answer))

    def issue_again(self):
        if self.issued:
            order, device, request, csr, answer = self.dice.choice(self.issued)
            again = self.retry("station", lambda c: c.issue(
                order, device, csr, request_id=request))
            assert again == answer

    def scrap(self):
        """A unit failed, which may have been said before."""
        if self.issued:
            order, answer = self.dice.choice(self.issued)[::4]
            request, serial = os.urandom(16), serial_of(answer)
            said = self.retry("station", lambda c: c.scrap(
                order, serial, request_id=request))[0]
            assert self.scrapped.setdefault(serial, said) == said

    def another_key(self):
        if self.issued:
            order, device = self.dice.choice(self.issued)[:2]
            with refused("device-already-issued"):
                self.retry("station",
                           lambda c: c.issue(order, device, new_csr()))

    def no_such_order(self):
        with refused("unknown-order"):
            self.retry("station",
                       lambda c: c.issue("nothing", fresh("lamp"), new_csr()))

    def used_up(self):
        order = self.mint.new_order(units=1)
        self.retry("station", lambda c: c.issue(order, fresh("lamp"),
                                                new_csr()))
        with refused("order-exhausted"):
            self.retry("station", lambda c: c.issue(order, fresh("lamp"),
                                                    new_csr()))

    def order(self):
        self.orders.append(self.mint.new_order(units=1000))

    def station(self):
        name = self.mint.new_principal("station", daily=1)
        order = self.mint.new_order(stations=("station", name))
        self.stations.append(name)
        self.retry(name, lambda c: c.issue(order, fresh("lamp"), new_csr()))
        with refused("daily-limit"):
            self.retry(name, lambda c: c.issue(order, fresh("lamp"),
                                               new_csr()))

    def disable(self):
        if self.stations:
            name = self.stations.pop()
            body = mm.principal_body(name, "station", spki_hash(new_key()),
                                     profiles=["device"], disabled=True)
            statement = self.mint.state("principal", body)
            request = os.urandom(16)
            self.retry("officer", lambda c: c.statement(
                [statement], request_id=request))

    def release(self):
        image, version = b"F" + os.urandom(3000), fresh("v")
        statement = self.mint.approve(image, version=version)
        request = os.urandom(16)
        self.retry("release", lambda c: c.release(
            c.upload(image), [statement], version=version,
            request_id=request))

    def unapproved(self):
        image = b"F" + os.urandom(3000)
        with refused("release-not-approved"):
            self.retry("release", lambda c: c.release(
                c.upload(image), [], version=fresh("v")))

    def export(self):
        def ask(client):
            body = {0: 0, 1: client.status()[2], 2: "csv",
                    4: os.urandom(32), 5: 1234}
            return body, client.ask(EXPORT, body, request)
        request = os.urandom(16)
        # A lost answer leaves the id to the first body that was logged.
        try:
            body, answer = self.retry("auditor", ask)
        except mm.Refused as e:
            assert e.name == "request-id-reused", e
            return
        self.exports.append((request, body, answer))

    def export_again(self):
        if self.exports:
            request, body, answer = self.dice.choice(self.exports)
            assert self.retry("auditor", lambda c: c.ask(
                EXPORT, body, request)) == answer

    # --- what people state, by one or by two of them ---

    def officers(self, signed, **along):
        """By the first officer's client, whatever happens in between: what
        an answer was lost of is there already."""
        request = os.urandom(16)
        return self.retry("officer", lambda c: c.statement(
            signed, request_id=request, **along))

    def state(self, kind, body, **along):
        """By one and then by the other, at random moments."""
        payload = mm.claim(self.mint.origin, kind, body)
        signed = [o.sign_payload(payload)
                  for o in (self.mint.officer, self.second)]
        if self.dice.randrange(2):
            return self.officers(signed, **along)
        assert self.officers(signed[:1], **along)[4] == 1
        return self.officers(signed[1:], **along)

    def newest_policy(self):
        entries = self.retry("auditor", lambda c: [
            mm.decode(e) for e in c.all_entries()])
        newest = [e for e in entries if e[0] in (0, 1)][-1]
        return mm.decode(newest[3][3 if newest[0] == 0 else 0])

    def change_policy(self, change, one=False):
        policy = self.newest_policy()
        policy[0] += 1
        change(policy)
        document, words = mm.encode(policy), b"# %d" % policy[0]
        body = mm.policy_body(policy[0], document)
        if one:
            self.officers([self.mint.state("policy", body)],
                          policy=document, text=words)
        else:
            self.state("policy", body, policy=document, text=words)

    def two_officers(self):
        """Revocations and policies want both of them from now on."""
        def change(policy):
            policy[4] = policy[4] + [{0: "second", 1: self.second.public}]
            policy[5] = [{0: t[0], 1: 2 if t[0] in (3, 5) else 1}
                         for t in policy[5]]
        self.change_policy(change, one=True)

    def policy(self):
        self.change_policy(lambda policy: None)

    def revise(self):
        """Extended, closed, re-opened; closed it issues nothing."""
        if not self.terms or self.dice.randrange(3) == 0:
            body = mm.order_body(fresh("order"), 3, ["station"], pattern="*",
                                 reissue=3)
        else:
            body = self.terms.pop(self.dice.randrange(len(self.terms)))
            body = {**body, 6: body.get(6, 0) + 1, 2: body[2] + 1}
            if body.pop(8, None) is None and self.dice.randrange(2):
                body[8] = True
        statement = self.mint.state("order", body)
        self.officers([statement])
        self.terms.append(body)
        if 8 in body:
            with refused("order-closed"):
                self.retry("station", lambda c: c.issue(
                    body[0], fresh("lamp"), new_csr()))

    def make_fated(self):
        """A device whose certificate will be replaced, held or revoked."""
        order = [b for b in self.terms if 8 not in b]
        if not order:
            return self.revise()
        name, device = self.dice.choice(order)[0], fresh("lamp")
        request, csr = os.urandom(16), new_csr()
        try:
            answer = self.retry("station", lambda c: c.issue(
                name, device, csr, request_id=request))
        except mm.Refused as e:
            assert e.name == "order-exhausted", e
            return None
        self.fated.append([device, answer, name, None])
        return None

    def reissue(self):
        """Of a live one or of one on hold, as often as its order allows."""
        fated = [f for f in self.fated if f[3] in (None, HOLD)]
        if not fated:
            return self.make_fated()
        one = self.dice.choice(fated)
        request, csr = os.urandom(16), new_csr()
        try:
            answer = self.retry("station", lambda c: c.reissue(
                one[2], one[0], csr, request_id=request))
        except mm.Refused as e:
            assert e.name in ("reissue-exhausted", "order-closed"), e
            return None
        one[1], one[3] = answer, None
        return None

    def revoke(self):
        """Held, lifted, or for ever."""
        fated = [f for f in self.fated if f[3] in (None, HOLD)]
        if not fated:
            return self.make_fated()
        one = self.dice.choice(fated)
        reason = self.dice.choice([HOLD, 1, 5] if one[3] is None
                                  else [LIFTED, LIFTED, 1])
        self.state("revoke", mm.revoke_body([serial_of(one[1])], reason))
        one[3] = None if reason == LIFTED else reason
        if one[3] is not None:
            with refused("not-found"):
                self.retry("station", lambda c: c.show(one[0]))
        return None

    def wait_for_ever(self):
        """One officer alone, who may think better of it."""
        statement = self.mint.state("revoke", mm.revoke_body(
            [serial_of(self.issued[0][4])], 9)) if self.issued else None
        if statement is not None:
            assert self.officers([statement])[4] == 1
            self.waiting.append(statement)

    def withdraw(self):
        if self.waiting:
            statement = self.waiting.pop()
            self.officers([self.mint.state("withdraw",
                                           mm.withdraw_body(statement))])
            with refused("statement-withdrawn"):
                self.officers([statement])

    def crl(self):
        self.retry("auditor", lambda c: c.crl("device-ca"))

    def killed_while_they_state(self):
        """Revisions, revocations and reissues come back as they were."""
        victim = self.dice.choice(["authority", "token", "archive"])
        for process in self.mint.daemon.children().get(victim, []):
            process.kill()
        for step in self.dice.sample([History.revise, History.reissue,
                                      History.revoke, History.policy], 2):
            step(self)
        self.retry("auditor", lambda c: c.prove(0))
        self.issue()

    def adds_up(self):
        """Each device has what it should, each order has counted it."""
        for device, answer, _, state in self.fated:
            if state is None:
                assert self.retry("station",
                                  lambda c: c.show(device)) == answer
            else:
                with refused("not-found"):
                    self.retry("station", lambda c: c.show(device))
        for body in self.terms:
            row = self.retry("officer", lambda c: c.orders(name=body[0]))[0]
            mine = [f for f in self.fated if f[2] == body[0]]
            assert row[5] == body[2] and row[7] == len(mine)
            held = sum(f[3] is not None for f in mine)
            assert row[10] == row[8] + held, (row, mine)
        for name in {order for order, *_ in self.issued}:
            row = self.retry("officer", lambda c: c.orders(name=name))[0]
            assert row[13] == sum(serial_of(answer) in self.scrapped
                                  for order, *_, answer in self.issued
                                  if order == name)

    def killed_in_the_midst(self):
        """Some are asked for, then kill -9, then they are asked for again."""
        order = self.dice.choice(self.orders)
        asked = [(fresh("lamp"), os.urandom(16), new_csr())
                 for _ in range(self.dice.randrange(1, 9))]
        victim = self.dice.choice(["authority", "archive", "token", "gate",
                                   "all"])
        try:
            with self.mint.client() as client:
                for device, request, csr in asked:
                    client.send("issue", mm.issue_body(order, device, csr),
                                request)
                client.answer_to(asked[0][1])
        except (mm.Refused, mm.Closed, OSError):
            pass
        if victim == "all":
            self.mint.kill()
            self.mint.start()
        else:
            for process in self.mint.daemon.children().get(victim, []):
                process.kill()
        for device, request, csr in asked:
            answer = self.retry("station", lambda c: c.issue(
                order, device, csr, request_id=request))
            self.issued.append((order, device, request, csr, answer))
        # All of them are back.
        self.retry("auditor", lambda c: c.prove(0))
        self.issue()

    STEPS = [issue] * 6 + [issue_again, another_key, no_such_order, used_up,
                           order, station, disable, release, unapproved,
                           export, export_again, killed_in_the_midst,
                           policy, revise, withdraw, wait_for_ever, crl, scrap,
                           killed_while_they_state] + [
                               make_fated, reissue, revoke] * 3

    def go_on(self, steps):
        for _ in range(steps):
            self.dice.choice(self.STEPS)(self)


# ------------------------------------------------------------- what is lost

def without_index(mint, _):
    for path in (mint.dir / "index").glob("index.db*"):
        path.unlink()


def without_rows(mint, dice):
    """All rows of a table or of some; the file as such is sound."""
    db = sqlite3.connect(mint.dir / "index/index.db")
    names = [n for n, in db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for name in dice.sample(names, dice.randrange(1, 4)):
        db.execute(f"DELETE FROM {name}")
    db.commit()
    db.close()


def without_tail(mint, dice):
    path = mint.dir / "index/index.db"
    os.truncate(path, dice.randrange(path.stat().st_size))


def overwritten(mint, dice):
    with (mint.dir / "index/index.db").open("r+b") as f:
        f.seek(dice.randrange(f.seek(0, 2)))
        f.write(os.urandom(3000))


def keep_index(_mint, _dice):
    pass


INDEX_LOSSES = [without_index, without_rows, without_tail, overwritten,
                keep_index]


def without_directory(mint, _):
    top = mint.dir / "log"
    shutil.rmtree(top)
    top.mkdir()


def some_files(mint, dice):
    names = sorted(files(mint))
    return [mint.dir / "log" / name
            for name in dice.sample(names, dice.randrange(1, len(names) + 1))]


def without_files(mint, dice):
    for path in some_files(mint, dice):
        path.unlink()


def cut_files(mint, dice):
    for path in some_files(mint, dice):
        os.truncate(path, dice.randrange(path.stat().st_size))


FILE_LOSSES = [without_directory, without_files, cut_files, keep_index]


# --------------------------------------------------------------- the tests

def start_without_room(mint, *options):
    """A start that reads the whole log, and can add nothing to it."""
    mint.limit(reserve=NO_ROOM)
    daemon = Daemon(mint.config, *options)
    daemon.wait_line("disk-full")
    return daemon


def stop_again(mint, daemon):
    children = [c for cs in daemon.children().values() for c in cs]
    daemon.supervisor().terminate()
    assert daemon.wait() == 0, daemon.said()
    wait_gone(children)
    mint.limit()


def check_rebuilt(mint, dice):
    """The living state, against what the log alone brings back."""
    living, tiles = tables(mint), files(mint)
    dice.choice(INDEX_LOSSES)(mint, dice)
    dice.choice(FILE_LOSSES)(mint, dice)
    daemon = start_without_room(mint, "--rebuild")
    eventually(lambda: files(mint) == tiles, "every file of the log")
    stop_again(mint, daemon)
    same_tables(living, tables(mint))
    same_files(tiles, mint)


def test_what_is_derived_comes_back_the_same(own_mint):
    dice = random.Random(SEED)
    print(f"MINTMARK_SEED={SEED}")  # shown where it fails
    own_mint.start()
    history = History(own_mint, dice)
    for _ in range(POINTS):
        history.go_on(dice.randrange(1, OPERATIONS))
        own_mint.stop()
        check_rebuilt(own_mint, dice)
        own_mint.start()
    for _ in range(10):
        history.issue_again()
    history.export_again()
    history.adds_up()
    own_mint.stop()
    own_mint.audit()


@pytest.mark.parametrize("edit", [
    "UPDATE fold SET size = size + 1000",
    "UPDATE fold SET size = size - 5",
    "UPDATE fold SET size = 0",
    "PRAGMA user_version = 9",
    "PRAGMA application_id = 9",
    "DROP TABLE request",
    "DELETE FROM reference",
    None,
])
def test_an_index_that_does_not_fit_is_made_anew(own_mint, edit):
    """By itself, without --rebuild: it says so once, and goes on."""
    own_mint.start()
    order, device, csr = own_mint.new_order(), fresh("lamp"), new_csr()
    request = os.urandom(16)
    with own_mint.client() as client:
        first = client.issue(order, device, csr, request_id=request)
    own_mint.stop()
    living = tables(own_mint)
    path = own_mint.dir / "index/index.db"
    if edit is None:
        path.write_bytes(os.urandom(9000))
    else:
        db = sqlite3.connect(path)
        db.execute(edit)
        db.commit()
        db.close()
    daemon = start_without_room(own_mint)
    daemon.wait_line("index-rebuilt")
    stop_again(own_mint, daemon)
    same_tables(living, tables(own_mint))
    own_mint.start()
    with own_mint.client() as client:
        assert client.issue(order, device, csr, request_id=request) == first
    own_mint.stop()
    own_mint.audit()


def test_an_index_that_fits_is_kept(own_mint):
    own_mint.start()
    own_mint.new_order()
    own_mint.stop()
    daemon = own_mint.start()
    own_mint.stop()
    assert "index-rebuilt" not in daemon.said()
