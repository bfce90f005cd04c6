"""What runs and their steps came to, and who holds them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A handler begins. `begins` counts begins without an end, from the second delivery on."""

    function: str
    run: str
    event: str
    attempt: int
    begins: int
    traceparent: str


@dataclass(frozen=True, slots=True)
class StepRecorded:
    function: str
    run: str
    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunParked:
    """`state`: `due` (a sleep or a retry) or `held` (no permit)."""

    function: str
    run: str
    state: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class RunRetried:
    function: str
    run: str
    attempt: int
    due_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """`status`: `completed`, `failed` or `skipped`."""

    function: str
    run: str
    event: str
    status: str
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class WaitEnded:
    """An event came that a run waits for, and the run took it."""

    run: str
    event: str
    entry: str


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """An event came that its function's `cancel_on` names: the run ended. `was`: the state that it was in."""

    function: str
    run: str
    event: str
    entry: str
    was: str


@dataclass(frozen=True, slots=True)
class Debounced:
    """A later event of its key came: the run ends as skipped, and the run `by` stands for it."""

    function: str
    run: str
    by: str


@dataclass(frozen=True, slots=True)
class DuplicateDropped:
    """A second entry for a run that is open or ended: acknowledged, not run."""

    function: str
    run: str


@dataclass(frozen=True, slots=True)
class WriteRefused:
    """A stale worker tried to write: its claim or its lease was no longer its own."""

    function: str
    run: str
    operation: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseLost:
    function: str
    run: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Work of a dead consumer was claimed. `lost`: entries that were deleted while pending, so their work is lost."""

    function: str
    stream: str
    entries: int
    lost: tuple[str, ...]
