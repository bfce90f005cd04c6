"""Lengths of time as people type them: `500ms`, `90s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

import math
import re
from datetime import datetime

import click

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Duration(click.ParamType[int]):
    """A length of time, in ms."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(ms|s|m|h|d)", str(value).strip())
        if not found:
            self.fail(f"{value} is no length of time; write 500ms, 90s, 5m, 2h or 1d", param, ctx)
        return round(float(found[1]) * _UNITS[found[2]])


class Moment(click.ParamType[int]):
    """A moment, ms since the epoch: ISO 8601 with an offset, or ms."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if re.fullmatch(r"[0-9]{12,14}", str(value)):
            return int(str(value))
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"{value} is no moment; write 2026-05-01T12:00:00+02:00, or ms since 1970", param, ctx)
        return round(moment.timestamp() * 1000)


class Finite(click.FloatRange):
    """A number in its range; `nan` is in every range by Python's comparisons, and is no number."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))  # type: ignore[arg-type]  # narrower than its base
        if not math.isfinite(number):
            self.fail(f"{value} is no number", param, ctx)
        return number


DURATION, MOMENT = Duration(), Moment()
