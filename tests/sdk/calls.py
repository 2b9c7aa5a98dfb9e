"""One call of an SDK and what came of it, in words that both SDKs share."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import openai

from tests.sdk import PLAIN
from tests.sdk.node import NodeProcess

PATIENCE_S = 60.0
"""No call takes longer; the SDK gives up a little earlier."""


@dataclass(frozen=True, slots=True)
class Call:
    """`method` is named alike in both SDKs; `argument` is the body, a path, an id or nothing."""

    method: str
    argument: dict[str, Any] | str | None = None
    accumulate: bool = False
    """Streamed, and put together by the SDK's own helper."""
    max_retries: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Failure(msgspec.Struct, frozen=True):
    """An exception: `kind` is its class; a status without a class of its own is an APIError."""

    kind: str
    status: int | None
    code: str | None
    type: str | None
    param: str | None
    message: str
    request_id: str | None


class Outcome(msgspec.Struct, frozen=True):
    """The answer, or the chunks of a stream up to its end or its error."""

    answers: list[Any]
    error: Failure | None = None
    request_id: str | None = None

    @property
    def answer(self) -> Any:
        """The only one, of a call that went well."""
        assert self.error is None, self.error
        (found,) = self.answers
        return found

    @property
    def chunks(self) -> list[Any]:
        """Of a stream that went well."""
        assert self.error is None, self.error
        return self.answers


class Sdk(Protocol):
    """One of the two."""

    async def call(self, call: Call, base_url: str) -> Outcome:
        """Never raises what the SDK raises."""


class PythonSdk:
    """The SDK in this process."""

    async def call(self, call: Call, base_url: str) -> Outcome:
        """See Sdk."""
        answers: list[Any] = []
        async with (
            openai.DefaultAsyncHttpxClient(verify=PLAIN) as http,
            openai.AsyncOpenAI(
                base_url=base_url,
                api_key="sk-caller",
                max_retries=call.max_retries,
                timeout=PATIENCE_S - 10,
                default_headers=call.headers,
                http_client=http,
            ) as client,
        ):
            try:
                request_id = await self._perform(client, call, answers)
            except openai.APIError as error:
                return Outcome(answers, _failure(error))
        return Outcome(answers, None, request_id)

    async def _perform(
        self, client: openai.AsyncOpenAI, call: Call, answers: list[Any]
    ) -> str | None:
        if call.accumulate:
            assert isinstance(call.argument, dict)
            async with client.chat.completions.stream(**call.argument) as stream:
                answers.append((await stream.get_final_completion()).to_dict(mode="json"))
            return None
        if call.method == "get":
            assert isinstance(call.argument, str)
            answers.append(await client.get(call.argument, cast_to=object))
            return None
        method: Any = client
        for step in call.method.split("."):
            method = getattr(method, step)
        if call.argument is None:
            found = method()
            answers.extend([one.to_dict(mode="json") async for one in found])
            return None
        given = call.argument
        found = await (method(given) if isinstance(given, str) else method(**given))
        if isinstance(found, openai.AsyncStream):
            async for one in found:  # what came before an error counts
                answers.append(one.to_dict(mode="json"))  # noqa: PERF401
            return found.response.headers.get("x-request-id")
        # A vector in base64 is not what the SDK's type says.
        answers.append(found.to_dict(mode="json", warnings=False))
        return str(found._request_id)


def _failure(error: openai.APIError) -> Failure:
    answered = error if isinstance(error, openai.APIStatusError) else None
    kind = type(error).__name__
    return Failure(
        "APIError" if kind == "APIStatusError" else kind,
        answered.status_code if answered else None,
        error.code,
        error.type,
        error.param,
        error.message,
        answered.request_id if answered else None,
    )


class NpmSdk:
    """The SDK of Node, in a process that does one call at a time."""

    def __init__(self, process: NodeProcess) -> None:
        self._process = process

    async def call(self, call: Call, base_url: str) -> Outcome:
        """See Sdk."""
        line = json.dumps(
            {
                "options": {
                    "baseURL": base_url,
                    "apiKey": "sk-caller",
                    "maxRetries": call.max_retries,
                    "timeout": (PATIENCE_S - 10) * 1000,
                    "defaultHeaders": call.headers,
                },
                "method": call.method,
                "argument": call.argument,
                "accumulate": call.accumulate,
            }
        )
        async with asyncio.timeout(PATIENCE_S):
            told = await asyncio.to_thread(self._process.ask, line)
        return msgspec.json.decode(told, type=Outcome)
