"""Asking: the first model, then the second, then nobody; within one deadline, behind a breaker for each.

Whatever happens, an answer comes back in time: advice, or the rule by which there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import anyio

from joelclaw_router.advice.answer import Unusable, read_answer
from joelclaw_router.advice.breaker import Breaker
from joelclaw_router.advice.client import CallFailed, ModelClient, Said
from joelclaw_router.advice.question import Question
from joelclaw_router.failure import Advice

MODEL_ADVISED = "model-advised"
MODEL_FALLBACK = "model-fallback-advised"
MODEL_SILENT = "model-silent"


@dataclass(frozen=True, slots=True)
class Consulted:
    """What came of asking. `rule` names how; `planned`: the policy's own action; `advice` None: nobody answered well;
    `tried`: each model and what it did; `shadow`: it is recorded, and not followed."""

    rule: str
    planned: str
    advice: Advice | None
    tried: tuple[tuple[str, str], ...]
    milliseconds: int
    tokens_in: int = 0
    tokens_out: int = 0
    shadow: bool = False

    @property
    def agrees(self) -> bool | None:
        """Whether the model would have done what the policy does; None when none answered."""
        return None if self.advice is None else self.advice.action == self.planned

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "planned": self.planned,
            "advice": asdict(self.advice) if self.advice else None,
            "tried": [list(one) for one in self.tried],
            "milliseconds": self.milliseconds,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "shadow": self.shadow,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Consulted:
        advice = Advice(**raw["advice"]) if raw["advice"] else None
        tried = tuple((model, what) for model, what in raw["tried"])
        return cls(**{**raw, "advice": advice, "tried": tried})


@dataclass
class Adviser:
    """`models`: the first, and the fallback where there is one; `deadline`: seconds for all of it; `shadow`: ask, and
    follow the policy."""

    client: ModelClient
    models: tuple[str, ...]
    deadline: float
    shadow: bool = False
    now: Callable[[], float] = time.monotonic
    _breakers: dict[str, Breaker] = field(default_factory=dict)

    async def consult(self, question: Question) -> Consulted:
        """Ask, in order, until one answers well or the time is over. Never raises, never late."""
        began, tried, planned = self.now(), list[tuple[str, str]](), question.actions[0]
        for place, model in enumerate(self.models):
            left = self.deadline - (self.now() - began)
            if left <= 0:
                tried.append((model, "not asked: the deadline is over"))
                continue
            breaker = self._breakers.setdefault(model, Breaker())
            if not breaker.may_ask(self._ms()):
                tried.append((model, "not asked: its breaker is open"))
                continue
            try:
                said, advice = await self._ask(model, question, left)
            except (CallFailed, Unusable) as error:
                breaker.failed(self._ms())
                tried.append((model, str(error)[:300]))
                continue
            except BaseException:  # cancelled: the probe must not stay taken for ever
                breaker.failed(self._ms())
                raise
            breaker.succeeded()
            tried.append((model, "answered"))
            rule = MODEL_ADVISED if place == 0 else MODEL_FALLBACK
            tokens = {"tokens_in": said.tokens_in, "tokens_out": said.tokens_out}
            return Consulted(rule, planned, advice, tuple(tried), self._since(began), **tokens, shadow=self.shadow)
        return Consulted(MODEL_SILENT, planned, None, tuple(tried), self._since(began), shadow=self.shadow)

    async def _ask(self, model: str, question: Question, left: float) -> tuple[Said, Advice]:
        with anyio.move_on_after(left):  # httpx counts each read apart: a model that drips would never be late
            said = await self.client.ask(model, question, left)
            return said, read_answer(said.text, question, model)
        raise CallFailed("time-out", f"no answer within {left:.1f} s")

    def _ms(self) -> int:
        return round(self.now() * 1000)

    def _since(self, began: float) -> int:
        return round((self.now() - began) * 1000)
