"""arq: a sorted set that the worker polls, here every 10 ms (its default of 500 ms would be its latency); results are
not kept. What is in hand is held by a key that lives for the job's time-out and ten seconds, and is not renewed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func
from bench.peers import probe


class Arq(probe.Bus):
    async def open(self) -> None:
        self.settings = RedisSettings.from_dsn(self.ask.url)
        self.pool = await create_pool(self.settings)

    async def close(self) -> None:
        await self.pool.aclose()

    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        when = {"_defer_until": datetime.fromtimestamp(at, UTC)} if at else {}
        await self.pool.enqueue_job("job", number, sent, probe.PAYLOAD, _job_id=f"job-{number}", **when)

    async def work(self, handle: probe.Handle, stop: asyncio.Event) -> None:
        async def job(ctx: Any, number: int, sent: float, text: str) -> None:
            await handle(number, sent)

        worker = Worker(
            functions=[func(job, name="job")],
            redis_settings=self.settings,
            handle_signals=False,
            max_jobs=self.ask.parallel,
            poll_delay=0.01,
            keep_result=0,
            job_timeout=self.ask.lease,
        )
        await probe.until(stop, worker.async_run())
        with suppress(asyncio.CancelledError):  # of the jobs that it cancels at its end
            await worker.close()


if __name__ == "__main__":
    probe.main(Arq)
