"""streaq: streams and Lua, sent by its pipelined `enqueue_many`, no results kept, no logs of tasks. Its worker moves
what is due every half second, which it offers no setting for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from bench.peers import probe
from streaq import Worker


class Streaq(probe.Bus):
    async def open(self) -> None:
        self.client, self.task = self._queue(None)
        await self.client.__aenter__()

    def _queue(self, handle: probe.Handle | None) -> tuple[Worker, Any]:
        """A worker of streaq's, which is its client as well: one that works must not have been opened before."""
        worker = Worker(
            redis_url=self.ask.url, concurrency=self.ask.parallel, idle_timeout=self.ask.lease, handle_signals=False
        )

        @worker.task(name="job", ttl=0, silent=True)
        async def job(number: int, sent: float, text: str) -> None:
            assert handle
            await handle(number, sent)

        return worker, job

    async def close(self) -> None:
        await self.client.__aexit__(None, None, None)

    def _task(self, number: int, sent: float, at: float) -> Any:
        task = self.task.enqueue(number, sent, probe.PAYLOAD)
        task.id = f"job-{number}"
        return task.start(schedule=datetime.fromtimestamp(at, UTC)) if at else task

    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        await self._task(number, sent, at)

    async def send_page(self, jobs: list[tuple[int, float]]) -> None:
        await self.client.enqueue_many([self._task(number, 0.0, at) for number, at in jobs])

    async def work(self, handle: probe.Handle, stop: asyncio.Event) -> None:
        worker, _ = self._queue(handle)
        await probe.until(stop, worker.run_async())


if __name__ == "__main__":
    probe.main(Streaq)
