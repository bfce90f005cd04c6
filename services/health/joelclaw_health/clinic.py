"""A round: probe what the inventory names, judge it on what is remembered, write it down, close what has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from joelclaw_bus import Store
from joelclaw_contracts import CoverageRow, HealthCheck, HealthMode, HealthRound
from joelclaw_healing import Ledger, Letter, Voice, close_target
from joelclaw_health.alerting.digest import digest
from joelclaw_health.alerting.memory import Memory
from joelclaw_health.book import Book, Page
from joelclaw_health.inventory import backed_up, coverage, jobs
from joelclaw_health.judge import BLINDNESS, SELF, Judged, doubt, judge
from joelclaw_health.plan import CHECK_FUNCTION, plan
from joelclaw_health.probes.http import AT_ONCE
from joelclaw_health.registry import Registry, read_registry
from joelclaw_health.sample import Sample, key_of
from joelclaw_health.settings import Settings

ACTION = "system.health.checked"
LOOKS = 10
Json = dict[str, Any]


class BookContested(Exception):
    """Others wrote a round during each of our looks at the book: the run is tried again."""

    def __init__(self) -> None:
        super().__init__(f"other rounds were written during {LOOKS} looks at the book; try again")


@dataclass(frozen=True, slots=True)
class Clinic:
    """Everything a round needs. The clock is the store's."""

    store: Store
    settings: Settings
    book: Book
    ledger: Ledger
    voice: Voice
    outside: Callable[[int], Sequence[Sample]] | None = None
    """What the dead-man's switch last met."""
    limit: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(AT_ONCE))

    async def probe(self, component: str, mode: HealthMode) -> list[Json]:
        """The samples, as JSON. `component` '' is all. StoreUnavailable, StoreRefused: nothing can be probed then."""
        registry, page = await read_registry(self.store), await self.book.read()
        known = {key for key, check in page.checks.items() if check.state in ("ok", "failing")}
        firsts = await self.book.firsts(backed_up(registry, self.settings), registry.now_ms)
        samples: list[Sample] = []
        async with anyio.create_task_group() as tasks:
            for job in jobs(registry, self.store, self.settings, self.limit, known, self.outside, firsts):
                if job.is_wanted(component, mode):
                    tasks.start_soon(_take, job.look, samples)
        wanted = (s for s in samples if component in ("", s.component))
        return [s.to_json() for s in sorted(wanted, key=lambda s: s.key)]

    async def judge(self, run: str, look: int, given: Sequence[Json], full: bool) -> Json:
        """Judges and writes; the outcome {doubtful, turns, closings, failing}. Once, however often it is called.

        full: the samples are of everything there is, so that what has none was retired."""
        samples = [Sample(**s) for s in given]
        registry = await read_registry(self.store)
        for _ in range(LOOKS):
            page = await self.book.read()
            judged = judge(page.checks, samples, page.now, self.settings.thresholds)
            retired = _retired(page.checks, registry, self.settings, samples) if full else []
            told = await self._write(page, f"{run}:{look}", judged, retired, registry)
            if told is not None:
                return told
        raise BookContested

    async def close(self, domain: str, component: str, detail: str) -> bool:
        """What health asked to be healed is well again: it saw the end, so it closes. False: nothing was open."""
        by, who = CHECK_FUNCTION, self.settings.who
        return await close_target(
            self.ledger, domain, component, by=by, detail=detail, voice=self.voice, channels=who.channels
        )

    async def gather(self, memory: Memory) -> Json:
        """The digest of now: its text, and the ids of what was kept and stands in it."""
        kept, page = await memory.kept(), await self.book.read()
        failing = [key for key, check in page.checks.items() if check.state == "failing"]
        made = digest(kept, await self.ledger.queue(), failing, await self.book.last_round())
        return {"text": made.text, "ids": made.ids}

    async def _write(
        self, page: Page, name: str, judged: Sequence[Judged], retired: Sequence[HealthCheck], registry: Registry
    ) -> Json | None:
        gone = [key_of(c.component, c.condition) for c in retired]
        seen = {k: c for k, c in page.checks.items() if k not in gone}
        seen |= {key_of(j.check.component, j.check.condition): j.check for j in judged}
        why = doubt(seen.values(), page.now - 2 * self.settings.cadence_ms(page.now))
        made = plan(judged, retired, registry.functions, self.settings.who, blind=bool(why))
        after = {k: c for k, c in page.checks.items() if k not in gone}
        after |= {key_of(c.component, c.condition): c for c in made.checks}
        rows = coverage(registry, self.settings, after)
        failing = sorted(k for k, c in after.items() if c.state == "failing")
        outcome = {
            "doubtful": sorted(key_of(j.check.component, j.check.condition) for j in judged if j.in_doubt),
            "turns": [[j.turn.value, j.check.component, j.check.condition] for j in judged if j.turn],
            "closings": [list(c) for c in made.closings],
            "failing": failing,
        }
        round = HealthRound(
            at_ms=page.now,
            run=name.rpartition(":")[0],
            cadence_ms=self.settings.cadence_ms(page.now),
            blind=bool(why),
            doubt=why,
            coverage=tuple(rows),
            findings=(
                *self.settings.findings,
                *_unexpected(registry),
                *_never_ran(rows, after),
                *_worth_knowing(after),
            ),
        )
        letters = [*made.letters, self._evidence(name, page.now, outcome, len(judged))]
        return await self.book.write(
            page, name, checks=made.checks, gone=gone, round=round, letters=letters, outcome=outcome
        )

    def _evidence(self, name: str, now: int, outcome: Json, inspected: int) -> Letter:
        bad = bool(outcome["failing"])
        return self.voice.evidence(
            name,
            at_ms=now,
            component=CHECK_FUNCTION,
            action=ACTION,
            level="error" if bad else "warn" if outcome["doubtful"] else "info",
            success=not bad,
            error=f"failing: {', '.join(outcome['failing'])}" if bad else "",
            metadata={"inspected": inspected, **outcome},
        )


async def _take(look: Any, samples: list[Sample]) -> None:
    samples += await look()


def _retired(
    checks: dict[str, HealthCheck], registry: Registry, s: Settings, samples: Sequence[Sample]
) -> list[HealthCheck]:
    """Checks of what is in the inventory no more."""
    seen = {x.key for x in samples} | {key_of(SELF, BLINDNESS)}
    rows = {key_of(r.component, r.condition) for r in coverage(registry, s, seen) if r.configured}
    return [check for key, check in checks.items() if key not in rows and key not in seen]


def _unexpected(registry: Registry) -> list[str]:
    return [] if registry.services else ["no service has registered yet: none is expected, so none is checked"]


def _never_ran(rows: Sequence[CoverageRow], checks: dict[str, HealthCheck]) -> list[str]:
    return [
        f"{r.component} {r.condition} has never been checked"
        for r in rows
        if r.configured and r.condition != BLINDNESS and key_of(r.component, r.condition) not in checks
    ]


def _worth_knowing(checks: dict[str, HealthCheck]) -> list[str]:
    """What is ok, and has a reason to be looked at all the same."""
    return [f"{c.component}: {c.reason}" for c in checks.values() if c.latest == "ok" and c.reason]
