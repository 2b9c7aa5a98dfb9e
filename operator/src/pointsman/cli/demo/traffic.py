"""Sends a day through the real OpenAI SDK, at its times of day, and measures each answer.

Requests leave when the compressed clock says so, whether or not earlier ones were answered; at
most `MAX_OPEN` are open at once. Every request has a deadline.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from openai import APIError, AsyncOpenAI

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
    began = time.monotonic()
    try:
        backend, usage, correct = await (_streamed if request.stream else _whole)(
            client, model, request
        )
        error = ""
    except APIError as failure:
        backend, usage, correct, error = "", (0, 0), False, str(failure)
    return Answer(
        desk_class=request.desk_class,
        backend=backend,
        latency_s=time.monotonic() - began,
        prompt_tokens=usage[0],
        completion_tokens=usage[1],
        correct=correct,
        error=error,
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


async def _whole(
    client: AsyncOpenAI, model: str, request: DeskRequest
) -> tuple[str, tuple[int, int], bool]:
    raw = await client.chat.completions.with_raw_response.create(**_body(model, request))
    answer = raw.parse()
    usage = answer.usage
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    return raw.headers.get("x-pointsman-backend", ""), tokens, _correct(answer.model_extra)


async def _streamed(
    client: AsyncOpenAI, model: str, request: DeskRequest
) -> tuple[str, tuple[int, int], bool]:
    raw = await client.chat.completions.with_raw_response.create(
        **_body(model, request), stream=True, stream_options={"include_usage": True}
    )
    tokens, correct = (0, 0), False
    async with raw.parse() as stream:
        async for chunk in stream:
            if chunk.usage:
                tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            if chunk.choices and chunk.choices[0].finish_reason:
                correct = _correct(chunk.model_extra)
    return raw.headers.get("x-pointsman-backend", ""), tokens, correct
