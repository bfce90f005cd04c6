"""A server in a pod: its snapshots come out as `tar`, through kubectl. Argument lists, never a shell. Blocking."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.typesense.place import Member, is_ours, require_ours
from joelclaw_backup.typesense.settings import PodPlace

SECONDS = 60.0
"""So long a listing or a removal may take. A staging is bounded by whoever reads it: it must show signs of life."""


@dataclass(frozen=True, slots=True)
class PodDisk:
    """The disk of one container."""

    place: PodPlace

    def members(self, root: str, name: str) -> Iterator[Member]:
        require_ours(name)
        argv = self._argv("tar", "-C", f"{root}/{name}", "-c", "-f", "-", ".")
        with _started(argv) as process:
            assert process.stdout is not None
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    for entry in archive:
                        yield from self._member(archive, entry)
                while process.stdout.read(1 << 20):  # what tar pads with: it must be able to end
                    pass
            except tarfile.TarError as error:
                self._ended(process, f"{root}/{name}", error)
                return
            finally:
                process.stdout.close()
            self._ended(process, f"{root}/{name}", None)

    def _member(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[Member]:
        path = entry.name.removeprefix("./")
        if entry.isdir():
            return
        file = archive.extractfile(entry) if entry.isreg() else None
        if file is None:
            raise BackupFailed(FailureClass.SNAPSHOT_INVALID, f"the snapshot is not whole: {path} is no plain file")
        yield Member(path, entry.size, file)

    def _ended(self, process: subprocess.Popen[bytes], what: str, error: Exception | None) -> None:
        """BackupFailed unless tar ended well; a directory that isn't there holds no members."""
        assert process.stderr is not None
        said, code = process.stderr.read().decode("utf-8", "replace"), process.wait()
        if code == 0 and error is None:
            return
        if "No such file or directory" in said and f"{what}" in said:
            return
        raise _failed(f"{what} can't be staged out of pod {self.place.pod}", said or str(error), code)

    def names(self, root: str) -> list[str]:
        return sorted(name for name in self._said("ls", "-1", "--", root).splitlines() if is_ours(name))

    def remove(self, root: str, name: str) -> None:
        require_ours(name)
        self._said("rm", "-rf", "--", f"{root}/{name}")

    def trouble(self, root: str) -> BackupFailed | None:
        return None  # what can be seen of it from here is what its files say

    def _said(self, *words: str) -> str:
        try:
            done = subprocess.run(self._argv(*words), capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise BackupFailed(FailureClass.TIMEOUT, f"kubectl gave no answer to {words[0]} in {SECONDS:g} s") from None
        except FileNotFoundError:
            raise _no_kubectl() from None
        if done.returncode:
            raise _failed(
                f"{words[0]} in pod {self.place.pod}", done.stderr.decode("utf-8", "replace"), done.returncode
            )
        return done.stdout.decode("utf-8", "replace")

    def _argv(self, *words: str) -> list[str]:
        p = self.place
        return ["kubectl", "exec", "-n", p.namespace, p.pod, "-c", p.container, "--", *words]


def _started(argv: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise _no_kubectl() from None


def _no_kubectl() -> BackupFailed:
    return BackupFailed(
        FailureClass.PERMISSION_DENIED, "kubectl is not on PATH: no snapshot can be staged out of a pod"
    )


def _failed(what: str, said: str, code: int) -> BackupFailed:
    """By kubectl's own words: what it can't reach may come back, what it may not do will not."""
    words = said.lower()
    if "forbidden" in words or "unauthorized" in words:
        kind = FailureClass.PERMISSION_DENIED
    elif "no space left" in words:
        kind = FailureClass.NO_SPACE_LEFT
    else:
        kind = FailureClass.UNREACHABLE
    return BackupFailed(kind, f"{what}: kubectl ended with {code}: {' '.join(said.split())[:300]}")
