"""The smallest form of `make bench`, without peers: every row can be played, and loses and doubles nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bench.contestants import ROOT
from bench.figures import read
from bench.on_bus import MORE, ThisBus
from bench.peers import probe
from bench.rows import Row, Size, rows

from tests.support.server import Server

BY_COMMAND = ("drained", "idle", "interrupted")
"""Played by the command itself: it starts its rows in processes of their own, and those start and kill others."""
ELSEWHERE = ("storm", "suite")
"""Whole storms and suites have tests of their own (tests/faults, tests/suite)."""

LEAST = {row.name: row for row in rows(Size.LEAST)}


def test_the_command_measures_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    words = ["--least", "--without-peers", "--rounds", "1", "--json", str(tmp_path / "figures.jsonl")]
    words += [word for name in BY_COMMAND for word in ("--only", name)]
    command = [sys.executable, "-m", "bench", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    report = read((tmp_path / "figures.jsonl").read_text().splitlines())
    counts = {(f.row, f.who): f.count for f in report.figures}
    assert counts == {
        ("drained", "raw"): 300,
        ("drained", "bus"): 300,
        ("idle", "bus"): 30,
        ("interrupted", "bus"): 3,
    }
    assert all(f.value is not None and f.value >= 0 and not f.broken() and not f.error for f in report.figures)


@pytest.mark.parametrize(
    "row", [r for name, r in LEAST.items() if name not in BY_COMMAND + ELSEWHERE], ids=lambda r: r.name
)
async def test_a_row_loses_and_doubles_nothing(row: Row, one_server: Server) -> None:
    for play in row.first + row.plays:
        if play.by != "bus":
            continue
        if play not in row.first and not row.first:
            one_server.empty()
        ask = probe.Ask(play.row, one_server.url, **{**play.options, "count": int(play.options["count"])})
        answer = await probe.play(ThisBus(ask), ask, MORE)
        assert (answer["count"], answer.get("lost", 0), answer.get("doubled", 0)) == (ask.count, 0, 0)
