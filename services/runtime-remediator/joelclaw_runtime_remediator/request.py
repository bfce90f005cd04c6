"""Why a run was started: by the clock, by somebody who asks for a look, or by a request for healing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joelclaw_bus import Event
from joelclaw_contracts import EVERY_DOMAIN, HealingRequested, RuntimeHealthRequested

RUNTIME_DOMAIN = "inngest-runtime"
SDK_DOMAIN = "sdk-reachability"


def in_domain(domain: str) -> Any:
    """A trigger's filter: requests of this domain, and those of all."""
    return lambda e: e.data.domain in (domain, EVERY_DOMAIN)


@dataclass(frozen=True, slots=True)
class Request:
    """answers: whether whoever asked is owed an answer from us (`all` is the router's to answer); forced_by: the person
    who orders the act; wait_ms: the pause after a restart, None for the configured one."""

    event_id: str
    answers: bool = False
    dry_run: bool = False
    forced_by: str = ""
    wait_ms: int | None = None
    source_function: str | None = None
    target_component: str | None = None
    requested: HealingRequested | None = None
    lookback_minutes: int | None = None
    max_runs: int | None = None

    def is_late(self, now_ms: int) -> bool:
        """Whether its deadline is over: then nothing is decided about it any more."""
        deadline = self.requested.deadline_at if self.requested and self.answers else None
        return deadline is not None and now_ms > deadline.timestamp() * 1000

    @classmethod
    def of(cls, e: Event[Any]) -> Request:
        match e.data:
            case HealingRequested() as asked:
                return cls(
                    e.id,
                    answers=asked.domain != EVERY_DOMAIN,
                    dry_run=asked.dry_run,
                    source_function=asked.source_function,
                    target_component=asked.target_component,
                    requested=asked,
                    lookback_minutes=asked.lookback_minutes,
                    max_runs=asked.max_runs,
                )
            case RuntimeHealthRequested() as asked:
                return cls(
                    e.id,
                    answers=True,
                    dry_run=asked.dry_run,
                    forced_by=(asked.requested_by or "") if asked.force else "",
                    wait_ms=asked.wait_ms,
                    source_function=asked.source_function,
                    target_component=asked.target_component,
                )
            case _:
                return cls(e.id)
