"""Sends a day through the real OpenAI SDK, at its times of day, and says how good each answer was.

Requests leave when the compressed clock says so, whether or not earlier ones were answered; at
most `MAX_OPEN` are open at once. Every request has a deadline.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openai import APIError, AsyncOpenAI
from openai.types import CompletionUsage

from pointsman.cli.demo.figures import Answer
from pointsman.cli.demo.prompts import ANSWER_TOKENS, TRUE_TASK, DeskRequest

MAX_OPEN = 128
REQUEST_DEADLINE_S = 60.0


async def send_day(
    base_url: str,
    model: str,
    requests: Sequence[DeskRequest],
    *,
    day_s: float,
    progress: Callable[[], None],
) -> list[Answer]:
    """Answers in the order of the requests; `day_s` is how long a day takes here."""
    gate = asyncio.Semaphore(MAX_OPEN)
    first = requests[0].at if requests else 0.0
    span = (requests[-1].at - first) or 1.0 if requests else 1.0
    started = time.monotonic()

    async with AsyncOpenAI(
        base_url=base_url, api_key="demo", max_retries=0, timeout=REQUEST_DEADLINE_S
    ) as client:

        async def one(request: DeskRequest) -> Answer:
            due = started + (request.at - first) / span * day_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            async with gate:
                answer = await _ask(client, model, request)
            progress()
            return answer

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(request)) for request in requests]
    return [task.result() for task in tasks]


async def _ask(client: AsyncOpenAI, model: str, request: DeskRequest) -> Answer:
    try:
        answer = await (_streamed if request.stream else _whole)(client, model, request)
        await client.post(
            "/feedback",
            body={"decision_id": answer.decision, "good": answer.correct},
            cast_to=object,
        )
    except APIError as failure:
        return Answer(
            backend="", decision="", prompt_tokens=0, completion_tokens=0, correct=False,
            error=str(failure),
        )  # fmt: skip
    return answer


def _answer(headers: Mapping[str, str], usage: CompletionUsage | None, correct: bool) -> Answer:
    return Answer(
        backend=headers.get("x-pointsman-backend", ""),
        decision=headers.get("x-pointsman-decision-id", ""),
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        correct=correct,
    )


def _body(model: str, request: DeskRequest) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": request.prompt}],
        "max_tokens": ANSWER_TOKENS[request.desk_class],
        # Tells the simulated model which declared quality to apply; no rule of the policy sees it.
        "metadata": {"pointsman-simulator-task": str(TRUE_TASK[request.desk_class])},
    }


def _correct(extra: dict[str, Any] | None) -> bool:
    return bool(((extra or {}).get("simulator") or {}).get("correct"))


async def _whole(client: AsyncOpenAI, model: str, request: DeskRequest) -> Answer:
    raw = await client.chat.completions.with_raw_response.create(**_body(model, request))
    answer = raw.parse()
    return _answer(raw.headers, answer.usage, _correct(answer.model_extra))


async def _streamed(client: AsyncOpenAI, model: str, request: DeskRequest) -> Answer:
    raw = await client.chat.completions.with_raw_response.create(
        **_body(model, request), stream=True, stream_options={"include_usage": True}
    )
    usage, correct = None, False
    async with raw.parse() as stream:
        async for chunk in stream:
            usage = chunk.usage or usage
            if chunk.choices and chunk.choices[0].finish_reason:
                correct = _correct(chunk.model_extra)
    return _answer(raw.headers, usage, correct)
