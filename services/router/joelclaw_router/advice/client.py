"""One call of an OpenAI-compatible chat endpoint. The only module here that speaks HTTP."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from joelclaw_router.advice.question import SYSTEM, Question

MOST_TOKENS = 400
MOST_BYTES = 256 * 1024


class CallFailed(Exception):
    """No usable answer: `why` is `time-out`, `refused` (an HTTP status), `unreachable`, `unsendable` or `unusable`."""

    def __init__(self, why: str, detail: str) -> None:
        self.why = why
        super().__init__(f"{why}: {detail}")


@dataclass(frozen=True, slots=True)
class Said:
    """A model's text, and what it counted."""

    text: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class ModelClient:
    """`base_url`: up to `/v1`; `key` '' sends none. Never logged, never shown."""

    base_url: str
    key: str
    transport: httpx.AsyncBaseTransport | None = None

    def __repr__(self) -> str:
        return f"ModelClient({self.base_url.rpartition('@')[2]!r})"

    async def ask(self, model: str, question: Question, seconds: float) -> Said:
        """Ask one model, for at most so many seconds. CallFailed."""
        body = {
            "model": model,
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question.text()}],
        }
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            client = httpx.AsyncClient(
                base_url=self.base_url,
                timeout=seconds,
                transport=self.transport,
                follow_redirects=False,
                verify=_trusted(),
            )
            async with client, client.stream("POST", "/chat/completions", json=body, headers=headers) as response:
                raw = await _bounded(response)
        except ValueError as error:  # a key or an address that can't be sent
            raise CallFailed("unsendable", type(error).__name__) from error
        except httpx.TimeoutException as error:
            raise CallFailed("time-out", type(error).__name__) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CallFailed("unreachable", type(error).__name__) from error
        if response.status_code != httpx.codes.OK:
            raise CallFailed("refused", f"HTTP {response.status_code}")
        return _read(raw)


@cache
def _trusted() -> ssl.SSLContext:
    """The system's authorities, read once: it takes longer than most calls."""
    return ssl.create_default_context()


async def _bounded(response: httpx.Response) -> bytes:
    raw = b""
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise CallFailed("unusable", f"the response is longer than {MOST_BYTES} bytes")
    return raw


def _read(raw: bytes) -> Said:
    try:
        body: Any = json.loads(raw)
        text = body["choices"][0]["message"]["content"]
        usage = body.get("usage") or {}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CallFailed("unusable", f"no chat completion ({type(error).__name__})") from error
    if not isinstance(text, str):
        raise CallFailed("unusable", "its content is no text")
    return Said(text, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
