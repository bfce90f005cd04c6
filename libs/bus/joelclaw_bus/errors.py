"""What can go wrong on the bus, and what a handler may ask for.

BusError                    a fault; the message says what, where and what to do
├── NameInvalid             an event name, function id, prefix or run id that can't be one
├── RegistrationInvalid     a function that can't be registered as declared
├── EventInvalid            an event that is refused before it is stored
├── BatchCutShort           many events of which some are stored; it says which
├── AddressInvalid          a REDIS_URL that names no store
├── StoreUnavailable        no answer: unreachable, timed out, connection lost
│   ├── NoFreeConnection    not asked: all of this process's connections were in use for too long
│   └── NotConfirmed        written, but not confirmed at the durability level: to be sent again by its id
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

from collections.abc import Mapping

from joelclaw_bus.refusals import concerns, remedy


class BusError(Exception):
    """A fault of the bus or of its store."""


class RegistrationInvalid(BusError):
    def __init__(self, function: str, problem: str) -> None:
        super().__init__(f"function {function}: {problem}")


class EventInvalid(BusError):
    def __init__(self, event: str, problem: str) -> None:
        self.problem = problem
        super().__init__(f"event {event}: {problem}")


class BatchCutShort(BusError):
    """`index`: the first event of the batch of which it isn't known that it is stored; `published`: what is known of
    the others, by their index; `cause`: the store's fault or refusal. What had no answer may be stored or not."""

    def __init__(self, index: int, event: str, total: int, published: Mapping[int, object], cause: BusError) -> None:
        self.index, self.published, self.cause = index, published, cause
        super().__init__(
            f"a batch of {total} events stopped at number {index} (from 0; {event}), "
            f"{len(published)} of them are stored: {cause}; send the batch again with the same ids"
        )


class AddressInvalid(BusError):
    """`problem` must not hold the address: any part of it may be the password's."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"REDIS_URL {problem}")


class StoreUnavailable(BusError):
    def __init__(self, where: str, problem: str, remedy: str = "is it running, and does REDIS_URL name it?") -> None:
        super().__init__(f"store {where} does not answer ({problem}); {remedy}")


class NoFreeConnection(StoreUnavailable):
    """The store was not asked, so this says nothing of it: one caller's trouble, not an outage."""

    def __init__(self, where: str) -> None:
        BusError.__init__(
            self,
            f"store {where} was not asked: all connections of this process were in use for as long as a call may take; "
            "give it more (StoreSettings.connections), or less to do at once",
        )


class NotConfirmed(StoreUnavailable):
    """It was written, and may yet be lost: `level` was not reached in time. The same id or claim makes a repeat
    harmless."""

    def __init__(self, where: str, level: str, problem: str) -> None:
        self.level = level
        BusError.__init__(
            self,
            f"store {where}: written, not confirmed at {level} ({problem}); send it again with the same id",
        )


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
