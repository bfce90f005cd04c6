"""The targets of `alerts.owners`, held against what apprise knows: a target that can't be is refused at the start."""

from __future__ import annotations

from joelclaw_contracts import Config
from joelclaw_health.alerting.apprise_target import is_target
from joelclaw_health.alerting.outlets import Outlets
from joelclaw_pod import SettingsError

KEY = "alerts.owners"


def wrong_targets(config: Config) -> list[tuple[str, str, str]]:
    """(key, what is wrong, what to do) of each target that nobody could deliver to: its owner and its kind, no more."""
    found = []
    for url in config.alerts.addresses().values():
        if not is_target(url):
            owner = next(o for o, channels in config.alerts.owners.items() if url in channels)
            kind = url.partition("://")[0]
            what = f"holds a target {kind}://… that is none"
            found.append((f"{KEY}.{owner}", what, "write it as apprise documents that kind"))
    return found


def read_outlets(config: Config) -> Outlets:
    """SettingsError names the owner and the kind of the first target that nobody could deliver to."""
    for wrong in wrong_targets(config):
        raise SettingsError(*wrong)
    return Outlets(config.alerts.addresses(), config.alerts.channels(None))
