from __future__ import annotations

from typing import Any, cast

from joelclaw_bus import OutboxItem, Slot
from joelclaw_bus.outbox import Outbox
from joelclaw_healing import Postman


class Taken:
    def __init__(self) -> None:
        self.letters: list[tuple[Slot, OutboxItem]] = []

    def post(self, slot: Slot, item: OutboxItem) -> None:
        self.letters.append((slot, item))


def test_letters_go_to_the_outbox_once_there_is_one_and_before_that_nothing_breaks() -> None:
    postman, taken, slot, item = Postman(), Taken(), Slot("s", ""), cast(Any, object())
    postman.post(slot, item)
    postman.outbox = cast(Outbox, taken)
    postman.post(slot, item)
    assert taken.letters == [(slot, item)]
