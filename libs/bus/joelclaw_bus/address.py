"""What REDIS_URL can say, as a value. Pure: nothing is looked up.

| form                                                       | what                                                    |
|------------------------------------------------------------|---------------------------------------------------------|
| `redis://[user:password@]host:port/0`, `unix://path`       | one server                                              |
| `redis+sentinel://[user:password@]h1:26379,h2/0?service=S` | the primary that the sentinels name for the service S   |
| `redis+cluster://[user:password@]h1:6379,h2:6379`          | a cluster; the hosts are where to ask for its map       |

`rediss` in place of `redis` means TLS, to sentinels and nodes alike. User and password are the servers' own; those of
the sentinels are `sentinel_username=` and `sentinel_password=`. redis-py's own options (`ssl_ca_certs=` …) may follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joelclaw_bus.durability import Kind
from joelclaw_bus.errors import AddressInvalid

Place = tuple[str, int]
_SCHEMES: dict[str, tuple[Kind, str]] = {
    "redis": ("single", "redis"),
    "rediss": ("single", "rediss"),
    "unix": ("single", "unix"),
    "redis+sentinel": ("sentinel", "redis"),
    "rediss+sentinel": ("sentinel", "rediss"),
    "redis+cluster": ("cluster", "redis"),
    "rediss+cluster": ("cluster", "rediss"),
}
_PORTS: dict[Kind, int] = {"single": 6379, "sentinel": 26379, "cluster": 6379}


@dataclass(frozen=True, slots=True)
class Address:
    """`shown` is for messages; nothing else of it may be shown. `places`: the server, the sentinels, or some nodes."""

    kind: Kind
    places: tuple[Place, ...]
    shown: str
    service: str = ""
    sentinel_user: str = field(default="", repr=False)
    sentinel_password: str = field(default="", repr=False)
    _scheme: str = "redis"
    _secret: str = field(default="", repr=False)
    _rest: str = field(default="", repr=False)
    _whole: str = field(default="", repr=False)

    @property
    def tls(self) -> bool:
        return self._scheme == "rediss"

    def url(self, place: Place | None = None) -> str:
        """The address of one server of it, for redis-py."""
        if self.kind == "single":
            return self._whole
        host, port = place or self.places[0]
        host = f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{self._secret}{host}:{port}{self._rest}"


def read_address(url: str) -> Address:
    """AddressInvalid says what is wrong, and nothing of what was given: it may hold a password."""
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise AddressInvalid("is not the address of a store")
    kind, plain = _SCHEMES[scheme]
    if kind == "single":
        shown = f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
        return Address(kind, (), shown, _scheme=plain, _whole=url)
    secret, at, rest = rest.rpartition("@")
    if "#" in rest or set("#?/") & set(secret):
        raise AddressInvalid("holds a raw #, ? or /: write those of a password as %23, %3F and %2F")
    hosts, _, query = rest.partition("?")
    hosts, slash, database = hosts.partition("/")
    places = tuple(_place(host, kind) for host in hosts.split(","))
    if database and not (database.isascii() and database.isdigit() and len(database) < 10):
        raise AddressInvalid("ends with something that is no database number")
    if kind == "cluster" and int(database or 0):
        raise AddressInvalid("names a database, and a cluster has only number 0")
    options = dict(parse_qsl(query, keep_blank_values=True))
    service = options.pop("service", "")
    if kind == "sentinel" and not service:
        raise AddressInvalid("does not say what the sentinels call the service; add ?service=NAME")
    if kind == "cluster" and service:
        raise AddressInvalid("names a service, which only sentinels know")
    user, password = options.pop("sentinel_username", ""), options.pop("sentinel_password", "")
    left = (slash + database) + (f"?{urlencode(options)}" if options else "")
    shown = f"{scheme}://{hosts}" + (f" ({service})" if service else "")
    return Address(kind, places, shown, service, user, password, plain, secret + at, left, url)


def without_secret(url: str) -> str:
    """The address as it may lie on a disk: the same where it holds no password, else one that can't log in."""
    scheme, _, rest = url.partition("://")
    base, mark, query = rest.partition("?")
    login, at, hosts = base.rpartition("@")
    base = hosts if ":" in login else login + at + hosts
    options = [part for part in query.split("&") if "password" not in part.partition("=")[0].lower()]
    return f"{scheme}://{base}" + (mark + "&".join(options) if any(options) else "")


def _place(text: str, kind: Kind) -> Place:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or text.endswith(":") or port == 0 or any(c in text for c in "@/ "):
        raise AddressInvalid("has a host or port that can't be one; write host:port,host:port")
    return unquote(host), port or _PORTS[kind]
