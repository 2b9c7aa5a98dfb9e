"""Each quirk of a family: what its backend gets, and which source says that it has to."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pointsman.api.presets import PROFILES, ProfileOf, preset_profile, profile_of
from pointsman.api.v1alpha1 import ModelBackendSpec
from pointsman.api.validation import parse
from pointsman.router.wire.profile import apply

HELLO = {"role": "user", "content": "Hello"}
BRIEF = {"role": "system", "content": "Be brief."}
DEVELOPER = BRIEF | {"role": "developer"}
ANSWER = {"role": "assistant", "content": "Hi"}
NO_KWARG = {"chat_template_kwargs": {"enable_thinking": False}}
NO_TYPE = {"thinking": {"type": "disabled"}}


def spec(family: str, model: str, place: str, **more: Any) -> ModelBackendSpec:
    """`place` is an engine, or the URL of an API."""
    where: dict[str, Any] = {"external": {"url": place}}
    if "/" not in place:
        where = {"deployment": {"engine": place, "image": "x"}}
    return parse(ModelBackendSpec, {"model": model, "family": family, **where, **more})


DEEPSEEK = ("DeepSeek", "deepseek-v4-pro", "https://api.deepseek.com/v1")
R1 = ("DeepSeek", "deepseek-ai/DeepSeek-R1", "VLLM")
KIMI = ("Kimi", "kimi-k2.6", "https://api.moonshot.ai/v1")


@pytest.mark.parametrize(
    ("backend", "given", "expected", "source"),
    [
        (DEEPSEEK, {"messages": [DEVELOPER, HELLO]}, {"messages": [BRIEF, HELLO]}, "pi#1048"),
        (DEEPSEEK, {"max_completion_tokens": 9}, {"max_tokens": 9}, "input max_tokens"),
        (DEEPSEEK, NO_KWARG, NO_TYPE, "thinking.type"),
        (DEEPSEEK, {"messages": [HELLO, ANSWER, HELLO]},
         {"messages": [HELLO, ANSWER | {"reasoning_content": " "}, HELLO]}, "hermes-agent#17341"),
        (DEEPSEEK, {"messages": [HELLO, ANSWER | {"reasoning": "hm"}]},
         {"messages": [HELLO, ANSWER | {"reasoning": "hm", "reasoning_content": "hm"}]}, "pi#3640"),
        (("DeepSeek", "deepseek-reasoner", "https://api.deepseek.com"),
         {"logprobs": True, "top_logprobs": 2}, {}, "trigger an error"),
        (R1, {"messages": [BRIEF, HELLO]},
         {"messages": [{"role": "user", "content": "Be brief.\n\nHello"}]}, "system prompt"),
        (R1, {"messages": [HELLO, ANSWER | {"reasoning_content": "hm"}]},
         {"messages": [HELLO, ANSWER]}, "answered with 400"),
        (("DeepSeek", "deepseek-ai/DeepSeek-V3.1", "VLLM"), NO_TYPE,
         {"chat_template_kwargs": {"thinking": False}}, "DeepSeek-V3_1.md"),
        (("Qwen", "Qwen/Qwen3-8B", "VLLM"), NO_TYPE, NO_KWARG, "reasoning_outputs"),
        (("Qwen", "Qwen/Qwen3-8B", "SGLang"), {"messages": [DEVELOPER]}, {"messages": [BRIEF]},
         "sglang#40082"),
        (("Qwen", "Qwen3-8B-GGUF", "LlamaCpp"), {"messages": [DEVELOPER]}, {"messages": [BRIEF]},
         "llama.cpp#20215"),
        (("Qwen", "qwen-plus", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"), NO_KWARG,
         {"enable_thinking": False}, "Model Studio"),
        (("GLM", "glm-5", "https://dashscope.aliyuncs.com/compatible-mode/v1"), NO_KWARG,
         {"enable_thinking": False}, "glm-5"),
        (("GLM", "glm-4.7", "https://api.z.ai/api/paas/v4"), NO_KWARG, NO_TYPE, "thinking-mode"),
        (("GLM", "zai-org/GLM-5-FP8", "VLLM"), NO_TYPE, NO_KWARG, "GLM5.md"),
        (KIMI, NO_KWARG, NO_TYPE, "thinking.type"),
        (KIMI, {"temperature": 0.2, "top_p": 1, "n": 1, "presence_penalty": 0}, {},
         "cannot be modified"),
        (KIMI, {"reasoning_effort": "low", **NO_TYPE}, NO_TYPE, "nanobot#3939"),
        (KIMI, {"messages": [HELLO, ANSWER]},
         {"messages": [HELLO, ANSWER | {"reasoning_content": " "}]}, "continue#11600"),
        (("Kimi", "kimi-k2-thinking", "https://api.moonshot.cn/v1"), {"messages": [HELLO, ANSWER]},
         {"messages": [HELLO, ANSWER | {"reasoning_content": " "}]}, "crush#2696"),
        (("Kimi", "moonshotai/Kimi-K2.5", "SGLang"), NO_TYPE,
         {"chat_template_kwargs": {"thinking": False}}, "kimi_k2_5"),
    ],
)  # fmt: skip
def test_a_quirk(
    backend: tuple[str, str, str], given: dict[str, Any], expected: dict[str, Any], source: str
) -> None:
    """The preset of the backend gives the body that its source asks for."""
    chosen = spec(*backend)
    preset, profile = preset_profile(chosen), profile_of(chosen)
    assert preset
    assert profile
    assert any(source in one for one in preset.sources)
    body = {"model": "m", "messages": [HELLO], **given}
    found = json.loads(apply(json.dumps(body).encode(), profile))
    assert found == {"model": "m", "messages": [HELLO], **expected}


@pytest.mark.parametrize("preset", PROFILES, ids=lambda one: one.name)
def test_every_preset_has_sources_and_leaves_plain_requests_alone(preset: ProfileOf) -> None:
    """A question without a parameter, a system text or history is relayed byte for byte."""
    assert preset.sources
    assert preset.engines or preset.hosts or preset.anywhere
    body = b'{ "model":"m","messages" : [{"role":"user","content":"Hello"}], "stream":true}'
    assert apply(body, preset.profile) is body


@pytest.mark.parametrize(
    ("family", "model", "place"),
    [
        ("Other", "Qwen/Qwen3-8B", "VLLM"),
        ("Qwen", "Qwen/Qwen3-8B", "Simulator"),
        ("Kimi", "kimi-k2.6", "https://models.example.com/v1"),
        ("DeepSeek", "deepseek-v4-pro", "https://api.deepseek.com.example.com/v1"),
    ],
)
def test_what_is_not_known_is_not_changed(family: str, model: str, place: str) -> None:
    """Another provider of the same model may speak otherwise; a blob without profile stays."""
    assert profile_of(spec(family, model, place)) is None
    assert profile_of(spec(family, model, place, promptProfile={})) is None


def test_the_specs_fields_take_the_places_of_the_presets() -> None:
    """Field by field and parameter by parameter; preset None begins with nothing."""
    own = {
        "roles": {"developer": "Keep"},
        "parameters": [{"name": "temperature", "default": "0.6", "max": "007.50"},
                       {"name": "flag", "default": "true"}, {"name": "word", "default": "low"}],
        "reasoningContent": "Keep",
    }  # fmt: skip
    found = profile_of(spec(*KIMI, promptProfile=own))
    preset = preset_profile(spec(*KIMI))
    assert found
    assert preset
    assert (found.developer, found.reasoning, found.form) == ("", "", "ThinkingType")
    names = [one.name for one in found.parameters]
    assert set(names) == {one.name for one in preset.profile.parameters} | {"flag", "word"}
    mine = {one.name: one for one in found.parameters}
    assert not mine["temperature"].remove
    assert mine["temperature"].max == "7.50"
    assert (mine["flag"].default, mine["word"].default) == ("true", '"low"')
    assert profile_of(spec(*KIMI, promptProfile={"preset": "None"})) is None


@pytest.mark.parametrize(
    ("default", "sent"),
    [("0.00001", 0.00001), ("1e-05", 0.00001), ("-1.5E+3", -1500.0), ("1e400", "1e400"),
     ("1e", "1e"), ("007", "007")],
)  # fmt: skip
def test_a_default_that_is_a_number_in_json_is_sent_as_one(default: str, sent: object) -> None:
    """With an exponent, too; what no server could hold is a text, as is what JSON does not know."""
    own = {"parameters": [{"name": "temperature", "default": default}]}
    found = profile_of(spec(*DEEPSEEK, promptProfile=own))
    assert found
    body = b'{"model":"m","messages":[]}'
    assert json.loads(apply(body, found))["temperature"] == sent


def test_a_rename_of_the_spec_replaces_the_presets() -> None:
    """The preset's way back would undo it."""
    own = {"parameters": [{"name": "max_tokens", "renameTo": "max_completion_tokens"}]}
    found = profile_of(spec(*DEEPSEEK, promptProfile=own))
    assert found
    body = b'{"model":"m","messages":[],"max_tokens":5}'
    assert json.loads(apply(body, found))["max_completion_tokens"] == 5


def test_the_page_names_every_preset() -> None:
    """With its model, its place and what it does, as the data says."""
    page = (Path(__file__).parents[3] / "docs" / "profiles.md").read_text()
    named = re.findall(r"^\| `([a-z0-9.-]+)` \| [A-Z]", page, re.MULTILINE)
    assert named == [preset.name for preset in PROFILES]
