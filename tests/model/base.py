"""What all groups of rules share: the two buses, the count of steps, and the choice of what a rule acts upon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition

from tests.model.drain import drain
from tests.model.spec.nouns import HOUR, MINUTE, Hand
from tests.model.world import GROUPS, WORKERS, Link, World

COMPARE_EVERY = 5


class Base(RuleBasedStateMachine):
    """One example: from an empty store to one that is drained again."""

    link: ClassVar[Link]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.link)
        self.done = -1  # the check before the first rule is no step

    @invariant()
    def the_store_is_as_specified(self) -> None:
        self.done += 1
        type(self).steps += self.done > 0
        if self.done % COMPARE_EVERY == 0:
            self.world.compare()

    def teardown(self) -> None:
        """However it went: what is left is worked off, and then nothing is open and no event was lost."""
        try:
            if not self.failed:
                self.world.compare()
                drain(self.world)
        finally:
            self.world.close()

    @property
    def failed(self) -> bool:
        import sys

        return sys.exc_info()[0] is not None


def of(choices: Callable[[World], Iterable[Any]]) -> st.SearchStrategy[Any]:
    """One of what there is at this moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(list(choices(machine.world))))


def having(choices: Callable[[World], Iterable[Any]]) -> Callable[[Any], Any]:
    """The rule applies only while there is something to choose from."""
    return precondition(lambda machine: any(True for _ in choices(machine.world)))


def hands(*states: str) -> Callable[[World], list[Hand]]:
    return lambda world: [hand for hand, state in world.hands.items() if state in states]


IDS = st.sampled_from(["", "", "one", "two"])
WORKER = st.sampled_from(WORKERS)
GROUP = st.sampled_from(GROUPS)
DELAY = st.sampled_from([0, MINUTE, HOUR])
STEP = st.sampled_from(["look", "act", "tell", "rest", "last"])
