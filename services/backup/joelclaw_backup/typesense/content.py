"""What a Typesense holds, read through its API: counts and digests that a restored one must show too. Blocking.

A collection's digest is over its schema, synonyms and overrides, and over all its documents in whatever order they
come: the sum of their hashes, so that neither order nor memory matters. Each document is brought to one spelling first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.parts import Collected, Collection
from joelclaw_backup.policy import SETTINGS
from joelclaw_backup.typesense.api import Typesense

MANY = 1000  # documents between two signs of life
OF_A_COLLECTION = ("synonyms", "overrides")
OF_THE_SERVER = ("aliases", "keys", "presets", "stopwords", "synonym_sets", "curation_sets", "analytics/rules")
"""A version that does not know one of these answers 404, and so does its like."""


def collecting(server: Typesense) -> Generator[None, None, Collected]:
    """All that it holds; yields signs of life. BackupFailed."""
    before = server.status()
    collections = {}
    for schema in sorted(server.get("/collections"), key=lambda schema: str(schema["name"])):
        name = str(schema["name"])
        collections[name] = yield from _collection(server, name, schema)
    settings = hashlib.sha256()
    for what in OF_THE_SERVER:
        settings.update(f"{what}\0".encode() + _listed(server.get(f"/{what}", optional=True)))
    after = server.status()
    index = after.index if after.index == before.index else -1  # -1: something was written meanwhile
    return Collected(
        collections=collections, settings=settings.hexdigest(), index=index, by=f"typesense {after.version}"
    )


def _collection(server: Typesense, name: str, schema: dict[str, Any]) -> Generator[None, None, Collection]:
    count = total = 0
    for line in server.documents(name):
        try:
            spelt = _spelt(json.loads(line))
        except ValueError:
            told = f"Typesense {server.url} exports a document of {name} that is no JSON"
            raise BackupFailed(FailureClass.UNKNOWN, told) from None
        total += int.from_bytes(hashlib.sha256(spelt).digest(), "big")
        count += 1
        if count % MANY == 0:
            yield
    digest = hashlib.sha256(_spelt(schema))  # its own count of documents is part of it
    for what in OF_A_COLLECTION:
        digest.update(_listed(server.get(f"/collections/{quote(name, safe='')}/{what}", optional=True)))
    digest.update((total % 2**256).to_bytes(32, "big"))
    yield
    return Collection(documents=count, digest=digest.hexdigest())


def moved_between(before: Collected, after: Collected) -> tuple[str, ...]:
    """What is not the same in two readings: names of collections, and `SETTINGS` for the rest."""
    names = {*before.collections, *after.collections}
    moved = [name for name in sorted(names) if before.collections.get(name) != after.collections.get(name)]
    return (*moved, *((SETTINGS,) if before.settings != after.settings else ()))


def steady(before: Collected, after: Collected) -> Collected:
    """The later reading, without the collections that came or went between the two: of those nothing is known."""
    there = {name: held for name, held in after.collections.items() if name in before.collections}
    return after.model_copy(update={"collections": there})


def _spelt(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _listed(value: Any) -> bytes:
    """{"aliases": [{…}, …]} and the like: the order in which a server lists them says nothing."""
    if isinstance(value, dict):
        value = {key: sorted(inner, key=_spelt) if isinstance(inner, list) else inner for key, inner in value.items()}
    return _spelt(value)
