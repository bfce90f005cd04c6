from __future__ import annotations

from typing import Any

import pytest
from tests.pod.facts import EVERY

from joelclaw_bus import observer as o
from joelclaw_pod.evidence import Evidence
from joelclaw_pod.fact_evidence import FactEvidence

TABLE = {
    "bus.event.buried": ("error", False),
    "bus.entries.lost": ("error", False),
    "bus.stream.lost": ("error", False),
    "bus.audit.lost": ("error", False),
    "bus.audit.repaired": ("warn", True),
    "bus.audit.left": ("warn", True),
    "bus.outbox.undeliverable": ("error", False),
    "bus.stuck": ("error", False),
    "bus.unstuck": ("info", True),
    "bus.run.failed": ("error", True),
    "bus.run.cancelled": ("info", True),
    "bus.run.debounced": ("info", True),
    "bus.worker.fault": ("error", True),
    "bus.write.refused": ("warn", True),
    "bus.lease.lost": ("warn", True),
    "bus.store.trouble": ("warn", True),
    "bus.store.back": ("info", True),
    "bus.discontinuity": ("warn", True),
    "bus.fields.unknown": ("warn", True),
}


class Taken:
    """What would be emitted."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, bool]] = []

    def emit(self, level: str, component: str, action: str, success: bool, **more: Any) -> None:
        assert component
        assert more["metadata"] is not None
        self.records.append((action, level, success))


def taken_of(facts: list[o.Fact]) -> list[tuple[str, str, bool]]:
    taken = Taken()
    observer = FactEvidence(taken)  # type: ignore[arg-type]  # only emit is used
    for fact in facts:
        observer.saw(fact)
    return taken.records


def test_the_table_of_evidence() -> None:
    records = taken_of(EVERY)
    assert {action: (level, success) for action, level, success in records} == TABLE
    assert len(records) == len(TABLE)


@pytest.mark.parametrize(
    "fact",
    [
        o.EventBuried("fn", "a/b", "1-1", "x", False),
        o.TakenOver("fn", "a/b", 3, ()),
        o.RunEnded("fn", "fn:1", "a/b", "completed", 1, ""),
        o.Trimmed("a/b", 3),
    ],
)
def test_what_is_routine_leaves_none(fact: o.Fact) -> None:
    assert taken_of([fact]) == []


def test_the_adapter_fits_the_sink() -> None:
    assert FactEvidence.__init__.__annotations__["evidence"] == Evidence.__name__
