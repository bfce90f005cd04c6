"""What we are told about Typesense, by variables. It is configured where `TYPESENSE_API_KEY` is set."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from joelclaw_backup.destination import Destination
from joelclaw_backup.retention import Rule
from joelclaw_backup.settings import aside_of, destination_of, rule_of, staging_of
from joelclaw_backup.travel import Travel, travel_of
from joelclaw_contracts import Config
from joelclaw_contracts.names import nearest
from joelclaw_pod import SettingsError

KEY = "TYPESENSE_API_KEY"
PREFIX = "TYPESENSE_SNAPSHOT_"
KNOWN = tuple(PREFIX + name for name in ("ROOT", "FALLBACK_ROOT", "RETENTION_COUNT", "SOURCE", "TIMEOUT_SECONDS"))
TARGET = "typesense"


@dataclass(frozen=True, slots=True)
class PodPlace:
    """Which container of which pod the server runs in."""

    namespace: str = "default"
    pod: str = "typesense-0"
    container: str = "typesense"


@dataclass(frozen=True, slots=True)
class TypesenseSettings:
    """roots: primary, then the fallback if it differs. keep: so many snapshots stay at the source when older ones are
    pruned. pod: None for a server on this machine. seconds: how long a snapshot call may take. server: the program that
    a drill starts; empty where there is none."""

    url: str
    key: str = field(repr=False)
    roots: tuple[str, ...]
    destination: Destination
    staging: Destination
    aside: Path
    rule: Rule = field(default_factory=Rule)
    keep: int = 2
    pod: PodPlace | None = None
    seconds: float = 600.0
    server: str = ""
    window_hours: float = 4.0
    schedule: str = "0 3 * * *"
    travel: Travel = field(default_factory=Travel)


def is_configured(environ: Mapping[str, str]) -> bool:
    return bool(environ.get(KEY, "").strip())


def read_typesense_settings(config: Config, environ: Mapping[str, str], state_dir: Path) -> TypesenseSettings | None:
    """None where it is not configured. SettingsError names the variable."""
    if not is_configured(environ):
        return None
    _refuse_misspelt(environ)
    primary = _root(environ, PREFIX + "ROOT")
    fallback = _root(environ, PREFIX + "FALLBACK_ROOT")
    return TypesenseSettings(
        url=_url(environ),
        key=environ[KEY].strip(),
        roots=tuple(dict.fromkeys((primary, fallback))),
        destination=destination_of(config, state_dir),
        staging=staging_of(config, state_dir),
        aside=aside_of(state_dir, TARGET),
        rule=rule_of(config),
        keep=_number(environ, PREFIX + "RETENTION_COUNT", 2),
        pod=_pod(environ),
        seconds=_number(environ, PREFIX + "TIMEOUT_SECONDS", 600),
        server=server_of(environ),
        window_hours=config.transport.recovery_window_hours,
        schedule=config.schedules["system/backup.typesense"],
        travel=travel_of(config, state_dir),
    )


def server_of(environ: Mapping[str, str]) -> str:
    """The program that drills start: `TYPESENSE_SERVER_BINARY`, else `typesense-server` on PATH; empty for none."""
    named = environ.get("TYPESENSE_SERVER_BINARY", "").strip()
    if not named:
        return shutil.which("typesense-server", path=environ.get("PATH")) or ""
    if found := shutil.which(named, path=environ.get("PATH")):
        return str(Path(found).resolve())
    raise SettingsError("TYPESENSE_SERVER_BINARY", f"{named} is no program", "name a typesense-server, or unset it")


def _url(environ: Mapping[str, str]) -> str:
    url = environ.get("TYPESENSE_URL", "").strip() or "http://localhost:8108"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise SettingsError("TYPESENSE_URL", f"{url.split('@')[-1]} is no address", "http://HOST:PORT, without a query")
    return url.rstrip("/")


def _root(environ: Mapping[str, str], name: str) -> str:
    given = environ.get(name, "").strip() or "/data/snapshots"
    root = PurePosixPath(given)
    if not root.is_absolute() or ".." in root.parts or len(root.parts) < 2:
        raise SettingsError(name, f"{given} is no directory of its own", "name an absolute path without .. in it")
    return str(root)


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 86_400):
        raise SettingsError(name, f"{text} is no number from 1 to 86400", f"{default} is the default")
    return int(text)


def _pod(environ: Mapping[str, str]) -> PodPlace | None:
    name = PREFIX + "SOURCE"
    source: Literal["local", "k8s"] | str = environ.get(name, "").strip() or "local"
    if source == "local":
        return None
    if source != "k8s":
        raise SettingsError(name, f"{source} is unknown", "local: its disk is ours; k8s: staged out of its pod")
    plain = PodPlace()
    return PodPlace(
        _word(environ, "TYPESENSE_K8S_NAMESPACE", plain.namespace),
        _word(environ, "TYPESENSE_K8S_POD", plain.pod),
        _word(environ, "TYPESENSE_K8S_CONTAINER", plain.container),
    )


def _word(environ: Mapping[str, str], name: str, default: str) -> str:
    given = environ.get(name, "").strip() or default
    if given.startswith("-") or not all(c.isalnum() or c in "-." for c in given) or not given.isascii():
        raise SettingsError(name, f"{given} is no name that Kubernetes knows", f"{default} is the default")
    return given


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in KNOWN:
            near = nearest(name, KNOWN)
            raise SettingsError(name, "is no known variable", f"did you mean {near}?" if near else "unset it")
