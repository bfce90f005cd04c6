"""Which key a command is about, and which node serves it."""

from __future__ import annotations

from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw_bus import routing
from joelclaw_bus.routing import Command, SlotMap, check_one_slot, key_of, slot_of, tag_of


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


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        ("system/x", "system/x"),
        ("{system/x}:due", "system/x"),
        ("blue:{system/x}:due", "system/x"),
        ("{a}{b}", "a"),
        ("{{a}}", "{a"),
        ("{}{a}", "{}{a}"),
        ("}{a}", "a"),
        ("{a", "{a"),
        ("", ""),
    ],
)
def test_the_tag_is_what_stands_in_the_first_braces(key: str, tag: str) -> None:
    assert tag_of(key) == tag


@given(st.lists(st.text("{}ab"), min_size=1, max_size=4))
def test_keys_pass_exactly_when_their_slots_are_the_same(keys: list[str]) -> None:
    assert [key for key in keys if slot_of(key) != crc_hqx(tag_of(key).encode(), 0) % 16384] == []
    if len({slot_of(key) for key in keys}) == 1:
        check_one_slot(keys)
    else:
        with pytest.raises(ValueError, match="different slots"):
            check_one_slot(keys)


def test_keys_of_one_tag_are_told_without_reckoning_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    reckoned = list[str | bytes]()

    def noted(key: str | bytes) -> int:
        reckoned.append(key)
        return slot_of(key)

    monkeypatch.setattr(routing, "slot_of", noted)
    check_one_slot(["system/x", "{system/x}:due", "{system/x}:run:f:1"])
    assert reckoned == []
    with pytest.raises(ValueError, match="different slots"):
        check_one_slot(["system/x", "{system/y}:due"])
    assert sorted(map(str, reckoned)) == ["system/x", "system/y"]


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
