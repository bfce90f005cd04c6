"""What can go wrong on the bus, and what a handler may ask for.

BusError                    a fault; the message says what, where and what to do
├── NameInvalid             an event name, function id, prefix or run id that can't be one
├── RegistrationInvalid     a function that can't be registered as declared
├── EventInvalid            an event that is refused before it is stored
├── StoreUnavailable        no answer: unreachable, timed out, connection lost
├── StoreRefused            an answer that is a refusal: READONLY, LOADING, OOM, MISCONF …
│   └── GroupMissing        NOGROUP: the stream or its group was lost
├── StoreUnfit              a server that can't carry the bus (too old, wrong mode)
├── StoreNotStarted         the embedded store did not come up
├── StateDirectoryBusy      another suite runs in this state directory
└── StateDirectoryUnusable  it can't be made or written

Instruction                 what a handler raises to say how its run goes on; no fault
├── Reject                  end as failed now: more attempts can't help
└── RetryAfter              try again, not before this delay
"""

from __future__ import annotations

from joelclaw_bus.refusals import concerns, remedy


class BusError(Exception):
    """A fault of the bus or of its store."""


class RegistrationInvalid(BusError):
    def __init__(self, function: str, problem: str) -> None:
        super().__init__(f"function {function}: {problem}")


class EventInvalid(BusError):
    def __init__(self, event: str, problem: str) -> None:
        super().__init__(f"event {event}: {problem}")


class StoreUnavailable(BusError):
    def __init__(self, where: str, problem: str, remedy: str = "is it running, and does REDIS_URL name it?") -> None:
        super().__init__(f"store {where} does not answer ({problem}); {remedy}")


class StoreRefused(BusError):
    """`kind` is the server's own error code, e.g. `READONLY`; refusals.py says what each means."""

    def __init__(self, where: str, kind: str, problem: str) -> None:
        self.kind = kind
        what_to_do = f"; {advice}" if (advice := remedy(kind)) else ""
        super().__init__(f"store {where} refuses ({kind}): {problem}{what_to_do}")

    @property
    def is_the_store_s(self) -> bool:
        """Whether the store refuses everybody, or everything to us, rather than this command for what it says."""
        return concerns(self.kind) != "one thing" or self.kind == "NOPERM"


class GroupMissing(StoreRefused):
    """The stream or its consumer group is gone: flushed, deleted, or an empty replica was promoted."""


class StoreUnfit(BusError):
    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"store {where} can't carry the bus: {problem}")


class StateDirectoryBusy(BusError):
    def __init__(self, directory: str, holder: str) -> None:
        super().__init__(
            f"state directory {directory} is in use by {holder}; stop that suite, or take another --state-dir"
        )


class StateDirectoryUnusable(BusError):
    def __init__(self, directory: str, problem: str) -> None:
        super().__init__(f"state directory {directory} can't be used ({problem}); take another --state-dir")


class StoreNotStarted(BusError):
    """`problem` says what to mend."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the embedded store did not start: {problem}")


class Instruction(Exception):
    """What a handler raises to say how its run goes on."""


class Reject(Instruction):
    """End this run as failed now: more attempts can't help."""


class RetryAfter(Instruction):
    """Try this run again after `seconds`; counts as an attempt."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.seconds = seconds
        super().__init__(reason)
