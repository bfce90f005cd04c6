"""A tiny service for the process tests: its worker is ready at once, and does what MODE says.

work: until stopped · slow-stop: drains as long as it may · stuck: ignores stop · shielded: even a cancellation ·
ends: by itself · breaks: raises · misbuilt: declares what can't be ·
real: the worker of the bus, with one function
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import anyio

from joelclaw_bus import Event, Functions, Step, Worker, event
from joelclaw_bus.errors import RegistrationInvalid
from joelclaw_bus.observer import RunEnded, RunStarted
from joelclaw_contracts import HealthCheckRequested
from joelclaw_pod import Condition, Health, Pod, WorkerLike, run_service, serve


@dataclass
class FakeWorker:
    pod: Pod
    mode: str
    running: bool = False

    async def run(self, *, stop: anyio.Event, grace: float) -> None:
        self.running = True
        self.pod.observer.saw(RunStarted("fake", "fake:1", "a/b", 1, 0, ""))
        self.pod.observer.saw(RunEnded("fake", "fake:1", "a/b", "failed", 0.1, "Boom: on purpose"))
        match self.mode:
            case "ends":
                return
            case "breaks":
                raise RuntimeError("a bug, with redis://u:hunter2@h")
            case "stuck":
                await anyio.sleep_forever()
            case "shielded":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep_forever()
        await stop.wait()
        if self.mode == "slow-stop":
            await anyio.sleep(grace)

    def health(self) -> Health:
        return Condition(ready=self.running, in_flight=1)


FUNCTIONS = Functions()


@FUNCTIONS.function("fake/handle", on=[event(HealthCheckRequested)], retries=1)
async def handle(event: Event[HealthCheckRequested], step: Step) -> None:
    del event, step


def build(pod: Pod) -> WorkerLike:
    if mode == "misbuilt":
        raise RegistrationInvalid("fake", "no trigger\nat all")
    if mode == "real":
        return Worker(pod.store, FUNCTIONS, settings=pod.worker_settings, observer=pod.observer)
    return FakeWorker(pod, mode)


if __name__ == "__main__":
    mode = sys.argv[1] if len(sys.argv) > 1 else "work"
    serve.MARGIN = serve.FLUSH = 0.5  # the shell's own patience, shortened
    raise SystemExit(run_service("fake", build))
