"""What `joelclaw nas config init` writes: every section with its defaults, the NAS's included.

`backupFailureRouter` and `selfHealing.transport` are left empty on purpose: a copy of the defaults in the
specific section would silently outrank whatever is later changed in the general one, and the reverse.
"""

from __future__ import annotations

import shlex
from typing import Any

from .effective import Config
from .retrying import DEFAULT_SSH_FLAGS, Nas
from .sources import KEYS


def template() -> dict[str, Any]:
    """A new JSON-ready document; it loads without problems, into the defaults with a NAS."""
    config = Config()
    document: dict[str, Any] = {"selfHealing": {"router": {}, "transport": {}}, "backupFailureRouter": {}}
    for key in KEYS:
        if key.at == ("backup_router",) or not key.places:
            continue
        place = key.places[0]
        at = document
        for name in place.section.split("."):
            at = at.setdefault(name, {})
        at[place.names[0]] = _plain(getattr(_section(config, key.at), key.field))
    document["schedules"] = dict(config.schedules.crons)
    return document


def _section(config: Config, path: tuple[str, ...]) -> Any:
    section: Any = config
    for name in path:
        section = getattr(section, name) or Nas()
    return section


def _plain(value: Any) -> Any:
    if value == DEFAULT_SSH_FLAGS:
        return shlex.join(value)  # as one would type them
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return dict(value) if isinstance(value, dict) else value
