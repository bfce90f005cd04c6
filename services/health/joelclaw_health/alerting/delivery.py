"""One letter to one outlet. At least once where a repetition can be told apart by its key, else at most once.

| the outlet                          | the letter                                | what is done                       |
|-------------------------------------|-------------------------------------------|------------------------------------|
| never heard of the thread, or heard | an end (`resolved`)                       | withheld; no later beginning goes  |
| its end                             |                                           | there either                       |
| heard the thread's end              | older than that end                       | withheld: it came too late         |
| took it                             |                                           | told                               |
| did not, and dedupes by the key     | not its last attempt                      | tried again                        |
| did not                             | its last, or a repetition would be double | failed: the terminal has it        |
| was being sent to when a process    | and a repetition would be double          | unclear: the terminal has it, and  |
| died                                |                                           | its end will be told               |
| gave no answer in time              | any                                       | as if not taken; but it may have   |
|                                     |                                           | been, so its end will be told      |
| took it, while its end was withheld | a beginning                               | told, and its end after it         |
| dedupes, and was being sent to when | a beginning whose end came meanwhile      | its end is told: it may have heard |
| a process died                      |                                           |                                    |
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import anyio
from anyio import to_thread

from joelclaw_bus import StoreRefused
from joelclaw_health.alerting import apprise_target
from joelclaw_health.alerting.letter import AlertLetter
from joelclaw_health.alerting.memory import Heard, Memory
from joelclaw_health.alerting.outlets import Outlet, Outlets
from joelclaw_health.alerting.terminal import NotDelivered, Terminal

log = logging.getLogger(__name__)

SECONDS = 60.0
End = Literal["told", "withheld", "kept", "failed", "unclear"]


class NoAnswer(NotDelivered):
    """Its send was left behind, and may still arrive."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`send`: apprise's, or a test's; `seconds`: what one send may take."""

    memory: Memory
    outlets: Outlets
    terminal: Terminal
    send: apprise_target.Send = apprise_target.send
    seconds: float = SECONDS

    async def deliver(self, letter: AlertLetter, outlet: Outlet, last: bool) -> End:
        """By the table above. NotDelivered: try again; last: there will be no other try."""
        if outlet.kind == "digest":
            try:
                if await self.memory.keep(letter, await self.memory.store.time_ms()):
                    return "kept"
            except StoreRefused as error:
                if not last:
                    raise
                self.terminal.deliver(letter, f"the digest could not keep it ({error})")
                return "failed"
            log.warning("the digest is full; left out: %s", " ".join(letter.text.split())[:300])
            return "failed"
        heard = await self.memory.heard(letter, outlet)
        while letter.closes and (heard is None or heard[0] == "over"):
            if await self.memory.note(letter, outlet, heard):
                return "withheld"
            heard = await self.memory.heard(letter, outlet)  # its beginning was taken just now
        if heard is not None and heard[0] == "over" and letter.repeat <= heard[1] and letter.transition != "message":
            if outlet.has_marks and not letter.closes and await self.memory.was_begun(letter, outlet):
                await self._tell_end(letter, outlet, heard[1])
                await self.memory.ended(letter, outlet)
            return "withheld"
        try:
            end = await self._hand_over(letter, outlet, last)
        except NoAnswer:
            if not letter.closes:  # an end is tried again until it is known to be told
                await self._tell_end_if_over(letter, outlet, heard)
            raise
        if end != "failed":
            await self._tell_end_if_over(letter, outlet, heard)
        if outlet.has_marks and end == "told":
            await self.memory.ended(letter, outlet)
        return end

    async def _tell_end_if_over(self, letter: AlertLetter, outlet: Outlet, heard: Heard | None) -> None:
        """Notes that it was heard; was its thread's end withheld during the send, that end is told now."""
        if over := await self._over_meanwhile(letter, outlet, heard):
            await self._tell_end(letter, outlet, over)

    async def _tell_end(self, letter: AlertLetter, outlet: Outlet, over: int) -> None:
        log.info("it ended while it was told: %s", letter.id)
        text = f"over since: {letter.text}"
        closing = AlertLetter(f"{letter.thread}:resolved:{over}", letter.thread, "resolved", over, "", text)
        await self._hand_over(closing, outlet, True)  # that it is over was noted by who withheld it

    async def _hand_over(self, letter: AlertLetter, outlet: Outlet, last: bool) -> End:
        if outlet.kind != "terminal":
            return await self._by_apprise(letter, outlet, last)
        self.terminal.deliver(letter)
        return "told"

    async def _over_meanwhile(self, letter: AlertLetter, outlet: Outlet, heard: Heard | None) -> int:
        """Notes that it was heard; the number of its thread's end, if that was withheld during the send, else 0."""
        while not await self.memory.note(letter, outlet, heard):
            heard = await self.memory.heard(letter, outlet)
            if heard is not None and heard[1] >= letter.repeat:  # the later word stands
                return heard[1] if heard[0] == "over" and not letter.closes else 0
        return 0

    async def _by_apprise(self, letter: AlertLetter, outlet: Outlet, last: bool) -> End:
        if not await self.memory.begin(letter, outlet) and not outlet.keyed:
            why = "a process died while it was sent, and a second one could not be told from the first"
            self.terminal.deliver(letter, f"it may not have reached {outlet.name} ({why})")
            return "unclear"
        answer = await self._send(letter, outlet)
        if answer == "":
            return "told"
        late = answer is None
        if outlet.has_marks and not late:
            await self.memory.ended(letter, outlet)  # it was refused: nobody heard it
        why = answer or f"no answer within {self.seconds:g} s"
        if outlet.keyed and not last:
            raise (NoAnswer if late else NotDelivered)(outlet.name, why)
        log.error("%s did not take an alert: %s", outlet.name, why)
        self.terminal.deliver(letter, f"{outlet.name} did not take it ({why})")
        return "unclear" if late else "failed"

    async def _send(self, letter: AlertLetter, outlet: Outlet) -> str | None:
        """'' when it was taken, None when no answer came in time: its thread is left behind, and may
        still be taken."""
        with anyio.move_on_after(self.seconds):
            return await to_thread.run_sync(
                self.send, outlet.url, letter.title, letter.text, letter.id, abandon_on_cancel=True
            )
        return None
