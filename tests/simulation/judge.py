"""The ledger outside the store: it sees every call as the server carried it out, and every handler as it runs.

What it holds against the bus needs none of the bus's own bookkeeping. Who may write for an entry is whoever it was last
delivered to; and of those, the last one that began. Each broken promise is a line in `broken`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.many import SHAPES, each_of
from joelclaw_bus.observer import Fact, WorkerFault
from tests.simulation.wire import Refusal, Word

if TYPE_CHECKING:
    from tests.simulation.process import Process

RUN_KEY = {"step": -1, "park": 2, "finish": -1}
"""Where a writing script has the run's key."""
ENTRY_AT = {"step": 5, "park": 2, "finish": 4}
"""Where its arguments name the entry; the claim follows."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A handler at work."""

    process: Process
    delivery: Delivery
    limit: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Waited:
    """A wait that is over. `began_ms`: the first begin of its run, `until_ms`: its end, both by the server's clock;
    `over`: when its run went on, in true time."""

    key: str
    came: bool
    began_ms: int
    until_ms: int
    over: float


@dataclass(eq=False)
class Judge:
    now_ms: Callable[[], int]
    """The server's time, which may be set."""
    true: Callable[[], float]
    """Seconds since the history began, which nobody sets."""
    lease_ms: int
    keep_trace: bool = False
    broken: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    ends: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """Run key -> (claim, status) of each end that was accepted."""
    recorded: dict[tuple[str, str], bytes] = field(default_factory=dict)
    ticked: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Schedule -> the nominal instants that were enqueued, in order."""
    marks: dict[str, int] = field(default_factory=dict)
    """Schedule -> where it began."""
    latest_ms: int = 0
    """The furthest that the server's clock ever was: what was due by then is not early."""
    most: dict[str, int] = field(default_factory=dict)
    """Function -> its limit."""

    def __post_init__(self) -> None:
        self._digest = blake2b(digest_size=16)
        self._processes: dict[str, Process] = {}
        self._holder: dict[tuple[str, str, str], str] = {}
        """(stream, function, entry) -> the consumer it was last delivered to."""
        self._began: dict[str, str] = {}
        self._begin_ms: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._until: dict[tuple[str, str], int] = {}
        self._accepted: set[tuple[str, str, str, str]] = set()
        self._seen: dict[tuple[str, str], Any] = {}
        self._inside: list[Inside] = []
        self._open: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._limit_of: dict[str, tuple[str, str]] = {}
        self._tokens = 0
        self._first_begin: dict[str, int] = {}
        self._waits_until: dict[tuple[str, str], int] = {}
        self.waits: dict[tuple[str, str], Waited] = {}
        """By run key and step, those that are over."""

    # What the server did

    def saw_command(self, process: Process, command: Sequence[Word], answer: Any) -> None:
        name = str(command[0])
        self._note(process, name, command[1:], answer)
        if name == "XREADGROUP" and isinstance(answer, list):
            for stream, entries in answer:
                for entry, _ in entries:
                    self._holder[stream.decode(), str(command[2]), entry.decode()] = process.consumer

    def saw_script(self, process: Process, name: str, keys: Sequence[str], args: Sequence[Word], answer: Any) -> None:
        self._note(process, name, [*keys, *args], answer)
        if isinstance(answer, Refusal):
            self.broken.append(f"{name} of {process.name} was refused: {answer}")
            return
        if name in SHAPES:
            for (own_keys, own_args), own in zip(each_of(name, keys, args), answer, strict=True):
                self._saw_one(process, name, own_keys, own_args, own)
        else:
            self._saw_one(process, name, keys, args, answer)

    def _saw_one(self, process: Process, name: str, keys: Sequence[str], args: Sequence[Word], answer: Any) -> None:
        """A script's call, for one run where many share it."""
        if isinstance(answer, Refusal):
            self.broken.append(f"{name} of {process.name} was refused: {answer}")
            return
        self.counts[name] += 1
        if name in RUN_KEY and answer[0] == 1:
            self._wrote(process, name, keys, [str(a) if not isinstance(a, bytes) else a.decode() for a in args], answer)
        elif name == "begin" and answer[0] in (1, 3):
            self._begun(keys, args)
        elif name == "takeover" and answer[0] == 1:
            self._taken(process, keys[0], str(args[0]), [row[0].decode() for row in answer[3]])
        elif name == "tick" and isinstance(answer[0], bytes):
            if int(args[2]) > self.now_ms():
                self._break(f"a tick of {args[2]} was enqueued {int(args[2]) - self.now_ms()} ms early")
            if answer[0]:
                self.ticked[str(args[0])].append(int(args[2]))
        elif name == "register_schedule":
            self.marks.setdefault(str(args[0]), answer[1])

    def _begun(self, keys: Sequence[str], args: Sequence[Word]) -> None:
        run, claim = keys[-1], str(args[6])
        self._began[run], self._begin_ms[claim] = claim, self.now_ms()
        self._first_begin.setdefault(run, self.now_ms())
        due = self._due.pop(run, 0)
        if due > self.latest_ms:
            self._break(f"{run} began {due - self.latest_ms:.0f} ms before it was due")

    def _wrote(self, process: Process, name: str, keys: Sequence[str], args: Sequence[str], answer: Any) -> None:
        """A write that the server accepted: by whom it may be, and what it may say."""
        source, run = keys[0], keys[RUN_KEY[name]]
        entry, claim = args[ENTRY_AT[name] : ENTRY_AT[name] + 2]
        what = args[8] if name == "step" else name
        if name == "step":
            if args[9].encode() != answer[1]:
                return  # it was told what the first one recorded
            first = self.recorded.setdefault((run, what), answer[1])
            if first != answer[1]:
                self._break(f"step {what} of {run} was recorded twice: {first!r}, {answer[1]!r}")
        again = (name, run, claim, what)
        if again in self._accepted:
            return  # it asks again, since it never heard the answer
        self._accepted.add(again)
        if self._holder.get((source, args[0], entry)) != args[1]:
            self._break(f"zombie: {name} of {run} by {process.name}, which lost the entry")
        if self._began.get(run, claim) != claim:
            self._break(f"zombie: {name} of {run} by an older claim")
        if name == "finish":
            self.ends[run].append((claim, args[7]))
            self._open[self._limit_of.pop(run, ("", ""))].discard(run)
        if name == "park":
            if args[6] == "due":
                self._due[run] = float(answer[1])
            if args[9] and args[10]:
                self._waits_until.setdefault((run, args[9]), answer[1])
            elif args[9]:
                self._until.setdefault((run, args[9]), answer[1])
        if name != "step":
            self._began.pop(run, None)

    def _taken(self, by: Process, stream: str, function: str, entries: list[str]) -> None:
        for entry in entries:
            key = (stream, function, entry)
            owner = self._processes.get(self._holder.get(key, ""))
            self._holder[key] = by.consumer
            self.counts["taken over"] += 1
            if owner is None or owner.stopped or owner.worker is None or owner.worker.leases is None:
                continue
            held = key in owner.worker.leases._held
            if held and self.now_ms() - owner.thawed_ms > self.lease_ms:
                self._break(f"{by.name} took {entry} of {stream} over from {owner.name}, which was well")

    # What handlers did

    def knows(self, process: Process) -> None:
        self._processes[process.consumer] = process

    def act(self) -> int:
        """A side effect: no two give the same value."""
        self._tokens += 1
        return self._tokens

    def saw_value(self, run: str, step: str, value: Any) -> None:
        """A handler goes on with a step's value: it is the same for every begin."""
        first = self._seen.setdefault((run, step), value)
        if first != value:
            self._break(f"the value of step {step} of {run} changed from {first!r} to {value!r}")

    def waited(self, delivery: Delivery, step: str, key: str, came: bool) -> None:
        """A handler goes on after a wait; every begin of its run hears the same of it."""
        run = delivery.slot.run(delivery.run)
        until = self._waits_until.get((run, step), 0)
        self.saw_value(delivery.key, step, came)
        self.waits.setdefault((run, step), Waited(key, came, self._first_begin.get(run, 0), until, self.true()))
        if not came and until > self.latest_ms:
            self._break(f"{run} gave up {step} {until - self.latest_ms} ms early")

    def woke(self, delivery: Delivery, step: str) -> None:
        """A handler goes on after a sleep."""
        until = self._until.get((delivery.slot.run(delivery.run), step), 0)
        began = max(self._begin_ms.get(delivery.claim, 0), 0)
        if began < until:
            self._break(f"{delivery.key} woke from {step} {until - began} ms early")

    def enter(self, process: Process, delivery: Delivery, key: str) -> Inside:
        """A handler begins: those of its limit that rightly run at this moment may not be too many."""
        self.knows(process)
        inside = Inside(process, delivery, (delivery.function, key))
        self._inside.append(inside)
        most = self.most.get(delivery.function)
        if most is not None and self._rightful(inside):
            run = delivery.slot.run(delivery.run)
            if delivery.function.endswith("alone"):
                self._limit_of[run] = inside.limit
                self._open[inside.limit].add(run)
                many = len(self._open[inside.limit])
            else:
                many = len({i.delivery.key for i in self._inside if i.limit == inside.limit and self._rightful(i)})
            if many > most:
                self._break(f"{many} runs of {inside.limit} at once; {most} are allowed")
        return inside

    def leave(self, inside: Inside) -> None:
        self._inside.remove(inside)

    def _rightful(self, inside: Inside) -> bool:
        """Whether its delivery is its own still."""
        d = inside.delivery
        if inside.process.dead or self._holder.get((d.source, d.function, d.entry)) != d.consumer:
            return False
        return self._began.get(d.slot.run(d.run), d.claim) == d.claim

    def saw(self, fact: Fact) -> None:
        self.counts[type(fact).__name__] += 1
        if isinstance(fact, WorkerFault):
            self._break(f"a defect of the bus: {fact}")

    def _break(self, what: str) -> None:
        self.broken.append(f"{self.now_ms()} {what}")
        if self.keep_trace:
            self.trace.append(f"!!! {what}")

    # The trace

    def _note(self, process: Process, name: str, words: Sequence[Word], answer: Any) -> None:
        """Every call as the server carried it out; nothing that would be otherwise when it is played again."""
        now = self.now_ms()
        if name == "INFO":
            answer = "its run id"  # and much that is this process's own
        elif name in ("begin", "HGETALL") and isinstance(answer, list):
            # A hash has no order; the server draws another one each time it starts.
            answer = [[*a[:3], len(a[3])] if len(a) > 3 else a for a in answer] if name == "begin" else len(answer)
        self.latest_ms = max(self.latest_ms, now)
        self._digest.update(f"{now} {process.name} {name} {len(words)} {_shape(answer)}\n".encode())
        if self.keep_trace:
            said = " ".join(str(w)[:60] for w in words)
            self.trace.append(f"{now} {process.name} {name} {said} -> {_shape(answer)}")

    def digest(self) -> str:
        return self._digest.hexdigest()


def _shape(answer: Any) -> str:
    """A reply, short: its numbers and words, without the names of consumers."""
    match answer:
        case list():
            return "[" + ",".join(_shape(a) for a in answer[:6]) + f"/{len(answer)}]"
        case bytes():
            return f"{len(answer)}b" if len(answer) > 24 else answer.decode("utf-8", "replace")
        case _:
            return str(answer)[:60]
