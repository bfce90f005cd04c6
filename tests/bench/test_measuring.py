"""The smallest form of `make bench`, without peers: every row can be played, and loses and doubles nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.contestants import ROOT
from bench.figures import read
from bench.rows import NAMES

ELSEWHERE = {"storm", "suite"}
"""Whole storms and suites have tests of their own (tests/faults, tests/suite)."""


def test_every_row_is_measured_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    asked = [name for name in NAMES if name not in ELSEWHERE]
    words = ["--least", "--without-peers", "--rounds", "1", "--json", str(tmp_path / "figures.jsonl")]
    words += [word for name in asked for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = read((tmp_path / "figures.jsonl").read_text().splitlines())
    assert {figure.row for figure in report.figures} == set(asked)
    counts = {(f.row, f.who): f.count for f in report.figures}
    assert counts["drained", "bus"] == counts["drained", "raw"] == 300
    assert counts["lanes", "2 workers"] == 400
    assert all(f.value is not None and f.value >= 0 and not f.broken() and not f.error for f in report.figures)
