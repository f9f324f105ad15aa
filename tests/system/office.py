"""Officers at their own computers: each has a key file, and says everything
by `mintmark`."""

import json
import os
import pty
import re
import select
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from mint import PATIENCE, Mint, mintmark

KINDS = ("order", "release", "revoke", "principal", "policy", "ceremony")


class Office:
    """A mint's officers: `first`, who was there at its birth, ada and bob."""

    def __init__(self, mint, place):
        self.mint, self.place = mint, place
        self.keys = {"first": mint.dir / "officer/officer.key"}
        self.public = {"first": mint.officer.public.hex()}
        for name in ("ada", "bob"):
            self.keys[name] = place / f"{name}.key"
            said = mintmark("officer", "keygen", "--unprotected", "--json",
                            "--name", name, self.keys[name])
            self.public[name] = json.loads(said.stdout)["key"]
        self.number = 1

    def say(self, *words, by=None, identity="officer", **more):
        """A command of an officer's, or of somebody else's."""
        words = [*words, "--identity", self.mint.identity(identity)]
        if by is not None:
            words += ["--officer", self.keys[by]]
        return mintmark(*words, **more)

    def json(self, *words, **more):
        return json.loads(self.say(*words, "--json", **more).stdout)

    def refused(self, name, *words, status=77, **more):
        """It ends with this status and names this error, in one line."""
        done = self.say(*words, ok=(status,), **more)
        line = done.stderr.strip().splitlines()[-1]
        assert f": {name}: " in line, done.stderr
        assert done.stdout == ""
        return line

    def text(self, number, threshold=2, names=("ada", "bob", "first"),
             **changes):
        """A policy's text: the first one's, with these officers."""
        text = (self.mint.dir / "policy.conf").read_text()
        text = text[:text.rindex("\nofficer ")]
        text = re.sub(r"^number = \d+", f"number = {number}", text,
                      flags=re.M)
        for kind in KINDS:
            text = re.sub(rf"^\t{kind} = \d+", f"\t{kind} = {threshold}",
                          text, flags=re.M)
        for old, new in changes.get("replace", ()):
            assert old in text, old
            text = text.replace(old, new)
        return text + "".join(
            f'\nofficer "{name}" {{\n\tkey = "{self.public[name]}"\n}}\n'
            for name in names)

    def file(self, name, content):
        path = self.place / name
        if isinstance(content, str):
            path.write_text(content)
        else:
            path.write_bytes(content)
        return path

    def strict(self, threshold=2):
        """From now on every statement wants two of the three."""
        self.number += 1
        path = self.file("strict.conf", self.text(self.number, threshold))
        assert self.json("policy", "propose", path,
                         by="first")["state"] == "in-force"

    def pending(self):
        return self.json("pending", "list")["pending"]

    def entries(self, kind):
        return [e for e in self.mint.entries() if e[0] == kind]


@contextmanager
def open_office(threshold=2):
    """A running mint with three officers, audited in the end."""
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    mint = Mint()
    try:
        mint.start()
        office = Office(mint, place)
        if threshold > 1:
            office.strict(threshold)
        yield office
        mint.unharmed()
        mint.stop()
        mintmark("log", "verify", "--key", mint.dir / "public/log.vkey",
                 mint.dir / "log")
    finally:
        mint.remove()
        shutil.rmtree(place, ignore_errors=True)


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *words):
        self.shown = b""
        words = [str(word) for word in words]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # Who runs the tests in the background ignores these.
            for number in (signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            os.execvp(words[0], words)

    def read_more(self, timeout):
        """False where nothing comes, or the other side is closed."""
        ready, _, _ = select.select([self.fd], [], [], timeout)
        try:
            more = os.read(self.fd, 65536) if ready else b""
        except OSError:
            more = b""
        self.shown += more
        return bool(more)

    def wait_for(self, text, times=1):
        end = time.monotonic() + PATIENCE
        while self.shown.count(text.encode()) < times:
            assert time.monotonic() < end, self.shown.decode()
            self.read_more(1)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """(exit status or -signal, all that it showed)"""
        end = time.monotonic() + PATIENCE
        while self.read_more(1) or os.waitid(
                os.P_PID, self.pid,
                os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), self.shown.decode()
