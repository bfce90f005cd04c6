"""JSON Schema of every event, for producers in other languages: `python -m joelclaw_contracts.schema DIR`.

Draft 2020-12, camelCase, one file an event, byte for byte the same on every run. The schema says what a
reader accepts; it can't say that two fields must agree (that stands in the fields' descriptions).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .catalogue import CATALOGUE
from .event import EventModel

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema_for(model: type[EventModel]) -> dict[str, Any]:
    """The event's JSON Schema; `title` is the event's name."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": DRAFT, **schema, "title": model.event_name}


def file_name(event_name: str) -> str:
    """`system/health.check.requested` → `system.health.check.requested.json`."""
    return event_name.replace("/", ".") + ".json"


def render(model: type[EventModel]) -> str:
    """The schema file's text: sorted keys, two spaces, a newline at the end."""
    return json.dumps(schema_for(model), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_all(directory: Path) -> list[Path]:
    """Writes one file an event into `directory` (made if absent) and says which."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, model in sorted(CATALOGUE.items()):
        path = directory / file_name(name)
        path.write_text(render(model), encoding="utf-8")
        written.append(path)
    return written


def main(arguments: list[str]) -> int:
    """Exit code 0 when written, 2 when called wrongly."""
    match arguments:
        case [directory] if not directory.startswith("-"):
            for path in write_all(Path(directory)):
                print(path)
            return 0
    print("usage: python -m joelclaw_contracts.schema DIR", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
