"""Presets: data with sources, and what a spec becomes with them."""

import re
from itertools import pairwise
from typing import Any

import pytest

from pointsman.api.presets import PRESETS, Preset, effective, preset_for
from pointsman.api.v1alpha1 import Capability, Family, ModelBackendSpec
from pointsman.api.validation import parse

TOOLS = Capability.TOOLS
VLLM: dict[str, Any] = {"engine": "VLLM"}


def spec(model: str, family: str = "Other", **more: Any) -> ModelBackendSpec:
    place = {} if more.keys() & {"service", "external"} else {"deployment": VLLM}
    return parse(ModelBackendSpec, {"model": model, "family": family} | place | more)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_has_sources_and_knows_itself(preset: Preset) -> None:
    """No value without a source; no preset is hidden by one above it."""
    assert preset.sources
    assert preset.context_window or preset.vllm_args
    re.compile(preset.matches)
    names = {"qwen3": "qwen3-8b", "qwq": "qwq-32b", "qwen2.5": "qwen2.5-7b-instruct"}
    names |= {"qwen3-instruct-2507": "qwen3-30b-a3b-instruct-2507", "kimi-k2": "kimi-k2-instruct"}
    names |= {"kimi-k2-0905": "kimi-k2-instruct-0905"}
    assert preset_for(preset.family, names.get(preset.name, preset.name)) is preset


def test_tool_calls_need_both_flags() -> None:
    """vLLM wants --enable-auto-tool-choice and --tool-call-parser together."""
    for preset in PRESETS:
        args = preset.vllm_args
        assert ("--tool-call-parser" in args) == ("--enable-auto-tool-choice" in args)
        assert all(a.startswith("--") or b.startswith("--") for a, b in pairwise(args))
        assert "--trust-remote-code" not in args


@pytest.mark.parametrize(
    ("family", "model", "name"),
    [
        (Family.QWEN, "Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3-coder"),
        (Family.QWEN, "Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen3-instruct-2507"),
        (Family.QWEN, "Qwen/Qwen3-8B", "qwen3"),
        (Family.QWEN, "Qwen/Qwen3-VL-8B-Instruct", None),
        (Family.DEEPSEEK, "deepseek-ai/DeepSeek-V3.1", "deepseek-v3.1"),
        (Family.DEEPSEEK, "deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"),
        (Family.GLM, "zai-org/GLM-4.5-Air-FP8", "glm-4.5"),
        (Family.GLM, "zai-org/GLM-4.5V", None),
        (Family.KIMI, "moonshotai/Kimi-K2-Instruct-0905", "kimi-k2-0905"),
        (Family.KIMI, "moonshotai/Kimi-K2.5", "kimi-k2.5"),
        (Family.OTHER, "Qwen/Qwen3-8B", None),
        (Family.QWEN, "our-own-name", None),
    ],
)
def test_a_preset_is_found_by_family_and_name(family: Family, model: str, name: str | None) -> None:
    """What is not known stays unknown."""
    found = preset_for(family, model)
    assert (found.name if found else None) == name


def test_gaps_are_filled() -> None:
    """Window, capabilities and arguments come from the preset."""
    result = effective(spec("Qwen/Qwen3-Coder-30B-A3B-Instruct", "Qwen"))
    assert result.context_window == 262_144
    assert result.capabilities == (TOOLS,)
    assert result.engine_args == (
        "--enable-auto-tool-choice",
        "--tool-call-parser",
        "qwen3_coder",
    )


def test_the_users_values_win() -> None:
    """Also when they say nothing at all, as an empty list of capabilities does."""
    deployment = VLLM | {"args": ["--tool_call_parser=mine", "--seed", "1"]}
    result = effective(
        spec("glm-4.5", "GLM", deployment=deployment, contextWindow=4096, capabilities=[])
    )
    assert result.context_window == 4096
    assert result.capabilities == ()
    assert result.engine_args == (
        "--enable-auto-tool-choice",
        "--reasoning-parser",
        "glm45",
        "--tool_call_parser=mine",
        "--seed",
        "1",
    )


@pytest.mark.parametrize(
    ("engine", "args", "window"),
    [
        ("VLLM", ["--max-model-len=8192"], 8192),
        ("VLLM", ["--max-model-len", "8192", "--max-model-len", "4096"], 4096),
        ("VLLM", ["--max_model_len", "32k"], 32_000),
        ("VLLM", ["--max-model-len=32K"], 32_768),
        ("VLLM", ["--max-model-len", "25.6k"], 25_600),
        ("VLLM", ["--max-model-len", "1m"], 1_000_000),
        ("VLLM", ["--max-model-len", "1M"], 1_048_576),
        ("VLLM", ["--max-model-len", "25.6K"], None),
        ("VLLM", ["--max-model-len", "auto"], None),
        ("VLLM", ["--max-model-len", "-1"], None),
        ("VLLM", ["--max-model-len"], None),
        ("VLLM", ["--max-model-len", "9" * 400], None),
        ("SGLang", ["--context-length", "8192"], 8192),
        ("SGLang", ["--context-length", "8k"], None),
        ("Simulator", ["--context-window", "2048"], 2048),
        ("Custom", ["--context-window", "2048"], 131_072),
        ("LlamaCpp", [], 131_072),
        ("LlamaCpp", ["-c", "8192"], 8192),
        ("LlamaCpp", ["-c", "4096", "--ctx-size", "8192"], 8192),
        ("LlamaCpp", ["-c", "8192", "-np", "4"], 2048),
        ("LlamaCpp", ["--ctx-size", "8192", "--parallel", "3"], 2730),
        ("LlamaCpp", ["-c", "8192", "-np", "-1"], 8192),
        ("LlamaCpp", ["-c", "8192", "-np", "4", "--kv-unified"], 8192),
        ("LlamaCpp", ["-c", "8192", "-kvu", "-np", "4", "-no-kvu"], 2048),
        ("LlamaCpp", ["-c", "8192", "--no-kv-unified"], None),
        ("LlamaCpp", ["-c", "0", "-np", "4"], 32_768),
        ("LlamaCpp", ["-np", "4"], 32_768),
        ("LlamaCpp", ["-c", "8k"], None),
        ("LlamaCpp", ["-c", "8192", "-np", "many"], None),
    ],
)
def test_the_engines_own_flag_comes_before_the_preset(
    engine: str, args: list[str], window: int | None
) -> None:
    """What the server was told is what it can take; where that cannot be read, nobody knows it."""
    deployment = {"engine": engine, "args": args, "image": "x"}
    assert effective(spec("glm-4.5", "GLM", deployment=deployment)).context_window == window


def test_only_vllm_gets_vllm_arguments() -> None:
    """A simulator or an external API has none."""
    simulator = {"engine": "Simulator", "args": ["--ttft=1s"]}
    assert effective(spec("glm-4.5", "GLM", deployment=simulator)).engine_args == ("--ttft=1s",)
    external = {"url": "https://api.example.com/v1"}
    assert effective(spec("glm-4.5", "GLM", external=external)).engine_args == ()


def test_vllm_without_a_parser_has_no_tools() -> None:
    """DeepSeek-V3.1 can call tools; vLLM answers 400 unless it is told how to read them."""
    assert effective(spec("deepseek-v3.1", "DeepSeek")).capabilities == ()
    external = {"url": "https://api.example.com/v1"}
    assert effective(spec("deepseek-v3.1", "DeepSeek", external=external)).capabilities == (TOOLS,)
    told = VLLM | {"args": ["--enable-auto-tool-choice", "--tool-call-parser=deepseek_v31"]}
    assert effective(spec("deepseek-v3.1", "DeepSeek", deployment=told)).capabilities == (TOOLS,)


def test_without_a_preset_nothing_is_invented() -> None:
    """An unknown model has no limit and no extras."""
    result = effective(spec("somebody/else", "Other"))
    assert (result.context_window, result.capabilities, result.engine_args) == (None, (), ())
    assert result.preset is None


@pytest.mark.parametrize(
    ("engine", "args", "stated", "most"),
    [
        ("VLLM", ["--max-num-seqs=64"], None, 64),
        ("VLLM", ["--max-num-seqs", "64"], 16, 16),
        ("VLLM", ["--max-num-seqs", "64", "--data-parallel-size", "2"], None, None),
        ("VLLM", ["--max-num-seqs", "many"], None, None),
        ("VLLM", [], None, None),
        ("SGLang", ["--max-running-requests=48"], None, 48),
        ("LlamaCpp", ["-np", "4"], None, 4),
        ("LlamaCpp", ["--parallel", "2", "-np", "4"], None, 4),
        ("LlamaCpp", ["--parallel", "-1"], None, None),
        ("Simulator", ["--max-concurrency", "3"], None, 3),
        ("Custom", ["--max-num-seqs", "64"], None, None),
        ("Custom", [], 5, 5),
    ],
)
def test_what_a_server_takes_at_once_is_said_by_the_spec_or_its_flag(
    engine: str, args: list[str], stated: int | None, most: int | None
) -> None:
    """No engine's default is guessed."""
    deployment = {"engine": engine, "args": args, "image": "x"}
    more: dict[str, Any] = {} if stated is None else {"maxConcurrentRequests": stated}
    assert effective(spec("m", deployment=deployment, **more)).max_concurrent == most


def test_an_external_api_says_what_it_takes_in_all() -> None:
    """Or it has no limit."""
    external = {"url": "https://api.example.com/v1"}
    assert effective(spec("m", external=external)).max_concurrent is None
    assert effective(spec("m", external=external, maxConcurrentRequests=9)).max_concurrent == 9
