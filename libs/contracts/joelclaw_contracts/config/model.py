"""Who may act, how much, and who hears of it: models, routes, budgets, alerts. Bounds and defaults stand here, once.

The other sections have rooms of their own: `retrying`, `watching`, `keeping`, `schedules`; `section` is their base.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from joelclaw_contracts.catalogue import KNOWN_ROUTES
from joelclaw_contracts.names import nearest

from .kinds import CeilingMs, Channels, Confirmations, EventName, Retries, Share, Switch, Times, WaitMs, Word
from .section import Section

DEFAULT_MODELS = (
    "anthropic/claude-opus-4-6",
    "anthropic/claude-sonnet-4-6",
    "anthropic/claude-sonnet-4-5",
    "anthropic/claude-haiku-4-5",
    "gpt-5.4",
    "o4-mini",
    "o3",
)


class Models(Section):
    """Which models may advise."""

    allowed: tuple[Word, ...] = DEFAULT_MODELS
    """Model ids; replaces the default list. A configured model outside it stops the start."""
    deadline_ms: WaitMs = 8_000
    """How long a decision waits for advice, ms, all models together; then the policy decides alone."""
    shadow: Switch = False
    """Models are asked and their agreement is recorded, and the policy decides alone."""


class Routes(Section):
    """Where a retry may go."""

    allowed: tuple[EventName, ...] = ()
    """Event names besides those that the suite knows."""

    def permits(self, event_name: str) -> bool:
        """Whether a retry may send this event."""
        return event_name in KNOWN_ROUTES or event_name in self.allowed


class Budgets(Section):
    """How much may be done before a person is asked."""

    max_retries: Retries = 64
    """Ceiling over every request's and router's `maxRetries`."""
    retries_per_day: Times = 12
    """Retries per target, rolling 24 h."""
    acts_per_hour: Times = 3
    """Restarts and kills per target, rolling hour."""
    acts_per_day: Times = 7
    """Restarts and kills per target, rolling 24 h."""
    group_share: Share = 0.3
    """Share of a group (one host, one NAS) that may be acted on at once; at least one target."""
    cool_down_ms: CeilingMs = 900_000
    """No second act within this, ms, unless a recovery that held ended it."""
    hold_ms: CeilingMs = 1_800_000
    """No act within this after one that failed, ms."""
    stability_ms: CeilingMs = 90_000
    """How long an act's target must stay good before it counts as mended, ms."""
    stability_passes: Confirmations = 6
    """Good probes in that time."""


class Alerts(Section):
    """Who hears what."""

    owners: dict[Word, Channels] = Field(default_factory=dict)
    """Owner to channels; a single channel may be given as a string."""
    default_owner: Word | None = None
    """Who hears when a target's owner is unknown; must be in `owners`."""

    def channels(self, owner: str | None) -> tuple[str, ...]:
        """The owner's channels, else the default owner's, else none."""
        return self.owners.get(owner or "") or self.owners.get(self.default_owner or "", ())

    @model_validator(mode="after")
    def _default_is_an_owner(self) -> Self:
        if self.default_owner is not None and self.default_owner not in self.owners:
            near = nearest(self.default_owner, self.owners)
            hint = f"did you mean {near}?" if near else "add it there"
            problem = f'is "{self.default_owner}", which alerts.owners does not hold; {hint}'
            raise PydanticCustomError("config", "{problem}", {"field": "defaultOwner", "problem": problem})
        return self
