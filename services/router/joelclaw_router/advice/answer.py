"""What a model may say: one JSON object of four fields, found in whatever text surrounds it. Pure.

| in the answer                                   | becomes of it                       |
|-------------------------------------------------|-------------------------------------|
| text, or a fence, around the object             | tolerated                           |
| an action that is not allowed now               | the answer is unusable              |
| a delay outside of the bounds, or no integer    | the answer is unusable              |
| a route, a budget, a model id, any other field  | not read                            |
| no object, or more than 16 KiB                  | the answer is unusable              |
"""

from __future__ import annotations

import json

from joelclaw_router.advice.question import Question
from joelclaw_router.failure import Advice

LONGEST = 16 * 1024
REASON_CHARS = 300


class Unusable(ValueError):
    """Nothing that may be followed; the message says why."""


def read_answer(text: str, question: Question, model: str) -> Advice:
    """The advice in a model's text. Unusable."""
    if len(text.encode("utf-8", "replace")) > LONGEST:
        raise Unusable(f"it is longer than {LONGEST} bytes")
    said = _first_object(text)
    action, delay, confidence = said.get("action"), said.get("delayMs"), said.get("confidence", 0.5)
    if action not in question.actions:
        raise Unusable(f"its action {str(action)[:40]!r} is not allowed now; allowed: {', '.join(question.actions)}")
    if not isinstance(delay, int) or isinstance(delay, bool):
        raise Unusable(f"its delayMs {str(delay)[:40]!r} is no integer")
    if not question.delay_min_ms <= delay <= question.delay_max_ms:
        raise Unusable(f"its delayMs {delay} is outside of {question.delay_min_ms} to {question.delay_max_ms}")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise Unusable(f"its confidence {str(confidence)[:40]!r} is not within 0 and 1")
    reason = said.get("reason")
    told = " ".join(reason.split())[:REASON_CHARS] if isinstance(reason, str) else ""
    return Advice(str(action), delay, float(confidence), told, model)


def _first_object(text: str) -> dict[str, object]:
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            found, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        if isinstance(found, dict):
            return found
        at = text.find("{", at + 1)
    raise Unusable("it holds no JSON object")
