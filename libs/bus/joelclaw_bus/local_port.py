"""A port of this machine: is it free, and what does the server behind it say?

The few questions here (PING, INFO, CONFIG GET) go by hand rather than by the client library: they are asked before a
server is ready, of servers that may not be ours, and without a client's pools and deadlines.
"""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


def ask(port: int, *words: str, timeout: float = 2.0) -> str:
    """One command to the server on a local port: a status, a string, or a list's last member; empty without answer."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(w.encode())}\r\n{w}\r\n" for w in words)
    try:
        with socket.create_connection((HOST, port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(request.encode())
            answer = b""
            while not _is_whole(answer):
                more = connection.recv(65536)
                if not more:
                    return ""
                answer += more
    except OSError:
        return ""
    lines = answer.decode("utf-8", "replace").removesuffix("\r\n").split("\r\n")
    if lines[0].startswith("$"):
        return "\r\n".join(lines[1:])
    return lines[-1].removeprefix("+")


def _is_whole(answer: bytes) -> bool:
    """Whether it is all of: a status or an error; one string; a list of strings."""
    head, found, rest = answer.partition(b"\r\n")
    if not found:
        return False
    if head.startswith(b"$"):
        return len(rest) >= int(head[1:]) + 2
    if head.startswith(b"*"):
        return rest.count(b"\r\n") >= 2 * int(head[1:])
    return True


def process_of(port: int) -> int:
    """The process number of the server on a port, 0 when none answers."""
    for line in ask(port, "INFO", "server").splitlines():
        if line.startswith("process_id:"):
            return int(line.partition(":")[2])
    return 0


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def any_port() -> int:
    """A port that is free now; somebody may take it before us."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
