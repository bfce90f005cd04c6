"""Whole or not, by the files alone; a snapshot's own list is read, however it was spoilt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.typesense.verdict import LIST, TABLE_END, Listed, Lying, judge, read_list

AT = "state/snapshot/snapshot_00000000000000000007/"
DATA = AT + "db_snapshot/"


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def text(number: int, raw: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def meta(names: tuple[str, ...], index: int = 7, term: int = 2) -> bytes:
    about = b"\x08" + varint(index) + b"\x10" + varint(term) + text(3, b"127.0.0.1:1:2")
    body = text(1, about) + b"".join(text(2, text(1, name.encode()) + text(2, b"")) for name in names)
    return len(body).to_bytes(4, "big") + body


NAMES = ("db_snapshot/000009.sst", "db_snapshot/CURRENT", "db_snapshot/MANIFEST-000004", "db_snapshot/OPTIONS-000007")


def whole() -> dict[str, Lying]:
    listed = meta(NAMES)
    return {
        "state/meta/raft_meta": Lying(29),
        AT + LIST: Lying(len(listed), text=listed),
        DATA + "000009.sst": Lying(1000, end=TABLE_END),
        DATA + "CURRENT": Lying(16, text=b"MANIFEST-000004\n"),
        DATA + "MANIFEST-000004": Lying(139),
        DATA + "OPTIONS-000007": Lying(6321),
    }


def test_a_whole_snapshot_says_its_index_and_term():
    assert judge(whole()) == Listed(7, 2, NAMES)


@pytest.mark.parametrize("name", [*(AT + name for name in NAMES), AT + LIST])
@pytest.mark.parametrize("harm", ["missing", "empty"])
def test_a_file_of_the_list_that_is_missing_or_empty_is_named(name, harm):
    files = whole()
    files[name] = Lying(0)
    if harm == "missing":
        del files[name]
    with pytest.raises(BackupFailed, match=name.rpartition("/")[2]) as caught:
        judge(files)
    assert caught.value.failure_class is FailureClass.SNAPSHOT_INVALID
    assert harm in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({DATA + "000009.sst": Lying(999, end=b"\0" * 8)}, "000009.sst has no end"),
        ({DATA + "CURRENT": Lying(16, text=b"MANIFEST-000005\n")}, "MANIFEST-000005"),
        ({DATA + "CURRENT": Lying(3, text=b"../")}, "no MANIFEST of the list"),
        ({AT + LIST: Lying(200, text=meta(NAMES)[:-1])}, "can't be read"),
        ({AT + LIST: Lying(30, text=meta(()))}, "names no data"),
        ({"state/snapshot/snapshot_8/x": Lying(1)}, "2 generations"),
    ],
)
def test_what_is_not_whole_is_said(change, words):
    with pytest.raises(BackupFailed, match=words.replace(".", r"\.")) as caught:
        judge({**whole(), **change})
    assert caught.value.failure_class is FailureClass.SNAPSHOT_INVALID


@pytest.mark.parametrize("files", [{}, {"state/meta/raft_meta": Lying(0)}])
def test_nothing_is_no_snapshot(files):
    with pytest.raises(BackupFailed) as caught:
        judge(files)
    assert caught.value.failure_class is FailureClass.NO_SNAPSHOT_FILES


@given(st.binary(max_size=200))
def test_any_list_is_read_or_refused(raw):
    told: object = None
    try:
        told = read_list(len(raw).to_bytes(4, "big") + raw).files
    except BackupFailed as refused:
        told = refused.failure_class
    assert isinstance(told, tuple) or told is FailureClass.SNAPSHOT_INVALID


@given(st.lists(st.text(min_size=1, max_size=300).filter(str.isprintable), max_size=20), st.integers(0, 2**60))
def test_every_list_says_what_was_put_into_it(names, index):
    assert read_list(meta(tuple(names), index, 3)) == Listed(index, 3, tuple(names))
