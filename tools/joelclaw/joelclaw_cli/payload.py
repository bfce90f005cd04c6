"""A payload from the command line, and whether the event it is for would take it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from joelclaw_cli.failures import USAGE, Failure, nearest, usage
from joelclaw_cli.safe import visible

MOST = 1024 * 1024  # bytes; an event that is larger has no business on a bus


def read_data(text: str) -> bytes:
    """`JSON`, `@file`, or `-` for stdin: as it was given. What has no end is read no further than it may be long."""
    if text == "-":
        return _bounded(sys.stdin.buffer, text)
    if not text.startswith("@"):
        return os.fsencode(text)  # the bytes of the command line, no UTF-8 ones too
    path = Path(text[1:]).expanduser()
    try:
        with path.open("rb") as file:
            return _bounded(file, text)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise usage(f"--data {text}: {path} can't be read ({why})", fix="give a readable file") from error


def _bounded(file: BinaryIO, text: str) -> bytes:
    raw = file.read(MOST + 1)
    if len(raw) > MOST:
        raise usage(
            f"--data {text} holds more than 1 MiB", fix="put the bulk elsewhere, and its address into the event"
        )
    return raw


def valid_payload(name: str, raw: bytes, *, force: bool) -> bytes:
    """What is sent: the event's own canonical form. Failures say what is wrong and the nearest right word.

    `force` sends an unknown event, or a payload that its model refuses, as long as it is a JSON object.
    """
    from joelclaw_contracts import CATALOGUE, model_for

    wire = json_object(raw)
    if force:
        return json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode()  # strict JSON: it was read so
    model = model_for(name)
    if model is None:
        raise Failure(
            "event_unknown",
            f"{name} is no event that this suite knows{nearest(name, CATALOGUE)}",
            fix="correct the name, or send it anyway with --force",
            exit_code=USAGE,
        )
    event = model.from_json(raw)
    if unknown := model.unknown_fields(wire):
        known = [info.alias or key for key, info in model.model_fields.items()]
        raise Failure(
            "payload_invalid",
            f"{name} has no field {unknown[0]}{nearest(unknown[0], known)}",
            fix="correct it, or send it anyway with --force",
            exit_code=USAGE,
        )
    return event.to_json()


def json_object(raw: bytes, what: str = "the payload") -> dict[str, Any]:
    """Strict JSON, and an object."""
    from joelclaw_contracts import strict_json

    try:
        wire = strict_json.loads(raw)
    except strict_json.NotStrictJson as error:
        problem = str(error).replace("is not JSON: ", "is no JSON: ")
        raise usage(f"{what} {problem}", fix="quote it for the shell, or use --data @file") from error
    if not isinstance(wire, dict):
        raise usage(f"{what} is a JSON {type(wire).__name__}; expected an object", fix="wrap it in {…}")
    return wire


def confirmed(question: str, *, yes: bool, look: str = "with --dry-run") -> None:
    """Ask, unless `--yes`. Where nobody can answer, `--yes` is demanded, not guessed; `look`: how to see first."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise usage(f"{question}: nobody is here to confirm", fix=f"add --yes, or look first {look}")
    click.confirm(visible(question), abort=True, err=True)
