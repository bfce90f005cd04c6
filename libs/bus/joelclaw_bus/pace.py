"""How many runs of a function there may be, and how fast they may start: what a declaration says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.event import Event

LONGEST_PERIOD = 86_400 * 31


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` runs at once, per `key` of the event where one is given."""

    most: int
    key: Callable[[Event[Any]], str] | None = None

    def key_of(self, e: Event[Any]) -> str:
        return self.key(e) if self.key else ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `most` runs start in any `period` seconds, per `key` of the event where one is given."""

    most: int
    period: float
    key: Callable[[Event[Any]], str] | None = None

    def key_of(self, e: Event[Any]) -> str:
        return self.key(e) if self.key else ""


@dataclass(frozen=True, slots=True)
class Debounce:
    """Of the events of one `key` only the last runs, once none has come for `delay` seconds; or, while they don't stop
    coming, `max_wait` seconds after the first of them (None: however long that is)."""

    delay: float
    key: Callable[[Event[Any]], str] | None = None
    max_wait: float | None = None

    def key_of(self, e: Event[Any]) -> str:
        return self.key(e) if self.key else ""


def limit_of(limit: Limit | int | None) -> Limit | None:
    return limit if limit is None or isinstance(limit, Limit) else Limit(limit)


def problem_of_pace(
    concurrency: Limit | int | None, exclusive: Limit | int | None, rate: RateLimit | None, debounce: Debounce | None
) -> str:
    """What is wrong with a declaration; '' when nothing is."""
    if concurrency is not None and exclusive is not None:
        return "has both concurrency and exclusive; exclusive counts executing runs too"
    for word, limit in (("concurrency", limit_of(concurrency)), ("exclusive", limit_of(exclusive))):
        if limit and (type(limit.most) is not int or limit.most < 1):
            return f"has {word}={limit.most!r}; say how many runs, a whole number of at least 1"
    if rate and (type(rate.most) is not int or rate.most < 1):
        return f"has a rate_limit of {rate.most!r} runs; say how many, a whole number of at least 1"
    if rate and not 0.001 <= rate.period <= LONGEST_PERIOD:
        return f"has a rate_limit for {rate.period:g} s; a period is 0.001 to {LONGEST_PERIOD} s"
    if debounce and not 0.001 <= debounce.delay <= LONGEST_PERIOD:
        return f"has a debounce of {debounce.delay:g} s; a delay is 0.001 to {LONGEST_PERIOD} s"
    if debounce and debounce.max_wait is not None and not debounce.delay <= debounce.max_wait <= LONGEST_PERIOD:
        return f"has a debounce with max_wait={debounce.max_wait:g}; it is its delay to {LONGEST_PERIOD} s"
    return ""
