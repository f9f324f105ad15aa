"""kill -9 of each process at random moments under load, then: every released
certificate is in the log, nothing was signed twice, and whoever asks again
gets the same bytes. MINTMARK_FAULTS=1 makes it long."""

import os
import random
import threading
import time

import psutil
import pytest
from cryptography import x509

import auditor
import mintmark_client as mm
from mint import (Daemon, eventually, fresh, new_csr, refused,
                  wait_gone)

ROUNDS = 8 if os.environ.get("MINTMARK_FAULTS") else 1
SEED = int(os.environ.get("MINTMARK_SEED", "0")) or random.randrange(1 << 30)
VICTIMS = ["supervisor", "notary", "authority", "token", "archive", "gate"]
WORKERS = 4
# What a client meets while something is being replaced.
WAITS = {"starting", "stopping", "busy", "deadline", "token-unavailable",
         "token-failed", "store-failed", "upload-broken"}


class Load:
    """Stations that ask without pause, and remember what they got."""

    def __init__(self, mint, order):
        self.mint, self.order = mint, order
        self.released = {}   # device -> answer
        self.revoked = {}    # the same, of those that are given up since
        self.open = {}       # device -> (id, csr), asked but not answered
        self.unexpected = []
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.progress = threading.Condition()
        self.threads = [threading.Thread(target=self.work)
                        for _ in range(WORKERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, count):
        """So many more have been released."""
        with self.progress:
            wanted = len(self.released) + count
            assert self.progress.wait_for(
                lambda: len(self.released) >= wanted or self.unexpected,
                60), "the load has come to a stand"

    def work(self):
        while not self.ending.is_set():
            try:
                with self.mint.client(timeout=10) as client:
                    while not self.ending.is_set():
                        self.one(client)
            except mm.Refused as e:
                if e.name not in WAITS:
                    self.unexpected.append(e)
                time.sleep(0.01)
            except (mm.Closed, OSError, TimeoutError):
                time.sleep(0.01)  # the appliance is away

    def one(self, client):
        device, request, csr = fresh("lamp"), os.urandom(16), new_csr()
        with self.lock:
            self.open[device] = (request, csr)
        answer = client.issue(self.order, device, csr, request_id=request)
        with self.progress:
            self.released[device] = answer
            with self.lock:
                del self.open[device]
            self.progress.notify_all()
        return device


class Busy(Load):
    """Every second device gets another certificate at once; of the others an
    officer holds and revokes some, and goes on with the order."""

    def __init__(self, mint, terms):
        super().__init__(mint, terms[0])
        self.terms = terms
        self.dice = random.Random(SEED)
        self.second = {}       # as `open`, of reissues
        self.replaced = set()  # devices
        self.threads.append(threading.Thread(target=self.officer))

    @staticmethod
    def wears_out(device):
        return int(device[-1], 16) % 2 == 0

    def one(self, client):
        device = super().one(client)
        if self.wears_out(device):
            self.second[device] = os.urandom(16), new_csr()
            self.reissue(client, device)
        return device

    def reissue(self, client, device):
        request, csr = self.second[device]
        self.released[device] = client.reissue(
            self.order, device, csr, request_id=request)
        self.replaced.add(device)
        del self.second[device]

    def officer(self):
        while not self.ending.is_set():
            with self.progress:
                some = [d for d in self.released
                        if not self.wears_out(d) and d not in self.revoked]
            act = self.dice.choice([self.revise, self.hold, self.revoke])
            if some:
                act(self.dice.choice(some))

    def say(self, kind, body):
        """Once, however often it has to be said."""
        statement, request = self.mint.state(kind, body), os.urandom(16)
        while True:
            try:
                with self.mint.client("officer", timeout=10) as client:
                    return client.statement([statement], request_id=request)
            except mm.Refused as e:
                if e.name not in WAITS:
                    self.unexpected.append(e)
                    return None
            except (mm.Closed, OSError, TimeoutError):
                pass
            time.sleep(0.01)

    def revise(self, _):
        self.terms = {**self.terms, 6: self.terms.get(6, 0) + 1}
        self.say("order", self.terms)

    def set(self, device, reason):
        certificate = x509.load_der_x509_certificate(self.released[device][1])
        self.say("revoke", mm.revoke_body([certificate.serial_number],
                                          reason))

    def hold(self, device):
        self.set(device, 6)
        self.set(device, 8)

    def revoke(self, device):
        self.revoked[device] = self.released[device]
        self.set(device, 1)

    def replace_the_rest(self):
        """What was asked for and not answered."""
        for device in list(self.second):
            def answered():
                try:
                    with self.mint.client() as client:
                        self.reissue(client, device)
                        return True
                except mm.Refused as e:
                    assert e.name in WAITS, e
                except (mm.Closed, OSError):
                    pass
                return False
            eventually(answered, f"{device}'s second certificate")

    def reconcile(self):
        with self.mint.client("officer") as client:
            row = client.orders(name=self.order)[0]
        # revision, issued, reissued, revoked
        assert [row[i] for i in (2, 7, 8, 10)] == [
            self.terms.get(6, 0), len(self.released), len(self.replaced),
            len(self.replaced) + len(self.revoked)], row


def kill(mint, victim, dice):
    """One process of that role, at a random moment."""
    time.sleep(dice.uniform(0, 0.03))
    if victim == "supervisor":
        mint.kill()
        return mint.start()
    processes = mint.daemon.children().get(victim)
    if not processes:
        return None
    try:
        dice.choice(processes).kill()
    except psutil.NoSuchProcess:
        return None
    if victim == "notary":  # that one ends the service
        mint.daemon.wait()
        mint.daemon = None
        mint.start()
    return None


def ask_again(mint, load):
    """All that is open is asked for again, with the same id."""
    for device, (request, csr) in list(load.open.items()):
        def answered():
            try:
                with mint.client() as client:
                    return client.issue(load.order, device, csr,
                                        request_id=request)
            except mm.Refused as e:
                assert e.name in WAITS, e
            except (mm.Closed, OSError):
                pass
            return None
        load.released[device] = eventually(answered, f"{device}'s answer")
    load.open.clear()


def serves(mint):
    """The archive, too, is there again: it proves an entry."""
    try:
        with mint.client("auditor") as client:
            return client.prove(0)
    except mm.Refused as e:
        assert e.name in WAITS, e
    except (mm.Closed, OSError):
        pass
    return None


def check(mint, load):
    """The invariants I1 to I5 of every fault."""
    eventually(lambda: serves(mint), "the service")
    with mint.client() as client:
        for device, answer in load.released.items():
            if device in load.revoked:
                with refused("not-found"):
                    client.show(device)
            else:
                assert client.show(device) == answer, device
    mint.stop()
    audited = mint.audit()
    for device, answer in load.released.items():
        receipt = auditor.Receipt(answer[3], mint.vkey)
        receipt.proves_certificate(answer[1])
        assert audited.der[answer[0]] == answer[1], device
    assert audited.used[load.order] == len(load.released)
    serials = {x509.load_der_x509_certificate(a[1]).serial_number
               for a in load.released.values()}
    assert len(serials) == len(load.released)


@pytest.mark.parametrize("victim", VICTIMS)
def test_killed_under_load(own_mint, victim):
    dice = random.Random(f"{SEED} {victim}")
    print(f"MINTMARK_SEED={SEED}")  # shown where it fails
    own_mint.start()
    order = own_mint.new_order(units=1_000_000)
    with Load(own_mint, order) as load:
        for _ in range(ROUNDS):
            load.wait_for(10)
            kill(own_mint, victim, dice)
        load.wait_for(10)
    assert not load.unexpected, load.unexpected
    ask_again(own_mint, load)
    check(own_mint, load)


@pytest.mark.parametrize("victim", ["authority", "token", "notary"]
                         if ROUNDS == 1 else VICTIMS)
def test_killed_while_people_change_their_minds(own_mint, victim):
    dice = random.Random(f"{SEED} {victim}")
    print(f"MINTMARK_SEED={SEED}")
    own_mint.start()
    terms = mm.order_body(fresh("order"), 1_000_000, ["station"],
                          pattern="*", reissue=1_000_000)
    with own_mint.client("officer") as client:
        client.statement([own_mint.state("order", terms)])
    with Busy(own_mint, terms) as load:
        for _ in range(ROUNDS):
            load.wait_for(20)
            kill(own_mint, victim, dice)
        load.wait_for(20)
    assert not load.unexpected, load.unexpected
    ask_again(own_mint, load)
    load.replace_the_rest()
    load.reconcile()
    check(own_mint, load)


def any_order(own_mint):
    dice = random.Random(SEED)
    print(f"MINTMARK_SEED={SEED}")
    own_mint.start()
    order = own_mint.new_order(units=1_000_000)
    with Load(own_mint, order) as load:
        for _ in range(ROUNDS * 3):
            load.wait_for(5)
            kill(own_mint, dice.choice(VICTIMS), dice)
        load.wait_for(5)
    assert not load.unexpected, load.unexpected
    ask_again(own_mint, load)
    check(own_mint, load)


if ROUNDS > 1:  # `make test-faults` alone
    test_all_of_them_in_any_order = any_order


def test_killed_while_starting(own_mint):
    """A crash during recovery: THREATS 7."""
    own_mint.start()
    order = own_mint.new_order()
    with own_mint.client() as client:
        sent = [client.send("issue", mm.issue_body(order, fresh("lamp"),
                                                   new_csr()))
                for _ in range(40)]
        client.answer_to(sent[0])
        own_mint.kill()
    dice = random.Random(SEED)
    for _ in range(5 * ROUNDS):
        daemon = Daemon(own_mint.config)
        time.sleep(dice.uniform(0, 0.15))
        children = psutil.Process(daemon.process.pid).children()
        daemon.process.kill()
        daemon.wait()
        wait_gone(children)
    own_mint.start()
    with own_mint.client() as client:
        assert client.issue(order, fresh("lamp"), new_csr())
    own_mint.stop()
    own_mint.audit()


def test_a_release_survives_the_death_of_its_token(own_mint):
    own_mint.start()
    image, version, request = os.urandom(50_000), fresh("1"), os.urandom(16)
    statement = own_mint.approve(image, version=version)

    def ask():
        try:
            with own_mint.client("release") as client:
                return client.release(client.upload(image), [statement],
                                      version=version, request_id=request)
        except mm.Refused as e:
            assert e.name in WAITS, e
        except (mm.Closed, OSError):
            pass
        return None
    own_mint.daemon.children()["token"][0].kill()
    first = eventually(ask, "the signature")
    assert ask() == first
    own_mint.stop()
    audited = own_mint.audit()
    assert audited.signatures[first[0]] == first[1]
