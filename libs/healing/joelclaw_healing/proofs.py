"""What the backup service proved last, per target: the record by which a backup's incident may end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """artefact: the set that was verified at its destination; incident, reopened: what was open for its target then,
    and how often that had been reopened ('' and 0: nothing was); at_ms: when it was noted, by the store's clock."""

    artefact: str
    incident: str
    reopened: int
    at_ms: int

    def to_text(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Proof | None:
        """None for what is none of ours: it proves nothing."""
        try:
            raw = json.loads(text)
            return cls(str(raw["artefact"]), str(raw["incident"]), int(raw["reopened"]), int(raw["at_ms"]))
        except (ValueError, TypeError, KeyError):
            return None
