"""Health put together: a worker over its functions, which also carries the letters of the book and of the ledger."""

from __future__ import annotations

from collections.abc import Callable

from joelclaw_bus import Observer, Store, Unobserved, Worker, WorkerSettings
from joelclaw_contracts import SendMessage
from joelclaw_healing import Ledger, Postman, Voice
from joelclaw_health.book import Book
from joelclaw_health.clinic import Clinic
from joelclaw_health.functions import functions_of
from joelclaw_health.settings import Settings


def worker_of(
    store: Store,
    settings: Settings,
    voice: Voice,
    deliver: Callable[[SendMessage], None],
    *,
    worker: WorkerSettings | None = None,
    observer: Observer | None = None,
) -> Worker:
    """A worker that is health. Calls no store."""
    postman = Postman()
    book, ledger = Book(store, postman.post), Ledger(store, postman.post)
    functions = functions_of(Clinic(store, settings, book, ledger, voice), deliver)
    made = Worker(
        store,
        functions,
        worker or WorkerSettings(),
        observer=observer or Unobserved(),
        also=(book.slot, ledger.slot),
    )
    postman.outbox = made.outbox
    return made
