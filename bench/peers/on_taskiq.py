"""taskiq with taskiq-redis: `RedisStreamBroker`, its broker that acknowledges, a hundred messages a read, no results,
parameters not validated. Its due jobs come from a scheduler process that looks on an interval: not measured. It takes
over what another worker left when it has read something new, and renews nothing: what takes longer runs twice."""

from __future__ import annotations

import asyncio

from bench.peers import probe
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker


class Taskiq(probe.Bus):
    async def open(self) -> None:
        self.broker = RedisStreamBroker(
            self.ask.url, consumer_id="0", idle_timeout=int(self.ask.lease * 1000), unacknowledged_lock_timeout=30.0
        )
        self.handle: probe.Handle | None = None

        @self.broker.task(task_name="job")
        async def job(number: int, sent: float, text: str) -> None:
            assert self.handle
            await self.handle(number, sent)

        self.job = job
        await self.broker.startup()

    async def close(self) -> None:
        await self.broker.shutdown()

    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        if at:
            raise RuntimeError("taskiq's broker knows no due jobs")
        await self.job.kiq(number, sent, probe.PAYLOAD)

    async def work(self, handle: probe.Handle, stop: asyncio.Event) -> None:
        self.handle = handle
        work = run_receiver_task(self.broker, validate_params=False, max_async_tasks=self.ask.parallel)
        await probe.until(stop, work)


if __name__ == "__main__":
    probe.main(Taskiq)
