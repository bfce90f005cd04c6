"""The promises, held against what was answered and seen. The ledger knows nothing of how the bus works.

| promise                                                    | kept by                                  |
|------------------------------------------------------------|------------------------------------------|
| no zombie write is accepted                                | only the newest begin of a run may write |
| no run has two ends                                        | `ended`                                  |
| a recorded step's value never changes                      | `stepped`                                |
| nothing comes early                                        | `begun`, `look`                          |
| one append per id and window                               | `published`, `look`                      |
| cron only goes forward: each instant once                  | `ticked`                                 |
| never more holders than the limit                          | `look`                                   |
| no exclusive handler beside another one's that may be at work | `at_work`                             |
| no event is lost: each ends, or is set aside, in each group | `unaccounted`, when all has been drained |
"""

from __future__ import annotations

from dataclasses import dataclass, field

from joelclaw_bus.keys import Keys
from joelclaw_bus.run_names import run_id
from tests.model.picture import Picture
from tests.model.spec.nouns import Hand, Id, parsed

Name = tuple[str, str]
FOREIGN = '{"from":"a stranger"}'
SPOILT = "no JSON"


@dataclass
class Ledger:
    window: int
    record: int
    """How long the record of a run that ended is kept."""
    now: int = 0
    newest: dict[Name, str] = field(default_factory=dict)
    first: dict[Name, int] = field(default_factory=dict)
    """When a run was begun for the first time: its id is known from then on, for a window."""
    ends: dict[Name, tuple[str, int]] = field(default_factory=dict)
    """By which claim, and when the run had begun."""
    values: dict[tuple[Name, str], str] = field(default_factory=dict)
    rests: dict[Name, int] = field(default_factory=dict)
    appends: dict[Name, int] = field(default_factory=dict)
    delayed: dict[Name, int] = field(default_factory=dict)
    entries: dict[tuple[str, str], str] = field(default_factory=dict)
    """(slot, entry) -> its event id, '' when it has none."""
    own: dict[Name, list[int]] = field(default_factory=dict)
    set_aside: set[tuple[str, str, str]] = field(default_factory=set)
    lost: set[Name] = field(default_factory=set)
    over: dict[Name, int] = field(default_factory=dict)
    """When a run ended last."""
    regrouped: set[Name] = field(default_factory=set)
    """(slot, function) whose group was lost."""
    again: set[Name] = field(default_factory=set)
    """Runs that had ended when their group was lost: they may end once more."""
    last_tick: int = 0
    busy: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(function, member, claim) of handlers under an exclusive permit -> until when their worker's lease lasts."""

    def at_work(self, h: Hand, until: int) -> None:
        """A handler begins. An earlier begin of its own run has lost its entry to it."""
        self.gave_way(h)
        beside = [name for name, till in self.busy.items() if name[0] == h.fn and till > self.now]
        assert not beside, f"{h.run} is at work beside {beside}"
        self.is_at_work(h, until, begins=True)

    def is_at_work(self, h: Hand, until: int, *, begins: bool = False) -> None:
        """Its worker has renewed its lease; who has stopped stays so."""
        name = (h.fn, h.member, h.claim)
        if begins or name in self.busy:
            self.busy[name] = until

    def stopped(self, h: Hand) -> None:
        self.busy.pop((h.fn, h.member, h.claim), None)

    def gave_way(self, h: Hand) -> None:
        """What a later begin of a run has written down shows that those before it are over."""
        for name in [name for name in self.busy if name[:2] == (h.fn, h.member)]:
            del self.busy[name]

    def begun(self, h: Hand) -> None:
        name = (h.slot, h.run)
        assert self.now >= self.rests.pop(name, 0), f"{h.run} goes on before it is due"
        self.newest[name] = h.claim
        self.first.setdefault(name, self.now)

    def wrote(self, h: Hand) -> None:
        newest = self.newest.setdefault((h.slot, h.run), h.claim)
        assert newest == h.claim, f"a zombie's write was accepted: {h}, but the newest begin is {newest}"

    def stepped(self, h: Hand, step: str, value: str) -> None:
        self.wrote(h)
        first = self.values.setdefault(((h.slot, h.run), step), value)
        assert first == value, f"step {step} of {h.run} was {first} and is {value}"

    def parked(self, h: Hand, state: str, due: int) -> None:
        self.wrote(h)
        if state == "due":
            self.rests[h.slot, h.run] = due

    def ended(self, h: Hand) -> None:
        self.wrote(h)
        name = (h.slot, h.run)
        claim, began = self.ends.get(name, (h.claim, self.now))
        may = self.now - began > self.window or name in self.again or self._comes_again(name, h.fn)
        self.over[name] = self.now
        assert claim == h.claim or may, f"{h.run} has two ends: by {claim} and by {h.claim}"
        self.again.discard(name)
        if claim != h.claim or name not in self.ends:
            self.ends[name] = (h.claim, self.first.pop(name, self.now))
        for key in [key for key in self.values if key[0] == name]:
            del self.values[key]

    def cancelled(self, slot: str, run: str) -> None:
        name = (slot, run)
        may = name not in self.ends or name in self.again or self.now - self.ends[name][1] > self.window
        may = may or self._comes_again(name, run.partition(":")[0])
        self.over[name] = self.now
        assert may, f"{run} had ended, and was cancelled"
        self.again.discard(name)
        self.newest[name] = "nobody"
        self.ends[name] = ("nobody", self.first.pop(name, self.now))
        self.rests.pop(name, None)

    def _comes_again(self, name: Name, fn: str) -> bool:
        """What a lost group had read comes again, under the run records that remain: this one's is gone."""
        return (name[0], fn) in self.regrouped and self.now - self.over.get(name, self.now) >= self.record

    def group_lost(self, slot: str, fn: str, mark: Id) -> None:
        """What came after the mark comes again: what left no record may run once more, as any other begin may."""
        self.regrouped.add((slot, fn))
        for (where, entry), event_id in self.entries.items():
            if where == slot and parsed(entry) > mark:
                name = (slot, run_id(fn, event_id or entry, given=bool(event_id)))
                if name in self.ends:
                    self.again.add(name)
                    self.newest.pop(name, None)

    def redriven(self, slot: str, run: str) -> None:
        """It may end once more, and only who begins it now may write. Its id is known since its first begin."""
        name = (slot, run)
        assert name in self.ends, f"{run} had not ended, and was opened again"
        self.first[name] = self.ends.pop(name)[1]
        self.newest[name] = "nobody"

    def published(self, slot: str, event_id: str, due: int) -> None:
        """A publish that was no duplicate."""
        if event_id:
            before = self.appends.get((slot, event_id))
            assert before is None or self.now - before > self.window, f"{event_id} was appended twice in its window"
            self.appends[slot, event_id] = self.now
            if due > self.now:
                self.delayed[slot, event_id] = due

    def ticked(self, nominal: int) -> None:
        assert nominal <= self.now, f"the tick of {nominal} came {nominal - self.now} ms early"
        assert nominal > self.last_tick, f"the tick of {nominal} came after that of {self.last_tick}"
        self.last_tick = nominal

    def look(self, picture: Picture, keys: Keys, slots: list[str], limits: dict[tuple[str, str], int]) -> None:
        """What the whole store says."""
        for slot in slots:
            for entry, fields in picture.get(keys.slot(slot).stream, ({}, {}))[0].items():
                if (slot, entry) in self.entries:
                    continue
                event_id, at = fields.get("id", ""), parsed(entry)[0]
                self.entries[slot, entry] = event_id
                if not event_id or fields["data"] in (FOREIGN, SPOILT):
                    continue
                due = self.delayed.pop((slot, event_id), None)
                assert due is None or at >= due, f"{event_id} came {(due or 0) - at} ms early"
                before = self.own.setdefault((slot, event_id), [])
                twice = due is None and any(at - other <= self.window for other in before)
                assert not twice, f"{event_id} is on {slot} twice within its window"
                before.append(at)
        for (fn, key), most in limits.items():
            holders = picture.get(keys.function_slot(fn).permits(key), {})
            alive = [member for member, until in holders.items() if until > self.now]
            assert len(alive) <= most, f"{fn} may run {most} times, and these have a permit: {alive}"

    def unaccounted(self, groups: list[tuple[str, str]]) -> list[str]:
        """Events that ended nowhere, group by group."""
        missing = []
        for slot, fn in groups:
            for (where, entry), event_id in self.entries.items():
                name = (slot, run_id(fn, event_id or entry, given=bool(event_id)))
                known = name in self.ends or name in self.lost or (slot, fn, entry) in self.set_aside
                if where == slot and not known:
                    missing.append(f"{fn} never ended {entry} of {slot}")
        return missing
