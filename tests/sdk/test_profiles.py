"""What a backend gets of a request that an SDK made, where the backend has a profile."""

import json
from typing import Any

import pytest

from pointsman.api.profile import Parameter, Profile
from tests.router.serve.world import World
from tests.sdk.calls import Call, Sdk

PROFILE = Profile(
    prefix="Answer in French.",
    developer="system",
    parameters=(
        Parameter(name="max_completion_tokens", rename="max_tokens", max="64"),
        Parameter(name="temperature", max="1"),
        Parameter(name="top_p", default="0.95"),
        Parameter(name="logprobs", remove=True),
    ),
    stop=("<end>",),
    form="EnableThinkingKwarg",
    thinking=False,
)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_of_an_sdk_arrives_as_the_model_wants_it(
    there: World, sdk: Sdk, stream: bool
) -> None:
    """Role, text, length, bounds, defaults, removals, stop and thinking; answers stay."""
    (port,) = (endpoint.port for endpoint in there.live.endpoints["default/small:8000"])
    there.place("small", port, profile=PROFILE)
    there.route("small")
    user = {"role": "user", "content": "Which train leaves first?"}
    asked: dict[str, Any] = {
        "model": "auto", "messages": [{"role": "developer", "content": "Be brief."}, user],
        "max_completion_tokens": 5000, "temperature": 1.7, "logprobs": True, "seed": 7,
        "stop": "###", "stream": stream,
    }  # fmt: skip
    outcome = await sdk.call(
        Call("chat.completions.create", asked), f"http://127.0.0.1:{there.port}/v1"
    )
    assert outcome.error is None
    assert outcome.answers
    (entry,) = there.simulators["small"].log.as_json()
    arrived = json.loads(str(entry["body"]))
    system = {"role": "system", "content": "Answer in French.\n\nBe brief."}
    assert arrived == {
        "model": "model-small", "messages": [system, user], "max_tokens": 64, "temperature": 1,
        "seed": 7, "stop": ["###", "<end>"], "stream": stream, "top_p": 0.95,
        "chat_template_kwargs": {"enable_thinking": False},
    }  # fmt: skip
