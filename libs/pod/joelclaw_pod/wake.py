"""A wake-up call for one waiting loop, from the loop's own thread or from another."""

from __future__ import annotations

import threading

import anyio


class Wake:
    """`set` is cheap and may come from any thread; `wait` returns at the next one, or after `timeout` seconds.

    A call from another thread (lease renewal) is heard at the time-out: waking the loop from there would cost a lock
    and a system call per fact, and nothing that waits here is in such a hurry.
    """

    def __init__(self) -> None:
        self._event: anyio.Event | None = None
        self._thread = 0
        self._called = False

    def set(self) -> None:
        self._called = True
        if self._event is not None and threading.get_ident() == self._thread:
            self._event.set()

    async def wait(self, timeout: float) -> None:
        if not self._called:
            self._event, self._thread = anyio.Event(), threading.get_ident()
            with anyio.move_on_after(timeout):
                await self._event.wait()
            self._event = None
        self._called = False
