"""When functions run: a cron by function id, over the suite's defaults."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from joelclaw_contracts.functions import DEFAULT_SCHEDULES

from .kinds import Cron
from .section import Section


class Schedules(Section):
    """Cron by function id."""

    crons: Mapping[str, Cron] = Field(default_factory=lambda: dict(DEFAULT_SCHEDULES))
    """Every function that has a schedule."""

    def __getitem__(self, function_id: str) -> str:
        """The function's schedule; KeyError for one that has none."""
        return self.crons[function_id]

    def get(self, function_id: str) -> str | None:
        """The function's schedule; None for one that runs on events alone."""
        return self.crons.get(function_id)
