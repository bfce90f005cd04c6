"""The kinds of value that configuration holds, each with its bounds and the sentence that refuses a wrong one.

Nothing here echoes a URL or a channel: those carry passwords and tokens.
"""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from joelclaw_contracts.errors import NameInvalid
from joelclaw_contracts.fields import Name
from joelclaw_contracts.names import check_name

from .cron import cron_problem


def refuse(problem: str) -> PydanticCustomError:
    """An error whose message is the whole sentence after the key."""
    return PydanticCustomError("config", "{problem}", {"problem": problem})


Retries = Annotated[int, Field(strict=True, ge=0, le=64)]
FloorMs = Annotated[int, Field(strict=True, ge=1, le=3_600_000)]
CeilingMs = Annotated[int, Field(strict=True, ge=1, le=14_400_000)]
WaitMs = Annotated[int, Field(strict=True, ge=0, le=86_400_000)]
Megabytes = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
Attempts = Annotated[int, Field(strict=True, ge=1, le=100)]
Times = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Kept = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Spared = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Confirmations = Annotated[int, Field(strict=True, ge=1, le=100)]
Share = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]
WindowHours = Annotated[float, Field(strict=True, gt=0, le=720, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]
Word = Name
DestinationKind = Literal["directory", "mount"]
Tier = Literal["hdd", "nvme"]


def _host(value: str) -> str:
    if value.startswith("-"):
        raise refuse("starts with `-`, which ssh would read as an option; expected host or user@host")
    if re.search(r"\s|[^ -~]", value):
        raise refuse("holds a space or a character outside ASCII; expected host or user@host")
    return value


def _root(value: str) -> str:
    if not value.startswith("/") or not value.isprintable():
        raise refuse("is no absolute path; expected one like /Volumes/three-body")
    parts = [part for part in value.split("/") if part]
    if not parts or ".." in parts:
        # Every delete is confined to a root, so a root of / would confine nothing.
        raise refuse("is / or climbs with `..`; expected a directory of its own")
    return "/" + "/".join(parts)


def _flags(value: Any) -> Any:
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
        raise refuse("is no list of strings; expected ssh options, like `-o BatchMode=yes`, as a string or a list")
    try:
        tokens = tuple(token for line in lines for token in shlex.split(line))
    except ValueError as error:
        raise refuse(f"can't be split like a command line ({error}); close the quotation") from None
    if not all(token.isprintable() for token in tokens):
        raise refuse("holds a control character")
    return tokens


def _channels(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _event(value: str) -> str:
    try:
        return check_name(value)
    except NameInvalid as error:
        raise refuse(f"is no event's name: it {error.problem}") from None


def _cron(value: str) -> str:
    if problem := cron_problem(value):
        raise refuse(f'{problem}; expected "m h d m w", or "TZ=Area/City m h d m w"')
    return " ".join(value.split())


def _redis(value: str) -> str:
    if not re.match(r"rediss?(\+(sentinel|cluster))?://|unix://", value):
        known = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"
        raise refuse(f"is no Redis address; expected {known}")
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", value):
        raise refuse("is no address to probe; expected http://host:port/path")
    return value


def _place(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not (
        separator and re.fullmatch(r"\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+", host) and port.isascii() and port.isdecimal()
    ):
        raise refuse("is no place to connect to; expected host:port, like 192.168.1.1:53")
    if not 1 <= int(port) <= 65_535:
        raise refuse(f"has the port {port}; expected 1 to 65535")
    return value


def _command(value: Any) -> Any:
    # A string would want a shell to split it, and nothing here starts one.
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise refuse('is no list of strings; expected a program and its arguments, like ["my-worker", "--port", "80"]')
    if any("\0" in word for word in value) or (value and not value[0].strip()):
        raise refuse("names no program, or holds a NUL; expected a program and its arguments")
    return value


_String = Annotated[str, StringConstraints(strict=True, pattern=r"\S", max_length=4096)]

SshHost = Annotated[_String, AfterValidator(_host)]
RootPath = Annotated[_String, AfterValidator(_root)]
SshFlags = Annotated[tuple[str, ...], BeforeValidator(_flags)]
Channels = Annotated[tuple[_String, ...], Field(min_length=1, max_length=100), BeforeValidator(_channels)]
EventName = Annotated[_String, AfterValidator(_event)]
Cron = Annotated[_String, AfterValidator(_cron)]
Places = Annotated[
    tuple[Annotated[_String, AfterValidator(_place)], ...], Field(max_length=20), BeforeValidator(_channels)
]
HttpUrl = Annotated[_String, AfterValidator(_address)]
Command = Annotated[tuple[str, ...], Field(max_length=100), BeforeValidator(_command)]
RedisUrl = Annotated[_String, AfterValidator(_redis)]
