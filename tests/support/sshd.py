"""Debian's real sshd on a free port of 127.0.0.1: its keys and its configuration in the test's own directory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from joelclaw_backup.ssh_options import SshOptions, parse_ssh
from tests.support.server import free_port

SSHD = "/usr/sbin/sshd"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class Sshd:
    """`root`: what its SFTP serves copies from; `known_hosts`: what a client is told of its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.known_hosts, self.identity = folder / "known_hosts", folder / "id"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        _keygen(folder / "host_key")
        _keygen(self.identity)
        shutil.copy(folder / "id.pub", folder / "authorized_keys")
        self.trust(folder / "host_key.pub")
        # The subsystem tells its process id, so that a test can freeze or kill it.
        (folder / "sftp.sh").write_text(f"#!/bin/sh\necho $$ >>{folder}/sftp.pids\nexec {SFTP_SERVER}\n")
        (folder / "sftp.sh").chmod(0o755)

    def trust(self, public: Path) -> None:
        kind, key, *_ = public.read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def start(self) -> Sshd:
        os.makedirs("/run/sshd", exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host_key\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
            f"PasswordAuthentication no\nPidFile none\nSubsystem sftp {self.folder}/sftp.sh\n"
        )
        self._process = subprocess.Popen([SSHD, "-D", "-f", str(config), "-E", str(self.folder / "log")])
        _until_answers(self.port, self.folder / "log")
        return self

    def stop(self) -> None:
        """The listener, and every connection with it."""
        if self._process is not None:
            children = _descendants(self._process.pid)
            for pid in (self._process.pid, *children):
                _signal(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """What is connected, and what may yet come, gets no answer any more."""
        if self._process is not None:
            for pid in (self._process.pid, *_descendants(self._process.pid)):
                _signal(pid, signal.SIGSTOP)

    def transfers(self) -> list[int]:
        """The process ids of the file transfers that are under way."""
        found = _descendants(self._process.pid) if self._process is not None else []
        return [pid for pid in found if _name(pid) == "sftp-server"]

    def new_host_key(self) -> None:
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink()
        _keygen(self.folder / "host_key")

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def flags(self, **more: str) -> list[str]:
        """NAS_SSH_FLAGS for it."""
        named = {
            "Port": str(self.port),
            "IdentityFile": str(self.identity),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "ConnectTimeout": "5",
            "ServerAliveInterval": "1",
            "ServerAliveCountMax": "3",
            **more,
        }
        return [word for name, value in named.items() for word in ("-o", f"{name}={value}")]

    def options(self, **more: str) -> SshOptions:
        return parse_ssh("root@127.0.0.1", self.flags(**more))


def _keygen(file: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)


def _until_answers(port: int, log: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0):
                return
        except OSError:
            if time.monotonic() > end:
                raise AssertionError(f"sshd does not answer: {log.read_text()}") from None
            time.sleep(0.05)


def _descendants(pid: int) -> list[int]:
    found = []
    for child in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = child.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += [int(child.parent.name), *_descendants(int(child.parent.name))]
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _signal(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)
