"""What the health service wrote, as an operator should read it. Pure: the store's facts and its clock come in.

| what is there                                        | is shown as             |
|------------------------------------------------------|-------------------------|
| a verdict of a current round                         | ok, failing, unknown    |
| a verdict older than twice the cadence               | unknown: never green    |
| a check that is configured and has no verdict yet    | unknown                 |
| a check that is not configured or is switched off    | not configured          |
| no current round, and a health service that has just | "the first check is     |
| started                                              | under way", no finding  |
| the check is paused, or no health service lives      | a finding, with since   |
|                                                      | when nothing was looked |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joelclaw_bus.inspect.spans import span
from joelclaw_contracts.read_models import CoverageRow, HealthCheck, HealthRound

NEVER = "no check has ever run: is the health service running?"
NOBODY = "no health service lives: nobody checks"
UNDER_WAY = "the first check is under way"
FIRST_MS = 60_000
"""A health service that is alive for longer, ms, and has not ended its first check, is a finding."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. Times in ms; 0: never."""

    component: str
    condition: str
    state: str
    since_ms: int
    checked_ms: int
    value: str
    reason: str
    remediation: str
    owner: str


@dataclass(frozen=True, slots=True)
class Picture:
    """`current`: the last round is younger than twice the cadence; else nothing here is green; `under_way`: the first
    check since the service's start is to end within seconds; `halted`: why nobody looks now, '' somebody does."""

    lines: tuple[Line, ...]
    findings: tuple[str, ...]
    current: bool
    now: int
    at_ms: int
    under_way: bool = False
    halted: str = ""

    @property
    def failing(self) -> list[str]:
        return self._in("failing")

    @property
    def unknown(self) -> list[str]:
        return self._in("unknown")

    def _in(self, state: str) -> list[str]:
        return [f"{line.component} {line.condition}" for line in self.lines if line.state == state]


def picture(
    checks: Mapping[str, HealthCheck],
    last: HealthRound | None,
    now: int,
    alive_since: int | None = None,
    *,
    paused: str = "",
    unreadable: Sequence[str] = (),
) -> Picture:
    """checks: by `COMPONENT CONDITION`; last: the last round, None if there was none; alive_since: when the health
    service that is alive by its heartbeats started, None if there is none; paused: who paused the check, and why;
    unreadable: what the service wrote and nobody can read."""
    under_way = alive_since is not None and now - alive_since <= FIRST_MS and not paused
    halted = paused or (NOBODY if alive_since is None else "")
    said = tuple(f"{name} can't be read: it was not written by this version" for name in unreadable)
    if last is None:
        never = (paused,) if paused else _never(now, alive_since)
        return Picture((), (*never, *said), current=False, now=now, at_ms=0, under_way=under_way, halted=paused)
    current = now - last.at_ms <= 2 * last.cadence_ms
    findings = [*last.findings, *said]
    under_way = under_way and not current
    if not current and not under_way:
        findings.insert(0, "the last round is older than twice the cadence: nothing below is known any more")
    if last.blind:
        findings.insert(0, "every probe of a kind fails at once: the checker suspects itself, and asks for nothing")
    lines = tuple(_line(row, checks.get(f"{row.component} {row.condition}"), last, now) for row in last.coverage)
    if halted:
        findings.insert(0, f"{halted}; the last check was {span(now - last.at_ms)} ago")
    return Picture(lines, tuple(findings), current, now, last.at_ms, under_way, halted)


def _never(now: int, alive_since: int | None) -> tuple[str, ...]:
    if alive_since is None:
        return (NEVER,)
    seconds = (now - alive_since) // 1000
    late = f"no check has ever ended, though the health service has been running for {seconds} s: joelclaw bus runs"
    return () if seconds * 1000 <= FIRST_MS else (late,)


def _line(row: CoverageRow, check: HealthCheck | None, last: HealthRound, now: int) -> Line:
    state, reason = _state(row, check, last, now)
    return Line(
        row.component,
        row.condition,
        state,
        check.since_ms if check else 0,
        check.checked_ms if check else 0,
        check.value if check and row.configured else "",
        "; ".join(part for part in (reason, row.note) if part),
        row.remediation,
        row.owner,
    )


def _state(row: CoverageRow, check: HealthCheck | None, last: HealthRound, now: int) -> tuple[str, str]:
    """(what is shown, why)."""
    if not row.configured:
        return "not configured", ""
    if check is None:
        return "unknown", "never checked"
    if now - check.checked_ms > 2 * last.cadence_ms:
        return "unknown", f"stale: it was {check.state}"
    if check.latest != check.state and check.latest != "ok":
        counted = check.failing if check.latest == "failing" else check.unknown
        return ("unknown" if check.state == "new" else check.state), f"{check.latest} {counted}×: {check.reason}"
    return ("unknown" if check.state == "new" else check.state), check.reason
