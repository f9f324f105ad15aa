"""The bench of the log in its short form: that it builds a log, checks what
it measures, says every figure, and leaves nothing behind. What the figures
are is for `make bench-log`."""

import os
import re
import subprocess

import pytest

from mint import BUILD, ROOT

SIZES = "300 3000"


def bench(directory, **environment):
    return subprocess.run(
        [ROOT / "tests/bench/run_log"], capture_output=True, text=True,
        cwd=ROOT, timeout=300, check=False,
        env={**os.environ, "MINTMARK_BUILD": str(BUILD),
             "LOG_DIR": str(directory), "LOG_SAMPLES": "4",
             "LOG_SIZES": SIZES, **environment})


def figures(output):
    """{what: [a figure a size, ..., last/first]} of the printed table."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
    return {row[0]: [float(x) for x in " ".join(row[1:]).split()
                     if re.fullmatch(r"[\d.]+", x)]
            for row in rows if len(row) > 1}


def test_every_figure_is_measured_at_every_size(tmp_path):
    done = bench(tmp_path)
    assert done.returncode == 0, done.stderr
    table = figures(done.stdout)
    assert table.pop("entries") == [300, 3000]
    assert len(table) > 35
    for what, row in table.items():
        if what.endswith(", written"):
            continue  # nothing is, where the log lies in memory
        assert len(row) == 3 and all(x > 0 for x in row), what
    assert table["entries of a full batch"][0] > 100
    assert 500 < table["an entry itself, mean"][1] < 2000
    assert not list(tmp_path.iterdir())


def test_the_index_stays_behind(tmp_path):
    done = bench(tmp_path, LOG_INDEX="300")
    assert done.returncode == 0, done.stderr
    table = figures(done.stdout)
    rows = [row for what, row in table.items() if "index" in what]
    assert len(rows) == 7
    assert all(len(row) <= 1 and all(x > 0 for x in row) for row in rows)
    assert sum(len(row) for row in rows) >= 6


def test_keep_leaves_the_log(tmp_path):
    done = bench(tmp_path, KEEP="1", LOG_SIZES="300")
    assert done.returncode == 0, done.stderr
    kept, = tmp_path.iterdir()
    assert f"kept: {kept}" in done.stderr
    assert (kept / "tiles" / "checkpoint").read_text().splitlines()[0] == \
        "bench.example/log"


def test_a_disk_that_is_too_small_is_told_before(tmp_path):
    done = bench(tmp_path, LOG_SIZES="1000 100000000000")
    assert done.returncode == 75
    assert "not enough room" in done.stderr
    assert "fewer entries" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("environment, status, why", [
    ({"LOG_SIZES": "3000 300"}, 64, "usage"),
    ({"LOG_SIZES": "3"}, 64, "usage"),
    ({"LOG_SIZES": "a"}, 64, "usage"),
    ({"LOG_SAMPLES": "0"}, 64, "usage"),
    ({"LOG_SAMPLES": "1025"}, 64, "usage"),
    ({"LOG_SIZES": "300 301"}, 65, "too close"),
])
def test_what_cannot_be_measured_is_refused(tmp_path, environment, status,
                                            why):
    done = bench(tmp_path, **environment)
    assert done.returncode == status, done.stderr
    assert why in done.stderr
    assert not list(tmp_path.iterdir())
