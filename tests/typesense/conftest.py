"""A real Typesense, a real store for the lease, and the steps between them. Slower than the rest: a server each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw_backup.destination import Destination
from joelclaw_backup.typesense.backup import TypesenseBackup
from joelclaw_backup.typesense.settings import TypesenseSettings
from joelclaw_bus import Store, StoreSettings, open_store
from tests.support.server import Server
from tests.support.typesense import KEY, TypesenseServer, typesense_binary


@pytest.fixture(scope="session")
def typesense_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TypesenseServer]:
    server = TypesenseServer(tmp_path_factory.mktemp("typesense") / "data").start()
    yield server
    server.stop()


@pytest.fixture
def typesense(typesense_source: TypesenseServer) -> TypesenseServer:
    """One without any collection."""
    typesense_source.empty()
    return typesense_source


@pytest.fixture
def own_typesense(tmp_path: Path) -> Iterator[TypesenseServer]:
    """One that a test may spoil."""
    server = TypesenseServer(tmp_path / "own" / "data").start()
    yield server
    server.stop()


@pytest.fixture
async def store(one_server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    root = tmp_path / "nas"
    root.mkdir()
    return root


@pytest.fixture
def roots(tmp_path: Path) -> tuple[str, str]:
    """Primary and fallback."""
    made = (tmp_path / "snapshots", tmp_path / "fallback")
    for root in made:
        root.mkdir()
    return str(made[0]), str(made[1])


def settings_of(at: TypesenseServer | str, nas: Path, roots: tuple[str, ...], **more: Any) -> TypesenseSettings:
    state = nas.parent / "state"
    told: dict[str, Any] = {"seconds": 60.0, "server": str(typesense_binary())}
    return TypesenseSettings(
        url=at if isinstance(at, str) else at.url,
        key=KEY,
        roots=roots,
        destination=Destination("directory", nas),
        staging=Destination("directory", state / "backup-staging", ours=True),
        aside=state / "backup-checks" / "typesense",
        **{**told, **more},
    )


async def back_up(
    backup: TypesenseBackup, run: str = "system/backup.typesense:1", at_ms: int = 1_795_000_000_000
) -> Any:
    """The steps in order, as a run makes them: (taken, proven, published, cleaned)."""
    taken = await backup.take(run, 0, "a test", at_ms)
    copied = await backup.copy(taken)
    proven = await backup.verify(taken, copied)
    published = await backup.publish(taken, copied, proven)
    return taken, proven, published, await backup.clean(taken)
