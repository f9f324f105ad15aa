"""A mint with the page of page.h beside its program: orders faults, asks for a
certificate or a firmware's signature, reports scrap, and holds the
invariants."""

import mmap
import os
import select
import shutil
import signal
import ssl
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from cryptography import x509

import auditor
import mintmark_client as mm
from mint import BUILD, ROOT, Daemon, Mint, fresh, mintmark, new_csr

PROGRAM = BUILD / "faults" / "mintmarkd"
MODULE = BUILD / "faults" / "module.so"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"

# page.h: their order is their number.
ROLES = ("supervisor gate authority notary token archive inspector").split()
OPERATIONS = "write fsync rename step alloc send tls init sign".split()
ACTIONS = ("none fail lie drop half twice flip before after torn"
           " hold-before hold-after hang").split()
(CLOCK, ROLE, OPERATION, ACTION, CAUSE, COUNTDOWN, STRUCK, HELD, GO_ON,
 COUNTS) = range(0, 80, 8)
OPERATIONS_MAX = 16

REQUEST_SECONDS = 14  # over the 10 s after which a client is told
SETTLE_SECONDS = float(os.environ.get('SETTLE', '40'))
# Deaths of one process after which the supervisor's delay grows tiresome.
DEATHS_MAX = 2
# An error that a client meets while something is put right; it asks again.
PASSING = {"starting", "stopping", "busy", "deadline", "token-unavailable",
           "token-failed", "store-failed", "upload-broken", "disk-full",
           "out-of-memory"}



def cose_digest(image):
    """RFC 9052 4.4: of a Sig_structure whose payload is the file."""
    return auditor.sha256(mm.encode(
        ["Signature1", mm.encode({1: -7}), b"", image]))


# What a release is signed by: its digest.
SIGNINGS = {"sha256-ecdsa": auditor.sha256, "cose-sign1": cose_digest}

# A sanitizer's, in a build with one.
REPORTS = ("Sanitizer", "runtime error")


class Broken(Exception):
    """An invariant does not hold."""


def need(condition, why):
    if not condition:
        raise Broken(why)


class Page:
    """The orders, in a file that every process of the mint maps."""

    def __init__(self, program):
        path = Path(f"{program}.faults")
        path.write_bytes(bytes(4096))
        with path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def get(self, at):
        return struct.unpack_from("<q", self.map, at)[0]

    def put(self, at, value):
        struct.pack_into("<q", self.map, at, value)

    def order(self, role, operation, action, nth, cause=0):
        for at, value in ((STRUCK, 0), (HELD, 0), (GO_ON, 0),
                          (ROLE, ROLES.index(role)),
                          (OPERATION, OPERATIONS.index(operation)),
                          (ACTION, ACTIONS.index(action)), (CAUSE, cause),
                          (COUNTDOWN, nth)):
            self.put(at, value)

    def struck(self):
        return self.get(STRUCK) != 0

    def holds(self):
        """Whether a process waits at its point."""
        return self.get(HELD) != 0

    def set_clock(self, seconds):
        """How wrong every process's wall clock is."""
        self.put(CLOCK, seconds)

    def disarm(self):
        """Whether it has struck; whoever waits goes on."""
        self.put(COUNTDOWN, 0)
        self.put(GO_ON, 1)
        return self.struck()

    def count(self, role, operation):
        return self.get(COUNTS + 8 * (
            ROLES.index(role) * OPERATIONS_MAX + OPERATIONS.index(operation)))


class Ended:
    """Waits for the end of processes, whoever reaps them."""

    def __init__(self, pids):
        self.fds = []
        for pid in pids:
            try:
                self.fds.append(os.pidfd_open(pid))
            except ProcessLookupError:
                pass

    def wait(self, seconds=30):
        for fd in self.fds:
            ready = select.select([fd], [], [], seconds)[0]
            os.close(fd)
            need(ready, "a process outlives the supervisor")


class Answer:
    """What one attempt came to: an answer, an error's name, or nothing."""

    def __init__(self, body=None, error=None, text="", how="answered"):
        self.body, self.error, self.how = body, error, how
        self.text = text

    def __str__(self):
        return f"{self.how}: {self.error} {self.text}"


class Issue:
    """A station asks for a device's certificate, always in the same words."""
    identity = "station"
    alone = False

    def __init__(self, mint):
        self.order = mint.order
        self.device, self.csr = fresh("lamp"), new_csr()
        self.id = os.urandom(16)

    def ask(self, client):
        return client.issue(self.order, self.device, self.csr,
                            request_id=self.id)

    def check(self, audited, answer, vkey):
        need(audited.der.get(answer[0]) == answer[1],
             f"{self.device}: the released certificate is not in the log")
        receipt = auditor.Receipt(answer[3], vkey)
        receipt.proves_certificate(answer[1])
        return [receipt]


class Release:
    """An engineer submits an image, brings its approval and fetches what is
    signed of it, by each signing of the product."""
    identity = "release"
    alone = True  # an upload ends with its connection, at the latest

    def __init__(self, mint):
        # Not what an image of some format begins with.
        self.image, self.version = b"F" + os.urandom(20_000), fresh("1")
        self.digests = {name: digest(self.image)
                        for name, digest in SIGNINGS.items()}
        self.statement = mint.approve(self.image, version=self.version,
                                      digests=self.digests)
        self.id = os.urandom(16)

    def ask(self, client):
        first, second = SIGNINGS
        return [client.release(client.upload(self.image), [self.statement],
                               version=self.version, scheme=first,
                               request_id=self.id),
                client.fetch(version=self.version, scheme=second)]

    def check(self, audited, answers, vkey):
        receipts = []
        for (name, digest), answer in zip(self.digests.items(), answers):
            need(audited.signatures.get(answer[0]) == answer[1],
                 f"{self.version}: the released signature is not in the log")
            entry = audited.images[answer[0]]
            need((entry[3], entry[4], entry[5]) == (
                auditor.sha256(self.image), name, digest),
                f"{self.version}: another image or digest was signed")
            receipts.append(auditor.Receipt(answer[4], vkey))
            need(receipts[-1].index == answer[0],
                 f"{self.version}: the receipt of another entry")
        receipts[0].proves_image(self.image, answers[0][1], answers[0][2])
        return receipts


class Report:
    """A station reports a unit that failed, always in the same words."""
    identity = "station"
    alone = False

    def __init__(self, mint):
        unit = Issue(mint)
        issued = mint.insist(unit)[0]
        mint.released.append((unit, issued))
        self.order, self.certificate = unit.order, issued[0]
        self.serial = x509.load_der_x509_certificate(
            issued[1]).serial_number.to_bytes(20, "big")
        self.id = os.urandom(16)

    def ask(self, client):
        return client.scrap(self.order, self.serial, request_id=self.id)

    def check(self, audited, answer, vkey):
        need(audited.scraps.get(self.certificate) == answer[0],
             f"entry {self.certificate}: the report of it is not in the log")
        receipt = auditor.Receipt(answer[1], vkey)
        need(receipt.index == answer[0],
             f"entry {self.certificate}: the receipt of another report")
        return [receipt]


REQUESTS = {"issue": Issue, "sign": Release, "scrap": Report}


class Mintage(Mint):
    """A mint under faults, and all that it has released."""

    def __init__(self, clock=0, **limits):
        # A clock a year ahead must not find everybody's TLS certificate over.
        text = (ROOT / "conf/policy.conf").read_text()
        with tempfile.TemporaryDirectory() as made:
            policy = Path(made) / "policy.conf"
            policy.write_text(text.replace(
                "validity = 30d", "validity = 3y", 1).replace(
                "schemes = {sha256-ecdsa}", "schemes = {%s}" % ", ".join(
                    SIGNINGS), 1))
            super().__init__(options=("--policy", policy))
        self.program = self.base / "mintmarkd"
        shutil.copy(PROGRAM, self.program)
        self.page = Page(self.program)
        self.page.set_clock(clock)
        # One gate, so that it is known whom a fault meets; a short deadline.
        self.own_settings = "gates = 1\n" + self.own_settings.replace(
            SOFTHSM, str(MODULE)).replace(
            "token {", "token {\n\tdeadline = 2s")
        self.limit(**limits)
        self.clients = {}
        self.released = []           # (request, answer)
        self.deaths = self.spoken = 0  # of processes; lines that told of it
        try:
            self.begin()
            self.order = self.new_order()
            self.be_well()  # first uses of everything are behind us
        except BaseException:
            self.remove()
            raise

    # --- its daemon ---

    def begin(self, *options):
        self.start(*options)
        self.deaths = self.spoken = 0

    def begin_to_start(self):
        """Whether it will serve is for the caller to see."""
        self.daemon = Daemon(self.config, program=self.program)
        self.heard = self.deaths = self.spoken = 0

    def pids(self, role):
        if role == "supervisor":
            return [self.daemon.process.pid]
        return [p.pid for p in self.daemon.children().get(role, [])]

    def kill_one(self, role):
        """kill -9 of one process; a supervisor's children leave with it."""
        pids = self.pids(role)
        ended = Ended(pids if role != "supervisor" else pids + [
            pid for each in ROLES[1:] for pid in self.pids(each)])
        os.kill(pids[0], signal.SIGKILL)
        ended.wait()

    def kill(self):
        """The end of all of them, without a word."""
        if self.daemon.process.poll() is None:
            self.kill_one("supervisor")
        daemon, self.daemon = self.daemon, None
        daemon.wait()
        self.hang_up()

    def stop(self):
        self.hang_up()
        super().stop()

    def bring_up(self):
        """As systemd does where the service has ended; True if it had."""
        if self.daemon.process.poll() is None:
            return False
        self.hang_up()
        self.daemon.wait()
        self.daemon = None
        self.begin()
        return True

    def count_deaths(self):
        """How many processes the supervisor has replaced since."""
        lines = [line or "" for line in self.daemon.lines]
        new, self.spoken = lines[self.spoken:], len(lines)
        for line in new:
            need(not any(word in line for word in REPORTS), line)
        deaths = sum("it starts again" in line for line in new)
        self.deaths += deaths
        return deaths

    # --- its people, who have the same clock ---

    def now(self):
        return int(time.time()) + self.page.get(CLOCK)

    def client(self, name="station", **more):
        if self.page.get(CLOCK) == 0:
            return super().client(name, **more)
        # Ours judges the appliance's certificate by the true time.
        context = mm.tls_context(self.identity(name))
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return mm.Client.over(mm.tls_connect(self.address, context, **more))

    def state(self, kind, body, **changes):
        changes.setdefault("made", self.now() - 1)
        return super().state(kind, body, **changes)

    def new_order(self, **more):
        more.setdefault("until", self.now() + 86400)
        return super().new_order(**more)

    def connected(self, name):
        if name not in self.clients:
            self.clients[name] = self.client(name, timeout=REQUEST_SECONDS)
        return self.clients[name]

    def hang_up(self, name=None):
        for one in [name] if name else list(self.clients):
            client = self.clients.pop(one, None)
            if client is not None:
                client.close()

    def attempt(self, request):
        """Asks once."""
        try:
            return Answer(request.ask(self.connected(request.identity)))
        except mm.Refused as e:
            if request.alone:
                self.hang_up(request.identity)
            return Answer(error=e.name, text=e.text, how="told")
        except (mm.Closed, OSError) as e:
            late = isinstance(e, TimeoutError)
            self.hang_up(request.identity)
            return Answer(error=str(e) or type(e).__name__,
                          how="silent" if late else "cut")

    def settle(self, request, first=None):
        """Asks until there is an answer, then once more: it is always the
        same. Gives whether the service had ended meanwhile."""
        ended = self.bring_up()
        answer, ended_again = self.insist(request)
        need(first is None or answer == first,
             "asked again, another answer came")
        need(self.insist(request)[0] == answer,
             "asked a third time, another answer came")
        self.released.append((request, answer))
        return ended or ended_again

    def be_well(self):
        """Whatever a fault has left behind, it signs again; and has a new
        life before the supervisor's delays grow."""
        for kind in REQUESTS.values():
            request = kind(self)
            self.released.append((request, self.insist(request)[0]))
        self.count_deaths()
        if self.deaths >= DEATHS_MAX:
            self.stop()
            self.begin()

    def insist(self, request):
        """(the answer, whether the service had to be started for it)"""
        end, ended = time.monotonic() + SETTLE_SECONDS, False
        while True:
            answer = self.attempt(request)
            if answer.body is not None:
                return answer.body, ended
            need(answer.how != "told" or answer.error in PASSING,
                 f"asked again, it is refused for good: {answer}")
            need(time.monotonic() < end,
                 f"asked again, it is never answered: {answer}")
            ended = self.bring_up() or ended
            time.sleep(0.01)

    def published(self):
        """Whether the directory has what was answered last."""
        try:
            size = auditor.open_checkpoint(
                (self.dir / "log/checkpoint").read_bytes(), self.vkey)[0]
        except (OSError, auditor.Wrong):
            return False
        return size >= self.logged()

    def logged(self):
        answer = self.attempt(Status())
        return answer.body[2] if answer.body else 1 << 62

    # --- the invariants ---

    def read_log(self):
        """What is in the directory, when both verifiers are content."""
        done = mintmark("log", "verify", "--key", self.dir / "public/log.vkey",
                        self.dir / "log", ok=None)
        need(done.returncode == 0, f"log verify: {done.stderr}{done.stdout}")
        entries = auditor.read_directory(self.dir / "log", self.vkey)
        return entries, auditor.audit_entries(entries, self.vkey)

    def prove(self):
        """Stops it and judges what it leaves: our own verifier, the
        independent auditor, and every answer that was ever released."""
        if self.daemon is not None:
            self.bring_up()
            self.stop()
        entries, audited = self.read_log()
        if audited.pending():
            # A stop does not wait for what has no token; a start does.
            self.begin()
            self.stop()
            entries, audited = self.read_log()
        need(not audited.pending(),
             f"neither signed nor void: {audited.pending()}")
        leaves = [auditor.leaf_hash(e) for e in entries]
        for receipt in [receipt for request, answer in self.released
                        for receipt in request.check(audited, answer,
                                                     self.vkey)]:
            need(entries[receipt.index] == receipt.entry,
                 "an acknowledged entry is gone")
            need(receipt.size <= len(entries) and auditor.tree_root(
                leaves[:receipt.size]) == receipt.root,
                "a receipt's checkpoint is of another log")
        need(audited.scraps.keys() <= audited.signatures.keys(),
             "what was never issued is scrap")
        devices = {r.device for r, _ in self.released if isinstance(r, Issue)}
        used = sum(audited.used.values())
        need(used == len(devices),
             f"{used} units are used for {len(devices)} devices")
        return audited


class Status:
    """Anybody's question, which touches nothing."""
    identity = "auditor"
    alone = False

    @staticmethod
    def ask(client):
        return client.status()
