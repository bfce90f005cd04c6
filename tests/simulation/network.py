"""Calls on their way to the one server and back: latency, outages, lost replies, blocked reads, nudges.

A call is executed by the harness at the moment it arrives, whatever became of its sender meanwhile: as on a real
network, a process may be frozen or dead when its command is carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import redis

from joelclaw_bus.errors import BusError, StoreUnavailable
from joelclaw_bus.replies import translate
from joelclaw_bus.script import Script
from tests.simulation.faked import START_US, FakedServer
from tests.simulation.loop import Killed
from tests.simulation.wire import Refusal, Word

if TYPE_CHECKING:
    from tests.simulation.judge import Judge
    from tests.simulation.process import Process

WHERE = "redis://simulated"
APPENDS: dict[str, Callable[[Any], bool]] = {
    "publish": lambda answer: answer[0] != b"due",
    "promote": lambda answer: answer[0] > 0,
    "wake": lambda answer: answer == 1,
    "tick": lambda answer: bool(isinstance(answer[0], bytes) and answer[0]),
    "arrive": lambda answer: answer == 2,
    "mend": lambda _: True,
    "replay": bool,
}
"""The scripts that append to a stream, and the answer by which they have."""
NUDGES = {"publish", "park"}


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network is. Shares in [0, 1); seconds."""

    slow: float = 0.3
    latency: float = 0.004
    lost: float = 0.003
    """Of calls: half of them before they arrive, half on the way back."""


@dataclass(eq=False)
class Blocked:
    """A reader that waits at the server."""

    process: Process
    command: Sequence[Word]
    streams: tuple[str, ...]
    answer: asyncio.Future[Any]


@dataclass(eq=False)
class Network:
    server: FakedServer
    loop: asyncio.AbstractEventLoop
    dice: Random
    weather: Weather
    judge: Judge
    mutate: Callable[[Script], Script] | None = None
    """Breaks a script on purpose, to show that somebody notices."""
    shift_us: int = 0
    """How far the server's clock was set from true time."""
    down: str = ""
    """`refuses`: connections are refused; `silent`: no answer comes; '': it is there."""
    calls: int = 0
    _blocked: list[Blocked] = field(default_factory=list)
    _ears: dict[Process, asyncio.Queue[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = copy_context()  # the harness's own, whoever sends

    # The server's clock

    @property
    def now_us(self) -> int:
        return START_US + round(self.loop.time() * 1_000_000) + self.shift_us

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000

    # On the way

    async def send(self, process: Process, act: Callable[[], Any], deadline: float) -> Any:
        """One call of a process; what the server answered. StoreUnavailable when the way was cut."""
        if process.dead:
            raise Killed
        answer: asyncio.Future[Any] = self.loop.create_future()
        process.unanswered[answer] = None
        answer.add_done_callback(process.answered)
        self.loop.call_later(self._delay(), self._arrive, process, act, answer, deadline, context=self.context)
        return await answer

    def _arrive(self, process: Process, act: Callable[[], Any], answer: asyncio.Future[Any], deadline: float) -> None:
        if self.down or self.dice.random() < self.weather.lost / 2:
            wait = deadline if self.down == "silent" else 0.001
            self._reply(process, answer, StoreUnavailable(WHERE, self.down or "lost on the way"), wait)
            return
        result: Any
        try:
            result = act()
        except BusError as error:
            result = error
        process.called()
        if isinstance(result, Blocked):
            result.answer = answer
            self._blocked.append(result)
            return
        if self.dice.random() < self.weather.lost / 2:
            result = StoreUnavailable(WHERE, "the reply was lost")
        self._reply(process, answer, result, self._delay())

    def _reply(self, process: Process, answer: asyncio.Future[Any], result: Any, wait: float) -> None:
        self.loop.call_later(wait, self._hand_over, process, answer, result, context=self.context)

    def _hand_over(self, process: Process, answer: asyncio.Future[Any], result: Any) -> None:
        if answer.done() or process.dead:
            return
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def _delay(self) -> float:
        return self.dice.random() * self.weather.latency if self.dice.random() < self.weather.slow else 0.0

    def at_once(self, process: Process, act: Callable[[], Any]) -> Any:
        """A call of a thread, which waits in place: no time passes."""
        if process.dead:
            raise Killed
        if self.down or self.dice.random() < self.weather.lost:
            raise StoreUnavailable(WHERE, self.down or "lost on the way")
        return act()

    def cut(self, kind: str) -> None:
        """The store is away; whoever waits at it is cut off."""
        self.down = kind
        for blocked in self._blocked:
            self._reply(blocked.process, blocked.answer, StoreUnavailable(WHERE, "connection lost"), 0.001)
        self._blocked.clear()

    # At the server

    def command(self, process: Process, command: Sequence[Word]) -> Any:
        """Executed now."""
        self.server.set_us(self.now_us)
        self.calls += 1
        answer = self.server.wire.call(command) if command[0] != "SCAN" else self._all_keys()
        self.judge.saw_command(process, command, answer)
        if command[0] == "XADD":
            self._wake_readers(str(command[1]))
        return _sound(answer)

    def _all_keys(self) -> Any:
        """SCAN promises no order, and a server's own differs each time: here it answers at once, in order."""
        found = self.server.wire.call(["SCAN", "0", "COUNT", "1000000"])
        return [found[0], sorted(found[1])]

    def commands(self, process: Process, commands: Sequence[Sequence[Word]]) -> list[Any]:
        self.server.set_us(self.now_us)
        self.calls += len(commands)
        answers = self.server.wire.calls(commands)
        for command, answer in zip(commands, answers, strict=True):
            self.judge.saw_command(process, command, answer)
        return [_error(a) if isinstance(a, Refusal) else a for a in answers]

    def script(self, process: Process, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Any:
        self.server.set_us(self.now_us)
        self.calls += 1
        if self.mutate:
            script = self.mutate(script)
        answer = self.server.wire.call(["EVALSHA", script.sha, len(keys), *keys, *args])
        if isinstance(answer, Refusal) and str(answer).startswith("NOSCRIPT"):
            answer = self.server.wire.call(["EVAL", script.text, len(keys), *keys, *args])
        self.judge.saw_script(process, script.name, keys, args, answer)
        result = _sound(answer)
        if script.name in NUDGES:
            self._nudge()
        if script.name in APPENDS and APPENDS[script.name](result):
            self._wake_readers(keys[0])
        return result

    def read(self, process: Process, command: Sequence[Word], block: float | None) -> Any:
        """XREADGROUP; a reader that may wait and finds nothing is left at the server."""
        answer = self.command(process, command)
        if answer is not None or block is None:
            return answer
        at = [str(word) for word in command].index("STREAMS")
        blocked = Blocked(process, command, tuple(str(w) for w in command[at + 1 : at + 3]), self.loop.create_future())
        self.loop.call_later(block, self._tire, blocked, context=self.context)
        return blocked

    def _tire(self, blocked: Blocked) -> None:
        if blocked in self._blocked:
            self._blocked.remove(blocked)
            self._reply(blocked.process, blocked.answer, None, 0.0)

    def _wake_readers(self, key: str) -> None:
        """What was appended goes to whoever waits longest for it; also to a process that is frozen by now."""
        tag = key.removeprefix("{").partition("}")[0]
        done = set[tuple[str, ...]]()
        for blocked in [b for b in self._blocked if b.streams[0] == tag]:
            if blocked.answer.done() or blocked.process.dead:
                self._blocked.remove(blocked)
                continue
            if blocked.streams in done:
                continue
            answer = self.command(blocked.process, blocked.command)
            if answer is None:
                done.add(blocked.streams)  # each function has its own ready stream: these are one group's
                continue
            self._blocked.remove(blocked)
            self._reply(blocked.process, blocked.answer, answer, self._delay())

    # Nudges

    def listen(self, process: Process, channel: str) -> None:
        if not self._ears:
            reply = self.server.ear.call(["SUBSCRIBE", channel])
            while reply[0] != b"subscribe":  # said while nobody listened, perhaps in the history before this one
                reply = self.server.ear.read()
        self._ears[process] = asyncio.Queue()

    def deafen(self, process: Process) -> None:
        self._ears.pop(process, None)

    async def heard(self, process: Process) -> bytes:
        return await self._ears[process].get()

    def _nudge(self) -> None:
        """What the script published lies before the answer to a PING on the same connection."""
        if not self._ears:
            return
        reply = self.server.ear.call(["PING"])
        while reply[0] == b"message":
            for ear in self._ears.values():
                if self.dice.random() >= 0.05:  # a lost one is what the sweep is for
                    self.loop.call_later(self._delay(), ear.put_nowait, reply[2], context=self.context)
            reply = self.server.ear.read()


def _sound(answer: Any) -> Any:
    if isinstance(answer, Refusal):
        raise _error(answer)
    return answer


def _error(answer: Refusal) -> BusError:
    return translate(redis.exceptions.ResponseError(str(answer)), WHERE)
