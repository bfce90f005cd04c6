"""The stream entry: what is refused, what is dropped, and that it survives the round trip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw_contracts import Envelope, EnvelopeInvalid, is_traceparent

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_full_entry_survives_the_round_trip():
    envelope = Envelope(b'{"a":1}', id="i-1", ts=1772017200000, source="router", traceparent=TRACE, v=1)
    assert envelope.to_fields() == {
        b"data": b'{"a":1}',
        b"id": b"i-1",
        b"ts": b"1772017200000",
        b"source": b"router",
        b"traceparent": TRACE.encode(),
        b"v": b"1",
    }
    assert Envelope.from_fields(envelope.to_fields()) == envelope


def test_data_alone_is_an_entry_and_stays_raw():
    envelope = Envelope.from_fields({b"data": b"\xff\x00"})
    assert envelope == Envelope(b"\xff\x00")
    assert envelope.to_fields() == {b"data": b"\xff\x00"}


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        ({}, "data", "is missing"),
        ({b"Data": b"{}"}, "data", "is missing"),
        ({b"id": b""}, "id", "is empty"),
        ({b"id": b" "}, "id", "is empty"),
        ({b"id": b"\xff"}, "id", "is not UTF-8"),
        ({b"source": b"\xc3\x28"}, "source", "is not UTF-8"),
        ({b"source": b"x" * 1001}, "source", "longer than 1000 bytes"),
        ({b"ts": b""}, "ts", "expected decimal digits"),
        ({b"ts": b"12x"}, "ts", "expected decimal digits"),
        ({b"ts": b"-1"}, "ts", "expected decimal digits"),
        ({b"ts": b"1_0"}, "ts", "expected decimal digits"),
        ({b"ts": b"9" * 16}, "ts", "expected milliseconds"),
        ({b"v": b"0"}, "v", "version"),
        ({b"v": b"one"}, "v", "expected decimal digits"),
    ],
)
def test_a_wrong_field_is_named(fields, field, problem):
    given_fields = fields if field == "data" else {b"data": b"{}", **fields}
    with pytest.raises(EnvelopeInvalid, match=problem) as caught:
        Envelope.from_fields(given_fields)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"stream entry: field `{field}` ")


@pytest.mark.parametrize(
    "trace",
    [
        b"",
        b"\xff",
        b"nonsense",
        TRACE.upper().encode(),
        TRACE.replace("00-", "ff-", 1).encode(),
        b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-" + b"0" * 16 + b"-01",
        TRACE.encode() + b"-more",
        TRACE.encode() + b"\n",
    ],
)
def test_a_bad_trace_is_dropped_rather_than_the_event(trace):
    assert Envelope.from_fields({b"data": b"{}", b"traceparent": trace}).traceparent is None


def test_a_later_trace_version_may_have_more_parts():
    assert is_traceparent(TRACE.replace("00-", "01-", 1) + "-more")


def test_our_own_bad_trace_is_an_error():
    with pytest.raises(EnvelopeInvalid, match="traceparent"):
        Envelope(b"{}", traceparent="nonsense")


def test_a_long_id_is_hashed_once_and_stays_the_same():
    envelope = Envelope(b"{}", id="x" * 129)
    assert envelope.id is not None
    assert envelope.id.startswith("sha256:")
    assert Envelope.from_fields(envelope.to_fields()) == envelope
    assert Envelope.from_fields({b"data": b"{}", b"id": b"x" * 129}) == envelope


def test_unknown_fields_of_an_entry_are_ignored():
    assert Envelope.from_fields({b"data": b"{}", b"colour": b"\xff"}) == Envelope(b"{}")


NAMES = st.sampled_from([b"data", b"id", b"ts", b"source", b"traceparent", b"v"]) | st.binary(max_size=4)


@given(st.dictionaries(NAMES, st.binary(max_size=200) | st.from_regex(rb"[0-9]{1,20}", fullmatch=True)))
def test_arbitrary_fields_raise_envelope_invalid_only(fields):
    try:
        envelope = Envelope.from_fields(fields)
    except EnvelopeInvalid:
        return
    assert Envelope.from_fields(envelope.to_fields()) == envelope
