"""File systems that fill up, vanish, can't be written, hang. They want root, as CI has it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")


def require_root() -> None:
    if os.geteuid():
        missing = "faults mount file systems of their own, which this user can't"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)


@contextmanager
def tmpfs(at: Path, size: int) -> Iterator[Path]:
    """A small file system of its own."""
    at.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], stderr=subprocess.DEVNULL, check=False)


def remount(at: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(at)], check=True)


@contextmanager
def read_only(at: Path) -> Iterator[None]:
    """A directory that can be read and not written, as a share that its server exports so."""
    subprocess.run(["mount", "--bind", str(at), str(at)], check=True)
    try:
        remount(at, "bind,ro")
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def unmount(at: Path) -> None:
    subprocess.run(["umount", "-l", str(at)], check=True)


def can_hang() -> bool:
    """Whether a share that really hangs can be made here."""
    return bool(shutil.which("sshfs")) and SFTP_SERVER.exists() and os.access("/dev/fuse", os.R_OK | os.W_OK)


class HangingShare:
    """`real` over sshfs, at `at`; `stop` freezes the server behind it: calls below `at` come back no more."""

    def __init__(self, real: Path, at: Path) -> None:
        self.real, self.at = real, at
        self._pid_file = real.with_name("sftp.pid")

    def __enter__(self) -> HangingShare:
        self.real.mkdir(parents=True, exist_ok=True)
        self.at.mkdir(parents=True, exist_ok=True)
        command = self.real.with_name("sftp.sh")
        command.write_text(f"#!/bin/sh\necho $$ >{self._pid_file}\nexec {SFTP_SERVER}\n")
        command.chmod(0o755)
        options = f"ssh_command={command},cache=no,direct_io"
        subprocess.run(["sshfs", "-o", options, f"localhost:{self.real}", str(self.at)], check=True)
        return self

    def stop(self) -> None:
        os.kill(int(self._pid_file.read_text()), signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(int(self._pid_file.read_text()), signal.SIGCONT)

    def __exit__(self, *_: object) -> None:
        self.go_on()
        subprocess.run(["umount", "-l", str(self.at)], check=False)
