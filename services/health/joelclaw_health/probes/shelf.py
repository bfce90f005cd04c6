"""The child that reads the shelf: `python -m joelclaw_health.probes.shelf TARGET`, one line of JSON.

It finds the backup service's list by its entry point, as the command does: health imports no other service.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from joelclaw_health.probes.artefact import GROUP, NAME


def newest(target: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """{"newest": the two newest verified artefacts, {"id", "verifiedMs", "bytes", "lastDrill"}, "doubtful": {standing:
    how many that are not verified}, "queued": {"count", "bytes", "oldestMs"} of what waits for a way to the NAS}, or
    {"error": why not}."""
    for point in entry_points(group=GROUP, name=NAME):
        try:
            provider = point.load()
            rows = provider.list_artefacts(environ, target, killable=True)
            waits = [entry for entry in provider.queue(environ)["entries"] if entry["target"] == target]
        except Exception as error:  # its own faults too: whatever it is, the age can't be told
            return {"error": f"the list of backups can't be read: {error}"[:1000]}
        verified = [row for row in rows if row["verified"]][:2]
        newest_two = [{key: row[key] for key in ("id", "verifiedMs", "bytes", "lastDrill")} for row in verified]
        doubtful = Counter(row["standing"] for row in rows if not row["verified"])
        queued = {"count": len(waits), "bytes": sum(entry["bytes"] for entry in waits)}
        queued["oldestMs"] = max((entry["waitedMs"] for entry in waits), default=0)
        return {"newest": newest_two, "doubtful": dict(doubtful), "queued": queued}
    return {"error": "the backup service is not installed here"}


if __name__ == "__main__":
    print(json.dumps(newest(sys.argv[1], os.environ)))
