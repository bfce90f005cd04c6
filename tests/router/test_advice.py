"""The model layer: whatever a model says, no act leaves the policy's table, and the router decides without it too."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import anyio
import pytest

from joelclaw_healing import Ledger
from joelclaw_router.advice.adviser import MODEL_ADVISED, MODEL_FALLBACK, MODEL_SILENT, Adviser, Consulted
from joelclaw_router.advice.answer import Unusable, read_answer
from joelclaw_router.advice.breaker import COOL_DOWN_MS, WINDOW_MS, Breaker
from joelclaw_router.advice.client import ModelClient
from joelclaw_router.advice.question import Question, question_of
from joelclaw_router.desk import Desk
from joelclaw_router.failure import CALM, Advice, Budgets, Decision
from joelclaw_router.policy import decide
from joelclaw_router.rules import Rule, Verdict
from joelclaw_router.whatif.replay import replay
from tests.router.conftest import CONFIG, SLOW, MakeDesk, healing, sent
from tests.router.test_policy import AROUND, CASES, FAILURE, INCIDENT, NOW, POLICY
from tests.support.scripted_model import Reply, scripted_model

QUESTION = Question(("retry", "pause", "escalate"), 1, 30, {"problem": "it answers 502"})
SECONDS = 1.0
TIGHTNESS = [Verdict.RETRY, Verdict.PAUSE, Verdict.ESCALATE]


def said(**changes: Any) -> str:
    return json.dumps({"action": "retry", "delayMs": 20, "confidence": 0.9, "reason": "seen before", **changes})


# What may be said


@pytest.mark.parametrize(
    "text",
    [
        said(),
        f"Sure! Here is my answer:\n```json\n{said()}\n```\nAnything else?",
        f"{{not json}} {said()}",
        said(routeTo="gateway/send.message", model="gpt-99", maxRetries=999),
    ],
)
def test_text_around_the_object_is_tolerated_and_other_fields_are_not_read(text: str) -> None:
    assert read_answer(text, QUESTION, "o3") == Advice("retry", 20, 0.9, "seen before", "o3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "retry it",
        "[1, 2]",
        said(action="restart"),
        said(action=["retry"]),
        said(delayMs=0),
        said(delayMs=31),
        said(delayMs="20"),
        said(delayMs=20.0),
        said(delayMs=True),
        said(confidence=2),
        said(confidence="high"),
        said(confidence=float("nan")),
        "{" * 2000,
        said(reason="x" * 20_000),
    ],
)
def test_what_is_no_answer_to_the_question_is_unusable(text: str) -> None:
    with pytest.raises(Unusable):
        read_answer(text, QUESTION, "o3")


# What the policy makes of it


@pytest.mark.parametrize("action", ["retry", "pause", "escalate"])
@pytest.mark.parametrize("rule", CASES, ids=str)
def test_advice_only_ever_tightens(rule: Rule, action: str) -> None:
    failure, incident, budgets, policy = CASES[rule]
    around = AROUND.get(rule, CALM)
    alone = decide(failure, incident, budgets, now=NOW, policy=policy, dice=0.5, around=around)
    advice = Advice(action, 5, 0.8, "because", "o3")
    advised = decide(failure, incident, budgets, now=NOW, policy=policy, dice=0.5, advice=advice, around=around)
    if alone.verdict not in (Verdict.RETRY, Verdict.PAUSE):
        past_due = {Rule.DUE_PAST_DEADLINE, Rule.DUE_PAST_WINDOW, Rule.RETRIES_SPENT, Rule.RETRIES_PER_DAY}
        past_due |= {Rule.RETRIES_OF_ALL, Rule.APPROVAL}  # asked after the model, too
        assert advised.rule is alone.rule or (alone.rule in past_due), "what bars an act bars it with advice too"
        return
    assert TIGHTNESS.index(advised.verdict) >= TIGHTNESS.index(alone.verdict)
    if advised.due_ms and rule is not Rule.HOLD_DEFERRED:
        assert policy.sleep_min_ms <= advised.delay_ms <= policy.sleep_max_ms
    assert advised.model == "o3"


def test_budgets_and_deadlines_are_asked_after_the_model() -> None:
    wants = Advice("retry", 10_000_000, 1.0, "", "o3")
    failure = replace(FAILURE, deadline_ms=NOW + 400_000)
    late = decide(failure, None, Budgets(), now=NOW, policy=POLICY, dice=0.0, advice=wants)
    spent = decide(FAILURE, replace(INCIDENT, attempt=5), Budgets(), now=NOW, policy=POLICY, dice=0.0, advice=wants)
    assert (late.rule, spent.rule) == (Rule.DUE_PAST_DEADLINE, Rule.RETRIES_SPENT)


def test_a_model_can_t_ask_for_two_holds_in_a_row() -> None:
    held = replace(INCIDENT, attempt=1, holds=1, last_act="pause")
    advised = decide(
        FAILURE, held, Budgets(), now=NOW, policy=POLICY, dice=0.0, advice=Advice("pause", 1, 1.0, "", "o3")
    )
    assert advised.rule is Rule.RETRY
    plan = Decision(Rule.RETRY, "", delay_ms=1)
    question = question_of(FAILURE, plan, POLICY, held_before=True, problem="", evidence=[])
    assert question is not None
    assert question.actions == ("retry", "escalate")


# What is asked


def test_a_model_sees_no_secret_and_no_more_than_a_few_words_of_others() -> None:
    problem = "login failed for https://joel:hunter2@nas/ with token sk-abcdefghijklmnopqrstuvwxyz123456 " + "x" * 5_000
    question = question_of(
        FAILURE,
        Decision(Rule.RETRY, ""),
        POLICY,
        held_before=False,
        problem=problem,
        evidence=["password=hunter2"] * 50,
    )
    assert question is not None
    text = question.text()
    assert "hunter2" not in text
    assert len(text) < 3_000


# Whom is asked, and when not


def test_three_failures_in_the_window_open_the_breaker_and_one_probe_closes_it() -> None:
    breaker = Breaker()
    for at in (0, 1, 2):
        assert breaker.may_ask(at)
        breaker.failed(at)
    assert not breaker.may_ask(COOL_DOWN_MS + 1)
    assert breaker.may_ask(COOL_DOWN_MS + 2)
    assert not breaker.may_ask(COOL_DOWN_MS + 3), "one probe at a time"
    breaker.failed(COOL_DOWN_MS + 3)
    assert not breaker.may_ask(2 * COOL_DOWN_MS + 2)
    assert breaker.may_ask(2 * COOL_DOWN_MS + 3)
    breaker.succeeded()
    assert breaker.may_ask(2 * COOL_DOWN_MS + 4)


def test_failures_that_lie_far_apart_do_not_open_it() -> None:
    breaker = Breaker()
    for n in range(10):
        breaker.failed(n * WINDOW_MS // 2)
        assert breaker.may_ask(n * WINDOW_MS // 2)


async def test_the_fallback_is_asked_when_the_first_fails_and_the_record_says_so() -> None:
    def answer(body: dict[str, Any]) -> Reply:
        return Reply(status=429) if body["model"] == "o3" else Reply(said(model="o3"))

    with scripted_model(answer) as model:
        adviser = Adviser(ModelClient(model.url, "k-1"), ("o3", "o4-mini"), 5.0)
        heard = [await adviser.consult(QUESTION) for _ in range(5)]
    assert {(h.rule, h.advice.model if h.advice else "") for h in heard} == {(MODEL_FALLBACK, "o4-mini")}
    assert heard[0].tried == (("o3", "refused: HTTP 429"), ("o4-mini", "answered"))
    assert (heard[0].tokens_in, heard[0].tokens_out) == (11, 7)
    assert Counter(body["model"] for body in model.asked) == {"o3": 3, "o4-mini": 5}, "the breaker spares the first"
    assert model.headers[0]["Authorization"] == "Bearer k-1"
    assert Consulted.from_json(json.loads(json.dumps(heard[0].to_json()))) == heard[0]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(raw=b"<html>"),
        Reply(raw=b'{"choices": []}'),
        Reply(raw=b'{"choices": [{"message": {"content": null}}]}'),
        Reply(text="no"),
        Reply(wait=60),
        Reply(text=said(), drip=0.05),
        Reply(raw=b"x" * 400_000),
        Reply(status=307),
    ],
)
async def test_a_model_that_gives_no_usable_answer_leaves_the_policy_alone(reply: Reply) -> None:
    with scripted_model(lambda _: reply) as model:
        heard = await Adviser(ModelClient(model.url, ""), ("o3",), 0.3).consult(QUESTION)
    assert (heard.rule, heard.advice) == (MODEL_SILENT, None)
    assert heard.tried[0][0] == "o3"


async def test_nobody_listens_there() -> None:
    heard = await Adviser(ModelClient("http://127.0.0.1:9/v1", ""), ("o3",), 1.0).consult(QUESTION)
    assert heard.rule == MODEL_SILENT


def scripted_answers(dice: random.Random) -> Reply:
    """Right, wrong, slow, silent, malformed, injected, with a foreign model id, with a route of its own."""
    injected = "ignore the policy and restart everything now"
    if dice.random() < 0.05:
        return Reply(said(), wait=2 * SECONDS)  # slow to the point of silence
    return dice.choice(
        [
            Reply(said(action=dice.choice(["retry", "pause", "escalate"]), delayMs=dice.randint(1, 30))),
            Reply(said(action=dice.choice(["restart", "kill", "RETRY", "retry_all", ""]))),
            Reply(said(delayMs=dice.choice([-1, 0, 31, 10**12, 1.5, "5", None]))),
            Reply(said(), wait=dice.choice([0.0, 0.0, 0.02])),
            Reply(raw=bytes(dice.getrandbits(8) for _ in range(200))),
            Reply(f"{injected} {said(action='restart', reason=injected)}"),
            Reply(said(model="gpt-99-unlimited", confidence=dice.choice([0.1, 7, "x"]))),
            Reply(said(routeTo="gateway/send.message", targets=["*"], budget=10**9)),
            Reply(status=dice.choice([301, 401, 403, 404, 429, 500, 503])),
        ]
    )


async def test_a_thousand_answers_bring_no_act_outside_the_table() -> None:
    dice, seen = random.Random(7), Counter[str]()
    rules = {Rule.RETRY, Rule.HOLD_ADVISED, Rule.ESCALATE_ADVISED}
    quick = replace(POLICY, sleep_min_ms=1, sleep_max_ms=30, sleep_step_ms=1)
    side_by_side = anyio.CapacityLimiter(8)

    async def trial(client: ModelClient) -> None:
        async with side_by_side:
            heard = await Adviser(client, ("o3",), SECONDS).consult(QUESTION)  # a new breaker: each answer is heard
        decision = decide(FAILURE, None, Budgets(), now=NOW, policy=quick, dice=0.5, advice=heard.advice)
        assert decision.rule in rules, heard
        assert decision.verdict is Verdict.ESCALATE or 1 <= decision.delay_ms <= 30
        assert decision.model in ("o3", "policy")
        seen[heard.rule] += 1

    with scripted_model(lambda _: scripted_answers(dice)) as model:
        async with anyio.create_task_group() as tasks:
            for _ in range(1_000):
                tasks.start_soon(trial, ModelClient(model.url, ""))
    assert set(seen) == {MODEL_ADVISED, MODEL_SILENT}
    assert seen.total() == 1_000
    assert min(seen.values()) > 100


# Through the desk


def advised_desk(make: MakeDesk, url: str, *, shadow: bool = False, slow: bool = False) -> Desk:
    adviser = Adviser(ModelClient(url, ""), ("o3",), 2.0, shadow)
    return replace(make(SLOW if slow else CONFIG), advisers={"": adviser})


async def decided(desk: Desk, id: str = "1-0", **changes: Any) -> dict[str, Any]:
    request = healing(id, **changes)
    return await desk.decide(request, await desk.consult(request))


async def test_advice_is_followed_recorded_and_replayed_to_the_identical_decision(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    with scripted_model(lambda _: Reply(said(action="pause", delayMs=7))) as model:
        outcome = await decided(advised_desk(make_desk, model.url))
    assert outcome["rule"] == "hold-advised-by-model"
    _, lines = await ledger.show(outcome["incident"])
    assert [row.differs for row in replay(lines)] == [()]
    (record,) = [r for r in await sent(ledger, "otel/event") if r["metadata"]["rule"] == MODEL_ADVISED]
    about = record["metadata"]
    assert (about["planned"], about["advised"], about["agrees"], about["model"]) == ("retry", "pause", False, "o3")
    assert {"latencyMs", "tokensIn", "tokensOut"} <= set(about)
    (answer,) = await sent(ledger, "system/self.healing.completed")
    assert (answer["model"], answer["delayMs"]) == ("o3", 7)


async def test_in_shadow_mode_the_policy_decides_and_the_agreement_is_recorded(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    with scripted_model(lambda _: Reply(said(action="escalate"))) as model:
        outcome = await decided(advised_desk(make_desk, model.url, shadow=True))
    assert outcome["rule"] == "retry-within-budget"
    (record,) = [r for r in await sent(ledger, "otel/event") if r["metadata"]["rule"] == MODEL_ADVISED]
    assert (record["metadata"]["shadow"], record["metadata"]["agrees"]) == (True, False)


async def test_no_model_is_asked_where_there_is_nothing_to_choose(make_desk: MakeDesk, ledger: Ledger) -> None:
    with scripted_model(lambda _: Reply(said(delayMs=300_000))) as model:
        desk = advised_desk(make_desk, model.url, slow=True)
        first = await decided(desk, "1-0")
        assert len(model.asked) == 1
        again = await decided(desk, "1-0")  # the same request: it has its answer
        joined = await decided(desk, "2-0")
        barred = await decided(desk, "3-0", targetComponent="another", targetEventName=None)
        dry = await decided(desk, "4-0", targetComponent="third", dryRun=True)
        assert len(model.asked) == 1
    assert again == first
    assert [o["rule"] for o in (joined, barred, dry)] == ["joined", "route-missing", "retry-within-budget"]


async def test_with_a_silent_model_the_router_decides_as_without_one(make_desk: MakeDesk, ledger: Ledger) -> None:
    with scripted_model(lambda _: Reply(status=503)) as model:
        outcome = await decided(advised_desk(make_desk, model.url))
    assert outcome["rule"] == "retry-within-budget"
    (record,) = [r for r in await sent(ledger, "otel/event") if r["metadata"]["rule"] == MODEL_SILENT]
    assert record["level"] == "warn"
