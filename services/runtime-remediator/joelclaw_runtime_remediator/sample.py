"""One look at the runtime, as it is journaled and as the guard hears of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from joelclaw_healing import Seen, Symptom


@dataclass(frozen=True, slots=True)
class Sample:
    """at_ms: this host's clock; age_ms: how long our process has run; fence: of the act that started it; starting:
    what is seen is also what a start looks like; active_runs: runs that a restart would kill."""

    at_ms: int
    seen: Seen
    detail: str
    process: str
    http: str
    alive: bool = False
    identity: str = ""
    age_ms: int | None = None
    fence: int = 0
    starting: bool = False
    active_runs: int = 0

    def symptom(self, forced_by: str = "") -> Symptom:
        return Symptom(
            self.seen,
            self.detail,
            self.identity,
            self.age_ms if self.starting else None,
            self.active_runs,
            forced_by,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Sample:
        return cls(**{**raw, "seen": Seen(raw["seen"])})
