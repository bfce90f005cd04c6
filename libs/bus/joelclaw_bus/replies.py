"""redis-py's errors as ours, and the replies that only a cluster gives."""

from __future__ import annotations

import redis

from joelclaw_bus.errors import BusError, GroupMissing, NoFreeConnection, StoreRefused, StoreUnavailable
from joelclaw_bus.tls import advice

NO_ANSWER = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError, TimeoutError)
FAULTS = (redis.exceptions.RedisError, OSError)
NoAnswer = redis.exceptions.ConnectionError
Refusal = redis.exceptions.ResponseError
Moved = redis.exceptions.MovedError
Ask = redis.exceptions.AskError
NoScript = redis.exceptions.NoScriptError


_CODES: tuple[tuple[type[Exception], str], ...] = (
    (redis.exceptions.AuthenticationError, "WRONGPASS"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),
    (redis.exceptions.MovedError, "MOVED"),  # after all our redirections: the map and the nodes will agree soon
    (redis.exceptions.AskError, "ASK"),
    (redis.exceptions.TryAgainError, "TRYAGAIN"),
    (redis.exceptions.OutOfMemoryError, "OOM"),
)
"""Of these redis-py cuts the server's code off the text. Order matters: some are subclasses of others."""


def _code(error: Exception) -> str:
    """The server's own code of a refusal; '' where the server did not speak."""
    text = str(error)
    if "max number of clients reached" in text:
        return "MAXCLIENTS"
    if "NOGROUP" in text or text.startswith("UNBLOCKED"):  # a blocked read whose stream vanished is told the latter
        return "NOGROUP"
    for known, code in _CODES:
        if isinstance(error, known):
            code = getattr(error, "status_code", None) or code
            return "NOEVAL" if code == "NOPERM" and "'eval" in text else code
    if isinstance(error, NO_ANSWER):
        return ""
    return text.split(" ", 1)[0].rstrip(":") if text else type(error).__name__


def was_said(error: Exception) -> bool:
    """Whether the server spoke: some of its refusals are connection errors to redis-py."""
    return _code(error) != ""


def translate(error: Exception, where: str) -> BusError:
    """redis-py's error as one of ours: its refusals are subclasses of its connection errors too."""
    text, code = str(error) or type(error).__name__, _code(error)
    if text == "No connection available.":  # redis-py's pool: it has no class of its own for it
        return NoFreeConnection(where)
    if not code:
        return StoreUnavailable(where, text, *advice(error, where))
    return GroupMissing(where, code, text) if code == "NOGROUP" else StoreRefused(where, code, text)
