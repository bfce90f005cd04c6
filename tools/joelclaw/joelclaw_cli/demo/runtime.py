"""A runtime to break: `python -m joelclaw_cli.demo.runtime PORT STARTS`. Answers its process number to whoever asks.

It notes each of its starts in the file STARTS, so that restarts are counted by what was started. Whatever happens to
the demo, it ends by itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

LONGEST = 300


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def main(port: int, starts: str) -> None:
    signal.alarm(LONGEST)
    with open(starts, "a", encoding="utf-8") as file:
        file.write(json.dumps({"pid": os.getpid()}) + "\n")
    HTTPServer(("127.0.0.1", port), _Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
