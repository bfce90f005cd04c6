"""Lua scripts are files: one atomic step each, loaded once, with their shared pieces put in front.

A file `NAME.lua` starts with `#!lua` (and `flags=allow-oom` where it must run in a full store), then a comment header
that has the lines `KEYS`, `ARGV` and `Answers`. A line `-- unconfirmed: WHY` says that nobody relies on what it wrote
when it answers, so that it need not wait for the durability level. A line `-- uses: clock, outbox` puts
`lib/clock.lua` and `lib/outbox.lua` in front of it (the package's own piece, else the bus's), so that what two scripts
do alike is written once.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_UNCONFIRMED = re.compile(r"^-- unconfirmed: \S", re.MULTILINE)
_USES = re.compile(r"^-- uses: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One script as the server gets it: its text and the SHA-1 by which EVALSHA names it."""

    name: str
    text: str
    sha: str
    confirmed: bool = True
    """Whether its answer counts only once what it wrote has reached the durability level."""


@cache
def load_script(package: str, name: str) -> Script:
    """The script `lua/NAME.lua` of a package. ValueError when the file breaks the form above."""
    source = (files(package) / "lua" / f"{name}.lua").read_text("utf-8")
    first, _, body = source.partition("\n")
    if not first.startswith("#!lua"):
        raise ValueError(f"{package}/lua/{name}.lua must start with #!lua")
    shared = "".join(_piece(package, piece.strip()) for m in _USES.finditer(body) for piece in m[1].split(","))
    text = f"{first}\n{shared}{body}"
    return Script(
        name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), not _UNCONFIRMED.search(body)
    )


def _piece(package: str, name: str) -> str:
    own = files(package) / "lua" / "lib" / f"{name}.lua"
    return (own if own.is_file() else files("joelclaw_bus") / "lua" / "lib" / f"{name}.lua").read_text("utf-8")


def scripts_of(package: str) -> list[str]:
    """The names of all scripts of a package, for tests and for `doctor`."""
    folder: Traversable = files(package) / "lua"
    return sorted(f.name.removesuffix(".lua") for f in folder.iterdir() if f.name.endswith(".lua"))
