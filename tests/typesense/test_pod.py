"""A server in a pod: all of it goes through kubectl, by argument lists. A recording stand-in on PATH is the cluster."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.typesense.place import LocalPlace, fresh_name
from joelclaw_backup.typesense.pod import PodDisk
from joelclaw_backup.typesense.settings import PodPlace

ARTEFACT = "20261118T110640Z-6cf0c3191e44"
HEAD = ["exec", "-n", "joelclaw", "typesense-0", "-c", "typesense", "--"]
STAND_IN = """#!{python}
import json, os, sys
with open({record!r}, "a") as record:
    record.write(json.dumps(sys.argv[1:]) + "\\n")
said, code = os.environ.get("KUBECTL_SAYS", ""), int(os.environ.get("KUBECTL_ENDS", "0"))
if code:
    sys.stderr.write(said)
    sys.exit(code)
words = sys.argv[sys.argv.index("--") + 1 :]
os.execvp(words[0], words)
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """What kubectl was called with, so far; the pod's disk is ours."""
    record, programs = tmp_path / "record", tmp_path / "bin"
    programs.mkdir()
    stand_in = programs / "kubectl"
    stand_in.write_text(STAND_IN.format(python=sys.executable, record=str(record)))
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return lambda: [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


@pytest.fixture
def pod() -> PodDisk:
    return PodDisk(PodPlace("joelclaw", "typesense-0", "typesense"))


def snapshot(root: Path) -> str:
    name = fresh_name(ARTEFACT)
    (root / name / "state/meta").mkdir(parents=True)
    (root / name / "state/meta/raft_meta").write_bytes(b"m" * 29)
    (root / name / "state/data").write_bytes(os.urandom(3_000_000))
    return name


def contents(place: PodDisk | LocalPlace, root: Path, name: str) -> dict[str, bytes]:
    return {member.path: member.file.read() for member in place.members(str(root), name)}


def test_a_snapshot_comes_out_of_a_pod_as_it_lies_there(pod, kubectl, tmp_path):
    name = snapshot(tmp_path)
    assert contents(pod, tmp_path, name) == contents(LocalPlace(), tmp_path, name)
    assert kubectl() == [[*HEAD, "tar", "-C", f"{tmp_path}/{name}", "-c", "-f", "-", "."]]


def test_only_snapshots_of_ours_are_listed_and_removed(pod, kubectl, tmp_path):
    name = snapshot(tmp_path)
    (tmp_path / "somebody's").mkdir()
    assert pod.names(str(tmp_path)) == [name]
    pod.remove(str(tmp_path), name)
    assert not (tmp_path / name).exists()
    assert (tmp_path / "somebody's").is_dir()
    assert kubectl()[-1] == [*HEAD, "rm", "-rf", "--", f"{tmp_path}/{name}"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/", "x; rm -rf /", f"{ARTEFACT}-00000000/..", ARTEFACT])
@pytest.mark.parametrize("kind", ["pod", "local"])
def test_nothing_else_is_ever_removed(pod, kubectl, tmp_path, name, kind):
    place = pod if kind == "pod" else LocalPlace()
    with pytest.raises(ValueError, match="no snapshot of ours"):
        place.remove(str(tmp_path), name)
    assert kubectl() == []


def test_a_link_with_a_snapshots_name_leads_nowhere(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    name = fresh_name(ARTEFACT)
    (tmp_path / name).symlink_to(other)
    LocalPlace().remove(str(tmp_path), name)
    assert (other / "kept").exists()


def test_a_snapshot_that_is_not_there_has_no_members(pod, kubectl, tmp_path):
    assert contents(pod, tmp_path, fresh_name(ARTEFACT)) == {}
    assert contents(LocalPlace(), tmp_path, fresh_name(ARTEFACT)) == {}


def test_a_link_inside_a_snapshot_is_no_snapshot(pod, kubectl, tmp_path):
    name = snapshot(tmp_path)
    (tmp_path / name / "state/secret").symlink_to("/etc/passwd")
    with pytest.raises(BackupFailed, match="secret is no plain file") as caught:
        contents(pod, tmp_path, name)
    assert caught.value.failure_class is FailureClass.SNAPSHOT_INVALID


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('Error from server (Forbidden): pods "typesense-0" is forbidden', FailureClass.PERMISSION_DENIED),
        ("error: You must be logged in to the server (Unauthorized)", FailureClass.PERMISSION_DENIED),
        ("Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout", FailureClass.UNREACHABLE),
        ("tar: write error: No space left on device", FailureClass.NO_SPACE_LEFT),
    ],
)
def test_what_kubectl_says_is_classified(pod, kubectl, tmp_path, monkeypatch, said, kind):
    monkeypatch.setenv("KUBECTL_SAYS", said)
    monkeypatch.setenv("KUBECTL_ENDS", "1")
    for act in (lambda: contents(pod, tmp_path, fresh_name(ARTEFACT)), lambda: pod.names(str(tmp_path))):
        with pytest.raises(BackupFailed) as caught:
            act()
        assert caught.value.failure_class is kind
        assert said[:20] in str(caught.value)


def test_without_kubectl_the_reason_is_said(pod, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match="kubectl is not on PATH"):
        pod.names(str(tmp_path))
