"""One of every fact, for the tests of observers."""

from __future__ import annotations

from typing import get_args

from joelclaw_bus import observer as o

RUN = "fn:1"
STARTED = o.RunStarted("fn", RUN, "a/b", 1, 0, "")
ENDED = o.RunEnded("fn", RUN, "a/b", "completed", 0.2, "")
FAILED = o.RunEnded("fn", RUN, "a/b", "failed", 0.2, "Boom: redis://u:hunter2@h")

EVERY: list[o.Fact] = [
    STARTED,
    o.StepRecorded("fn", RUN, "probe", 0.1),
    o.RunParked("fn", RUN, "due", 1),
    o.RunRetried("fn", RUN, 2, 1, "Boom"),
    ENDED,
    FAILED,
    o.RunCancelled("fn", RUN, "c/d", "1-1", "waiting"),
    o.Debounced("fn", RUN, "fn:2"),
    o.DuplicateDropped("fn", RUN),
    o.EventBuried("fn", "a/b", "1-1", "field x", True),
    o.EventBuried("fn", "a/b", "1-1", "field x", False),
    o.UnknownFields("a/b", ("extra",)),
    o.WriteRefused("fn", RUN, "finish", "claim"),
    o.WorkerFault("fn", "1-1", "KeyError: 'x'"),
    o.LeaseLost("fn", RUN),
    o.TakenOver("fn", "a/b", 2, ("1-1",)),
    o.TakenOver("fn", "a/b", 2, ()),
    o.Promoted("a/b", 3, 20),
    o.OutboxDelivered("a/b", "event", "c/d"),
    o.OutboxUndeliverable("a/b", "item", "too old"),
    o.Stuck("a/b", "outbox item", "WRONGTYPE"),
    o.Unstuck("a/b", "outbox item"),
    o.TickEnqueued("fn", "*/5 * * * *", 1, 10),
    o.Trimmed("a/b", 7),
    o.StreamLost("fn", "a/b", "0"),
    o.WaitEnded("test/ask:1", "test/answered", "1-1"),
    o.AuditFound("test/asked", "never-due", ("test/ask:1",), "repaired"),
    o.AuditFound("test/asked", "entry-lost", ("test/ask:2", "test/ask:3"), "lost"),
    o.AuditFound("test/asked", "newer-format", ("test/ask:4",), "left"),
    o.StoreTrouble("redis://h:1", "reading", "it does not answer"),
    o.StoreBack("redis://h:1", 2.5),
    o.Discontinuity("redis://h:1", "run id changed"),
]
assert {type(f) for f in EVERY} == set(get_args(o.Fact)), "a fact is missing here"
