"""How much evidence one error may leave: the first few, then a count. Pure; time is an argument.

A fingerprint is (component, action, error class). In each window of `window` seconds the first `burst` are kept; the
rest are counted, and when the window is over one summary says how many there were. 102 million rows of one error
came from a limit that wasn't there. Text is payload, never identity: digits and addresses in it change all the time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field

Fingerprint = tuple[str, str, str]
MOST = 1_000  # fingerprints remembered; beyond, the oldest gives way (its summary is told first)


def error_class(error: str | BaseException) -> str:
    """An exception's type; of a text what stands before its first colon, numbers evened out."""
    if isinstance(error, BaseException):
        return type(error).__name__
    return re.sub(r"[0-9]+", "#", error.partition(":")[0].strip()[:80])


@dataclass(frozen=True, slots=True)
class Summary:
    """So many were held back, between these two moments (seconds, the caller's clock)."""

    fingerprint: Fingerprint
    count: int
    since: float
    until: float


@dataclass(slots=True)
class _Window:
    opened: float
    kept: int = 0
    held: int = 0
    last: float = 0.0


@dataclass(eq=False)
class ErrorLimit:
    burst: int = 5
    window: float = 60.0
    _windows: OrderedDict[Fingerprint, _Window] = field(default_factory=OrderedDict)
    _over: list[Summary] = field(default_factory=list)

    def allows(self, fingerprint: Fingerprint, now: float) -> bool:
        """Whether this one is kept; else it is counted."""
        window = self._windows.get(fingerprint)
        if window is not None and now - window.opened >= self.window:
            self._close(fingerprint)
            window = None
        if window is None:
            while len(self._windows) >= MOST:
                self._close(next(iter(self._windows)))
            window = self._windows[fingerprint] = _Window(now)
        if window.kept < self.burst:
            window.kept += 1
            return True
        window.held, window.last = window.held + 1, now
        return False

    def summaries(self, now: float, *, all_of_them: bool = False) -> list[Summary]:
        """The summaries of windows that are over (`all_of_them`: of the open ones too), each told once."""
        for fingerprint, window in list(self._windows.items()):
            if not all_of_them and now - window.opened < self.window:
                break  # they lie in the order in which they opened
            self._close(fingerprint)
        over, self._over = self._over, []
        return over

    def _close(self, fingerprint: Fingerprint) -> None:
        window = self._windows.pop(fingerprint)
        if window.held:
            self._over.append(Summary(fingerprint, window.held, window.opened, window.last))
