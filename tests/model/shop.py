"""The small world of the model: two events, three functions, three workers, and how many may run at once."""

from __future__ import annotations

from typing import ClassVar

from joelclaw_contracts import EventModel

ORDER, PAID = "shop/order", "shop/paid"
PACK, BILL, THANK = "shop/pack", "shop/bill", "shop/thank"
GROUPS = [(ORDER, PACK), (ORDER, BILL), (PAID, THANK)]
KEY = "all"
LIMITS = {(PACK, KEY): 2, (BILL, KEY): 1}
"""How many may run: `pack` while they execute (its permits expire), `bill` until they end (its permits don't)."""
TTL = {PACK: 5 * 60_000, BILL: 0}
WORKERS = ["ann", "bob", "cyd"]


class Order(EventModel):
    event_name: ClassVar[str] = ORDER

    tag: str = ""


class Paid(EventModel):
    event_name: ClassVar[str] = PAID

    tag: str = ""


MODELS: dict[str, type[EventModel]] = {ORDER: Order, PAID: Paid}
