"""What an officer's computer shows and signs is what the log has, whatever the
appliance that it talks to makes of it."""

import hashlib
import json

import cbor2
import pytest

import mintmark_client as mm
from mint import mintmark
from paper_appliance import PaperAppliance
from paper_log import START, PaperLog

STATEMENT, PENDING = 4, 16


@pytest.fixture
def liar(workdir):
    """order-9 waits, and `stated` has what was signed."""
    log = PaperLog()
    log.genesis()
    index = log.pending()
    payload = cbor2.loads(cbor2.loads(log.entries[index])[3][0][0]).value[2]
    mintmark("officer", "keygen", "--unprotected", "--name", "ada",
             workdir / "ada.key")
    with PaperAppliance(log, workdir / "liar") as appliance:
        appliance.row = {0: hashlib.sha256(payload).digest(), 1: 1, 2: index,
                         3: START, 4: START + 3600, 5: ["bob"], 6: 1,
                         7: "order-9"}
        appliance.stated = []
        appliance.answers[PENDING] = lambda body: {
            0: [] if 1 in body else [appliance.row]}
        appliance.answers[STATEMENT] = appliance.stated.append
        appliance.officer = workdir / "ada.key"
        yield appliance


def other_order(liar, name):
    """The row of another order that waits, of this name."""
    index = liar.log.pending(body=mm.order_body(
        name, 999, ["line-1"], pattern="*", until=START + 9999))
    payload = cbor2.loads(cbor2.loads(
        liar.log.entries[index])[3][0][0]).value[2]
    return liar.row | {0: hashlib.sha256(payload).digest(), 2: index, 7: name}


def approve(liar, name, **expect):
    return mintmark("order", "approve", "--identity", liar.place, "--officer",
                    liar.officer, "--yes", name, **expect)


def test_what_waits_is_called_by_what_it_says(liar):
    liar.row[7] = "order-8"
    done = approve(liar, "order-8", ok=(1,))
    assert ": receipt-mismatch: " in done.stderr and '"order-9"' in done.stderr
    assert liar.stated == []


def test_by_its_payload_it_is_shown_as_what_it_says(liar):
    liar.row[7] = "order-8"
    shown = mintmark("pending", "show", "--identity", liar.place, "--json",
                     liar.row[0].hex()).stdout
    assert json.loads(shown)["subject"] == "order-9"


def test_an_order_named_as_another_payload(liar):
    """All digits of a payload mean that payload, listed or not."""
    wanted = liar.row[0].hex()
    liar.row = other_order(liar, wanted)
    done = approve(liar, wanted, ok=(1,))
    assert ": not-found: " in done.stderr and liar.stated == []


@pytest.mark.parametrize("key, lie", [
    (0, bytes(32)), (1, 2), (2, 0), (4, START + 9999)],
    ids=["payload", "kind", "index", "expiry"])
def test_a_row_that_is_not_the_entrys(liar, key, lie):
    liar.row[key] = lie
    name = liar.row[0].hex()
    done = mintmark("pending", "approve", "--identity", liar.place,
                    "--officer", liar.officer, "--yes", name, ok=(1, 65))
    assert done.stdout == "" and liar.stated == []
