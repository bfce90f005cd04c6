"""Log lines on stderr: one JSON object a line for machines, a short line for a person at a terminal.

Fields: `ts` (UTC, ms), `level` (debug, info, warn, error, fatal), `service`, `msg`, whatever came as `extra`, and for
an exception its whole text in one field, `exc`. Secrets are taken out of all of them (`redact.py`).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from joelclaw_contracts.redact import redact, redact_text

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES = {10: "debug", 20: "info", 30: "warn", 40: "error", 50: "fatal"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_QUIET = ("opentelemetry", "urllib3")  # they log at warning while an exporter's target is away; tracing says it once
_CHATTY = ("httpx", "httpcore", "asyncssh")  # they log addresses at info, and an address may be nothing but a secret


def setup_logs(service: str, level: str, *, stream: TextIO | None = None, human: bool | None = None) -> None:
    """Send every log line of this process through our form. `human`: None asks whether the stream is a terminal."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    person = stream.isatty() if human is None else human
    handler.setFormatter(HumanLines() if person else JsonLines(service))
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _level(record: logging.LogRecord) -> str:
    return _NAMES.get(record.levelno, record.levelname.lower())


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")}


def _message(record: logging.LogRecord) -> str:
    try:
        return redact_text(record.getMessage())
    except (TypeError, ValueError):  # arguments that don't fit the text: the line is told anyway
        return redact_text(f"{record.msg} {record.args}")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "ts": when.replace("+00:00", "Z"),
            "level": _level(record),
            "service": self._service,
            "msg": _message(record),
        }
        extra = redact(_extra(record))
        if isinstance(extra, dict):
            line |= {k: v for k, v in extra.items() if k not in line}
        if record.exc_info:
            line["exc"] = redact_text(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class HumanLines(logging.Formatter):
    """`12:00:01 warn  the message  key=value`, and an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        extra = redact(_extra(record))
        pairs = "".join(f"  {k}={v}" for k, v in extra.items()) if isinstance(extra, dict) else ""
        line = f"{when} {_level(record):<5} {_message(record)}{pairs}"
        if record.exc_info:
            line += "\n" + redact_text(self.formatException(record.exc_info))
        return line
