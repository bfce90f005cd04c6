"""Calls to one server that wait at the same moment travel together: one write, one read.

What the server refuses is one caller's answer; a connection that fails is the answer of all on that trip who had none
yet, as it would have been for each of them alone.
"""

from __future__ import annotations

from typing import Any

import hiredis

from joelclaw_bus.replies import FAULTS, NoAnswer, Refusal, was_said
from joelclaw_bus.routing import Command
from joelclaw_bus.together import LANES, Together

MOST = 128
"""Calls of one trip: so many answers may wait for the first."""
KEPT, ROOMY = 1, 4
"""A convoy keeps a connection for its next trip where its client may have more than a few: to fetch it from the pool
and bring it back costs a fifth of a lone call."""


class Convoy(Together[bytes]):
    """The calls to one server. `client`: a redis-py client, whose connections it uses."""

    faults = FAULTS

    def __init__(self, client: Any, lanes: int = LANES) -> None:
        super().__init__(MOST, lanes)
        self.client = client
        self._kept: list[Any] = []

    async def send(self, command: Command) -> Any:
        """One command's raw reply; a refusal or a fault is returned, as redis-py's error."""
        return await self.ask(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]  # its stub is invariant

    async def _trip(self, asked: list[bytes], answers: list[Any]) -> None:
        pool = self.client.connection_pool
        connection = await self._connection(pool)
        try:
            await connection.send_packed_command([b"".join(asked)], check_health=False)
            for _ in asked:
                answers.append(await _reply(connection))
            if any(isinstance(answer, NoAnswer) for answer in answers):  # the next one is to log in anew
                await connection.disconnect(nowait=True)
        except BaseException:  # a cancellation above all: answers are still on their way, for nobody
            await connection.disconnect(nowait=True)
            raise
        finally:
            if len(self._kept) < KEPT and pool.max_connections > ROOMY:
                self._kept.append(connection)
            else:
                await pool.release(connection)

    async def _connection(self, pool: Any) -> Any:
        """A connection that is ready to be written to: what the pool would give, for less."""
        if not self._kept:
            return await pool.get_connection()
        connection = self._kept.pop()
        try:
            if connection.should_reconnect():
                await connection.disconnect()
            await pool.ensure_connection(connection)
        except BaseException:  # a cancellation too: it goes back to where it came from, and the fault on
            await pool.release(connection)
            raise
        return connection

    def _cut_short(self) -> Exception:
        return NoAnswer("the trip ended before its answers")


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
