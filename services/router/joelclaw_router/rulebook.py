"""What configuration says to the router, in one frozen value: the knobs per domain, the limits, who is told.

Made once from the loaded configuration; its hash goes into every decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from joelclaw_contracts import Config, RouterKnobs
from joelclaw_healing.switch import KillSwitch
from joelclaw_router.clamps import Knobs, Wish, clamped
from joelclaw_router.failure import Policy
from joelclaw_router.request import BACKUP

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Rulebook:
    config: Config = field(default_factory=Config)

    @property
    def retries_per_day(self) -> int:
        return self.config.budgets.retries_per_day

    @cached_property
    def config_hash(self) -> str:
        return self.config.hash

    def policy(self, domain: str, wish: Wish, switch: KillSwitch | None) -> Policy:
        """The numbers in force for one request of this domain."""
        knobs = clamped(wish, self._knobs(domain), retries_max=self.config.budgets.max_retries)
        return Policy(
            max_retries=knobs.max_retries,
            sleep_min_ms=knobs.sleep_min_ms,
            sleep_max_ms=knobs.sleep_max_ms,
            sleep_step_ms=knobs.sleep_step_ms,
            retries_per_day=self.retries_per_day,
            stopped=f"{switch.owner}: {switch.reason}" if switch else "",
            config_hash=self.config_hash,
        )

    def window_ms(self, domain: str, hours: float | None) -> int:
        """How long an incident may be recovered, ms from its first failure; 0 is no such limit."""
        if domain != BACKUP:
            return 0
        return round((hours or self.config.transport.recovery_window_hours) * HOUR_MS)

    def permits(self, route: str) -> bool:
        return self.config.routes.permits(route)

    def channels(self, owner: str) -> tuple[str, ...]:
        """Where this owner is told; empty: the deliverer's default."""
        return self.config.alerts.channels(owner or None)

    def _knobs(self, domain: str) -> Knobs:
        knobs: RouterKnobs = self.config.backup_router if domain == BACKUP else self.config.healing_router
        return Knobs(knobs.max_retries, knobs.sleep_min_ms, knobs.sleep_max_ms, knobs.sleep_step_ms)
