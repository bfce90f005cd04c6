"""Dead letters: what no handler may see, and what no attempt could mend."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import attempts, ms_of, number, pairs, parsed, sound, text
from joelclaw_bus.keys import Slot
from joelclaw_bus.store import Store

PAGE = 50
"""Letters read at once; one may hold 64 KiB of an event, and a run's last twenty errors."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One letter. `kind`: `entry` (it could not be read) or `run` (its handler failed for good).

    `fields`: the entry's own, as text; `cut`: those of which only the beginning was kept, and how long they were.
    """

    id: str
    event: str
    kind: str
    buried_ms: int
    function: str
    run: str
    error: str
    errors: dict[int, str]
    fields: dict[str, str]
    cut: dict[str, str]

    @property
    def data(self) -> Any:
        return parsed(self.fields.get("data", ""))

    @property
    def event_id(self) -> str:
        """The id the event had: its producer's, else its entry's."""
        return self.fields.get("id") or self.fields.get("entry") or ""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant: all of these hold. `said`: a part of the error, in any case.

    Buried from `since_ms` on and not after `until_ms`, ms since the epoch; until_ms 0: no end."""

    pattern: str = "*"
    function: str = ""
    said: str = ""
    since_ms: int = 0
    until_ms: int = 0

    def means(self, letter: DeadLetter) -> bool:
        return (
            (not self.function or letter.function == self.function)
            and self.said.casefold() in letter.error.casefold()
            and letter.buried_ms >= self.since_ms
            and (not self.until_ms or letter.buried_ms <= self.until_ms)
        )


async def list_dead(store: Store, *, pattern: str = "*", limit: int = 50) -> list[DeadLetter]:
    """The latest first."""
    names = await event_names(store, pattern)
    replies = await store.calls(("XREVRANGE", store.keys.slot(n).dead, "+", "-", "COUNT", limit) for n in names)
    found = [_letter(name, row) for name, rows in zip(names, replies, strict=True) for row in sound(rows)]
    return sorted(found, key=lambda letter: letter.buried_ms, reverse=True)[:limit]


async def each_letter(store: Store, meant: LetterFilter) -> AsyncGenerator[DeadLetter, None]:
    """Every letter that is meant, event by event, the oldest of each first. Letters may go while it is read."""
    for name in await event_names(store, meant.pattern):
        start = "-"
        while rows := await store.call("XRANGE", store.keys.slot(name).dead, start, "+", "COUNT", PAGE):
            for letter in (_letter(name, row) for row in rows):
                if meant.means(letter):
                    yield letter
            start = "(" + text(rows[-1][0])


async def count_dead(store: Store, *, pattern: str = "*") -> int:
    names = await event_names(store, pattern)
    return sum(sound(n) for n in await store.calls(("XLEN", store.keys.slot(name).dead) for name in names))


async def find_dead(store: Store, letter: str, *, pattern: str = "*") -> list[DeadLetter]:
    """The letters with this id: one, or none; two only if two streams buried in the same millisecond."""
    if not re.fullmatch(r"[0-9]{1,20}-[0-9]{1,20}", letter):
        return []
    names = await event_names(store, pattern)
    replies = await store.calls(("XRANGE", store.keys.slot(n).dead, letter, letter) for n in names)
    return [_letter(name, row) for name, rows in zip(names, replies, strict=True) for row in sound(rows)]


LETTERS = 500


async def find_letter(store: Store, slot: Slot, run: str) -> str:
    """The latest letter that a run left, among the last 500 of its stream; '' when there is none."""
    for row in await store.call("XREVRANGE", slot.dead, "+", "-", "COUNT", LETTERS):
        if pairs(row[1] or []).get("run") == run:
            return text(row[0])
    return ""


def _letter(name: str, row: Any) -> DeadLetter:
    letter, fields = text(row[0]), pairs(row[1] or [])
    return DeadLetter(
        id=letter,
        event=name,
        kind=fields.get("kind", ""),
        buried_ms=number(fields.get("buried")) or ms_of(letter),
        function=fields.get("function", ""),
        run=fields.get("run", ""),
        error=fields.get("error", ""),
        errors=attempts(fields),
        fields={k[2:]: v for k, v in fields.items() if k.startswith("e:")},
        cut={k[4:]: v for k, v in fields.items() if k.startswith("cut:")},
    )
