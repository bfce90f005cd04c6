"""What the health service wrote, as an operator should read it. Pure: the store's facts and its clock come in.

| what is there                                        | is shown as             |
|------------------------------------------------------|-------------------------|
| a verdict of a current round                         | ok, failing, unknown    |
| a verdict older than twice the cadence               | unknown: never green    |
| a check that is configured and has no verdict yet    | unknown                 |
| a check that is not configured or is switched off    | not configured          |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from joelclaw_contracts.read_models import CoverageRow, HealthCheck, HealthRound

NEVER = "no check has ever run: is the health service running?"


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
    """`current`: the last round is younger than twice the cadence; else nothing here is green."""

    lines: tuple[Line, ...]
    findings: tuple[str, ...]
    current: bool
    now: int
    at_ms: int

    @property
    def failing(self) -> list[str]:
        return [f"{line.component} {line.condition}" for line in self.lines if line.state == "failing"]


def picture(checks: Mapping[str, HealthCheck], last: HealthRound | None, now: int) -> Picture:
    """checks: by `COMPONENT CONDITION`; last: the last round, None if there was none."""
    if last is None:
        return Picture((), (NEVER,), current=False, now=now, at_ms=0)
    current = now - last.at_ms <= 2 * last.cadence_ms
    findings = list(last.findings)
    if not current:
        findings.insert(0, "the last round is older than twice the cadence: nothing below is known any more")
    if last.blind:
        findings.insert(0, "every probe of a kind fails at once: the checker suspects itself, and asks for nothing")
    lines = tuple(_line(row, checks.get(f"{row.component} {row.condition}"), last, now) for row in last.coverage)
    return Picture(lines, tuple(findings), current, now, last.at_ms)


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
