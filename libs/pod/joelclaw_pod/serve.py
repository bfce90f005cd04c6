"""One service, from its environment to its exit code.

    def main() -> None:
        raise SystemExit(run_service("router", build))     # build(pod: Pod) -> WorkerLike

| exit code | when                                                                                          |
|-----------|-----------------------------------------------------------------------------------------------|
| 0         | SIGTERM or SIGINT, and everything ended within the grace                                      |
| 1         | a fault: the worker ended by itself, the stop took too long, a bug                            |
| 2         | settings, names, configuration or a probes' address that a person has to mend                 |
| 128 + n   | a second signal n: at once, open runs are taken over when their leases expire                 |

Each of them but 0 leaves one line on stderr. One task group owns the worker, the probes, the evidence and the watch.
SIGHUP reads the configuration again (`shifts.py`); a start that the configuration stops is in `alerts.log` too.
"""

from __future__ import annotations

import faulthandler
import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio

import joelclaw_contracts
from joelclaw_bus.errors import AddressInvalid, BusError, RegistrationInvalid
from joelclaw_bus.store import StoreSettings, open_store
from joelclaw_contracts import Config, ConfigError, load_config
from joelclaw_contracts.redact import redact_text
from joelclaw_pod import collector
from joelclaw_pod.advertise import advertised
from joelclaw_pod.errors import CannotListen, PodError, SettingsError, StopOverdue
from joelclaw_pod.evidence import Evidence
from joelclaw_pod.fact_evidence import FactEvidence
from joelclaw_pod.last_resort import LastResort, StoreWatch
from joelclaw_pod.logs import setup_logs
from joelclaw_pod.metrics import Metrics
from joelclaw_pod.probes import Probes
from joelclaw_pod.ready_file import prepare_ready_file, remove_ready_file, write_ready_file
from joelclaw_pod.settings import ServiceSettings, read_settings
from joelclaw_pod.shell import Build, Gate, Pod
from joelclaw_pod.shifts import CONDITION, Shifts
from joelclaw_pod.store_wait import wait_for_store
from joelclaw_pod.tee import Tee
from joelclaw_pod.tracing import Tracing

log = logging.getLogger(__name__)

OK, FAULT, REFUSED = 0, 1, 2
MARGIN = 5.0  # seconds beyond the grace: the worker keeps its own deadline, this one is for a worker that doesn't
FLUSH = 2.0  # seconds for the last evidence
REFUSALS = (
    SettingsError,
    AddressInvalid,
    CannotListen,
    ConfigError,
    RegistrationInvalid,
    joelclaw_contracts.NameInvalid,
)
hangups: list[int] = []
"""Those that came before the loop could hear them: the configuration may have been read before they meant it."""


def run_service(name: str, build: Build, *, environ: Mapping[str, str] | None = None) -> int:
    """Run one service until it is told to stop; its exit code (see above).

    `environ`: os.environ unless told otherwise. Call it from the main thread: signals arrive there.
    """
    faulthandler.enable()
    signal.signal(signal.SIGHUP, lambda number, _frame: hangups.append(number))
    state_dir: Path | None = None
    try:
        settings = read_settings(name, os.environ if environ is None else environ)
        state_dir = settings.state_dir
        config = _load(settings)
    except REFUSALS as error:
        return _refuse(name, error, state_dir)
    setup_logs(name, settings.log_level)
    hard_end = _HardEnd()
    collector.calm()
    try:
        anyio.run(_serve, settings, config, build, hard_end, backend="asyncio")
    except KeyboardInterrupt:  # Ctrl-C in the moment before signals are heard
        return 128 + signal.SIGINT
    except (Exception, BaseExceptionGroup) as error:  # the last frame: whatever it is becomes one line and a code
        cause = _only_cause(error)
        if isinstance(cause, REFUSALS):
            return _refuse(name, cause, state_dir)
        known = isinstance(cause, PodError | BusError)
        log.critical("%s ends: %s", name, cause if known else repr(cause), exc_info=None if known else cause)
        return FAULT
    finally:
        hard_end.disarm()
    log.info("%s has stopped", name)
    return OK


async def _serve(settings: ServiceSettings, config: Config, build: Build, hard_end: _HardEnd) -> None:
    prepare_ready_file(settings.ready_file)
    metrics, gate, stop = Metrics(), Gate(), anyio.Event()
    tracing = Tracing(settings.service, system_id=settings.system_id, endpoint=settings.otlp_endpoint)
    resort = LastResort(settings.service, settings.state_dir)
    watch = StoreWatch(resort)
    metrics.watch(gate.health)
    where = StoreSettings(
        settings.redis_url, settings.prefix, durability=settings.durability, min_replicas=settings.min_replicas
    )
    async with open_store(where) as store:
        evidence = Evidence(store, settings.service, settings.system_id, on_drop=metrics.evidence_dropped)
        observer = Tee(metrics, tracing, FactEvidence(evidence), watch)
        known: dict[str, object] = {"service": settings.service, "pid": os.getpid(), "started": time.time_ns() // 10**6}
        pod = Pod(store, settings, config, observer, evidence, tracing, known, resort)
        # Built before anything is connected: a wrong configuration stops the start at once.
        shifts = Shifts(pod, build, gate, resort, stop, load=lambda: _load(settings))
        probes = Probes(settings.service, gate.health, metrics.page, settings.http_host, settings.http_port)
        try:
            async with anyio.create_task_group() as group:
                work = anyio.CancelScope()
                group.start_soon(_hear_signals, settings, gate, stop, work, hard_end, shifts.hangup)
                group.start_soon(shifts.heed)
                http = await group.start(probes.serve)
                known["http"] = advertised(http)
                log.info("%s listens for probes", settings.service, extra={"http": http})
                group.start_soon(watch.run)
                group.start_soon(evidence.run)
                with work:
                    for warning in await wait_for_store(store, gate, observer):
                        evidence.emit("warn", "store", "store.unfit", True, error=warning)
                    gate.opened(shifts.worker)
                    group.start_soon(write_ready_file, settings.ready_file, gate, settings.service, http)
                    about: dict[str, object] = {"pid": os.getpid(), "http": http, "config": shifts.pod.config.hash}
                    evidence.emit("info", "service", "service.started", True, metadata=about)
                    await shifts.run()
                if work.cancelled_caught and anyio.current_time() >= work.deadline:
                    raise StopOverdue(settings.service, settings.grace + MARGIN)
                evidence.emit("info", "service", "service.stopped", True, metadata={"pid": os.getpid()})
                await evidence.flush(FLUSH)
                group.cancel_scope.cancel()
        finally:
            remove_ready_file(settings.ready_file)
            tracing.close()


async def _hear_signals(
    settings: ServiceSettings,
    gate: Gate,
    stop: anyio.Event,
    work: anyio.CancelScope,
    hard_end: _HardEnd,
    hangup: Callable[[], None],
) -> None:
    """SIGHUP reads the configuration again. Of the others the first stops the service within its grace, the second
    ends the process where it stands."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        if hangups:
            hangup()
        async for number in signals:
            if number == signal.SIGHUP:
                hangup()
                continue
            if stop.is_set():
                log.critical("%s again: ending at once", number.name)
                logging.shutdown()
                os._exit(128 + number)
            log.info("%s: stopping, at most %g s", number.name, settings.grace)
            gate.waiting("stopping")
            stop.set()
            if gate.worker is None:  # nothing runs yet, so nothing has to be ended with care
                work.cancel()
            work.deadline = anyio.current_time() + settings.grace + MARGIN
            hard_end.arm(settings.grace + MARGIN + FLUSH + MARGIN)


class _HardEnd:
    """Ends the process from a thread, for what even a cancellation can't end: a shielded call that hangs."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @staticmethod
    def _end() -> None:
        faulthandler.dump_traceback(all_threads=True)  # which call it was that hung
        os._exit(FAULT)


def _only_cause(error: BaseException) -> BaseException:
    """The fault inside a task group's groups; of several the first: the others follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _load(settings: ServiceSettings) -> Config:
    # Not Path.home(): it fails for the user ids without a name that Kubernetes gives out.
    return load_config(settings.environ, home=Path(settings.environ.get("HOME") or "/"))


def _refuse(name: str, error: BaseException, state_dir: Path | None) -> int:
    lines = "; ".join(line.strip() for line in str(error).splitlines())  # a ConfigError has a line per problem
    if isinstance(error, ConfigError):  # the one line on stderr is this alert's other half
        LastResort(name, state_dir, stream=io.StringIO()).tell("opened", CONDITION, lines)
    print(redact_text(f"{name}: {lines}"), file=sys.stderr)
    return REFUSED
