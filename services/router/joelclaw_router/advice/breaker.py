"""When a model is not asked: after three failures in fifteen minutes it is left alone for thirty; then one tries.

| state     | asked?                | leaves it by                                              |
|-----------|-----------------------|-----------------------------------------------------------|
| closed    | yes                   | the third failure within the window -> open               |
| open      | no                    | the end of the cool-down -> half open                     |
| half open | one probe, no others  | its success -> closed; its failure -> open, a new cool-down |

Pure but for its memory: time is an argument, ms. It is a process's own: another router learns for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FAILURES = 3
WINDOW_MS = 900_000
COOL_DOWN_MS = 1_800_000


@dataclass
class Breaker:
    _failed_ms: list[int] = field(default_factory=list)
    _opened_ms: int | None = None
    _probing: bool = False

    def may_ask(self, now_ms: int) -> bool:
        """Whether a call may be made now. One that may must be told of by `succeeded` or `failed`."""
        if self._opened_ms is None:
            return True
        if self._probing or now_ms - self._opened_ms < COOL_DOWN_MS:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._failed_ms.clear()
        self._opened_ms, self._probing = None, False

    def failed(self, now_ms: int) -> None:
        if self._probing:
            self._opened_ms, self._probing = now_ms, False
            return
        self._failed_ms = [at for at in self._failed_ms if now_ms - at < WINDOW_MS] + [now_ms]
        if len(self._failed_ms) >= FAILURES:
            self._opened_ms = now_ms
            self._failed_ms.clear()
