"""The faults of time: a clock that runs ahead or is set back, an hour that comes twice, a month of failures."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from joelclaw_backup import provider, steps
from joelclaw_backup.address import parse_address
from joelclaw_backup.clock import now_ms
from joelclaw_backup.retention import Rule
from tests.backup.faults.bench import Bench

Result = tuple[str, str]
YEAR = 365 * 86_400_000
FOLD = (1_793_521_800_000, 1_793_525_400_000)
"""2026-11-01T08:30Z and 09:30Z: both are half past one in Los Angeles."""


async def ran_ahead(bench: Bench) -> list[Result]:
    """For one backup, by a year: it is no liar's newest for a year to come, and pushes nobody out."""
    await bench.prepare()
    with _clock(YEAR):
        results = [await bench.attempt()]  # it is whole, and by the right clock nobody may say that it is the newest
    (ahead,) = (a for a in provider.list_artefacts(bench.environ()) if not a["verified"])
    results += _unless(ahead["standing"] == "unknown" and "still to come" in ahead["problem"], str(ahead))
    results.append(await bench.attempt(bench.settings(rule=Rule(1))))
    newest = provider.newest(bench.environ())
    results += _unless(newest is not None and newest["id"] > bench.good, f"the newest is {newest}")
    return [*results, *_unless(_latest(bench) == (newest or {})["id"], f"latest is {_latest(bench)}")]


async def was_set_back(bench: Bench) -> list[Result]:
    """By a year, under a rule that keeps one: what was just made is not pruned for its date, nor what was there."""
    await bench.prepare()
    with _clock(-YEAR):
        results = [await bench.attempt(bench.settings(rule=Rule(1)))]
    return [*results, *_told(bench, 2)]


async def came_twice(bench: Bench) -> list[Result]:
    """The same local hour, twice in one night: two sets, each under its own name."""
    await bench.prepare()
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/Los_Angeles"
    time.tzset()
    try:
        results = [await bench.attempt(at_ms=at) for at in FOLD]
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()
    return [*results, *_told(bench, 3)]


async def a_month_of_failures(bench: Bench) -> list[Result]:
    """Thirty nights in a row nothing can be taken, and somebody prunes each morning: what was good stays."""
    await bench.prepare()
    gone = replace(bench.settings(rule=Rule(1)), source=parse_address("redis://127.0.0.1:1"))
    results = []
    for _ in range(30):
        results.append(await bench.attempt(gone))
    provider.prune(bench.environ())
    return [*results, *_told(bench)]


@contextmanager
def _clock(by: int) -> Iterator[None]:
    """What this process writes down as now."""
    steps.now_ms = lambda: now_ms() + by  # type: ignore[attr-defined]  # the name that the steps look up
    try:
        yield
    finally:
        steps.now_ms = now_ms  # type: ignore[attr-defined]  # as above


def _latest(bench: Bench) -> str:
    return os.readlink(bench.root / "backups/redis/latest")


def _unless(holds: bool, wrong: str) -> list[Result]:
    return [] if holds else [("miss", wrong)]


def _told(bench: Bench, at_least: int = 1) -> list[Result]:
    return [("miss", wrong) for wrong in bench.misses(at_least=at_least)]
