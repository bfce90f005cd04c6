"""What the operator of `joelclaw up` sees.

On a terminal: everything on stdout, coloured. Otherwise stdout gets one envelope, when the suite is ready (or has
failed), and all lines go to stderr. A reader who went away stops nothing.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from typing import Any

from joelclaw_cli.answer import Answer, envelope
from joelclaw_cli.safe import visible

_COLOURS = {
    "debug": "2",
    "info": "0",
    "warn": "33",
    "warning": "33",
    "error": "31",
    "fatal": "1;31",
    "critical": "1;31",
}
_TIME = ("ts", "time", "timestamp")
_TEXT = ("message", "msg", "event")
ALERT = "ALERT "
WATCHDOG = "the watchdog ends this service, since its event loop did not turn"
_SILENT = re.compile(r"Timeout \(([0-9:.]+)\)!")
"""What the interpreter's watchdog says before the stacks: it works without the interpreter, so these are its words."""


class Feed:
    """Lines of the suite and of its services."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._out = sys.stderr if as_json else sys.stdout
        self._colour = self._out.isatty()
        self.last: dict[str, str] = {}  # each service's last line: why it died, most likely

    def say(self, sentence: str, *, colour: str = "36") -> None:
        """The supervisor's own voice."""
        self._line("suite", sentence, colour)

    def line(self, service: str, line: str) -> None:
        """A line of a service; JSON log lines are drawn as words, alerts stand out."""
        if not line.strip():
            return
        self.last[service] = line
        if silent := _SILENT.fullmatch(line.strip()):
            what = f"{WATCHDOG} (it was silent for {silent[1]}): frozen, or held by a handler. Its stacks follow"
            self._line(service, what, _COLOURS["error"])
        if line.startswith(ALERT):
            self.alert(line.removeprefix(ALERT), source=service)
            return
        level, texts = _drawn(line)
        for text in texts:
            self._line(service, text, _COLOURS.get(level, "0"))

    def alert(self, text: str, *, source: str) -> None:
        """An alert for people, on a line that can't be missed."""
        self._line(source, f"ALERT  {' '.join(text.split())}", "1;37;41")

    def ready(self, answer: Answer, picture: list[str]) -> None:
        """Everything runs: where things are, and what to try."""
        if self._json:
            with suppress(OSError):
                print(envelope("joelclaw up", answer), flush=True)
            return
        self._write("\n" + "\n".join(map(visible, picture)) + "\n")

    def _line(self, source: str, text: str, colour: str) -> None:
        text = visible(text)
        if self._colour:
            self._write(f"\033[2m{source:>7} │\033[0m \033[{colour}m{text}\033[0m")
        else:
            self._write(f"{source:>7} | {text}")

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal or the pipe is gone; the suite goes on
            print(text, file=self._out, flush=True)


def _drawn(line: str) -> tuple[str, list[str]]:
    """(level, its lines: words, then a traceback) of a log line; one that is no JSON object is shown as it is."""
    record: dict[str, Any] | None = None
    if line.startswith("{"):
        with suppress(ValueError, RecursionError):
            loaded = json.loads(line)
            record = loaded if isinstance(loaded, dict) else None
    if record is None:
        return "info", [line]
    level = str(record.get("level", "info")).lower()
    text = next((str(record[k]) for k in _TEXT if record.get(k)), "")
    known = {*_TIME, *_TEXT, "level", "service", "logger", "exc"}
    rest = " ".join(f"{k}={_word(v)}" for k, v in record.items() if k not in known and v not in (None, "", {}, []))
    trace = str(record["exc"]).split("\n") if record.get("exc") else []
    return level, [f"{level:<5} {text}  {rest}".rstrip(), *trace]


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
