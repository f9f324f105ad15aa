"""Two stations race for the last units of an order, and for the last
reissues, while processes of the appliance or all of it are killed: exactly
the budget is issued, ever, and every receipt that anybody got stays good.
MINTMARK_LAST_UNIT says how many rounds; MINTMARK_FAULTS=1 makes them many."""

import os
import random
import threading
import time

import psutil
import pytest
from cryptography import x509

import auditor
import mintmark_client as mm
from mint import Mint, eventually, fresh, new_csr

ROUNDS = int(os.environ.get("MINTMARK_LAST_UNIT") or (
    40 if os.environ.get("MINTMARK_FAULTS") else 2))
SEED = int(os.environ.get("MINTMARK_SEED", "0")) or random.randrange(1 << 30)
VICTIMS = ["authority", "token", "notary", "gate", "supervisor"]
STATIONS = ("station", "second")
RACERS = 3  # of each station
UNITS, REISSUES, DEVICES = 24, 8, 14
# What a client meets while something is being replaced.
WAITS = {"starting", "stopping", "busy", "deadline", "token-unavailable",
         "token-failed", "store-failed"}


@pytest.fixture
def mint():
    mint = Mint()
    try:
        mint.start()
        mint.new_principal("station", name="second")
        yield mint
        mint.stop()
        mint.audit()
    finally:
        mint.remove()


class Race:
    """Stations that ask, each for devices of its own, until all they are
    told is that nothing is left."""

    def __init__(self, mint, order, ask, works):
        self.mint, self.order, self.ask = mint, order, ask
        self.works = list(works)  # what is asked for, each until it is told
        self.lock = threading.Lock()
        self.got, self.refused, self.unexpected = {}, {}, []
        self.threads = [threading.Thread(target=self.run, args=(name,))
                        for name in STATIONS for _ in range(RACERS)]

    def next(self):
        with self.lock:
            return self.works.pop() if self.works else None

    def run(self, station):
        while (work := self.next()) is not None:
            request = os.urandom(16)
            while not self.told(station, work, request):
                time.sleep(0.01)

    def told(self, station, work, request):
        """Whether the appliance has said what becomes of it."""
        try:
            with self.mint.client(station, timeout=20) as client:
                answer = self.ask(client, self.order, *work, request)
            self.got[work[0]] = answer
        except mm.Refused as e:
            if e.name in WAITS:
                return False
            with self.lock:
                self.refused.setdefault(e.name, []).append(work[0])
        except (mm.Closed, OSError, TimeoutError):
            return False
        except Exception as e:  # pylint: disable=broad-except
            self.unexpected.append(e)
        return True

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join()
        assert not self.unexpected, self.unexpected

    def running(self):
        return any(thread.is_alive() for thread in self.threads)


def kill_one(mint, victim):
    if victim == "supervisor":
        mint.kill()
        mint.start()
        return
    processes = mint.daemon.children().get(victim)
    try:
        random.choice(processes or []).kill()
    except (psutil.NoSuchProcess, IndexError):
        return
    if victim == "notary":  # that one ends the service
        mint.daemon.wait()
        mint.daemon = None
        mint.start()


def race_under_kills(mint, race, dice, kills):
    """The first one falls while the stations ask, whatever the machine."""
    with race:
        for i in range(kills):
            time.sleep(dice.uniform(0, 0.04))
            if i > 0 and not race.running():
                break
            kill_one(mint, dice.choice(VICTIMS))


def ask_issue(client, order, device, csr, request):
    return client.issue(order, device, csr, request_id=request)


def ask_reissue(client, order, device, csr, request):
    return client.reissue(order, device, csr, request_id=request)


def row(mint, order):
    def ask():
        try:
            with mint.client("officer") as officer:
                return officer.orders(name=order)[0]
        except (mm.Refused, mm.Closed, OSError):
            return None
    return eventually(ask, "the order")


def order_of(mint, **more):
    body = mm.order_body(fresh("order"), UNITS, STATIONS, pattern="*", **more)
    with mint.client("officer") as officer:
        officer.statement([mint.state("order", body)])
    return body[0]


def keep(receipts, race):
    for answer in race.got.values():
        receipts.append(answer)


def judge(mint, order, receipts):
    """Everything that stations were given proves itself in the whole log,
    where the order's budget was kept."""
    audited = mint.audit()
    assert audited.used[order] == UNITS
    for answer in receipts:
        receipt = auditor.Receipt(answer[3], mint.vkey)
        receipt.proves_certificate(answer[1])
        assert audited.der[answer[0]] == answer[1]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_exactly_the_budget(mint, round_):
    dice = random.Random(SEED + round_)
    print(f"MINTMARK_SEED={SEED}")
    order, receipts = order_of(mint, reissue=REISSUES), []

    # More devices than units: so many get one, and no more.
    works = [(fresh("lamp"), new_csr()) for _ in range(2 * UNITS)]
    race = Race(mint, order, ask_issue, works)
    race_under_kills(mint, race, dice, kills=4)
    assert len(race.got) == UNITS
    assert set(race.refused) == {"order-exhausted"}
    assert len(race.refused["order-exhausted"]) == UNITS
    assert row(mint, order)[7] == UNITS
    keep(receipts, race)

    # Repairs of more devices than may be repaired.
    chosen = list(race.got)[:DEVICES]
    again = Race(mint, order, ask_reissue,
                 [(device, new_csr()) for device in chosen])
    race_under_kills(mint, again, dice, kills=3)
    assert len(again.got) == REISSUES
    assert set(again.refused) == {"reissue-exhausted"}
    found = row(mint, order)
    assert (found[7], found[8], found[10]) == (UNITS, REISSUES, REISSUES)
    keep(receipts, again)

    # One live certificate a device, the newest; no serial number twice.
    with mint.client() as client:
        for device, answer in {**race.got, **again.got}.items():
            assert client.show(device)[1] == answer[1]
    serials = [x509.load_der_x509_certificate(a[1]).serial_number
               for a in receipts]
    assert len(set(serials)) == len(serials) == UNITS + REISSUES
    mint.stop()
    judge(mint, order, receipts)
    mint.start()


def test_the_last_unit_of_all(mint):
    """One unit, asked for by both at once, many times over."""
    for _ in range(5):
        body = mm.order_body(fresh("order"), 1, STATIONS, pattern="*")
        with mint.client("officer") as officer:
            officer.statement([mint.state("order", body)])
        race = Race(mint, body[0], ask_issue,
                    [(fresh("lamp"), new_csr()) for _ in range(6)])
        with race:
            pass
        assert len(race.got) == 1
        assert len(race.refused["order-exhausted"]) == 5
