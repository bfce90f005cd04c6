"""What crosses from one slot to another, as it lies in an outbox.

| kind    | does, at the target                               | idempotent by                                   |
|---------|---------------------------------------------------|-------------------------------------------------|
| event   | publishes (now, or at a time) the event           | its id, within the target's dedupe window       |
| release | gives a permit back; the next waiter gets it      | its claim: a permit is given back once          |
| wake    | makes a held run ready                            | the run's state: only a held run wakes          |
| await   | registers what a run waits for, and looks back    | the wait's id; a run takes each event once      |
| unwait  | takes such a wait away                            | the wait's id                                   |

The id of an item is deterministic (run + step, incident + transition): a repeated decision writes it once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One item. `target` is an event name (event, wake, await, unwait) or a function id (release).

    For `event`: `event_id`, `data` (JSON text), `at_ms` (0: now), `source`, `traceparent`.
    For `release`: `run` is the permit's member, `permit` its key, `claim` the begin that held it ('': any, the run is
    over), `by` the begin whose handler has stopped ('': not known), `most` the limit (0: not known), `ttl_ms` how long
    the next one lasts (0: until it is given back).
    For `wake`: the same, `run` is the run's id and `call` the function.
    For `await` and `unwait`: `event_id` is the wait's id, `data` the wait (JSON).
    """

    id: str
    kind: Literal["event", "release", "wake", "await", "unwait"]
    target: str
    event_id: str = ""
    data: str = ""
    at_ms: int = 0
    source: str = ""
    traceparent: str = ""
    run: str = ""
    permit: str = ""
    ttl_ms: int = 0
    call: str = ""
    claim: str = ""
    by: str = ""
    most: int = 0
    created_ms: int = 0

    def encode(self) -> bytes:
        """Compact JSON without the empty fields: outboxes are many and small."""
        return json.dumps({k: v for k in self.__slots__ if (v := getattr(self, k))}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, raw: bytes) -> OutboxItem:
        """The item; fields that this version does not know (a newer worker wrote them) are left out. ValueError."""
        try:
            read = json.loads(raw)
            fields = {name: value for name, value in read.items() if name in cls.__dataclass_fields__}
            item = cls(**fields)
        except (AttributeError, TypeError, RecursionError) as error:
            raise ValueError(f"no outbox item: {error}") from None
        for name, value in fields.items():
            if type(value) is not (int if name == "most" or name.endswith("_ms") else str):  # True is no number
                raise ValueError(f"no outbox item: its {name} is {value!r}")
        return item
