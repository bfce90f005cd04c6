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
| `{NAME}:marks`           | hash   | function -> acked-through mark                    | never (one per function)  |
| `{NAME}:waits`           | zset   | runs that wait for this event, by when they stop  | match, unwait             |
| `{NAME}:waits:items`     | hash   | what each of them waits for                       | match, unwait             |
| `{NAME}:waits:index`     | zset   | KEY:ID of each, to find them by what an event says| match, unwait             |
| `{NAME}:waits:forms`     | hash   | which fields are asked for -> how many ask        | match, unwait             |
| `{NAME}:claimer:FN`      | string | who may take over work now                        | expires                   |
| `{NAME}:auditor`         | string | who audits this slot now                          | expires                   |
| `{NAME}:confirmed`       | string | nothing: the write that a confirmation waits for  | expires                   |
| `{NAME}:cron`            | hash   | high-water mark and generation per schedule       | never (one per schedule)  |
| `{FN}:permits:KEY`       | zset   | runs that hold a permit, by expiry                | release                   |
| `{FN}:permits:KEY:claims`| hash   | which begin of its run took each permit           | release, acquire          |
| `{FN}:waiters:KEY`       | zset   | runs that wait for one, by arrival                | release, acquire          |
| `{bus}:slots`            | hash   | slot name -> when it was registered               | never (one per slot)      |
| `{bus}:functions`        | hash   | function id -> its registration                   | never (one per function)  |
| `{bus}:workers`          | hash   | worker id -> its heartbeat                        | its end, housekeeping     |
| `{bus}:services`         | hash   | service -> what its workers last said of it       | never (one per service)   |
| `{bus}:pauses`           | hash   | function id -> why and until when it is paused    | resume, promotion sweeps  |
| `{bus}:sweeper`          | string | who looks after slots that nobody reads           | expires                   |

NAME and FN carry the deployment prefix. The braces are part of the key: they make all of a slot's keys hash alike.
Names can hold no braces, so the tag of a plain stream key is its whole name.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from joelclaw_contracts import NameInvalid, check_name, check_prefix

WAITS_GROUP = "~waits"
"""The system group of an awaited stream. No function can be called so."""
_ENTRY_ID = re.compile(r"[0-9]+-[0-9]+")


def check_function(function: str) -> str:
    """A function id: it follows the grammar of event names, since it stands in keys as they do."""
    try:
        return check_name(function)
    except NameInvalid as error:
        raise NameInvalid("function id", function, error.problem) from None


_KINDS = (
    (re.compile(r"ready:[^:{}]+\Z"), "ready", "stream"),
    (re.compile(r"run:[^:{}]+:.+\Z", re.DOTALL), "run", "hash"),
    (re.compile(r"(open|ended|due|outbox)\Z"), "", "zset"),
    (re.compile(r"due:items\Z"), "due items", "hash"),
    (re.compile(r"outbox:items\Z"), "outbox items", "hash"),
    (re.compile(r"waits\Z"), "waits", "zset"),
    (re.compile(r"waits:(?:items|forms)\Z"), "waits items", "hash"),
    (re.compile(r"waits:index\Z"), "waits index", "zset"),
    (re.compile(r"dead\Z"), "", "stream"),
    (re.compile(r"buried:\d+-\d+\Z"), "buried", "string"),
    (re.compile(r"ids\Z"), "", "zset"),
    (re.compile(r"ids:\d+\Z"), "ids of a generation", "hash"),
    (re.compile(r"(marks|cron)\Z"), "", "hash"),
    (re.compile(r"confirmed\Z"), "confirmed", "string"),
    (re.compile(r"claimer:[^:{}]+\Z"), "claimer", "string"),
    (re.compile(r"auditor\Z"), "", "string"),
    (re.compile(r"(permits):[0-9a-f]{24}\Z"), "", "zset"),
    (re.compile(r"permits:[0-9a-f]{24}:claims\Z"), "claims", "hash"),
    (re.compile(r"(waiters):[0-9a-f]{24}\Z"), "", "zset"),
)
_BUS_KINDS = {"slots": "hash", "functions": "hash", "workers": "hash", "services": "hash"}
_BUS_KINDS |= {"pauses": "hash", "sweeper": "string"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key is, by the table above: its row, its type in the store, and its slot's tag."""

    row: str
    type: str
    tag: str


def kind_of(key: str, prefix: str = "") -> Kind | None:
    """The row of the table that a key belongs to; None: no key of ours."""
    tagged, braces, rest = key.removeprefix("{").partition("}:")
    if not key.startswith("{"):
        return Kind("event stream", "stream", key) if _is_named(key, prefix) else None
    if not braces or not _is_named(tagged, prefix):
        return None
    if tagged == prefix + "bus" and rest in _BUS_KINDS:
        return Kind(rest, _BUS_KINDS[rest], tagged)
    for form, row, kind in _KINDS:
        found = form.match(rest)
        if found:
            return Kind(row or (found[1] if found.groups() else rest), kind, tagged)
    return None


def _is_named(tag: str, prefix: str) -> bool:
    if not tag.startswith(prefix):
        return False
    try:
        check_name(tag.removeprefix(prefix))
    except NameInvalid:
        return False
    return True


def confirmed_key(key: str) -> str:
    """The key that is written to confirm a write of `key`'s slot; of any key, a stranger's too."""
    tag = key[1:].partition("}")[0] if key.startswith("{") else key
    return "{" + tag + "}:confirmed"


def run_id(function: str, event_id: str, *, given: bool = False) -> str:
    """A run is (function, event id); a function id holds no colon, so the first one parts the two.

    given: the id is the producer's. One that looks like an entry id is told apart from it, or a producer that passes
    on the entry ids of another stream could take a stranger's event for its own.
    """
    return f"{function}:{'=' if given and _ENTRY_ID.fullmatch(event_id) else ''}{event_id}"


def parts_of_run(run: str) -> tuple[str, str]:
    """(function, event id) of a run id; NameInvalid when it has no colon."""
    function, colon, event_id = run.partition(":")
    if not colon or not event_id:
        raise NameInvalid("run id", run, "is not FUNCTION:EVENT-ID")
    return check_function(function), event_id


def consumer_name(host: str, pid: int, incarnation: str) -> str:
    """A worker's name in every group: unique per incarnation, and it says whose hands these are."""
    return f"{host}-{pid}-{incarnation}"


def parts_of_consumer(consumer: str) -> tuple[str, int]:
    """(host, pid) of a worker's name; ('', 0) for one that is none of ours."""
    host, _, rest = consumer.rpartition("-")[0].rpartition("-")
    return (host, int(rest)) if rest.isdigit() else ("", 0)


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
    def nudges(self) -> str:
        """Pub/sub channel on which a new earliest due time is announced: `SLOT MS`."""
        return self.prefix + "bus/nudges"
