"""What a doctor says of the configurations that workers run."""

from __future__ import annotations

from joelclaw_bus.inspect.workers import WorkerFacts
from joelclaw_cli.doctor.configuration import judge

ONE, OTHER = "a" * 64, "b" * 64


def worker(service: str, config: str = ONE, refused: str = "") -> WorkerFacts:
    return WorkerFacts(service, 0, 0, (), 0, service, 1, config, refused)


def test_all_the_same_as_here_is_ok() -> None:
    (check,) = judge([worker("router"), worker("health")], ONE)
    assert (check.state, check.what) == ("ok", f"all of 2 workers run {ONE[:12]}")


def test_a_refusal_is_a_finding_with_the_reason_and_what_to_do() -> None:
    (check,) = judge([worker("router", refused="x.json: a.b: is wrong"), worker("health")], ONE)
    assert (check.state, "router refused" in check.what, "a.b: is wrong" in check.what) == ("finding", True, True)
    assert "joelclaw nas config reload" in check.todo


def test_different_ones_are_a_warning() -> None:
    (check,) = judge([worker("router"), worker("health", OTHER)], ONE)
    assert (check.state, check.what) == (
        "warning",
        f"workers run different ones: {ONE[:12]} router; {OTHER[:12]} health",
    )


def test_another_file_than_theirs_is_a_warning_and_an_unreadable_one_is_told_elsewhere() -> None:
    assert judge([worker("router")], OTHER)[0].state == "warning"
    assert judge([worker("router")], "")[0].state == "ok"
    assert judge([], ONE)[0].state == "ok"
