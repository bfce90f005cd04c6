"""Which key a command is about, and which node of a cluster serves it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.crc import key_slot

from joelclaw_bus.address import Place

Arg = str | bytes | int | float
Command = Sequence[Arg]

_NO_KEY = {
    *("ACL", "CLIENT", "CLUSTER", "CONFIG", "DBSIZE", "INFO", "PING", "PUBLISH", "ROLE", "SCAN", "SCRIPT", "TIME"),
    *("WAIT", "WAITAOF", "COMMAND", "LATENCY", "SLOWLOG", "SUBSCRIBE"),
}
_KEY_AFTER_SUBCOMMAND = {"XINFO", "XGROUP", "OBJECT", "MEMORY"}
_SCRIPTS = {"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL"}


def key_of(command: Command) -> str | bytes | None:
    """The first key of a command, which names its slot; None when any node will do."""
    name = str(command[0]).upper()
    at: int | None = 1
    if name in _NO_KEY:
        at = None
    elif name in _KEY_AFTER_SUBCOMMAND:
        at = 2
    elif name in _SCRIPTS:
        at = 3 if int(command[2]) else None
    elif name in ("XREAD", "XREADGROUP"):
        at = list(command).index("STREAMS") + 1
    if at is None or at >= len(command):
        return None
    key = command[at]
    return key if isinstance(key, bytes) else str(key)


def slot_of(key: str | bytes) -> int:
    raw = key if isinstance(key, bytes) else key.encode("utf-8", "surrogateescape")
    return int(key_slot(raw))


def tag_of(key: str) -> str:
    """What a key's slot is reckoned from: the text in its first braces, else (none, never closed, empty) all of it."""
    inside, closed, _ = key.partition("{")[2].partition("}")
    return inside if inside and closed else key


def check_one_slot(keys: Sequence[str]) -> None:
    """Every script's keys share a slot, on any server: a plain one would hide it until the first cluster.

    Every call asks this, so slots are reckoned only where the tags differ, which no script's keys do.
    """
    tags = {tag_of(key) for key in keys}
    if len(tags) > 1 and len({slot_of(tag) for tag in tags}) > 1:
        raise ValueError(f"the keys of one script lie in different slots: {', '.join(keys)}")


@dataclass
class SlotMap:
    """Who serves which slot, as the cluster said last. `fresh` False: it must be asked before the next use."""

    fresh: bool = False
    _ranges: list[tuple[int, int, Place]] = field(default_factory=list)
    _moved: dict[int, Place] = field(default_factory=dict)

    def learn(self, reply: Sequence[Any], asked: Place) -> None:
        """A raw answer to CLUSTER SLOTS. A node that does not know its own name gives none: then it is `asked`."""
        self._ranges = [
            (int(row[0]), int(row[1]), (row[2][0].decode() if row[2][0] else asked[0], int(row[2][1]))) for row in reply
        ]
        self._moved.clear()
        self.fresh = True

    def moved(self, slot: int, place: Place) -> None:
        """One slot's node as a MOVED named it. The rest of the map is old then, too."""
        self._moved[slot] = place

    def place_of(self, slot: int) -> Place | None:
        """None: nobody serves this slot."""
        if slot in self._moved:
            return self._moved[slot]
        return next((place for first, last, place in self._ranges if first <= slot <= last), None)

    def places(self) -> list[Place]:
        """Every primary, sorted."""
        return sorted({place for _, _, place in self._ranges} | set(self._moved.values()))
