"""Reads and judges part by part. What can't be read becomes `not known` there, and the other parts go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from joelclaw_bus.doctor.access import judge_access
from joelclaw_bus.doctor.check import Check
from joelclaw_bus.doctor.read import Crowd, read_crowd, read_server, read_stream
from joelclaw_bus.doctor.runs import read_open, shared
from joelclaw_bus.doctor.server import judge_server
from joelclaw_bus.doctor.streams import StreamSeen, judge_stream, judge_windows
from joelclaw_bus.doctor.workers import judge_open, judge_pauses, judge_run, judge_workers
from joelclaw_bus.errors import BusError, StoreRefused
from joelclaw_bus.inspect.explain import explain, read_situation
from joelclaw_bus.inspect.find import Found
from joelclaw_bus.inspect.names import names_seen
from joelclaw_bus.keys import Slot
from joelclaw_bus.pauses import read_pauses
from joelclaw_bus.store import Store


@dataclass
class Doctor:
    """One examination of one store; `reached`: it answered at all."""

    store: Store
    checks: list[Check] = field(default_factory=list)
    reached: bool = False
    _streams: list[StreamSeen] = field(default_factory=list)

    async def examine(self) -> list[Check]:
        """Every check. Of a store that does not answer: one that says so, and that nothing else is known."""
        try:
            nodes = await self.store.node_names()
            await self.store.call("PING")
        except BusError as error:
            return [_unreached(self.store.where, error)]
        self.reached = True
        for node in nodes:
            await self._part(node, lambda node=node: self._server(node))  # type: ignore[misc]  # a default binds it
        await self._part("access", self._access)
        crowd: list[Crowd] = []
        await self._part("workers", lambda: self._crowd(crowd))
        await self._part("pauses", self._pauses)
        names: list[str] = []
        await self._part("streams", lambda: self._names(names))
        if not crowd and names:
            self.checks.append(Check("not known", "streams", "who reads them: the workers can't be read"))
        for name in names if crowd else ():
            slot = self.store.keys.slot(name)
            await self._part(name, lambda slot=slot: self._stream(slot, crowd[0]))  # type: ignore[misc]  # the same
        self.checks += judge_windows(self._streams) if crowd else []
        await self._part("runs", lambda: self._runs(names))
        return self.checks

    async def _part(self, where: str, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except BusError as error:
            todo = "allow the user what it needs (ACL)" if isinstance(error, StoreRefused) else "look at the store"
            self.checks.append(Check("not known", where, f"it can't be read: {error}", todo))

    async def _server(self, node: str) -> None:
        seen, settings = await read_server(self.store, node), self.store.settings
        self.checks += judge_server(seen, settings.durability, settings.min_replicas, self.store.address.kind)

    async def _access(self) -> None:
        self.checks += await judge_access(self.store)

    async def _crowd(self, into: list[Crowd]) -> None:
        crowd = await read_crowd(self.store)
        self.checks += judge_workers(crowd.workers, crowd.services)
        into.append(crowd)

    async def _pauses(self) -> None:
        pauses, unreadable = await read_pauses(self.store)
        self.checks += judge_pauses(pauses.values(), unreadable, await self.store.time_ms())

    async def _names(self, into: list[str]) -> None:
        names, whole = await names_seen(self.store)
        into += names
        if not whole:
            what = f"the store holds more keys than were looked through for streams; {len(names)} were found"
            self.checks.append(Check("not known", "streams", what, "give the bus a store or a prefix of its own"))

    async def _stream(self, slot: Slot, crowd: Crowd) -> None:
        seen = await read_stream(self.store, slot, crowd.wanted_on(slot.name))
        self._streams.append(seen)
        self.checks += judge_stream(seen, crowd.served_on(slot.name))

    async def _runs(self, names: list[str]) -> None:
        seen = [await read_open(self.store, self.store.keys.slot(name)) for name in names]
        picked = shared(seen)
        found = [judge_run(run, explain(await read_situation(self.store, Found(slot, run)))) for slot, run in picked]
        self.checks += [check for check in found if check]
        self.checks += judge_open(
            sum(one.open for one in seen), sum(one.settled for one in seen), len(picked), well=not any(found)
        )


def _unreached(where: str, error: BusError) -> Check:
    """A store that refuses us is a finding; one that doesn't answer tells nothing. Nothing else is known of either."""
    text = str(error)
    if isinstance(error, StoreRefused):
        full = "free its disk, or find out why it can't write there (its log); it takes no writes until then"
        todo = full if error.kind == "MISCONF" else "mend user, password and ACL of REDIS_URL"
        return Check("finding", where, f"{text}; nothing else is known", todo)
    if "certificate" in text.lower() or "ssl" in text.lower():
        return Check("finding", where, f"{text}; nothing else is known", "mend the certificate, or name its CA")
    return Check("not known", where, text, "joelclaw up starts one; else mend REDIS_URL")
