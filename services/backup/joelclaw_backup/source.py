"""Who the source is, as it says itself: for the manifest, so that a copy can be told from another server's."""

from __future__ import annotations

import re

from joelclaw_backup.address import Address, named_by_sentinels, sentinel_urls
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.parts import Source
from joelclaw_backup.policy import class_of_reply
from joelclaw_bus import BusError, StoreRefused, StoreSettings, StoreUnavailable, open_store


def fields_of(info: bytes) -> dict[str, str]:
    """The lines `name:value` of an INFO reply."""
    lines = (line.partition(":") for line in info.decode("utf-8", "replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def databases_of(info: dict[str, str]) -> dict[str, int]:
    """Keys per database number, of INFO's keyspace."""
    return _keyspace(info, "keys")


def expires_of(info: dict[str, str]) -> dict[str, int]:
    """Keys that are to expire, per database number that has some."""
    return {number: count for number, count in _keyspace(info, "expires").items() if count}


def _keyspace(info: dict[str, str], what: str) -> dict[str, int]:
    found = {}
    for name, value in info.items():
        if re.fullmatch(r"db[0-9]+", name) and (told := re.search(rf"\b{what}=([0-9]+)", value)):
            found[name.removeprefix("db")] = int(told[1])
    return found


async def located(address: Address, deadline: float = 5.0) -> Address:
    """The one server to copy now: itself, or the primary that the first sentinel that answers names. BackupFailed."""
    if address.sentinels is None:
        return address
    service, trouble = address.sentinels.service, "none is named"
    for url in sentinel_urls(address):
        try:
            async with open_store(StoreSettings(url, deadline=deadline, connections=1)) as store:
                told = await store.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        except BusError as error:
            trouble = str(error)
            continue
        if told:
            return named_by_sentinels(address, (told[0].decode(), int(told[1])))
        trouble = f"they know no service {service}"
    raise BackupFailed(FailureClass.SERVER_UNAVAILABLE, f"no sentinel of {address.shown} names a primary: {trouble}")


async def identify(address: Address, deadline: float = 10.0) -> Source:
    """The source's identity now. BackupFailed when it does not answer, or refuses."""
    try:
        async with open_store(StoreSettings(address.url, deadline=deadline, connections=1)) as store:
            info = fields_of(await store.call("INFO", "everything"))
    except StoreUnavailable as error:
        refused = "refused" in str(error).lower() or "111" in str(error)
        kind = FailureClass.CONNECTION_REFUSED if refused else FailureClass.SERVER_UNAVAILABLE
        raise BackupFailed(kind, f"source {address.shown} does not answer: {error}") from error
    except StoreRefused as error:
        raise BackupFailed(class_of_reply(error.kind), f"source {address.shown} refuses: {error}") from error
    return Source(
        address=address.shown,
        run_id=info.get("run_id", ""),
        software="valkey" if "valkey_version" in info else "redis",
        version=info.get("valkey_version") or info.get("redis_version", ""),
        role=info.get("role", ""),
        mode=info.get("server_mode") or info.get("redis_mode", ""),
        replication_id=info.get("master_replid", ""),
        offset=int(info.get("master_repl_offset", 0)),
        databases=databases_of(info),
    )


async def users_of(address: Address, deadline: float = 10.0) -> bytes | None:
    """Its ACL, a line a user, as an `aclfile` has it: passwords are hashes there. None where we may not ask.
    BackupFailed when it does not answer."""
    try:
        async with open_store(StoreSettings(address.url, deadline=deadline, connections=1)) as store:
            lines: list[bytes] = await store.call("ACL", "LIST")
    except StoreRefused:
        return None
    except BusError as error:
        kind = FailureClass.SERVER_UNAVAILABLE
        raise BackupFailed(kind, f"source {address.shown} does not answer: {error}") from error
    return b"".join(line + b"\n" for line in lines)
