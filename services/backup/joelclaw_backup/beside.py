"""Tasks that go on beside a block and end with it; what the block raises arrives as itself, not in a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio


@asynccontextmanager
async def beside(*tasks: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """The tasks are cancelled when the block ends; they are to raise nothing themselves."""
    failed: Exception | None = None
    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(task)
        try:
            yield
        except Exception as error:  # raised again below, where no group wraps it
            failed = error
        group.cancel_scope.cancel()
    if failed is not None:
        raise failed
