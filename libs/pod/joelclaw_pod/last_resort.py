"""The alert that needs no store: the store's own loss, told where a person or a supervisor looks anyway.

| condition           | opened when                                                 | resolved when          |
|---------------------|-------------------------------------------------------------|------------------------|
| `store/unavailable` | it does not answer, or refuses, for longer than a threshold | it answers             |
| `store/data-lost`   | a stream or group of ours is gone, or came back older       | never: data stays lost |

The second can't go by the store: what would carry it (`gateway/send.message`, its reader, its dedupe) was lost as well.

A line on stderr, `ALERT opened CONDITION service=NAME: text` (`joelclaw up` shows such lines), and the same line with
its time in `alerts.log` of the state directory if there is one. Once per spell; `resolved` only if `opened` was told.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from joelclaw_bus import observer as o
from joelclaw_contracts.redact import redact_text
from joelclaw_pod.wake import Wake

PREFIX = "ALERT "
CONDITION, DATA_LOST = "store/unavailable", "store/data-lost"
FILE = "alerts.log"
MESSAGE = "message"
"""The transition of what was meant for this very place: it goes no further."""
FILE_BYTES = 1024 * 1024
SHOWN = 6
_IDLE = 3600.0  # seconds; the loop waits for a wake-up, the time-out only bounds it


@dataclass(eq=False)
class LastResort:
    """Tells a person by stderr and by a file. `tell` says whether at least one of them took it."""

    service: str
    state_dir: Path | None = None
    stream: TextIO | None = None
    outside: Callable[[str, str, str], None] | None = None
    """Hears (transition, condition, text) too, and takes it out of this machine; may not block. Health sets it."""

    def tell(self, transition: str, condition: str, text: str) -> bool:
        line = f"{PREFIX}{transition} {condition} service={self.service}: {' '.join(redact_text(text).split())}\n"
        if self.outside is not None and transition != MESSAGE:
            self.outside(transition, condition, redact_text(text))
        return any([self._say(line), self._file(line)])  # a list: both are tried

    def _say(self, line: str) -> bool:
        try:
            stream = self.stream or sys.stderr
            stream.write(line)
            stream.flush()
        except (OSError, ValueError):  # a closed or broken stderr must not end the service
            return False
        return True

    def _file(self, line: str) -> bool:
        if self.state_dir is None:
            return False
        path = self.state_dir / FILE
        try:
            if path.exists() and path.stat().st_size > FILE_BYTES:
                path.replace(path.with_suffix(".log.1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}")
        except OSError:  # a full or missing disk: stderr has it
            return False
        return True


@dataclass(eq=False)
class StoreWatch:
    """An observer that calls the last resort when the store's trouble lasts longer than `threshold` seconds, and
    `gather` seconds after the first of some streams was found lost: a flushed store loses all of them at once."""

    resort: LastResort
    threshold: float = 5.0
    gather: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _troubles: dict[str, tuple[float, str]] = field(default_factory=dict, init=False)  # where -> (since, what)
    _told: set[str] = field(default_factory=set, init=False)
    _lost: dict[str, str] = field(default_factory=dict, init=False)  # stream -> where it goes on
    _lost_since: float = field(default=0.0, init=False)
    _wake: Wake = field(default_factory=Wake, init=False)

    def saw(self, fact: o.Fact) -> None:
        match fact:
            case o.StoreTrouble():
                self._troubles.setdefault(fact.where, (self.clock(), f"{fact.doing}: {fact.error}"))
                self._wake.set()
            case o.StoreBack():
                since = self._troubles.pop(fact.where, None)
                if fact.where in self._told and since is not None:
                    self._told.discard(fact.where)
                    lasted = self.clock() - since[0]
                    self.resort.tell("resolved", CONDITION, f"{fact.where} is back after {lasted:.0f} s")
            case o.StreamLost():
                self._lost_since = self._lost_since if self._lost else self.clock()
                self._lost[fact.stream] = fact.resumed_at
                self._wake.set()
            case _:
                pass

    def step(self) -> float:
        """Tell what is due to be told; seconds until the next look."""
        now = self.clock()
        next_look = self._tell_losses(now)
        for where, (since, what) in list(self._troubles.items()):
            if where in self._told:
                continue
            left = self.threshold - (now - since)
            if left <= 0 and self.resort.tell("opened", CONDITION, f"{where} since {now - since:.0f} s: {what}"):
                self._told.add(where)
            else:
                next_look = min(next_look, max(left, 1.0 if left <= 0 else 0.01))
        return next_look

    def _tell_losses(self, now: float) -> float:
        """One line for all that was lost together; seconds until the next look."""
        if not self._lost:
            return _IDLE
        if (left := self.gather - (now - self._lost_since)) > 0:
            return left
        names = sorted(self._lost)
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        text = f"{len(names)} streams or groups of this service were lost, or came back older: {shown}"
        todo = "what they held is gone, and it goes on with what is left; joelclaw doctor says what else is missing"
        if not self.resort.tell("opened", DATA_LOST, f"{text}; {todo}"):
            return 1.0
        self._lost.clear()
        return _IDLE

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._wake.wait(self.step())
