"""The golden payloads, by event name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joelclaw_contracts import load_config
from joelclaw_contracts.config import Config

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Callable[..., dict[str, Any]]:
    """`golden(event_name, "minimal" | "full")`: a fresh copy of that payload, changed by keywords."""

    def read(event_name: str, kind: str = "minimal", **changes: Any) -> dict[str, Any]:
        text = (GOLDEN / f"{event_name.replace('/', '.')}.{kind}.json").read_text(encoding="utf-8")
        return {**json.loads(text), **changes}

    return read


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Where the file belongs in this test's home."""
    path = tmp_path / ".joelclaw" / "system-bus.config.json"
    path.parent.mkdir()
    return path


@pytest.fixture
def load(config_file: Path, tmp_path: Path) -> Callable[..., Config]:
    """`load(document, NAME="value", …)`: writes the document, if one is given, and loads."""

    def loader(document: object = None, **environ: str) -> Config:
        if document is not None:
            config_file.write_text(json.dumps(document), encoding="utf-8")
        return load_config(environ, home=tmp_path)

    return loader
