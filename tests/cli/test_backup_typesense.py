"""`joelclaw backup run typesense --wait`, end to end: a real Typesense, a real service, a real store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.support.server import Server
from tests.support.typesense import KEY, TypesenseServer, books, typesense_binary

pytestmark = pytest.mark.typesense


@pytest.fixture
def typesense(tmp_path: Path) -> Iterator[TypesenseServer]:
    server = TypesenseServer(tmp_path / "typesense" / "data").start()
    server.create("books")
    server.put("books", books(1200))
    yield server
    server.stop()


@pytest.fixture
def suite(
    cli: Cli, one_server: Server, typesense: TypesenseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The root for snapshots, of a machine where a Typesense and a server for its drills are configured."""
    root = tmp_path / "snapshots"
    root.mkdir()
    told = {
        "HOME": str(tmp_path),
        "JOELCLAW_STATE_DIR": str(tmp_path / "state"),
        "TYPESENSE_URL": typesense.url,
        "TYPESENSE_API_KEY": KEY,
        "TYPESENSE_SNAPSHOT_ROOT": str(root),
        "TYPESENSE_SNAPSHOT_FALLBACK_ROOT": str(root),
        "TYPESENSE_SERVER_BINARY": str(typesense_binary()),
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen([sys.executable, "-m", "joelclaw_backup"], env=dict(os.environ), stderr=log)
    yield root
    service.kill()
    service.wait()


def test_a_typesense_is_backed_up_proven_listed_and_drilled(cli: Cli, suite: Path) -> None:
    made = cli("backup", "run", "typesense", "--wait")
    result = made.result
    assert (made.code, result["verified"], result["keys"], result["restored"]) == (0, True, 1200, 1200)
    assert (result["of"], result["note"], result["unproven"]) == ("documents", "", "")
    assert result["sourceRemoved"] == [f"{suite}/{name}" for name in _snapshots(result)]
    assert os.listdir(suite) == [], "the snapshot went once its copy was verified"
    (listed,) = cli("backup", "list").result["artefacts"]
    assert (listed["id"], listed["target"], listed["standing"]) == (result["id"], "typesense", "verified")
    assert KEY not in (Path(result["path"]) / "manifest.json").read_text()
    drilled = cli("backup", "drill", "--latest", "typesense")
    assert (drilled.code, drilled.result["restored"]["collections"]) == (0, {"books": 1200})
    assert cli("backup", "verify", "typesense/latest").result["ok"]

    archive = Path(result["path"]) / "snapshot.tar"
    raw = bytearray(archive.read_bytes())
    raw[len(raw) // 2] ^= 1
    archive.write_bytes(raw)
    damaged = cli("backup", "verify", result["id"])
    assert (damaged.code, damaged.error, "snapshot.tar" in damaged.err) == (1, "backup_damaged", True)


def _snapshots(result: dict[str, object]) -> list[str]:
    return [str(path).rpartition("/")[2] for path in result["sourceRemoved"]]  # type: ignore[attr-defined]  # of JSON
