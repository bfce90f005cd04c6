"""What went wrong with the store, with its data or in the bus itself, and when it was over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerFault:
    """A defect of the bus itself met this entry: nothing was settled, it comes again and is counted."""

    function: str
    entry: str
    error: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """One thing that the store refuses, or that can't be read, while all else goes on: it stays where it is and is
    tried again. Told once; `slot` is '' where it is no slot's."""

    slot: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unstuck:
    """What this process told as Stuck is over: it succeeded, is no longer there, or is another process's to tell."""

    slot: str
    what: str


@dataclass(frozen=True, slots=True)
class StreamLost:
    """A stream or group was gone and is made anew, or came back with older data: data was lost. `resumed_at`: the mark
    it goes on from, or the newest entry that is left."""

    function: str
    stream: str
    resumed_at: str


@dataclass(frozen=True, slots=True)
class AuditFound:
    """The store did not keep a promise (keys were lost or altered): what the auditor found, by rule (audit/judge.py).

    names: runs, events, items or keys. remedy: `repaired`; `lost` (ended, or no longer missed: it can't be made anew);
    `left` as it is (told once).
    """

    slot: str
    rule: str
    names: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """The store did not answer, or refused everything. Told once per spell, and `StoreBack` ends it."""

    where: str
    doing: str
    error: str


@dataclass(frozen=True, slots=True)
class StoreBack:
    where: str
    after_seconds: float


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """The store's server or clock jumped: owners renew first, nobody takes over for one lease."""

    where: str
    reason: str
