"""Which key a command is about, and which node serves it."""

from __future__ import annotations

import pytest

from joelclaw_bus.routing import Command, SlotMap, check_one_slot, key_of, slot_of


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "a"), "a"),
        (("hset", b"a", "f", 1), b"a"),
        (("EVALSHA", "0" * 40, 2, "a", "b", "c"), "a"),
        (("EVAL", "return 1", 0), None),
        (("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "a", "b", ">", ">"), "a"),
        (("XREAD", "STREAMS", "a", "0"), "a"),
        (("XINFO", "GROUPS", "a"), "a"),
        (("INFO", "server"), None),
        (("TIME",), None),
        (("SCAN", 0), None),
        (("PUBLISH", "channel", "x"), None),
        (("CONFIG", "GET", "appendfsync"), None),
    ],
)
def test_the_key_of_a_command_names_its_slot(command: Command, key: str | bytes | None) -> None:
    assert key_of(command) == key


def test_a_slots_keys_are_served_together_and_those_of_two_names_need_not_be() -> None:
    assert slot_of("system/x") == slot_of("{system/x}:due") == slot_of(b"{system/x}:run:f:1")
    check_one_slot(["system/x", "{system/x}:due"])
    with pytest.raises(ValueError, match="different slots"):
        check_one_slot(["system/x", "system/y"])


def test_the_map_learns_from_the_cluster_and_from_a_redirection() -> None:
    known = SlotMap()
    assert known.place_of(5) is None
    known.learn([[0, 99, [b"h1", 1, b"id"]], [100, 16383, [b"", 2, b"id"]]], asked=("h2", 9))
    assert known.fresh
    assert known.place_of(5) == ("h1", 1)
    assert known.place_of(100) == ("h2", 2), "a node that does not know its own name"
    known.moved(5, ("h3", 3))
    assert known.place_of(5) == ("h3", 3)
    assert known.place_of(6) == ("h1", 1)
    assert known.places() == [("h1", 1), ("h2", 2), ("h3", 3)]
    known.learn([[0, 16383, [b"h3", 3, b"id"]]], asked=("h3", 3))
    assert known.places() == [("h3", 3)]


def test_a_slot_that_nobody_serves_has_no_node() -> None:
    known = SlotMap()
    known.learn([[0, 10, [b"h1", 1, b"id"]]], asked=("h1", 1))
    assert known.place_of(11) is None
