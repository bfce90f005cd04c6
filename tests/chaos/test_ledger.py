"""What was written is read back, though the writer was killed in the middle of a line."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.ledger import Ledger, Tail, read


def test_lines_come_back_in_the_order_of_their_times(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path / "ledger"), Ledger(tmp_path / "ledger")
    first.write("a", x=1)
    second.write("b")
    first.write("c")
    lines, torn = read(tmp_path / "ledger")
    assert [line["is"] for line in lines] == ["a", "b", "c"]
    assert lines[0]["x"] == 1
    assert torn == 0


def test_a_torn_line_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    ledger.write("a")
    with path.open("ab") as file:
        file.write(b'\n{"t":1,"pid":7,"is":"to')  # a SIGKILL came
    ledger.write("b")
    with path.open("ab") as file:
        file.write(b'\n{"t":2')
    lines, torn = read(path)
    assert [line["is"] for line in lines] == ["a", "b"]
    assert torn == 2


def test_a_tail_gives_each_line_once_and_as_soon_as_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger, tail = Ledger(path), Tail(path)
    ledger.write("a")
    assert [line["is"] for line in tail.lines()] == ["a"]
    with path.open("ab") as file:
        file.write(b'\n{"t":1,"pid":7,')
        assert [*tail.lines()] == []
        file.write(b'"is":"b"}')
    assert [line["is"] for line in tail.lines()] == ["b"]
    ledger.write("c")
    assert [line["is"] for line in tail.lines()] == ["c"]
    assert tail.torn == 0
