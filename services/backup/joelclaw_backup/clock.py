"""This machine's clock."""

from __future__ import annotations

import time


def now_ms() -> int:
    """ms since the epoch."""
    return int(time.time() * 1000)
