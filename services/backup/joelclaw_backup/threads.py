"""Blocking calls on this machine's own disk, in threads: the loop and its leases live meanwhile.

What lies at a destination is for `killable.py`: this disk may be slow or full, but it does not hang for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
STALL = 300.0


async def in_thread(act: Callable[..., T], *args: Any) -> T:
    """One blocking call; TimeoutError when it shows no end within `STALL` seconds."""
    with anyio.fail_after(STALL):
        result: T = await anyio.to_thread.run_sync(act, *args, abandon_on_cancel=True)
        return result
