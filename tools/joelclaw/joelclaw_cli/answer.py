"""What a command returns: facts for programs, a picture for people, and what to do next."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joelclaw_cli.safe import plain_json, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_cli.failures import Failure

Next = tuple[str, str]  # a command, and what it is good for


@dataclass(frozen=True, slots=True)
class Answer:
    """`result` is JSON-able. `view` draws it; called only for people, so that programs never pay for `rich`.

    trouble: what the answer found to be wrong: the command did its work, but exits as this failure says."""

    result: Any
    view: Callable[[], Iterable[RenderableType]]
    next_actions: tuple[Next, ...] = field(default=())
    trouble: Failure | None = None

    @property
    def exit_code(self) -> int:
        return self.trouble.exit_code if self.trouble else 0


def envelope(command: str, answer: Answer) -> str:
    """One line of JSON: `{ok, command, result, next_actions}`; with trouble also what a failure adds."""
    if answer.trouble:
        return failure_envelope(command, answer.trouble, result=answer.result, next_actions=answer.next_actions)
    return _json({"ok": True, "command": command, "result": answer.result, "next_actions": _next(answer.next_actions)})


def failure_envelope(
    command: str, failure: Failure, *, result: Any = None, next_actions: Iterable[Next] | None = None
) -> str:
    """The same for a failure: `error {code, message}` and `fix` beside it."""
    return _json(
        {
            "ok": False,
            "command": command,
            "result": result,
            "error": {"code": failure.code, "message": failure.message},
            "fix": failure.fix,
            "next_actions": _next(failure.next_actions if next_actions is None else next_actions),
        }
    )


def draw(answer: Answer) -> None:
    """For people: the picture, then what to try next."""
    from joelclaw_cli.render import console, text

    screen = console()
    for part in answer.view():
        screen.print(text(part) if isinstance(part, str) else part)
    for command, description in answer.next_actions:
        screen.print(text(f"→ {description}:", "dim"), text(command, "cyan"), soft_wrap=True)


def print_failure(failure: Failure) -> None:
    """One line on stderr: what, where, how to mend."""
    colour = sys.stderr.isatty()
    head = "\033[1;31merror\033[0m" if colour else "error"
    fix = f" Fix: {failure.fix}" if failure.fix else ""
    message = failure.message if failure.message.endswith((".", "?")) else failure.message + "."
    print(f"{head}: {visible(message + fix)}", file=sys.stderr)


def _next(actions: Iterable[Next]) -> list[dict[str, str]]:
    return [{"command": command, "description": description} for command, description in actions]


def _json(value: Any) -> str:
    return plain_json(json.dumps(value, ensure_ascii=False, default=str))
