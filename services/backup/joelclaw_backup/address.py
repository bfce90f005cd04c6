"""The address of the server that is backed up: `redis://[user:password@]host:port/0`, `rediss://…`, `unix://path`, or
the sentinels that know it, `redis+sentinel://[user:password@]h1:26379,h2/0?service=S`, or nodes of a cluster, which is
taken whole, `redis+cluster://[user:password@]h1:6379,h2`, as REDIS_URL says it too.

Database numbers don't matter: a dump holds them all. Of redis-py's address options only those of TLS and of `unix://`
are understood here; any other is refused at the start, since it could not be obeyed.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from joelclaw_bus.address import Address as BusAddress
from joelclaw_bus.address import Place, read_address
from joelclaw_bus.errors import AddressInvalid as BusAddressInvalid

_OPTIONS = ("ssl_ca_certs", "ssl_cert_reqs", "ssl_check_hostname", "ssl_certfile", "ssl_keyfile", "db")


class AddressInvalid(ValueError):
    """`str()` never holds the address: it may hold a password."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where and as whom to connect. `shown` is for people: no user, no password."""

    url: str = field(repr=False)
    host: str = ""
    port: int = 6379
    path: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: bool = False
    options: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    sentinels: BusAddress | None = field(default=None, repr=False)
    cluster: BusAddress | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        if many := self.sentinels or self.cluster:
            return many.shown
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext:
        """Certificates are checked unless the address says `ssl_cert_reqs=none`. OSError for unreadable files."""
        context = ssl.create_default_context(cafile=self.options.get("ssl_ca_certs"))
        if self.options.get("ssl_check_hostname", "").lower() in ("false", "0"):
            context.check_hostname = False
        if self.options.get("ssl_cert_reqs", "").lower() in ("none", "cert_none"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate := self.options.get("ssl_certfile"):
            context.load_cert_chain(certificate, self.options.get("ssl_keyfile"))
        return context


def parse_address(url: str) -> Address:
    """AddressInvalid says what is wrong with it."""
    if re.match(r"[a-z]+\+(sentinel|cluster)://", url):
        return _of_many(url)
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise AddressInvalid("has a host or port that can't be one") from None
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := sorted(set(options) - set(_OPTIONS)):
        raise AddressInvalid(
            f"has the option {unknown[0][:40]}, which a backup can't obey; known: {', '.join(_OPTIONS)}"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "unix":
        if not parts.path:
            raise AddressInvalid("names no socket; expected unix:///path")
        return Address(url, path=unquote(parts.path), user=user, password=password, options=options)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise AddressInvalid("is no address of a server; expected redis://host:port, rediss://… or unix:///path")
    return Address(
        url, parts.hostname, port, user=user, password=password, tls=parts.scheme == "rediss", options=options
    )


def _of_many(url: str) -> Address:
    try:
        told = read_address(url)
    except BusAddressInvalid as error:
        raise AddressInvalid(str(error)) from None
    one = parse_address(told.url(told.places[0]))  # what holds for each server of them: user, password, TLS
    if told.kind == "cluster":
        return replace(one, url=url, host="", cluster=told)
    return replace(one, url=url, host="", sentinels=told)


def sentinel_urls(address: Address) -> list[str]:
    """Where to ask who the primary is, as whom."""
    told = address.sentinels
    if told is None:
        return []
    secret = f"{quote(told.sentinel_user, '')}:{quote(told.sentinel_password, '')}@" if told.sentinel_password else ""
    options = f"?{urlencode(address.options)}" if address.options else ""
    scheme = "rediss" if address.tls else "redis"
    return [f"{scheme}://{secret}{f'[{host}]' if ':' in host else host}:{port}{options}" for host, port in told.places]


def named_by_sentinels(address: Address, place: Place) -> Address:
    """The address of the server that they named."""
    assert address.sentinels is not None
    return parse_address(address.sentinels.url(place))


def node_of(address: Address, place: Place) -> Address:
    """The address of one node of a cluster, as the user and with the options that hold for all of it."""
    host, port = place
    user, password = quote(address.user, ""), quote(address.password, "")
    login = f"{user}:{password}@" if user or password else ""
    options = f"?{urlencode(address.options)}" if address.options else ""
    scheme = "rediss" if address.tls else "redis"
    return parse_address(f"{scheme}://{login}{f'[{host}]' if ':' in host else host}:{port}/0{options}")


def nodes_of(address: Address) -> list[Address]:
    """Where a cluster may be asked for its map."""
    return [node_of(address, place) for place in address.cluster.places] if address.cluster else [address]
