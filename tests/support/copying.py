"""A process that makes one copy, to be killed in the middle of it: `python -m tests.support.copying FILE`.

FILE is a pickle of (backup, taken); what the copy answers is printed as JSON.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import anyio

if __name__ == "__main__":
    backup, taken = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps(anyio.run(backup.copy, taken)), flush=True)
