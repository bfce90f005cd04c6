"""docs/asyncapi.json, generated from the models: `python -m joelclaw_contracts.asyncapi > docs/asyncapi.json`.

AsyncAPI 3.0: a channel an event, whose address is the stream's key without the deployment's prefix; its message's
payload is the entry's field `data`, its headers are the entry's other fields. It says what is on the bus, not who uses
it: anyone may write, and each function reads for itself, so there are no operations.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

from .catalogue import CATALOGUE
from .envelope import MAX_SOURCE_BYTES, MAX_TS
from .event import EventModel

VERSION = "3.0.0"
DRAFT = "application/schema+json;version=draft-2020-12"
ENVELOPE = {
    "type": "object",
    "description": "The entry's fields beside `data`. Fields that stand not here are ignored, and counted.",
    "properties": {
        "id": {
            "type": "string",
            "description": "Idempotency key: the same id is one event.",
        },
        "ts": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_TS,
            "description": "When it was made, ms since 1970.",
        },
        "source": {"type": "string", "description": f"Who made it, at most {MAX_SOURCE_BYTES} bytes."},
        "traceparent": {"type": "string", "description": "W3C trace context; one that is none is dropped."},
        "v": {"type": "integer", "minimum": 1, "description": "The payload's version; absent is 1."},
    },
}


def document() -> dict[str, Any]:
    """The whole of it; the same on every run."""
    models = sorted(CATALOGUE.values(), key=lambda model: model.event_name)
    _, found = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "system-bus",
            "version": "0.1.0",
            "description": "Each channel is a Redis stream; its key is the address behind the deployment's prefix.",
        },
        "defaultContentType": "application/json",
        "channels": {channel_id(model): _channel(model) for model in models},
        "components": {
            "messages": {model.__name__: _message(model) for model in models},
            "schemas": {"Envelope": ENVELOPE, **found["$defs"]},
        },
    }


def channel_id(model: type[EventModel]) -> str:
    """`system/health.check.requested` → `system.health.check.requested`: references would have to escape a slash."""
    return model.event_name.replace("/", ".")


def _channel(model: type[EventModel]) -> dict[str, Any]:
    name = model.__name__
    return {"address": model.event_name, "messages": {name: {"$ref": f"#/components/messages/{name}"}}}


def _message(model: type[EventModel]) -> dict[str, Any]:
    return {
        "name": model.event_name,
        "summary": " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split()),
        "headers": {"$ref": "#/components/schemas/Envelope"},
        "payload": {"schemaFormat": DRAFT, "schema": {"$ref": f"#/components/schemas/{model.__name__}"}},
    }


def page() -> str:
    """The file's text: sorted keys, two spaces, a newline at the end."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
