"""The log and its proofs, online, offline and with one byte changed."""

import shutil

import cbor2
import pytest

import auditor
from mint import (ROOT, fresh, mintmark, new_csr, refused, run)


@pytest.fixture
def filled(mint):
    """A log with some of everything in it."""
    order = mint.new_order()
    with mint.client() as client:
        for _ in range(5):
            client.issue(order, fresh("lamp"), new_csr())
    with mint.client("release") as client:
        image, version = fresh("image").encode(), fresh("1")
        client.release(client.upload(image),
                       [mint.approve(image, version=version)],
                       version=version)
    return mint


@pytest.fixture
def log_copy(filled, workdir):
    """Its tiles, complete: the archive writes them before it leaves."""
    filled.stop()
    shutil.copytree(filled.dir / "log", workdir / "log")
    filled.start()
    return workdir / "log"


def test_receipts_verify_here_and_there(mint, station, order, device,
                                        workdir):
    answer = station.issue(order, device, new_csr())
    auditor.Receipt(answer[3], mint.vkey).proves_certificate(answer[1])
    (workdir / "receipt").write_bytes(answer[3])
    (workdir / "crt").write_bytes(answer[1])
    mintmark("receipt", "verify", "--key", mint.dir / "public/log.vkey",
             workdir / "receipt", workdir / "crt")


def test_a_receipt_of_another_certificate(mint, station, order, workdir):
    one, two = (station.issue(order, fresh("lamp"), new_csr())
                for _ in range(2))
    (workdir / "receipt").write_bytes(one[3])
    (workdir / "crt").write_bytes(two[1])
    mintmark("receipt", "verify", "--key", mint.dir / "public/log.vkey",
             workdir / "receipt", workdir / "crt", ok=(1,))


def test_every_flipped_byte_of_a_receipt_is_found(mint, station, order,
                                                  device, workdir):
    """Sampled: the whole of it would be a thousand runs."""
    answer = station.issue(order, device, new_csr())
    (workdir / "crt").write_bytes(answer[1])
    for at in range(0, len(answer[3]), len(answer[3]) // 40):
        bad = bytearray(answer[3])
        bad[at] ^= 1
        with pytest.raises((auditor.Wrong, ValueError)):
            auditor.Receipt(bytes(bad), mint.vkey).proves_certificate(
                answer[1])
        (workdir / "receipt").write_bytes(bad)
        mintmark("receipt", "verify", "--key",
                 mint.dir / "public/log.vkey", workdir / "receipt",
                 workdir / "crt", ok=(1, 65))


def test_entries_online_are_the_log(filled):
    """Every entry, audited, makes the root of the online checkpoint."""
    with filled.client("auditor") as client:
        status = client.status()
        size, root = auditor.open_checkpoint(status[3], filled.vkey)
        assert size == status[2]
        entries = client.all_entries()[:size]
    assert auditor.tree_root(
        [auditor.leaf_hash(e) for e in entries]) == root
    auditor.audit_entries(entries, filled.vkey)


def test_prove_every_entry(filled):
    with filled.client("auditor") as client:
        entries = client.all_entries()
        for index, entry in enumerate(entries):
            receipt = auditor.Receipt(client.prove(index), filled.vkey)
            assert (receipt.index, receipt.entry) == (index, entry)


def test_what_is_not_there_yet(auditor_client):
    size = auditor_client.status()[2]
    with refused("not-found"):
        auditor_client.prove(size + 1000)
    try:
        assert auditor_client.entries(size + 1000, 1)[1] == []
    except Exception as e:
        assert getattr(e, "name", "") == "not-found", e


@pytest.mark.parametrize("start, count", [(0, 0), (0, 4097)])
def test_counts_out_of_range(auditor_client, start, count):
    with refused("out-of-range", "message-malformed"):
        auditor_client.entries(start, count)


def test_checkpoints_only_ever_extend(filled):
    """Each released checkpoint is a prefix of what is there now."""
    notes = []
    with filled.client("auditor") as client, filled.client() as station:
        order = filled.new_order()
        for _ in range(5):
            station.issue(order, fresh("lamp"), new_csr())
            notes.append(client.status()[3])
        leaves = [auditor.leaf_hash(e) for e in client.all_entries()]
    for note in notes:
        size, root = auditor.open_checkpoint(note, filled.vkey)
        assert auditor.tree_root(leaves[:size]) == root


# -------------------------------------------------------------------- offline

def verify(mint, log, ok=(0,)):
    return mintmark("log", "verify", "--key", mint.dir / "public/log.vkey",
                    log, ok=ok)


def test_both_auditors_accept_the_tiles(mint, log_copy):
    verify(mint, log_copy)
    run("/usr/bin/python3", ROOT / "tests/system/auditor.py", "--key",
        mint.dir / "public/log.vkey", log_copy)


def newest(log, level):
    """The widest file of a level's last tile or bundle."""
    files = [p for p in (log / "tile" / level).rglob("*") if p.is_file()]
    return max(files, key=lambda p: p.stat().st_size)


@pytest.mark.parametrize("level", ["0", "entries"])
@pytest.mark.parametrize("at", [0, 1, 40, -1])
def test_a_flipped_byte_in_a_tile(mint, log_copy, level, at):
    file = newest(log_copy, level)
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    verify(mint, log_copy, ok=(1, 65))
    with pytest.raises(auditor.Wrong):
        auditor.audit_directory(log_copy, mint.vkey)


@pytest.mark.parametrize("level", ["0", "entries"])
def test_a_cut_tile(mint, log_copy, level):
    file = newest(log_copy, level)
    file.write_bytes(file.read_bytes()[:-1])
    verify(mint, log_copy, ok=(1, 65))


@pytest.mark.parametrize("level", ["0", "entries"])
def test_a_missing_tile(mint, log_copy, level):
    newest(log_copy, level).unlink()
    verify(mint, log_copy, ok=(1, 65, 69))


def test_every_flipped_byte_of_a_checkpoint(mint, log_copy):
    good = (log_copy / "checkpoint").read_bytes()
    for at in range(0, len(good), 7):
        bad = bytearray(good)
        bad[at] ^= 1
        (log_copy / "checkpoint").write_bytes(bad)
        verify(mint, log_copy, ok=(1, 65))
        with pytest.raises((auditor.Wrong, ValueError)):
            auditor.audit_directory(log_copy, mint.vkey)


def test_a_checkpoint_of_another_key(mint, log_copy, own_mint):
    """A stranger's signature over the right tree is not enough."""
    verify(own_mint, log_copy, ok=(1,))
    with pytest.raises(auditor.Wrong):
        auditor.audit_directory(log_copy, own_mint.vkey)


def test_the_auditor_sees_a_second_signature(log_copy, mint):
    """The auditor itself: what it must refuse, it refuses."""
    entries = auditor.read_directory(log_copy, mint.vkey)
    first = next(i for i, e in enumerate(entries)
                 if cbor2.loads(e)[0] == auditor.SIGNATURES)
    with pytest.raises(auditor.Wrong):
        auditor.audit_entries(entries + [entries[first]], mint.vkey)


def test_deleted_tiles_come_back_byte_for_byte(filled):
    filled.stop()
    log = filled.dir / "log"
    before = {str(p.relative_to(log)): p.read_bytes()
              for p in log.rglob("*") if p.is_file()}
    size = auditor.open_checkpoint(before["checkpoint"], filled.vkey)[0]
    for place in log.iterdir():
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    filled.start()
    filled.stop()
    entries = auditor.read_directory(log, filled.vkey)
    wanted = auditor.expected_tiles(entries[:size])
    for path, data in wanted.items():
        assert before[path] == data
        whole = log / path
        now = whole.read_bytes() if whole.is_file() else None
        if now is None:  # it has grown into a wider one since
            stem = path.split(".p/")[0]
            wider = newest_of(log / stem)
            now = wider.read_bytes()[:len(data)]
        assert now == data, path
    filled.start()


def newest_of(stem):
    partials = stem.parent / (stem.name + ".p")
    files = [stem] if stem.is_file() else list(partials.iterdir())
    return max(files, key=lambda p: p.stat().st_size)


def test_a_log_of_more_than_one_tile(mint):
    """Over 256 entries: full tiles, and a level above them."""
    order = mint.new_order()
    with mint.client() as client:
        asked = [client.send("issue", {0: order, 1: "device",
                                       2: fresh("lamp"), 3: new_csr()})
                 for _ in range(280)]
        for request in asked:
            client.answer_to(request)
    mint.stop()
    audited = mint.audit()
    assert audited.index > 256
    assert (mint.dir / "log/tile/0/000").stat().st_size == 8192
    assert (mint.dir / "log/tile/1/000.p/1").is_file()
    mint.start()
