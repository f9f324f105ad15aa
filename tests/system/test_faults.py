"""Some cases of the matrix of faults (tests/faults), chosen by chance; all of
them are run by `make test-faults`, whose table tests/README.md keeps."""

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))

import cases
import table
from mintage import MODULE, PROGRAM, Broken, Issue, Mintage

SEED = int(os.environ.get("MINTMARK_SEED", "0")) or random.randrange(1 << 30)
FAULTS_A_ROLE = 4
pytestmark = pytest.mark.skipif(
    not (PROGRAM.exists() and MODULE.exists()),
    reason=f"{PROGRAM} is not there: make faults")


def dice(what):
    print(f"MINTMARK_SEED={SEED}")  # shown where it fails
    return random.Random(f"{SEED} {what}")


def try_one(group, n):
    row = group.run([n])
    assert not row.failures, table.failures([row])
    return row


def choose(groups, count, chance):
    """So many groups, each with a number of a case that is in the table."""
    known = table.rows_of_readme()
    for group in chance.sample(groups, min(count, len(groups))):
        most = known[group.what, group.role, group.request][0]
        yield group, chance.randint(1, max(1, most))


def of_kind(kind):
    return [g for g in cases.all_groups() if type(g) is kind and not g.slow]


@pytest.mark.parametrize("role", cases.SERVING)
def test_a_call_that_fails(role):
    groups = [g for g in of_kind(cases.FaultGroup)
              if g.role == role and g.first == 1]
    for group, n in choose(groups, FAULTS_A_ROLE, dice(role)):
        try_one(group, n)


def test_an_archive_that_was_not_told_of_a_batch():
    """It says of no entry that is there that it is not."""
    group = next(g for g in of_kind(cases.FaultGroup) if g.name() ==
                 "send: ENOMEM | authority | scrap")
    row = group.run()
    assert not row.failures, table.failures([row])
    assert row.cases >= 3


def test_a_kill_at_a_commit_point():
    for group, n in choose(of_kind(cases.KillGroup), 6, dice("kill")):
        try_one(group, n)


def test_a_kill_in_a_start():
    for group, n in choose(of_kind(cases.StartGroup), 3, dice("start")):
        try_one(group, n)


@pytest.mark.parametrize("group", [
    g for g in cases.all_groups() if isinstance(g, cases.AgedGroup)],
    ids=lambda g: f"{g.what}, {g.request}".replace(" ", "-"))
def test_a_wrong_clock(group):
    assert try_one(group, 1).cases == 1


@pytest.mark.parametrize("place", cases.OWNERS)
def test_a_full_disk_of_each_directory(place):
    chance = dice(place)
    group = cases.DiskGroup(place, chance.choice(cases.BOTH))
    row = try_one(group, chance.randint(1, 2))
    if row.skipped:
        pytest.skip(row.skipped)


def test_a_disk_that_fills_before_the_signature_is_stored():
    chance = dice("late")
    row = try_one(cases.LateDiskGroup(chance.choice(cases.BOTH)),
                  chance.randint(1, 12))
    if row.skipped:
        pytest.skip(row.skipped)


def test_a_broken_invariant_is_seen():
    """An answer that the log does not have, and one that is another's."""
    mint = Mintage()
    try:
        request, answer = next(r for r in mint.released
                               if isinstance(r[0], Issue))
        mint.prove()
        mint.released.append((request, {**answer, 1: answer[1][:-1] + b"!"}))
        with pytest.raises(Broken, match="not in the log"):
            mint.prove()
        mint.released[-1] = (Issue(mint), answer)
        with pytest.raises(Broken, match="units"):
            mint.prove()
    finally:
        mint.remove()


def test_an_order_that_nothing_meets_is_no_case():
    group = next(g for g in of_kind(cases.FaultGroup) if g.role == "notary")
    assert try_one(group, 100_000).cases == 0


def test_the_table_has_every_group_and_no_failure():
    known = table.rows_of_readme()
    assert set(known) == {(g.what, g.role, g.request)
                          for g in cases.all_groups()}
    assert not [row for row in known.items() if "FAILED" in row[1][1]]
