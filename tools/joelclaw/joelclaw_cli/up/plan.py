"""What `joelclaw up` was asked to run, and what ends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from joelclaw_cli.failures import Failure
from joelclaw_cli.up.services import SERVICES, Service


@dataclass(frozen=True, slots=True)
class Plan:
    """`redis_url` None: the embedded store, on `port`. `grace`: seconds a service gets to settle what it holds;
    more than the pod's own 10, so that the pod ends first.
    """

    state_dir: Path
    redis_url: str | None = None
    port: int | None = None
    prefix: str = ""
    ready_file: Path | None = None
    http_host: str = "127.0.0.1"
    environ: Mapping[str, str] = field(default_factory=dict)
    services: Sequence[Service] = SERVICES
    grace: float = 15.0
    findings: Sequence[str] = ()
    """What the operator is told once all is ready."""


class Ending:
    """Whether the suite shall end, and for which failure, if for one."""

    def __init__(self) -> None:
        self._due = anyio.Event()
        self.failure: Failure | None = None

    @property
    def due(self) -> bool:
        return self._due.is_set()

    def begin(self, failure: Failure | None = None) -> None:
        """End it. A later failure than the first is the one that is told."""
        self.failure = failure or self.failure
        self._due.set()

    async def wait(self) -> None:
        await self._due.wait()
