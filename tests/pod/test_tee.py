from __future__ import annotations

import pytest
from tests.pod.facts import STARTED

from joelclaw_bus.observer import Fact
from joelclaw_pod.tee import Tee


class Keeps:
    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def saw(self, fact: Fact) -> None:
        self.facts.append(fact)


class Breaks:
    def saw(self, fact: Fact) -> None:
        raise RuntimeError("telemetry is broken")


def test_one_that_breaks_is_named_once_and_keeps_none_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    first, last = Keeps(), Keeps()
    tee = Tee(first, Breaks(), last)
    tee.saw(STARTED)
    tee.saw(STARTED)
    assert first.facts == last.facts == [STARTED, STARTED]
    assert [r.getMessage() for r in caplog.records] == ["the observer Breaks broke on RunStarted"]
