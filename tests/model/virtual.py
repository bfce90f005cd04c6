"""A real store whose time stands still until the test moves it. The scripts are the real ones, letter by letter.

In front of each script goes a piece that takes the time from its last argument, and answers TIME, and the ids of XADD,
from it. What the server itself reckons by its own clock, the idle time of pending entries and the expiry of keys,
`advance` moves along. Real time passes too, a second or so for one example: the model's times are minutes and hours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine, Iterable, Sequence
from functools import cache
from typing import Any

import redis

from joelclaw_bus.address import read_address
from joelclaw_bus.keys import Keys
from joelclaw_bus.nodes import OneNode
from joelclaw_bus.script import Script
from joelclaw_bus.store import Arg, Command, Store, StoreSettings

CLOCK = """
local virtual_now = tonumber(table.remove(ARGV))
local real = redis
local function virtual(call)
  return function(command, ...)
    if command == 'TIME' then
      return { string.format('%.0f', math.floor(virtual_now / 1000)),
        string.format('%.0f', virtual_now % 1000 * 1000) }
    end
    if command ~= 'XADD' then return call(command, ...) end
    local args = { ... }
    for i = 2, #args do
      if args[i] == '*' then
        args[i] = string.format('%.0f-*', virtual_now)
        break
      end
    end
    return call(command, unpack(args))
  end
end
local redis = setmetatable({ call = virtual(real.call), pcall = virtual(real.pcall) }, { __index = real })
"""

ADVANCE = """#!lua flags=allow-cross-slot-keys
local by = tonumber(ARGV[1])
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, math.max(0, left - by)) end
  if redis.call('TYPE', key).ok == 'stream' then
    for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      for _, row in ipairs(redis.call('XPENDING', key, info[2], '-', '+', 1000)) do
        -- One whose entry was deleted stays as it is: XCLAIM would strike it.
        if redis.call('XRANGE', key, row[1], row[1])[1] then
          redis.call('XCLAIM', key, info[2], row[2], 0, row[1], 'IDLE', row[3] + by, 'JUSTID')
        end
      end
    end
  end
end
"""


@cache
def _on_virtual_time(script: Script) -> Script:
    first, _, body = script.text.partition("\n")
    return _script(script.name, f"{first}{CLOCK}{body}")


def _script(name: str, text: str) -> Script:
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class VirtualStore(Store):
    """A store at a time of the test's own, `now_ms`. No call of it ever waits, so that no event loop is needed."""

    def __init__(self, url: str, now_ms: int) -> None:
        address = read_address(url)
        super().__init__(StoreSettings(url), Keys(), address, OneNode(address, 30, 1))
        self._client: Any = redis.Redis.from_url(url, protocol=2, socket_timeout=30)
        self._client.response_callbacks.clear()  # raw replies, as the bus has them
        self.now_ms = now_ms

    async def call(self, *command: Arg, node: str | None = None) -> Any:
        return self._client.execute_command(*command)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        virtual = _on_virtual_time(script)
        return await self._run(virtual, [len(keys), *keys, *args, self.now_ms])

    async def write(self, *command: Arg) -> Any:
        return await self.call(*command)

    async def calls(self, commands: Iterable[Command], *, node: str | None = None) -> list[Any]:
        return [await self.call(*command) for command in commands]

    async def time_ms(self) -> int:
        return self.now_ms

    async def advance(self, ms: int) -> None:
        """Let time pass, for scripts, leases and expiries alike."""
        self.now_ms += ms
        await self._run(_ADVANCE, [0, ms])

    async def close(self) -> None:
        self._client.close()

    async def _run(self, script: Script, args: Sequence[Arg]) -> Any:
        try:
            return self._client.execute_command("EVALSHA", script.sha, *args)
        except redis.exceptions.NoScriptError:
            return self._client.execute_command("EVAL", script.text, *args)


def finished(call: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        call.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something: use an event loop")


_ADVANCE = _script("advance", ADVANCE)
