"""Large images beside everything else: what memory one takes until it is
signed, and that devices do not wait for engineers."""

import os
import threading
import time

import psutil
import pytest

from image_room import (MIB, SIGNINGS, Peak, anonymous, esp_image, files,
                        image_mint, largest, pss, sign)
from mint import BUILD, eventually, fresh, new_csr

RISE_MAX = 8 * MIB
AT_ONCE = 4  # images; as many as are inspected at a time


@pytest.fixture(scope="module")
def mint():
    mint = image_mint(uploads=AT_ONCE)
    try:
        mint.start()
        yield mint
        mint.unharmed()
        mint.stop()
        mint.audit()
    finally:
        mint.remove()


@pytest.fixture(scope="module")
def large():
    return esp_image(16 * MIB)


sanitized = pytest.mark.skipif("sanitize" in str(BUILD),
                               reason="a sanitizer keeps what was freed")


@sanitized
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may see it")
def test_signing_sixteen_mebibytes_takes_less_than_eight(mint, large):
    """Over all processes; libraries that they have in common count once."""
    sign(mint, esp_image(64 << 10), fresh("1.0"))
    with Peak(mint, pss) as peak:
        answers = sign(mint, large, fresh("1.0"))
    assert len(answers) == len(SIGNINGS)
    assert peak.samples > 20
    assert 0 < peak.rise < RISE_MAX, f"{peak.rise / MIB:.1f} MiB more"


@sanitized
def test_no_process_maps_or_copies_an_image(mint, large):
    """As anybody may see it: in private memory, or as a file's pages, none
    has as much as the image's size."""
    with Peak(mint, anonymous) as all_private, \
            Peak(mint, files, largest) as mapped:
        sign(mint, large, fresh("1.0"))
    assert all_private.rise < RISE_MAX, f"{all_private.rise / MIB:.1f} MiB"
    assert mapped.most < len(large), f"{mapped.most / MIB:.1f} MiB"


class Submission(threading.Thread):
    """Has its image uploaded; start() submits it, and `took` is how long that
    was until the answer."""

    def __init__(self, mint, image):
        super().__init__(daemon=True)
        self.client = mint.client("release")
        self.number = self.client.upload(image)
        self.took = self.answer = None

    def run(self):
        began = time.monotonic()
        self.answer = self.client.submit(self.number, version=fresh("1.0"))
        self.took = time.monotonic() - began
        self.client.close()


def issue(client, order):
    """Seconds until a device has its certificate."""
    csr = new_csr()
    began = time.monotonic()
    client.issue(order, fresh("lamp"), csr)
    return time.monotonic() - began


def inspectors(mint):
    return mint.daemon.children().get("inspector", [])


def issue_beside(mint, station, order, image):
    """(seconds that each issuance took while images were being read, how
    many of them were answered before any image was)"""
    work = [Submission(mint, image) for _ in range(AT_ONCE)]
    took, before = [], 0
    for one in work:
        one.start()
    eventually(lambda: inspectors(mint) or not work[0].is_alive(),
               "an inspector")
    while all(one.answer is None for one in work):
        took.append(issue(station, order))
        before += all(one.answer is None for one in work)
    while any(one.is_alive() for one in work):
        took.append(issue(station, order))
    assert all(one.answer and one.answer[0] == 2 for one in work)
    return took, before


def test_devices_do_not_wait_for_images(mint, large):
    """An inspector is at work, and a device is answered before it is done:
    the authority does not wait for it."""
    order = mint.new_order()
    beside, before = [], 0
    with mint.client("station") as station:
        idle = [issue(station, order) for _ in range(50)]
        for _ in range(5):  # rounds; one does on a machine with time
            if before < 3:
                took, answered = issue_beside(mint, station, order, large)
                beside += took
                before += answered
    assert before >= 3, (before, beside)
    assert max(beside) < max(10 * max(idle), 0.25), (max(beside), max(idle))


def test_inspectors_stand_behind_on_the_processors(mint, large):
    nice, one = set(), Submission(mint, large)
    one.start()
    while one.is_alive():
        for process in inspectors(mint):
            try:
                nice.add(process.nice())
            except psutil.NoSuchProcess:
                pass
    assert nice == {min(mint.daemon.supervisor().nice() + 10, 19)}
