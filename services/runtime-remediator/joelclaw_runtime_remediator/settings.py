"""What the service reads from the one configuration: the guard's limits, its own times, where things lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from joelclaw_contracts import Config
from joelclaw_healing import GuardLimits

STATE_NAME = "runtime.json"


@dataclass(frozen=True, slots=True)
class Times:
    """Pauses of a run, ms."""

    confirm_every_ms: int
    settle_ms: int


def times_of(config: Config) -> Times:
    return Times(config.runtime.confirm_every_ms, config.runtime.settle_ms)


def limits_of(config: Config) -> GuardLimits:
    """An act's lease covers the longest that it and its watch can take."""
    budgets, runtime = config.budgets, config.runtime
    longest = runtime.stop_ms + runtime.settle_ms + runtime.start_grace_ms + 4 * budgets.stability_ms + 60_000
    return GuardLimits(
        confirmations=config.health.confirmations,
        per_hour=budgets.acts_per_hour,
        per_day=budgets.acts_per_day,
        all_per_hour=budgets.all_acts_per_hour,
        group_share=budgets.group_share,
        start_grace_ms=runtime.start_grace_ms,
        cool_down_ms=budgets.cool_down_ms,
        stability_ms=budgets.stability_ms,
        passes=budgets.stability_passes,
        hold_ms=budgets.hold_ms,
        lease_ms=longest,
    )


def state_file_of(config: Config, state_dir: Path | None, home: Path) -> Path:
    """Where the runtime's identity is kept. Without a state directory it lies where the suite's would."""
    if config.runtime.state_file:
        return Path(config.runtime.state_file)
    return (state_dir or home / ".joelclaw" / "state") / STATE_NAME
