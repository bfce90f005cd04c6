"""`BGSAVE`, asked and watched: a server's word that it began is none that it saved.

| what the server says                               | then                                                          |
|----------------------------------------------------|---------------------------------------------------------------|
| a save, or a rewrite of its append-only file, runs | it is waited for: its moment is before ours                    |
| it refuses the command, or does not know it        | permission-denied, snapshot-refused                            |
| it can't fork                                      | resource-unavailable                                           |
| it began, and its last save then is `err`          | io-error: as a rule its disk is full; it may refuse all writes |
| it began, ended `ok`, and the time of its last     | io-error: nothing was saved                                    |
| save is what it was                                |                                                               |
| it was restarted meanwhile                         | source-changed                                                 |
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import anyio

from joelclaw_backup.address import Address
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import class_of_reply
from joelclaw_backup.source import fields_of
from joelclaw_bus import BusError, Store, StoreRefused, StoreSettings, open_store

POLL = 0.1
DEADLINE = 10.0  # seconds, of one question


@dataclass(frozen=True, slots=True)
class Saved:
    """begun, ended: seconds since the epoch by the server's own clock, between which the file was begun. history: the
    server's replication id at that time."""

    begun: int
    ended: int
    history: str


@dataclass
class Saver:
    """Asks one server, named by its run id."""

    address: Address
    run_id: str
    store: Store

    async def rested(self) -> dict[str, str]:
        """Waits until no save runs, and a new one would have another time than the last. Its INFO then."""
        while True:
            info = await self.info()
            at_rest = info.get("rdb_bgsave_in_progress") == "0" and info.get("aof_rewrite_in_progress") == "0"
            if at_rest and _now(info) != _last(info):
                return info
            await anyio.sleep(POLL)

    async def save(self) -> Saved:
        """One save from its beginning to its end. BackupFailed."""
        while True:
            before = await self.rested()
            if await self._began():
                break
        while (after := await self.info()).get("rdb_bgsave_in_progress") != "0":  # noqa: ASYNC110  a server's save sets no event
            await anyio.sleep(POLL)
        if after.get("rdb_last_bgsave_status") != "ok":
            told = "its last save failed (its disk may be full); if it has save points it refuses all writes"
            raise self.failed(FailureClass.IO_ERROR, f"began to save, and {told} until one succeeds")
        if _last(after) == _last(before):
            raise self.failed(FailureClass.IO_ERROR, "said that it saved, and the time of its last save is what it was")
        return Saved(_now(before), _last(after), after.get("master_replid", ""))

    async def info(self) -> dict[str, str]:
        info = fields_of(await self._ask("INFO", "everything"))
        if info.get("run_id", "") != self.run_id:
            raise self.failed(FailureClass.SOURCE_CHANGED, "was restarted, or is another server by now")
        return info

    async def _began(self) -> bool:
        """False: somebody else's save runs."""
        try:
            await self._ask("BGSAVE")
        except StoreRefused as error:
            text = str(error).lower()
            if "in progress" in text or "rewriting" in text:
                await anyio.sleep(POLL)
                return False
            if error.kind == "NOPERM":
                kind = FailureClass.PERMISSION_DENIED
            else:  # a bare ERR is a fork that failed
                unknown = "unknown command" in text
                kind = FailureClass.SNAPSHOT_REFUSED if unknown else FailureClass.RESOURCE_UNAVAILABLE
            raise self.failed(kind, f"refuses BGSAVE: {error}") from error
        return True

    async def _ask(self, *words: str) -> bytes:
        try:
            told: bytes = await self.store.call(*words)
            return told
        except StoreRefused as error:
            if words[0] == "BGSAVE":
                raise
            raise self.failed(class_of_reply(error.kind), f"refuses {words[0]}: {error}") from error
        except BusError as error:
            raise self.failed(FailureClass.SERVER_UNAVAILABLE, f"does not answer: {error}") from error

    def failed(self, kind: FailureClass, problem: str) -> BackupFailed:
        return BackupFailed(kind, f"source {self.address.shown} {problem}")


async def saved(address: Address, run_id: str, seconds: float) -> Saved:
    """Asks for a save and waits for its end, `seconds` in all. BackupFailed, classified."""
    async with open_store(StoreSettings(address.url, deadline=DEADLINE, connections=1)) as store:
        saver = Saver(address, run_id, store)
        try:
            with anyio.fail_after(seconds):
                return await saver.save()
        except TimeoutError as error:
            raise saver.failed(FailureClass.TIMEOUT, f"did not save within {seconds:g} s") from error


def _last(info: dict[str, str]) -> int:
    return int(info.get("rdb_last_save_time", 0))


def _now(info: dict[str, str]) -> int:
    """By its own clock; by ours where it does not tell."""
    told = info.get("server_time_usec")
    return int(told) // 1_000_000 if told else int(time.time())
