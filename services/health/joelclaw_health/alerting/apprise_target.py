"""The one place that knows apprise: a URL in, a message out. Blocking, so it is called in a thread.

The library says only yes or no; the reason is what it logs meanwhile, without whatever looks like a secret. Its own
loggers are silenced: at their lower levels they write tokens.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from joelclaw_contracts.redact import redact_text

KEY_HEADER = "Idempotency-Key"
WHY_CHARS = 200

Send = Callable[[str, str, str, str], str]
"""(url, title, text, key) -> '' when it was taken, else why not."""


def is_target(url: str) -> bool:
    """Whether apprise knows what this is."""
    return _instance(url) is not None


def send(url: str, title: str, text: str, key: str) -> str:
    """Sends once. key: the dedupe key, for receivers that can use it."""
    target = _instance(url)
    if target is None:
        return "apprise does not know this kind of target"
    if isinstance(getattr(target, "headers", None), dict):
        target.headers[KEY_HEADER] = key
    said = _Said()
    logger = logging.getLogger("apprise")
    logger.addHandler(said)
    try:
        taken = bool(target.notify(title=title, body=text))
    except Exception as error:  # a plugin of a hundred: whatever it raises means that it was not taken
        return type(error).__name__
    finally:
        logger.removeHandler(said)
    return "" if taken else redact_text(said.why or "no reason was given")[:WHY_CHARS]


def _instance(url: str) -> Any:
    import apprise  # half a second: only who has a target pays for it

    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    return apprise.Apprise.instantiate(url, suppress_exceptions=True)


class _Said(logging.Handler):
    """The last warning of this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.why = " ".join(record.getMessage().split())
