"""The grammar of names."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw_contracts import (
    EnvelopeInvalid,
    NameInvalid,
    check_name,
    check_pattern,
    check_prefix,
    matches,
    nearest,
    normal_id,
)


@pytest.mark.parametrize("name", ["a", "0", "system/self.healing.requested", "A-b_c.d/e", "x" * 200])
def test_a_name_in_the_grammar_is_given_back(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("x" * 201, "has 201 bytes; 200 is the most"),
        ("/a", "starts with '/'"),
        (".a", "starts with '.'"),
        ("a{b}", r"holds '\{' at character 2"),
        ("a:b", "holds ':' at character 2"),
        ("a b", "holds ' ' at character 2"),
        ("a\n", r"holds '\\n' at character 2"),
        ("système", r"holds '\\xe8' at character 5"),
        ("a*", r"holds '\*' at character 2"),
    ],
)
def test_a_name_outside_the_grammar_is_refused_with_what_is_wrong(name, problem):
    with pytest.raises(NameInvalid, match=problem) as caught:
        check_name(name)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("event name ")


def test_a_prefix_may_hold_colons_and_may_be_empty():
    assert check_prefix("") == ""
    assert check_prefix("prod:bus:") == "prod:bus:"
    with pytest.raises(NameInvalid, match="prefix"):
        check_prefix(":prod")
    with pytest.raises(NameInvalid, match="201 bytes"):
        check_prefix("x" * 201)


@pytest.mark.parametrize("pattern", ["system/*", "*", "*.requested", "a*b*c", "system/backup.redis"])
def test_a_pattern_is_a_name_with_stars(pattern):
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", "a?", "[a]", "/a*", "*" * 201])
def test_anything_else_is_no_pattern(pattern):
    with pytest.raises(NameInvalid, match="pattern"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("system/*", "system/backup.redis", True),
        ("system/*", "gateway/send.message", False),
        ("*", "anything/at.all", True),
        ("*.requested", "system/health.check.requested", True),
        ("a*a", "a", False),
        ("a*b*c", "aXbYc", True),
        ("a*bb*bc", "abbc", False),
        ("otel/event", "otel/event", True),
        ("otel/event", "otel/events", False),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern, name, expected):
    assert matches(pattern, name) is expected


@given(pattern=st.text("ab*", min_size=1, max_size=8), name=st.text("ab", max_size=8))
def test_matching_agrees_with_the_shell(pattern, name):
    assert matches(pattern, name) == fnmatch.fnmatchcase(name, pattern)


def test_an_id_of_128_bytes_is_kept_and_a_longer_one_is_hashed():
    assert normal_id("é" * 64) == "é" * 64
    hashed = normal_id("é" * 64 + "x")
    assert hashed.startswith("sha256:")
    assert len(hashed) == 7 + 64
    assert hashed == normal_id("é" * 64 + "x")
    assert hashed != normal_id("é" * 64 + "y")
    assert normal_id(hashed) == hashed


@pytest.mark.parametrize(("event_id", "problem"), [("", "is empty"), (" \t", "is empty"), ("\ud800", "surrogate")])
def test_an_empty_id_and_half_a_character_are_refused(event_id, problem):
    with pytest.raises(EnvelopeInvalid, match=problem):
        normal_id(event_id)


@pytest.mark.parametrize(
    ("word", "expected"), [("maxRetrys", "maxRetries"), ("MAXRETRIES", "maxRetries"), ("zzz", None), ("", None)]
)
def test_the_nearest_choice_is_found_whatever_its_case(word, expected):
    assert nearest(word, ["model", "maxRetries"]) == expected
