"""A directory on another machine, over SFTP. Blocking; in a child.

OpenSSH's additions to the protocol are used: `fsync`, `posix-rename`, `statvfs`. Where the other end offers one of them
not, the work goes on with what is left, and `about` says what is lacking. Nothing can be locked.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import Any

import asyncssh

from joelclaw_backup.folder import Folder, Seen
from joelclaw_backup.remote_files import RemoteReading, RemoteWriting
from joelclaw_backup.ssh_options import SshOptions
from joelclaw_backup.ssh_phases import Phase
from joelclaw_backup.ssh_session import Session

FULL = 2 * 1024 * 1024
"""With less than so much free a write that failed is told as for want of room."""

_KINDS = {asyncssh.FILEXFER_TYPE_REGULAR: "file", asyncssh.FILEXFER_TYPE_DIRECTORY: "folder"}


def open_remote(options: SshOptions, path: str) -> RemoteFolder:
    """A connection, and the directory that is there; closing it hangs up. BackupFailed, OSError."""
    session = Session(options)
    try:
        root = RemoteFolder(session, path, owner=True)
        root.require()
        return root
    except BaseException:  # whatever it was: the connection is closed, and it goes on
        session.close()
        raise


class RemoteFolder:
    """See `folder.py`."""

    def __init__(self, session: Session, path: str, *, owner: bool = False) -> None:
        self._session, self._path, self._owner = session, path.rstrip("/") or "/", owner

    def require(self) -> None:
        """NotADirectoryError, FileNotFoundError."""
        attrs = self._session.do(Phase.PRECONDITION, lambda sftp: sftp.stat(self._path))
        if attrs.type != asyncssh.FILEXFER_TYPE_DIRECTORY:
            raise NotADirectoryError(errno.ENOTDIR, f"{self._session.options.shown}:{self._path} is no directory")

    def close(self) -> None:
        if self._owner:
            self._session.close()

    def names(self) -> list[str]:
        found = self._session.do(Phase.PRECONDITION, lambda sftp: sftp.listdir(self._path))
        return [name for name in found if name not in (".", "..")]

    def see(self, name: str) -> Seen:
        attrs = self._session.do(Phase.PRECONDITION, lambda sftp: sftp.lstat(self._at(name)))
        return Seen(_KINDS.get(attrs.type, "other"), attrs.size or 0, float(attrs.mtime or 0))

    def changed(self) -> float:
        attrs = self._session.do(Phase.PRECONDITION, lambda sftp: sftp.stat(self._path))
        return float(attrs.mtime or 0)

    def folder(self, name: str) -> RemoteFolder:
        if not self.see(name).is_folder:
            raise NotADirectoryError(errno.ENOTDIR, f"{self._at(name)} is no directory")
        return RemoteFolder(self._session, self._at(name))

    def make(self, name: str) -> None:
        try:
            attrs = asyncssh.SFTPAttrs(permissions=0o700)
            self._session.do(Phase.PRECONDITION, lambda sftp: sftp.mkdir(self._at(name), attrs))
        except OSError:
            self._not_there(name)
            self._not_full()
            raise
        self.sync()

    def read(self, name: str, *, start: int = 0, afresh: bool = True) -> RemoteReading:
        seen = self.see(name)
        if not seen.is_file:
            raise OSError(f"{name} is no plain file")
        file = self._session.do(
            Phase.READ_BACK, lambda sftp: sftp.open(self._at(name), asyncssh.FXF_READ, encoding=None)
        )
        return RemoteReading(self._session, file, start, seen.size)

    def create(self, name: str) -> RemoteWriting:
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL
        attrs = asyncssh.SFTPAttrs(permissions=0o600)
        try:
            file = self._session.do(Phase.TRANSFER, lambda sftp: sftp.open(self._at(name), flags, attrs, encoding=None))
        except OSError:
            self._not_there(name)
            self._not_full()
            raise
        return RemoteWriting(self._session, file, 0, self._not_full)

    def go_on(self, name: str, size: int, *, alone: bool = False) -> RemoteWriting:
        if alone:
            raise OSError(errno.ENOTSUP, f"whose {name} is can't be told over SFTP")
        file = self._session.do(
            Phase.TRANSFER, lambda sftp: sftp.open(self._at(name), asyncssh.FXF_WRITE, encoding=None)
        )
        self._session.do(Phase.TRANSFER, lambda _: file.truncate(size))
        return RemoteWriting(self._session, file, size, self._not_full)

    def unlink(self, name: str) -> None:
        self._session.do(Phase.PRECONDITION, lambda sftp: sftp.remove(self._at(name)))

    def rmdir(self, name: str) -> None:
        try:
            self._session.do(Phase.PRECONDITION, lambda sftp: sftp.rmdir(self._at(name)))
        except OSError:
            if self.folder(name).names():
                raise OSError(errno.ENOTEMPTY, f"{self._at(name)} is not empty") from None
            raise

    def rename(self, old: str, new: str, to: Folder | None = None) -> None:
        there = self if to is None else to
        assert isinstance(there, RemoteFolder)
        source, target = self._at(old), there._at(new)
        try:
            self._session.do(Phase.RENAME, lambda sftp: sftp.posix_rename(source, target))
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            self._session.lacks.add("posix-rename")
            with suppress(FileNotFoundError):  # version 3 replaces nothing: for a moment the name is free
                self._session.do(Phase.RENAME, lambda sftp: sftp.remove(target))
            self._session.do(Phase.RENAME, lambda sftp: sftp.rename(source, target))

    def link(self, name: str, to: str) -> None:
        self._session.do(Phase.PRECONDITION, lambda sftp: sftp.symlink(to, self._at(name)))

    def linked(self, name: str) -> str:
        return str(self._session.do(Phase.PRECONDITION, lambda sftp: sftp.readlink(self._at(name))))

    def sync(self) -> None:
        """Its entries are durable where the other end lets a directory be opened and flushed, as OpenSSH on Linux does;
        else `about` says that they are not."""

        async def flush(sftp: asyncssh.SFTPClient) -> None:
            async with sftp.open(self._path, asyncssh.FXF_READ) as folder:
                await folder.fsync()

        try:
            self._session.do(Phase.FSYNC, flush)
        except OSError:
            self._session.lacks.add("fsync of directories")

    def lock(self, *, shared: bool = False) -> bool | None:
        return None

    def free(self) -> int | None:
        try:
            told = self._session.do(Phase.PRECONDITION, lambda sftp: sftp.statvfs(self._path))
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            self._session.lacks.add("statvfs")
            return None
        return int(told.bavail * told.frsize)

    def about(self) -> dict[str, Any]:
        """{"hostKey", "lacks"}: who answers, and what it does not offer."""
        self.sync()
        return {"hostKey": self._session.host_key, "lacks": sorted(self._session.lacks)}

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def _not_there(self, name: str) -> None:
        """What version 3 calls Failure may be that the name is taken."""
        with suppress(FileNotFoundError):
            self.see(name)
            raise FileExistsError(errno.EEXIST, f"{self._at(name)} is there already")

    def _not_full(self) -> None:
        """Or that the disk is full."""
        free = self.free()
        if free is not None and free < FULL:
            raise OSError(errno.ENOSPC, f"no space left at {self._session.options.shown}:{self._path}")
