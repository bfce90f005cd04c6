"""A snapshot of a real server, archived, copied, restored in a throwaway server and compared: what a run does."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from joelclaw_backup.carrying import Carried
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import Manifest, TypesenseManifest, Verified
from joelclaw_backup.telling import Speaker, result_of
from joelclaw_backup.typesense.backup import TypesenseBackup
from tests.support.typesense import books
from tests.typesense.conftest import back_up, settings_of

pytestmark = [pytest.mark.anyio, pytest.mark.typesense]


async def test_what_is_restored_is_what_the_server_held(typesense, store, nas, roots):
    typesense.create("books")
    typesense.put("books", books(2000))
    typesense.create("empty")
    typesense.ask("PUT", "/aliases/novels", {"collection_name": "books"})
    backup = TypesenseBackup(settings_of(typesense, nas, roots), store)
    taken, proven, published, cleaned = await back_up(backup)
    manifest = Manifest.of(taken["manifest"])
    assert isinstance(manifest, TypesenseManifest)
    assert {name: c.documents for name, c in manifest.witness.collections.items()} == {"books": 2000, "empty": 0}
    assert (manifest.moving, manifest.taken.calls, manifest.source.role) == ((), 1, "leader")
    assert (manifest.taken.root, manifest.taken.term > 0) == (roots[0], True)
    assert manifest.taken.index == manifest.witness.index
    verified = Verified.model_validate(proven["verified"])
    assert verified.restored is not None
    assert verified.restored.digest == manifest.witness.digest
    with tarfile.open(Path(published["path"]) / "snapshot.tar") as archive:
        assert sorted(archive.getnames()) == sorted(member.name for member in manifest.members)
    assert cleaned == {"sourceRemoved": [f"{roots[0]}/{manifest.taken.snapshot}"], "sourceTrouble": ""}
    assert os.listdir(roots[0]) == []


async def test_a_legitimately_empty_server_is_a_good_backup(typesense, store, nas, roots):
    taken, proven, *_ = await back_up(TypesenseBackup(settings_of(typesense, nas, roots), store))
    assert Manifest.of(taken["manifest"]).told.count == 0
    assert proven["verified"]["restored"]["collections"] == {}


async def test_both_roots_failing_is_one_error_that_names_both(typesense, store, nas, tmp_path):
    files = tuple(str(tmp_path / name) for name in ("one", "two"))
    for name in ("one", "two"):
        (tmp_path / name).touch()
    with pytest.raises(BackupFailed) as caught:
        await back_up(TypesenseBackup(settings_of(typesense, nas, files), store))
    assert caught.value.failure_class is FailureClass.NO_SNAPSHOT_FILES
    assert all(file in str(caught.value) for file in files)
    assert "though the server said 201" in str(caught.value)


async def test_the_fallback_root_is_used_when_the_primary_is_no_place(typesense, store, nas, roots, tmp_path):
    (tmp_path / "file").touch()
    backup = TypesenseBackup(settings_of(typesense, nas, (str(tmp_path / "file"), roots[1])), store)
    taken, _, published, cleaned = await back_up(backup)
    assert taken["manifest"]["taken"]["root"] == roots[1]
    assert published["id"] == taken["manifest"]["id"]
    assert len(cleaned["sourceRemoved"]) == 1


async def test_older_snapshots_are_pruned_once_the_copy_is_verified_and_nobody_elses(typesense, store, nas, roots):
    old = [f"2026111{day}T110640Z-6cf0c3191e44-0000000{day}" for day in range(5)]
    for root, name in [(root, name) for root in roots for name in old]:
        os.mkdir(f"{root}/{name}")
        os.mkdir(f"{root}/{name}/state")
    os.mkdir(f"{roots[0]}/somebody's")
    backup = TypesenseBackup(settings_of(typesense, nas, roots, keep=2), store)
    taken = await backup.take("r", 0, "", 1_795_000_000_000)
    copied = await backup.copy(taken)
    proven = await backup.verify(taken, copied)
    assert len(os.listdir(roots[0])) == 7, "nothing went before the copy was verified"
    await backup.publish(taken, copied, proven)
    cleaned = await backup.clean(taken)
    assert sorted(os.listdir(roots[0])) == [*old[3:], "somebody's"]
    assert sorted(os.listdir(roots[1])) == old[3:]
    assert (len(cleaned["sourceRemoved"]), cleaned["sourceTrouble"]) == (7, "")
    assert await backup.clean(taken) == {
        "sourceRemoved": [f"{roots[0]}/{taken['manifest']['taken']['snapshot']}"],
        "sourceTrouble": "",
    }, "again is no harm"


async def test_without_a_server_here_the_bytes_alone_are_proven_and_that_is_said(typesense, store, nas, roots):
    backup = TypesenseBackup(settings_of(typesense, nas, roots, server=""), store)
    taken, proven, published, _ = await back_up(backup)
    assert (proven["verified"]["restored"], proven["verified"]["restoreMs"]) == (None, None)
    nothing = {"id": "", "verdict": "", "detail": "", "bytes": 0}
    carried = Carried("local", 1, (), proven=proven, published=published)
    told = result_of(Manifest.of(taken["manifest"]), carried, nothing, backup.keeping)
    assert (told["restored"], "not restored" in told["unproven"]) == (None, True)
    evidence = Speaker(backup.keeping, "t", "s", "typesense").stored("r", 1, told, None)
    assert (evidence.level, "not restored" in (evidence.error or "")) == ("warn", True)
