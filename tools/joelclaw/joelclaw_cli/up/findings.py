"""What an operator should know when the suite starts: who can't be reached, and who would miss it if it died."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def findings(environ: Mapping[str, str], home: Path) -> list[str]:
    """One sentence each; nothing where the configuration is wrong: the services say that, and end."""
    from joelclaw_contracts import ContractError, load_config

    try:
        config = load_config(environ, home=home)
    except ContractError:
        return []
    found = []
    if not config.alerts.channels(None):
        found.append(
            "alerts go to this terminal only: set alerts.owners and alerts.defaultOwner (joelclaw nas config init)"
        )
    if config.health.heartbeat_url is None:
        found.append("nobody outside would miss this suite: set health.heartbeatUrl (the dead-man's switch is off)")
    return found
