"""Beyond this machine without the store: what the last resort tells goes to the default owner's targets too.

Called from the event loop, which may not wait: a thread of its own sends, one message after the other. `resolved` goes
only where `opened` was taken, and under the key of that spell: a receiver that drops repetitions must not take the next
outage for the last one. A message that nobody takes is on stderr and in alerts.log all the same.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from dataclasses import dataclass, field

from joelclaw_health.alerting import apprise_target
from joelclaw_health.alerting.outlets import Outlet

log = logging.getLogger(__name__)

WAITING = 100


@dataclass(eq=False)
class Outside:
    """`outlets`: where to, and none is quiet; a reload puts others there, and what was opened stays known. The thread
    starts with the first message and ends with the process."""

    service: str
    outlets: tuple[Outlet, ...]
    send: apprise_target.Send = apprise_target.send
    _boot: str = field(default_factory=lambda: secrets.token_hex(6), init=False)
    _spells: int = field(default=0, init=False)
    _told: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    """The spell that is open, by condition and outlet."""
    _queue: queue.Queue[tuple[str, str, str]] = field(default_factory=lambda: queue.Queue(WAITING), init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def __call__(self, transition: str, condition: str, text: str) -> None:
        """Hands it to the thread. Never blocks, never raises."""
        if not self.outlets:
            return
        try:
            self._queue.put_nowait((transition, condition, text))
        except queue.Full:  # so many spells that nobody took: what stands on stderr is enough
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="alerts-outside", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self.step(*self._queue.get())

    def step(self, transition: str, condition: str, text: str) -> None:
        """Sends one message to each outlet, once."""
        if transition != "resolved":
            self._spells += 1
        for outlet in self.outlets:
            place = (condition, outlet.name)
            spell = self._told.get(place) if transition == "resolved" else f"{self._boot}-{self._spells}"
            if spell is None:
                continue
            title, body = f"system-bus {condition}", f"{transition} {condition} ({self.service}): {text}"
            why = self.send(outlet.url, title, body, f"{self.service}:{condition}:{spell}:{transition}")
            if why:
                log.error("%s did not take an alert: %s", outlet.name, why)
            elif transition == "resolved":
                del self._told[place]
            else:
                self._told[place] = spell
