"""Which row of the table in `keys.py` a key belongs to: for those that look over a whole store."""

from __future__ import annotations

import re
from dataclasses import dataclass

from joelclaw_contracts import NameInvalid, check_name

_KINDS = (
    (re.compile(r"ready:[^:{}]+\Z"), "ready", "stream"),
    (re.compile(r"run:[^:{}]+:.+\Z", re.DOTALL), "run", "hash"),
    (re.compile(r"(open|ended|due|outbox)\Z"), "", "zset"),
    (re.compile(r"due:items\Z"), "due items", "hash"),
    (re.compile(r"outbox:items\Z"), "outbox items", "hash"),
    (re.compile(r"waits\Z"), "waits", "zset"),
    (re.compile(r"waits:(?:items|forms)\Z"), "waits items", "hash"),
    (re.compile(r"waits:index\Z"), "waits index", "zset"),
    (re.compile(r"dead\Z"), "", "stream"),
    (re.compile(r"buried:\d+-\d+\Z"), "buried", "string"),
    (re.compile(r"ids\Z"), "", "zset"),
    (re.compile(r"ids:\d+\Z"), "ids of a generation", "hash"),
    (re.compile(r"(marks|cron)\Z"), "", "hash"),
    (re.compile(r"confirmed\Z"), "confirmed", "string"),
    (re.compile(r"claimer:[^:{}]+\Z"), "claimer", "string"),
    (re.compile(r"auditor\Z"), "", "string"),
    (re.compile(r"(permits):[0-9a-f]{24}\Z"), "", "zset"),
    (re.compile(r"permits:[0-9a-f]{24}:claims\Z"), "claims", "hash"),
    (re.compile(r"(debounce):[0-9a-f]{24}\Z"), "", "hash"),
    (re.compile(r"rate:[0-9a-f]{24}(?::(?:line|turns))?\Z"), "rate", "zset"),
    (re.compile(r"(waiters):[0-9a-f]{24}\Z"), "", "zset"),
)
_BUS_KINDS = {"slots": "hash", "functions": "hash", "workers": "hash", "services": "hash"}
_BUS_KINDS |= {"pauses": "hash", "sweeper": "string", "identity": "string"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key is, by the table above: its row, its type in the store, and its slot's tag."""

    row: str
    type: str
    tag: str


def kind_of(key: str, prefix: str = "") -> Kind | None:
    """The row of the table that a key belongs to; None: no key of ours."""
    tagged, braces, rest = key.removeprefix("{").partition("}:")
    if not key.startswith("{"):
        return Kind("event stream", "stream", key) if _is_named(key, prefix) else None
    if not braces or not _is_named(tagged, prefix):
        return None
    if tagged == prefix + "bus" and rest in _BUS_KINDS:
        return Kind(rest, _BUS_KINDS[rest], tagged)
    for form, row, kind in _KINDS:
        found = form.match(rest)
        if found:
            return Kind(row or (found[1] if found.groups() else rest), kind, tagged)
    return None


def _is_named(tag: str, prefix: str) -> bool:
    if not tag.startswith(prefix):
        return False
    try:
        check_name(tag.removeprefix(prefix))
    except NameInvalid:
        return False
    return True
