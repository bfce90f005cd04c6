"""How a Typesense's snapshot lies (201 whatever happened), each lie told to us and none believed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import Manifest, TypesenseManifest
from joelclaw_backup.policy import compare
from joelclaw_backup.typesense.backup import TypesenseBackup
from joelclaw_backup.typesense.lease import only_call
from joelclaw_backup.typesense.place import LocalPlace, fresh_name
from joelclaw_backup.typesense.verdict import Lying, judge
from tests.support.typesense import TypesenseServer, books, free_ports
from tests.typesense.conftest import back_up, settings_of

pytestmark = [pytest.mark.anyio, pytest.mark.typesense]
ARTEFACT = "20261118T110640Z-6cf0c3191e44"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """One of 256 KiB."""
    root = tmp_path / "small"
    root.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(root)], capture_output=True)
    if mounted.returncode:
        missing = f"no tmpfs can be mounted here: {mounted.stderr.decode()}"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    yield root
    subprocess.run(["umount", str(root)], check=True)


def kept(nas: Path) -> list[Path]:
    return list(nas.rglob("manifest.json"))


async def refused(server: TypesenseServer, store, nas: Path, *roots: str) -> BackupFailed:
    with pytest.raises(BackupFailed) as caught:
        await back_up(TypesenseBackup(settings_of(server, nas, roots), store))
    assert not kept(nas), "nothing was kept"
    return caught.value


async def test_a_full_target_disk_is_said_to_be_full(own_typesense, store, nas, small_disk):
    own_typesense.create("books")
    own_typesense.put("books", books(20_000))
    failed = await refused(own_typesense, store, nas, str(small_disk))
    assert failed.failure_class is FailureClass.NO_SPACE_LEFT
    assert "though the server said 201" in str(failed)


async def test_a_target_that_is_a_file_holds_no_snapshot(own_typesense, store, nas, tmp_path):
    (tmp_path / "file").touch()
    failed = await refused(own_typesense, store, nas, str(tmp_path / "file"))
    assert failed.failure_class is FailureClass.NO_SNAPSHOT_FILES


async def test_a_target_that_cannot_be_written_holds_no_snapshot(own_typesense, store, nas):
    failed = await refused(own_typesense, store, nas, "/proc/1")
    assert failed.failure_class is FailureClass.NO_SNAPSHOT_FILES


async def test_two_generations_in_one_directory_are_no_snapshot(own_typesense, store, tmp_path):
    name = fresh_name(ARTEFACT)
    for _ in range(2):
        async with only_call(store, own_typesense.url, 60, "a test"):
            own_typesense.ask("POST", f"/operations/snapshot?snapshot_path={tmp_path / name}")
    files = {m.path: Lying(m.size) for m in LocalPlace().members(str(tmp_path), name)}
    with pytest.raises(BackupFailed, match="2 generations"):
        judge(files)


async def test_each_call_gets_a_directory_that_nobody_used(typesense, store, nas, roots):
    backup = TypesenseBackup(settings_of(typesense, nas, roots), store)
    taken = [await backup.take("r", 0, "", 1_795_000_000_000) for _ in range(2)]  # the same run and round again
    names = [t["manifest"]["taken"]["snapshot"] for t in taken]
    assert len(set(names)) == 2
    assert sorted(names) == sorted(os.listdir(roots[0]))


async def test_a_second_call_while_one_is_in_flight_is_refused_before_it_is_made(typesense, store, nas, roots):
    backup = TypesenseBackup(settings_of(typesense, nas, roots), store)
    async with only_call(store, typesense.url, 60, "a snapshot of another process"):
        with pytest.raises(BackupFailed) as caught:
            await back_up(backup)
    assert caught.value.failure_class is FailureClass.RESOURCE_UNAVAILABLE
    assert "a snapshot of another process" in str(caught.value)
    assert os.listdir(roots[0]) == []
    await back_up(backup)


async def test_two_backups_at_once_make_one_call_at_a_time(typesense, store, nas, roots):
    typesense.create("books")
    typesense.put("books", books(5000))
    ended: list[str] = []

    async def one(number: int) -> None:
        backup = TypesenseBackup(settings_of(typesense, nas, roots), store)
        try:
            await backup.take(f"r:{number}", 0, "", 1_795_000_000_000 + number)
            ended.append("taken")
        except BackupFailed as failed:
            ended.append(str(failed.failure_class))

    async with anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(one, number)
    assert set(ended) <= {"taken", "resource-unavailable"}
    assert "taken" in ended
    assert typesense.healthy()


async def test_a_server_that_stays_silent_is_wedged_and_is_left_alone(own_typesense, store, nas, roots):
    assert own_typesense.process is not None
    backup = TypesenseBackup(settings_of(own_typesense, nas, roots, seconds=1.0), store)
    await backup._held()
    own_typesense.process.send_signal(signal.SIGSTOP)
    try:
        failed = []
        for _ in range(2):
            with pytest.raises(BackupFailed) as caught:
                await _made(backup)
            failed.append(caught.value)
    finally:
        own_typesense.process.send_signal(signal.SIGCONT)
    assert [f.failure_class for f in failed] == [FailureClass.WEDGED, FailureClass.RESOURCE_UNAVAILABLE]
    assert "is wedged, and may be at it still" in str(failed[0])
    assert roots[1] not in str(failed[0]), "no second call while the first may be at work"
    assert "left alone" in str(failed[1])


async def _made(backup: TypesenseBackup) -> object:
    return await backup.snapshots.make(ARTEFACT)


def flip_each_table(archive: Path, manifest: TypesenseManifest) -> None:
    """One bit of each table, a quarter into it: records lie there, not what only helps to find them."""
    raw = bytearray(archive.read_bytes())
    with tarfile.open(archive) as opened:
        for member in manifest.members:
            if member.name.endswith(".sst"):
                raw[opened.getmember(member.name).offset_data + member.size // 4] ^= 1
    archive.write_bytes(raw)


async def test_flipped_bytes_are_found_by_reading_and_where_they_are_not_by_what_is_restored(
    own_typesense, store, nas, roots, tmp_path
):
    """A flip before the archive was made has the right hashes: only counts and digest can tell.

    The server is the test's own: tables of a shared one may hold what earlier tests deleted, and a flip there
    changes nothing that is restored.
    """
    own_typesense.create("books")
    own_typesense.put("books", books(3000))
    backup = TypesenseBackup(settings_of(own_typesense, nas, roots), store)
    taken = await backup.take("r", 0, "", 1_795_000_000_000)
    manifest = Manifest.of(taken["manifest"])
    assert isinstance(manifest, TypesenseManifest)
    staged = tmp_path / "state/backup-staging/backups/typesense" / taken["staged"] / "snapshot.tar"
    flip_each_table(staged, manifest)
    caught = ""
    try:
        held, _ = await backup.restored(
            staged.parent, manifest.model_copy(update={"members": rehashed(staged, manifest)})
        )
        assert held is not None
        compared = compare(manifest, held)
        caught = str(compared.verdict)
    except BackupFailed as failed:
        caught = failed.failure_class
    assert caught in ("started-and-differs", "did-not-start")
    with pytest.raises(BackupFailed, match="is not what left the source"):
        await backup.restored(staged.parent, manifest)


def rehashed(archive: Path, manifest: TypesenseManifest) -> tuple[object, ...]:
    """The members as they lie there now: as if they had left the source so."""
    with tarfile.open(archive) as opened:
        return tuple(
            m.model_copy(update={"sha256": hashlib.sha256(opened.extractfile(m.name).read()).hexdigest()})  # type: ignore[union-attr]  # a member that is a file
            for m in manifest.members
        )


async def test_an_empty_snapshot_of_a_server_that_was_not_empty_differs(typesense, store, nas, roots, tmp_path):
    empty = TypesenseBackup(settings_of(typesense, nas, roots), store)
    taken = await empty.take("r", 0, "", 1_795_000_000_000)
    typesense.create("books")
    typesense.put("books", books(10))
    full = await empty._held()
    manifest = Manifest.of(taken["manifest"])
    assert isinstance(manifest, TypesenseManifest)
    staged = tmp_path / "state/backup-staging/backups/typesense" / taken["staged"]
    held, _ = await empty.restored(staged, manifest)
    assert held is not None
    compared = compare(manifest.model_copy(update={"witness": full}), held)
    assert (compared.verdict, "books is missing" in compared.detail) == (FailureClass.STARTED_AND_DIFFERS, True)


async def test_a_server_that_is_written_to_all_the_time_is_backed_up_and_what_moved_is_named(
    typesense, store, nas, roots
):
    typesense.create("still")
    typesense.put("still", books(500))
    typesense.create("moving")
    going = True

    async def write() -> None:
        number = 0
        while going:
            await anyio.to_thread.run_sync(typesense.put, "moving", books(20, number))
            number += 20

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        try:
            backup = TypesenseBackup(settings_of(typesense, nas, roots), store)
            taken, *_ = await back_up(backup)
        finally:
            going = False
    manifest = Manifest.of(taken["manifest"])
    assert isinstance(manifest, TypesenseManifest)
    assert manifest.moving == ("moving",)
    assert manifest.told.digest is None, "nothing claims that all of it is exact"
    assert manifest.witness.collections["still"].documents == 500


async def test_a_minority_node_still_snapshots_and_its_part_is_recorded_and_told(store, nas, roots, tmp_path):
    ports = free_ports(6)
    nodes = tmp_path / "nodes"
    nodes.write_text(",".join(f"127.0.0.1:{ports[2 * n + 1]}:{ports[2 * n]}" for n in range(3)))
    servers = [
        TypesenseServer(tmp_path / f"node{n}", ports[2 * n], ports[2 * n + 1], nodes).start(wait=False)
        for n in range(3)
    ]
    try:
        for server in servers:
            await anyio.to_thread.run_sync(server.wait)
        servers[0].create("books")
        servers[0].put("books", books(200))
        with anyio.fail_after(60):
            while [c["num_documents"] for c in servers[0].ask("GET", "/collections")] != [200]:  # noqa: ASYNC110  a server tells nobody
                await anyio.sleep(0.1)  # a majority has them; this one may be behind it
        for server in servers[1:]:
            server.stop()
        with anyio.fail_after(60):
            while servers[0].ask("GET", "/status")["state"] == "LEADER":  # noqa: ASYNC110  a server tells nobody
                await anyio.sleep(0.2)
        with anyio.fail_after(90):
            while True:
                try:
                    taken, _, published, _ = await back_up(TypesenseBackup(settings_of(servers[0], nas, roots), store))
                    break
                except BackupFailed as refused:  # between two elections it takes no questions for a moment
                    if "Not Ready or Lagging" not in str(refused):
                        raise
                    await anyio.sleep(0.2)
        manifest = Manifest.of(taken["manifest"])
        assert isinstance(manifest, TypesenseManifest)
        assert manifest.source.role != "leader"
        assert "the leader may hold more" in manifest.told.note
        assert (manifest.witness.count, published["id"]) == (200, manifest.id), "a cluster's snapshot restores alone"
    finally:
        for server in servers:
            server.stop()
