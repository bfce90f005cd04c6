"""pydocket: streams with renewed leases; looks for due work every 10 ms (its default: 250), keeps no record of what
ended, and reads as much at once as may run at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from bench.peers import probe
from docket import Docket, Worker

OFTEN = timedelta(milliseconds=10)


class Pydocket(probe.Bus):
    async def open(self) -> None:
        self.handle: probe.Handle | None = None

        async def job(number: int, sent: float, text: str) -> None:
            assert self.handle
            await self.handle(number, sent)

        self.docket = Docket(name="bench", url=f"{self.ask.url}?max_connections=1000", execution_ttl=timedelta(0))
        await self.docket.__aenter__()
        self.docket.register(job)
        self.job = job

    async def close(self) -> None:
        await self.docket.__aexit__(None, None, None)

    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        when = datetime.fromtimestamp(at, UTC) if at else None
        await self.docket.add(self.job, when=when, key=f"job-{number}")(number, sent, probe.PAYLOAD)

    async def work(self, handle: probe.Handle, stop: asyncio.Event) -> None:
        self.handle = handle
        settings = {"concurrency": self.ask.parallel, "message_batch": self.ask.parallel}
        often = {"minimum_check_interval": OFTEN, "scheduling_resolution": OFTEN}
        lease = timedelta(seconds=self.ask.lease)
        async with Worker(
            self.docket, redelivery_timeout=lease, schedule_automatic_tasks=False, **settings, **often
        ) as w:
            await probe.until(stop, w.run_forever())


if __name__ == "__main__":
    probe.main(Pydocket)
