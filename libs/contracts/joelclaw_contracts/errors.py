"""What can be wrong with a thing that two processes exchange. Every message is one line.

ContractError (ValueError)
├── NameInvalid        an event name, a prefix or a pattern outside the grammar
├── PayloadInvalid     `data` that is not the event it claims to be: event, field, problem
├── EnvelopeInvalid    a stream entry's own fields: field, problem
└── ConfigError        the configuration: every problem found, each with key, place and remedy
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass


def one_line(text: str, limit: int = 2000) -> str:
    """`text` without line breaks or other control characters, cut at `limit` characters.

    Field names and values come from strangers; a message built of them must stay one line in a log.
    """
    clean = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


class ContractError(ValueError):
    """Something that crossed a boundary is not what the contract says."""


class NameInvalid(ContractError):
    """A name outside the grammar of `names.py`."""

    def __init__(self, kind: str, name: str, problem: str) -> None:
        self.kind = kind
        self.name = name
        self.problem = one_line(problem)
        shown = json.dumps(name if len(name) <= 80 else name[:79] + "…")
        super().__init__(f"{kind} {shown} {self.problem}")


class PayloadInvalid(ContractError):
    """A payload that does not validate.

    `event_name` is the event it was read as; `field` the camelCase path (`evidence[0].detail`), or None
    when the payload as a whole is wrong; `problem` says what is wrong and what is expected.
    """

    def __init__(self, event_name: str, field: str | None, problem: str) -> None:
        self.event_name = event_name
        self.field = None if field is None else one_line(field, 200)
        self.problem = one_line(problem)
        super().__init__(": ".join([event_name, " ".join(filter(None, [self.field, self.problem]))]))


class EnvelopeInvalid(ContractError):
    """A stream entry whose own field `field` (not its payload) is wrong; `problem` says how."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = one_line(problem)
        super().__init__(f"stream entry: field `{field}` {self.problem}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration.

    `where` is a variable's name, or the file's path; `key` the dotted key or the variable, None when the
    whole file is meant; `message` what is wrong, and what to do about it.
    """

    where: str
    key: str | None
    message: str

    def __str__(self) -> str:
        place = self.where if self.key in (None, self.where) else f"{self.where}: {self.key}"
        return one_line(f"{place}: {self.message}")


class ConfigError(ContractError):
    """The configuration can't be used. `problems` holds all that was found; the text has a line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
