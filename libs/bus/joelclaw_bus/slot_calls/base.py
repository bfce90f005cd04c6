"""What every room of the slot calls stands on."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.keys import Keys
from joelclaw_bus.limits import Limits
from joelclaw_bus.store import Store


@dataclass(frozen=True, slots=True)
class Calls:
    store: Store
    limits: Limits

    @property
    def keys(self) -> Keys:
        return self.store.keys
