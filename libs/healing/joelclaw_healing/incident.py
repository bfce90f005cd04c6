"""An incident: what went wrong with one target, and where we stand with it.

Identity is (domain, target); the failure's class is an attribute, so that a changing error wins no fresh budget.

| state     | means                                                                    | ends by              |
|-----------|--------------------------------------------------------------------------|----------------------|
| open      | we are at it: an act waits for its time, or was handed over, or is barred | observation, dismiss |
| escalated | a person has it; further requests are absorbed                           | observation, dismiss |
| closed    | over (`end`: resolved or dismissed); forgotten after its keeping time    | a failure within 1 h |

Nouns only: no store, no clock. Times are ms since the epoch by the store's clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class State(StrEnum):
    OPEN = "open"
    ESCALATED = "escalated"
    CLOSED = "closed"


class Kind(StrEnum):
    """What is scheduled: a retry has a route event, a pause has none."""

    RETRY = "retry"
    PAUSE = "pause"


class End(StrEnum):
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Act:
    """What waits for its time. `decision` is the id of the decision that wants it and of the route event;
    `payload` is the route event's data as JSON text, validated before it was scheduled; `held`: it came due while
    acting was stopped or paused, so that it is judged afresh; `ordered_by`: the person who wants it."""

    decision: str
    kind: Kind
    due_ms: int
    route: str = ""
    payload: str = ""
    held: bool = False
    ordered_by: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as the store has it. `seq` counts its moves: a move is made only on the `seq` that was judged.

    attempt: acts handed over and holds served; holds: those among them that were holds; decisions, requests, reopened,
    alerts: how many of each so far; act: what waits now; last_act: `retry`, `pause` or empty; barred: the rule that
    refused the last request; request: the request that the present decision answers, JSON text (kept to judge again
    when a hold ends). group: what it fails together with; watch, watch_ms: an open one without an act is looked at
    again then, under this id; approval, approval_ms: what a person is asked to allow, and until when; acked_by,
    acked_ms: the person who has seen the page; repeats: how often it was sent again.
    """

    id: str
    domain: str
    target: str
    state: State
    seq: int
    opened_ms: int
    moved_ms: int
    attempt: int = 0
    holds: int = 0
    decisions: int = 0
    requests: int = 0
    reopened: int = 0
    alerts: int = 0
    act: Act | None = None
    last_act: str = ""
    barred: str = ""
    owner: str = ""
    watchers: tuple[str, ...] = ()
    first_failure_ms: int = 0
    deadline_ms: int = 0
    fallback: str = "escalate"
    failure_class: str = ""
    problem: str = ""
    source_function: str = ""
    request: str = ""
    closed_ms: int = 0
    end: str = ""
    closed_by: str = ""
    group: str = ""
    watch: str = ""
    watch_ms: int = 0
    approval: str = ""
    approval_ms: int = 0
    acked_by: str = ""
    acked_ms: int = 0
    repeats: int = 0

    @property
    def is_over(self) -> bool:
        return self.state is State.CLOSED

    def to_fields(self) -> dict[str, str]:
        """As a store hash: text, act and watchers as JSON."""
        out: dict[str, str] = {}
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if field.name == "act":
                value = _act_text(value) if value else ""
            elif field.name == "watchers":
                value = json.dumps(value, separators=(",", ":"))
            out[field.name] = str(value)
        return out

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> Incident:
        """Back from a store hash. Fields that this version does not know are left out."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in raw:
                continue
            text = raw[field.name]
            if field.name == "act":
                values["act"] = _act(text)
            elif field.name == "watchers":
                values["watchers"] = tuple(json.loads(text))
            elif field.name == "state":
                values["state"] = State(text)
            elif field.type == "int":
                values[field.name] = int(text)
            else:
                values[field.name] = text
        return cls(**values)


def _act_text(act: Act) -> str:
    return json.dumps({name: getattr(act, name) for name in Act.__slots__}, separators=(",", ":"))


def _act(text: str) -> Act | None:
    if not text:
        return None
    raw = json.loads(text)
    raw["kind"] = Kind(raw["kind"])
    return Act(**{name: raw[name] for name in Act.__slots__ if name in raw})


def target_key(domain: str, target: str) -> str:
    """How an identity is spelt inside a key: hashed, since a target can be any text."""
    return hashlib.sha256(f"{domain}\0{target}".encode("utf-8", "surrogateescape")).hexdigest()[:24]


def new_incident_id(domain: str, target: str, cause: str) -> str:
    """The id of the incident that `cause` (a request's id) opens: the same whenever the same request is seen again."""
    return "inc-" + hashlib.sha256(f"{domain}\0{target}\0{cause}".encode("utf-8", "surrogateescape")).hexdigest()[:12]
