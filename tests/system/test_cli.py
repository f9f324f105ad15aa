"""The command line: every command's good path, its --json, its exit codes."""

import json
import os

import pytest
from cryptography.hazmat.primitives import serialization

from mint import (MINTMARK, ROOT, VECTORS, Mint, fresh, mintmark, new_csr,
                  run, new_key)

YES, NO, USAGE, DATA, AWAY, LATER, REFUSED, CONFIG = (
    0, 1, 64, 65, 69, 75, 77, 78)
IMAGE = VECTORS / "esp/esp32_irom.bin"
FIRMWARE = ROOT / "conf/policy.conf"  # any file will do
HELP = mintmark("--help").stdout


def listed():
    """The commands that --help has: a noun and a verb before the summary."""
    nouns = {"quickstart", "produce"}  # have no verb
    for line in HELP.splitlines():
        if line.startswith("  ") and line.split():
            noun, rest = line[2:].split(" ", 1)
            verb = rest.strip().split(" ")[0] if noun not in nouns else ""
            yield f"{noun} {verb}".strip()


COMMANDS = list(listed())
SILENT = ["witness cosign", "witness serve",
          "ceremony record", "ceremony fetch"]  # they have no results


@pytest.fixture
def csr(workdir):
    (workdir / "device.csr").write_bytes(new_csr())
    return workdir / "device.csr"


def issue(mint, order, device, csr, out, *more, **expect):
    return mintmark("cert", "issue", "--identity", mint.identity("station"),
                    "--order", order, "--device", device, "--out", out,
                    *more, csr, **expect)


def submit(mint, version, out, *more, image=FIRMWARE, **expect):
    return mintmark("release", "submit", "--identity",
                    mint.identity("release"), "--product", "demo",
                    "--version", version, "--officer",
                    mint.dir / "officer/officer.key", "--out", out, *more,
                    image, **expect)


def key(mint):
    return ["--key", mint.dir / "public/log.vkey"]


# ----------------------------------------------------------------- in general

def test_help_lists_every_command():
    text = mintmark("--help").stdout
    for command in COMMANDS:
        assert all(word in text for word in command.split()), command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command):
    said = mintmark(*command.split(), "--help").stdout
    assert f"mintmark {command}" in said
    assert ("--json" in said) == (command not in SILENT)
    if command in SILENT:
        mintmark(*command.split(), "--json", ok=(USAGE,))


@pytest.mark.parametrize("words", [
    ["--help"], ["log", "list", "--help"],
    ["image", "inspect", IMAGE], ["image", "inspect", "--json", IMAGE]],
    ids=lambda words: " ".join(map(str, words[:3])))
def test_what_is_not_written_is_no_success(words):
    run("sh", "-c", 'exec "$0" "$@" >/dev/full', MINTMARK, *words, ok=(DATA,))


def test_a_closed_stdout_is_nobodys_file(workdir):
    """The next file that is opened must not get its number."""
    mintmark("witness", "create", "--dir", workdir / "w", "--name", "w")
    before = {p: p.read_bytes() for p in (workdir / "w").rglob("*")
              if p.is_file()}
    run("sh", "-c", 'exec "$0" "$@" >&-', MINTMARK, "witness", "show",
        "--dir", workdir / "w", ok=(DATA,))
    assert before == {p: p.read_bytes() for p in (workdir / "w").rglob("*")
                      if p.is_file()}


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["cert"], ["cert", "nonsense"],
    ["cert", "issue", "--nonsense", "x"], ["cert", "issue"],
    ["image", "inspect"], ["image", "inspect", "a", "b", "c"],
    ["cert", "show", "--identity"]], ids=" ".join)
def test_a_wrong_command_line(words):
    done = mintmark(*words, ok=(USAGE,))
    assert done.stdout == "" and done.stderr


def test_an_error_is_one_line(workdir):
    done = mintmark("image", "inspect", workdir / "nothing", ok=(DATA,))
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("mintmark image inspect: ")


# ----------------------------------------------------------------- quickstart

def test_quickstart_overwrites_nothing(mint):
    before = sorted(p for p in mint.dir.rglob("*"))
    mintmark("quickstart", "--dir", mint.dir, ok=(USAGE,))
    assert sorted(p for p in mint.dir.rglob("*")) == before


def test_quickstart_self_signed_codesign():
    mint = Mint(options=["--self-signed-codesign", "--origin",
                         "mint.example/self"])
    try:
        crt = mint.dir / "public/codesign.crt"
        run("openssl", "verify", "-CAfile", crt, crt)
        assert mint.origin == "mint.example/self"
        mint.audit()
    finally:
        mint.remove()


def test_quickstart_json():
    mint = Mint()
    try:
        done = mintmark("quickstart", "--dir", mint.base / "second",
                        "--json")
        assert json.loads(done.stdout)["order"] == "quickstart"
    finally:
        mint.remove()


EXAMPLE = (ROOT / "conf/policy.conf").read_text()
DEVICES = 'profile "device" {'


def test_quickstart_takes_the_first_profile_for_devices(workdir):
    text = EXAMPLE.replace(DEVICES, 'profile "lamp" {')
    assert text != EXAMPLE
    (workdir / "own.conf").write_text(text)
    done = mintmark("quickstart", "--dir", workdir / "mint", "--policy",
                    workdir / "own.conf")
    assert '"lamp"' in done.stderr and "profile: lamp" in done.stdout
    key = workdir / "mint/public/log.vkey"
    shown = mintmark("log", "list", "--json", "--kind", "order", "--key", key,
                     workdir / "mint/log").stdout
    assert json.loads(shown)["profile"] == "lamp"


def test_quickstart_without_a_profile_for_devices(workdir):
    begin = EXAMPLE.index(DEVICES)
    end = EXAMPLE.index("\n}\n", begin) + 3
    (workdir / "own.conf").write_text(EXAMPLE[:begin] + EXAMPLE[end:])
    done = mintmark("quickstart", "--dir", workdir / "mint", "--policy",
                    workdir / "own.conf", ok=None)
    assert done.returncode in (65, 78)
    assert "no profile of purpose device" in done.stderr
    assert not (workdir / "mint").exists()


def test_what_quickstart_leaves(mint):
    for name in ("ca.pem", "chain.pem", "codesign.crt", "access-ca.pem",
                 "log.vkey"):
        assert (mint.dir / "public" / name).is_file()
    run("openssl", "verify", "-x509_strict", "-CAfile",
        mint.dir / "public/ca.pem", mint.dir / "public/chain.pem")
    for name in ("station", "release", "auditor", "officer"):
        run("openssl", "verify", "-purpose", "sslclient", "-CAfile",
            mint.dir / "public/access-ca.pem",
            mint.identity(name) / "certificate.pem")
        mode = (mint.identity(name) / "key.pem").stat().st_mode
        assert mode & 0o077 == 0


# ----------------------------------------------------------------------- certs

def test_cert_issue(mint, order, device, csr, workdir):
    issue(mint, order, device, csr, workdir / "d")
    for suffix in (".crt", ".chain.pem", ".receipt"):
        assert (workdir / f"d{suffix}").is_file(), os.listdir(workdir)
    run("openssl", "verify", "-x509_strict", "-CAfile",
        mint.dir / "public/ca.pem", "-untrusted", workdir / "d.chain.pem",
        workdir / "d.crt")
    mintmark("receipt", "verify", *key(mint), workdir / "d.receipt",
             workdir / "d.crt")


def test_cert_issue_json(mint, order, device, csr, workdir):
    said = json.loads(issue(mint, order, device, csr, workdir / "d",
                            "--json").stdout)
    assert said["subject"] == device and said["principal"] == "station"
    assert said["log"] == mint.origin
    assert said["certificate"] == str(workdir / "d.crt")


def test_cert_issue_again_is_the_same(mint, order, device, csr, workdir):
    issue(mint, order, device, csr, workdir / "a")
    issue(mint, order, device, csr, workdir / "b")
    assert (workdir / "a.crt").read_bytes() == (
        workdir / "b.crt").read_bytes()
    assert (workdir / "a.receipt").read_bytes() == (
        workdir / "b.receipt").read_bytes()


def test_files_are_kept_without_force(mint, order, device, csr, workdir):
    issue(mint, order, device, csr, workdir / "d")
    before = (workdir / "d.crt").read_bytes()
    issue(mint, order, device, csr, workdir / "d", ok=(USAGE,))
    assert (workdir / "d.crt").read_bytes() == before
    issue(mint, order, device, csr, workdir / "d", "--force")


def test_cert_issue_is_refused(mint, device, csr, workdir):
    done = issue(mint, "no-such-order", device, csr, workdir / "d",
                 ok=(REFUSED,))
    assert "unknown-order" in done.stderr
    assert not list(workdir.glob("d.*"))


def test_cert_issue_with_what_is_no_csr(mint, order, device, workdir):
    (workdir / "csr").write_text("nothing")
    done = issue(mint, order, device, workdir / "csr", workdir / "d",
                 ok=(DATA,))
    assert "csr-malformed" in done.stderr


def test_the_daily_limit_is_for_later(mint, csr, workdir):
    name = mint.new_principal("station", daily=1)
    order = mint.new_order(stations=[name])
    with mint.client(name) as client:
        client.issue(order, fresh("lamp"), new_csr())
    (mint.identity(name) / "appliance").write_text(
        "%s:%d localhost\n" % mint.address)
    done = mintmark("cert", "issue", "--identity", mint.identity(name),
                    "--order", order, "--device", fresh("lamp"), "--out",
                    workdir / "d", "--wait", "0", csr, ok=(LATER,))
    assert "daily-limit" in done.stderr


def test_cert_show(mint, order, device, csr, workdir):
    issue(mint, order, device, csr, workdir / "d")
    said = json.loads(mintmark(
        "cert", "show", "--identity", mint.identity("auditor"), "--device",
        device, "--json").stdout)
    again = json.loads(mintmark(
        "cert", "show", "--identity", mint.identity("auditor"), "--serial",
        said["serial"], "--json").stdout)
    assert said == again and said["subject"] == device


def test_cert_show_of_nothing(mint):
    done = mintmark("cert", "show", "--identity", mint.identity("auditor"),
                    "--device", "never", ok=(NO,))
    assert "not-found" in done.stderr


# ---------------------------------------------------------------------- orders

def test_order_create(mint, csr, workdir):
    name = fresh("order")
    mintmark("order", "create", "--identity", mint.identity("officer"),
             "--officer", mint.dir / "officer/officer.key", "--name", name,
             "--units", 2, "--station", "station", "--pattern", "cli-*",
             "--receipt", workdir / "receipt")
    issue(mint, name, fresh("cli"), csr, workdir / "d")
    mintmark("receipt", "verify", *key(mint), workdir / "receipt")


def test_order_create_by_a_station(mint):
    done = mintmark("order", "create", "--identity",
                    mint.identity("station"), "--officer",
                    mint.dir / "officer/officer.key", "--name",
                    fresh("order"), "--units", 2, "--station", "station",
                    "--pattern", "*", ok=(REFUSED,))
    assert "role-not-allowed" in done.stderr


# -------------------------------------------------------------------- releases

def test_release_submit_and_fetch(mint, workdir):
    version = fresh("1")
    submit(mint, version, workdir / "fw")
    mintmark("release", "fetch", "--identity", mint.identity("release"),
             "--image", FIRMWARE, "--out", workdir / "again",
             f"demo@{version}")
    for name in ("sha256-ecdsa.sig", "sha256-ecdsa.receipt", "firmware.bin"):
        assert (workdir / "fw" / name).read_bytes() == (
            workdir / "again" / name).read_bytes()
    mintmark("receipt", "verify", *key(mint), "--image", FIRMWARE,
             "--certificate", mint.dir / "public/codesign.crt",
             workdir / "fw/sha256-ecdsa.receipt",
             workdir / "fw/sha256-ecdsa.sig")
    public = run("openssl", "x509", "-in", mint.dir / "public/codesign.crt",
                 "-noout", "-pubkey").stdout
    (workdir / "pub").write_text(public)
    run("openssl", "dgst", "-sha256", "-verify", workdir / "pub",
        "-signature", workdir / "fw/sha256-ecdsa.sig", FIRMWARE)


def test_a_receipt_of_another_image(mint, workdir):
    submit(mint, fresh("1"), workdir / "fw")
    (workdir / "other").write_bytes(FIRMWARE.read_bytes() + b"!")
    mintmark("receipt", "verify", *key(mint), "--image", workdir / "other",
             workdir / "fw/sha256-ecdsa.receipt", ok=(NO,))


def test_release_submit_of_a_stranger(mint, workdir):
    other = Mint()
    try:
        done = mintmark(
            "release", "submit", "--identity", mint.identity("release"),
            "--product", "demo", "--version", fresh("1"), "--officer",
            other.dir / "officer/officer.key", "--out", workdir / "fw",
            FIRMWARE, ok=(REFUSED,))
    finally:
        other.remove()
    assert "statement-unknown-officer" in done.stderr


def test_release_fetch_of_nothing(mint, workdir):
    mintmark("release", "fetch", "--identity", mint.identity("release"),
             "--out", workdir / "fw", "demo@never", ok=(NO,))


# ------------------------------------------------------------------------- log

def test_log_status(mint):
    said = json.loads(mintmark("log", "status", "--identity",
                               mint.identity("auditor"), "--json").stdout)
    assert said["log"] == mint.origin
    assert said["role"] == "auditor" and said["size"] > 0


def test_log_verify_online(mint):
    said = json.loads(mintmark("log", "verify", "--identity",
                               mint.identity("auditor"), "--json").stdout)
    assert said["certificates"] > 0


def test_log_verify_offline(mint):
    mint.stop()
    audited = mint.audit()
    said = json.loads(mintmark("log", "verify", *key(mint),
                               mint.dir / "log", "--json").stdout)
    assert said["size"] == audited.index + 1
    assert said["certificates"] == audited.counts["certificate"]
    assert said["unsigned"] == 0
    mint.start()


def test_log_verify_of_nothing(mint, workdir):
    mintmark("log", "verify", *key(mint), workdir, ok=(DATA, NO))


def test_the_appliance_is_away(mint, order, device, csr, workdir):
    mint.stop()
    try:
        done = issue(mint, order, device, csr, workdir / "d", "--wait", "0",
                     ok=(AWAY,))
        assert "appliance-away" in done.stderr
    finally:
        mint.start()


# ----------------------------------------------------------------------- files

def test_image_inspect():
    said = json.loads(mintmark("image", "inspect", "--json", IMAGE).stdout)
    assert said["format"] == "esp-app"
    assert said["size"] == IMAGE.stat().st_size


def test_image_inspect_from_stdin():
    with IMAGE.open("rb") as image:
        said = json.loads(mintmark("image", "inspect", "--json", "-",
                                   stdin=image).stdout)
    assert said["size"] == IMAGE.stat().st_size


def test_flash_der(mint, order, device, workdir):
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout",
        workdir / "key.pem", "-out", workdir / "csr")
    issue(mint, order, device, workdir / "csr", workdir / "d")
    (workdir / "out").mkdir()
    mintmark("flash", "der", "--certificate", workdir / "d.crt", "--key",
             workdir / "key.pem", "--csk", mint.dir / "public/codesign.crt",
             "--out", workdir / "out")
    run("openssl", "x509", "-inform", "DER", "-in",
        workdir / "out/cert.der", "-noout")
    run("openssl", "ec", "-inform", "DER", "-in",
        workdir / "out/privatekey.der", "-noout")
    assert (workdir / "out/privatekey.der").stat().st_mode & 0o077 == 0


def test_an_officer_s_key_that_others_can_read(mint, workdir):
    copy = workdir / "officer.key"
    copy.write_bytes((mint.dir / "officer/officer.key").read_bytes())
    copy.chmod(0o644)
    done = mintmark("release", "submit", "--identity",
                    mint.identity("release"), "--product", "demo",
                    "--version", fresh("1"), "--officer", copy, "--out",
                    workdir / "fw", FIRMWARE, ok=(DATA,))
    assert "chmod 600" in done.stderr


# ------------------------------------------- what --force does not overwrite

NVS = "key,type,encoding,value\na,namespace,,\nb,data,u8,1\n"


@pytest.fixture
def precious(workdir):
    (workdir / "nvs.csv").write_text(NVS)
    (workdir / "table.csv").write_text("nvs,data,nvs,0x9000,0x4000\n")
    (workdir / "raw.bin").write_bytes(os.urandom(64))
    (workdir / "flash.key").write_bytes(os.urandom(32))
    (workdir / "app.bin").write_bytes(bytes(4096))
    mintmark("flash", "nvs-keys", workdir / "nvs.key")
    key = new_key()
    (workdir / "device.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    (workdir / "alias").symlink_to("device.key")
    return workdir


ENCRYPT = ["encrypt", "--chip", "esp32c3", "--address", "0x10000"]


@pytest.mark.parametrize("words", [
    [*ENCRYPT, "--key", "flash.key", "-o", "flash.key", "app.bin"],
    [*ENCRYPT, "--key", "flash.key", "-o", "app.bin", "app.bin"],
    [*ENCRYPT, "--new-key", "both", "-o", "both", "app.bin"],
    ["nvs", "--keys", "nvs.key", "nvs.csv", "nvs.key", "0x4000"],
    ["nvs", "nvs.csv", "nvs.csv", "0x4000"],
    ["nvs-keys", "--raw", "raw.bin", "raw.bin"],
    ["secure-cert", "--private-key", "device.key", "--plain-keys", "-o",
     "alias"],
    ["partitions", "table.csv", "./table.csv"],
    ["plan", "--chip", "esp32c3", "--partitions", "table.csv",
     "--flash-encryption", "flash.key", "--script", "flash.key"],
], ids=lambda v: v[0])
def test_force_overwrites_no_input(precious, words):
    before = {p.name: p.read_bytes() for p in precious.iterdir()}
    done = mintmark("flash", *words, "--force", ok=(64,), cwd=precious)
    assert "give the result another name" in done.stderr
    assert {p.name: p.read_bytes() for p in precious.iterdir()} == before
