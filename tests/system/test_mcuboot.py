"""`image mcuboot` makes what the vendor's tool makes, and says why not."""

import hashlib
import json
import shlex

import pytest

from mint import VECTORS, mintmark

ROOM = VECTORS / "esp" / "mcuboot"
USAGE, DATA, REFUSED = 64, 65, 77
# Our tool always adds the header.
SAME = {"--header-size", "--slot-size", "--align", "--version",
        "--security-counter", "--dependencies"}


def cases():
    lines = (ROOM / "exact.tsv").read_text().splitlines()[1:]
    return [line.split("\t") for line in lines if line.startswith("hash_")]


def arguments(line):
    words, out = iter(shlex.split(line)), []
    for word in words:
        if word in SAME:
            out += [word, next(words)]
        elif word == "--custom-tlv":
            out += [word, next(words) + "=" + next(words)]
        elif word in ("--pad", "--confirm"):
            out.append(word)
        else:
            assert word == "--pad-header"
    return out


@pytest.mark.parametrize("case", cases(), ids=lambda case: case[0])
def test_images_are_the_vendors(workdir, case):
    out = workdir / "out"
    mintmark("image", "mcuboot", *arguments(case[3]), ROOM / case[2], out)
    assert out.read_bytes() == (ROOM / case[4]).read_bytes()


def test_the_digest_is_told(workdir):
    payload = workdir / "payload"
    payload.write_bytes(b"x" * 100)
    done = mintmark("image", "mcuboot", "--json", "--version", "1.2.3",
                    payload, workdir / "out")
    made = (workdir / "out").read_bytes()
    assert json.loads(done.stdout) == {
        "file": str(workdir / "out"), "size": len(made), "slot": 0,
        "confirmed": False,
        "digest": hashlib.sha256(made[:132]).hexdigest()}


def test_a_file_is_kept(workdir):
    (workdir / "out").write_bytes(b"precious")
    words = ["image", "mcuboot", "--version", "1", ROOM / "in/d64.bin",
             workdir / "out"]
    mintmark(*words, ok=(USAGE,))
    assert (workdir / "out").read_bytes() == b"precious"
    mintmark(*words, "--force")


@pytest.mark.parametrize("words, status, why", [
    (["--version", "1.2.3-dirty"], USAGE, "--version: "),
    (["--version", "1", "--align", "3"], DATA, "writes have"),
    (["--version", "1", "--header-size", "31"], DATA, "header's size"),
    (["--version", "1", "--slot-size", "0x100"], DATA, "slot's"),
    (["--version", "1", "--pad"], DATA, "slot's size"),
    (["--version", "1", "--security-counter", "x"], USAGE,
     "--security-counter: "),
    (["--version", "1", "--dependencies", "1"], USAGE, "--dependencies: "),
    (["--version", "1", "--custom-tlv", "0x10=x"], DATA, "vendor's"),
    (["--version", "1", "--custom-tlv", "0xa0=x", "--custom-tlv",
      "0xa0=y"], DATA, "twice"),
    (["--version", "1", "--erased", "0xaa"], DATA, "erased"),
    (["--version", "1", "--load-address", "0x100000000"], USAGE,
     "--load-address: "),
])
def test_what_cannot_be_made_is_said(workdir, words, status, why):
    out = workdir / "out"
    done = mintmark("image", "mcuboot", *words, ROOM / "in/d64.bin", out,
                    ok=(status,))
    assert why in done.stderr
    assert not out.exists()


def test_an_image_is_not_wrapped_again(workdir):
    done = mintmark("image", "mcuboot", "--version", "1",
                    ROOM / "hash_min.bin", workdir / "out", ok=(REFUSED,))
    assert "already" in done.stderr
