"""Where everything lies in the store: the only place that spells a key.

A *slot* is one event name and all that belongs to it, in one cluster slot:

| key                      | type   | what                                              | who clears it             |
|--------------------------|--------|---------------------------------------------------|---------------------------|
| `NAME`                   | stream | the events                                        | trim, behind every group  |
| `{NAME}:ready:FN`        | stream | retries and wake-ups of one function              | finish and park, at once  |
| `{NAME}:run:RUN`         | hash   | one run: state, fence, journal                    | expires after its end     |
| `{NAME}:open`            | zset   | runs that are not ended, by when they last moved  | finish                    |
| `{NAME}:ended`           | zset   | runs that ended, by when                          | housekeeping              |
| `{NAME}:due`             | zset   | what waits: `r:RUN` or `e:ID`, by server time, ms | promote                   |
| `{NAME}:due:items`       | hash   | bodies of the delayed events                      | promote                   |
| `{NAME}:outbox`          | zset   | what must cross to another slot, by next try      | delivery                  |
| `{NAME}:outbox:items`    | hash   | its bodies                                        | delivery                  |
| `{NAME}:dead`            | stream | dead letters                                      | operators, a length limit |
| `{NAME}:buried:ENTRY`    | string | this entry was buried already                     | expires                   |
| `{NAME}:ids`             | zset   | generations of the dedupe index, by their start   | publish                   |
| `{NAME}:ids:N`           | hash   | one generation: event id -> entry id              | expires, publish          |
| `{NAME}:marks`           | hash   | function -> acked-through mark; ids' own marks    | never (one per function)  |
| `{NAME}:waits`           | zset   | runs that wait for this event, by when they stop  | await, match, unwait, audit|
| `{NAME}:waits:items`     | hash   | what each of them waits for                       | await, match, unwait, audit|
| `{NAME}:waits:index`     | zset   | KEY:ID of each, to find them by what an event says| await, match, unwait, audit|
| `{NAME}:waits:forms`     | hash   | which fields are asked for -> how many ask        | await, match, unwait, audit|
| `{NAME}:claimer:FN`      | string | who may take over work now                        | expires                   |
| `{NAME}:auditor`         | string | who audits this slot now                          | expires                   |
| `{NAME}:confirmed`       | string | nothing: the write that a confirmation waits for  | expires                   |
| `{NAME}:cron`            | hash   | high-water mark and generation per schedule       | never (one per schedule)  |
| `{FN}:permits:KEY`       | zset   | runs that hold a permit, by expiry                | release                   |
| `{FN}:permits:KEY:claims`| hash   | each permit's begin, and how long it is at work   | release, acquire          |
| `{FN}:waiters:KEY`       | zset   | runs that wait for one, by arrival                | release, acquire          |
| `{FN}:rate:KEY`          | zset   | runs that started within the rate's period, by when| expires                  |
| `{FN}:rate:KEY:line`     | zset   | runs that wait for their turn, by arrival         | turn, expires             |
| `{FN}:rate:KEY:turns`    | zset   | the same, by when their turn is                   | turn, expires             |
| `{FN}:debounce:KEY`      | hash   | the last event's run of a key, and until when it is to be quiet | expires     |
| `{bus}:slots`            | hash   | slot name -> when it was registered               | never (one per slot)      |
| `{bus}:functions`        | hash   | function id -> its registration                   | never (one per function)  |
| `{bus}:workers`          | hash   | worker id -> its heartbeat                        | its end, housekeeping     |
| `{bus}:services`         | hash   | service -> what its workers last said of it       | never (one per service)   |
| `{bus}:pauses`           | hash   | function id -> why and until when it is paused    | resume                    |
| `{bus}:sweeper`          | string | who looks after slots that nobody reads           | expires                   |
| `{bus}:identity`         | string | which store this is, for who remembers it         | never                     |

NAME and FN carry the deployment prefix. The braces are part of the key: they make all of a slot's keys hash alike.
Names can hold no braces, so the tag of a plain stream key is its whole name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from joelclaw_bus.run_names import check_function
from joelclaw_contracts import check_name, check_prefix

WAITS_GROUP = "~waits"
"""The system group of an awaited stream. No function can be called so."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The addresses of one event name (or of one function's permits)."""

    name: str
    prefix: str = ""

    @property
    def stream(self) -> str:
        return self.prefix + self.name

    def key(self, *parts: str) -> str:
        """`{NAME}:a:b`: any further key of this slot. Other rooms (incidents) take theirs from here."""
        return "{" + self.prefix + self.name + "}:" + ":".join(parts)

    def ready(self, function: str) -> str:
        return self.key("ready", function)

    def run(self, run: str) -> str:
        return self.key("run", run)

    @property
    def open(self) -> str:
        return self.key("open")

    @property
    def ended(self) -> str:
        return self.key("ended")

    @property
    def due(self) -> str:
        return self.key("due")

    @property
    def due_items(self) -> str:
        return self.key("due", "items")

    @property
    def outbox(self) -> str:
        return self.key("outbox")

    @property
    def outbox_items(self) -> str:
        return self.key("outbox", "items")

    @property
    def dead(self) -> str:
        return self.key("dead")

    def buried(self, entry: str) -> str:
        return self.key("buried", entry)

    @property
    def waits(self) -> str:
        return self.key("waits")

    @property
    def wait_items(self) -> str:
        return self.key("waits", "items")

    @property
    def wait_index(self) -> str:
        return self.key("waits", "index")

    @property
    def wait_forms(self) -> str:
        return self.key("waits", "forms")

    @property
    def ids(self) -> str:
        return self.key("ids")

    @property
    def marks(self) -> str:
        return self.key("marks")

    def claimer(self, function: str) -> str:
        return self.key("claimer", function)

    @property
    def auditor(self) -> str:
        return self.key("auditor")

    @property
    def cron(self) -> str:
        return self.key("cron")

    def permits(self, key: str) -> str:
        return self.key("permits", _short(key))

    def claims(self, key: str) -> str:
        return self.key("permits", _short(key), "claims")

    def waiters(self, key: str) -> str:
        return self.key("waiters", _short(key))

    def starts(self, key: str) -> str:
        return self.key("rate", _short(key))

    def line(self, key: str) -> str:
        return self.key("rate", _short(key), "line")

    def window(self, key: str) -> str:
        return self.key("debounce", _short(key))

    def turns(self, key: str) -> str:
        return self.key("rate", _short(key), "turns")


def _short(key: str) -> str:
    """A permit key is data (a target's name): hashed, so that it can hold anything."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Keys:
    """All slots of a deployment, and the few keys of the bus itself."""

    prefix: str = ""

    def __post_init__(self) -> None:
        check_prefix(self.prefix)

    def slot(self, name: str) -> Slot:
        return Slot(check_name(name), self.prefix)

    def slot_of_key(self, stream: str) -> Slot:
        """The slot whose stream has this key."""
        return self.slot(stream.removeprefix(self.prefix))

    def cron_slot(self, function: str) -> Slot:
        """Where a function's ticks are events: a stream of its own."""
        return self.slot(f"cron/{check_function(function)}")

    def function_slot(self, function: str) -> Slot:
        """Where a function's permits lie."""
        return self.slot(f"fn/{check_function(function)}")

    @property
    def bus(self) -> Slot:
        return Slot("bus", self.prefix)

    @property
    def slots(self) -> str:
        """Hash: slot name -> when it was registered, ms."""
        return self.bus.key("slots")

    @property
    def functions(self) -> str:
        """Hash: function id -> its registration, JSON."""
        return self.bus.key("functions")

    @property
    def workers(self) -> str:
        """Hash: worker id -> its heartbeat, JSON; written only after a successful read cycle."""
        return self.bus.key("workers")

    @property
    def services(self) -> str:
        """Hash: service -> what its workers last said of themselves, JSON. Stays when the last worker is gone."""
        return self.bus.key("services")

    @property
    def pauses(self) -> str:
        """Hash: function id -> why it is paused, by whom and until when, JSON."""
        return self.bus.key("pauses")

    @property
    def sweeper(self) -> str:
        """Which worker looks after the slots that nobody reads."""
        return self.bus.key("sweeper")

    @property
    def identity(self) -> str:
        """Which store this is: lost with all else, so that whoever remembers it learns of the loss."""
        return self.bus.key("identity")

    @property
    def nudges(self) -> str:
        """Pub/sub channel on which a new earliest due time is announced: `SLOT MS`."""
        return self.prefix + "bus/nudges"


def confirmed_key(key: str) -> str:
    """The key that is written to confirm a write of `key`'s slot; of any key, a stranger's too."""
    tag = key[1:].partition("}")[0] if key.startswith("{") else key
    return "{" + tag + "}:confirmed"
