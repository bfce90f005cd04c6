"""A cluster's map: which primaries hold all of its slots, by their own word, each asked itself.

A copy of some shards is no copy, and slots that move while it is taken may be in two dumps or in none. So the map is
read before the first dump and after the last (docs/decisions/0140): every slot has one primary, each primary says the
same of itself, nothing is on the move, and both readings are equal, epochs included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from joelclaw_backup.address import Address, node_of, nodes_of
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import class_of_reply
from joelclaw_bus import BusError, StoreRefused, StoreSettings, open_store

SLOTS = 16_384
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """A primary and what it holds. `host` is empty for a node that does not know its own address: then it is where it
    was asked. `moving`: it says that slots of it are on their way."""

    node: str
    host: str
    port: int
    slots: tuple[Range, ...]
    epoch: int
    myself: bool = False
    moving: bool = False
    trouble: str = ""


def parts_of(told: str) -> tuple[Part, ...]:
    """The primaries that hold slots, of a reply to CLUSTER NODES, by their slots. Pure.

    <id> <ip:port@cport[,name]> <flags> <primary> <ping> <pong> <epoch> <link> <slot>… [slot->-id] [slot-<-id]
    """
    found = []
    for words in (line.split() for line in told.splitlines()):
        flags = words[2].split(",") if len(words) >= 8 else []
        if "master" not in flags:
            continue
        place = re.match(r"(.*):([0-9]+)(@|$)", words[1].partition(",")[0])
        ranges = [re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", word) for word in words[8:]]
        slots = sorted((int(r[1]), int(r[2] or r[1])) for r in ranges if r)
        bad = sorted({"fail", "fail?", "handshake", "noaddr"} & set(flags))
        if place and (slots or "myself" in flags):
            moving, trouble = any(word.startswith("[") for word in words[8:]), bad[0] if bad else ""
            epoch, myself = int(words[6]), "myself" in flags
            found.append(Part(words[0], place[1], int(place[2]), tuple(slots), epoch, myself, moving, trouble))
    return tuple(sorted(found, key=lambda part: (part.slots, part.node)))


def missing_of(parts: tuple[Part, ...]) -> str:
    """The first slots that nobody holds, or that two do; empty where each has one primary. Pure."""
    expected = 0
    for first, last in sorted(range for part in parts for range in part.slots):
        if first != expected:
            return f"slots {expected}-{first - 1} have no primary" if first > expected else f"slot {first} has two"
        expected = last + 1
    return "" if expected == SLOTS else f"slots {expected}-{SLOTS - 1} have no primary"


async def read_cluster(address: Address, deadline: float = 10.0) -> tuple[Part, ...]:
    """Every primary, in the order of its slots, as the first node that answers names them and as each says itself.
    BackupFailed: server-unavailable, where it is not one whole that stands still."""
    asked = node = nodes_of(address)[0]
    trouble: BackupFailed | None = None
    for asked in nodes_of(address):
        try:
            parts = parts_of(await _nodes(asked, deadline))
            break
        except BackupFailed as failed:
            trouble = failed
    else:
        raise trouble or BackupFailed(FailureClass.SERVER_UNAVAILABLE, f"{address.shown} names no node")
    parts = tuple(_placed(part, asked) for part in parts if part.slots)
    if what := missing_of(parts):
        raise _unsettled(address, what)
    for part in parts:
        if part.trouble:
            raise _unsettled(address, f"{part.host}:{part.port} is marked as {part.trouble}")
        node = node_of(address, (part.host, part.port))
        own = next((p for p in parts_of(await _nodes(node, deadline)) if p.myself), None)
        if own is None or (own.node, own.slots, own.epoch) != (part.node, part.slots, part.epoch):
            raise _unsettled(address, f"{node.shown} says another thing of itself than {asked.shown} does")
        if own.moving:
            raise _unsettled(address, f"slots of {node.shown} are on the move")
    return parts


async def is_cluster(address: Address, deadline: float = 10.0) -> bool:
    """Whether a plain address is that of one node of several: a copy of it alone would be a copy of a part."""
    parts = parts_of(await _nodes(address, deadline))
    return any(part.slots and not part.myself for part in parts)


def _placed(part: Part, asked: Address) -> Part:
    host = part.host or asked.host
    return Part(part.node, host, part.port, part.slots, part.epoch, trouble=part.trouble)


async def _nodes(address: Address, deadline: float) -> str:
    try:
        async with open_store(StoreSettings(address.url, deadline=deadline, connections=1)) as store:
            told: bytes = await store.call("CLUSTER", "NODES")
    except StoreRefused as error:
        raise BackupFailed(class_of_reply(error.kind), f"{address.shown} refuses CLUSTER NODES: {error}") from error
    except BusError as error:
        kind = FailureClass.SERVER_UNAVAILABLE
        raise BackupFailed(kind, f"source {address.shown} does not answer: {error}") from error
    return told.decode("utf-8", "replace")


def _unsettled(address: Address, what: str) -> BackupFailed:
    return BackupFailed(FailureClass.SERVER_UNAVAILABLE, f"cluster {address.shown} is not whole and at rest: {what}")
