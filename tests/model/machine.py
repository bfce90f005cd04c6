"""The random walk over everything that can happen."""

from __future__ import annotations

from tests.model.acts_chores import ChoreActs
from tests.model.acts_events import EventActs
from tests.model.acts_runs import RunActs
from tests.model.acts_waits import WaitActs


class BusMachine(EventActs, RunActs, WaitActs, ChoreActs):
    """Everything that can happen to a bus, in any order."""
