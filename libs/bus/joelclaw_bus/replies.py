"""redis-py's errors as ours, and the replies that only a cluster gives."""

from __future__ import annotations

import redis

from joelclaw_bus.errors import BusError, GroupMissing, StoreRefused, StoreUnavailable

NO_ANSWER = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError, TimeoutError)
FAULTS = (redis.exceptions.RedisError, OSError)
Moved = redis.exceptions.MovedError
Ask = redis.exceptions.AskError
NoScript = redis.exceptions.NoScriptError


def translate(error: Exception, where: str) -> BusError:
    """redis-py's error as one of ours. Order matters: its refusals are subclasses of its connection errors too."""
    text = str(error)
    kind = text.split(" ", 1)[0].rstrip(":") if text else type(error).__name__
    if isinstance(error, redis.exceptions.AuthenticationError | redis.exceptions.NoPermissionError):
        return StoreRefused(where, "NOPERM", f"{text}; check user and password in REDIS_URL")
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return StoreRefused(where, "LOADING", "it is still loading its data")
    if isinstance(error, NO_ANSWER):
        return StoreUnavailable(where, text or type(error).__name__)
    if "NOGROUP" in text or "UNBLOCKED" in text:  # a blocked read whose stream vanished is told the latter
        return GroupMissing(where, "NOGROUP", text)
    if isinstance(error, redis.exceptions.ReadOnlyError):
        kind = "READONLY"
    if isinstance(error, redis.exceptions.ClusterDownError):  # redis-py cuts the code off the text
        kind = "MASTERDOWN" if isinstance(error, redis.exceptions.MasterDownError) else "CLUSTERDOWN"
    if isinstance(error, Moved):  # after all our redirections: the map and the nodes disagree, and will agree soon
        kind = "TRYAGAIN"
    if isinstance(error, redis.exceptions.TryAgainError):
        kind = "TRYAGAIN"
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        kind = "OOM"
    return StoreRefused(where, kind, text)
