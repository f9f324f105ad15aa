"""Lists of devices for clouds and brokers: complete from one list to the next,
proven by the checkpoint, and what a real mosquitto makes of its files."""

import base64
import csv
import hashlib
import json
import os
import pwd
import socket
import ssl
import subprocess
import threading
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

import mintmark_client as mm
from mint import (die_with_parent, eventually, fresh, mintmark, new_csr,
                  new_key, write_key)
from office import open_office

PEM_BEGIN = "-----BEGIN CERTIFICATE-----"


@pytest.fixture(scope="module")
def office():
    with open_office(threshold=1) as office:
        yield office


def order_of(office):
    body = mm.order_body(fresh("order"), 100, ["station"], pattern="*",
                         reissue=10)
    with office.mint.client("officer") as officer:
        officer.statement([office.mint.state("order", body)])
    return body[0]


@pytest.fixture
def order(office):
    return order_of(office)


class Lamp:
    """A device with a certificate."""

    def __init__(self, office, order, place, name=None):
        self.name = name or fresh("lamp")
        self.key, self.place = new_key(), place
        with office.mint.client("station") as station:
            self.take(station.issue(order, self.name, new_csr(self.key)))

    def reissue(self, office, order):
        self.key = new_key()
        with office.mint.client("station") as station:
            self.take(station.reissue(order, self.name, new_csr(self.key)))

    def take(self, answer):
        self.certificate = x509.load_der_x509_certificate(answer[1])
        self.sha256 = hashlib.sha256(answer[1]).hexdigest()
        self.der = answer[1]
        self.files = self.place / f"{self.name}.crt", \
            self.place / f"{self.name}.key"
        self.files[0].write_text(ssl.DER_cert_to_PEM_cert(answer[1]))
        write_key(self.files[1], self.key)


def is_issued(certificate, ca):
    assert certificate.issuer == ca.subject
    ca.public_key().verify(certificate.signature,
                           certificate.tbs_certificate_bytes,
                           ec.ECDSA(hashes.SHA256()))


def register(office, kind, out, *words, **more):
    return office.json("flash", "register", kind, "-o", out, *words,
                       identity="auditor", **more)


def revoke(office, lamp, *words):
    office.json("cert", "revoke", "--device", lamp.name, *words, by="first")


def bulk(office, workdir, *words):
    """(what was said, the rows by device, the range)"""
    out = workdir / fresh("bulk")
    said = register(office, "aws-bulk", out, *words)
    text = out.read_bytes()
    covers = json.loads((workdir / f"{out.name}.range.json").read_text())
    assert covers["list"] == {"file": out.name, "size": len(text),
                              "sha256": hashlib.sha256(text).hexdigest()}
    rows = [json.loads(line) for line in text.decode().splitlines()]
    assert len(rows) == said["new"] == covers["new"]
    assert len(covers["gone"]) == said["gone"]
    return said, {row["ThingName"]: row for row in rows}, covers


def test_lists_follow_one_another(office, order, workdir):
    one, two, three = (Lamp(office, order, workdir) for _ in range(3))
    said, rows, covers = bulk(office, workdir, "--order", order)
    assert set(rows) == {one.name, two.name, three.name}
    assert covers["since"] == 0 and covers["gone"] == []
    assert set(rows[one.name]) == {"ThingName", "SerialNumber",
                                   "CertificatePem", "CACertificatePem"}
    assert ssl.PEM_cert_to_DER_cert(
        rows[one.name]["CertificatePem"]) == one.der
    ca = x509.load_pem_x509_certificate(
        rows[one.name]["CACertificatePem"].encode())
    is_issued(one.certificate, ca)
    assert int(rows[one.name]["SerialNumber"], 16) == \
        one.certificate.serial_number

    former = two.sha256
    revoke(office, one, "--reason", "keyCompromise")
    two.reissue(office, order)
    four = Lamp(office, order, workdir)
    next_said, rows, covers = bulk(
        office, workdir, "--order", order, "--since", said["to"])
    assert set(rows) == {two.name, four.name}
    assert covers["since"] == said["to"] and covers["to"] == next_said["to"]
    gone = {row["sha256"]: row for row in covers["gone"]}
    assert set(gone) == {one.sha256, former}
    assert gone[one.sha256]["reason"] == "keyCompromise"
    assert gone[one.sha256]["device"] == one.name
    assert not gone[one.sha256]["replaced"]
    assert gone[former]["replaced"]
    # Both together are the list from the beginning.
    _, rows, covers = bulk(office, workdir, "--order", order)
    assert set(rows) == {two.name, three.name, four.name}
    assert covers["gone"] == []
    # Nothing has happened: nothing is new.
    to = covers["to"]
    said, rows, covers = bulk(office, workdir, "--order", order, "--since",
                              to)
    assert (rows, covers["gone"], said["since"]) == ({}, [], to)
    line = office.refused("not-found", "flash", "register", "aws-bulk",
                          "-o", workdir / "x", "--since", to + 1000,
                          identity="auditor", status=1)
    assert "--since" in line
    assert not (workdir / "x").exists()


def test_a_hold_and_its_end(office, order, workdir):
    lamp = Lamp(office, order, workdir)
    first, rows, _ = bulk(office, workdir, "--order", order)
    revoke(office, lamp, "--reason", "certificateHold")
    second, rows, covers = bulk(office, workdir, "--order", order, "--since",
                                first["to"])
    assert rows == {} and covers["gone"][0]["sha256"] == lamp.sha256
    office.json("cert", "revoke", "--serial",
                f"{lamp.certificate.serial_number:040x}", "--reason",
                "removeFromCRL", by="first")
    _, rows, covers = bulk(office, workdir, "--order", order, "--since",
                           second["to"])
    assert set(rows) == {lamp.name} and covers["gone"] == []
    # From the first list on nothing has changed.
    _, rows, covers = bulk(office, workdir, "--order", order, "--since",
                           first["to"])
    assert (rows, covers["gone"]) == ({}, [])


def scrap(office, order, lamp):
    with office.mint.client("station") as station:
        station.scrap(order, lamp.certificate.serial_number.to_bytes(
            20, "big"))


def test_scrapped_units_are_gone(office, order, workdir):
    one, two, three, new = (Lamp(office, order, workdir) for _ in range(4))
    first, rows, _ = bulk(office, workdir, "--order", order)
    assert len(rows) == 4
    for lamp in (one, two, three):
        scrap(office, order, lamp)
    revoke(office, two, "--reason", "cessationOfOperation")
    repaired = three.sha256
    three.reissue(office, order)
    said, rows, covers = bulk(office, workdir, "--order", order, "--since",
                              first["to"])
    gone = {row["sha256"]: row for row in covers["gone"]}
    assert set(rows) == {three.name}
    assert {k: (v["device"], v["reason"], v["replaced"])
            for k, v in gone.items()} == {
        one.sha256: (one.name, "scrap", False),
        two.sha256: (two.name, "cessationOfOperation", False),
        repaired: (three.name, "superseded", True)}
    # They are gone once, and in no list from the beginning.
    _, rows, covers = bulk(office, workdir, "--order", order, "--since",
                           said["to"])
    assert (rows, covers["gone"]) == ({}, [])
    _, rows, covers = bulk(office, workdir, "--order", order)
    assert set(rows) == {three.name, new.name} and covers["gone"] == []


def test_a_hold_that_is_lifted_brings_no_scrap_back(office, order, workdir):
    lamp = Lamp(office, order, workdir)
    scrap(office, order, lamp)
    revoke(office, lamp, "--reason", "certificateHold")
    office.json("cert", "revoke", "--serial",
                f"{lamp.certificate.serial_number:040x}", "--reason",
                "removeFromCRL", by="first")
    assert bulk(office, workdir, "--order", order)[1] == {}


def test_a_directory_says_the_same(office, order, workdir):
    Lamp(office, order, workdir)
    online, offline = workdir / "online", workdir / "offline"
    backup = workdir / "log"
    office.say("log", "export", "--to", backup, identity="auditor")
    said = json.loads(mintmark(
        "flash", "register", "aws-bulk", "--key",
        office.mint.dir / "public/log.vkey", "--json", "-o", offline,
        backup).stdout)
    register(office, "aws-bulk", online)
    assert online.read_bytes() == offline.read_bytes()
    covers = json.loads((workdir / "offline.range.json").read_text())
    lines = covers["checkpoint"].split("\n")
    assert lines[:3] == [covers["log"], str(said["to"]), covers["root"]]
    # It is the log's own, signed: whoever has the log goes on from it.
    seen, key = workdir / "seen", office.mint.dir / "public/log.vkey"
    for text, status in ((covers["checkpoint"], 0),
                         (covers["checkpoint"].replace(
                             covers["root"], base64.b64encode(
                                 bytes(32)).decode()), 1)):
        seen.write_text(text)
        mintmark("log", "verify", "--key", key, "--checkpoint", seen, backup,
                 ok=(status,))


def test_a_thing_has_a_things_name(office, order, workdir):
    Lamp(office, order, workdir, name=fresh("a.b"))
    line = office.refused("bad-format", "flash", "register", "aws-bulk",
                          "-o", workdir / "x", "--order", order,
                          identity="auditor", status=65)
    assert "a.b-" in line and "thing" in line
    assert list(workdir.glob("x*")) == []


def test_templates(workdir):
    template = json.loads(mintmark(
        "flash", "register", "aws-template", "--policy", "lamps", "-o",
        "-").stdout)
    assert set(template["Parameters"]) == {
        "ThingName", "SerialNumber", "CertificatePem", "CACertificatePem"}
    resources = template["Resources"]
    assert resources["policy"]["Properties"] == {"PolicyName": "lamps"}
    assert resources["certificate"]["Properties"] == {
        "CertificatePem": {"Ref": "CertificatePem"}, "Status": "ACTIVE",
        "CACertificatePem": {"Ref": "CACertificatePem"}}
    document = workdir / "policy.json"
    document.write_text('{"Version": "2012-10-17", "Statement": []}')
    template = json.loads(mintmark(
        "flash", "register", "aws-template", "--document", document,
        "--no-ca", "-o", "-").stdout)
    resources = template["Resources"]
    assert json.loads(resources["policy"]["Properties"]["PolicyDocument"]) \
        == json.loads(document.read_text())
    assert resources["certificate"]["Properties"]["CertificateMode"] == \
        "SNI_ONLY"
    assert "CACertificatePem" not in json.dumps(template)
    for words in ([], ["--policy", "a", "--document", document],
                  ["--policy", "a", "--since", "4"]):
        mintmark("flash", "register", "aws-template", *words, "-o", "-",
                 ok=(64,))
    document.write_text("[]")
    mintmark("flash", "register", "aws-template", "--document", document,
             "-o", "-", ok=(65,))


def test_azure(office, order, workdir):
    lamps = {lamp.name: lamp for lamp in
             (Lamp(office, order, workdir) for _ in range(11))}
    out = workdir / "dps.ndjson"
    said = register(office, "azure-dps", out, "--order", order)
    bodies = [json.loads(line) for line in out.read_text().splitlines()]
    assert [len(b["enrollments"]) for b in bodies] == [10, 1]
    found = [one for b in bodies for one in b["enrollments"]]
    assert {b["mode"] for b in bodies} == {"create"}
    assert {one["registrationId"] for one in found} == set(lamps)
    for one in found:
        der = base64.b64decode(one["attestation"]["x509"][
            "clientCertificates"]["primary"]["certificate"])
        assert der == lamps[one["deviceId"]].der
        assert one["attestation"]["type"] == "x509"
        assert one["provisioningStatus"] == "enabled"
    gone, changed = list(lamps.values())[:2]
    revoke(office, gone, "--reason", "cessationOfOperation")
    changed.reissue(office, order)
    register(office, "azure-dps", out, "--order", order, "--since",
             said["to"], "--force")
    assert [(b["mode"], [one["registrationId"] for one in b["enrollments"]])
            for b in map(json.loads, out.read_text().splitlines())] == [
        ("delete", [gone.name]), ("update", [changed.name])]
    register(office, "azure-dps", out, "--order", order, "--since",
             said["to"], "--format", "csv", "--force")
    with open(out, newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    assert [(r["operation"], r["registrationId"], r["certificate"])
            for r in rows] == [
        ("delete", gone.name, ""),
        ("update", changed.name, base64.b64encode(changed.der).decode())]


def named_by(office, number, subject):
    """A policy whose devices have this subject."""
    path = office.file("named.conf", office.text(number, threshold=1, replace=[
        ('subject = {"CN={device}", "O=Example Devices"}',
         f"subject = {{{subject}}}")]))
    assert office.json("policy", "propose", path,
                       by="first")["state"] == "in-force"


def operations(office, order, out, *words):
    said = register(office, "azure-dps", out, "--order", order, "--format",
                    "csv", "--force", *words)
    with open(out, newline="", encoding="ascii") as file:
        return said["to"], [(r["operation"], r["registrationId"])
                            for r in csv.DictReader(file)]


def test_a_name_is_of_one_device(workdir):
    """Whoever has another's common name would be let in as that one."""
    with open_office(threshold=1) as office:
        order, out = order_of(office), workdir / "out"
        lamp = Lamp(office, order, workdir, name="lamp-1")
        to, rows = operations(office, order, out)
        assert rows == [("create", "lamp-1")]
        # The name of a device changes: it is another enrollment.
        named_by(office, 2, '"CN=x-{device}"')
        lamp.reissue(office, order)
        assert operations(office, order, out, "--since", to)[1] == [
            ("delete", "lamp-1"), ("create", "x-lamp-1")]
        # Small letters and large ones are the same to one of them.
        order = order_of(office)
        for name in ("lamp-2", "LAMP-2"):
            Lamp(office, order, workdir, name=name)
        line = office.refused(
            "usage", "flash", "register", "azure-dps", "--order", order, "-o",
            workdir / "no", identity="auditor", status=64)
        assert "common name" in line
        register(office, "mosquitto", workdir / "broker", "--order", order)
        order = order_of(office)
        named_by(office, 3, '"CN=lamp", "serialNumber={device}"')
        for _ in range(2):
            Lamp(office, order, workdir)
        for kind in ("azure-dps", "mosquitto"):
            line = office.refused(
                "usage", "flash", "register", kind, "--order", order, "-o",
                workdir / "no", identity="auditor", status=64)
            assert "common name" in line
        assert not (workdir / "no").exists()
        assert register(office, "aws-bulk", workdir / "aws", "--order",
                        order)["new"] == 2


def test_the_ca_for_aws(office, order, workdir):
    lamp = Lamp(office, order, workdir)
    prefix, out = workdir / "proof", workdir / "aws"
    code = "0123456789abcdef" * 4
    office.json("ceremony", "prove", "--code", code, "--out", prefix,
                by="first")
    said = register(office, "aws-ca", out, "--verification",
                    f"{prefix}.crt", "--role", "arn:aws:iam::1:role/jitp",
                    "--policy", "lamps")
    assert said["verification_code"] == code
    ca = x509.load_pem_x509_certificate((out / "ca.pem").read_bytes())
    is_issued(lamp.certificate, ca)
    is_issued(x509.load_pem_x509_certificate(
        (out / "verification.pem").read_bytes()), ca)
    config = json.loads((out / "registration-config.json").read_text())
    assert config["roleArn"] == "arn:aws:iam::1:role/jitp"
    template = json.loads(config["templateBody"])
    assert template["Resources"]["certificate"]["Properties"] == {
        "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"},
        "Status": "ACTIVE"}
    assert template["Resources"]["thing"]["Properties"] == {
        "ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"}}
    # A parameter that the certificate's subject lacks would fail.
    assert set(template["Parameters"]) == {
        "AWS::IoT::Certificate::CommonName", "AWS::IoT::Certificate::Id"}
    assert "--registration-config" in (out / "commands.txt").read_text()
    # What another CA has signed proves nothing.
    other = office.mint.identity("station") / "certificate.pem"
    office.refused("receipt-mismatch", "flash", "register", "aws-ca",
                   "-o", workdir / "no", "--verification", other,
                   identity="auditor", status=1)
    assert not (workdir / "no").exists()


def test_a_proof_without_a_code(office, order, workdir):
    """Any device's certificate is signed by the CA, too."""
    lamp = Lamp(office, order, workdir)
    line = office.refused(
        "receipt-mismatch", "flash", "register", "aws-ca", "-o",
        workdir / "no", "--verification", lamp.files[0],
        identity="auditor", status=1)
    assert lamp.name in line and "registration code" in line
    assert not (workdir / "no").exists()


def test_the_ca_for_aws_without_a_role(office, order, workdir):
    """JITR: the CA's registration alone; whom it lets in is the cloud's."""
    Lamp(office, order, workdir)
    prefix, out = workdir / "proof", workdir / "aws"
    office.json("ceremony", "prove", "--code", "f" * 64, "--out", prefix,
                by="first")
    register(office, "aws-ca", out, "--verification", f"{prefix}.crt")
    assert {p.name for p in out.iterdir()} == {"ca.pem", "verification.pem",
                                               "commands.txt"}
    command = (out / "commands.txt").read_text()
    assert "register-ca-certificate" in command
    assert "--allow-auto-registration" in command
    assert "registration-config" not in command


# ------------------------------------------------------------------- mosquitto

def test_cas_that_are_brought(office, order, workdir):
    """Certificates alone go to the broker, and the right ones."""
    lamp = Lamp(office, order, workdir)
    one, two, brought = (workdir / name for name in ("one", "two", "brought"))

    def files(out, *more):
        return register(office, "mosquitto", out, "--order", order, *more)
    assert files(one)["crl"] in (True, False)
    cas = (one / "ca.pem").read_text()
    key = lamp.files[1].read_text()
    assert "PRIVATE KEY" in key
    brought.write_text(cas)
    files(two, "--ca", brought)
    assert (two / "ca.pem").read_text() == cas
    first = cas[:cas.index("-----END") + 26]
    stranger = strange(new_key(), "stranger")[0].decode()
    for text_ in (key, key + cas, cas + key, "", stranger, stranger + first,
                  "-----BEGIN CERTIFICATE-----\n"):
        brought.write_text(text_)
        done = office.say(
            "flash", "register", "mosquitto", "-o", workdir / "no", "--order",
            order, "--ca", brought, identity="auditor", ok=(1, 65))
        assert str(brought) in done.stderr, text_
        assert not (workdir / "no").exists()


def strange(key, name):
    """(PEM, key) of a certificate that is signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(
        name).public_key(key.public_key()).serial_number(
        4711).not_valid_before(now - timedelta(hours=1)).not_valid_after(
        now + timedelta(days=1)).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM), key


class Broker:
    """A mosquitto of our own, on these files."""

    def __init__(self, place, port):
        self.place, self.port, self.lines = place, port, []
        pem, key = strange(new_key(), "localhost")
        (place / "server.crt").write_bytes(pem)
        write_key(place / "server.key", key)
        # Root's broker would become somebody who may not read the place.
        conf = place / "ours.conf"
        conf.write_text(f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
                        + (place / "mosquitto.conf").read_text())
        self.process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-v", "-c", conf],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd="/", preexec_fn=die_with_parent)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def __enter__(self):
        eventually(self.is_up, "mosquitto")
        return self

    def is_up(self):
        assert self.process.poll() is None, "".join(self.lines)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.reader.join(timeout=30)

    def connect(self, files):
        """A client in MQTT 3.1.1, or why TLS or the broker refuses it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.place / "server.crt")
        if files is not None:
            context.load_cert_chain(*files)
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client = context.wrap_socket(raw)
        client.sendall(packet(0x10, b"\0\4MQTT\4\2\0\x3c" + text("c")))
        assert take(client) == (0x20, b"\0\0")
        return client


def text(string):
    return len(string).to_bytes(2, "big") + string.encode()


def packet(kind, body):
    assert len(body) < 128
    return bytes([kind, len(body)]) + body


def take(client):
    """The next packet; an end of the connection is an error."""
    def exactly(count):
        got = b""
        while len(got) < count:
            more = client.recv(count - len(got))
            if not more:
                raise ConnectionResetError("closed")
            got += more
        return got
    kind, size = exactly(2)
    return kind, exactly(size)


def may(client, topic):
    """Whether what the client says to a topic comes back to it."""
    client.sendall(packet(0x82, b"\0\1" + text(topic) + b"\0"))
    kind, answer = take(client)
    assert kind == 0x90
    client.sendall(packet(0x30, text(topic) + b"hello"))
    client.sendall(packet(0xC0, b""))  # its answer comes after the echo
    seen = []
    while not seen or seen[-1] != (0xD0, b""):
        seen.append(take(client))
    return any(kind & 0xF0 == 0x30 for kind, _ in seen)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def broker_files(office, workdir, order, port):
    """They are there once the CRL has all that are revoked."""
    out = workdir / "broker"

    def made():
        done = office.say(
            "flash", "register", "mosquitto", "-o", out, "--order", order,
            "--listen", f"127.0.0.1:{port}", "--json", "--force",
            identity="auditor", ok=(0, 1))
        assert done.returncode == 0 or "newest CRL" in done.stderr
        return done.returncode == 0 and json.loads(done.stdout)
    return out, eventually(made, "the broker's files", timeout=150)


def test_who_gets_in(office, order, workdir):
    good, other, bad = (Lamp(office, order, workdir) for _ in range(3))
    revoke(office, bad, "--reason", "keyCompromise")
    port = free_port()
    out, said = broker_files(office, workdir, order, port)
    assert said["devices"] == 2
    acl = (out / "acl").read_text()
    covers = json.loads((out / "range.json").read_text())
    assert covers["root"] in acl and covers["log"] in acl
    assert f"user {good.name}\n" in acl and bad.name not in acl
    assert f"entries 0 to {covers['to']}" in \
        (out / "mosquitto.conf").read_text()
    with Broker(out, port) as broker:
        client = broker.connect(good.files)
        assert may(client, f"devices/{good.name}/state")
        assert not may(client, f"devices/{other.name}/state")
        assert not may(client, "anything")
        client.close()
        broker.connect(other.files).close()
        pem, key = strange(new_key(), good.name)
        stranger = workdir / "stranger.crt", workdir / "stranger.key"
        stranger[0].write_bytes(pem)
        write_key(stranger[1], key)
        for files in (bad.files, stranger, None):
            with pytest.raises(OSError):  # TLS alerts among them
                broker.connect(files)
        # It has not fallen.
        broker.connect(good.files).close()


def test_where_the_broker_s_files_will_lie(office, order, workdir):
    """And whose CA it believes, where the log does not say its root."""
    Lamp(office, order, workdir)
    root, out = workdir / "first/ca.pem", workdir / "broker"
    register(office, "mosquitto", workdir / "first", "--order", order)
    register(office, "mosquitto", out, "--order", order, "--place",
             "/etc/mosquitto/ours", "--ca", root, "--topic", "t/{name}",
             "--profile", "device")
    conf = (out / "mosquitto.conf").read_text()
    for name in ("ca.pem", "acl", "server.crt", "server.key"):
        assert f" /etc/mosquitto/ours/{name}\n" in conf
    assert str(out) not in conf
    assert (out / "ca.pem").read_bytes() == root.read_bytes()
    assert "\ntopic readwrite t/lamp-" in (out / "acl").read_text()
    assert register(office, "aws-bulk", workdir / "none", "--order", order,
                    "--profile", "tree")["new"] == 0


@pytest.mark.parametrize("words", [
    ["nothing"], ["mosquitto", "--listen", "1883"],
    ["mosquitto", "--listen", "a:0"], ["mosquitto", "--listen", "a:65536"],
    ["mosquitto", "--listen", "a:1x"], ["mosquitto", "--policy", "x"],
    ["azure-dps", "--format", "xml"], ["aws-ca"],
    ["aws-ca", "--verification", "x", "--policy", "x"]])
def test_usage(office, order, workdir, words):
    Lamp(office, order, workdir)
    out = workdir / "out"
    office.refused("usage", "flash", "register", *words, "-o", out,
                   identity="auditor", status=64)
    assert not out.is_file()


@pytest.mark.parametrize("kind", ["aws-bulk", "azure-dps", "mosquitto"])
def test_an_order_that_is_none(office, order, workdir, kind):
    """It is no empty list."""
    office.refused("unknown-order", "flash", "register", kind, "--order",
                   order + "x", "-o", workdir / "out", identity="auditor")
    assert not (workdir / "out").is_file()


@pytest.mark.parametrize("topic", [
    "devices/#", "devices/{{device}}/#", "devices/{{{{name}}", "x{{name}/#"],
    ids=["none", "braces", "more braces", "half"])
def test_a_topic_for_all(office, order, workdir, topic):
    """Nobody would be kept from what is another device's."""
    Lamp(office, order, workdir)
    said = office.refused("usage", "flash", "register", "mosquitto", "--topic",
                          topic, "--order", order, "-o", workdir / "out",
                          identity="auditor", status=64)
    assert "has neither {device} nor {name}" in said
    assert not (workdir / "out").exists()


@pytest.mark.parametrize("topic", ["devices/{none}", "{device"])
def test_a_wrong_topic(office, order, workdir, topic):
    Lamp(office, order, workdir)
    office.refused("usage", "flash", "register", "mosquitto", "--topic",
                   topic, "--order", order, "-o", workdir / "out",
                   identity="auditor", status=64)
    assert not (workdir / "out").exists()
