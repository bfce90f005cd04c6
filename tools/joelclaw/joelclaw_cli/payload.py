"""A payload from the command line, and whether the event it is for would take it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from joelclaw_cli.failures import USAGE, Failure, nearest, usage


def read_data(text: str) -> bytes:
    """`JSON`, `@file`, or `-` for stdin: as it was given."""
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    path = Path(text[1:]).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise usage(f"--data {text}: {path} can't be read ({error.strerror})", fix="give a readable file") from error


def valid_payload(name: str, raw: bytes, *, force: bool) -> bytes:
    """What is sent: the event's own canonical form. Failures say what is wrong and the nearest right word.

    `force` sends an unknown event, or a payload that its model refuses, as long as it is a JSON object.
    """
    from joelclaw_contracts import CATALOGUE, model_for

    wire = _object(raw)
    if force:
        return json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode()
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


def _object(raw: bytes) -> dict[str, Any]:
    try:
        wire = json.loads(raw)
    except ValueError as error:
        raise usage(f"the payload is no JSON ({error})", fix="quote it for the shell, or use --data @file") from error
    if not isinstance(wire, dict):
        raise usage(f"the payload is a JSON {type(wire).__name__}; expected an object", fix="wrap it in {…}")
    return wire


def confirmed(question: str, *, yes: bool) -> None:
    """Ask, unless `--yes`. Where nobody can answer, `--yes` is demanded instead of guessed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise usage(f"{question}: nobody is here to confirm", fix="add --yes, or look first with --dry-run")
    click.confirm(question, abort=True, err=True)
