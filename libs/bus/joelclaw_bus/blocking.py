"""The same store for one thread: scripts only, since that is all the renewal needs. It never waits for durability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joelclaw_bus.address import Address, Place
from joelclaw_bus.connect import blocking_client, close_blocking
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.replies import FAULTS, NO_ANSWER, Moved, NoScript, translate
from joelclaw_bus.routing import Arg, Command, SlotMap, slot_of
from joelclaw_bus.script import Script

_REDIRECTIONS = 4


class BlockingStore:
    """Its deadline is its own; its clients belong to its thread."""

    def __init__(self, address: Address, deadline: float) -> None:
        self._address, self._deadline = address, deadline
        self._map = SlotMap()
        self._clients: dict[Place | None, Any] = {}
        if address.kind != "cluster":
            self._client(None)

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        """One script's raw reply. StoreUnavailable, StoreRefused."""
        try:
            try:
                return self._send(keys[0], ("EVALSHA", script.sha, len(keys), *keys, *args))
            except NoScript:
                return self._send(keys[0], ("EVAL", script.text, len(keys), *keys, *args))
        except FAULTS as error:
            raise translate(error, self._address.shown) from error

    def close(self) -> None:
        for client in self._clients.values():
            close_blocking(client)
        self._clients.clear()

    def _send(self, key: str, command: Command) -> Any:
        if self._address.kind != "cluster":
            return self._client(None).execute_command(*command)
        place = self._place(key)
        for left in reversed(range(_REDIRECTIONS)):
            try:
                return self._client(place).execute_command(*command)
            except NO_ANSWER:
                self._map.fresh = False
                raise
            except Moved as moved:
                self._map.fresh = False
                if not left:
                    raise
                place = (moved.host or place[0], moved.port)
        raise AssertionError("the loop returns or raises")

    def _place(self, key: str) -> Place:
        if not self._map.fresh:
            self._refresh()
        place = self._map.place_of(slot_of(key))
        if place is None:
            self._map.fresh = False
            raise StoreUnavailable(self._address.shown, f"no node serves the slot of {key!r} now")
        return place

    def _refresh(self) -> None:
        last: Exception = StoreUnavailable(self._address.shown, "no node to ask")
        for place in dict.fromkeys([*self._map.places(), *self._address.places]):
            try:
                reply = self._client(place).execute_command("CLUSTER", "SLOTS")
            except FAULTS as error:
                last = error
                continue
            if reply:
                self._map.learn(reply, place)
                return
        raise last

    def _client(self, place: Place | None) -> Any:
        if place not in self._clients:
            self._clients[place] = blocking_client(self._address, place, deadline=self._deadline)
        return self._clients[place]
