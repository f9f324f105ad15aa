"""Log, then sign, as the kernel sees it: in a trace of notary and token no
signature is made before the fsync of its entry."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import auditor
from mint import Mint, eventually, fresh, new_csr

SYNCS = {"fsync", "fdatasync", "sync_file_range", "msync"}
CALLS = ("fsync,fdatasync,sendto,sendmsg,sendmmsg,recvfrom,recvmsg,recvmmsg,"
         "read,write,pwrite64")


def strace_works():
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"],
                          capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip()


class Event:
    """A finished system call of a trace; its strings are as -xx has them."""

    def __init__(self, pid, begin, end, name, text):
        self.pid, self.begin, self.end = int(pid), begin, end
        self.name, self.text = name, text

    def touches(self, name):
        """Whether a path like this stands in it (-y)."""
        return name in self.text or escaped(name.encode()) in self.text


LINE = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*)<(\d+\.\d+)>$")
BEGUN = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*) <unfinished \.\.\.>$")
ENDED = re.compile(r"^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)$")


def read_trace(path):
    """Events by their end; -f cuts calls in two where others come between."""
    begun, out = {}, []
    for line in Path(path).read_text(errors="replace").splitlines():
        if match := BEGUN.match(line):
            begun[match[1]] = (float(match[2]), match[4])
        elif match := ENDED.match(line):
            begin, head = begun.pop(match[1], (float(match[2]), ""))
            out.append(Event(match[1], begin, float(match[2]), match[3],
                             head + match[4]))
        elif match := LINE.match(line):
            begin = float(match[2])
            out.append(Event(match[1], begin, begin + float(match[5]),
                             match[3], match[4]))
    return sorted(out, key=lambda e: e.end)


@pytest.fixture(scope="module")
def traced():
    """Some issuances, one after the other: (events, pids, answers, mint)."""
    why = strace_works()
    if why:
        pytest.skip(f"strace cannot be used here: {why}")
    mint = Mint()
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    try:
        mint.start()
        order = mint.new_order()
        pids = {role: mint.daemon.children()[role][0].pid
                for role in ("notary", "token", "authority")}
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-ttt", "-T", "-s", "200000", "-xx",
             "-y", "-e", f"trace={CALLS}", "-o", str(place / "trace"),
             *[w for p in pids.values() for w in ("-p", str(p))]],
            stderr=subprocess.PIPE, text=True)
        wait_traced(pids.values())
        answers = []
        with mint.client() as client:
            for _ in range(8):
                answers.append(client.issue(order, fresh("lamp"),
                                            new_csr()))
        with mint.client("release") as client:
            image, version = fresh("image").encode(), fresh("1")
            answers.append(client.release(
                client.upload(image), [mint.approve(image, version=version)],
                version=version))
            # What the tracer writes last may be cut.
            for _ in range(3):
                client.status()
        tracer.terminate()
        tracer.wait(30)
        tracer.stderr.close()
        mint.stop()
        audited = mint.audit()
        yield read_trace(place / "trace"), pids, answers, audited
    finally:
        mint.remove()
        shutil.rmtree(place, ignore_errors=True)


def wait_traced(pids):
    for pid in pids:
        def traced():
            text = Path(f"/proc/{pid}/status").read_text()
            return "TracerPid:\t0" not in text
        eventually(traced, "the tracer")


def escaped(data):
    """As strace -xx writes bytes."""
    return "".join(f"\\x{b:02x}" for b in data)


def first(events, pid, names, needle):
    """The first of these calls of a process that has the bytes in it."""
    for event in events:
        if event.pid == pid and event.name in names and needle in event.text:
            return event
    return None


SENDS = {"sendto", "sendmsg", "sendmmsg", "write"}
RECEIVES = {"recvfrom", "recvmsg", "recvmmsg", "read"}


def test_the_trace_has_the_token_s_answers(traced):
    """A trace without events would prove nothing."""
    events, pids, answers, audited = traced
    assert any(e.name in SYNCS and e.pid == pids["notary"] for e in events)
    for answer in answers:
        signature = audited.signatures[answer[0]]
        assert first(events, pids["token"], SENDS, escaped(signature))


def test_no_signature_before_the_fsync_of_its_entry(traced):
    """Entry reaches the notary; it syncs; only then the token hears of it,
    and only then its signature leaves the token."""
    events, pids, answers, audited = traced
    for answer in answers:
        index = answer[0]
        body = audited.certificates.get(index) or audited.images[index]
        needle = escaped(body[5])  # the TBS, or the digest
        came = first(events, pids["notary"], RECEIVES, needle)
        asked = first(events, pids["token"], RECEIVES, needle)
        signed = first(events, pids["token"], SENDS,
                       escaped(audited.signatures[index]))
        assert came and asked and signed, f"entry {index} is not in it"
        synced = [e for e in events if e.pid == pids["notary"]
                  and e.name in SYNCS and e.begin >= came.end
                  and e.end <= asked.begin + (asked.end - asked.begin)]
        stored = [e for e in synced if e.touches("log.db")]
        assert stored, (
            f"entry {index}: no fsync of the store between {came.end} and"
            f" {asked.end}")
        assert any(e.touches("anchor") for e in synced), (
            f"entry {index}: the anchor was not durable")
        assert stored[0].end <= signed.begin


def test_no_answer_before_its_signature_is_durable(traced):
    """The authority's answer comes after the next batch's fsync."""
    events, pids, answers, audited = traced
    for answer in answers:
        needle = escaped(audited.signatures[answer[0]])
        stored = first(events, pids["notary"], RECEIVES, needle)
        told = [e for e in events if e.pid == pids["authority"]
                and e.name in SENDS and needle in e.text]
        assert stored and len(told) >= 2, "to the notary, and to a gate"
        synced = [e for e in events if e.pid == pids["notary"]
                  and e.name in SYNCS and e.touches("log.db")
                  and e.begin >= stored.end]
        assert synced and synced[0].end <= told[-1].end


def test_every_signature_of_the_log_had_its_entry_first(traced):
    *_, audited = traced
    assert isinstance(audited, auditor.Auditor)
    assert len(audited.signatures) >= 9
