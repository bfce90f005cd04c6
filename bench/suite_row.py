"""The row `suite`: what `joelclaw up` costs while nothing happens, and how long `joelclaw --help` takes.

A suite of its own in a temporary folder with nothing configured, left alone until its start is over. Processor time
and memory are the kernel's (/proc); the store's commands are its own count.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis

from bench.peers import probe

JOELCLAW = Path(sys.executable).parent / "joelclaw"
HELPS = 5
TICKS = os.sysconf("SC_CLK_TCK")


async def suite(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    """`seconds` to settle, and as many to be measured."""
    return await asyncio.to_thread(_suite, ask.seconds)


def _suite(seconds: float) -> probe.Answer:
    with tempfile.TemporaryDirectory(prefix="joelclaw-bench-") as folder:
        env = {"PATH": os.environ["PATH"], "HOME": folder}
        ready = Path(folder) / "ready.json"
        words = ["up", "--state-dir", f"{folder}/state", "--port", "0", "--ready-file", str(ready)]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([JOELCLAW, *words], env=env, stdout=quiet, stderr=quiet)
        try:
            return {**_idle(process, ready, seconds), "help_ms": _help_ms(env)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _idle(process: subprocess.Popen[bytes], ready: Path, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + probe.DEADLINE
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"joelclaw up did not become ready (exit code {process.poll()})")
        time.sleep(0.1)
    time.sleep(seconds)
    with redis.Redis.from_url(json.loads(ready.read_text())["redis_url"]) as client:
        pids = _family(process.pid)
        cpu, commands, began = _cpu(pids), _commands(client), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        commands, cpu = _commands(client) - commands - 1, _cpu(pids) - cpu  # one question was ours
    sizes = {_name(pid): _resident_mb(pid) for pid in pids if "joelclaw-" in _name(pid)}
    return {
        "cpu_percent": cpu / took * 100,
        "commands_per_second": commands / took,
        "largest_service_mb": max(sizes.values()),
        "services": sizes,
        "count": len(sizes),
    }


def _help_ms(env: dict[str, str]) -> float:
    took = []
    for _ in range(HELPS):
        began = time.perf_counter()
        subprocess.run([JOELCLAW, "--help"], env=env, stdout=subprocess.DEVNULL, check=True)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _cpu(pids: list[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS  # utime, stime


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return next((Path(word).name for word in words if "joelclaw-" in Path(word).name), Path(words[0]).name)


def _commands(client: Any) -> int:
    return int(client.info("stats")["total_commands_processed"])
