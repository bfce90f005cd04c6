"""The store's authenticated data path: write, read back, delete, with a deadline; and what INFO says of its files.

A PING is no proof: a server that can't write its files answers it and refuses every write (MISCONF).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace

import anyio

from joelclaw_bus import BusError, Store, StoreRefused, StoreUnavailable, open_store
from joelclaw_bus.doctor.disk import DISK_SETTINGS, judge_disk
from joelclaw_bus.inspect.replies import pairs
from joelclaw_contracts import HEALTH_SLOT, Outcome
from joelclaw_health.sample import Sample

COMPONENT = "store"
DATA_PATH, PERSISTENCE = "data-path", "persistence"
_EXPIRES_MS = 60_000
_NOT_YET = ("LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN")


async def data_path(store: Store, *, now: int, timeout: float) -> list[Sample]:
    """Two samples, on a client of the probe's own: a deadline of ours must not spoil the worker's connections."""
    async with open_store(replace(store.settings, deadline=timeout, connections=1)) as own:
        path = await _data_path(own, now, timeout)
        if path.outcome == "unknown":
            return [path, Sample(COMPONENT, PERSISTENCE, "unknown", now, "", path.reason)]
        return [path, await _persistence(own, now, timeout)]


async def _data_path(store: Store, now: int, timeout: float) -> Sample:
    key, value = store.keys.slot(HEALTH_SLOT).key("probe", secrets.token_hex(8)), secrets.token_hex(16)
    began = time.monotonic()
    try:
        with anyio.fail_after(timeout):
            await store.call("SET", key, value, "PX", _EXPIRES_MS)
            read = await store.call("GET", key)
            await store.call("DEL", key)
    except (BusError, TimeoutError) as error:
        outcome, reason = _of(error, timeout)
        return Sample(COMPONENT, DATA_PATH, outcome, now, "", reason)
    took = f"{(time.monotonic() - began) * 1000:.1f} ms"
    if read != value.encode():
        return Sample(COMPONENT, DATA_PATH, "failing", now, took, "what was written was not what was read")
    return Sample(COMPONENT, DATA_PATH, "ok", now, took)


async def _persistence(store: Store, now: int, timeout: float) -> Sample:
    try:
        with anyio.fail_after(timeout):
            raw, settings = await store.call("INFO", "persistence"), await _settings(store)
    except (BusError, TimeoutError) as error:
        # Not failing, even where the store refuses: a user without INFO can carry the bus all the same.
        return Sample(COMPONENT, PERSISTENCE, "unknown", now, "", _of(error, timeout)[1])
    info = dict(line.split(":", 1) for line in raw.decode().splitlines() if ":" in line)
    # A server that loads is no trouble of its files: its data path says that it is not there yet.
    checks = [c for c in judge_disk(COMPONENT, {**info, "loading": "0"}, settings) if c.state in ("finding", "warning")]
    failing = any(c.state == "finding" for c in checks)
    told = [c for c in checks if c.state == "finding" or not failing]
    value = "append-only" if info.get("aof_enabled") == "1" else "snapshots only"
    if value != "append-only" and settings.get("save") == "":
        value = "nothing"
    reason = "; ".join(f"{c.what}. → {c.todo}" for c in told)
    return Sample(COMPONENT, PERSISTENCE, "failing" if failing else "ok", now, value, reason)


async def _settings(store: Store) -> dict[str, str]:
    """Those that may be read: a user without CONFIG can carry the bus all the same."""
    try:
        return pairs(await store.call("CONFIG", "GET", *DISK_SETTINGS))
    except StoreRefused:
        return {}


def _of(error: Exception, timeout: float) -> tuple[Outcome, str]:
    if isinstance(error, StoreRefused):
        return ("unknown" if error.kind in _NOT_YET else "failing"), f"{error.kind}: {error}"
    if isinstance(error, StoreUnavailable) and _refused(error):
        return "failing", "connection refused"
    return "unknown", f"no answer within {timeout:g} s"


def _refused(error: BaseException | None) -> bool:
    """Whether the host said no, rather than nothing: by the cause, since the libraries word it differently."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False
