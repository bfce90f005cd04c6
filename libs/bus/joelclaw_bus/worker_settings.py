"""What one worker is told of how to work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """lease_ms: how long a silent worker keeps its work; parallel: runs at once per function here, and twice as many
    of what was taken over; block: seconds of one blocking read; fallback_ms: after how long a run without a permit asks
    again; chores: seconds between trims; watchdog: end the process when its event loop is silent for four leases
    (services set it, tests mostly don't); about: JSON-able facts for its heartbeats, read at each: `service` makes it
    known, `http` is where its probes are.
    """

    lease_ms: int = 15_000
    parallel: int = 32
    block: float = 2.0
    fallback_ms: int = 10_000
    chores: float = 30.0
    watchdog: bool = False
    about: Mapping[str, object] = field(default_factory=dict)
