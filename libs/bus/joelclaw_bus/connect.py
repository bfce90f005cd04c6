"""Address in, redis-py clients out. The rules that hold for every client of the bus:

- no library retries: one lost reply to a repeated XADD made two entries. Only the bus repeats, and only what is safe;
- an explicit deadline on every call, blocking reads included;
- raw replies (bytes, lists, ints), the same shape whatever the library's version;
- behind sentinels, each new connection asks them who is primary: an address kept from yesterday may be a server that
  came back as its own master, and takes writes that nobody will ever see.
"""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from joelclaw_bus.address import Address, Place
from joelclaw_bus.errors import AddressInvalid
from joelclaw_bus.sentinel import blocking_sentinel_pool, sentinel_pool

_options_of: Any = redis.connection.parse_url  # it has no types
OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_cert_reqs")
LONGEST_LOOK_UP = 1.0
"""Seconds that one sentinel may take: the others are asked after it."""


def async_client(address: Address, place: Place | None, *, deadline: float, connect: float, connections: int) -> Any:
    """A client of one server. deadline: seconds for an answer; connect: for a connection."""
    options = {
        "max_connections": connections,
        "timeout": deadline,
        **_options(deadline, connect),
        "retry": AsyncRetry(NoBackoff(), 0),
    }
    pool: Any
    try:
        if address.kind == "sentinel":
            options |= redis.asyncio.connection.parse_url(address.url())
            options = {k: v for k, v in options.items() if k not in ("host", "port", "connection_class")}
            pool = sentinel_pool(address.places, address.service, _to_ask(address, deadline), address.tls, options)
        else:
            pool = redis.asyncio.BlockingConnectionPool.from_url(address.url(place), **options)
            pool.make_connection()  # an option that doesn't exist is refused now, not at the first call
    except TypeError:  # its name is not told: it may be the end of a password with a raw ?
        raise AddressInvalid(f"has an option that doesn't exist; there are {', '.join(OPTIONS)}") from None
    except ValueError as error:
        raise AddressInvalid(f"is not a usable address: {error}") from error
    client = redis.asyncio.Redis.from_pool(pool)
    client.response_callbacks.clear()
    return client


def blocking_client(address: Address, place: Place | None, *, deadline: float) -> Any:
    """The same for a thread."""
    options: dict[str, Any] = {**_options(deadline, deadline), "retry": Retry(NoBackoff(), 0)}
    client: Any
    if address.kind == "sentinel":
        options |= _options_of(address.url())
        options = {k: v for k, v in options.items() if k not in ("host", "port", "connection_class")}
        pool = blocking_sentinel_pool(address.places, address.service, _to_ask(address, deadline), address.tls, options)
        client = redis.Redis.from_pool(pool)
    else:
        client = redis.Redis.from_url(address.url(place), single_connection_client=False, **options)
    client.response_callbacks.clear()
    return client


def close_blocking(client: Any) -> None:
    """Close it, and the clients by which it asked the sentinels."""
    client.close()
    sentinels = getattr(client.connection_pool, "sentinel_manager", None)
    if sentinels is not None:
        sentinels.close()


def _options(deadline: float, connect: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": deadline,
        "socket_connect_timeout": connect,
        "retry_on_error": [],
        "health_check_interval": 0,
    }


def _to_ask(address: Address, deadline: float) -> dict[str, Any]:
    """How a sentinel is asked. It keeps redis-py's own reply parsing: the lookup is the library's."""
    patience = min(deadline, LONGEST_LOOK_UP)
    asked: dict[str, Any] = {"protocol": 2, "socket_timeout": patience, "socket_connect_timeout": patience}
    if address.sentinel_user:
        asked["username"] = address.sentinel_user
    if address.sentinel_password:
        asked["password"] = address.sentinel_password
    if address.tls:
        asked["ssl"] = True
        options = _options_of(address.url())
        asked |= {k: v for k, v in options.items() if k.startswith("ssl_")}
    return asked
