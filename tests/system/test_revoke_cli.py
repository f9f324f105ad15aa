"""Revocation by the commands: by serial number, list and device, a hold and
its end; the CRL as openssl and certtool read it; `cert list`."""

import json

import pytest
from cryptography import x509

from mint import eventually, fresh, mintmark, new_csr, run
from office import open_office

A_STATEMENT = 256  # certificates that one may revoke


@pytest.fixture(scope="module")
def office():
    with open_office(threshold=1) as office:
        yield office


@pytest.fixture(scope="module")
def order(office):
    return office.mint.new_order(name="the-order")


def issue(office, order, workdir, device=None):
    """(device, serial as hex, prefix of its files)"""
    device = device or fresh("lamp")
    csr = office.file(fresh("csr"), new_csr())
    out = workdir / device
    said = office.json("cert", "issue", "--order", order, "--device", device,
                       "--out", out, csr, identity="station")
    return device, said["serial"], out


def revoke(office, *words, by="first"):
    return office.json("cert", "revoke", *words, by=by)


def crl(office, workdir, *more, **expect):
    """The newest CRL's file, and what was said of it."""
    out = workdir / fresh("crl")
    said = office.json("cert", "crl", "--issuer-cert",
                       office.mint.dir / "public/chain.pem", "--out", out,
                       *more, identity="auditor", **expect)
    return out, said


def listed(office, workdir, *serials):
    """A CRL that has all of these."""
    wanted = {int(s, 16) for s in serials}

    def look():
        out, said = crl(office, workdir)
        found = {r.serial_number for r in
                 x509.load_der_x509_crl(out.read_bytes())}
        return (out, said) if wanted <= found else None
    return eventually(look, "the CRL", timeout=120)


def state_of(office, serial):
    said = office.say("cert", "list", "--json", "--serial", serial,
                      identity="auditor").stdout
    rows = [json.loads(line) for line in said.splitlines()]
    assert len(rows) == 1
    return rows[0]["state"], rows[0]["reason"]


def test_every_way_to_a_crl(office, order, workdir):
    """Before anybody has asked for a CRL: the first one is made at once,
    later ones once a minute."""
    made = [issue(office, order, workdir) for _ in range(5)]
    one, two, three, held, four = (serial for _, serial, _ in made)
    said = revoke(office, "--serial", one, "--reason", "keyCompromise",
                  "--since", "2024-01-31T12:00:00Z")
    assert (said["revoked"], said["pending"]) == (1, 0)
    colons = ":".join(two[i:i + 2] for i in range(0, len(two), 2)).upper()
    office.file("list", f"# lost\n{colons}\r\n\n")
    revoke(office, "--list", office.place / "list", "--reason",
           "cessationOfOperation")
    revoke(office, "--device", made[2][0], "--reason", "privilegeWithdrawn")
    revoke(office, "--serial", held, "--reason", "certificateHold")
    assert state_of(office, three) == ("revoked", "privilegeWithdrawn")
    assert state_of(office, held) == ("revoked", "certificateHold")
    assert state_of(office, four) == ("signed", "")
    out, said = listed(office, workdir, one, two, three, held)
    check_crl(office, out, said, (one, two, three, held), four)
    check_chains(office, workdir, made)
    take_back(office, workdir, held, said["number"])


def check_crl(office, out, said, revoked, good):
    """As openssl and certtool read it."""
    public = office.mint.dir / "public"
    text = run("openssl", "crl", "-inform", "DER", "-in", out, "-CAfile",
               public / "chain.pem", "-text").stdout
    for serial in revoked:
        assert serial.lstrip("0").upper() in text
    for word in ("Key Compromise", "Certificate Hold", "Invalidity Date"):
        assert word in text
    assert good.lstrip("0").upper() not in text
    info = run("certtool", "--crl-info", "--inder", "--infile", out).stdout
    assert f"Revoked certificates ({said['revoked']})" in info


def check_chains(office, workdir, made):
    """The last one alone is good."""
    public, pem = office.mint.dir / "public", workdir / "crl.pem"
    office.say("cert", "crl", "--pem", "--out", pem, identity="auditor")
    trust = workdir / "trust.pem"
    trust.write_bytes((public / "ca.pem").read_bytes() + pem.read_bytes())
    for i, (_, _, out) in enumerate(made):
        good = i + 1 == len(made)
        done = run("openssl", "verify", "-crl_check", "-CAfile", trust,
                   "-untrusted", public / "chain.pem", f"{out}.crt",
                   ok=(0 if good else 2,))
        assert ("certificate revoked" in done.stderr) == (not good)


def take_back(office, workdir, serial, number):
    """A hold ends; what is revoked for good does not."""
    revoke(office, "--serial", serial, "--reason", "removeFromCRL")
    assert state_of(office, serial)[0] == "signed"

    def gone():
        out, said = crl(office, workdir)
        return said["number"] > number and not any(
            r.serial_number == int(serial, 16) for r in
            x509.load_der_x509_crl(out.read_bytes()))
    eventually(gone, "a CRL without it", timeout=150)
    revoke(office, "--serial", serial, "--reason", "keyCompromise")
    done = office.say("cert", "revoke", "--serial", serial, "--reason",
                      "removeFromCRL", by="first", ok=(77,))
    assert done.stdout == ""


@pytest.mark.parametrize("words", [
    [], ["--serial", "01", "--device", "x"], ["--serial", "xyz"],
    ["--serial", "0000"], ["--serial", "01" * 21],
    ["--serial", "01", "--profile", "device"],
    ["--serial", "01", "--since", "x"], ["--device", ""],
    ["--serial", "01", "--force=1"]], ids=" ".join)
def test_bad_words(office, words):
    office.refused("usage", "cert", "revoke", "--reason", "keyCompromise",
                   *words, by="first", status=64)


def test_a_reason_that_there_is_none(office):
    for reason in ("lost", "", "7", "keycompromise"):
        line = office.refused("usage", "cert", "revoke", "--serial", "01",
                              "--reason", reason, by="first", status=64)
        assert "keyCompromise" in line


def test_bad_lists(office):
    for text, line in (("01\nx\n", ":2:"), ("\x1b[2J\n", ":1:"),
                       ("# none\n", "lists no"),
                       ("01\n00:01\n", "there twice")):
        said = office.refused("bad-format", "cert", "revoke", "--list",
                              office.file("bad", text), "--reason",
                              "superseded", by="first", status=65)
        assert line in said and "\x1b" not in said


def test_what_was_never_issued(office):
    done = office.say("cert", "revoke", "--serial", "0123", "--reason",
                      "superseded", by="first", ok=(1, 77))
    assert done.stdout == ""
    done = office.say("cert", "revoke", "--device", "nobody", "--reason",
                      "superseded", by="first", ok=(1,))
    assert "nobody" in done.stderr


def test_more_than_a_statement_holds(office, workdir):
    order, made = office.mint.new_order(), []
    with office.mint.client() as client:
        csrs = [new_csr() for _ in range(A_STATEMENT + 1)]
        for i, csr in enumerate(csrs):
            answer = client.issue(order, f"{order}-{i}", csr)
            made.append(x509.load_der_x509_certificate(
                answer[1]).serial_number)
    path = office.file("many", "".join(f"{n:040x}\n" for n in made))
    office.refused("usage", "cert", "revoke", "--list", path, "--reason",
                   "superseded", "--receipt", workdir / "r", by="first",
                   status=64)
    said = revoke(office, "--list", path, "--reason", "superseded")
    assert said["revoked"] == A_STATEMENT + 1
    assert len(said["statements"]) == 2
    rows = office.say("cert", "list", "--json", "--revoked", "--order",
                      order, identity="auditor").stdout.splitlines()
    assert len(rows) == A_STATEMENT + 1


def test_the_part_that_was_stated_is_told(office, workdir):
    """The first of the list stand, in the list's order."""
    order, made = office.mint.new_order(), []
    with office.mint.client() as client:
        for i in range(A_STATEMENT):
            answer = client.issue(order, f"{order}-{i}", new_csr())
            made.append(x509.load_der_x509_certificate(
                answer[1]).serial_number)
    path = office.file("many", "".join(f"{n:040x}\n" for n in [*made, 77]))
    done = office.say("cert", "revoke", "--list", path, "--reason",
                      "superseded", "--json", by="first", ok=(1, 77))
    assert json.loads(done.stdout)["revoked"] == A_STATEMENT
    assert (f"the first {A_STATEMENT} are stated, these 1 are not"
            in done.stderr)


# -------------------------------------------------------------------- the CRL

def test_a_crl_and_its_receipt(office, workdir):
    out, said = crl(office, workdir, "--receipt", workdir / "receipt")
    assert said["issuer"] == "device-ca" and said["number"] >= 1
    assert said["this_update"] < said["next_update"]
    mintmark("receipt", "verify", "--key",
             office.mint.dir / "public/log.vkey", workdir / "receipt")
    office.refused("file-exists", "cert", "crl", "--out", out,
                   identity="auditor", status=64)
    done = office.say("cert", "crl", "--pem", "--out", "-",
                      identity="auditor")
    assert done.stdout.startswith("-----BEGIN X509 CRL-----")


def test_a_crl_of_another_issuer(office, workdir):
    for cert in ("ca.pem", "access-ca.pem"):
        done = office.say("cert", "crl", "--issuer-cert",
                          office.mint.dir / "public" / cert, "--out",
                          workdir / "crl", identity="auditor", ok=(65, 77))
        assert not (workdir / "crl").exists(), done.stderr
    office.refused("not-found", "cert", "crl", "--issuer", "codesign",
                   "--out", workdir / "crl", identity="auditor", status=1)
    office.refused("usage", "cert", "crl", "--issuer", "", "--out",
                   workdir / "crl", identity="auditor", status=64)


@pytest.mark.parametrize("who", ["auditor", "station"])
def test_every_ca_has_one(office, workdir, who):
    """Verified by the log, or by the key's identifier where that is shut."""
    for issuer in ("root", "access-ca", "device-ca"):
        said = office.json("cert", "crl", "--issuer", issuer, "--out",
                           workdir / issuer, identity=who)
        assert said["issuer"] == issuer
        run("openssl", "crl", "-inform", "DER", "-in", workdir / issuer,
            "-noout")


# ------------------------------------------------------------------- cert list

def test_cert_list(office, order, workdir):
    device, serial, _ = issue(office, order, workdir)
    rows = [json.loads(line) for line in office.say(
        "cert", "list", "--json", "--device", device,
        identity="auditor").stdout.splitlines()]
    assert len(rows) == 1
    assert [rows[0][k] for k in ("device", "profile", "serial", "state",
                                 "order", "station")] == [
        device, "device", serial, "signed", order, "station"]
    table = office.say("cert", "list", "--order", order,
                       identity="auditor").stdout.splitlines()
    assert table[0].split()[:3] == ["device", "profile", "state"]
    assert any(device in line for line in table[1:])
    everything = office.say("cert", "list", identity="auditor").stdout
    for profile in ("root-ca", "tls-client", "codesign"):
        assert profile in everything
    clients = office.say("cert", "list", "--profile", "tls-client",
                         identity="auditor").stdout.splitlines()[1:]
    assert clients and all("tls-client" in line for line in clients)


def test_cert_list_offline_and_bad_words(office):
    key = ["--key", office.mint.dir / "public/log.vkey"]
    log = office.mint.dir / "log"
    assert "tls-client" in mintmark("cert", "list", *key, log).stdout
    mintmark("cert", "list", ok=(64,))
    mintmark("cert", "list", "--serial", "xx", *key, log, ok=(64,))
    mintmark("cert", "list", "--profile", "", *key, log, ok=(64,))
    mintmark("cert", "list", "--kind", "order", *key, log, ok=(64,))
