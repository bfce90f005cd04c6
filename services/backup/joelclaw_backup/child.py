"""The child of `killable.py`: `python -m joelclaw_backup.child` does one piece of work after the other, and says so.

It ends when stdin does, in the middle of whatever it does: its parent is gone, and nobody would hear of the rest.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import struct
import sys
import threading
from typing import Any

_HEAD = struct.Struct("!I")
HAND_OVER = 0.0002
"""Seconds that one thread may keep another waiting: over SSH one reads and hashes while the other seals and sends; at
Python's 5 ms the line stands still meanwhile."""


def _read(size: int) -> bytes:
    raw = b""
    while len(raw) < size:
        piece = os.read(0, size - len(raw))
        if not piece:
            os._exit(0)
        raw += piece
    return raw


def _listen(asked: queue.Queue[bytes]) -> None:
    while True:
        (size,) = _HEAD.unpack(_read(_HEAD.size))
        asked.put(_read(size))


def _say(out: int, kind: str, value: Any) -> None:
    try:
        raw = pickle.dumps((kind, value))
    except Exception as error:  # an error that can't travel: its words do
        raw = pickle.dumps((kind, RuntimeError(f"{type(value).__name__}: {value} ({error})")))
    view = memoryview(_HEAD.pack(len(raw)) + raw)
    while view:
        view = view[os.write(out, view) :]


def main() -> None:
    """Until stdin ends. What the work prints goes to stderr: stdout is the answers'."""
    sys.setswitchinterval(HAND_OVER)
    out = os.dup(1)
    os.dup2(2, 1)
    asked: queue.Queue[bytes] = queue.Queue()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each packet that a lost connection did not take
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    while True:
        try:
            work, args, kwargs = pickle.loads(asked.get())  # noqa: S301  our own parent wrote it
            going = work(*args, **kwargs)
            while True:
                try:
                    _say(out, "at", next(going))
                except StopIteration as stop:
                    _say(out, "done", stop.value)
                    break
        except BrokenPipeError:
            return
        except Exception as error:  # whatever it is, the caller gets it
            _say(out, "raised", error)


if __name__ == "__main__":
    main()
