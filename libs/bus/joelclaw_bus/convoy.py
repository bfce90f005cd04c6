"""Calls to one server that wait at the same moment travel together: one write, one read.

Nobody waits for company. Whoever finds a free lane drives at once, with all who are waiting; who comes while every
lane is busy waits for the next trip. A driver makes one trip, its own, and hands the wheel to the first who waits, so
that no task outlives its caller. A trip is shielded, and bounded by the connection's deadline: a caller that is
cancelled in the middle of it would spoil the answers of the others.

What the server refuses is one caller's answer; a connection that fails is the answer of all on that trip who had none
yet, as it would have been for each of them alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import anyio
import hiredis
from anyio.lowlevel import cancel_shielded_checkpoint

from joelclaw_bus.replies import FAULTS, NoAnswer, Refusal, was_said
from joelclaw_bus.routing import Command

LANES = 2
"""One trip is on its way while the other's answers are worked off."""
MOST = 128
"""Calls of one trip: so many answers may wait for the first."""


@dataclass(eq=False, slots=True)
class _Seat:
    packed: bytes
    told: asyncio.Future[Any]


@dataclass(eq=False)
class Convoy:
    """The calls to one server. `client`: a redis-py client, whose connections it uses."""

    client: Any
    lanes: int = LANES
    _waiting: deque[_Seat] = field(default_factory=deque)
    _driving: int = 0

    async def send(self, command: Command) -> Any:
        """One command's raw reply; a refusal or a fault is returned, as redis-py's error."""
        packed = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub leaves the union invariant
        seat = _Seat(packed, asyncio.get_running_loop().create_future())
        if self._driving < self.lanes:
            self._driving += 1
        else:
            self._waiting.append(seat)
            try:
                reply = await seat.told
            except asyncio.CancelledError:
                self._leave(seat)
                raise
            if reply is not _Wheel:
                return reply
            # Those whom the last trip served run before us and may ask for more: they are to come along.
            try:
                await cancel_shielded_checkpoint()
            except asyncio.CancelledError:  # a task's own cancel goes through anyio's shields
                self._hand_over()
                raise
        with anyio.CancelScope(shield=True):
            return await self._drive(seat)

    async def _drive(self, seat: _Seat) -> Any:
        seats = [seat]
        while self._waiting and len(seats) < MOST:
            seats.append(self._waiting.popleft())
        replies: list[Any] = []
        fault: Exception = NoAnswer("the trip ended before its answers")
        try:
            await self._trip([s.packed for s in seats], replies)
        except FAULTS as error:
            fault = error
        finally:
            replies += [fault] * (len(seats) - len(replies))  # what was answered before the line broke was answered
            for other, reply in zip(seats[1:], replies[1:], strict=True):
                if not other.told.done():
                    other.told.set_result(reply)
            self._hand_over()
        return replies[0]

    async def _trip(self, packed: list[bytes], replies: list[Any]) -> None:
        pool = self.client.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command([b"".join(packed)], check_health=False)
            for _ in packed:
                replies.append(await _reply(connection))
            if any(isinstance(reply, NoAnswer) for reply in replies):  # the next one is to log in anew
                await connection.disconnect(nowait=True)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)

    def _hand_over(self) -> None:
        """The wheel to the first who still waits; a free lane when nobody does."""
        while self._waiting:
            seat = self._waiting.popleft()
            if not seat.told.done():
                seat.told.set_result(_Wheel)
                return
        self._driving -= 1

    def _leave(self, seat: _Seat) -> None:
        """Its caller was cancelled: it is not sent any more where it was not, and a wheel that it got goes on."""
        if seat in self._waiting:
            self._waiting.remove(seat)
        elif not seat.told.cancelled() and seat.told.result() is _Wheel:
            self._hand_over()


class _Wheel:
    """What is told to the one who is to drive."""


async def _reply(connection: Any) -> Any:
    """What the server refuses is a reply, also where redis-py takes it for the end of the connection (WRONGPASS,
    LOADING): those behind it have their own."""
    try:
        return await connection.read_response(disconnect_on_error=False)
    except Refusal as error:
        return error
    except NoAnswer as error:
        if not was_said(error):
            raise
        return error
