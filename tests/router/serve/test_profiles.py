"""Each backend gets a request as its own profile wants it: first choice, fallback, every try."""

import json
from typing import Any

import pytest

from pointsman.api.callers import Limits
from pointsman.api.profile import Parameter, Profile
from pointsman.api.table import Fallback
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_quotas import bearer, known
from tests.router.serve.world import World, chat, post

QWEN = Profile(developer="system", form="EnableThinkingKwarg")
DEEPSEEK = Profile(
    developer="system",
    parameters=(Parameter(name="max_completion_tokens", rename="max_tokens"),),
    form="ThinkingType",
    reasoning="Fill",
)
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "functions.f:0", "content": "7"}
CONVERSATION = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Which train leaves first?"},
    CALL,
    RESULT,
]


async def simulated(there: World, name: str, profile: Profile | None, **more: object) -> None:
    _, port = await there.simulated(name)
    there.place(name, port, profile=profile, **more)


def bodies(there: World, name: str) -> list[Any]:
    """What a simulator was asked."""
    return [json.loads(str(entry["body"])) for entry in there.simulators[name].log.as_json()]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_moves_to_another_family(there: World, stream: bool) -> None:
    """The first one's form is not carried over: the second gets the caller's request in its own."""
    await simulated(there, "qwen", QWEN)
    await simulated(there, "deepseek", DEEPSEEK)
    there.route("qwen", "deepseek")
    there.simulators["qwen"].faults.order(Fault(FaultMode.ERROR_500))
    body = chat(
        stream=stream, max_completion_tokens=20, chat_template_kwargs={"enable_thinking": True}
    )
    body["messages"] = CONVERSATION
    reply = await there.ask(body)
    assert reply.headers["x-pointsman-backend"] == "deepseek"
    system = {"role": "system", "content": "Be brief."}
    for seen in bodies(there, "qwen"):
        assert seen == body | {"model": "model-qwen", "messages": [system, *CONVERSATION[1:]]}
    (seen,) = bodies(there, "deepseek")
    del body["max_completion_tokens"], body["chat_template_kwargs"]
    assert seen == body | {
        "model": "model-deepseek",
        "messages": [system, CONVERSATION[1], CALL | {"reasoning_content": " "}, RESULT],
        "max_tokens": 20,
        "thinking": {"type": "enabled"},
    }


async def test_every_try_at_a_backend_begins_with_the_callers_body(there: World) -> None:
    """A retry adds nothing twice."""
    await simulated(there, "one", Profile(prefix="Answer in French.", stop=("<end>",)))
    there.route("one")
    there.simulators["one"].faults.order(Fault(FaultMode.ERROR_500, count=1))
    reply = await there.ask()
    assert reply.headers["x-pointsman-attempts"] == "2"
    first, second = bodies(there, "one")
    assert first == second
    assert first["messages"][0] == {"role": "system", "content": "Answer in French."}
    assert first["stop"] == ["<end>"]


async def test_the_system_text_has_to_fit_as_well(there: World) -> None:
    """300 bytes are about 100 tokens, which a window of 110 has no room for beside a question."""
    await simulated(there, "narrow", Profile(prefix="x" * 300), context_window=110)
    await simulated(there, "wide", None, context_window=8192)
    there.route("narrow", "wide")
    reply = await there.ask(chat(max_tokens=8))
    assert reply.headers["x-pointsman-backend"] == "wide"
    await simulated(there, "narrow", None, context_window=110)
    there.route("narrow", "wide")
    assert (await there.ask(chat(max_tokens=8))).headers["x-pointsman-backend"] == "narrow"


async def test_a_default_length_has_to_fit_as_well(there: World) -> None:
    """What the caller leaves open, the profile may make too long."""
    longest = Profile(parameters=(Parameter(name="max_tokens", default="200"),))
    await simulated(there, "narrow", longest, context_window=128)
    await simulated(there, "wide", None, context_window=8192)
    there.route("narrow", fallback=Fallback(chain=("wide",), on=("ContextWindow",)))
    assert (await there.ask(chat())).headers["x-pointsman-backend"] == "wide"
    assert (await there.ask(chat(max_tokens=9))).headers["x-pointsman-backend"] == "narrow"


async def test_tokens_are_reserved_after_the_clamp(there: World) -> None:
    """A caller of 500 tokens a minute may ask for 10,000 where the backend is asked for 50."""
    clamp = Profile(parameters=(Parameter(name="max_tokens", max="50"),))
    await simulated(there, "one", clamp)
    there.route("one")
    known(there, ("app", Limits(tpm=500)))
    assert (await there.ask(chat(max_tokens=10_000), **bearer())).status == 200
    assert bodies(there, "one")[0]["max_tokens"] == 50
    await simulated(there, "one", None)
    there.route("one")
    assert (await there.ask(chat(max_tokens=10_000), **bearer())).status == 429


async def test_embeddings_are_left_alone(there: World) -> None:
    """A profile is about prompts and answers."""
    profile = Profile(parameters=(Parameter(name="temperature", default="0.6"),), stop=("x",))
    await simulated(there, "one", profile)
    there.route("one")
    body = {"model": "auto", "input": "a"}
    async with there.client() as client:
        await client.send(post(body, path="/v1/embeddings"))
        assert (await client.reply()).status == 200
    assert bodies(there, "one") == [body | {"model": "model-one"}]
