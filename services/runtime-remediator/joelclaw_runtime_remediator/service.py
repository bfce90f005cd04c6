"""The remediator put together: a worker over its functions, which also carries the guard's letters."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from joelclaw_bus import Observer, Store, Unobserved, Worker, WorkerSettings
from joelclaw_contracts import Config
from joelclaw_healing import Guard, Ledger, Postman, Voice
from joelclaw_runtime_remediator.functions import INVESTIGATOR, RUNTIME, functions_of
from joelclaw_runtime_remediator.investigate import Investigator
from joelclaw_runtime_remediator.probe import Prober
from joelclaw_runtime_remediator.remedy import Remedy
from joelclaw_runtime_remediator.settings import limits_of, times_of
from joelclaw_runtime_remediator.supervise import Supervisor


def worker_of(
    store: Store,
    config: Config,
    voice: Voice,
    *,
    state_file: Path,
    environ: Mapping[str, str],
    settings: WorkerSettings | None = None,
    observer: Observer | None = None,
    at: Callable[[str], None] = lambda place: None,
) -> Worker:
    """A worker that is the remediator. Calls no store. environ: what the supervised command gets."""
    settings = settings or WorkerSettings()
    postman = Postman()
    ledger = Ledger(store, postman.post)
    runtime = config.runtime
    supervisor = Supervisor(
        runtime.command, state_file, state_file.with_suffix(".log"), runtime.stop_ms / 1000, dict(environ)
    )
    prober = Prober(store, supervisor, runtime.url, runtime.probe_timeout_ms / 1000, settings.lease_ms, RUNTIME)
    guard = Guard(
        ledger, voice, f"{voice.session_id}-{secrets.token_hex(4)}", limits_of(config), config.alerts.channels(None)
    )
    remedy = Remedy(guard, prober, supervisor, times_of(config), runtime.configured, at)
    investigator = Investigator(store, voice, INVESTIGATOR, runtime.url)
    worker = Worker(
        store,
        functions_of(remedy, investigator, config.schedules),
        settings,
        observer=observer or Unobserved(),
        also=(ledger.slot,),
    )
    postman.outbox = worker.outbox
    return worker
