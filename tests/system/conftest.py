"""Fixtures: a mint a test file, stopped and audited at its end."""

import shutil
import tempfile
from pathlib import Path

import pytest

from mint import Mint, fresh


def pytest_make_parametrize_id(val, argname):
    """Bytes are numbered, not spelled: what a test signs or draws at random
    would give it another name in each of pytest's processes, and then none
    of them runs."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="module")
def shared_mint(request):
    """One mint for all tests of a file; LIMITS of the file are its own."""
    mint = Mint(limits=getattr(request.module, "LIMITS", None))
    try:
        mint.start()
        yield mint
        if mint.daemon is not None:
            mint.unharmed()
            mint.stop()
        mint.audit()
    finally:
        mint.remove()


@pytest.fixture
def mint(shared_mint):
    """The file's mint; no process of it may come to harm in the test."""
    yield shared_mint
    shared_mint.unharmed()


@pytest.fixture
def own_mint():
    """A mint for this test alone, not started."""
    mint = Mint()
    try:
        yield mint
    finally:
        mint.remove()


@pytest.fixture
def workdir():
    place = Path(tempfile.mkdtemp(prefix="mintmark-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def station(mint):
    with mint.client("station") as client:
        yield client


@pytest.fixture
def release(mint):
    with mint.client("release") as client:
        yield client


@pytest.fixture
def officer(mint):
    with mint.client("officer") as client:
        yield client


@pytest.fixture
def auditor_client(mint):
    with mint.client("auditor") as client:
        yield client


@pytest.fixture
def order(mint):
    """A wide order of the test's own."""
    return mint.new_order()


@pytest.fixture
def device():
    return fresh("lamp")
