"""Who asks at the same moment travels together: one trip brings the answers of all that are aboard.

Nobody waits for company longer than its own moment: whoever finds a free lane drives, with all who are waiting (where
it `musters`, after those who were woken together have asked); who comes while every lane is busy waits for the next
trip. A driver makes one trip, its own, and hands the wheel to the first who waits, so
that no task outlives its caller. A trip is shielded, and bounded by the connection's deadline: a caller that is
cancelled in the middle of it would spoil the answers of the others.

Two travel so: calls to a server (`convoy`), and what many runs ask of their slot (`many`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

Q = TypeVar("Q")
LANES = 2
"""One trip is on its way while the other's answers are worked off."""


@dataclass(eq=False, slots=True)
class _Seat(Generic[Q]):
    asked: Q
    told: asyncio.Future[Any]


@dataclass(eq=False)
class Together(ABC, Generic[Q]):
    """`most`: how much weight one trip takes. `musters`: whether a driver lets those of its own moment come aboard
    first: tasks that were started, or answered, together ask one after the other."""

    most: int
    lanes: int = LANES
    musters: bool = False
    _waiting: deque[_Seat[Q]] = field(default_factory=deque)
    _driving: int = 0
    _mustering: bool = False

    faults: ClassVar[tuple[type[Exception], ...]]
    """What may become of a trip: the answer, then, of all who had none yet."""

    @abstractmethod
    async def _trip(self, asked: list[Q], answers: list[Any]) -> None:
        """Append the answer of each, in order."""

    @abstractmethod
    def _cut_short(self) -> Exception:
        """The answer of those whose driver was taken from them."""

    def _weight(self, asked: Q) -> int:
        del asked
        return 1

    async def ask(self, asked: Q) -> Any:
        """One answer. What went wrong with the trip is returned, not raised."""
        seat = _Seat(asked, asyncio.get_running_loop().create_future())
        if self._driving < self.lanes and not self._mustering:
            self._driving += 1
            musters = self.musters
        else:
            self._waiting.append(seat)
            try:
                reply = await seat.told
            except asyncio.CancelledError:
                self._leave(seat)
                raise
            if reply is not _Wheel:
                return reply
            musters = True  # those whom the last trip served run before us and may ask for more
        if musters:
            await self._muster()
        with anyio.CancelScope(shield=True):
            return await self._drive(seat)

    async def _muster(self) -> None:
        self._mustering = True
        try:
            await cancel_shielded_checkpoint()
        except asyncio.CancelledError:  # a task's own cancel goes through anyio's shields
            self._mustering = False
            self._hand_over()
            raise
        self._mustering = False

    async def _drive(self, seat: _Seat[Q]) -> Any:
        seats, weight = [seat], self._weight(seat.asked)
        while self._waiting and (weight := weight + self._weight(self._waiting[0].asked)) <= self.most:
            seats.append(self._waiting.popleft())
        if self._waiting and self._driving < self.lanes:  # more came to the muster than one trip takes
            self._driving += 1
            self._hand_over()
        answers: list[Any] = []
        fault, defect = self._cut_short(), False
        try:
            await self._trip([s.asked for s in seats], answers)
        except self.faults as error:
            fault = error
        except Exception as error:  # a defect of ours, and no word of the server's: everybody's, as itself
            fault, defect = error, True
        finally:
            unanswered = len(answers)  # what was answered before was answered
            answers += [fault] * (len(seats) - len(answers))
            for n, (other, answer) in enumerate(zip(seats[1:], answers[1:], strict=True), 1):
                if other.told.done():
                    continue
                if defect and n >= unanswered:
                    other.told.set_exception(answer)
                else:
                    other.told.set_result(answer)
            self._hand_over()
        if defect and not unanswered:
            raise fault
        return answers[0]

    def _hand_over(self) -> None:
        """The wheel to the first who still waits; a free lane when nobody does."""
        while self._waiting:
            seat = self._waiting.popleft()
            if not seat.told.done():
                seat.told.set_result(_Wheel)
                return
        self._driving -= 1

    def _leave(self, seat: _Seat[Q]) -> None:
        """Its caller was cancelled: it is not sent any more where it was not, and a wheel that it got goes on."""
        if seat in self._waiting:
            self._waiting.remove(seat)
        elif not seat.told.cancelled() and seat.told.result() is _Wheel:
            self._hand_over()


class _Wheel:
    """What is told to the one who is to drive."""
