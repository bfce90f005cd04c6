"""The router put together: a worker over the desk's functions, which also carries the ledger's letters."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from joelclaw_bus import Worker, WorkerSettings
from joelclaw_bus.observer import Observer, Unobserved
from joelclaw_bus.store import Store
from joelclaw_healing.evidence import Voice
from joelclaw_healing.ledger import Ledger
from joelclaw_healing.postman import Postman
from joelclaw_router.advice.adviser import Adviser
from joelclaw_router.desk import Desk
from joelclaw_router.eyes import Eyes
from joelclaw_router.functions import functions_of
from joelclaw_router.judgement import Bench
from joelclaw_router.rulebook import Rulebook


def worker_of(
    store: Store,
    rules: Rulebook,
    voice: Voice,
    *,
    settings: WorkerSettings | None = None,
    observer: Observer | None = None,
    dice: Callable[[], float] = random.random,
    advisers: Mapping[str, Adviser] | None = None,
) -> Worker:
    """A worker that is the router. Calls no store: whatever is wrong with the rules shows before anything connects."""
    postman = Postman()
    ledger = Ledger(store, postman.post)
    functions = functions_of(Desk(ledger, Bench(rules, voice), dice, advisers or {}, Eyes(store)))
    worker = Worker(
        store,
        functions,
        settings or WorkerSettings(),
        observer=observer or Unobserved(),
        also=(ledger.slot,),
    )
    postman.outbox = worker.outbox
    return worker
