"""Where copies may go: never below a mount point that isn't mounted."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw_backup.destination import SENTINEL, Destination, checking
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.killable import finished
from joelclaw_backup.settings import destination_of
from joelclaw_contracts import load_config
from joelclaw_healing.mounts import is_mount_point, mount_points
from joelclaw_pod import SettingsError

RESERVE = 256 * 1024 * 1024
TABLE = (
    "23 28 0:21 / /proc rw,nosuid - proc proc rw\n"
    "40 28 0:35 / /mnt/my\\040nas rw - nfs4 host:/x rw\n"
    "28 1 254:1 / / rw - ext4 /dev/root rw\n"
)


def refusal(destination: Destination) -> BackupFailed:
    with pytest.raises(BackupFailed) as caught:
        finished(checking(destination))
    return caught.value


def test_the_mount_table_decides_where_there_is_one():
    assert mount_points(TABLE) == {"/proc", "/mnt/my nas", "/"}
    assert is_mount_point("/mnt/my nas", 1, 1, TABLE)
    assert not is_mount_point("/mnt", 1, 2, TABLE)
    assert is_mount_point("/mnt", 1, 2, None)
    assert not is_mount_point("/mnt", 2, 2, None)


def test_nothing_is_written_below_a_mount_point_that_is_not_mounted(nas):
    (nas / SENTINEL).touch()  # not even with a forgotten sentinel
    failed = refusal(Destination("mount", nas))
    assert failed.failure_class == "not-mounted"
    assert "nothing is mounted there" in str(failed)
    assert os.listdir(nas) == [SENTINEL]


@pytest.mark.parametrize("kind", ["mount", "directory"])
def test_a_root_that_is_no_directory_is_refused(tmp_path, kind):
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "missing", tmp_path / "file" / "below"):
        assert refusal(Destination(kind, root)).failure_class == ("not-mounted" if kind == "mount" else "unreachable")
    assert not (tmp_path / "missing").exists()


@pytest.fixture
def mounted(nas: Path) -> Iterator[Path]:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(nas)], capture_output=True).returncode:
        missing = "this user can't mount a tmpfs"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    yield nas
    subprocess.run(["umount", "-l", str(nas)], check=True)


def test_a_mounted_destination_needs_its_sentinel_too(mounted):
    failed = refusal(Destination("mount", mounted))
    assert failed.failure_class == "not-mounted"
    assert SENTINEL in str(failed)
    (mounted / SENTINEL).touch()
    assert finished(checking(Destination("mount", mounted)))["free"] > 0


def destination(tmp_path: Path, document: dict[str, object], **environ: str) -> Destination:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(document))
    loaded = load_config({"JOELCLAW_CONFIG": str(config), **environ}, home=tmp_path)
    return destination_of(loaded, tmp_path / "state")


def test_a_strangers_laptop_keeps_its_copies_on_the_same_disk_and_says_so(tmp_path):
    chosen = destination(tmp_path, {})
    assert chosen == Destination("directory", tmp_path / "state", "hdd", "same disk", ours=True, reserve=RESERVE)


def test_a_configured_nas_is_a_mount(tmp_path):
    assert destination(tmp_path, {"backupTransport": {}}) == Destination(
        "mount", Path("/Volumes/three-body"), "hdd", "NAS", reserve=RESERVE
    )
    nvme = {"backup": {"destination": {"tier": "nvme"}}}
    assert destination(tmp_path, nvme, NAS_NVME_ROOT="/mnt/fast").root == Path("/mnt/fast")
    plain = {"backup": {"destination": {"kind": "directory"}}}
    assert destination(tmp_path, plain, NAS_HDD_ROOT="/mnt/slow").label == "same disk"


def test_a_configured_path_wins_and_says_what_it_is_worth(tmp_path, nas):
    chosen = destination(tmp_path, {"backup": {"destination": {"path": str(nas)}}}, NAS_HDD_ROOT="/mnt/slow")
    assert (chosen.kind, chosen.root, chosen.label, chosen.ours) == ("directory", nas, "same disk", False)
    assert destination(tmp_path, {"backup": {"destination": {"path": "/proc", "kind": "mount"}}}).label == "mount"


def test_a_mount_without_a_place_stops_the_start(tmp_path):
    with pytest.raises(SettingsError, match=r"backup\.destination\.path is not set"):
        destination(tmp_path, {"backup": {"destination": {"kind": "mount"}}})
