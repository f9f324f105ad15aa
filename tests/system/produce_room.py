"""A station at work: a template with its files, a list, a run's directory, and
what must be true of it when the run is over."""

import csv
import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from mint import MINTMARK, die_with_parent, eventually, mintmark, run

TABLE = """\
# Name, Type, SubType, Offset, Size
nvs, data, nvs, 0x9000, 0x6000
creds, data, nvs, 0x10000, 0x6000
factory, app, factory, 0x20000, 1M
"""
ROWS = """\
key,type,encoding,value
mfg,namespace,,
serial,data,string,{serial}
pop,data,string,{pop}
cert,file,binary,{certificate.der}
key,file,binary,{key.der}
"""
# Nothing is made for eFuses: no key is lost without a hook.
TEMPLATE = """\
chip = "esp32c3"
key = "P-256"
partitions = "partitions.csv"
hmac-key = "hmac.key"
value serial { text = "LMP-{count}" }
value count { count = 1000 digits = 6 }
value pop { random = 8 alphabet = "base32" secret = yes }
image creds { format = "nvs" rows = "creds.csv" size = 0x6000 keys = "hmac" }
register { kind = "aws-bulk" }
"""
# A key of each unit's own, which a hook burns.
MADE = TEMPLATE.replace('hmac-key = "hmac.key"', 'hmac-key = "made"')

SLOTS_AT, SLOT = 2 * 4096, 16384


def devices(count, start=0):
    """MAC addresses, those of the newest room: a mint has each device once."""
    return [f"24:{Room.batch}:{n >> 8 & 255:02X}:{n & 255:02X}"
            for n in range(start, start + count)]


def lamp(number):
    return f"lamp-{Room.batch}-{number}"


class Room:
    """Files of a run; `go` says `mintmark produce` over them."""

    batch = None  # what its devices have in common

    def __init__(self, mint, place, order, template=TEMPLATE,
                 batch=None):
        if batch is None:
            batch = os.urandom(3).hex(":").upper()
        Room.batch = batch
        self.mint, self.place, self.order = mint, Path(place), order
        self.run = self.place / "run"
        self.key = self.place / "run.key"
        self.key.write_bytes(os.urandom(32))
        self.key.chmod(0o600)
        self.write("partitions.csv", TABLE)
        self.write("creds.csv", ROWS)
        (self.place / "hmac.key").write_bytes(os.urandom(32))
        self.template = self.write("production.conf", template)
        self.list = self.place / "list.csv"

    def write(self, name, text):
        path = self.place / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def rows(self, names, columns=(), values=()):
        """The list: `device`, and columns with the same values in each."""
        head = ",".join(["device", *columns])
        self.list.write_text("\n".join(
            [head, *(",".join([n, *values]) for n in names)]) + "\n")

    def words(self, *more, source=None, key=None):
        source = ["--from", self.list] if source is None else source
        key = ["--run-key", self.key] if key is None else key
        return [str(w) for w in (
            MINTMARK, "produce", "--identity", self.mint.identity("station"),
            "--order", self.order, "--template", self.template, "--out",
            self.run, *source, *key, "--json", *more)]

    def go(self, *more, ok=(0,), source=None, key=None, **how):
        """Runs it; what it said, a line an object, and the last one."""
        self.done = run(*self.words(*more, source=source, key=key), ok=ok,
                        timeout=how.pop("timeout", 300), **how)
        lines = [json.loads(x) for x in self.done.stdout.splitlines()]
        self.units = [x for x in lines if "device" in x]
        self.total = lines[-1] if lines else None
        return self.total

    def start(self, *more, source=None, **how):
        return subprocess.Popen(
            self.words(*more, source=source), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
            **how)

    # --- what is there

    def unit(self, device):
        return self.run / "units" / device.replace(":", "_")

    def results(self):
        with (self.run / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def registered(self):
        """Devices of the registration's rows."""
        text = (self.run / "registration.ndjson").read_text()
        return [json.loads(line)["ThingName"] for line in text.splitlines()]

    def issued(self):
        return json.loads(mintmark(
            "order", "show", "--identity", self.mint.identity("officer"),
            "--json", self.order).stdout)["issued"]

    def keys(self, unit):
        """The key partition that the unit's NVS is encrypted with."""
        hmac = unit / "hmac.key"
        hmac = hmac if hmac.exists() else self.place / "hmac.key"
        out = self.place / "derived.bin"
        mintmark("flash", "nvs-keys", "--hmac", hmac, "--force", out)
        return out

    def key_of(self, unit):
        """The private key in the unit's image, and all values of it."""
        dump = json.loads(mintmark(
            "flash", "nvs", "--dump", unit / "creds.bin", "--keys",
            self.keys(unit), "--json").stdout)
        assert dump["damage"] == []
        values = {e["key"]: e["value"] for e in dump["entries"]}
        return serialization.load_der_private_key(
            bytes.fromhex(values["key"]), None), values

    def whole_unit(self, device):
        unit = self.unit(device)
        assert stat.S_IMODE(unit.stat().st_mode) == 0o700
        names = {p.name for p in unit.iterdir()}
        assert names >= {"device.crt", "chain.pem", "device.receipt",
                         "creds.bin", "unit.json"}, names
        certificate = x509.load_pem_x509_certificate(
            (unit / "device.crt").read_bytes())
        mintmark("receipt", "verify", "--key",
                 self.mint.dir / "public/log.vkey", unit / "device.receipt",
                 unit / "device.crt")
        key, values = self.key_of(unit)
        numbers = key.public_key().public_numbers()
        assert numbers == certificate.public_key().public_numbers()
        told = json.loads((unit / "unit.json").read_text())
        assert told["device"] == device
        assert values["serial"] == told["values"]["serial"]
        assert values["cert"] == certificate.public_bytes(
            serialization.Encoding.DER).hex()
        return certificate, values

    def over(self, wanted, scrap=(), issued=None, look=None):
        """All that must be true when a run over `wanted` is complete; `look`
        units of them are looked into."""
        assert self.issued() == (len(wanted) if issued is None else issued)
        rows = self.results()
        assert sorted(r["device"] for r in rows) == sorted(wanted)
        for row in rows:
            assert row["state"] == ("scrap" if row["device"] in scrap
                                    else "made")
            assert self.run / row["directory"] == self.unit(row["device"])
        assert sorted(self.registered()) == sorted(
            set(wanted) - set(scrap))
        there = {p.name for p in (self.run / "units").iterdir()}
        assert there == {d.replace(":", "_") for d in wanted}
        assert {p.name for p in self.run.iterdir()} == {
            "journal", "done", "results.csv", "registration.ndjson", "units"}
        assert self.slots_used() == 0
        serials, seen = {r["certificate"] for r in rows}, set()
        assert len(serials) == len(wanted)
        for device in list(wanted)[:look]:
            certificate, values = self.whole_unit(device)
            assert f"{certificate.serial_number:x}" in {
                s.lstrip("0") for s in serials}
            seen.add(values["serial"])
        assert len(seen) == len(list(wanted)[:look])

    def slots_used(self):
        data = (self.run / "journal").read_bytes()
        assert len(data) == SLOTS_AT + 128 * SLOT
        return sum(any(data[at:at + SLOT])
                   for at in range(SLOTS_AT, len(data), SLOT))

    def bytes_of_all(self):
        """Every file of the run, by its path."""
        return {p: p.read_bytes() for p in self.run.rglob("*")
                if p.is_file()}


def scalar(key):
    return key.private_numbers().private_value.to_bytes(32, "big")


def tell(process, number=signal.SIGINT):
    """A signal that the process has taken: the next is not the same one."""
    def taken():
        status = Path(f"/proc/{process.pid}/status").read_text()
        pending, = re.findall(r"^ShdPnd:\s*(\w+)$", status, re.M)
        return not int(pending, 16) >> (number - 1) & 1
    process.send_signal(number)
    eventually(taken, "the signal's taking")


def end(process, number=signal.SIGINT):
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err
