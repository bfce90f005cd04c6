"""Carries letters of a ledger, a guard or a book to the outbox of a worker that is made after them."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus import OutboxItem, Slot
from joelclaw_bus.outbox import Outbox


@dataclass(slots=True)
class Postman:
    """Letters are written before there is a worker to carry them; until `outbox` is set the sweep delivers."""

    outbox: Outbox | None = None

    def post(self, slot: Slot, item: OutboxItem) -> None:
        if self.outbox is not None:
            self.outbox.post(slot, item)
