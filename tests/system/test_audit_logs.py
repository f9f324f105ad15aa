"""The logs that the audit's unit tests make, each with one thing wrong or with
none, as another auditor finds them that was written by itself."""

import os
import subprocess
from pathlib import Path

import pytest

import auditor
from mint import BUILD

# How many logs they keep at least: good ones and bad ones.
TESTS = (("test_audit", 8, 30), ("test_audit_people", 8, 30),
         ("test_audit_images", 4, 16), ("test_audit_scrap", 2, 14))


def kept_logs(directory):
    """(name, whether it is good, verifier key, entries) of each."""
    for path in sorted(directory.iterdir()):
        head, _, bundle = path.read_bytes().partition(b"\n")
        _, verdict, name = path.name.split("-", 2)
        # What is wrong without a name is wrong around the log: a checkpoint.
        if verdict == "good" or name:
            yield (name, verdict == "good", auditor.Vkey(head.decode()),
                   auditor.parse_bundle(bundle))


@pytest.mark.parametrize("test, least_good, least_bad", TESTS)
def test_both_auditors_find_the_same(test, least_good, least_bad, tmp_path):
    subprocess.run([Path(BUILD) / "tests" / test], check=True,
                   capture_output=True,
                   env={**os.environ, "MM_AUDIT_LOGS": str(tmp_path)})
    good = bad = 0
    for name, is_good, vkey, entries in kept_logs(tmp_path):
        if is_good:
            auditor.audit_entries(entries, vkey)
            good += 1
            continue
        with pytest.raises(auditor.Wrong):
            auditor.audit_entries(entries, vkey)
            print(name)
        bad += 1
    assert good >= least_good and bad >= least_bad
