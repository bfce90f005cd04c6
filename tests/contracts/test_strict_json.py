"""Strict JSON: what is refused, what is mended, and that nothing else escapes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw_contracts.strict_json import MAX_DEPTH, NotStrictJson, check, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is not JSON: .* at line 1 column 1"),
        (b'{"a": 1,\n "b" 2}', "is not JSON: .* at line 2 column 6"),
        (b"\xff", "is not UTF-8: byte 0xff at offset 0"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b"[NaN]", "holds NaN"),
        (b"[-Infinity]", "holds -Infinity"),
        (b"[1e999]", "holds the number 1e999"),
        (b'{"a": 1, "a": 1}', 'holds the key "a" twice'),
        (b'[{"b": {"a": 1, "a": 2}}]', 'holds the key "a" twice'),
        (b"1" * 5000, "holds a number of 5000 digits"),
        (b"[" * 100_000, "nested deeper than 64"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
    ],
)
def test_what_could_be_read_two_ways_is_refused(raw, problem):
    with pytest.raises(NotStrictJson, match=problem):
        loads(raw)


def test_the_deepest_and_the_widest_that_is_allowed_is_read():
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH) == json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert loads(json.dumps([[]] * 500)) == [[]] * 500


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    assert loads(rb'{"cut \ud83d": ["\ude00", "\ud83d\ude00"]}') == {"cut \ufffd": ["\ufffd", "😀"]}
    assert loads('"\ud83d"') == "\ufffd"


def test_a_nul_is_kept():
    assert loads(rb'"a\u0000b"') == "a\0b"


@given(VALUES)
def test_what_json_writes_is_read_back(value):
    assert loads(json.dumps(value)) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value
    assert check(value) == value


@given(st.binary() | st.text(st.characters()) | st.text('{}[]",:\\ud80e1N-'))
def test_nothing_but_not_strict_json_escapes(raw):
    try:
        value = loads(raw)
    except NotStrictJson:
        return
    written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    assert json.loads(written) == value


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, [b"x"], float("nan"), "\ud800", {"\ud800": 1}])
def test_python_values_that_json_cannot_say_are_refused(value):
    with pytest.raises(NotStrictJson):
        check(value)


def test_a_value_that_contains_itself_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(NotStrictJson, match="nested deeper"):
        check(loop)
