"""`mintmark flash secure-cert`: the vendor's partitions byte for byte through the
command line, read again, and what is refused; `flash der` there and back."""

import json

import pytest

from mint import VECTORS, mintmark, run

USAGE, DATA, REFUSED = 64, 65, 77
ROOM = VECTORS / "esp/secure_cert"
KEYS = VECTORS / "esp/keys"
IV_AT = {"tlv_rsa_ds": 16, "cust_flash_ds_c3": 0x1d00,
         "cust_flash_ds_s2": 0x1e80}
HEAD = ("tlv_type,tlv_subtype,data_value,data_type,priv_key_type,algorithm,"
        "key_size,efuse_id,efuse_key\n")


def key(name):
    return KEYS / f"TEST-ONLY-{name}"


DEVICE = ("--device-cert", key("device-p256.crt.pem"))
PRIVATE = ("--private-key", key("device-p256.key.pem"))
RSA = ("--device-cert", key("device-rsa2048.crt.pem"), "--private-key",
       key("device-rsa2048.key.pem"))
HMAC = ("--hmac-key", ROOM / "TEST-ONLY-ds_hmac_key.bin")


def secure_cert(*words, **more):
    return mintmark("flash", "secure-cert", *words, **more)


def dump(path, **more):
    return json.loads(secure_cert("--dump", path, "--json", **more).stdout)


def rows():
    """What the tool writes; its NVS form is an NVS image (flash nvs), the
    signed ones are `cert partition`'s."""
    lines = (ROOM / "cases.tsv").read_text().splitlines()
    cases = [line.split("\t") for line in lines if not line.startswith("#")]
    return [c for c in cases if c[1].startswith("exact") and c[2] != "nvs"]


def files(row):
    words = []
    for name, value in (("--ca-cert", row[3]), ("--device-cert", row[4]),
                        ("--private-key", row[5])):
        words += [name, ROOM / value] if value != "-" else []
    return words


def peripheral(row, wanted, workdir):
    extra = dict(part.split("=") for part in row[6].split(";"))
    start = IV_AT[row[0]]
    (workdir / "iv").write_bytes(wanted[start:start + 16])
    words = ["--ds", extra["chip"], "--efuse-key-id", extra["efuse_key_id"],
             "--hmac-key", ROOM / extra["hmac"], "--iv", workdir / "iv"]
    if "size" in extra:
        words += ["--format", "cust_flash_ds", "--size", extra["size"]]
    return words


@pytest.mark.parametrize("row", rows(), ids=[row[0] for row in rows()])
def test_the_vendors_partitions(row, workdir):
    wanted, out = (ROOM / row[7]).read_bytes(), workdir / "out.bin"
    if row[2] == "tlv_csv":
        words = ["--csv", ROOM / row[6], "--plain-keys"]
    elif row[1] == "exact_given_iv":
        words = files(row) + peripheral(row, wanted, workdir)
    else:
        words = files(row) + ["--format", row[2], "--plain-keys"]
    told = json.loads(secure_cert(*words, "-o", out, "--json").stdout)
    assert out.read_bytes() == wanted
    plain = row[1] == "exact"
    assert told == {"out": str(out), "size": len(wanted), "plain_keys": plain}
    assert out.stat().st_mode & 0o777 == (0o600 if plain else 0o644)
    assert dump(out)["size"] == len(wanted)


def test_there_are_rows():
    assert len(rows()) == 12


def test_without_an_iv_it_is_another_each_time(workdir):
    made = []
    for name in ("1", "2"):
        secure_cert(*RSA, *HMAC, "--ds", "esp32c3", "--efuse-key-id", 1, "-o",
                    workdir / name)
        made.append((workdir / name).read_bytes())
    assert made[0][16:32] != made[1][16:32]
    assert made[0][32:1232] != made[1][32:1232]


def test_an_ecdsa_key_in_an_efuse(workdir):
    out = workdir / "out.bin"
    secure_cert(*DEVICE, *PRIVATE, "--ds", "esp32h2", "--efuse-key-id", 2,
                "-o", out)
    parts = dump(out)["parts"]
    assert [p["name"] for p in parts] == ["SEC_CFG", "DEV_CERT", "PRIV_KEY",
                                          "INTEGRITY"]
    assert parts[0]["efuse_key"] == 2
    assert parts[2]["flags"] == 8 and parts[2]["plain_key"] is False
    scalar = run("openssl", "ec", "-in", PRIVATE[1], "-outform", "DER",
                 text=False).stdout[7:39]
    assert scalar not in out.read_bytes()
    assert b"PRIVATE KEY" not in out.read_bytes()


def test_what_is_read():
    read = dump(ROOM / "csv_basic.bin")
    assert read["layout"] == "tlv" and read["size"] == 2528
    by_name = {(p["name"], p["subtype"]): p for p in read["parts"]}
    assert by_name["USER_DATA_1", 0]["text"] == "Serial: 0001"
    assert by_name["USER_DATA_2", 0]["hex"] == "deadbeefcafe"
    assert by_name["PRIV_KEY", 0]["plain_key"] is True
    assert by_name["DEV_CERT", 1]["encoding"] == "DER"
    der = run("openssl", "x509", "-in", DEVICE[1], "-noout", "-fingerprint",
              "-sha256").stdout.strip().split("=")[1]
    assert by_name["DEV_CERT", 0]["sha256"] == der.replace(":", "").lower()
    context = {p["name"]: p for p in dump(ROOM / "tlv_rsa_ds.bin")["parts"]}
    assert context["DS_CONTEXT"]["efuse_key"] == 1
    assert context["DS_DATA"]["key_bits"] == 2048
    fixed = dump(ROOM / "cust_flash_ds_s2.bin")
    assert fixed["layout"] == "cust_flash_ds"
    assert fixed["parts"][2]["key_bits"] == 4096
    text = secure_cert("--dump", ROOM / "cust_flash_ec.bin").stdout
    assert text.startswith("layout: cust_flash\n")
    assert "PRIV_KEY" in text and "BEGIN" not in text


def test_damage_is_told(workdir):
    for name, place in (("tlv_ec_pem.bin", 40), ("cust_flash_ec.bin", 0x50),
                        ("tlv_ec_pem.bin", 0)):
        harmed = bytearray((ROOM / name).read_bytes())
        harmed[place] ^= 1
        path = workdir / "harmed.bin"
        path.write_bytes(harmed)
        done = secure_cert("--dump", path, ok=(DATA,))
        assert str(path) in done.stderr
    secure_cert("--dump", ROOM / "bad_crc.bin", ok=(DATA,))
    secure_cert("--dump", workdir / "none", ok=(DATA,))


def refused(workdir, *words, status=DATA, why):
    out = workdir / "refused.bin"
    done = secure_cert(*words, "-o", out, ok=(status,))
    assert why in done.stderr
    assert not [p for p in workdir.iterdir()
                if p.name.startswith("refused.bin")]


def test_a_key_in_clear_must_be_said(workdir):
    refused(workdir, *DEVICE, *PRIVATE, status=USAGE, why="--plain-keys")
    refused(workdir, "--csv", ROOM / "csv_basic.csv", why="line 5")
    secure_cert(*DEVICE, "-o", workdir / "no-key.bin")


def test_files_that_do_not_fit(workdir):
    plain = (*PRIVATE, "--plain-keys")
    refused(workdir, "--device-cert", key("csk-p256.crt.pem"), *plain,
            why="another key")
    refused(workdir, "--device-cert", workdir / "none", *plain, why="none")
    refused(workdir, *DEVICE, "--private-key", key("device-p256.crt.pem"),
            "--plain-keys", why="private key")
    refused(workdir, "--device-cert", key("device-p256.key.pem"), *plain,
            why="certificate")
    (workdir / "short").write_bytes(bytes(31))
    refused(workdir, *RSA, "--ds", "esp32c3", "--efuse-key-id", 1,
            "--hmac-key", workdir / "short", why="31 bytes")
    refused(workdir, *RSA, *HMAC, "--ds", "esp32c3", "--efuse-key-id", 1,
            "--iv", workdir / "short", why="31 bytes")
    encrypted = workdir / "encrypted.pem"
    run("openssl", "pkcs8", "-topk8", "-in", PRIVATE[1], "-out", encrypted,
        "-passout", "pass:x")
    refused(workdir, *DEVICE, "--private-key", encrypted, "--plain-keys",
            why="encrypted")
    large = ("--device-cert", key("device-rsa4096.crt.pem"), "--private-key",
             key("device-rsa4096.key.pem"))
    refused(workdir, *large, *HMAC, "--ds", "esp32c3", "--efuse-key-id", 1,
            status=REFUSED, why="4096 bits")


def issue(workdir, name, algorithm, by=None, ca=True):
    """A certificate by OpenSSL: of itself, or of another's key."""
    made, place = workdir / f"{name}.pem", workdir / f"{name}.key"
    algorithm = ["-newkey", *algorithm.split(" ")]
    words = ["-CA", workdir / f"{by}.pem", "-CAkey", workdir / f"{by}.key"]
    run("openssl", "req", "-x509", *algorithm, "-nodes", "-keyout", place,
        "-out", made, "-subj", f"/CN={name}", "-addext",
        f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}",
        *(words if by else []))
    return made


@pytest.mark.parametrize("algorithm", [
    "rsa:2048", "ed25519", "ec -pkeyopt ec_paramgen_curve:P-384"])
def test_the_ca_is_the_one_that_issued(algorithm, workdir):
    """Of whoever's CA: a root above it and another of the same name go in as
    well, as with the vendor's tool, and it is said."""
    curve = "ec -pkeyopt ec_paramgen_curve:P-256"
    root = issue(workdir, "root", curve)
    issuer = issue(workdir, "issuer", algorithm, by="root")
    device = issue(workdir, "device", curve, by="issuer", ca=False)
    words = ("--device-cert", device, "--private-key", workdir / "device.key",
             "--plain-keys")
    chain = workdir / "chain.pem"
    chain.write_bytes(issuer.read_bytes() + root.read_bytes())
    done = secure_cert(*words, "--ca-cert", chain, "-o", workdir / "out.bin")
    assert "did not sign" not in done.stderr
    chain.write_bytes(root.read_bytes() + issuer.read_bytes())
    (workdir / "again").mkdir()
    for ca in (root, chain, issue(workdir / "again", "issuer", algorithm)):
        done = secure_cert(*words, "--ca-cert", ca, "--force", "-o",
                           workdir / "out.bin")
        assert f"{ca}: this CA's key did not sign" in done.stderr
        assert ".chain.pem" in done.stderr


@pytest.mark.parametrize("words, why", [
    ((), "--device-cert"),
    ((*DEVICE, "--format", "tvl"), "tvl"),
    ((*RSA, "--ds", "esp32"), "esp32"),
    ((*RSA, "--ds", "esp32c3"), "--efuse-key-id"),
    ((*RSA, "--ds", "esp32c3", "--efuse-key-id", "6"), "efuse-key-id"),
    ((*RSA, "--ds", "esp32c3", "--efuse-key-id", "1"), "--hmac-key"),
    ((*RSA, *HMAC), "--ds"),
    ((*DEVICE, *PRIVATE, *HMAC, "--ds", "esp32h2", "--efuse-key-id", "1"),
     "RSA"),
    ((*DEVICE, *PRIVATE, "--ds", "esp32h2", "--efuse-key-id", "1", "--iv",
      ROOM / "TEST-ONLY-ds_hmac_key.bin"), "--iv"),
    (("--dump", ROOM / "tlv_ec_pem.bin"), "--dump"),
    (("--csv", ROOM / "csv_basic.csv", *DEVICE), "--csv"),
])
def test_usage(words, why, workdir):
    refused(workdir, *words, status=USAGE, why=why)


def test_out_must_be_said():
    assert "-o OUT" in secure_cert(*DEVICE, ok=(USAGE,)).stderr


def test_no_file_is_overwritten(workdir):
    out = workdir / "out.bin"
    out.write_text("kept")
    secure_cert(*DEVICE, "-o", out, ok=(USAGE,))
    assert out.read_text() == "kept"
    secure_cert(*DEVICE, *PRIVATE, "--plain-keys", "-o", out, "--force")
    assert out.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in workdir.iterdir()] == ["out.bin"]


def test_of_a_chain_the_first_goes_in_and_that_is_said(workdir):
    chain = workdir / "chain.pem"
    chain.write_bytes(key("ca-p256.crt.pem").read_bytes() +
                      key("csk-p256.crt.pem").read_bytes())
    done = secure_cert(*DEVICE, "--ca-cert", chain, "-o", workdir / "1")
    assert "2 certificates" in done.stderr
    secure_cert(*DEVICE, "--ca-cert", key("ca-p256.crt.pem"), "-o",
                workdir / "2")
    assert (workdir / "1").read_bytes() == (workdir / "2").read_bytes()


def test_a_csv_with_crlf_bom_and_quotes(workdir):
    (workdir / "cert.der").write_bytes(
        key("device-p256.crt.der").read_bytes())
    text = (HEAD + "# the device's\n1,0,cert.der,file,,,,,\n"
            '51,0,"a ""b"", c",string,,,,,\n')
    made = []
    for name, data in (("1", text.encode()),
                       ("2", b"\xef\xbb\xbf" +
                        text.replace("\n", "\r\n").encode())):
        (workdir / "t.csv").write_bytes(data)
        secure_cert("--csv", workdir / "t.csv", "-o", workdir / name)
        made.append((workdir / name).read_bytes())
    assert made[0] == made[1]
    assert dump(workdir / "1")["parts"][1]["text"] == 'a "b", c'


@pytest.mark.parametrize("row, why", [
    ("51,0,x,string", "cells"),
    ("1,0,none.der,file,,,,,", "none.der"),
    ("51,0,x,string,,,,,\n51,0,y,string,,,,,", "line 2"),
    ("51,0,zz,hex,,,,,", "hex"),
])
def test_bad_rows(row, why, workdir):
    (workdir / "t.csv").write_text(HEAD + row + "\n")
    line = 2 + row.count("\n")
    refused(workdir, "--csv", workdir / "t.csv", why=why)
    refused(workdir, "--csv", workdir / "t.csv",
            why=f"{workdir / 't.csv'}, line {line}: ")


# ------------------------------------------------------------------ flash der

def test_der_and_back(workdir):
    sources = {"certificate": key("device-p256.crt.pem"),
               "key": key("device-p256.key.p8.pem"),
               "csk": key("csk-p256.crt.pem")}
    words = [w for name, path in sources.items() for w in (f"--{name}", path)]
    mintmark("flash", "der", *words, "--out", workdir)
    names = {"certificate": "cert", "key": "privatekey", "csk": "csk"}
    back = [w for name, stem in names.items()
            for w in (f"--{name}", workdir / f"{stem}.der")]
    told = mintmark("flash", "der", "--pem", *back, "--out", workdir,
                    "--json").stdout
    for name, source in sources.items():
        path = workdir / f"{names[name]}.pem"
        assert json.loads(told)[name] == str(path)
        assert path.read_bytes() == source.read_bytes()
    assert (workdir / "privatekey.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name, source", [
    ("certificate", "device-p256.crt.pem"), ("key", "device-p256.key.pem"),
    ("key", "device-p256.crt.der"), ("csk", "device-p256.key.der")])
def test_what_is_not_der_stays(name, source, workdir):
    done = mintmark("flash", "der", "--pem", f"--{name}", key(source), "--out",
                    workdir / "out", ok=(DATA,))
    assert str(key(source)) in done.stderr
    assert not (workdir / "out").exists()


def test_der_of_two_devices_is_refused(workdir):
    words = ("--certificate", key("device-p256.crt.pem"), "--key",
             key("device-rsa2048.key.pem"), "--out", workdir / "out")
    done = mintmark("flash", "der", *words, ok=(DATA,))
    assert f"{words[1]}: the device's certificate is for another" in done.stderr
    assert not (workdir / "out").exists()
    words = ("--pem", "--certificate", key("device-p256.crt.der"), "--key",
             key("device-p256.key.der"), "--out", workdir / "out")
    mintmark("flash", "der", *words)


def test_der_of_a_chain_is_refused(workdir):
    chain = workdir / "chain.pem"
    chain.write_bytes(key("device-p256.crt.pem").read_bytes() +
                      key("ca-p256.crt.pem").read_bytes())
    done = mintmark("flash", "der", "--certificate", chain, "--out",
                    workdir / "out", ok=(DATA,))
    assert "give one certificate alone" in done.stderr
    assert not (workdir / "out").exists()


def test_openssl_reads_what_lies_in_a_partition(workdir):
    """The values are what another's parser takes: the key signs, and the
    certificate verifies."""
    out = workdir / "out.bin"
    secure_cert(*RSA, "--plain-keys", "-o", out)
    parts = {p["name"]: p for p in dump(out)["parts"]}
    for name, path in (("DEV_CERT", "c.pem"), ("PRIV_KEY", "k.pem")):
        at, size = parts[name]["offset"], parts[name]["size"]
        value = out.read_bytes()[at:at + size]
        assert value.endswith(b"\n\0")
        (workdir / path).write_bytes(value[:-1])
    key_side = run("openssl", "pkey", "-in", workdir / "k.pem", "-pubout")
    cert_side = run("openssl", "x509", "-in", workdir / "c.pem", "-pubkey",
                    "-noout")
    assert key_side.stdout == cert_side.stdout
