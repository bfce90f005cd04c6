"""Read models: what one service writes into the store for others to show. Shapes only; who writes is said at each."""

from __future__ import annotations

from typing import Literal

from .event import WireModel
from .fields import Count, FreeText, Name, Strings

Outcome = Literal["ok", "failing", "unknown"]
"""What one probe says. Unknown (a time-out, no answer) is neither of the others and restarts nothing."""

HEALTH_SLOT = "healing/health"
"""The slot of health's keys: `checks` (hash, `COMPONENT CONDITION` -> HealthCheck), `round` (HealthRound), and
`done:RUN:LOOK`, which is there once that run's look (from 0) was written."""


class HealthCheck(WireModel):
    """One condition of one component, as it was last judged. Written by the health service; times are the store's."""

    component: Name
    """What is checked: `store`, a service, a destination."""
    condition: Name
    """What about it: `data-path`, `heartbeat`, `http`."""
    state: Literal["new", "ok", "failing", "unknown"]
    """The verdict, after confirmations and closings; `new` has none yet."""
    latest: Outcome
    """What the last sample said; it may not have changed the verdict yet."""
    since_ms: Count
    """Since when the verdict stands, ms."""
    checked_ms: Count
    """When the last sample was taken, ms."""
    counted_ms: Count = 0
    """When a sample last counted, ms."""
    first_ms: Count
    """When the condition was first sampled, ms."""
    value: FreeText = ""
    """What was measured, with its unit."""
    reason: FreeText = ""
    """Why it is not ok, or what should be known though it is."""
    failing: Count = 0
    """Failing samples in a row that counted."""
    good: Count = 0
    """Good samples in a row that counted."""
    unknown: Count = 0
    """Unknown samples in a row that counted."""
    repeat: Count = 0
    """How many transitions were told; the next one's number in its ids."""
    told: bool = False
    """Whether an alert says that it is not well: only then is `resolved` told."""
    asked: bool = False
    """Whether healing was asked for, so that its end is reported."""
    openings: tuple[Count, ...] = ()
    """When it was opened lately, ms; for the flap rule."""
    flapping: bool = False
    """Whether it comes and goes: a person is wanted."""


class CoverageRow(WireModel):
    """One line of the coverage table. `configured` false: nothing is probed, nothing can be red."""

    component: Name
    condition: Name
    configured: bool = True
    check: FreeText
    """What the probe does."""
    remediation: FreeText
    """What happens on a confirmed failure; `alert only` is said aloud."""
    owner: FreeText
    """Who answers for it."""
    note: FreeText = ""
    """Why it is not configured, or what weakens it."""


class HealthRound(WireModel):
    """The last round of checks. Written by the health service together with what it judged."""

    at_ms: Count
    """When it was judged, ms."""
    run: FreeText = ""
    """The run that made it."""
    cadence_ms: Count
    """How far apart the scheduled rounds are, ms; a round older than twice this says nothing any more."""
    blind: bool = False
    """Everything failed at once, or no canary answers: the checker suspects itself, and nothing acts."""
    doubt: FreeText = ""
    """Why it does."""
    coverage: tuple[CoverageRow, ...] = ()
    """What is checked, how, and what follows."""
    findings: Strings = ()
    """What a person should know though nothing fails: checks that are off or never ran, nobody to alert."""
