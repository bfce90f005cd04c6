"""The random walk over everything that can happen."""

from __future__ import annotations

from tests.model.acts_chores import ChoreActs
from tests.model.acts_scenes import SceneActs
from tests.model.acts_waits import WaitActs


class BusMachine(SceneActs, WaitActs, ChoreActs):
    """Everything that can happen to a bus, in any order."""
