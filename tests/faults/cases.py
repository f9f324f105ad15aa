"""The cases: which fault, where, and what a mint does about it. Each group of
them shares a mint, which is judged in the end."""

import errno
import os
import signal
import threading
import time
from collections import Counter

from mintage import REQUESTS, Answer, Mintage, need

import auditor
from mint import Daemon
from small_disk import NoDisk, SmallDisk


# PKCS#11: CKR_HOST_MEMORY and so on.
HOST_MEMORY, DEVICE_ERROR, DEVICE_REMOVED, SESSION_GONE = 2, 0x30, 0x32, 0xB3
SQLITE_NOMEM, SQLITE_IOERR, SQLITE_FULL = 7, 10, 13

BOTH = ("issue", "sign")
SCRAP = ("scrap",)
STORES = ["notary", "authority", "archive"]
SENDERS = ["gate", "authority", "notary", "token"]
# These two have a part in a signing alone.
HELPERS = ["supervisor", "inspector"]
SERVING = ["gate", "authority", "notary", "token", "archive"]
EVERYBODY = ["supervisor", *SERVING]

JUDGED = 100  # cases that a mint sees before it is judged
MISSES = 2    # numbers in a row that meet no call: that was the last one
ENOUGH = 50   # failures of a group: the others would say the same
HOUR = 3600
# A day less: the identities' certificates are for 365 days.
YEAR = 364 * 24 * HOUR
AGE = 2 * HOUR


class Fault:
    """A row of the table: the Nth of these calls of this process. `parts`:
    over how many groups the numbers are dealt."""

    def __init__(self, what, role, operation, action, cause=0, parts=1,
                 requests=BOTH, fresh=False):
        self.what, self.role, self.operation = what, role, operation
        self.action, self.cause = action, cause
        self.parts, self.requests = parts, requests
        self.fresh = fresh  # each case is the first request after a start


def faults(what, roles, operation, action, cause=0, **more):
    return [Fault(what, role, operation, action, cause, **more)
            for role in roles]


FAULTS = [
    *faults("allocation fails", ["authority"], "alloc", "fail", parts=8),
    *faults("allocation fails", ["archive", "token", "notary", "gate"],
            "alloc", "fail", parts=4),
    *faults("allocation fails", HELPERS, "alloc", "fail", parts=4,
            requests=("sign",)),
    *faults("allocation fails, first request", ["authority"], "alloc", "fail",
            parts=8, requests=("issue",), fresh=True),
    *faults("SQLite step: IOERR", STORES, "step", "fail", SQLITE_IOERR,
            parts=2),
    *faults("SQLite step: NOMEM", STORES, "step", "fail", SQLITE_NOMEM,
            parts=2),
    *faults("SQLite step: FULL", STORES, "step", "fail", SQLITE_FULL,
            parts=2),
    *faults("SQLite step: done, but IOERR", ["notary", "authority"], "step",
            "lie", SQLITE_IOERR),
    *faults("write: EIO", STORES, "write", "fail", errno.EIO),
    *faults("write: ENOSPC", STORES, "write", "fail", errno.ENOSPC),
    *faults("write: EIO", ["gate"], "write", "fail", errno.EIO,
            requests=("sign",)),
    *faults("write: EIO", ["inspector"], "write", "fail", errno.EIO,
            requests=("sign",)),
    *faults("write: ENOSPC", ["inspector"], "write", "fail", errno.ENOSPC,
            requests=("sign",)),
    *faults("write: half of it", STORES, "write", "half"),
    *faults("write: half of it", ["inspector"], "write", "half",
            requests=("sign",)),
    *faults("fsync: EIO", ["notary", "archive"], "fsync", "fail", errno.EIO),
    *faults("fsync: done, but EIO", ["notary", "archive"], "fsync", "lie",
            errno.EIO),
    *faults("fsync: EIO", ["inspector"], "fsync", "fail", errno.EIO,
            requests=("sign",)),
    *faults("fsync: done, but EIO", ["inspector"], "fsync", "lie", errno.EIO,
            requests=("sign",)),
    *faults("rename: EIO", ["archive"], "rename", "fail", errno.EIO),
    *faults("rename: EIO", ["authority"], "rename", "fail", errno.EIO,
            requests=("sign",)),
    *faults("send: ENOMEM", SENDERS, "send", "fail", errno.ENOMEM),
    *faults("send: ENOMEM", HELPERS, "send", "fail", errno.ENOMEM,
            requests=("sign",)),
    *faults("send: ENOBUFS", SENDERS, "send", "fail", errno.ENOBUFS),
    *faults("send: ENOBUFS", HELPERS, "send", "fail", errno.ENOBUFS,
            requests=("sign",)),
    *faults("send: sent twice", ["gate", "authority"], "send", "twice"),
    *faults("answer: cut short", ["notary", "token"], "send", "half"),
    *faults("answer: given twice", ["notary", "token"], "send", "twice"),
    *faults("answer: never sent", ["notary", "token"], "send", "drop"),
    *faults("to the client: EPIPE", ["gate"], "tls", "fail", errno.EPIPE),
    *faults("C_SignInit: device error", ["token"], "init", "fail",
            DEVICE_ERROR),
    *faults("C_SignInit: session gone", ["token"], "init", "fail",
            SESSION_GONE),
    *faults("C_Sign: device error", ["token"], "sign", "fail", DEVICE_ERROR),
    *faults("C_Sign: device removed", ["token"], "sign", "fail",
            DEVICE_REMOVED),
    *faults("C_Sign: no memory", ["token"], "sign", "fail", HOST_MEMORY),
    *faults("C_Sign: signed, but an error", ["token"], "sign", "lie",
            DEVICE_ERROR),
    *faults("C_Sign: a wrong bit", ["token"], "sign", "flip"),
    *faults("C_Sign: half a signature", ["token"], "sign", "half"),
    *faults("C_Sign: hangs", ["token"], "sign", "hang"),
    *faults("killed before fsync", ["notary", "archive"], "fsync", "before"),
    *faults("killed after fsync", ["notary", "archive"], "fsync", "after"),
    *faults("killed before fsync", ["inspector"], "fsync", "before",
            requests=("sign",)),
    *faults("killed after fsync", ["inspector"], "fsync", "after",
            requests=("sign",)),
    *faults("killed before a write", STORES, "write", "before"),
    *faults("killed in a write", STORES, "write", "torn"),
    *faults("killed in a write", ["inspector"], "write", "torn",
            requests=("sign",)),
    *faults("killed before rename", ["archive"], "rename", "before"),
    *faults("killed after rename", ["archive"], "rename", "after"),
    *faults("killed before rename", ["authority"], "rename", "before",
            requests=("sign",)),
    *faults("killed after rename", ["authority"], "rename", "after",
            requests=("sign",)),
    *faults("killed before C_Sign", ["token"], "sign", "before"),
    *faults("killed after C_Sign", ["token"], "sign", "after"),
    *faults("killed before sending", SENDERS, "send", "before"),
    *faults("killed before sending", HELPERS, "send", "before",
            requests=("sign",)),
    *faults("killed after sending", SENDERS, "send", "after"),
    *faults("killed after sending", HELPERS, "send", "after",
            requests=("sign",)),
    *faults("killed after the client's answer", ["gate"], "tls", "after"),
    # A report of scrap, which no token has a part in.
    *faults("allocation fails", ["authority", "archive"], "alloc", "fail",
            parts=4, requests=SCRAP),
    *faults("SQLite step: IOERR", STORES, "step", "fail", SQLITE_IOERR,
            requests=SCRAP),
    *faults("write: ENOSPC", STORES, "write", "fail", errno.ENOSPC,
            requests=SCRAP),
    *faults("fsync: EIO", ["notary"], "fsync", "fail", errno.EIO,
            requests=SCRAP),
    *faults("fsync: done, but EIO", ["notary"], "fsync", "lie", errno.EIO,
            requests=SCRAP),
    *faults("send: ENOMEM", ["gate", "authority", "notary"], "send", "fail",
            errno.ENOMEM, requests=SCRAP),
    *faults("send: sent twice", ["gate", "authority"], "send", "twice",
            requests=SCRAP),
    *faults("answer: given twice", ["notary"], "send", "twice",
            requests=SCRAP),
    *faults("killed before fsync", ["notary"], "fsync", "before",
            requests=SCRAP),
    *faults("killed after fsync", ["notary"], "fsync", "after",
            requests=SCRAP),
    *faults("killed in a write", ["notary", "authority"], "write", "torn",
            requests=SCRAP),
    *faults("killed before sending", ["gate", "authority", "notary"], "send",
            "before", requests=SCRAP),
    *faults("killed after sending", ["gate", "authority", "notary"], "send",
            "after", requests=SCRAP),
    *faults("killed after the client's answer", ["gate"], "tls", "after",
            requests=SCRAP),
]

# Where one process waits, right behind the point, while another is killed.
POINTS = [("notary", "fsync"), ("archive", "fsync"), ("token", "sign"),
          ("gate", "send"), ("authority", "send"), ("notary", "send"),
          ("token", "send")]
# And where an image is kept, and read again to prove what was signed.
IMAGE_POINTS = [("inspector", "fsync"), ("authority", "rename"),
                ("inspector", "send")]

# Where a start, after a crash that left an entry unsigned, is killed again.
STARTING = [("supervisor", "send"), ("notary", "write"), ("notary", "fsync"),
            ("notary", "send"), ("archive", "fsync"), ("archive", "rename"),
            ("archive", "send"), ("token", "sign"), ("token", "send"),
            ("authority", "write"),
            ("authority", "send"), ("gate", "send")]


class Row:
    """What came of the cases of one group."""

    def __init__(self, group):
        self.what, self.role = group.what, group.role
        self.request = group.request
        self.cases = 0
        self.outcomes = Counter()
        self.failures = []   # (number, what happened)
        self.skipped = ""

    def add(self, other):
        self.cases += other.cases
        self.outcomes += other.outcomes
        self.failures += other.failures
        self.skipped = self.skipped or other.skipped


class Group:
    """Cases are numbered from 1 on; they end where there is no such call."""
    first = step = 1
    last = 100_000
    slow = False      # seconds a case
    mint = None

    def name(self):
        return f"{self.what} | {self.role} | {self.request}"

    def open(self):
        """The mint for some cases."""
        return Mintage()

    def close(self, mint):
        mint.remove()

    def run(self, wanted=None):
        """All its cases, or those of the numbers in `wanted`."""
        row, missed = Row(self), 0
        numbers = sorted(wanted) if wanted else range(
            self.first, self.last + 1, self.step)
        try:
            for n in numbers:
                missed = 0 if self.one(row, n) else missed + 1
                if missed == MISSES or len(row.failures) == ENOUGH:
                    break
            self.judge(row)
        except NoDisk as e:
            row.skipped = str(e)
        finally:
            self.drop()
        return row

    def one(self, row, n):
        """Whether there is a case n; what came of it is in the row."""
        try:
            self.mint = self.mint or self.open()
            outcome = self.case(self.mint, n)
            self.mint.be_well()
            if outcome is None:
                return False
        except NoDisk:
            raise
        except Exception as e:  # of whatever kind, it is this case's
            row.failures.append((n, describe(self.mint, e)))
            self.drop()
            outcome = None
        row.cases += 1
        if outcome is not None:
            row.outcomes[outcome] += 1
        if row.cases % JUDGED == 0:
            self.judge(row)
        return True

    def judge(self, row):
        """The end of a mint."""
        if self.mint is None:
            return
        try:
            self.mint.prove()
        except Exception as e:
            row.failures.append((0, f"in the end: {e}"))
        self.drop()

    def drop(self):
        mint, self.mint = self.mint, None
        if mint is not None:
            self.close(mint)


def describe(mint, error):
    said = mint.daemon.said() if mint and mint.daemon else ""
    lines = "".join(f"\n    {line}" for line in said.splitlines()[-12:])
    return f"{type(error).__name__}: {error}{lines}"


def outcome(how, replaced, ended):
    """What the client saw, and what had to be started anew."""
    if ended:
        return f"{how}, restarted"
    return f"{how}, replaced" if replaced else how


def wait_for(question, what, seconds=60):
    end = time.monotonic() + seconds
    while not question():
        need(time.monotonic() < end, f"it never came: {what}")
        time.sleep(0.002)


class FaultGroup(Group):
    """The Nth call of an operation fails, or is its process's last."""

    def __init__(self, fault, request, part=0):
        self.fault, self.request = fault, request
        self.what, self.role = fault.what, fault.role
        self.first, self.step = part + 1, fault.parts
        self.slow = fault.action in ("drop", "hang")

    def case(self, mint, n):
        fault, page = self.fault, mint.page
        request = REQUESTS[self.request](mint)
        archive = fault.role == "archive"
        if fault.fresh:
            mint.stop()
            mint.begin()
        mint.connected(request.identity)
        if archive:  # it works behind the answers
            mint.connected("auditor")
            wait_for(mint.published, "the directory")
        page.order(fault.role, fault.operation, fault.action, n, fault.cause)
        first = mint.attempt(request)
        if archive:
            wait_for(lambda: page.struck() or mint.published(),
                     "the directory")
        struck = page.disarm()
        need(struck or first.body is not None, f"without a fault: {first}")
        ended = mint.settle(request, first.body)
        if archive:
            wait_for(mint.published, "the directory, after the fault")
        replaced = mint.count_deaths()
        return outcome(first.how, replaced, ended) if struck else None


class Asking(threading.Thread):
    """A request on its way, in a thread of its own."""

    def __init__(self, mint, request):
        super().__init__(daemon=True)
        self.mint, self.request = mint, request
        self.answer = Answer()
        self.start()

    def run(self):
        self.answer = self.mint.attempt(self.request)


class KillGroup(Group):
    """One process waits right behind its commit point; another is killed."""

    def __init__(self, victim, point, request):
        self.victim, self.point, self.request = victim, point, request
        self.role = victim
        self.what = f"killed when the {point[0]} is past {verb(point[1])}"

    def case(self, mint, n):
        request, page = REQUESTS[self.request](mint), mint.page
        archive = self.point[0] == "archive"
        mint.connected(request.identity)
        if archive:
            mint.connected("auditor")
            wait_for(mint.published, "the directory")
        page.order(*self.point, "hold-after", n)
        asking = Asking(mint, request)
        wait_for(lambda: page.struck() or not asking.is_alive(), "the point")
        if archive:
            asking.join()
            wait_for(lambda: page.struck() or mint.published(),
                     "the directory")
        struck = page.struck()
        if struck:
            wait_for(page.holds, "the point's end")
            mint.kill_one(self.victim)
        page.disarm()
        asking.join()
        ended = mint.settle(request, asking.answer.body)
        replaced = mint.count_deaths()
        if not struck:
            return None
        return outcome(asking.answer.how, replaced, ended)


def verb(operation):
    return {"send": "sending", "sign": "C_Sign"}.get(operation, operation)


class StartGroup(Group):
    """It was killed with an entry unsigned; its next start is killed, too."""
    request = "start"

    def __init__(self, point):
        self.point = point
        self.role = point[0]
        self.what = f"killed before {verb(point[1])}"

    def case(self, mint, n):
        request, page = REQUESTS["issue"](mint), mint.page
        self.leave_unsigned(mint, request)
        page.order(*self.point, "before", n)
        how = self.half_a_start(mint)
        struck = page.disarm()
        mint.bring_up()
        mint.settle(request)
        mint.count_deaths()
        return how if struck else None

    @staticmethod
    def leave_unsigned(mint, request):
        mint.connected(request.identity)
        mint.page.order("token", "sign", "hold-before", 1)
        asking = Asking(mint, request)
        wait_for(mint.page.struck, "the token's turn")
        mint.kill()
        mint.page.disarm()
        asking.join()

    @staticmethod
    def half_a_start(mint):
        """Until it serves, or has ended."""
        mint.begin_to_start()
        daemon = mint.daemon
        wait_for(lambda: any(line is None or "ready: " in line
                             for line in list(daemon.lines)), "a start")
        if None in daemon.lines:
            return "restarted"
        mint.address = daemon.wait_ready()
        return "replaced" if mint.page.struck() else "started"


class HangGroup(Group):
    """A process stands still (SIGSTOP) for as long as a client waits."""
    last = 1
    slow = True
    what = "stopped (SIGSTOP)"

    def __init__(self, victim, request):
        self.role, self.request = victim, request

    def case(self, mint, n):
        request = REQUESTS[self.request](mint)
        mint.connected(request.identity)
        pids = mint.pids(self.role)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        first = mint.attempt(request)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass  # it was replaced
        ended = mint.settle(request, first.body)
        return outcome(first.how, mint.count_deaths(), ended)


class DiskGroup(Group):
    """A file system that is full, but for so many bytes."""
    room = [0, 4096, 16384, 65536, 131072, 262144, 524288, 1 << 20,
            (1 << 20) + 65536, 1 << 21]
    last = len(room)
    slow = True

    def __init__(self, place, request):
        self.place, self.request = place, request
        self.what, self.role = f"disk full: {place}", OWNERS[place]

    def open(self):
        mint = Mintage(reserve="1M")
        try:
            mint.stop()
            mint.disk = SmallDisk(mint, self.place)
        except BaseException:
            mint.remove()
            raise
        mint.begin()
        return mint

    def close(self, mint):
        if mint.daemon is not None:
            mint.kill()
        mint.disk.remove()
        mint.remove()

    def case(self, mint, n):
        request = REQUESTS[self.request](mint)
        mint.connected(request.identity)
        mint.disk.fill(self.room[n - 1])
        first = mint.attempt(request)
        if first.body is None:
            need(first.error in FULL[self.place], f"it is told {first}")
        self.while_full(mint)
        mint.disk.free()
        ended = mint.settle(request, first.body)
        need(not ended, "the service ended")
        return outcome(first.how, mint.count_deaths(), ended)

    def while_full(self, mint):
        """What was released stays to be had."""
        if self.place != "index":
            request, answer = mint.released[-1]
            need(mint.insist(request)[0] == answer, "another answer came")


OWNERS = {"state": "notary", "anchor": "notary", "log": "archive",
          "index": "authority"}
# What a client may be told; nobody but the log's own disk holds it up.
FULL = {"state": {"disk-full"}, "anchor": set(), "log": set(),
        "index": {"disk-full", "starting"}}


class LateDiskGroup(DiskGroup):
    """The disk is full when the entry is in the log and not yet signed."""
    room = [4096 * n for n in range(12)]
    last = len(room)

    def __init__(self, request):
        super().__init__("state", request)
        self.what = "disk full after C_Sign: state"

    def case(self, mint, n):
        request, page = REQUESTS[self.request](mint), mint.page
        mint.connected(request.identity)
        page.order("token", "sign", "hold-after", 1)
        asking = Asking(mint, request)
        wait_for(page.holds, "the signature")
        mint.disk.fill(self.room[n - 1])
        page.disarm()
        asking.join()
        first = asking.answer
        if first.body is None:
            need(first.error in FULL["state"], f"it is told {first}")
        mint.disk.free()
        ended = mint.settle(request, first.body)
        need(not ended, "the service ended")
        return outcome(first.how, mint.count_deaths(), ended)


class AgedGroup(Group):
    """The identities are some hours old, as they are anywhere: a clock that
    is an hour behind still finds them valid."""
    last = 1
    role = "authority"

    def open(self):
        mint = Mintage(clock=AGE)
        mint.settle(REQUESTS["issue"](mint))
        return mint


class ClockGroup(AgedGroup):
    """The wall clock changes while it serves."""

    def __init__(self, what, seconds, error, request):
        self.what, self.seconds, self.error = what, seconds, error
        self.request = request

    def case(self, mint, n):
        request = REQUESTS[self.request](mint)
        mint.connected(request.identity)
        before, last = made(mint), mint.released[-1]
        mint.page.set_clock(AGE + self.seconds)
        first = mint.attempt(request)
        need(first.error == self.error, f"it is told {first}")
        # Reading goes on, and what was released is given again.
        need(mint.insist(last[0])[0] == last[1], "another answer came")
        need(made(mint) == before, "something was made to be signed")
        mint.page.set_clock(AGE)
        ended = mint.settle(request)
        need(not ended, "the service ended")
        return outcome(first.how, mint.count_deaths(), ended)


class StartClockGroup(AgedGroup):
    """It starts a year later, or so the clock says: only --accept-time."""
    what, request = "clock a year ahead at a start", "start"

    def case(self, mint, n):
        mint.stop()
        mint.page.set_clock(YEAR)
        daemon = Daemon(mint.config, program=mint.program)
        need(daemon.wait() != 0, "it went on")
        need("clock" in daemon.said(), f"it said {daemon.said()!r}")
        mint.begin("--accept-time")
        mint.order = mint.new_order()
        mint.settle(REQUESTS["issue"](mint))
        mint.settle(REQUESTS["sign"](mint))
        return "told, restarted"


def made(mint):
    """How many entries there are to be signed."""
    return sum(entry[0] in (auditor.CERTIFICATE, auditor.IMAGE)
               for entry in mint.entries())


def all_groups():
    """Those that take longest first."""
    for fault in FAULTS:
        for request in fault.requests:
            for part in range(fault.parts):
                yield FaultGroup(fault, request, part)
    for victim in EVERYBODY:
        for request in BOTH:
            yield HangGroup(victim, request)
    for place in OWNERS:
        for request in BOTH:
            yield DiskGroup(place, request)
    for request in BOTH:
        yield LateDiskGroup(request)
        yield ClockGroup("clock an hour back", -HOUR, "clock-behind", request)
        yield ClockGroup("clock a year ahead", YEAR, "clock-jumped", request)
    yield StartClockGroup()
    for point in STARTING:
        yield StartGroup(point)
    for point in POINTS:
        for victim in EVERYBODY:
            for request in BOTH:
                if victim != point[0]:
                    yield KillGroup(victim, point, request)
    for point in IMAGE_POINTS:
        for victim in EVERYBODY:
            if victim != point[0]:
                yield KillGroup(victim, point, "sign")
    for victim in ("gate", "authority", "supervisor"):
        yield KillGroup(victim, ("notary", "fsync"), "scrap")
    yield DiskGroup("state", "scrap")
    yield ClockGroup("clock an hour back", -HOUR, "clock-behind", "scrap")
    yield ClockGroup("clock a year ahead", YEAR, "clock-jumped", "scrap")
