"""`receipt verify` and `log prove`: what a receipt proves of which file, by
which officers and witnesses, and every way of not proving it."""

import hashlib
import json

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)

import auditor
import mintmark_client as mm
from auditor import CERTIFICATE, EXPORT, GENESIS, IMAGE, ORDER, POLICY
from logmaker import Cosigner, LogMaker, log_vkey, raw
from mint import (BUILD, MINTMARK, VECTORS, Mint, fresh, mintmark, new_csr, run,
                  new_key, to_pem)

YES, NO, USAGE, DATA, AWAY = 0, 1, 64, 65, 69
BODY = 3
TLOG = VECTORS / "tlog"


class Made:
    """A log with some of everything, its files, and its key."""

    def __init__(self, base):
        mint = Mint()
        try:
            mint.start()
            order = mint.new_order(name="made", units=7)
            with mint.client() as client:
                answer = client.issue(order, "lamp-1", new_csr())
                other = client.issue(order, "lamp-2", new_csr())
            image = b"firmware " * 99
            statement = mint.approve(image, version="1.0")
            with mint.client("release") as client:
                release = client.release(client.upload(image), [statement],
                                         version="1.0")
            mint.stop()
            self.entries = auditor.read_directory(mint.dir / "log", mint.vkey)
            key = Ed25519PrivateKey.from_private_bytes(
                (mint.dir / "log-key/log.key").read_bytes())
            self.maker = LogMaker(mint.vkey, key)
            self.officer = mint.officer
            files = {"crt": answer[1], "pem": to_pem(answer[1]),
                     "receipt": answer[3], "other.crt": other[1],
                     "image": image, "statement": statement,
                     "sig": release[1], "fw.receipt": release[4],
                     "codesign.crt": (mint.dir / "public/codesign.crt"
                                      ).read_bytes(),
                     "ca.crt": to_pem(answer[2][0]),
                     "vkey": (mint.dir / "public/log.vkey").read_bytes()}
        finally:
            mint.remove()
        for name, data in files.items():
            (base / name).write_bytes(data)
        self.base = base
        self.log = self.maker.directory(self.entries, base / "log")

    def __truediv__(self, name):
        return self.base / name

    def at(self, kind, nth=0):
        return [i for i, e in enumerate(self.entries)
                if cbor2.loads(e)[0] == kind][nth]

    def receipt_of(self, index, place, entries=None, **more):
        place.write_bytes(self.maker.receipt(
            entries or self.entries, index, **more))
        return place

    def verify(self, *words, ok=(YES,)):
        done = mintmark("receipt", "verify", "--json", "--key", self / "vkey",
                        *words, ok=ok)
        return json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("receipts"))


def refused(done, name):
    assert f": {name}: " in done, done


# ------------------------------------------------------------ which file it is

@pytest.mark.parametrize("file", ["crt", "pem"])
def test_a_certificate_by_itself(made, file):
    said = made.verify(made / "receipt", made / file)
    assert (said["proved"], said["matched"]) == (
        "tbs+signature", "certificate")
    assert said["subject"] == "lamp-1" and said["kind"] == "certificate"
    assert cbor2.loads(made.entries[said["basis"]])[0] == ORDER
    assert said["index"] == made.at(CERTIFICATE, -2)


def test_a_certificate_and_its_issuer(made):
    said = made.verify("--certificate", made / "ca.crt", made / "receipt",
                       made / "crt")
    assert said["proved"] == "tbs+signature"
    refused(made.verify("--certificate", made / "codesign.crt",
                        made / "receipt", made / "crt", ok=(NO,)),
            "receipt-mismatch")


def test_nothing_but_the_entry(made):
    said = made.verify(made / "receipt")
    assert said["proved"] == "inclusion" and "matched" not in said


def test_an_image(made):
    for words in ([made / "fw.receipt", made / "image"],
                  ["--image", made / "image", made / "fw.receipt"]):
        assert made.verify(*words)["proved"] == "image"


def test_a_signature_with_its_certificate(made):
    said = made.verify("--certificate", made / "codesign.crt",
                       made / "fw.receipt", made / "sig")
    assert (said["proved"], said["matched"]) == ("signature", "signature")
    said = made.verify("--certificate", made / "codesign.crt", "--image",
                       made / "image", made / "fw.receipt", made / "sig")
    assert said["proved"] == "image+signature"
    refused(made.verify("--certificate", made / "ca.crt",
                        made / "fw.receipt", made / "sig", ok=(NO,)),
            "receipt-mismatch")


def test_a_signature_and_its_receipt_alone(made, workdir):
    """The entry has the signer's hash; the signature tells whose it is."""
    said = made.verify(made / "fw.receipt", made / "sig")
    assert (said["proved"], said["matched"]) == ("signature", "signature")
    said = made.verify("--image", made / "image", made / "fw.receipt",
                       made / "sig")
    assert said["proved"] == "image+signature"
    key = new_key()
    (workdir / "sig").write_bytes(key.sign(
        (made / "image").read_bytes(), ec.ECDSA(hashes.SHA256())))
    refused(made.verify(made / "fw.receipt", workdir / "sig", ok=(NO,)),
            "receipt-mismatch")


def test_a_statement(made, workdir):
    said = made.verify(made / "fw.receipt", made / "statement")
    assert (said["proved"], said["matched"]) == ("statement", "statement")
    at = made.at(ORDER, -1)
    made.receipt_of(at, workdir / "order.receipt")
    order = cbor2.loads(made.entries[at])[BODY][0][0]
    (workdir / "order").write_bytes(order)
    assert made.verify(workdir / "order.receipt",
                       workdir / "order")["matched"] == "statement"
    (workdir / "order").write_bytes(order[:-1] + b"!")
    refused(made.verify(workdir / "order.receipt", workdir / "order",
                        ok=(NO,)), "receipt-mismatch")


def test_an_export(made, workdir):
    csv = b"index,time\r\n0,2024-01-31T12:00:00Z\r\n"
    frame = cbor2.loads(made.entries[-1])
    entry = cbor2.dumps(
        {0: EXPORT, 1: frame[1], 2: frame[2],
         BODY: {0: 0, 1: 1, 2: "csv", 4: hashlib.sha256(csv).digest(),
                5: len(csv), 6: "auditor", 7: bytes(16)}}, canonical=True)
    entries = made.entries + [entry]
    made.receipt_of(len(entries) - 1, workdir / "receipt", entries)
    (workdir / "list.csv").write_bytes(csv)
    said = made.verify(workdir / "receipt", workdir / "list.csv")
    assert (said["proved"], said["matched"]) == ("export", "export")
    for bad in (csv[:-1], csv + b"!", csv.replace(b"0,", b"1,")):
        (workdir / "list.csv").write_bytes(bad)
        refused(made.verify(workdir / "receipt", workdir / "list.csv",
                            ok=(NO,)), "receipt-mismatch")


def test_an_export_of_any_size(made, workdir):
    """It is read piece by piece: memory has no part in it."""
    size = (256 << 20) + 1
    digest = hashlib.sha256()
    for _ in range(256):
        digest.update(bytes(1 << 20))
    digest.update(bytes(1))
    frame = cbor2.loads(made.entries[-1])
    entry = cbor2.dumps(
        {0: EXPORT, 1: frame[1], 2: frame[2],
         BODY: {0: 0, 1: 1, 2: "csv", 4: digest.digest(), 5: size,
                6: "auditor", 7: bytes(16)}}, canonical=True)
    entries = made.entries + [entry]
    made.receipt_of(len(entries) - 1, workdir / "receipt", entries)
    with (workdir / "list.csv").open("wb") as file:
        file.truncate(size)
    words = [str(MINTMARK), "receipt", "verify", "--json", "--key",
             str(made / "vkey"), str(workdir / "receipt")]
    # A sanitizer's own memory is more than that.
    few = [] if "sanitize" in str(BUILD) else [
        "prlimit", f"--data={64 << 20}"]
    said = json.loads(run(*few, *words, workdir / "list.csv").stdout)
    assert (said["matched"], said["export_size"]) == ("export", size)
    with (workdir / "list.csv").open("rb") as file:
        assert json.loads(run(*words, "-", stdin=file).stdout) == said
    refused(made.verify(workdir / "receipt", workdir, ok=(DATA,)), "file")


@pytest.mark.parametrize("receipt, file, status, name", [
    ("receipt", "other.crt", NO, "receipt-mismatch"),
    ("receipt", "image", DATA, "bad-format"),
    ("fw.receipt", "crt", NO, "receipt-mismatch"),
    ("fw.receipt", "vkey", NO, "receipt-mismatch"),
    ("fw.receipt", "nothing", DATA, "file"),
    ("crt", "crt", DATA, "receipt-malformed")])
def test_files_that_do_not_fit(made, receipt, file, status, name):
    refused(made.verify(made / receipt, made / file, ok=(status,)), name)


def test_a_kind_without_files(made, workdir):
    made.receipt_of(made.at(GENESIS), workdir / "receipt")
    refused(made.verify(workdir / "receipt", made / "crt", ok=(NO,)),
            "receipt-mismatch")


# --------------------------------------------------------- receipts without one

def test_an_entry_that_is_brought(made, workdir):
    at = made.at(CERTIFICATE, -1)
    bare = made.receipt_of(at, workdir / "bare", extra=False)
    (workdir / "entry").write_bytes(made.entries[at])
    refused(made.verify(bare, made / "other.crt", ok=(DATA,)),
            "receipt-malformed")
    said = made.verify("--entry", workdir / "entry", bare,
                       made / "other.crt")
    assert said["subject"] == "lamp-2"
    (workdir / "entry").write_bytes(made.entries[at - 1])
    refused(made.verify("--entry", workdir / "entry", bare, ok=(NO,)),
            "proof-wrong")
    full = made.receipt_of(at, workdir / "full")  # its own does not count
    refused(made.verify("--entry", workdir / "entry", full, ok=(NO,)),
            "proof-wrong")
    (workdir / "entry").write_bytes(b"")
    refused(made.verify("--entry", workdir / "entry", bare, ok=(DATA,)),
            "entry-malformed")


# ------------------------------------------------------------------- bit by bit

def flips(made, workdir, data, words, step):
    """`words` with the file @ changed in one bit after the other."""
    place = workdir / "flipped"
    words = [place if w == "@" else w for w in words]
    for at in range(0, 8 * len(data), step):
        bad = bytearray(data)
        bad[at // 8] ^= 1 << at % 8
        place.write_bytes(bad)
        done = run(MINTMARK, "receipt", "verify", "--key", made / "vkey",
                   *words, ok=None)
        assert done.returncode in (NO, DATA), (at, done.stdout, done.stderr)


def test_flipped_bits_of_a_receipt(made, workdir):
    """One of every byte; test_receipt.c has them all."""
    flips(made, workdir, (made / "receipt").read_bytes(),
          ["@", made / "crt"], 7)


def test_flipped_bits_of_a_certificate(made, workdir):
    """One of every byte, the signature's among them, though no issuer is
    named; test_certificate.c has them all."""
    flips(made, workdir, (made / "crt").read_bytes(),
          [made / "receipt", "@"], 7)


def test_flipped_bits_of_a_bundle(made, workdir):
    made.verify("--statements", workdir / "bundle", "--log", made.log,
                made / "receipt")
    flips(made, workdir, (workdir / "bundle").read_bytes(),
          ["--statements", "@", made / "receipt"], 97)


def test_every_truncation(made, workdir):
    data = (made / "receipt").read_bytes()
    for size in [*range(0, len(data), 13), len(data) - 1]:
        (workdir / "receipt").write_bytes(data[:size])
        run(MINTMARK, "receipt", "verify", "--key", made / "vkey",
            workdir / "receipt", ok=(NO, DATA))


# ------------------------------------------------------------ vectors of others

def vector(name):
    return json.loads((TLOG / f"{name}.json").read_text())


def vector_verify(workdir, vkey, receipt, entry):
    (workdir / "vkey").write_text(vkey + "\n")
    (workdir / "receipt").write_bytes(receipt)
    (workdir / "entry").write_bytes(entry)
    done = mintmark("receipt", "verify", "--key", workdir / "vkey", "--entry",
                    workdir / "entry", workdir / "receipt", ok=(0, NO, DATA))
    return (done.returncode,
            done.stderr.split(": ")[1] if done.returncode else None)


def test_proofs_of_the_vectors(workdir):
    """What is proven there are entries of no mint: that they are there."""
    proofs = vector("proof")
    for case in proofs["valid"]:
        assert vector_verify(
            workdir, proofs["log_vkey"], case["proof_text"].encode(),
            bytes.fromhex(case["entry_hex"])) == (0, None), case["name"]
    refused(mintmark("receipt", "verify", "--key", workdir / "vkey", "--entry",
                     workdir / "entry", workdir / "receipt",
                     workdir / "vkey", ok=(NO,)).stderr, "receipt-mismatch")
    named = dict.fromkeys(
        ["wrong-index", "index-out-of-range", "swap-hashes", "drop-hash",
         "extra-hash", "checkpoint-other-size", "wrong-entry"],
        (NO, "proof-wrong"))
    named.update(dict.fromkeys(["checkpoint-forged", "two-blank-lines"],
                               (NO, "note-bad-signature")))
    for case in proofs["invalid"]:
        assert vector_verify(
            workdir, proofs["log_vkey"],
            case["proof_text"].encode("utf-8", "surrogateescape"),
            bytes.fromhex(case["entry_hex"])) == named.get(
                case["name"], (DATA, "receipt-malformed")), case["name"]


def test_checkpoints_of_the_vectors(workdir):
    """Each in a receipt of its last entry; a good one leads to the proof."""
    points = vector("checkpoint")
    head = b"c2sp.org/tlog-proof@v1\nindex 7\n\n"
    names = {"note-malformed", "note-unknown-key", "note-bad-signature",
             "checkpoint-malformed", "checkpoint-other-log"}

    def error(note):
        return vector_verify(workdir, points["log_key"]["vkey"], head + note,
                             b"entry 7")[1]

    for case in points["valid"]:
        assert error(case["signed"].encode()) == "proof-wrong", case["name"]
    for case in points["invalid"]:
        note = case.get("signed")
        note = (bytes.fromhex(case["signed_hex"]) if note is None
                else note.encode())
        assert error(note) in names, case["name"]
    for case in points["vkeys_invalid"]:
        (workdir / "vkey").write_text(case["vkey"])
        done = mintmark("receipt", "verify", "--key", workdir / "vkey",
                        workdir / "receipt", ok=(DATA,))
        refused(done.stderr, "vkey-malformed")


def test_another_log_of_the_same_key(made, workdir):
    """A receipt is of the log that the verifier key names."""
    points = vector("checkpoint")
    receipt = next(c for c in vector("proof")["valid"]
                   if c["name"] == "size8-mid")
    status, name = vector_verify(
        workdir, points["same_pair_other_name"]["vkey"],
        receipt["proof_text"].encode(), b"entry 5")
    assert (status, name) == (NO, "note-unknown-key")
    refused(mintmark("receipt", "verify", "--key", workdir / "vkey",
                     made / "receipt", ok=(NO,)).stderr, "note-unknown-key")


@pytest.mark.parametrize("change, name", [
    (lambda r: r.replace(b"\n", b"\r\n"), "receipt-malformed"),
    (lambda r: r.replace(b"index ", b"index 0"), "receipt-malformed"),
    (lambda r: r + b"\n", "note-malformed"),
    (lambda r: r + r.splitlines(True)[-1], "note-malformed"),
    (lambda r: r.replace(b"\n\n", b"\n\n\n", 1), "note-bad-signature")])
def test_other_encodings_of_a_receipt(made, workdir, change, name):
    (workdir / "receipt").write_bytes(
        change((made / "receipt").read_bytes()))
    refused(made.verify(workdir / "receipt", ok=(NO, DATA)), name)


# --------------------------------------------------------------------- witnesses

@pytest.fixture
def witnesses(workdir):
    out = []
    for i in range(3):
        key = Ed25519PrivateKey.from_private_bytes(bytes([i + 1] * 32))
        out.append(Cosigner(f"w{i}.example/witness", key))
        (workdir / f"w{i}").write_text(out[i].vkey + "\n")
    return out


def named(workdir, *numbers):
    return [w for i in numbers for w in ("--witness", workdir / f"w{i}")]


def cosigned(made, workdir, *lines):
    note = made.maker.note(made.entries) + b"".join(lines)
    return made.receipt_of(made.at(IMAGE), workdir / "cosigned", note=note)


def test_witnesses_are_counted(made, workdir, witnesses):
    note = made.maker.note(made.entries)
    receipt = cosigned(made, workdir, witnesses[0].line(note, 1700000000),
                       witnesses[1].line(note, 1700000001))
    said = made.verify(*named(workdir, 0, 1), receipt)
    assert said["quorum"] == 2
    assert said["witnesses"] == [
        {"name": "w0.example/witness", "time": "2023-11-14T22:13:20Z"},
        {"name": "w1.example/witness", "time": "2023-11-14T22:13:21Z"}]
    # As everywhere, a key is its file or its text.
    assert made.verify("--witness", witnesses[0].vkey, "--witness",
                       workdir / "w1", receipt) == said
    refused(made.verify("--witness", "w0.example", receipt, ok=(DATA,)),
            "vkey-malformed")
    said = made.verify(*named(workdir, 0, 1, 2), "--quorum", 2, receipt)
    assert len(said["witnesses"]) == said["quorum"] == 2
    done = made.verify(*named(workdir, 0, 1, 2), receipt, ok=(NO,))
    refused(done, "quorum-missing")
    assert "2 of the 3" in done and "3 must" in done
    refused(made.verify(*named(workdir, 2), "--quorum", 1, receipt,
                        ok=(NO,)), "quorum-missing")


def test_witnesses_who_did_not_sign_this(made, workdir, witnesses):
    note = made.maker.note(made.entries)
    other = made.maker.note(made.entries[:-1])
    receipt = cosigned(made, workdir, witnesses[0].line(other))
    refused(made.verify(*named(workdir, 0), receipt, ok=(NO,)),
            "cosignature-wrong")
    # Nobody asked about that witness.
    made.verify(receipt)
    line = witnesses[0].line(note)
    receipt = cosigned(made, workdir, line, line)
    made.verify(*named(workdir, 0), receipt, ok=(NO, DATA))


def test_two_names_of_one_key(made, workdir, witnesses):
    again = Cosigner("w9.example/witness", witnesses[0].key)
    (workdir / "w9").write_text(again.vkey + "\n")
    done = made.verify(*named(workdir, 0, 9), made / "receipt", ok=(USAGE,))
    refused(done, "usage")
    assert "w0.example/witness" in done


@pytest.mark.parametrize("words, said", [
    (["--quorum", "1"], "--quorum"),
    (["0", "--quorum", "0"], "from 1 to 1"),
    (["0", "1", "--quorum", "3"], "from 1 to 2"),
    (["0", "0"], "counts once")])
def test_quorums_that_cannot_be(made, workdir, witnesses, words, said):
    words = [x for w in words
             for x in (named(workdir, int(w))
                       if w.isdigit() and words[words.index(w) - 1] !=
                       "--quorum" else [w])]
    done = made.verify(*words, made / "receipt", ok=(USAGE,))
    refused(done, "usage")
    assert said in done


def test_a_witness_is_no_log(made, workdir):
    (workdir / "w0").write_bytes((made / "vkey").read_bytes())
    refused(made.verify(*named(workdir, 0), made / "receipt", ok=(DATA,)),
            "vkey-malformed")


# -------------------------------------------------------------------- on whose word

def split(bundle):
    head = b"c2sp.org/tlog-proof@v1\n"
    return [head + part for part in bundle.split(head)[1:]]


@pytest.fixture
def bundle(made, workdir):
    made.verify("--statements", workdir / "bundle", "--log", made.log,
                made / "receipt", made / "crt")
    return workdir / "bundle"


def own_tree(made):
    """The log as it was when the certificate's receipt was given."""
    receipt = auditor.Receipt((made / "receipt").read_bytes(),
                              made.maker.vkey)
    return made.entries[:receipt.size]


def at_of(made, piece):
    return auditor.Receipt(piece, made.maker.vkey).index


def test_who_stands_for_a_certificate(made, bundle):
    said = made.verify("--statements", bundle, made / "receipt", made / "crt")
    assert said["officers"] == ["first"] and said["threshold"] == 1
    assert (said["order"], said["units"]) == ("made", 7)
    assert said["statement"] == "order" and said["policy"] == 1
    assert said["statement_index"] == said["basis"]
    pieces = [auditor.Receipt(piece, made.maker.vkey)
              for piece in split(bundle.read_bytes())]
    kinds = [cbor2.loads(p.entry)[0] for p in pieces]
    assert kinds == [GENESIS, CERTIFICATE, CERTIFICATE, ORDER]
    assert [p.index for p in pieces][::3] == [0, said["basis"]]
    assert [cbor2.loads(p.entry)[BODY][0] for p in pieces[1:3]] == [
        "root-ca", "device-ca"]


def test_who_stands_for_an_image(made, workdir):
    """And its signature, by the key that the genesis has."""
    words = ["--statements", workdir / "bundle"]
    said = made.verify(*words, "--log", made.log, made / "fw.receipt",
                       made / "sig")
    assert (said["statement"], said["officers"]) == ("release", ["first"])
    assert said["proved"] == "signature"
    bad = bytearray((made / "sig").read_bytes())
    bad[-1] ^= 1
    (workdir / "sig").write_bytes(bad)
    refused(made.verify(*words, made / "fw.receipt", workdir / "sig",
                        ok=(NO,)), "receipt-mismatch")


def test_every_entry_has_its_bundle(made, workdir):
    """Each kind, as far as people stand for it."""
    words = {"genesis": "ceremony", "principal": "principal",
             "order": "order", "image": "release", "release": "release"}
    for index, entry in enumerate(made.entries):
        made.receipt_of(index, workdir / "receipt")
        said = made.verify("--statements", workdir / "bundle", "--force",
                           "--log", made.log, workdir / "receipt")
        again = made.verify("--statements", workdir / "bundle",
                            workdir / "receipt")
        assert said == again
        if said["kind"] != "certificate":
            assert said.get("statement") == words.get(said["kind"])


def test_a_bundle_is_not_overwritten(made, bundle):
    refused(made.verify("--statements", bundle, "--log", made.log,
                        made / "receipt", ok=(USAGE,)), "file-exists")


@pytest.mark.parametrize("change, status, name", [
    (lambda b: b[1:], DATA, "receipt-malformed"),
    (lambda b: b[:1], DATA, "receipt-malformed"),
    (lambda b: b[:3], DATA, "receipt-malformed"),
    (lambda b: [b[0], *b[2:]], DATA, "receipt-malformed"),
    (lambda b: [*b[:2], b[3]], DATA, "receipt-malformed"),
    (lambda b: [b[1], b[0], *b[2:]], DATA, "receipt-malformed"),
    (lambda b: [*b[:2], b[3], b[2]], DATA, "receipt-malformed"),
    (lambda b: [*b, b[3]], DATA, "receipt-malformed"),
    (lambda b: [b[0], *b], DATA, "receipt-malformed"),
    (lambda b: [b"\n", *b], DATA, "receipt-malformed"),
    (lambda b: [*b, b"\n"], DATA, "note-malformed"),
    (lambda b: [*b[:3], b[3][:-1]], DATA, "note-malformed"),
    (lambda b: [b[0][:60], *b[1:]], DATA, "receipt-malformed"),
    (lambda b: [], DATA, "receipt-malformed")])
def test_pieces_of_a_bundle(made, bundle, change, status, name):
    bundle.write_bytes(b"".join(change(split(bundle.read_bytes()))))
    refused(made.verify("--statements", bundle, made / "receipt",
                        ok=(status,)), name)


def test_pieces_come_once(made, bundle):
    pieces = split(bundle.read_bytes())
    for piece in pieces:
        twice = sorted([*pieces, piece], key=pieces.index)
        bundle.write_bytes(b"".join(twice))
        assert "each comes once" in made.verify(
            "--statements", bundle, made / "receipt", ok=(DATA,))


@pytest.mark.parametrize("index, said", [
    (3, "of kind"), (-1, "comes after entry")])
def test_pieces_that_are_good_but_others(made, workdir, index, said):
    """Of the same tree, in their place, and nothing to do with it."""
    index %= made.at(CERTIFICATE, -1)
    bundle = workdir / "bundle"
    receipt = made.receipt_of(made.at(CERTIFICATE, -2), workdir / "receipt")
    made.verify("--statements", bundle, "--log", made.log, receipt)
    pieces = split(bundle.read_bytes())
    pieces.append(made.receipt_of(index, workdir / "x").read_bytes())
    pieces.sort(key=lambda p: at_of(made, p))
    bundle.write_bytes(b"".join(pieces))
    done = made.verify("--statements", bundle, receipt, ok=(DATA,))
    refused(done, "receipt-malformed")
    assert f"entry {index} of the bundle" in done and said in done


def test_another_entry_of_the_same_number(made, workdir):
    other = cbor2.loads(made.entries[0])
    other[1] += 1
    other = [cbor2.dumps(other, canonical=True), *made.entries[1:-1]]
    made.receipt_of(0, workdir / "bundle", other)
    receipt = made.receipt_of(0, workdir / "receipt")
    done = made.verify("--statements", workdir / "bundle", receipt, ok=(NO,))
    refused(done, "log-forked")
    assert "two entries 0" in done


def test_pieces_of_another_tree(made, bundle, workdir):
    """The same key has signed them, but as another history."""
    tree = own_tree(made)
    pieces = split(bundle.read_bytes())
    forked = [*tree[:-1], tree[-2]]
    for index, at in (0, 0), (-1, at_of(made, pieces[-1])):
        changed = [*pieces]
        changed[index] = made.receipt_of(
            at, workdir / "x", forked).read_bytes()
        bundle.write_bytes(b"".join(changed))
        refused(made.verify("--statements", bundle, made / "receipt",
                            ok=(NO,)), "log-forked")


@pytest.mark.parametrize("more", [-1, 1])
def test_an_order_from_a_fork_of_another_size(made, bundle, workdir, more):
    """What carries the certificate is in no tree that has it."""
    tree = own_tree(made)
    basis = made.verify(made / "receipt")["basis"]
    receipt = auditor.Receipt((made / "receipt").read_bytes(),
                              made.maker.vkey)
    real = [cbor2.loads(e) for e in tree]
    real[basis][1] += 1
    real = [cbor2.dumps(e, canonical=True) for e in real]
    subject = made.receipt_of(receipt.index, workdir / "receipt", real)
    fork = [*tree, tree[-1]] if more > 0 else tree[:more]
    pieces = [at_of(made, p) for p in split(bundle.read_bytes())]
    for of_fork in {basis}, set(pieces):
        bundle.write_bytes(b"".join(made.receipt_of(
            at, workdir / "x", fork if at in of_fork else real).read_bytes()
            for at in pieces))
        done = made.verify("--statements", bundle, subject, ok=(DATA,))
        refused(done, "receipt-malformed")
        assert f"against a checkpoint of {len(fork)} entries" in done
    # In the tree itself there is another order.
    bundle.write_bytes(b"".join(made.receipt_of(
        at, workdir / "x", real).read_bytes() for at in pieces))
    made.verify("--statements", bundle, subject)


def test_an_honest_piece_against_a_newer_checkpoint(made, bundle, workdir):
    """It may be honest; nothing here shows it."""
    pieces = split(bundle.read_bytes())
    pieces[0] = made.receipt_of(0, workdir / "x").read_bytes()
    bundle.write_bytes(b"".join(pieces))
    done = made.verify("--statements", bundle, made / "receipt", ok=(DATA,))
    refused(done, "receipt-malformed")
    assert "fetch the bundle of this receipt" in done


def test_a_bundle_is_of_the_receipts_own_tree(made, bundle):
    """The log has grown since: still it is one root."""
    size = len(own_tree(made))
    assert size < len(made.entries)
    assert {auditor.Receipt(piece, made.maker.vkey).size
            for piece in split(bundle.read_bytes())} == {size}


def reforged(made, change, place):
    """A receipt of the certificate, and the bundle, of a log in which the
    entries were changed; all of it signed by the log's key."""
    entries = [cbor2.loads(e) for e in made.entries]
    at = made.at(CERTIFICATE, -1)
    change(entries, at, entries[at][BODY][2])
    data = [cbor2.dumps(e, canonical=True) for e in entries]
    made.maker.directory(data, place / "forged")
    made.receipt_of(at, place / "receipt", data)
    return ["--statements", place / "bundle", "--log", place / "forged",
            place / "receipt"]


def spoil(entries, order):
    body = entries[order][BODY]
    statement = bytearray(body[0][0])
    statement[-1] ^= 1
    body[0][0] = bytes(statement)


@pytest.mark.parametrize("change, said", [
    (lambda e, at, order: spoil(e, order), "statement-bad-signature"),
    (lambda e, at, order: e[at][BODY].update({1: "stranger"}) or
        e[order].update({1: e[order][1] - 10**7}), "statement-expired"),
    (lambda e, at, order: e[at][BODY].update({0: "client"}), ""),
    (lambda e, at, order: e[at][BODY].update({6: "stranger"}),
        "order-for-others"),
    (lambda e, at, order: e[at][BODY].update({4: bytes(32)}),
        "another key"),
    (lambda e, at, order: e[at][BODY].update({1: "lamp-3"}),
        "certificate-not-to-profile"),
    (lambda e, at, order: e[at][BODY].update({3: "codesign"}), ""),
    (lambda e, at, order: e[at].update({1: e[at][1] + 10**7}),
        "order-closed"),
    (lambda e, at, order: e[0][BODY].update({0: "other.example/log"}),
        "note-unknown-key"),
    (lambda e, at, order: e[0][BODY][2].append(
        {**e[0][BODY][2][0], 0: "spare"}), "statement-differs")])
def test_words_that_do_not_carry(made, workdir, change, said):
    """The holder of the log's key alone cannot make officers say it."""
    done = made.verify(*reforged(made, change, workdir), ok=(NO,))
    refused(done, "log-inconsistent")
    assert said in done
    assert not (workdir / "bundle").exists()


def test_a_basis_that_is_not_there(made, workdir):
    words = reforged(made, lambda e, at, order: e[at][BODY].update(
        {2: len(e)}), workdir)
    refused(made.verify(*words, ok=(NO,)), "not-found")


def test_a_certificate_of_another_policy(made, workdir):
    words = reforged(made, lambda e, at, order: e[at].update({2: bytes(32)}),
                     workdir)
    refused(made.verify(*words, ok=(NO,)), "log-inconsistent")


def policy_change(made, number=2, officers=None, by=None):
    """A log that goes on with another policy, and one more order under it.
    """
    entries = [cbor2.loads(e) for e in made.entries]
    policy = cbor2.loads(entries[0][BODY][3])
    policy[0] = number
    if officers is not None:
        policy[4] = officers
    document = cbor2.dumps(policy, canonical=True)
    digest = hashlib.sha256(document).digest()
    origin = made.maker.vkey.name
    time = entries[-1][1]
    statement = (by or made.officer).state(
        origin, "policy", {0: number, 1: digest}, made=time)
    entries.append({0: POLICY, 1: time + 10, 2: digest,
                    BODY: {0: document, 2: [statement]}})
    order = made.officer.state(origin, "order", mm.order_body(
        "later", 5, ["station"], pattern="*"), made=time)
    entries.append({0: ORDER, 1: time + 11, 2: digest,
                    BODY: {0: [order]}})
    return [cbor2.dumps(e, canonical=True) for e in entries]


def change_receipt(made, place, entries):
    made.maker.directory(entries, place / "changed")
    made.receipt_of(len(entries) - 1, place / "receipt", entries)
    return ["--statements", place / "bundle", "--log", place / "changed",
            place / "receipt"]


def test_a_roster_that_changes(made, workdir):
    entries = policy_change(made)
    said = made.verify(*change_receipt(made, workdir, entries))
    assert (said["policy"], said["order"]) == (2, "later")
    pieces = split((workdir / "bundle").read_bytes())
    assert [auditor.Receipt(p, made.maker.vkey).index for p in pieces] == [
        0, len(entries) - 2]
    # Without the change nobody knows who may sign.
    (workdir / "bundle").write_bytes(pieces[0])
    refused(made.verify("--statements", workdir / "bundle",
                        workdir / "receipt", ok=(DATA,)),
            "receipt-malformed")
    # A certificate of before rests on nothing that came later.
    (workdir / "bundle").unlink()
    made.verify("--statements", workdir / "bundle", "--log",
                workdir / "changed", made / "receipt")
    (workdir / "bundle").write_bytes(
        (workdir / "bundle").read_bytes() + pieces[1])
    done = made.verify("--statements", workdir / "bundle", made / "receipt",
                       ok=(DATA,))
    refused(done, "receipt-malformed")
    assert "comes after entry" in done


def test_policies_by_strangers_and_out_of_turn(made, workdir):
    done = made.verify(*change_receipt(
        made, workdir, policy_change(made, number=3)), ok=(NO,))
    refused(done, "log-inconsistent")
    assert "does not follow policy 1" in done
    done = made.verify(*change_receipt(
        made, workdir, policy_change(made, by=mm.Officer())), ok=(NO,))
    refused(done, "log-inconsistent")
    assert "statement-unknown-officer" in done


def test_an_officer_who_is_no_officer_any_more(made, workdir):
    public = raw(Ed25519PrivateKey.generate())
    entries = policy_change(made, officers=[{0: "second", 1: public}])
    done = made.verify(*change_receipt(made, workdir, entries), ok=(NO,))
    refused(done, "log-inconsistent")
    assert "statement-unknown-officer" in done


def under_another_policy(made, order_by):
    """The order, then a second officer, then a certificate on that order."""
    at = made.at(CERTIFICATE, -1)
    entries = [cbor2.loads(e) for e in made.entries[:at + 1]]
    certificate = entries.pop()
    order = entries[certificate[BODY][2]]
    second = mm.Officer()
    policy = cbor2.loads(entries[0][BODY][3])
    policy[0] = 2
    policy[4].append({0: "second", 1: second.public})
    document = cbor2.dumps(policy, canonical=True)
    digest = hashlib.sha256(document).digest()
    payload = cbor2.loads(order[BODY][0][0]).value[2]
    signer = second if order_by == "second" else made.officer
    order[BODY][0] = [signer.sign_payload(payload)]
    statement = made.officer.state(
        made.maker.vkey.name, "policy", {0: 2, 1: digest},
        made=certificate[1])
    entries.append({0: POLICY, 1: certificate[1], 2: digest,
                    BODY: {0: document, 2: [statement]}})
    certificate[2] = digest
    entries.append(certificate)
    return [cbor2.dumps(e, canonical=True) for e in entries]


def test_an_order_of_the_policy_before(made, workdir):
    said = made.verify(*change_receipt(
        made, workdir, under_another_policy(made, "first")))
    assert (said["policy"], said["officers"]) == (2, ["first"])
    assert said["statement"] == "order"


def test_an_order_by_who_was_no_officer_yet(made, workdir):
    done = made.verify(*change_receipt(
        made, workdir, under_another_policy(made, "second")), ok=(NO,))
    refused(done, "log-inconsistent")
    assert "statement-unknown-officer" in done


def test_a_genesis_with_another_log_key(made, workdir):
    """Its checkpoint is signed by both keys: one log has one key."""
    other_key = Ed25519PrivateKey.generate()
    vkey = auditor.Vkey(log_vkey(made.maker.vkey.name, other_key))
    entries = [cbor2.loads(e) for e in made.entries]
    entries[0][BODY][1] = raw(other_key)
    entries = [cbor2.dumps(e, canonical=True) for e in entries]
    note = made.maker.note(entries, LogMaker(vkey, other_key))
    at = made.at(ORDER)
    made.receipt_of(at, workdir / "receipt", entries, note=note)
    made.receipt_of(0, workdir / "bundle", entries, note=note)
    done = made.verify("--statements", workdir / "bundle",
                       workdir / "receipt", ok=(NO,))
    refused(done, "log-inconsistent")
    assert "another log key" in done


@pytest.mark.parametrize("words", [
    ["--log", "log"], ["--identity", "x"],
    ["--statements", "b", "--log", "log", "--identity", "x"],
    ["--certificate", "ca.crt"]])
def test_words_that_do_not_go_together(made, words):
    words = [made / w if (made / w).exists() else w for w in words]
    refused(made.verify(*words, made / "receipt", ok=(USAGE,)), "usage")


def test_a_source_that_is_another_log(made, workdir):
    other = made.maker.directory(made.entries[:-2], workdir / "shorter")
    receipt = made.receipt_of(3, workdir / "receipt")
    refused(made.verify("--statements", workdir / "b", "--log", other,
                        receipt, ok=(NO,)), "checkpoint-older")
    forked = [*made.entries[:-1], made.entries[-2]]
    other = made.maker.directory(forked, workdir / "forked")
    refused(made.verify("--statements", workdir / "b", "--log", other,
                        receipt, ok=(NO,)), "log-forked")
    # Longer, too: of as many entries as the receipt's it has another root.
    other = made.maker.directory([*forked, *forked], workdir / "longer")
    refused(made.verify("--statements", workdir / "b", "--log", other,
                        receipt, ok=(NO,)), "log-forked")
    assert not (workdir / "b").exists()


# --------------------------------------------------------------------- log prove

def test_prove_every_entry_of_a_directory(made, workdir):
    for index, entry in enumerate(made.entries):
        mintmark("log", "prove", "--key", made / "vkey", "--out",
                 workdir / "receipt", "--force", index, made.log)
        receipt = auditor.Receipt((workdir / "receipt").read_bytes(),
                                  made.maker.vkey)
        assert (receipt.index, receipt.entry) == (index, entry)


def test_prove_what_is_not_there(made, workdir):
    words = ["--key", made / "vkey", "--out", workdir / "receipt"]
    for index, status, name in (
            (len(made.entries), NO, "not-found"), ("01", USAGE, "usage"),
            ("-1", USAGE, "usage"), (2**63, USAGE, "usage")):
        done = mintmark("log", "prove", *words, "--", index, made.log,
                        ok=(status,))
        refused(done.stderr, name)
    done = mintmark("log", "prove", *words, "--cosigned", 0, made.log,
                    ok=(NO,))
    refused(done.stderr, "not-found")
    assert not (workdir / "receipt").exists()


def test_prove_does_not_overwrite(made, workdir):
    (workdir / "receipt").write_text("mine")
    done = mintmark("log", "prove", "--key", made / "vkey", "--out",
                    workdir / "receipt", 0, made.log, ok=(USAGE,))
    refused(done.stderr, "file-exists")
    assert (workdir / "receipt").read_text() == "mine"


def test_prove_to_stdout(made):
    done = mintmark("log", "prove", "--key", made / "vkey", "--out", "-", 0,
                    made.log, text=False)
    assert auditor.Receipt(done.stdout, made.maker.vkey).index == 0


def test_prove_from_a_tampered_directory(made, workdir):
    forged = made.maker.directory(made.entries, workdir / "log")
    tile = next((forged / "tile/0").iterdir())
    tile = next(tile.iterdir()) if tile.is_dir() else tile
    data = bytearray(tile.read_bytes())
    data[40] ^= 1
    tile.write_bytes(data)
    mintmark("log", "prove", "--key", made / "vkey", "--out",
             workdir / "receipt", 0, forged, ok=(NO,))
    assert not (workdir / "receipt").exists()


# ------------------------------------------------------------------------ online

def test_online(mint, station, order, workdir):
    answer = station.issue(order, fresh("lamp"), new_csr())
    (workdir / "receipt").write_bytes(answer[3])
    (workdir / "crt").write_bytes(answer[1])
    words = ["receipt", "verify", "--json", "--key",
             mint.dir / "public/log.vkey", "--statements", workdir / "bundle"]
    done = mintmark(*words, "--identity", mint.identity("auditor"),
                    workdir / "receipt", workdir / "crt")
    again = mintmark(*words, workdir / "receipt", workdir / "crt")
    assert done.stdout == again.stdout
    said = json.loads(done.stdout)
    assert (said["order"], said["officers"]) == (order, ["first"])
    # The same bundle when the log has grown.
    station.issue(order, fresh("lamp"), new_csr())
    kept = (workdir / "bundle").read_bytes()
    mintmark(*words, "--force", "--identity", mint.identity("auditor"),
             workdir / "receipt", workdir / "crt")
    assert (workdir / "bundle").read_bytes() == kept
    vkey = auditor.Vkey((mint.dir / "public/log.vkey").read_text().strip())
    assert {auditor.Receipt(piece, vkey).size for piece in split(kept)} == {
        auditor.Receipt(answer[3], vkey).size}
    mintmark("log", "prove", "--identity", mint.identity("auditor"), "--out",
             workdir / "newer", said["index"])
    mintmark("receipt", "verify", "--key", mint.dir / "public/log.vkey",
             workdir / "newer", workdir / "crt")
    done = mintmark("log", "prove", "--identity", mint.identity("auditor"),
                    "--out", workdir / "none", 10**6, ok=(NO,))
    refused(done.stderr, "not-found")


def test_a_role_that_may_not_ask(mint, station, order, workdir):
    answer = station.issue(order, fresh("lamp"), new_csr())
    (workdir / "receipt").write_bytes(answer[3])
    done = mintmark("receipt", "verify", "--key",
                    mint.dir / "public/log.vkey", "--statements",
                    workdir / "bundle", "--identity",
                    mint.identity("station"), workdir / "receipt", ok=(77,))
    refused(done.stderr, "role-not-allowed")
    assert not (workdir / "bundle").exists()
