"""`Config`: all sections together, with the origin of each value and one hash for the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from .keeping import Backup
from .model import Alerts, Approval, Budgets, Models, Routes
from .provenance import Provenance, Source, digest, redacted
from .retrying import RouterKnobs, Transport
from .schedules import Schedules
from .section import Section
from .sources import KEYS
from .watching import Health, Runtime


class Config(Section):
    """The effective configuration. `Config()` is the one of a machine without file and variables."""

    healing_router: RouterKnobs = RouterKnobs()
    """The self-healing router's knobs."""
    backup_router: RouterKnobs = RouterKnobs()
    """The backup failure router's knobs."""
    transport: Transport = Transport()
    """How backups travel; `transport.nas` is None where no NAS is configured."""
    models: Models = Models()
    """Allowed models."""
    routes: Routes = Routes()
    """Allowed routes."""
    schedules: Schedules = Schedules()
    """Cron by function id."""
    budgets: Budgets = Budgets()
    """Limits over all acting."""
    approval: Approval = Approval()
    """What a person must allow first."""
    alerts: Alerts = Alerts()
    """Owners and their channels."""
    health: Health = Health()
    """Confirmations."""
    runtime: Runtime = Runtime()
    """The supervised runtime; `runtime.configured` is False where there is none."""
    backup: Backup = Backup()
    """What is backed up."""
    sources: Mapping[str, Source] = Field(default_factory=dict, repr=False)
    """Source by key; a key that is absent has its default."""

    def provenance(self) -> list[Provenance]:
        """Every effective value, redacted, with its source; always in the same order."""
        rows = []
        for key, value in self._effective().items():
            source = self.sources.get(key, Source())
            rows.append(Provenance(key, value, source.origin, source.where))
        return rows

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the effective values; where they came from does not change it."""
        return digest(self._effective())

    def _effective(self) -> dict[str, Any]:
        values = {}
        for key in KEYS:
            section: Any = self
            for name in key.at:
                section = getattr(section, name, None)  # `nas` may be None
            values[key.name] = redacted(getattr(section, key.field, None))
        return values | {f"schedules.{name}": cron for name, cron in sorted(self.schedules.crons.items())}
