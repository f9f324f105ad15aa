"""Stations by the commands: a CSR made on the station, registered by two
officers, fetched; listed, limited, disabled in the midst of a session, let in
again, and renewed by themselves."""

import json
import shutil

import pytest
from cryptography import x509

from mint import (ROOT, Mint, eventually, fresh, mintmark, new_csr, refused,
                  run)
from office import Office, open_office


@pytest.fixture(scope="module")
def office():
    with open_office() as office:
        yield office


def request(workdir, name="identity"):
    """(identity directory, CSR) of somebody new."""
    csr = workdir / f"{name}.csr"
    said = mintmark("station", "request", "--json", "--identity",
                    workdir / name, "--csr", csr)
    return workdir / name, csr, json.loads(said.stdout)["key"]


def add(office, name, csr, *more, by="ada", **expect):
    words = [] if "--role" in more else ["--profile", "device"]
    return office.json("station", "add", "--name", name, "--csr", csr,
                       *words, *more, by=by, **expect)


def move_in(office, workdir, *more, role=()):
    """A registered principal and its identity directory."""
    name = fresh("line")
    identity, csr, _ = request(workdir, name)
    said = add(office, name, csr, *more, *role)
    office.say("pending", "approve", said["payload"], "--yes", by="bob")
    eventually(lambda: office.say(
        "station", "fetch", name, "--out", identity,
        ok=(0, 1)).returncode == 0, "the certificate")
    return name, identity


def order_for(office, name):
    order = fresh("order")
    office.say("order", "create", "--name", order, "--units", 100,
               "--station", name, "--pattern", "*", by="ada")
    office.say("order", "approve", order, "--yes", by="bob")
    return order


def issue(office, identity, order, workdir, ok=(0,)):
    csr = office.file(fresh("csr"), new_csr())
    return mintmark("cert", "issue", "--identity", identity, "--order",
                    order, "--device", fresh("lamp"), "--wait", 0, "--out",
                    workdir / fresh("out"), csr, ok=ok)


def row(office, name):
    return next(p for p in office.json("station", "list")["principals"]
                if p["name"] == name)


# ------------------------------------------------------------ request and add

def test_a_key_never_leaves_the_station(workdir):
    identity, csr, key = request(workdir)
    assert [p.name for p in identity.iterdir()] == ["key.pem"]
    assert (identity / "key.pem").stat().st_mode & 0o7777 == 0o600
    run("openssl", "req", "-in", csr, "-verify", "-noout")
    assert len(bytes.fromhex(key)) == 32
    before = (identity / "key.pem").read_bytes()
    again = mintmark("station", "request", "--json", "--identity", identity,
                     "--csr", workdir / "other")
    assert json.loads(again.stdout)["key"] == key
    mintmark("station", "request", "--identity", workdir / "new", "--csr",
             csr, ok=(64,))
    assert not (workdir / "new").exists()
    assert (identity / "key.pem").read_bytes() == before


def test_pending_then_fetched(office, workdir):
    name = fresh("line")
    identity, csr, key = request(workdir)
    said = add(office, name, csr, "--out", identity)
    assert said["state"] == "pending" and said["key"] == key
    assert [p.name for p in identity.iterdir()] == ["key.pem"]
    office.refused("not-found", "station", "fetch", name, "--out", identity,
                   status=1)
    office.say("pending", "approve", name, "--yes", by="bob")
    eventually(lambda: office.say(
        "station", "fetch", name, "--out", identity,
        ok=(0, 1)).returncode == 0, "the certificate")
    assert {p.name for p in identity.iterdir()} == {
        "key.pem", "certificate.pem", "access-ca.pem", "appliance",
        "log.vkey"}
    run("openssl", "verify", "-purpose", "sslclient", "-CAfile",
        identity / "access-ca.pem", identity / "certificate.pem")
    issue(office, identity, order_for(office, name), workdir)


def test_files_that_are_there_are_kept(office, workdir):
    name, identity = move_in(office, workdir)
    kept = {p.name: p.read_bytes() for p in identity.iterdir()}
    place = workdir / "place"
    place.mkdir()
    (place / "log.vkey").write_text("mine")
    office.refused("file-exists", "station", "fetch", name, "--out", place,
                   status=64)
    assert [p.name for p in place.iterdir()] == ["log.vkey"]
    assert (place / "log.vkey").read_text() == "mine"
    office.say("station", "fetch", name, "--out", place, "--force")
    for file in ("certificate.pem", "log.vkey", "access-ca.pem"):
        assert (place / file).read_bytes() == kept[file]


def test_nothing_is_stated_where_files_have_no_place(office, workdir):
    """Looked at before an officer's word is given."""
    _, csr, _ = request(workdir)
    name = fresh("line")
    before = len(office.mint.entries())
    (workdir / "full").mkdir()
    (workdir / "full" / "certificate.pem").write_text("mine")
    (workdir / "file").write_text("")
    for out, error, status in ((workdir / "full", "file-exists", 64),
                               (workdir / "file", "file", 65),
                               (workdir / "a" / "b", "file", 65)):
        office.refused(error, "station", "add", "--name", name, "--csr",
                       csr, "--profile", "device", "--out", out, by="ada",
                       status=status)
    assert len(office.mint.entries()) == before
    assert (workdir / "full" / "certificate.pem").read_text() == "mine"
    assert len(list((workdir / "full").iterdir())) == 1


@pytest.mark.parametrize("more,status", [
    (["--name", ""], 64), (["--role", "king"], 64), (["--daily", "0"], 64),
    (["--minute", "0"], 64), (["--profile", "a,,b"], 64),
    (["--expires", "x"], 64)], ids=lambda w: " ".join(w) if isinstance(
        w, list) else None)
def test_bad_words(office, workdir, more, status):
    _, csr, _ = request(workdir)
    words = [] if "--name" in more else ["--name", fresh("line")]
    words += [] if "--profile" in more else ["--profile", "device"]
    office.refused("usage", "station", "add", "--csr", csr, *words, *more,
                   by="ada", status=status)


def test_a_station_wants_a_profile(office, workdir):
    _, csr, _ = request(workdir)
    office.refused("usage", "station", "add", "--csr", csr, "--name",
                   fresh("line"), by="ada", status=64)


def test_what_is_no_csr(office, workdir):
    bad = office.file("bad.csr", "nothing")
    for csr in (bad, workdir / "missing", workdir):
        line = office.refused(
            "csr-malformed" if csr == bad else "file", "station", "add",
            "--csr", csr, "--name", fresh("line"), "--profile", "device",
            by="ada", status=65)
        assert str(csr) in line


# ------------------------------------------------------------------- afterwards

def test_seen_last(office, workdir):
    name, identity = move_in(office, workdir)
    order = order_for(office, name)
    found = row(office, name)
    assert "seen" not in found and found["today"] == 0
    assert found["state"] == "enabled" and found["profiles"] == ["device"]
    issue(office, identity, order, workdir)
    found = row(office, name)
    assert found["seen"] <= found["until"] and found["today"] == 1
    table = office.say("station", "list").stdout
    assert name in table and found["seen"] in table


def test_disabled_in_the_midst_of_a_session(office, workdir):
    name, identity = move_in(office, workdir)
    shutil.copytree(identity, office.mint.identity(name))
    order = order_for(office, name)
    with office.mint.client(name) as session:
        session.issue(order, fresh("lamp"), new_csr())
        said = office.json("station", "disable", name, by="ada")
        line = office.refused("statement-replayed", "station", "disable",
                              name, by="bob")
        assert said["payload"][:16] in line and "waits already" in line
        session.issue(order, fresh("lamp"), new_csr())  # pending is nothing
        office.say("pending", "approve", said["payload"], "--yes", by="bob")
        with refused("unknown-principal"):
            session.issue(order, fresh("lamp"), new_csr())
    issue(office, identity, order, workdir, ok=(77,))
    assert row(office, name)["state"] == "disabled"
    office.refused("usage", "station", "disable", name, by="ada", status=64)
    said = office.json("station", "enable", name, by="ada")
    office.say("pending", "approve", said["payload"], "--yes", by="bob")
    issue(office, identity, order, workdir)
    office.refused("usage", "station", "enable", name, by="ada", status=64)
    office.refused("not-found", "station", "disable", "nobody", by="ada",
                   status=1)


def test_certificates_a_day(office, workdir):
    name, identity = move_in(office, workdir, "--daily", 1)
    order = order_for(office, name)
    issue(office, identity, order, workdir)
    done = issue(office, identity, order, workdir, ok=(75,))
    assert ": daily-limit: " in done.stderr
    found = row(office, name)
    assert (found["daily"], found["today"]) == (1, 1)


def test_requests_a_minute(office, workdir):
    name, identity = move_in(office, workdir, "--minute", 3)
    order = order_for(office, name)
    statuses = [issue(office, identity, order, workdir,
                      ok=(0, 75)).returncode for _ in range(5)]
    assert statuses[0] == 0 and statuses[-1] == 75
    assert row(office, name)["minute"] == 3


def test_another_key_by_another_statement(office, workdir):
    """Whose certificate has run out, or whose key is lost, is registered
    again."""
    name, identity = move_in(office, workdir)
    for again in (identity, workdir / "new"):
        csr = workdir / fresh("csr")
        mintmark("station", "request", "--identity", again, "--csr", csr)
        said = add(office, name, csr)
        office.say("pending", "approve", said["payload"], "--yes", by="bob")
        place = workdir / fresh("files")
        eventually(lambda: office.say(
            "station", "fetch", name, "--out", place, "--force",
            ok=(0, 1)).returncode == 0, "the certificate")
        for file in place.iterdir():
            shutil.copy(file, again)
        mintmark("station", "renew", "--identity", again)
    mintmark("station", "renew", "--identity", identity, "--wait", 0,
             ok=(69, 77))


def test_other_roles(office, workdir):
    name, identity = move_in(office, workdir, role=["--role", "auditor"])
    assert row(office, name)["role"] == "auditor"
    mintmark("log", "status", "--identity", identity)
    done = mintmark("order", "list", "--identity", identity, ok=(0, 77))
    assert done.returncode == 0 or "role-not-allowed" in done.stderr
    done = issue(office, identity, "any", workdir, ok=(77,))
    assert ": role-not-allowed: " in done.stderr


def test_a_young_certificate_is_not_renewed(office, workdir):
    _, identity = move_in(office, workdir)
    before = (identity / "certificate.pem").read_bytes()
    said = json.loads(mintmark("station", "renew", "--json", "--identity",
                               identity).stdout)
    assert said["renewed"] is False
    assert (identity / "certificate.pem").read_bytes() == before


# --------------------------------------------------------------------- renewal

@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A mint whose TLS clients' certificates begin so far back that a
    renewal is due at once."""
    place = tmp_path_factory.mktemp("hasty")
    text = (ROOT / "conf/policy.conf").read_text()
    begin = text.index('profile "tls-client"')
    end = text.index("}\n\n", begin)
    section = text[begin:end].replace("validity = 30d", "validity = 3h")
    section = section.replace("backdate = 1h", "backdate = 2h")
    policy = place / "policy.conf"
    # Nothing begins before its issuer does.
    policy.write_text((text[:begin] + section + text[end:]).replace(
        "\tvalidity = 20y\n\tkeys", "\tvalidity = 20y\n\tbackdate = 4h\n"
        "\tkeys", 1))
    mint = Mint(options=["--policy", policy])
    try:
        mint.start()
        yield mint
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()


def test_a_station_renews_by_itself(hasty, workdir):
    identity = hasty.identity("station")
    before = x509.load_pem_x509_certificate(
        (identity / "certificate.pem").read_bytes())
    key = (identity / "key.pem").read_bytes()

    def renew():
        # A second of another time is another certificate.
        said = json.loads(mintmark("station", "renew", "--json",
                                   "--identity", identity).stdout)
        return said if said["renewed"] else None
    said = eventually(renew, "a renewal")
    after = x509.load_pem_x509_certificate(
        (identity / "certificate.pem").read_bytes())
    assert after.serial_number != before.serial_number
    assert (after.public_key().public_numbers() ==
            before.public_key().public_numbers())
    assert after.not_valid_after >= before.not_valid_after
    assert said["subject"] == "station"
    assert (identity / "key.pem").read_bytes() == key
    order = hasty.new_order()
    csr = workdir / "csr"
    csr.write_bytes(new_csr())
    mintmark("cert", "issue", "--identity", identity, "--order", order,
             "--device", fresh("lamp"), "--out", workdir / "d", csr)
    rows = Office(hasty, workdir).json("station", "list")["principals"]
    assert any(r["name"] == "station" and r["until"] for r in rows)
