"""Which facts of the bus are evidence, and which of those should page (`success=false`: work or data is lost or stuck).

| fact                        | level | success | action                   |
|-----------------------------|-------|---------|--------------------------|
| EventBuried, the first time | error | false   | bus.event.buried         |
| TakenOver with lost entries | error | false   | bus.entries.lost         |
| StreamLost                  | error | false   | bus.stream.lost          |
| AuditFound, lost            | error | false   | bus.audit.lost           |
| OutboxUndeliverable         | error | false   | bus.outbox.undeliverable |
| Stuck                       | error | false   | bus.stuck                |
| Unstuck                     | info  | true    | bus.unstuck              |
| RunEnded, failed            | error | true    | bus.run.failed           |
| RunCancelled                | info  | true    | bus.run.cancelled        |
| Debounced                   | info  | true    | bus.run.debounced        |
| WorkerFault                 | error | true    | bus.worker.fault         |
| WriteRefused, LeaseLost     | warn  | true    | bus.write.refused, bus.lease.lost |
| StoreTrouble                | warn  | true    | bus.store.trouble        |
| StoreBack                   | info  | true    | bus.store.back           |
| Discontinuity               | warn  | true    | bus.discontinuity        |
| UnknownFields               | warn  | true    | bus.fields.unknown       |
| AuditFound, repaired, left  | warn  | true    | bus.audit.repaired, bus.audit.left |
| all others                  |       |         | (none: they are counted) |

A failed run doesn't page by itself: its failure event goes to the router, who retries, pauses or calls a person.
A fault of the worker doesn't: the entry comes again, and if it never ends it is buried, which does.
StoreTrouble doesn't either: its page goes by a path without the store (`last_resort.py`), as StreamLost's does too.
"""

from __future__ import annotations

from joelclaw_bus import observer as o
from joelclaw_contracts import Level
from joelclaw_pod.evidence import Evidence


class FactEvidence:
    """An observer that leaves evidence."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def saw(self, fact: o.Fact) -> None:
        match fact:
            case o.EventBuried(first=True):
                metadata = {"function": fact.function, "event": fact.event, "entry": fact.entry}
                self._lost(fact.function, "bus.event.buried", fact.error, **metadata)
            case o.TakenOver() if fact.lost:
                entries = {"stream": fact.stream, "count": len(fact.lost), "samples": fact.lost[:6]}
                text = f"entries were deleted while pending: {len(fact.lost)} of {fact.stream}"
                self._lost(fact.function, "bus.entries.lost", text, **entries)
            case o.StreamLost():
                text = (
                    f"a stream or its group was gone, or came back older: {fact.stream}, resumed at {fact.resumed_at}"
                )
                marks = {"stream": fact.stream, "resumedAt": fact.resumed_at}
                self._lost(fact.function, "bus.stream.lost", text, **marks)
            case o.AuditFound():
                about = {"rule": fact.rule, "count": len(fact.names), "samples": fact.names[:6]}
                text = f"the auditor found {fact.rule}: {len(fact.names)} in {fact.slot}"
                if fact.remedy == "lost":
                    self._lost(fact.slot, "bus.audit.lost", text, **about)
                else:
                    self._note("warn", fact.slot, f"bus.audit.{fact.remedy}", text, None, **about)
            case o.OutboxUndeliverable():
                self._lost(fact.slot, "bus.outbox.undeliverable", fact.reason, item=fact.item)
            case o.Stuck():
                self._lost(fact.slot or "store", "bus.stuck", fact.reason, what=fact.what)
            case o.Unstuck():
                self._note("info", fact.slot or "store", "bus.unstuck", None, what=fact.what)
            case o.RunEnded(status="failed"):
                self._note("error", fact.function, "bus.run.failed", fact.error, fact.seconds, run=fact.run)
            case o.RunCancelled():
                about = {"run": fact.run, "event": fact.event, "entry": fact.entry, "was": fact.was}
                self._note("info", fact.function, "bus.run.cancelled", None, None, **about)
            case o.Debounced():
                self._note("info", fact.function, "bus.run.debounced", None, None, run=fact.run, by=fact.by)
            case o.WriteRefused():
                about = {"run": fact.run, "operation": fact.operation}
                self._note("warn", fact.function, "bus.write.refused", fact.reason, **about)
            case o.WorkerFault():
                self._note("error", fact.function, "bus.worker.fault", fact.error, entry=fact.entry)
            case o.LeaseLost():
                self._note("warn", fact.function, "bus.lease.lost", "the lease was lost", run=fact.run)
            case o.StoreTrouble():
                self._note("warn", "store", "bus.store.trouble", fact.error, doing=fact.doing, where=fact.where)
            case o.StoreBack():
                self._note("info", "store", "bus.store.back", None, fact.after_seconds, where=fact.where)
            case o.Discontinuity():
                self._note("warn", "store", "bus.discontinuity", fact.reason, where=fact.where)
            case o.UnknownFields():
                text = f"fields that the model doesn't know: {', '.join(fact.fields[:20])}"
                self._note("warn", fact.event, "bus.fields.unknown", text)
            case _:
                pass  # counted by the metrics; a record of each would drown the rest

    def _lost(self, component: str, action: str, error: str, /, **metadata: object) -> None:
        self._evidence.emit("error", component, action, False, error=error, metadata=metadata)

    def _note(
        self,
        level: Level,
        component: str,
        action: str,
        error: str | None,
        seconds: float | None = None,
        /,
        **more: object,
    ) -> None:
        duration = None if seconds is None else round(seconds * 1000, 3)
        self._evidence.emit(level, component, action, True, duration_ms=duration, error=error, metadata=more)
