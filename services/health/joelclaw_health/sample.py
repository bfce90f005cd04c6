"""One look at one condition of one component. Nouns only: no store, no clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from joelclaw_contracts import Outcome


@dataclass(frozen=True, slots=True)
class Sample:
    """`at_ms`: when, by the store's clock; `value`: what was measured, with its unit; `reason`: why it is not ok,
    or what should be known though it is; `born_ms`: when the component started, if it says so (0: it does not)."""

    component: str
    condition: str
    outcome: Outcome
    at_ms: int
    value: str = ""
    reason: str = ""
    born_ms: int = 0

    @property
    def key(self) -> str:
        return key_of(self.component, self.condition)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def key_of(component: str, condition: str) -> str:
    """How an identity is spelt: (component, condition), never the text of an error."""
    return f"{component} {condition}"
