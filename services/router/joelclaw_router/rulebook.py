"""What configuration says to the router, in one frozen value: the knobs per domain, the limits, who is told.

Made once from the loaded configuration; its hash goes into every decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from joelclaw_contracts import Config, RouterKnobs
from joelclaw_healing.look import Place
from joelclaw_healing.move import DAY_MS, Charge, retries_of_all, retries_per_day
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

    def policy(self, domain: str, wish: Wish, switch: KillSwitch | None, target: str = "") -> Policy:
        """The numbers in force for one request about this target."""
        budgets, approval = self.config.budgets, self.config.approval
        knobs = clamped(wish, self._knobs(domain), retries_max=budgets.max_retries)
        asks = not _names(domain, target).isdisjoint(approval.required)
        return Policy(
            max_retries=knobs.max_retries,
            sleep_min_ms=knobs.sleep_min_ms,
            sleep_max_ms=knobs.sleep_max_ms,
            sleep_step_ms=knobs.sleep_step_ms,
            retries_per_day=self.retries_per_day,
            stopped=f"{switch.owner}: {switch.reason}" if switch else "",
            config_hash=self.config_hash,
            all_retries_per_hour=budgets.all_retries_per_hour,
            storm_targets=budgets.storm_targets,
            storm_window_ms=budgets.storm_window_ms,
            storm_cool_down_ms=budgets.storm_cool_down_ms,
            flap_outages=budgets.flap_outages,
            flap_half_life_ms=budgets.flap_half_life_ms,
            flap_long_outages=budgets.flap_long_outages,
            flap_long_window_ms=budgets.flap_days * DAY_MS,
            approval_ms=approval.expiry_ms if asks else 0,
        )

    def charges(self, domain: str, target: str) -> tuple[Charge, ...]:
        """The rolling budgets that a retry of this target spends."""
        of_all = retries_of_all(self.config.budgets.all_retries_per_hour)
        return retries_per_day(f"{domain}\0{target}", self.retries_per_day), of_all

    def group(self, domain: str, target: str) -> str:
        """What it fails together with: the first group that names it, else its domain."""
        names = _names(domain, target)
        groups = self.config.budgets.groups
        return next((group for group, members in groups.items() if not names.isdisjoint(members)), domain)

    def place(self, domain: str, target: str) -> Place:
        return Place(domain, target, self.group(domain, target), self.config.budgets.storm_window_ms)

    def owner(self, domain: str, target: str) -> str:
        """Who is appointed for it; '' nobody is."""
        targets = self.config.alerts.targets
        return targets.get(f"{domain}/{target}") or targets.get(domain) or ""

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

    def repeat_at(self, now: int, repeats: int) -> int:
        """When a page that was repeated so often is sent again, or given up; 0: never."""
        alerts = self.config.alerts
        return now + alerts.repeat_ms if alerts.repeat_ms and alerts.repeats and repeats <= alerts.repeats else 0

    def is_unanswered(self, repeats: int) -> bool:
        """Whether a page that was repeated so often is repeated no more."""
        return repeats >= self.config.alerts.repeats

    def chain(self, owner: str, number: int) -> tuple[str, ...]:
        """Where the page goes that is sent again for the nth time: to its owner, and so far along the chain."""
        steps = self.config.alerts.chain[:number] or ("",)
        return tuple(dict.fromkeys(c for name in (owner, *steps) for c in self.channels(name)))

    @property
    def report_ms(self) -> int:
        """How long a retry may stay unreported."""
        return self.config.budgets.report_ms

    def _knobs(self, domain: str) -> Knobs:
        knobs: RouterKnobs = self.config.backup_router if domain == BACKUP else self.config.healing_router
        return Knobs(knobs.max_retries, knobs.sleep_min_ms, knobs.sleep_max_ms, knobs.sleep_step_ms)


def _names(domain: str, target: str) -> frozenset[str]:
    """How configuration may name a target."""
    return frozenset((domain, f"{domain}/{target}"))
