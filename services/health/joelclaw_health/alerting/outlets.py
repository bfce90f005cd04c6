"""Which channel goes out where. Pure.

| channel                         | goes to                                                               |
|---------------------------------|-----------------------------------------------------------------------|
| `digest`                        | the daily digest                                                      |
| `default`                       | the default owner's channels, else the terminal                       |
| a target of `alerts.owners`     | that, by apprise                                                      |
| any other name                  | another system that reads `gateway/send.message`; and the terminal,   |
|                                 | since nobody here knows whether one does                              |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from joelclaw_healing import DEFAULT_CHANNEL, DIGEST_CHANNEL

KEYED = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})
"""Webhooks, which get the dedupe key as the header `Idempotency-Key`: these may be repeated."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """`name` may be shown; `url` may be nothing but a secret. `keyed`: its receiver can tell a repetition."""

    name: str
    kind: Literal["terminal", "digest", "apprise"]
    url: str = field(default="", repr=False)

    @property
    def keyed(self) -> bool:
        return self.kind != "apprise" or self.url.partition("://")[0].lower() in KEYED

    @property
    def has_marks(self) -> bool:
        """Whether a send that was begun is marked until its end is known; without a key the mark stays for good."""
        return self.kind == "apprise" and self.keyed


TERMINAL = Outlet("terminal", "terminal")
DIGEST = Outlet("digest", "digest")


@dataclass(frozen=True, slots=True)
class Outlets:
    """targets: URL by channel name; default: the default owner's channels."""

    targets: Mapping[str, str] = field(default_factory=dict, repr=False)
    default: tuple[str, ...] = ()

    def of(self, channel: str) -> tuple[Outlet, ...]:
        """By the table above; each outlet once, never none."""
        if channel == DIGEST_CHANNEL:
            return (DIGEST,)
        channels = self.default if channel == DEFAULT_CHANNEL else (channel,)
        return tuple(dict.fromkeys(self._one(name) for name in channels)) or (TERMINAL,)

    def outside(self) -> tuple[Outlet, ...]:
        """Where the default owner is reached beyond this machine."""
        return tuple(outlet for outlet in self.of(DEFAULT_CHANNEL) if outlet.kind == "apprise")

    def _one(self, name: str) -> Outlet:
        url = self.targets.get(name)
        return Outlet(name, "apprise", url) if url else TERMINAL
