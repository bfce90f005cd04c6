"""How events move and how durable functions survive, on Redis or Valkey streams.

Reading order: keys (what lies where), functions and step (what a service writes), run_calls with lua/ (one run's life
in the store), execute and settle (one delivery), worker (what turns).
"""

from joelclaw_bus.awaited import Arrived, Awaited
from joelclaw_bus.backoff import Backoff
from joelclaw_bus.batch import ToSend
from joelclaw_bus.cancel_on import CancelOn, cancel_on
from joelclaw_bus.errors import (
    BatchCutShort,
    BusError,
    EventInvalid,
    RegistrationInvalid,
    Reject,
    RetryAfter,
    StateDirectoryBusy,
    StoreRefused,
    StoreUnavailable,
    StoreUnfit,
)
from joelclaw_bus.event import Event, Failure, Tick
from joelclaw_bus.functions import Functions, cron, event
from joelclaw_bus.keys import Keys, Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.observer import Fact, Observer, Unobserved
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.pace import Debounce, Limit, RateLimit
from joelclaw_bus.publisher import Publisher, item_of
from joelclaw_bus.script import Script, load_script
from joelclaw_bus.slot_calls import Published, SlotCalls
from joelclaw_bus.step import Step
from joelclaw_bus.store import Store, StoreSettings, open_store
from joelclaw_bus.worker import Health, Worker
from joelclaw_bus.worker_settings import WorkerSettings

__all__ = [
    "Arrived",
    "Awaited",
    "Backoff",
    "BatchCutShort",
    "BusError",
    "CancelOn",
    "Debounce",
    "Event",
    "EventInvalid",
    "Fact",
    "Failure",
    "Functions",
    "Health",
    "Keys",
    "Limit",
    "Limits",
    "Observer",
    "OutboxItem",
    "Published",
    "Publisher",
    "RateLimit",
    "RegistrationInvalid",
    "Reject",
    "RetryAfter",
    "Script",
    "Slot",
    "SlotCalls",
    "StateDirectoryBusy",
    "Step",
    "Store",
    "StoreRefused",
    "StoreSettings",
    "StoreUnavailable",
    "StoreUnfit",
    "Tick",
    "ToSend",
    "Unobserved",
    "Worker",
    "WorkerSettings",
    "cancel_on",
    "cron",
    "event",
    "item_of",
    "load_script",
    "open_store",
]
