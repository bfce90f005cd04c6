"""What the shell asks of whatever it carries: run until told to stop, and say how you are.

Protocols only, so that the shell knows no worker. `joelclaw_bus.Worker` fits them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import anyio


class Health(Protocol):
    """How a worker is now. `last_cycle_age`: seconds since its last successful read cycle ended."""

    @property
    def ready(self) -> bool: ...
    @property
    def alive(self) -> bool: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def last_cycle_age(self) -> float: ...


class WorkerLike(Protocol):
    async def run(self, *, stop: anyio.Event, grace: float) -> None:
        """Work until `stop` is set, then end what runs, for at most `grace` seconds."""

    def health(self) -> Health:
        """Quick, never raises, does no I/O."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A health that somebody states: the shell's own while its worker isn't running, a test's."""

    ready: bool
    alive: bool = True
    reasons: tuple[str, ...] = ()
    in_flight: int = 0
    last_cycle_age: float = 0.0
