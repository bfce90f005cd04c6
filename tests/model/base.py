"""One example: from an empty store, through acts drawn at random, to a store that is drained again.

A `rule` each would be drawn with equal chances, and half of them switched off in an example: the long chains
(publish, read, begin, park, promote, read) would be rare. So there is one rule, and the acts have weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.model.drain import drain
from tests.model.spec.nouns import Hand
from tests.model.virtual import VirtualStore
from tests.model.world import World

COMPARE_EVERY = 5
Choices = Callable[[World], Iterable[Any]]
When = Callable[[World], bool]
Method = TypeVar("Method", bound=Callable[..., None])


@dataclass(frozen=True)
class Mark:
    """`weight`: how likely; `kind`: with what it is left out; `when`: in which worlds it makes sense at all."""

    weight: int
    kind: str
    when: When
    arguments: dict[str, Any]

    def fits(self, world: World) -> bool:
        needed = [choose(world) for choose in self.arguments.values() if not isinstance(choose, st.SearchStrategy)]
        return self.when(world) and all(any(True for _ in choices) for choices in needed)


class Act:
    """One thing that happens, as a failure prints it."""

    def __init__(self, name: str, how: dict[str, Any]) -> None:
        self.name, self.how = name, how

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{field}={value!r}' for field, value in self.how.items())})"


def act(
    weight: int, kind: str = "", when: When = lambda world: True, **arguments: st.SearchStrategy[Any] | Choices
) -> Callable[[Method], Method]:
    """Marks what can happen. An argument that is chosen from what there is: the act waits until there is something."""

    def mark(method: Method) -> Method:
        method.mark = Mark(weight, kind, when, arguments)  # type: ignore[attr-defined]  # read by `acts`
        return method

    return mark


@st.composite
def acts(draw: st.DrawFn) -> Act:
    """One of what can happen now."""
    machine: Base = draw(st.runner())
    possible: list[str] = []
    for name, mark in machine.all_acts():
        if mark.kind not in machine.without and mark.fits(machine.world):
            possible += [name] * mark.weight
    name = draw(st.sampled_from(possible))
    how = {}
    for field, among in getattr(machine, name).mark.arguments.items():
        how[field] = draw(
            among if isinstance(among, st.SearchStrategy) else st.sampled_from(list(among(machine.world)))
        )
    return Act(name, how)


class Base(RuleBasedStateMachine):
    """The two buses side by side, and the count of steps."""

    store: ClassVar[VirtualStore]
    steps: ClassVar[int] = 0
    without: frozenset[str] = frozenset()
    """Kinds of acts."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.store)
        self.done = 0

    @classmethod
    def all_acts(cls) -> list[tuple[str, Mark]]:
        return [(name, getattr(cls, name).mark) for name in sorted(dir(cls)) if hasattr(getattr(cls, name), "mark")]

    @initialize(
        without=st.sets(
            st.sampled_from(["faults", "permits", "cron", "time", "strangers", "takeovers", "operators", "waits"])
        )
    )
    def leave_out(self, without: set[str]) -> None:
        """Many walks do without some kinds of trouble, so that the others come to bear on each other."""
        self.without = frozenset(without)

    @rule(it=acts())
    def then(self, it: Act) -> None:
        getattr(self, it.name)(**it.how)
        self.done += 1
        type(self).steps += 1
        if self.done % COMPARE_EVERY == 0:
            self.world.compare()

    def teardown(self) -> None:
        """However it went: what is left is worked off, and then nothing is open and no event was lost."""
        try:
            if sys.exc_info()[0] is None:
                self.world.compare()
                drain(self.world)
        finally:
            self.world.close()


def hands(*states: str) -> Callable[[World], list[Hand]]:
    return lambda world: [hand for hand, state in world.hands.items() if state in states]
