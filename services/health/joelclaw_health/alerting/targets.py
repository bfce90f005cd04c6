"""The targets of `alerts.owners`, held against what apprise knows: a target that can't be is refused at the start."""

from __future__ import annotations

from joelclaw_contracts import Config
from joelclaw_health.alerting.apprise_target import is_target
from joelclaw_health.alerting.outlets import Outlets
from joelclaw_pod import SettingsError

KEY = "alerts.owners"


def read_outlets(config: Config) -> Outlets:
    """SettingsError names the owner and the kind of the first target that nobody could deliver to."""
    addresses = config.alerts.addresses()
    for url in addresses.values():
        if not is_target(url):
            owner = next(o for o, channels in config.alerts.owners.items() if url in channels)
            kind = url.partition("://")[0]
            raise SettingsError(
                f"{KEY}.{owner}", f"holds a target {kind}://… that is none", "write it as apprise documents that kind"
            )
    return Outlets(addresses, config.alerts.channels(None))
