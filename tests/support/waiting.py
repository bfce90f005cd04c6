"""Waiting for what the store itself tells nobody: its clock, and what its keys say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from joelclaw_bus import Store


async def until(holds: Callable[[], Awaitable[object]], within: float = 60) -> None:
    """Waits until it holds. The deadline only bounds a broken test."""
    with anyio.fail_after(within):
        while not await holds():  # noqa: ASYNC110 - it is the store's, and has no event
            await anyio.sleep(0.01)


async def later(store: Store, ms: int) -> None:
    """Waits for the server's clock: windows and delays are measured by it."""
    at = await store.time_ms() + ms

    async def passed() -> bool:
        return await store.time_ms() >= at

    await until(passed)
