from __future__ import annotations

import pytest

from joelclaw_bus import Store
from joelclaw_healing.ledger import Ledger


@pytest.fixture
def ledger(store: Store) -> Ledger:
    """Over an empty store, plain and as a one-node cluster: an undeclared key or a second slot fails at once."""
    return Ledger(store)
