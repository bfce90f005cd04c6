"""What a judge outside the store keeps of what left with every move, and what must hold of it at any moment.

It reads the letters alone, as anybody on the bus could; nothing here asks what the router believes of itself.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOUR, DAY = 3_600_000, 86_400_000
Json = Mapping[str, Any]
ACTS = {"retry-within-budget", "retry-approved-by-person", "retry-ordered-by-person"}
HOLDS = {"hold-asked-by-playbook", "hold-unknown-failure", "hold-while-drained"}


@dataclass(frozen=True)
class Bounds:
    """What no sequence of events may exceed."""

    retries_per_day: int
    all_retries_per_hour: int
    max_retries: int
    sleep_min_ms: int
    sleep_max_ms: int
    acts_per_hour: int
    acts_per_day: int
    all_acts_per_hour: int


@dataclass
class World:
    """How the world stands at a moment, as the machine made it: why an act may not be made now ('' it may)."""

    stopped: bool = False
    paused: set[str] = field(default_factory=set)
    blind: str = ""


@dataclass
class Book:
    bounds: Bounds
    scheduled: list[tuple[int, str]] = field(default_factory=list)
    """(when, target) of every retry that was scheduled."""
    acted: list[tuple[int, str]] = field(default_factory=list)
    handed: Counter[str] = field(default_factory=Counter)
    """Hand-overs by the decision's id."""
    by_incident: Counter[str] = field(default_factory=Counter)
    ordered: Counter[str] = field(default_factory=Counter)
    last_act: dict[str, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    pages: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    deadlines: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """The deadline that binds an incident now, by its id."""

    def read(self, now: int, item: Json, data: Json, world: World) -> None:
        """One letter that has just left."""
        match item["target"]:
            case "otel/event":
                self._evidence(now, item, data["metadata"], world)
            case "system/self.healing.completed" if data.get("eventId"):
                self.answers[data["eventId"]] += 1
            case "gateway/send.message":
                self.pages[item["event_id"]] += 1
                assert self.pages[item["event_id"]] == 1, f"paged twice: {item['event_id']}"
            case "system/health.check.requested" | "system/backup.retry.requested":
                self._route(now, item, data, world)

    def check(self, now: int) -> None:
        """No window holds more than its budget."""
        b = self.bounds
        _within("retries of all in an hour", [at for at, _ in self.scheduled], HOUR, b.all_retries_per_hour)
        _within("acts of all in an hour", [at for at, _ in self.acted], HOUR, b.all_acts_per_hour)
        for target in {target for _, target in self.scheduled}:
            _within(f"retries of {target}", _of(self.scheduled, target), DAY, b.retries_per_day)
        for target in {target for _, target in self.acted}:
            _within(f"acts on {target} in an hour", _of(self.acted, target), HOUR, b.acts_per_hour)
            _within(f"acts on {target} in a day", _of(self.acted, target), DAY, b.acts_per_day)
        # Only what the widest window still sees can make it too full.
        self.scheduled = [(at, target) for at, target in self.scheduled if at > now - DAY]
        self.acted = [(at, target) for at, target in self.acted if at > now - DAY]

    def _evidence(self, now: int, item: Json, told: Json, world: World) -> None:
        self.told[item["event_id"]] += 1
        assert self.told[item["event_id"]] == 1, f"told twice: {item['event_id']}"
        rule = told.get("rule", "")
        self.rules[rule] += 1
        if rule in ("act-permitted", "act-forced"):
            self.acted.append((now, f"{told['domain']}/{told['target']}"))
            assert not world.stopped, "acted while stopped"
            assert rule == "act-forced" or not _pauses(world, told["domain"], told["target"]), "acted while paused"
        if rule not in ACTS | HOLDS or told.get("dryRun"):
            return
        target, incident = f"{told['domain']}/{told['target']}", told["incidentId"]
        ordered = rule == "retry-ordered-by-person"
        assert not world.stopped, f"{rule} while stopped"
        kept_back = world.blind or _pauses(world, told["domain"], told["target"])
        assert ordered or not kept_back, f"{rule} while held"
        assert ordered or self.bounds.sleep_min_ms <= told["delayMs"] <= self.bounds.sleep_max_ms
        if rule in HOLDS:
            assert self.last_act.get(incident) != "hold", "two holds in a row"
            self.last_act[incident] = "hold"
            return
        self.scheduled.append((now, target))
        self.last_act[incident] = "retry"
        if ordered:
            self.ordered[incident] += 1

    def _route(self, now: int, item: Json, data: Json, world: World) -> None:
        self.handed[item["event_id"]] += 1
        assert self.handed[item["event_id"]] == 1, f"handed over twice: {item['event_id']}"
        incident, ordered = data["incidentId"], "orders attempt" in data["decision"]["reason"]
        self.by_incident[incident] += 1
        assert not world.stopped, "handed over while stopped"
        assert data["attempt"] <= self.bounds.max_retries + self.ordered[incident], "more attempts than there are"
        if ordered:
            return
        domain, target = data.get("domain", "backup"), data.get("targetComponent") or data["target"]
        assert not world.blind, "handed over while blind"
        assert not _pauses(world, domain, target), "handed over while paused"
        deadline = self.deadlines[incident]
        assert not deadline or now <= deadline, f"handed over {now - deadline} ms after its deadline"


def _pauses(world: World, domain: str, target: str) -> set[str]:
    return world.paused & {"all", f"domain:{domain}", f"target:{domain}/{target}"}


def _of(rows: list[tuple[int, str]], target: str) -> list[int]:
    return [at for at, of in rows if of == target]


def _within(what: str, times: list[int], window: int, limit: int) -> None:
    """times: ascending. Any `limit` + 1 of them in a row must span at least the window."""
    for first, last in zip(times, itertools.islice(times, limit, None), strict=False):
        assert last - first >= window, f"{what}: {limit + 1} within {last - first} ms"
