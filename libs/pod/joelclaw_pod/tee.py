"""Several observers as one."""

from __future__ import annotations

import logging

from joelclaw_bus.observer import Fact, Observer

log = logging.getLogger(__name__)


class Tee:
    """Tells each observer every fact, in order. One that raises is named once, and keeps no other from hearing."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self._named: set[int] = set()

    def saw(self, fact: Fact) -> None:
        for number, observer in enumerate(self._observers):
            try:
                observer.saw(fact)
            except Exception:  # telemetry must never end a run: the bus calls us between two store calls
                if number not in self._named:
                    self._named.add(number)
                    log.exception("the observer %s broke on %s", type(observer).__name__, type(fact).__name__)
