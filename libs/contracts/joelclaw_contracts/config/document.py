"""The file: found, read, parsed, and held against the known keys. The only I/O in this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from joelclaw_contracts import strict_json
from joelclaw_contracts.errors import ConfigError, Problem
from joelclaw_contracts.names import nearest

from .sources import CONFIG_VARIABLE, KEYS

MAX_BYTES = 1024 * 1024
DEFAULT_FILE = Path(".joelclaw") / "system-bus.config.json"

Tree = dict[str, "Tree | None"]


def config_path(environ: Mapping[str, str], home: Path) -> Path:
    """The file that counts: `JOELCLAW_CONFIG` (`~` is `home`), else `~/.joelclaw/system-bus.config.json`."""
    named = environ.get(CONFIG_VARIABLE, "").strip()
    if not named:
        return home / DEFAULT_FILE
    return home / named[2:] if named.startswith("~/") else Path(named)


def read_document(path: Path, *, required: bool) -> dict[str, Any]:
    """The file's object; empty if there is no file and none is `required`. Raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if required or path.is_symlink():  # a link to nowhere was meant to be a file
            raise _error(
                path, f"does not exist; write it with `joelclaw nas config init`, or mend {CONFIG_VARIABLE}"
            ) from None
        return {}
    except IsADirectoryError:
        raise _error(path, "is a directory; expected a JSON file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(path, f"can't be read ({reason}); mend the path or its permissions") from None
    if len(raw) > MAX_BYTES:
        raise _error(path, f"is larger than {MAX_BYTES} bytes; expected the configuration")
    try:
        document = strict_json.loads(raw)
    except strict_json.NotStrictJson as error:
        at = f"{error.line}:{error.column}: " if error.line else ""
        raise _error(path, f"{at}{error.problem}; mend the file, nothing of it was used") from None
    if not isinstance(document, dict):
        raise _error(path, "holds no object; expected { … } with the sections in it")
    return document


def get(document: Mapping[str, Any], dotted: str) -> Any:
    """What stands at a dotted path; None if nothing, or no section on the way."""
    at: Any = document
    for name in dotted.split("."):
        at = at.get(name) if isinstance(at, Mapping) else None
    return at


def unknown_keys(document: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """A problem for every key that nothing reads, and for every section that is no object."""
    yield from _unknown(document, _TREE, "", str(path))


def _unknown(given: Mapping[str, Any], tree: Tree, at: str, where: str) -> Iterator[Problem]:
    for name, value in given.items():
        if name not in tree:
            yield Problem(where, at + name, f"is no known key; {_advice(name, tree, at)}")
            continue
        inner = tree[name]
        if inner is not None and not isinstance(value, dict):
            yield Problem(where, at + name, "is no object; expected a section { … }")
        elif inner is not None:
            yield from _unknown(value, inner, f"{at}{name}.", where)


def _advice(name: str, tree: Tree, at: str) -> str:
    if near := nearest(name, tree):
        return f"did you mean {at}{near}?"
    elsewhere = [key for key in _leaves(_TREE) if key.rsplit(".", 1)[-1] == name]
    if elsewhere:
        return f"did you mean {elsewhere[0]}?"
    return f"known here: {', '.join(tree)}" if tree else "this section has no keys"


def _leaves(tree: Tree, at: str = "") -> Iterator[str]:
    for name, inner in tree.items():
        if inner is None:
            yield at + name
        else:
            yield from _leaves(inner, f"{at}{name}.")


def _known_tree() -> Tree:
    # Sections in the order of the contract; schedules and alerts.owners are maps, checked where they are read.
    tree: Tree = {}
    for place in (place for key in KEYS for place in key.places):
        at = tree
        for name in place.section.split("."):
            inner = at.setdefault(name, {})
            assert inner is not None  # a section and a key never share a name
            at = inner
        at.update(dict.fromkeys(place.names))
    return {**tree, "schedules": None}


_TREE = _known_tree()


def _error(path: Path, message: str) -> ConfigError:
    return ConfigError([Problem(str(path), None, message)])
