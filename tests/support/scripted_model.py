"""A model that says what the test wrote: a real HTTP server, OpenAI-compatible as far as it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """`text`: the message's content; `raw`: the whole body instead; `wait`: seconds before it; `drip`: seconds between
    the bytes."""

    text: str = ""
    status: int = 200
    raw: bytes | None = None
    wait: float = 0.0
    drip: float = 0.0


@dataclass
class ScriptedModel:
    """`answer` is called with each request's body; `asked` keeps them."""

    answer: Callable[[dict[str, Any]], Reply]
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def scripted_model(answer: Callable[[dict[str, Any]], Reply]) -> Iterator[ScriptedModel]:
    model, over = ScriptedModel(answer), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw_body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(raw_body) < int(self.headers["Content-Length"]):
                return  # who asked gave up in the middle of asking
            body = json.loads(raw_body)
            model.asked.append(body)
            model.headers.append(dict(self.headers))
            reply = answer(body)
            over.wait(reply.wait)
            raw = reply.raw
            if raw is None:
                message = {"choices": [{"message": {"role": "assistant", "content": reply.text}}]}
                raw = json.dumps(message | {"usage": {"prompt_tokens": 11, "completion_tokens": 7}}).encode()
            try:
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                for n in range(0, len(raw), 1 if reply.drip else max(1, len(raw))):
                    self.wfile.write(raw[n : n + (1 if reply.drip else len(raw))])
                    if reply.drip and over.wait(reply.drip):
                        return
            except OSError:
                return  # who asked has given up

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
