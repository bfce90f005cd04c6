"""The random walk over all rules."""

from __future__ import annotations

from tests.model.rules_chores import ChoreRules
from tests.model.rules_events import EventRules
from tests.model.rules_runs import RunRules


class BusMachine(EventRules, RunRules, ChoreRules):
    """Everything that can happen to a bus, in any order."""
