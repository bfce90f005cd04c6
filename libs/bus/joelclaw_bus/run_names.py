"""What functions, runs and workers are called: the names that stand inside keys, spelt and read in one place."""

from __future__ import annotations

import re

from joelclaw_contracts import NameInvalid, check_name

CANCEL, LIMITED, TURN, DEBOUNCE, QUIET = OWN_STEPS = ("~cancel", "~limit", "~turn", "~debounce", "~quiet")
"""Steps of the bus itself, which no handler can have: waiting for what cancels the run; resting until the run's turn to
start comes, and having had it; the same until no later event of its key has come for a while."""
_ENTRY_ID = re.compile(r"[0-9]+-[0-9]+")


def check_function(function: str) -> str:
    """A function id: it follows the grammar of event names, since it stands in keys as they do."""
    try:
        return check_name(function)
    except NameInvalid as error:
        raise NameInvalid("function id", function, error.problem) from None


def run_id(function: str, event_id: str, *, given: bool = False) -> str:
    """A run is (function, event id); a function id holds no colon, so the first one parts the two.

    given: the id is the producer's. One that looks like an entry id is told apart from it, or a producer that passes
    on the entry ids of another stream could take a stranger's event for its own.
    """
    return f"{function}:{'=' if given and _ENTRY_ID.fullmatch(event_id) else ''}{event_id}"


def parts_of_run(run: str) -> tuple[str, str]:
    """(function, event id) of a run id; NameInvalid when it has no colon."""
    function, colon, event_id = run.partition(":")
    if not colon or not event_id:
        raise NameInvalid("run id", run, "is not FUNCTION:EVENT-ID")
    return check_function(function), event_id


def consumer_name(host: str, pid: int, incarnation: str) -> str:
    """A worker's name in every group: unique per incarnation, and it says whose hands these are."""
    return f"{host}-{pid}-{incarnation}"


def parts_of_consumer(consumer: str) -> tuple[str, int]:
    """(host, pid) of a worker's name; ('', 0) for one that is none of ours."""
    host, _, rest = consumer.rpartition("-")[0].rpartition("-")
    return (host, int(rest)) if rest.isdigit() else ("", 0)
