"""Who may act, how much, and who hears of it: models, routes, budgets, alerts. Bounds and defaults stand here, once.

The other sections have rooms of their own: `retrying`, `watching`, `keeping`, `schedules`; `section` is their base.
"""

from __future__ import annotations

import hashlib
from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from joelclaw_contracts.catalogue import KNOWN_ROUTES
from joelclaw_contracts.names import nearest

from .kinds import (
    CeilingMs,
    Channels,
    Confirmations,
    EventName,
    Kept,
    Retries,
    Share,
    Spared,
    Switch,
    Times,
    WaitMs,
    Word,
)
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
    all_retries_per_hour: Times = 60
    """Retries of all targets together, rolling hour."""
    all_acts_per_hour: Times = 10
    """Restarts and kills of all targets together, rolling hour."""
    groups: dict[Word, Channels] = Field(default_factory=dict)
    """What fails together, by name: domains, or `domain/target`; a target that none names is in its domain's group."""
    storm_targets: Times = 5
    """So many targets of a group that fail within `storm_window_ms` are one storm; 0: there are none."""
    storm_window_ms: WaitMs = 900_000
    """Failures so close together have one cause, ms."""
    storm_cool_down_ms: CeilingMs = 600_000
    """A storm is over when no target of its group has failed for this long, ms."""
    report_ms: WaitMs = 3_600_000
    """A retry of which nothing is heard for this long is judged afresh, ms."""
    flap_outages: Times = 3
    """So many outages of a target in quick succession call a person, newer ones weighing more; 0: never."""
    flap_half_life_ms: WaitMs = 3_600_000
    """After this an outage weighs half, ms."""
    flap_long_outages: Times = 7
    """So many outages of a target within `flap_days`, however far apart, call a person; 0: never."""
    flap_days: Kept = 7
    """The long window of the flap rule, days."""
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


class Approval(Section):
    """Which retries a person must allow first."""

    required: tuple[Word, ...] = ()
    """Domains, or `domain/target`, whose retries wait for `joelclaw heal approve`; empty: none."""
    expiry_ms: CeilingMs = 14_400_000
    """An approval that nobody gives within this, ms, is denied."""


def channel_name(channel: str) -> str:
    """A channel as it may be shown: a URL, whose every part may be a token, by its kind and a piece of its hash."""
    scheme, separator, _ = channel.partition("://")
    return f"{scheme}-{hashlib.sha256(channel.encode()).hexdigest()[:8]}" if separator else channel


class Alerts(Section):
    """Who hears what. A channel is a URL of apprise (`slack://…`, `json://…`), or a name that other systems know."""

    owners: dict[Word, Channels] = Field(default_factory=dict)
    """Owner to channels; a single channel may be given as a string."""
    targets: dict[Word, Word] = Field(default_factory=dict)
    """Who owns what: a domain, or `domain/target`, to its owner; else the first request's owner has it."""
    repeat_ms: WaitMs = 14_400_000
    """A page that nobody acknowledges is sent again after this, ms, to its owner and along the chain; 0: never."""
    repeats: Spared = 3
    """So often; as long after the last one it is said that nobody answered, and the daily digest goes on naming it."""
    chain: tuple[Word, ...] = ()
    """Owners who hear besides, one more with each repeat, in this order; empty: the default owner from the first on."""
    default_owner: Word | None = None
    """Who hears when a target's owner is unknown; must be in `owners`."""

    def channels(self, owner: str | None) -> tuple[str, ...]:
        """The owner's channels, else the default owner's, else none; by names that may stand in events and logs."""
        given = self.owners.get(owner or "") or self.owners.get(self.default_owner or "", ())
        return tuple(channel_name(channel) for channel in given)

    def addresses(self) -> dict[str, str]:
        """The URL of each channel that is one, by its name. What it holds is secret."""
        urls = [channel for channels in self.owners.values() for channel in channels if "://" in channel]
        return {channel_name(url): url for url in urls}

    @model_validator(mode="after")
    def _the_chain_is_of_owners(self) -> Self:
        for name in self.chain:
            if name not in self.owners:
                near = nearest(name, self.owners)
                hint = f"did you mean {near}?" if near else "add it there"
                problem = f'names "{name}", which alerts.owners does not hold; {hint}'
                raise PydanticCustomError("config", "{problem}", {"field": "chain", "problem": problem})
        return self

    @model_validator(mode="after")
    def _default_is_an_owner(self) -> Self:
        if self.default_owner is not None and self.default_owner not in self.owners:
            near = nearest(self.default_owner, self.owners)
            hint = f"did you mean {near}?" if near else "add it there"
            problem = f'is "{self.default_owner}", which alerts.owners does not hold; {hint}'
            raise PydanticCustomError("config", "{problem}", {"field": "defaultOwner", "problem": problem})
        return self
