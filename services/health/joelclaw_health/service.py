"""Health put together: a worker over its functions, which also carries the letters of the book and of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from joelclaw_bus import Observer, Store, Unobserved, Worker, WorkerSettings
from joelclaw_healing import Ledger, Postman, Voice
from joelclaw_health.alerting.apprise_target import Send, send
from joelclaw_health.alerting.delivery import Delivery
from joelclaw_health.alerting.memory import Memory
from joelclaw_health.alerting.outlets import Outlets
from joelclaw_health.alerting.terminal import Terminal
from joelclaw_health.book import Book
from joelclaw_health.clinic import Clinic
from joelclaw_health.functions import functions_of
from joelclaw_health.sample import Sample
from joelclaw_health.settings import Settings


def worker_of(
    store: Store,
    settings: Settings,
    voice: Voice,
    terminal: Terminal,
    outlets: Outlets,
    *,
    send: Send = send,
    outside: Callable[[int], Sequence[Sample]] | None = None,
    worker: WorkerSettings | None = None,
    observer: Observer | None = None,
) -> Worker:
    """A worker that is health. Calls no store."""
    postman = Postman()
    book, ledger = Book(store, postman.post), Ledger(store, postman.post)
    delivery = Delivery(Memory(store), outlets, terminal, send)
    functions = functions_of(Clinic(store, settings, book, ledger, voice, outside), delivery)
    made = Worker(
        store,
        functions,
        worker or WorkerSettings(),
        observer=observer or Unobserved(),
        also=(book.slot, ledger.slot),
    )
    postman.outbox = made.outbox
    return made
