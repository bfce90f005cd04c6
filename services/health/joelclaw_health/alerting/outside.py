"""Beyond this machine without the store: what the last resort tells goes to the default owner's targets too.

Called from the event loop, which may not wait: a thread of its own sends, one message after the other. `resolved` goes
only where `opened` was taken. A message that nobody takes is on stderr and in alerts.log all the same.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, field

from joelclaw_health.alerting import apprise_target
from joelclaw_health.alerting.outlets import Outlet

log = logging.getLogger(__name__)

WAITING = 100


@dataclass(eq=False)
class Outside:
    """`outlets`: where to; none is quiet. The thread starts with the first message and ends with the process."""

    service: str
    outlets: tuple[Outlet, ...]
    send: apprise_target.Send = apprise_target.send
    _told: set[tuple[str, str]] = field(default_factory=set, init=False)
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
        for outlet in self.outlets:
            place = (condition, outlet.name)
            if transition == "resolved" and place not in self._told:
                continue
            title, body = f"system-bus {condition}", f"{transition} {condition} ({self.service}): {text}"
            why = self.send(outlet.url, title, body, f"{self.service}:{condition}:{transition}")
            if why:
                log.error("%s did not take an alert: %s", outlet.name, why)
            elif transition == "resolved":
                self._told.discard(place)
            else:
                self._told.add(place)
