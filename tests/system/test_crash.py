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
from mint import Daemon, eventually, fresh, new_csr, wait_gone

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
            assert client.show(device) == answer, device
    mint.stop()
    audited = mint.audit()
    for device, answer in load.released.items():
        receipt = auditor.Receipt(answer[3], mint.vkey)
        receipt.proves_certificate(answer[1])
        assert audited.der[answer[0]] == answer[1], device
    order = next(i for i, o in audited.orders.items()
                 if o[0] == load.order)
    assert audited.used[order] == len(load.released)
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
