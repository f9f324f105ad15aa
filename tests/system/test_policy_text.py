"""A policy's text that does not fit into an entry: it lies beside the log as
a blob, and everything that is done with a log takes it along."""

import hashlib
import shutil

import pytest

import mintmark_client as mm
from mint import (MINTMARKD, ROOT, Mint, eventually, fresh, mintmark,
                  new_csr, run)

BLOB = 14
SIZE = 200_000


@pytest.fixture(scope="module")
def wordy(tmp_path_factory):
    """A mint whose policy is explained at length."""
    place = tmp_path_factory.mktemp("wordy")
    text = (ROOT / "conf/policy.conf").read_text()
    lines = SIZE // 60
    (place / "policy.conf").write_text(
        "".join(f"# {i:08d} {'why this is so ' * 3}.....\n"
                for i in range(lines)) + text)
    mint = Mint(options=("--policy", place / "policy.conf"))
    try:
        mint.text = (mint.dir / "policy.conf").read_bytes()
        assert len(mint.text) > SIZE
        yield mint
    finally:
        mint.remove()


def blob(mint):
    return mint.dir / "log/blob" / hashlib.sha256(mint.text).hexdigest()


def verify(mint):
    done = mintmark("log", "verify", "--key", mint.dir / "public/log.vkey",
                    mint.dir / "log")
    assert done.returncode == 0
    mint.audit()


def serve(mint, *options):
    mint.start(*options)
    order = mint.new_order()
    with mint.client() as client:
        assert client.issue(order, fresh("lamp"), new_csr())


def test_it_is_beside_the_log_and_verified(wordy):
    assert blob(wordy).read_bytes() == wordy.text
    serve(wordy)
    wordy.stop()
    verify(wordy)


def test_auditors_read_it(wordy):
    serve(wordy)
    got, name = b"", hashlib.sha256(wordy.text).digest()
    with wordy.client("auditor") as client:
        genesis = mm.decode(client.entries(0, 1)[1][0])
        assert genesis[3][6] == name and genesis[3][7] == len(wordy.text)
        while len(got) < len(wordy.text):
            answer = client.ask(BLOB, {0: name, 1: len(got)})
            assert answer[0] == len(wordy.text) and answer[1]
            got += answer[1]
    assert got == wordy.text
    wordy.stop()


@pytest.mark.parametrize("options", [(), ("--rebuild",)])
def test_it_comes_back_when_it_is_deleted(wordy, options):
    blob(wordy).unlink()
    serve(wordy, *options)
    eventually(blob(wordy).exists, "the blob")
    wordy.stop()
    assert blob(wordy).read_bytes() == wordy.text
    verify(wordy)


def test_it_is_restored(wordy):
    copy = wordy.base / "copy"
    shutil.copytree(wordy.dir / "log", copy)
    for path in (wordy.dir / "state").glob("log.db*"):
        path.unlink()
    moved = copy / "blob" / blob(wordy).name
    moved.rename(copy / "away")
    done = run(MINTMARKD, "-c", wordy.config, "--restore", copy, ok=(1, 65))
    assert "blob" in done.stderr, done.stderr
    (copy / "away").rename(moved)
    run(MINTMARKD, "-c", wordy.config, "--restore", copy)
    shutil.rmtree(wordy.dir / "log/blob")
    serve(wordy)
    eventually(blob(wordy).exists, "the blob")
    wordy.stop()
    verify(wordy)


OFFICER = len('\nofficer "first" {\n\tkey = ""\n}\n') + 64


@pytest.mark.parametrize("over, status", [(0, 0), (1, 78), (1 << 20, 65)])
def test_it_has_a_limit(workdir, over, status):
    """Of one mebibyte, with the officer at its end."""
    text = (ROOT / "conf/policy.conf").read_bytes()
    filled = text + b"#" * ((1 << 20) - OFFICER - len(text) - 1 + over) + b"\n"
    (workdir / "policy.conf").write_bytes(filled)
    done = mintmark("quickstart", "--dir", workdir / "mint", "--policy",
                    workdir / "policy.conf", ok=(status,))
    if over == 0:
        assert (workdir / "mint/policy.conf").stat().st_size == 1 << 20
        run(MINTMARKD, "-c", workdir / "mint/appliance.conf", "--check")
    else:
        assert not (workdir / "mint").exists()
        assert "policy.conf" in done.stderr, done.stderr
