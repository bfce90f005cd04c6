"""What a bus remembers. All times are ms; an entry id is a pair of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

Id = tuple[int, int]
Fields = dict[str, str]
MINUTE = 60_000
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Bounds:
    """The limits that the model is run with: small, and far apart from each other."""

    lease: int = 10 * MINUTE
    steps: int = 4
    run_bytes: int = 600
    begins: int = 2
    dedupe: int = 24 * HOUR
    events: int = HOUR
    ended: int = 2 * HOUR
    buried: int = 3 * HOUR
    unread: int = 30 * 24 * HOUR
    head_start: int = 1_000


@dataclass
class Hold:
    """One pending entry: whose it is, how often it was delivered, since when it lies untouched."""

    consumer: str
    count: int
    since: int


@dataclass
class Group:
    delivered: Id = (0, 0)
    pending: dict[Id, Hold] = field(default_factory=dict)


@dataclass
class Stream:
    entries: dict[Id, Fields] = field(default_factory=dict)
    last: Id = (0, 0)
    groups: dict[str, Group] = field(default_factory=dict)

    def add(self, now: int, fields: Fields) -> Id:
        self.last = (now, 0) if now > self.last[0] else (self.last[0], self.last[1] + 1)
        self.entries[self.last] = fields
        return self.last


@dataclass(frozen=True)
class Hand:
    """A delivery in the hands of one worker, under one claim. It stays there when the worker loses it: a zombie."""

    slot: str
    fn: str
    consumer: str
    entry: Id
    run: str
    claim: str
    ready: bool
    event_id: str = ""
    spoilt: bool = False

    def __repr__(self) -> str:
        return (
            f"<{self.claim}: {self.consumer} has {self.run} by {'ready ' * self.ready}{self.entry[0]}-{self.entry[1]}>"
        )

    @property
    def at(self) -> str:
        return f"{'r' if self.ready else 's'}{self.entry[0]}-{self.entry[1]}"

    @property
    def member(self) -> str:
        return f"{self.slot}|{self.run}"


@dataclass(frozen=True)
class Wanted:
    """One awaited event: its name, the fields its data must have, and from which entry on it counts."""

    event: str
    match: tuple[tuple[str, str], ...]
    since: Id


@dataclass
class Waiting:
    """What a run waits for, until when, and which entries came: by the number of the awaited event."""

    all: bool
    events: tuple[Wanted, ...]
    until: int
    text: str
    """As the record keeps it."""
    came: dict[int, str] = field(default_factory=dict)


@dataclass
class Wait:
    """One awaited event of one run, as the awaited slot keeps it."""

    slot: str
    run: str
    step: str
    number: int
    wanted: Wanted
    ends: int
    text: str


@dataclass
class Run:
    """A run's record. `at`: the entry that stands for it while it is queued; `by`: the claim that moved it last."""

    fn: str
    at: str
    claim: str
    created: int
    moved: int
    state: str = "queued"
    by: str = ""
    attempt: int = 0
    begins: int | None = None
    journal: Fields = field(default_factory=dict)
    steps: int = 0
    size: int | None = None
    due: int | None = None
    body: Fields | None = None
    errors: dict[int, str] = field(default_factory=dict)
    handed: bool = False
    permit: dict[str, object] | None = None
    """What a cancel must send, so that its permit comes back."""
    wait: str = ""
    """The step that waits; its wait and those that were not journaled yet are in `waits`."""
    waits: dict[str, Waiting] = field(default_factory=dict)
    status: str = ""
    result: str = ""
    error: str = ""
    ended: int = 0
    redriven: int | None = None
    """How often it was opened again after it had failed."""
    kept: int = 0
    """How long it is remembered after its end, where that is not `Bounds.ended`."""


@dataclass
class Letter:
    """An item in an outbox."""

    item: dict[str, object]
    next_try: int
    tries: int = 0


@dataclass
class Gate:
    """The permits of one function and key: who has one until when, taken by which begin, and until when its handler is
    at work; who waits since when."""

    holders: dict[str, float] = field(default_factory=dict)
    claims: Fields = field(default_factory=dict)
    at_work: dict[str, int] = field(default_factory=dict)
    waiters: dict[str, int] = field(default_factory=dict)


@dataclass
class Schedule:
    expression: str
    generation: int
    mark: int
    since: int
    seen: int


@dataclass
class Slot:
    """One event name and all that belongs to it."""

    name: str
    events: Stream = field(default_factory=Stream)
    ready: dict[str, Stream] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    delayed: dict[str, Fields] = field(default_factory=dict)
    ids: dict[str, tuple[Id | None, int]] = field(default_factory=dict)
    """Event id -> (its first entry, or None while it waits to be due; since when it is known)."""
    outbox: dict[str, Letter] = field(default_factory=dict)
    dead: Stream = field(default_factory=Stream)
    buried: dict[Id, int] = field(default_factory=dict)
    marks: dict[str, Id] = field(default_factory=dict)
    starts: dict[str, Id] = field(default_factory=dict)
    redo: dict[str, Id] = field(default_factory=dict)
    """Up to where a group that was lost may have delivered: such entries come again, to whomever."""
    claimers: dict[str, tuple[str, int]] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)

    @property
    def open(self) -> dict[str, int]:
        return {name: run.moved for name, run in self.runs.items() if run.state != "ended"}


@dataclass
class Bus:
    now: int
    bounds: Bounds = Bounds()
    slots: dict[str, Slot] = field(default_factory=dict)
    gates: dict[tuple[str, str], Gate] = field(default_factory=dict)
    pauses: dict[str, int] = field(default_factory=dict)
    """Function -> until when it is held back; 0: until it is resumed."""

    def slot(self, name: str) -> Slot:
        return self.slots.setdefault(name, Slot(name))

    def gate(self, fn: str, key: str) -> Gate:
        return self.gates.setdefault((fn, key), Gate())

    def source(self, h: Hand) -> Stream:
        slot = self.slot(h.slot)
        return slot.ready[h.fn] if h.ready else slot.events

    def advance(self, ms: int) -> None:
        """Time passes: what was kept for a time is forgotten."""
        self.now += ms
        for slot in self.slots.values():
            slot.runs = {
                name: run
                for name, run in slot.runs.items()
                if run.state != "ended" or self.now < run.ended + (run.kept or self.bounds.ended)
            }
            slot.buried = {entry: at for entry, at in slot.buried.items() if self.now < at + self.bounds.buried}
            slot.claimers = {fn: c for fn, c in slot.claimers.items() if self.now < c[1]}
            slot.ids = {name: seen for name, seen in slot.ids.items() if self.now - seen[1] <= self.bounds.dedupe}

    def may_advance(self, ms: int) -> bool:
        """Between the window and an eighth more an id may be known or not (decision 0001): not looked at here."""
        ages = [self.now + ms - since for slot in self.slots.values() for _, since in slot.ids.values()]
        return not any(self.bounds.dedupe - HOUR < age <= self.bounds.dedupe * 9 // 8 + HOUR for age in ages)


def text(entry: Id) -> str:
    return f"{entry[0]}-{entry[1]}"


def parsed(entry: str | bytes) -> Id:
    ms, _, number = (entry.decode() if isinstance(entry, bytes) else entry).partition("-")
    return int(ms), int(number)
