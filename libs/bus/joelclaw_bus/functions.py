"""Declaring functions: what triggers them, how many at once, how often again, and what a final failure sends.

    functions = Functions()

    @functions.function("shop/charge", on=[event(OrderPlaced)], retries=3)
    async def charge(event: Event[OrderPlaced], step: Step) -> str: ...

A declaration that can't hold is refused here, at import, and not at three in the morning.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from joelclaw_bus.backoff import Backoff
from joelclaw_bus.cancel_on import CancelOn
from joelclaw_bus.cancel_on import problem_of as problem_of_cancels
from joelclaw_bus.cron import Expression
from joelclaw_bus.cron import parse as parse_expression
from joelclaw_bus.errors import RegistrationInvalid
from joelclaw_bus.event import Event, Failure, Tick
from joelclaw_bus.pace import Debounce, Limit, RateLimit, limit_of, problem_of_pace
from joelclaw_bus.run_names import check_function
from joelclaw_contracts import EventModel, NameInvalid

if TYPE_CHECKING:
    from joelclaw_bus.step import Step

Handler = Callable[[Event[Any], "Step"], Awaitable[Any]]
OnFailure = Callable[[Failure], Sequence[EventModel]]
OnInvalid = Callable[[bytes, Exception, str], Sequence[EventModel]]
Misfire = Literal["latest", "all", "none"]
Overlap = Literal["skip", "queue"]


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Runs on each event of `model`'s name for which `when` holds. `when` sees the event only: it must be pure."""

    model: type[EventModel]
    when: Callable[[Event[Any]], bool] | None = None

    @property
    def name(self) -> str:
        return self.model.event_name


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """Runs at the instants of `expression`.

    misfire: what was missed while nobody was there: `latest` one, `all`, `none`.
    overlap: a tick that finds no permit: `skip` it, or `queue` it like any run.
    """

    expression: Expression
    misfire: Misfire = "latest"
    overlap: Overlap = "skip"


def event(model: type[EventModel], when: Callable[[Event[Any]], bool] | None = None) -> EventTrigger:
    return EventTrigger(model, when)


def cron(expression: str, *, misfire: Misfire = "latest", overlap: Overlap = "skip") -> CronTrigger:
    return CronTrigger(parse_expression(expression), misfire, overlap)


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function. `exclusive` counts open runs, `concurrency` executing ones; a function has one of them."""

    id: str
    handler: Handler
    on: tuple[EventTrigger | CronTrigger, ...]
    retries: int
    backoff: Backoff
    concurrency: Limit | None
    exclusive: Limit | None
    on_failure: OnFailure | None
    timeout: float | None
    awaits: tuple[type[EventModel], ...] = ()
    cancel_on: tuple[CancelOn, ...] = ()
    rate_limit: RateLimit | None = None
    debounce: Debounce | None = None
    _by_name: dict[str, EventTrigger] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {t.name: t for t in self.event_triggers})

    @property
    def limit(self) -> Limit | None:
        return self.exclusive or self.concurrency

    @property
    def is_paced(self) -> bool:
        """Whether its runs may have to wait before they start, for others than those at work."""
        return self.rate_limit is not None or self.debounce is not None

    @property
    def keeps_records(self) -> bool:
        """Whether each of its runs has a record from its begin on, for what others do with it."""
        return self.limit is not None or self.is_paced or bool(self.cancel_on)

    @property
    def event_triggers(self) -> list[EventTrigger]:
        return [t for t in self.on if isinstance(t, EventTrigger)]

    @property
    def cron_triggers(self) -> list[CronTrigger]:
        return [t for t in self.on if isinstance(t, CronTrigger)]

    def wants(self, e: Event[Any]) -> bool:
        """Whether this event's trigger lets it through; ticks always do."""
        trigger = self.trigger_of(e.name)
        return trigger is None or trigger.when is None or bool(trigger.when(e))

    def trigger_of(self, event_name: str) -> EventTrigger | None:
        return self._by_name.get(event_name)


@dataclass
class Functions:
    """The functions of one service. `on_invalid` answers an unreadable event: raw data, error, event id -> events."""

    on_invalid: dict[str, OnInvalid] = field(default_factory=dict)
    _all: dict[str, Function] = field(default_factory=dict)

    def __iter__(self) -> Any:
        return iter(self._all.values())

    def __getitem__(self, function: str) -> Function:
        return self._all[function]

    @property
    def awaited(self) -> dict[str, type[EventModel]]:
        """Event name -> model, of all that runs of these functions may wait for, or be cancelled by."""
        models = [m for fn in self._all.values() for m in (*fn.awaits, *(c.model for c in fn.cancel_on))]
        return {model.event_name: model for model in models}

    def __contains__(self, function: str) -> bool:
        return function in self._all

    def function(
        self,
        id: str,
        *,
        on: Sequence[EventTrigger | CronTrigger],
        retries: int,
        backoff: Backoff = Backoff(),
        concurrency: Limit | int | None = None,
        exclusive: Limit | int | None = None,
        on_failure: OnFailure | None = None,
        timeout: float | None = None,
        awaits: Sequence[type[EventModel]] = (),
        cancel_on: Sequence[CancelOn] = (),
        rate_limit: RateLimit | None = None,
        debounce: Debounce | None = None,
        no_retries_because: str = "",
    ) -> Callable[[Handler], Handler]:
        """Registers a handler.

        retries: attempts after the first; 0 needs `no_retries_because`, the path of a decision record.
        timeout: seconds one begin may run before it counts as failed.
        awaits: the events that its runs may wait for; the worker reads their streams from its start on.
        cancel_on: events that end an open run as cancelled, when their fields say the same as its own event's.
        rate_limit: how many may start in a period; what is over it waits for its turn, in the order of arrival.
        debounce: only the last of the events that come close together runs; those before it end as skipped.
        RegistrationInvalid says what is wrong with the declaration.
        """
        models = [t.model for t in on if isinstance(t, EventTrigger)]
        problem = _problem(id, on, retries, no_retries_because)
        problem = problem or problem_of_cancels(cancel_on, models, ticks=len(models) < len(on))
        problem = problem or problem_of_pace(concurrency, exclusive, rate_limit, debounce)
        if problem or id in self._all:
            raise RegistrationInvalid(id, problem or "is registered already")

        def register(handler: Handler) -> Handler:
            self._all[id] = Function(
                id,
                handler,
                tuple(on),
                retries,
                backoff,
                limit_of(concurrency),
                limit_of(exclusive),
                on_failure,
                timeout,
                tuple(awaits),
                tuple(cancel_on),
                rate_limit,
                debounce,
            )
            return handler

        return register


def _problem(
    id: str,
    on: Sequence[EventTrigger | CronTrigger],
    retries: int,
    because: str,
) -> str:
    try:
        check_function(id)
    except NameInvalid as error:
        return str(error)
    names = [t.name for t in on if isinstance(t, EventTrigger)]
    if not on:
        return "has no trigger; give on=[event(Model)] or on=[cron(…)]"
    if len(set(names)) < len(names):
        return "has two triggers on one event; join their conditions in one when=…"
    if Tick.event_name in names:
        return "can't wait for cron/tick; give on=[cron(…)]"
    if type(retries) is not int or retries < 0 or (retries == 0 and not because.endswith(".md")):
        return "retries must be 1 or more, or 0 with no_retries_because='docs/decisions/….md'"
    return ""
