"""What an acknowledgement promises: a level and the server's facts in, plain words out. No I/O.

| level     | an acknowledged write                            | by                       |
|-----------|--------------------------------------------------|--------------------------|
| `memory`  | is in the server's memory (the default)          | the server's answer      |
| `local`   | is on the server's own disk                      | appendfsync always (*)   |
| `replica` | is in the memory of every replica that is online | WAIT for all of them     |

(*) and no-appendfsync-on-rewrite no: else nothing is synced while a child of the server rewrites or saves.

`doctor`, `docs/promises.md` and the start say these sentences; the tests hold the documents against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Kind = Literal["single", "sentinel", "cluster"]
NOTHING = "nothing that was acknowledged"
ALWAYS = (
    "Side effects are at least once: a process that dies between an act and its record does the act again."
    " Hand step.key to receivers that can tell a repeat.",
    "A write that was not acknowledged may be there or not. Send it again with the same id: that is harmless.",
)
"""What holds at every level, on every server."""
ASKED = ("appendfsync", "no-appendfsync-on-rewrite")
"""The settings that a promise hangs on, besides what INFO says."""
PAUSED = (
    "no-appendfsync-on-rewrite is yes: nothing is synced while a rewrite of the append-only file or a snapshot runs"
)


class Durability(StrEnum):
    MEMORY = "memory"
    LOCAL = "local"
    REPLICA = "replica"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """fsync: `appendfsync` as the server says it, 'unknown' where it may not be asked; replicas: those it reports as
    online (of a cluster: one node's); sync_pauses: no sync while a rewrite or a snapshot runs."""

    append_only: bool
    fsync: str
    replicas: int
    kind: Kind = "single"
    sync_pauses: bool = False


def facts_of(info: bytes, settings: Mapping[str, str | None], kind: Kind) -> ServerFacts:
    """What a server's INFO says of it; settings: those of ASKED that may be asked."""
    fields = dict(line.split(":", 1) for line in info.decode("utf-8", "replace").splitlines() if ":" in line)
    return ServerFacts(
        append_only=fields.get("aof_enabled") == "1",
        fsync=settings.get("appendfsync") or "unknown",
        replicas=online_of(info),
        kind=kind,
        sync_pauses=settings.get("no-appendfsync-on-rewrite") == "yes",
    )


def online_of(info: bytes) -> int:
    """How many replicas INFO reports as online."""
    rows = (line.partition(b":") for line in info.splitlines() if line.startswith(b"slave"))
    return sum(1 for name, _, what in rows if name[5:].isdigit() and b"state=online" in what)


@dataclass(frozen=True, slots=True)
class Losses:
    """What of the acknowledged writes each event can take, as words. Behind sentinels and in a cluster a death is a
    failover: what the dead server's own disk holds is thrown away when it comes back."""

    server_killed: str
    power_cut: str
    failover: str

    def rows(self) -> tuple[tuple[str, str], ...]:
        return (
            ("the server process is killed", self.server_killed),
            ("the server's machine loses power", self.power_cut),
            ("a failover to a replica", self.failover),
        )


@dataclass(frozen=True, slots=True)
class Promise:
    level: Durability
    sentence: str
    losses: Losses


def promise(level: Durability, facts: ServerFacts) -> Promise:
    """What holds for every acknowledged write at this level on such a server."""
    match level:
        case Durability.MEMORY:
            sentence = "Acknowledged means: in the server's memory."
        case Durability.LOCAL:
            sentence = "Acknowledged means: on the disk of the server that answered."
        case Durability.REPLICA:
            sentence = "Acknowledged means: in the memory of the primary and of every replica that is online."
    return Promise(level, sentence, Losses(_killed(level, facts), _power(level, facts), _failover(level, facts)))


def hindrance(level: Durability, facts: ServerFacts, at_least: int = 1) -> str:
    """Why such a server can't give this level now, with the remedy; '' when it can."""
    if level is Durability.LOCAL and not facts.append_only:
        return "durability local needs the append-only file: set appendonly yes, or JOELCLAW_DURABILITY=memory"
    if level is Durability.LOCAL and facts.fsync != "always":
        # Not WAITAOF: at everysec the servers that have it answer before the sync (decision 0061).
        return (
            f"durability local needs appendfsync always, and it is {facts.fsync}: set it, or JOELCLAW_DURABILITY=memory"
        )
    if level is Durability.LOCAL and facts.sync_pauses:
        return f"durability local can't be kept: {PAUSED}; set it to no, or JOELCLAW_DURABILITY=memory"
    if level is Durability.REPLICA and facts.replicas < at_least:
        return (
            f"durability replica needs {at_least} online and the server reports {facts.replicas}: attach a replica,"
            " or lower JOELCLAW_MIN_REPLICAS"
        )
    return ""


def _killed(level: Durability, facts: ServerFacts) -> str:
    if facts.kind != "single" and facts.replicas:
        return _failover(level, facts)
    if level is Durability.LOCAL:
        return f"{NOTHING} (its append-only file has it)"
    if not facts.append_only:
        return "everything since the last snapshot (append-only file is off)"
    return "nothing that reached its append-only file; while its disk stalls, up to the last 2 seconds"


def _power(level: Durability, facts: ServerFacts) -> str:
    alone = f"{NOTHING} (it was synced to disk before the answer)" if level is Durability.LOCAL else _unsynced(facts)
    if facts.kind != "single" and facts.replicas:
        after = _failover(level, facts)
        return f"{after}; if all machines lose it at once, {alone}" if level is Durability.REPLICA else after
    if level is Durability.REPLICA:
        return f"{alone}, unless you promote a replica on another machine: that has all of it"
    return alone


def _unsynced(facts: ServerFacts) -> str:
    if not facts.append_only:
        return "everything since the last snapshot (append-only file is off)"
    if facts.sync_pauses and facts.fsync in ("always", "everysec"):
        return f"what was written since a rewrite or snapshot began that still runs; else {_synced(facts.fsync)}"
    return _synced(facts.fsync)


def _synced(fsync: str) -> str:
    match fsync:
        case "always":
            return NOTHING + " (appendfsync always)"
        case "everysec":
            return "up to the last 2 seconds (appendfsync everysec)"
        case _:
            return f"what the system had not yet written, often 30 seconds (appendfsync {fsync})"


def _failover(level: Durability, facts: ServerFacts) -> str:
    if level is Durability.REPLICA:
        return f"{NOTHING}, with one death at a time"
    if facts.replicas == 0 and facts.kind == "single":
        return "there is no replica: the bus waits until the server is back"
    return "what had not reached the replica yet: milliseconds as a rule, as much as its link lags else"
