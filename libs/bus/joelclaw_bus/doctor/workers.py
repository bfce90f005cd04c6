"""Who should be there, who is, and which runs can't move. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from joelclaw_bus.doctor.check import Check
from joelclaw_bus.inspect.explain import Explanation
from joelclaw_bus.inspect.spans import clock, span
from joelclaw_bus.inspect.workers import LIVE_MS
from joelclaw_bus.pauses import Pause

STUCK_CAUSES = ("overdue", "broken")


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """`format`: of the run records that it writes; 0 when its heartbeat does not say; service: '' if it has none."""

    id: str
    age_ms: int
    functions: frozenset[str]
    format: int
    readable: bool = True
    service: str = ""

    @property
    def live(self) -> bool:
        return self.readable and self.age_ms <= LIVE_MS


def judge_workers(workers: Iterable[WorkerSeen], services: Mapping[str, frozenset[str]]) -> list[Check]:
    """services: those that ever said what they have, by name."""
    all_of_them = list(workers)
    return [*_late(all_of_them), *_missing(all_of_them, services), *_formats(all_of_them)]


def _late(workers: list[WorkerSeen]) -> Iterator[Check]:
    live = [w for w in workers if w.live]
    for w in workers:
        if not w.readable:
            yield Check("not known", w.id, "its heartbeat can't be read", "joelclaw otel search bus.stuck")
        elif not w.live:
            of = f", of {w.service}," if w.service else ""
            what = f"its last heartbeat{of} is {span(w.age_ms)} old: it died, is frozen, or can't reach the store"
            yield Check("finding", w.id, what, "look at its log; its work is taken over; its line goes after an hour")
    if live:
        yield Check("ok", "workers", f"{len(live)} live")
    elif not workers:
        yield Check("finding", "workers", "no worker lives: nothing is executed", "joelclaw up, or start the services")


def _missing(workers: list[WorkerSeen], services: Mapping[str, frozenset[str]]) -> Iterator[Check]:
    served = {function for w in workers if w.live for function in w.functions}
    for service, functions in sorted(services.items()):
        if missing := sorted(functions - served):
            yield Check("finding", service, f"no live worker has its functions: {', '.join(missing)}", "start it")


def _formats(workers: list[WorkerSeen]) -> Iterator[Check]:
    formats = sorted({w.format for w in workers if w.live and w.format})
    if len(formats) > 1:
        what = f"live workers write records of formats {', '.join(map(str, formats))}"
        yield Check("warning", "workers", what, "finish the rollout: older ones leave newer records alone")


def judge_pauses(pauses: Iterable[Pause], unreadable: Iterable[str], now_ms: int) -> Iterator[Check]:
    for pause in pauses:
        if pause.holds(now_ms):
            ends = f"until {clock(pause.until_ms)}" if pause.until_ms else "without an end"
            what = f"paused by {pause.owner} {ends}: {pause.reason}"
            yield Check("warning", pause.function, what, f"joelclaw bus resume {pause.function}")
    for function in unreadable:
        yield Check("finding", function, "its pause can't be read, and holds nothing", "pause it again, or resume it")


def judge_run(run: str, said: Explanation) -> Check | None:
    """A run that does not move by itself, or that should have moved."""
    if said.moves and said.cause not in STUCK_CAUSES:
        return None
    if said.cause == "paused":
        return None  # told with the pause itself
    return Check("finding", run, said.why, said.todo)


def judge_open(total: int, settled: int, looked: int, *, well: bool) -> Iterator[Check]:
    """All open runs together. `well`: nothing was found of those that were looked at."""
    if looked < settled:
        what = f"{settled - looked} were not looked at, of {total} that are open"
        yield Check("not known", "runs", what, "joelclaw bus runs lists them; joelclaw bus explain RUN looks at one")
    elif well and not total:
        yield Check("ok", "runs", "none is open")
    elif well:
        moves = "they will move by themselves" if looked else "all moved just now"
        yield Check("ok", "runs", f"{total} are open; {moves}")
