"""A mint for the tests: an installation that `mintmark quickstart` makes, and
the mintmarkd that serves it. Whatever is waited for is an event: a line that
the daemon writes, a process that ends, an answer.
"""

import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

import auditor
import mintmark_client as mm

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("MINTMARK_BUILD", "build")).resolve()
MINTMARK = BUILD / "mintmark"
MINTMARKD = BUILD / "mintmarkd"
VECTORS = ROOT / "tests" / "vectors"
NOWHERE = "127.0.0.1:1"
PATIENCE = 60  # seconds; nothing takes so long that works

# What a mint says when a process of it has come to harm.
HARM = ("it starts again", "was killed", "broke the protocol", "signal ",
        "AddressSanitizer", "runtime error", "lines were lost")


def run(*words, ok=(0,), timeout=PATIENCE, **more):
    """A command that ends as expected; else all that it said."""
    words = [str(w) for w in words]
    more.setdefault("text", True)
    done = subprocess.run(words, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, **more)
    assert ok is None or done.returncode in ok, (
        f"{' '.join(words)}\nended with {done.returncode}, not {ok}\n"
        f"stdout: {done.stdout}\nstderr: {done.stderr}")
    return done


def mintmark(*words, **more):
    return run(MINTMARK, *words, **more)


def die_with_parent():
    """Runs in the child: a daemon does not outlive its test. Ctrl-C reaches
    it also where the tests run in the background, which have it ignored."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Daemon:
    """One running mintmarkd; its lines are kept as they come."""

    def __init__(self, config, *options, wrapper=(), program=MINTMARKD):
        self.lines = []
        self.news = threading.Condition()
        self.process = subprocess.Popen(
            [*map(str, wrapper), str(program), "-c", str(config),
             *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace",
            preexec_fn=die_with_parent)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line.rstrip("\n"))
                self.news.notify_all()
        with self.news:
            self.lines.append(None)  # its end
            self.news.notify_all()

    def said(self):
        return "\n".join(line for line in self.lines if line is not None)

    def wait_line(self, text, since=0, timeout=PATIENCE):
        """The first line from `since` on that has `text` in it."""
        end = time.monotonic() + timeout
        with self.news:
            while True:
                for line in self.lines[since:]:
                    if line is not None and text in line:
                        return line
                gone = self.lines and self.lines[-1] is None
                left = end - time.monotonic()
                assert not gone and left > 0, (
                    f"mintmarkd {'ended' if gone else 'went on'} without "
                    f"saying {text!r}:\n{self.said()}")
                self.news.wait(left)

    def wait_ready(self):
        """The address that it serves."""
        host, port = self.wait_line("ready: ").split()[-1].rsplit(":", 1)
        return host, int(port)

    def supervisor(self):
        """The supervisor, which may be the child of a tracer."""
        for process in [psutil.Process(self.process.pid),
                        *psutil.Process(self.process.pid).children()]:
            if "mintmarkd" in process.name():
                return process
        raise AssertionError("there is no supervisor")

    def children(self):
        """role -> processes."""
        out = {}
        for child in self.supervisor().children():
            try:
                line = child.cmdline()
            except psutil.Error:
                continue
            if "--role" in line:
                out.setdefault(line[line.index("--role") + 1],
                               []).append(child)
        return out

    def wait(self, timeout=PATIENCE):
        """Its exit status, when all of its lines are here."""
        status = self.process.wait(timeout)
        self.reader.join(timeout)
        self.process.stderr.close()
        return status


def wait_gone(processes, timeout=PATIENCE):
    gone, alive = psutil.wait_procs(processes, timeout)
    assert not alive, f"still there: {[p.cmdline() for p in alive]}"


class Mint:
    """An installation in a directory of its own."""
    program = MINTMARKD

    def __init__(self, limits=None, units=100000, directory=None,
                 options=()):
        self.base = Path(directory or tempfile.mkdtemp(prefix="mintmark-"))
        self.dir = self.base / "mint"
        self.config = self.dir / "appliance.conf"
        try:
            mintmark("quickstart", "--dir", self.dir, "--listen",
                     NOWHERE, "--units", units, *options)
        except BaseException:
            shutil.rmtree(self.base, ignore_errors=True)
            raise
        # Whichever port is free; the daemon says which.
        self.own_settings = self.config.read_text().replace(
            f'"{NOWHERE}"', '"127.0.0.1:0"')
        self.limit(**(limits or {}))
        self.vkey_text = (self.dir / "public/log.vkey").read_text().strip()
        self.vkey = auditor.Vkey(self.vkey_text)
        self.origin = self.vkey.name
        self.officer = mm.Officer.read(self.dir / "officer/officer.key")
        self.daemon = None
        self.address = None
        self.heard = 0

    def limit(self, **limits):
        """Writes the settings with these limits. Tests hurry: how often a
        principal may ask is limited where a test says so."""
        limits.setdefault("requests_a_minute", 0)
        lines = "".join(f"\t{k.replace('_', '-')} = {v}\n"
                        for k, v in limits.items())
        text = self.own_settings
        if lines:
            text += f"limits {{\n{lines}}}\n"
        self.config.write_text(text)

    # --- the daemon ---

    def start(self, *options, wrapper=()):
        assert self.daemon is None
        self.daemon = Daemon(self.config, *options, wrapper=wrapper,
                             program=self.program)
        self.heard = 0
        self.address = self.daemon.wait_ready()
        for place in (self.dir / "identities").glob("*/appliance"):
            place.write_text("%s:%d localhost\n" % self.address)
        return self.daemon

    def stop(self):
        """Stops it as systemd does: it leaves with 0, and nothing stays."""
        daemon, self.daemon = self.daemon, None
        children = [c for cs in daemon.children().values() for c in cs]
        daemon.supervisor().terminate()
        status = daemon.wait()
        assert status == 0, f"it ended with {status}:\n{daemon.said()}"
        wait_gone(children)

    def kill(self):
        """kill -9 of the supervisor; the children see it and leave."""
        daemon, self.daemon = self.daemon, None
        children = [c for cs in daemon.children().values() for c in cs]
        daemon.supervisor().kill()
        daemon.wait()
        wait_gone(children)

    def restart(self, *options):
        self.stop()
        return self.start(*options)

    def audit(self, pending=()):
        """The independent auditor over the tiles, and ours."""
        run(MINTMARK, "log", "verify", "--jobs", "1", "--key",
            self.dir / "public/log.vkey", self.dir / "log")
        audited = auditor.audit_directory(self.dir / "log", self.vkey)
        assert audited.pending() == list(pending), (
            f"neither signed nor void: {audited.pending()}")
        return audited

    def settled(self):
        """Waits until all that is in the log is signed or void: requests
        whose connection was lost are decided without anybody waiting."""
        def decided():
            try:
                return not auditor.audit_directory(
                    self.dir / "log", self.vkey).pending()
            except (auditor.Wrong, FileNotFoundError):
                return False  # it is being written; audit() judges it
        eventually(decided, "the last decision")

    def unharmed(self):
        """No process has come to harm since the last time."""
        lines = [line or "" for line in self.daemon.lines]
        new, self.heard = lines[self.heard:], len(lines)
        bad = [line for line in new if any(h in line for h in HARM)]
        assert not bad, "a process came to harm:\n" + "\n".join(bad)
        assert self.daemon.process.poll() is None, self.daemon.said()

    def remove(self):
        """In any state: ends what runs and deletes the directory."""
        if self.daemon is not None:
            try:
                self.kill()
            except psutil.NoSuchProcess:
                self.daemon = None
        shutil.rmtree(self.base, ignore_errors=True)

    # --- its people ---

    def identity(self, name):
        return self.dir / "identities" / name

    def client(self, name="station", **more):
        return mm.Client(self.identity(name), self.address, **more)

    def state(self, kind, body, **changes):
        return self.officer.state(self.origin, kind, body, **changes)

    def new_order(self, units=1000, stations=("station",), name=None,
                  until=None, **devices):
        """A new order's name."""
        name = name or fresh("order")
        if not devices:
            devices = {"pattern": "*"}
        statement = self.state("order", mm.order_body(
            name, units, stations, until=until, **devices))
        with self.client("officer") as officer:
            officer.statement([statement])
        return name

    def new_principal(self, role, name=None, key=None, **more):
        """Registers a principal; gives its identity directory."""
        name = name or fresh(role)
        key = key or new_key()
        if role == "station":
            more.setdefault("profiles", ["device"])
        statement = self.state("principal", mm.principal_body(
            name, role, spki_hash(key), **more))
        with self.client("officer") as officer:
            answer = officer.statement([statement], csr=new_csr(key))
        self.move_in(name, key, answer[2])
        return name

    def move_in(self, name, key, certificate):
        """The identity directory of a principal."""
        place = self.identity(name)
        shutil.copytree(self.identity("auditor"), place)
        write_key(place / "key.pem", key)
        (place / "certificate.pem").write_bytes(to_pem(certificate))

    def approve(self, image, **more):
        """A release statement over the image."""
        return self.state("release", mm.release_body(image, **more))

    def entries(self):
        with self.client("auditor") as c:
            return [mm.decode(e) for e in c.all_entries()]

    def count(self, kind):
        """How many entries of this kind there are."""
        return sum(e[0] == kind for e in self.entries())


# ------------------------------------------------------------ keys and CSRs

def fresh(what):
    return f"{what}-{uuid.uuid4().hex[:12]}"


def new_key(kind="P-256"):
    if kind == "P-384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def new_csr(key=None):
    """DER of a CSR; what its subject says does not matter."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ignored")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name)
    return csr.sign(key or new_key(), hashes.SHA256()).public_bytes(
        serialization.Encoding.DER)


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def spki_hash(key):
    return hashlib.sha256(spki(key)).digest()


def write_key(path, key):
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))


def to_pem(der):
    return x509.load_der_x509_certificate(der).public_bytes(
        serialization.Encoding.PEM)


# -------------------------------------------------------------- expectations

class refused:
    """`with refused("order-closed"):` wants just that named error."""

    def __init__(self, *names):
        self.names = names
        self.error = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        assert error is not None, f"it was not refused ({self.names})"
        if not isinstance(error, mm.Refused):
            return False
        assert error.name in self.names, (
            f"refused with {error}, not {self.names}")
        self.error = error
        return True


def eventually(question, what, timeout=PATIENCE):
    """Asks until the answer is true: for what sends no event."""
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, f"it never came: {what}"
        time.sleep(0.02)


def nothing_signed(mint):
    """`with nothing_signed(mint):` no certificate or image is logged."""
    return NothingSigned(mint)


class NothingSigned:
    def __init__(self, mint):
        self.mint = mint

    def made(self):
        return sum(e[0] in (auditor.CERTIFICATE, auditor.IMAGE)
                   for e in self.mint.entries())

    def __enter__(self):
        self.before = self.made()

    def __exit__(self, kind, *_):
        if kind is None:
            after = self.made()
            assert after == self.before, (
                f"{after - self.before} entries were made to be signed")


def refusals(mint, principal, reason):
    """The logged refusals of a principal for a reason."""
    return [item for entry in mint.entries() if entry[0] == auditor.REFUSAL
            for item in entry[3][0]
            if item[0] == principal and item[2] == reason]
