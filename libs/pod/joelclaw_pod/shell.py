"""What a service gets from its shell, and the state that the probes show while there is no worker to ask.

A service's `build` takes a `Pod` and gives its worker. It is called before anything is connected, so that a wrong
configuration stops the start at once, whether the store is there or not; therefore it may not call the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from joelclaw_bus import WorkerSettings
from joelclaw_bus.observer import Observer
from joelclaw_bus.store import Store
from joelclaw_contracts import Config
from joelclaw_pod.evidence import Evidence
from joelclaw_pod.last_resort import LastResort
from joelclaw_pod.settings import ServiceSettings
from joelclaw_pod.tracing import Tracing
from joelclaw_pod.worker_like import Condition, Health, WorkerLike


@dataclass(frozen=True, slots=True)
class Pod:
    """`config`: the effective configuration (its `hash` is in the evidence of the start); after a SIGHUP the service is
    built again from a pod with the new one.

    `observer` hears the bus's facts (metrics, traces, evidence, last resort); `evidence` takes a service's own.
    """

    store: Store
    settings: ServiceSettings
    config: Config
    observer: Observer
    evidence: Evidence
    tracing: Tracing
    about: dict[str, object] = field(default_factory=dict)
    """What its worker says of itself in its heartbeats; the shell adds `http` once the probes listen, and `config`,
    the hash of what is in force (`configRefused`: why a newer one is not)."""
    resort: LastResort = field(default_factory=lambda: LastResort("service"))
    """The alert that needs no store; a service may give it a way out of this machine."""

    @property
    def worker_settings(self) -> WorkerSettings:
        """What the environment says to the bus's worker, its watchdog armed: a wedged process has to end itself."""
        return WorkerSettings(
            lease_ms=self.settings.lease_ms, parallel=self.settings.parallel, watchdog=True, about=self.about
        )


Build = Callable[[Pod], WorkerLike]


@dataclass(eq=False)
class Gate:
    """The health the probes show: the shell's own before and after the worker runs, the worker's while it does."""

    condition: Condition = field(default_factory=lambda: Condition(ready=False, reasons=("starting",)))
    worker: WorkerLike | None = None

    def health(self) -> Health:
        if self.worker is None:
            return self.condition
        health = self.worker.health()
        if self.condition.ready:
            return health
        # Stopping: alive to the end, and sent nothing more.
        return Condition(False, health.alive, self.condition.reasons, health.in_flight, health.last_cycle_age)

    def waiting(self, reason: str) -> None:
        self.condition = Condition(ready=False, reasons=(reason,))

    def opened(self, worker: WorkerLike) -> None:
        self.worker, self.condition = worker, Condition(ready=True)
