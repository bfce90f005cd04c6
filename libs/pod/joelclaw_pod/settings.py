"""What a service reads from its environment, once, at the start.

| variable                    | default      | what                                                               |
|-----------------------------|--------------|--------------------------------------------------------------------|
| REDIS_URL                   | (required)   | the store: redis://, rediss://, unix://, redis+sentinel://host,…/0 |
|                             |              | ?service=NAME or redis+cluster://host,…; see joelclaw_bus.address  |
| JOELCLAW_DURABILITY         | memory       | memory, local or replica: what "acknowledged" means                |
| JOELCLAW_MIN_REPLICAS       | 1            | at replica: nothing is written while fewer are online, 1 to 100    |
| JOELCLAW_PREFIX             | (none)       | before every key of this deployment                                |
| JOELCLAW_HTTP_HOST          | 127.0.0.1    | where the probes listen                                            |
| JOELCLAW_HTTP_PORT          | 0            | their port; 0 takes any free one                                   |
| JOELCLAW_LEASE_MS           | 15000        | how long work is held without a sign of life, 500 to 600000        |
| JOELCLAW_PARALLEL           | 32           | runs at once in this process, 1 to 10000                           |
| JOELCLAW_GRACE_MS           | 10000        | how long a stop waits for runs to end, 0 to 600000                 |
| JOELCLAW_LOG_LEVEL          | info         | debug, info, warn or error                                         |
| JOELCLAW_SYSTEM_ID          | the hostname | `systemId` of the evidence                                         |
| JOELCLAW_READY_FILE         | (none)       | written once ready: {"service", "pid", "http"}                     |
| OTEL_EXPORTER_OTLP_ENDPOINT | (none)       | where traces go, http(s)://; none: nothing is exported             |
| JOELCLAW_CONFIG             | (none)       | the configuration file; read by the loader in joelclaw_contracts   |
| JOELCLAW_STATE_DIR          | (none)       | the suite's directory; the pod keeps `alerts.log` there            |

A variable set to nothing counts as not set. Any other `JOELCLAW_*` is an error that names its nearest neighbour,
except those that Kubernetes injects for a Service whose name starts with `joelclaw` (`JOELCLAW_ROUTER_SERVICE_HOST`,
`JOELCLAW_ROUTER_PORT=tcp://…`, `JOELCLAW_ROUTER_PORT_80_TCP_ADDR` …): those are nobody's settings.
"""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from joelclaw_bus.address import read_address
from joelclaw_bus.durability import Durability
from joelclaw_bus.errors import AddressInvalid
from joelclaw_contracts import NameInvalid, check_name, check_prefix
from joelclaw_pod.errors import SettingsError

LOG_LEVELS = ("debug", "info", "warn", "error")
OURS = (
    "JOELCLAW_PREFIX",
    "JOELCLAW_DURABILITY",
    "JOELCLAW_MIN_REPLICAS",
    "JOELCLAW_HTTP_HOST",
    "JOELCLAW_HTTP_PORT",
    "JOELCLAW_LEASE_MS",
    "JOELCLAW_PARALLEL",
    "JOELCLAW_GRACE_MS",
    "JOELCLAW_LOG_LEVEL",
    "JOELCLAW_SYSTEM_ID",
    "JOELCLAW_READY_FILE",
)
OTHERS = ("JOELCLAW_CONFIG", "JOELCLAW_STATE_DIR")  # other rooms own their meaning; here they only pass

_INJECTED = re.compile(
    r"JOELCLAW_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_INJECTED_PORT = re.compile(r"JOELCLAW_(?:[A-Z0-9_]+_)?PORT")
_INJECTED_URL = re.compile(r"(?:tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """See the table above. Times are in ms as in the environment; `lease` and `grace` give seconds.

    `environ` is the whole mapping they were read from, for a service that has variables of its own.
    """

    service: str
    redis_url: str = field(repr=False)  # it may hold a password
    prefix: str = ""
    durability: Durability = Durability.MEMORY
    min_replicas: int = 1
    http_host: str = "127.0.0.1"
    http_port: int = 0
    lease_ms: int = 15_000
    parallel: int = 32
    grace_ms: int = 10_000
    log_level: str = "info"
    system_id: str = ""
    ready_file: Path | None = None
    otlp_endpoint: str | None = None
    state_dir: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def lease(self) -> float:
        return self.lease_ms / 1000

    @property
    def grace(self) -> float:
        return self.grace_ms / 1000


def read_settings(service: str, environ: Mapping[str, str]) -> ServiceSettings:
    """The settings of one service. SettingsError; NameInvalid for a service name that can't be one."""
    check_name(service)
    own = {k: v for k, v in environ.items() if not is_injected(k, v)}
    _refuse_unknown(own)
    text = {k: v for k in (*OURS, *OTHERS, "REDIS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT") if (v := own.get(k, "").strip())}
    return ServiceSettings(
        service=service,
        redis_url=_store_url(text.get("REDIS_URL")),
        prefix=_prefix(text.get("JOELCLAW_PREFIX", "")),
        durability=_durability(text.get("JOELCLAW_DURABILITY", "memory")),
        min_replicas=_number(text, "JOELCLAW_MIN_REPLICAS", 1, 1, 100),
        http_host=text.get("JOELCLAW_HTTP_HOST", "127.0.0.1"),
        http_port=_number(text, "JOELCLAW_HTTP_PORT", 0, 0, 65_535),
        lease_ms=_number(text, "JOELCLAW_LEASE_MS", 15_000, 500, 600_000),
        parallel=_number(text, "JOELCLAW_PARALLEL", 32, 1, 10_000),
        grace_ms=_number(text, "JOELCLAW_GRACE_MS", 10_000, 0, 600_000),
        log_level=_log_level(text.get("JOELCLAW_LOG_LEVEL", "info")),
        system_id=text.get("JOELCLAW_SYSTEM_ID") or socket.gethostname(),
        ready_file=_path(text.get("JOELCLAW_READY_FILE")),
        otlp_endpoint=_endpoint(text.get("OTEL_EXPORTER_OTLP_ENDPOINT")),
        state_dir=_path(text.get("JOELCLAW_STATE_DIR")),
        environ=dict(environ),
    )


def is_injected(name: str, value: str) -> bool:
    """Whether Kubernetes set this variable for a Service, so that it is no setting of ours.

    `JOELCLAW_HTTP_PORT=tcp://…` too: a Service named joelclaw-http injects it, and a value that the pod's own
    specification sets would have won over it.
    """
    if _INJECTED.fullmatch(name):
        return True
    return bool(_INJECTED_PORT.fullmatch(name) and _INJECTED_URL.match(value))


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name.startswith("JOELCLAW_") and name not in OURS and name not in OTHERS:
            known = [n.removeprefix("JOELCLAW_") for n in (*OURS, *OTHERS)]
            near = difflib.get_close_matches(name.removeprefix("JOELCLAW_"), known, n=1, cutoff=0.5)
            remedy = (
                f"did you mean JOELCLAW_{near[0]}?" if near else f"remove it; known are {', '.join((*OURS, *OTHERS))}"
            )
            raise SettingsError(name, "is not a setting of this service", remedy)


def _number(text: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = text.get(name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or not low <= int(value) <= high:
        raise SettingsError(name, f"is {value!r}", f"give a whole number from {low} to {high}")
    return int(value)


def _store_url(url: str | None) -> str:
    if url is None:
        raise SettingsError(
            "REDIS_URL", "is not set", "name the store, e.g. REDIS_URL=redis://127.0.0.1:6379/0, or use `joelclaw up`"
        )
    if url.partition("://")[0].partition("+")[1]:
        try:
            read_address(url)
        except AddressInvalid as error:
            remedy = "write redis+sentinel://[user:password@]host:port,…/0?service=NAME or redis+cluster://host:port,…"
            raise SettingsError("REDIS_URL", error.problem, remedy) from None
        return url
    remedy = "write redis://[user:password@]host:port/0, rediss://… or unix://path"
    try:  # the value is never shown: it may hold a password
        parts = urlsplit(url)
        usable = parts.scheme in ("redis", "rediss", "unix") and bool(parts.hostname or parts.scheme == "unix")
        _ = parts.port
    except ValueError:
        raise SettingsError("REDIS_URL", "has a host or port that can't be one", remedy) from None
    if not usable:
        raise SettingsError("REDIS_URL", "is not the address of a store", remedy)
    if parts.scheme != "unix" and not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise SettingsError("REDIS_URL", "ends with something that is no database number", remedy)
    return url


def _durability(value: str) -> Durability:
    try:
        return Durability(value.lower())
    except ValueError:
        raise SettingsError(
            "JOELCLAW_DURABILITY", f"is {value[:40]!r}", f"choose one of {', '.join(Durability)}"
        ) from None


def _endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass  # a port that is no number: the same one line
    raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT", "is not an address", "write http://host:4318, or unset it")


def _prefix(value: str) -> str:
    try:
        return check_prefix(value)
    except NameInvalid:
        raise SettingsError("JOELCLAW_PREFIX", f"is {value[:40]!r}", "use letters, digits and . _ / : - only") from None


def _log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise SettingsError("JOELCLAW_LOG_LEVEL", f"is {value[:40]!r}", f"choose one of {', '.join(LOG_LEVELS)}")
    return value.lower()


def _path(value: str | None) -> Path | None:
    return Path(value).expanduser() if value else None
