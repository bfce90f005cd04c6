"""What really happened in one play, in order, kept outside the store: every call's true answer, every act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.many import SHAPES, each_of
from joelclaw_bus.store import Arg


@dataclass(frozen=True, slots=True)
class Called:
    """A call that reached the store and was answered, whether or not its caller lived to see the answer."""

    kind: str
    keys: Sequence[str]
    args: Sequence[Arg]
    answer: Any


@dataclass(frozen=True, slots=True)
class Acted:
    """A handler began (`step` is '') or did the act of a step. `value` is never the same twice."""

    run: str
    step: str
    value: int


@dataclass(frozen=True, slots=True)
class Died:
    """The worker crashed here."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The worker was stopped in good order here, in the middle of its work."""


Line = Called | Acted | Died | Stopped


@dataclass
class Ledger:
    lines: list[Line] = field(default_factory=list)

    def add(self, line: Line) -> None:
        self.lines.append(line)

    def called(self, kind: str, keys: Sequence[str], args: Sequence[Arg], answer: Any) -> None:
        """A call; one that many runs share is one of each."""
        if kind not in SHAPES:
            self.add(Called(kind, keys, args, answer))
            return
        for (own_keys, own_args), own in zip(each_of(kind, keys, args), answer, strict=True):
            if not isinstance(own, Exception):
                self.add(Called(kind, own_keys, own_args, own))

    def act(self, run: str, step: str) -> int:
        value = len(self.lines)
        self.lines.append(Acted(run, step, value))
        return value

    @property
    def crashes(self) -> int:
        return sum(isinstance(line, Died) for line in self.lines)

    def accepted(self, kind: str) -> Iterator[Called]:
        """The calls of one script of a run's life that the store accepted: their answer begins with 1."""
        for line in self.lines:
            if isinstance(line, Called) and line.kind == kind and line.answer[0] == 1:
                yield line
