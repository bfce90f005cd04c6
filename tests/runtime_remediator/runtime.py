"""A runtime to heal: `runtime.py PORT JOURNAL SLOW-SECONDS BEHAVIOUR`. Notes its start and its signals in the journal.

BEHAVIOUR: ok, wrong (answers 500), hang (takes the question and never answers), deaf (ignores SIGTERM). `JOURNAL.be`
overrides it at each question.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

port, journal, slow, behaviour = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]


def note(what: str) -> None:
    with journal.open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def on_term(_number: int, _frame: object) -> None:
    note("term")
    if behaviour != "deaf":
        os._exit(0)


signal.signal(signal.SIGTERM, on_term)
note("start")
time.sleep(slow)
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(16)
    kept = []
    while True:
        connection, _ = server.accept()
        told = Path(f"{journal}.be")
        now = told.read_text() if told.exists() else behaviour
        if now == "hang":
            kept.append(connection)
            continue
        connection.recv(4096)
        status = b"500 No" if now == "wrong" else b"200 OK"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        connection.close()
