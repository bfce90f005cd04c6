"""One SSH connection with SFTP on it, for blocking callers: it lives in a thread of its own, so that what is read and
hashed here and what travels there go on at the same time. In a child; see `killable.py`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import asyncssh

from joelclaw_backup.failure import FailureClass
from joelclaw_backup.ssh_options import SshOptions
from joelclaw_backup.ssh_phases import SECONDS, LineLost, Phase, told

T = TypeVar("T")
Ask = Callable[[asyncssh.SFTPClient], Awaitable[T]]

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr")
"""The fastest sound one first: with chacha20 a copy takes twice as long here."""

AHEAD = 0.05
"""Seconds by which the line may be ahead of its measure: so often one need not wake."""


class Session:
    """`host_key`: the fingerprint of who answered; `lacks`: what the other end was found not to offer."""

    def __init__(self, options: SshOptions) -> None:
        """Connected. BackupFailed, by the phase that failed."""
        self.options = options
        self.host_key = ""
        self.lacks: set[str] = set()
        self.wait: Callable[[float], object] = time.sleep
        self._spent = 0.0
        self._loop = asyncio.new_event_loop()
        # What a lost connection leaves of requests under way nobody asks for: the first of them has told it.
        self._loop.set_exception_handler(lambda *_: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
        self._thread.start()
        self._connection: asyncssh.SSHClientConnection | None = None
        try:
            self._sftp = self._wait(Phase.CONNECT, asyncio.run_coroutine_threadsafe(self._connect(), self._loop))
        except BaseException:  # whatever it was: the thread is ended, and it goes on
            self.close()
            raise

    def do(self, phase: Phase, ask: Ask[T]) -> T:
        """What the other end answers. OSError; BackupFailed when there is no answer."""
        return self._wait(phase, self.start(phase, ask))

    def start(self, phase: Phase, ask: Ask[T]) -> Future[T]:
        """The same, without waiting; see `result`."""

        async def asking() -> T:
            async with asyncio.timeout(SECONDS[phase]):
                return await ask(self._sftp)

        return asyncio.run_coroutine_threadsafe(asking(), self._loop)

    def result(self, phase: Phase, started: Future[T]) -> T:
        return self._wait(phase, started)

    def pace(self, size: int) -> None:
        """Waits until so many bytes more may be on the line."""
        limit = self.options.bytes_per_second
        if limit:
            now = time.monotonic()
            self._spent = max(self._spent, now) + size / limit
            self.wait(max(0.0, self._spent - now - AHEAD))

    def close(self) -> None:
        """At once, whatever is under way."""
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._abort(), self._loop)
            self._thread.join(5.0)
        if not self._loop.is_running() and not self._loop.is_closed():
            self._loop.close()

    def _wait(self, phase: Phase, started: Future[T]) -> T:
        try:
            return started.result()
        except (asyncssh.Error, OSError, TimeoutError, LineLost) as error:
            raise told(phase, self.options.shown, error) from error

    async def _connect(self) -> asyncssh.SFTPClient:
        options, met = self.options, _Met()
        known = _known_hosts(options)
        own = {"client_keys": list(_expanded(options.identities))} if options.identities else {}
        agent = {"agent_path": None} if options.identities_only else {}
        connecting = asyncio.ensure_future(
            asyncssh.connect(
                options.host,
                options.port,
                username=options.user or os.environ.get("USER") or os.environ.get("LOGNAME") or "root",
                known_hosts=known,
                config=None,
                host_key_alias=options.host_key_alias or None,
                family={"any": 0, "inet": 2, "inet6": 10}[options.family],
                client_factory=lambda: met,
                preferred_auth=["publickey"],
                compression_algs=["zlib@openssh.com", "none"] if options.compression else ["none"],
                encryption_algs=list(CIPHERS),
                keepalive_interval=options.alive_interval,
                keepalive_count_max=options.alive_count,
                login_timeout=0,  # the phases have deadlines of their own
                **own,
                **agent,
            )
        )
        try:
            for phase, seconds in (
                (Phase.CONNECT, options.connect_timeout),
                (Phase.HOST_KEY, options.connect_timeout),
                (Phase.AUTH, SECONDS[Phase.AUTH]),
            ):
                await asyncio.wait({connecting}, timeout=seconds)
                if connecting.done() or met.phase == phase:
                    break
            if not connecting.done():
                raise LineLost(
                    FailureClass.TIMEOUT, f"ssh {options.shown}: {met.phase}: no answer within {seconds:g} s"
                )
            self._connection = await connecting
        except (asyncssh.Error, OSError) as error:
            raise told(met.phase, options.shown, error) from error
        finally:
            if not connecting.done():
                connecting.cancel()
                met.abort()
        key = self._connection.get_server_host_key()
        self.host_key = key.get_fingerprint() if key is not None else ""
        try:
            return await asyncio.wait_for(self._connection.start_sftp_client(), SECONDS[Phase.PRECONDITION])
        except (asyncssh.Error, OSError) as error:
            raise told(Phase.PRECONDITION, options.shown, error) from error

    async def _abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            with suppress(Exception):  # it is given up: how it ends is no matter
                await asyncio.wait_for(self._connection.wait_closed(), 2.0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        self._loop.call_soon(self._loop.stop)


class _Met(asyncssh.SSHClient):
    """How far the connection has come."""

    def __init__(self) -> None:
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    @property
    def phase(self) -> Phase:
        if self._connection is None:
            return Phase.CONNECT
        return Phase.AUTH if self._connection.get_server_host_key() is not None else Phase.HOST_KEY

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()


def _expanded(names: tuple[str, ...]) -> list[str]:
    return [str(Path(name).expanduser()) for name in names]


def _known_hosts(options: SshOptions) -> asyncssh.SSHKnownHosts:
    """What is known of host keys; LineLost where that is nothing of this host: then nobody is asked."""
    files = _expanded(options.known_hosts or ("~/.ssh/known_hosts",))
    try:
        known = asyncssh.read_known_hosts([file for file in files if Path(file).exists()])
        keys, authorities = asyncssh.match_known_hosts(
            known, options.known_as, "", options.port if options.port != 22 else None
        )[:2]
    except (OSError, ValueError) as error:
        why = f"{', '.join(files)} can't be read: {error}"
        raise LineLost(FailureClass.HOST_KEY_UNKNOWN, f"ssh {options.shown}: host key: {why}") from error
    if not keys and not authorities:
        scan = f"ssh-keyscan -p {options.port} {options.host}"
        why = f"none is known in {', '.join(files)}; add it ({scan}) and compare it; nothing was sent"
        raise LineLost(FailureClass.HOST_KEY_UNKNOWN, f"ssh {options.shown}: host key: {why}")
    return known
