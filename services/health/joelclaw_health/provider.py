"""What the `joelclaw` command asks of us (entry point group `joelclaw.providers`): plain functions, JSON-able answers.

The command imports no service; it finds this module by its entry point. Nothing here connects anywhere.
"""

from __future__ import annotations

from joelclaw_contracts import Config
from joelclaw_health.alerting.targets import wrong_targets


def problems(config: Config) -> list[tuple[str, str]]:
    """(key, what is wrong) of what health would refuse at its start; no secret stands in it."""
    return [(key, f"{what}; {fix}") for key, what, fix in wrong_targets(config)]
