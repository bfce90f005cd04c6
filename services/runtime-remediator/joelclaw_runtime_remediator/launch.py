"""Becomes the command, after writing down who it is: `python -I -S launch.py STATE-FILE FENCE -- COMMAND…`.

The supervised process writes its own identity before it becomes the command (exec keeps pid and start ticks), so there
is no moment in which it runs and nobody knows it. A fence that is not newer than the file's starts nothing.
Standard library only, nothing of ours: it must start in a few milliseconds, from any directory.

| exit code | means                                                   |
|-----------|---------------------------------------------------------|
| 75        | stale: an act with this fence or a newer one was here   |
| 127       | the command can't be run (its reason is on stderr)      |
"""

import fcntl
import json
import os
import sys
import time
from contextlib import suppress

STALE, NO_COMMAND = 75, 127


def main() -> int:
    state_file, fence, command = sys.argv[1], int(sys.argv[2]), sys.argv[4:]
    # The remediator holds its place in `joelclaw up` by an inherited lock. A runtime that outlives it must not: nobody
    # could start a remediator here again.
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2:
            with suppress(OSError):  # the listing's own is closed already
                os.set_inheritable(fd, False)
    with open(state_file + ".lock", "w") as lock:  # let go by exec
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with open(state_file, encoding="utf-8") as file:
                known = int(json.load(file)["fence"])
        except (OSError, ValueError, KeyError, TypeError):
            known = 0
        if fence <= known:
            print(f"fence {fence} is stale: {known} was here", file=sys.stderr)
            return STALE
        write(state_file, fence, command[0])
    try:
        os.execvp(command[0], command)  # noqa: S606  no shell, by design
    except OSError as error:
        print(f"{command[0]} can't be run: {error}", file=sys.stderr)
        return NO_COMMAND


def write(state_file: str, fence: int, program: str) -> None:
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        text = file.read()
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        boot = file.read().strip()
    who = {
        "pid": os.getpid(),
        "ticks": int(text[text.rindex(")") + 2 :].split()[19]),
        "boot": boot,
        "fence": fence,
        "startedMs": time.time_ns() // 1_000_000,
        "program": program,
    }
    partial = f"{state_file}.{os.getpid()}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(who, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, state_file)


if __name__ == "__main__":
    sys.exit(main())
